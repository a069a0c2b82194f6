//! The command line, from outside: the built binary, its output, its exit codes.

mod help;
mod offline;
mod remote;
mod support;
