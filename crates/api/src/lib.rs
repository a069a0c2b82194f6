//! What goes over the wire: the types of requests and answers, the catalogue of problems (RFC 9457), and the one
//! table of routes that builds the router, the `OpenAPI` document and the denial test.
//!
//! Wire types are not domain types: `server` and `sdk` convert them, field by field. Types of requests refuse unknown
//! members; types of answers take them, so that a client can talk to a newer server. Requests of the Authorization API
//! ([`authzen`]) take them too, because its specification says so.

pub mod authzen;
pub mod budget;
pub mod bundle;
pub mod capability;
pub mod compliance;
pub mod decision;
pub mod definition;
pub mod event;
pub mod evidence;
pub mod export;
pub mod health;
pub mod ledger;
pub mod maintenance;
pub mod notifier;
pub mod open;
pub mod over;
pub mod page;
pub mod principal;
pub mod problem;
pub mod queue;
pub mod report;
pub mod request;
pub mod retention;
pub mod routes;
pub mod schedule;
pub mod settings;
pub mod stop;
pub mod target;
pub mod tenant;
pub mod transaction;
pub mod worker;

mod key;

pub use key::{BEARER, IDEMPOTENCY_KEY, OneTimeKey, REQUEST_ID, RETRY_AFTER, TRACEPARENT};
pub use page::Page;
pub use problem::{Fault, Problem, ProblemKind};
pub use routes::{Access, Method, ROUTES, Route};
