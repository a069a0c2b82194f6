//! What runs a node: pumps for the shards, integrators for the logs, loops for handlers in this process and for
//! HTTP targets; and the use-cases, which the server's handlers and the CLI call.
//!
//! ```text
//! App::open → authenticate → Caller → authorize → Grant → use-case(&app, &grant, …)
//! ```
//! A use-case is a function that takes a [`chancery_policy::Grant`]; only [`App::authorize`] and
//! `Grant::system(reason)` make one. Nothing here decides what a transaction does: that is the shard, which a
//! [`pump`](self) feeds with inputs and whose calls it carries out against the store.

mod app;
pub mod bootstrap;
pub mod budgets;
pub mod bulk;
pub mod bundles;
pub mod callbacks;
pub mod capabilities;
pub mod clock;
pub mod compliance;
mod config;
pub mod data;
pub mod decisions;
pub mod definitions;
pub mod driving;
mod error;
pub mod events;
pub mod evidence;
pub mod exchange;
pub mod exports;
mod grants;
pub mod health;
mod inputs;
mod integrator;
pub mod keys;
pub mod ledger;
pub mod local;
pub mod maintenance;
mod measure;
pub mod notifiers;
mod notify;
pub mod operations;
pub mod overrides;
mod page;
mod past;
mod payloads;
pub mod principals;
mod probe;
mod pump;
pub mod queues;
pub mod receipts;
pub mod reports;
pub mod requests;
pub mod retention;
pub mod schedules;
pub mod settings;
pub mod signals;
pub mod signers;
pub mod signing;
mod span;
mod starters;
pub mod stops;
pub mod targets;
mod tasks;
mod tenant;
pub mod tenants;
pub mod transactions;
pub mod verify;
mod watch;

pub use app::{About, App, Caller, Keys};
pub use chancery_targets::{AllowList, Guard, InformationOptions, Network};
pub use config::Config;
pub use error::{Error, Fault};
pub use local::Closures;
pub use page::{Page, Paged};
pub use span::Span;
pub use tasks::Tasks;
