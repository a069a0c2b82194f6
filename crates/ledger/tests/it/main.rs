//! The crate's integration tests, in one binary.

mod note;
mod receipt;
mod record;
mod support;
mod tile;
mod tree;
mod verify;
