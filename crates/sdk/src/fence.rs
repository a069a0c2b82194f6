//! The fence: how a participant stays right when calls come twice, late, or in the wrong order.
//!
//! Networks repeat and delay. A step may be asked for again after it was done; its undo may arrive before it, without
//! it, or while it runs; and once it was undone, a copy of the first request may still be under way. A participant that
//! keeps one row per forward idempotency key in its own database, and reads and writes it in the same transaction as
//! its data, is safe against all of these:
//!
//! | what arrives | what the fence says |
//! |---|---|
//! | a do, for the first time | a permit |
//! | a do, again | already done, with the result that was recorded |
//! | an undo after its do | undo what was done, with its result |
//! | an undo before its do, or without one | nothing was done |
//! | an undo, again | already undone |
//! | a do after its undo | refused |
//!
//! The forward key is a task's [`idempotency_key`](crate::Task::idempotency_key) in a forward handler and its
//! [`forward_key`](crate::Task::forward_key) in an undo.

#[cfg(feature = "fence-sqlite")]
pub mod sqlite;
