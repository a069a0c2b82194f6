//! Chancery's HTTP API: one table of routes ([`chancery_api::ROUTES`]) makes the router and the `OpenAPI` document.
//!
//! ```text
//! listener → gate (limits, request id, credential, permission, time, log, metrics) → handler → use-case of `app`
//! ```
//! A handler extracts, calls one use-case and converts. Whatever goes wrong becomes a `Failure`, which the
//! gate turns into an RFC 9457 problem and logs once.

mod connections;
mod convert;
mod cursor;
mod extract;
mod failure;
mod gate;
mod handlers;
mod json;
mod listener;
pub mod openapi;
mod options;
mod patient;
mod reply;
mod request_id;
mod router;
mod scope;
mod stream;
mod tally;
pub mod telemetry;

pub use convert::{replay_flip, replayed, simulated};
pub use failure::reason;
pub use listener::{Listening, ServeError, Server, listen, serve};
pub use options::{CallLimits, ConnectionLimits, ServerOptions, Shares};
pub use router::RouterError;
