//! Tests of the engine, one module a subject.

mod definition;
mod saga;
