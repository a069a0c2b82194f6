//! The command line, from outside: the built binary, its output, its exit codes.

mod first_success;
mod help;
mod offline;
mod remote;
mod server;
mod support;
