//! The floor: what a saga writes, written without an engine, a policy or a shard.
//!
//! What that is, is taken from a saga that ran: the batches that its shard gave the store. Each is a *stage*: payloads
//! and bodies as values, records as fields. A floor's saga goes through the same stages one after the other under a
//! new id. For each it brings the payloads into canonical form, draws salts, digests, writes the records' bytes,
//! hashes their leaves, and has all of it committed together with whatever else waits: the same statements, by the
//! same store, one batch at a time as the shard has it.

mod exchange;
mod group;
mod inprocess;
mod template;

pub(crate) use exchange::{measure as remote, server as remote_server};
pub(crate) use inprocess::{child as inprocess_child, measure as inprocess};
