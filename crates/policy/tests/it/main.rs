//! Tests of chancery-policy.

mod access;
mod bundle;
mod decide;
mod equal;
mod support;
