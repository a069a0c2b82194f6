//! The server from outside: over a socket, with a client that can send anything.

mod bad_input;
mod denial;
mod flow;
mod house;
mod http;
mod limits;
mod openapi;
