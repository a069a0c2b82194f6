//! The Rust client and worker of Chancery.
//!
//! - [`Client`] starts transactions, waits for them, cancels them, reads their history, and makes every other call of
//!   the API. The command line is built on it.
//! - [`Worker`] takes tasks: a function and a name.
//! - [`open`] runs transactions whose steps a program adds while it runs.
//! - [`fence`] keeps participants right when calls come twice, late, or in the wrong order.
//! - `capability`, a feature, has the tokens that workers show to others, and checks them.
//! - [`webhook`] checks who sent a call, for participants that are called over HTTP.
//!
//! The wire types of requests and answers are those of [`api`].

#[cfg(feature = "capability")]
pub mod capability;
pub mod client;
pub mod fence;
pub mod open;
pub mod webhook;
pub mod worker;

mod error;

/// The wire types.
pub use chancery_api as api;
pub use chancery_api::worker::Phase;
pub use chancery_base::{Digest, Kind, Name, PrincipalId, Secret, TenantId, Timestamp, TransactionId};
pub use client::{Client, ClientOptions, Start};
pub use error::Error;
pub use open::{Open, OpenError};
pub use worker::{HandlerError, Task, Worker, WorkerError};
