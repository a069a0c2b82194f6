//! Tests of the expressions, one file a subject.

mod evaluate;
mod guard;
mod properties;
mod references;
mod template;
