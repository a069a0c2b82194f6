//! The joint: engine, policy, rules and ledger in one pure state machine whose output is one database commit.
//!
//! A [`Shard`] takes inputs, asks for one store call at a time, and lets effects out only after the commit that they
//! rest on. It has no clock, no randomness and no I/O: whoever pumps it gives the time and the entropy and carries
//! the calls out.

pub mod batch;
pub mod budget;
pub mod control;
pub mod entry;
pub mod evidence;
pub mod expiry;
pub mod input;
pub mod maintenance;
pub mod notifier;
pub mod over;
mod payload;
pub mod preview;
pub mod queue;
pub mod replay;
mod request;
pub mod retention;
pub mod risk;
pub mod row;
pub mod rows;
pub mod schedule;
pub mod settings;
mod shard;
pub mod stop;
pub mod target;
pub mod token;
pub mod trust;

pub use batch::{Batch, Call, CommitError, ControlRows, Loaded, LoadedTransaction, Reply, Sources, StoreError};
pub use chancery_engine::{RequestKind, RequestStatus, search};
pub use chancery_ledger::Origin;
pub use chancery_policy::Grant;
pub use control::Control;
pub use request::RequestBody;
#[cfg(feature = "sabotage")]
pub use shard::Sabotage;
pub use shard::{Config, Poll, Shard, Stage, decide, fork_hash};
pub use token::{AttemptRef, TaskToken, TokenKey};
