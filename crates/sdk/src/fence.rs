//! The fence: how a participant stays right when calls come twice, late, or in the wrong order.
//!
//! Networks repeat and delay. A step may be asked for again after it was done; its undo may arrive before it, without
//! it, or while it runs; and once it was undone, a copy of the first request may still be under way. A participant that
//! keeps a row per forward idempotency key in its own database, and reads and writes it in the same transaction as
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
//! | a confirm after its do | confirm what was done, with its result |
//! | a confirm, again | already confirmed |
//! | a confirm without its do, or after its undo | refused |
//! | an undo after its confirm | an error: it is never asked for |
//!
//! A participant of a TCC calls its try a do and its cancel an undo, and is the same otherwise. The forward key is a
//! task's [`idempotency_key`](crate::Task::idempotency_key) in a forward handler and its
//! [`forward_key`](crate::Task::forward_key) in an undo or a confirm; [`fence_key`](crate::Task::fence_key) is the
//! right one in all of them. Of a step that polls it is the same in all rounds: the first is told to do what it does once,
//! the others what came of that, and look after it.

#[cfg(feature = "fence-postgres")]
pub mod postgres;
#[cfg(feature = "fence-sqlite")]
pub mod sqlite;

#[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
use chancery_base::Digest;
use chancery_base::Kind;
use chancery_base::limits::{KEY_BYTES_MAX, PAYLOAD_BYTES_MAX};
use serde_json::Value;
#[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
use std::borrow::Cow;

/// What a participant's fence says to an undo.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Undo {
    /// It was done, with this result: undo it, in this transaction.
    Needed {
        /// What the permit's `done` recorded.
        result: Value,
    },
    /// It was not done and from now on never will be: there is nothing to undo.
    NothingDone,
    /// It was undone before: there is nothing to undo.
    AlreadyUndone,
}

/// What a participant's fence says to a confirm.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Confirm {
    /// It was done, with this result: confirm it, in this transaction.
    Needed {
        /// What the permit's `done` recorded.
        result: Value,
    },
    /// It was confirmed before: there is nothing to do.
    AlreadyConfirmed,
    /// It was never done here, or was undone: do nothing and answer with an error. A participant that lost its data
    /// sees this.
    Refused,
}

/// Why a fence could not be asked; `E` is the error of the database's driver. Roll the transaction back.
#[derive(Debug, thiserror::Error)]
pub enum FenceError<E: std::error::Error + 'static> {
    /// The database refused; most often it is busy, and a later attempt succeeds.
    #[error("failed to {operation} the fence")]
    Database {
        /// `prepare`, `read` or `write`.
        operation: &'static str,
        /// Why.
        #[source]
        source: E,
    },
    /// The key is empty, or longer than any that a server gives.
    #[error("a fence key has 1 to {FENCE_KEY_BYTES_MAX} bytes, this one has {0}")]
    Key(usize),
    /// The result is larger than a payload may be.
    #[error("the result has {0} bytes, at most {PAYLOAD_BYTES_MAX} can be recorded")]
    ResultTooLarge(usize),
    /// An undo came after its confirm, which nobody asks for.
    #[error("`{0}` was confirmed: it can't be undone any more")]
    Confirmed(String),
    /// What the fence keeps is not what it wrote.
    #[error("the fence's row is damaged: {0}")]
    Damaged(String),
}

/// Bytes of a forward key at most: a business key and a start's key, each escaped, and a step's name for each level of
/// children.
const FENCE_KEY_BYTES_MAX: usize = KEY_BYTES_MAX * 16;
/// Bytes of a key that is kept as it is. Databases' indices take no more than some thousand.
#[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
const FENCE_KEY_BYTES_KEPT: usize = KEY_BYTES_MAX * 2;

impl<E: std::error::Error + 'static> FenceError<E> {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Database { .. } => Kind::Busy,
            Self::Key(_) => Kind::Invalid,
            Self::ResultTooLarge(_) => Kind::TooLarge,
            Self::Confirmed(_) => Kind::Conflict,
            Self::Damaged(_) => Kind::Broken,
        }
    }

    #[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
    const fn write(source: E) -> Self {
        Self::Database { operation: "write", source }
    }
}

/// What stands for a key in the table: a long one is told by its digest.
#[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
fn row_key<E: std::error::Error + 'static>(key: &str) -> Result<Cow<'_, str>, FenceError<E>> {
    match key.len() {
        1..=FENCE_KEY_BYTES_KEPT => Ok(Cow::Borrowed(key)),
        bytes if bytes == 0 || bytes > FENCE_KEY_BYTES_MAX => Err(FenceError::Key(bytes)),
        // A key has a slash, so none is the digest of another.
        _ => Ok(Cow::Owned(Digest::of(key.as_bytes()).to_string())),
    }
}

/// The key of the row that says that it was confirmed. No forward key is empty before a slash, so none is this one.
#[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
fn confirmed(forward_key: &str) -> String {
    format!("{forward_key}//confirmed")
}

/// A result as the fence keeps it.
#[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
fn to_text<E: std::error::Error + 'static>(result: &Value) -> Result<String, FenceError<E>> {
    let text = result.to_string();
    if text.len() > PAYLOAD_BYTES_MAX { Err(FenceError::ResultTooLarge(text.len())) } else { Ok(text) }
}

#[cfg(any(feature = "fence-postgres", feature = "fence-sqlite"))]
fn from_text<E: std::error::Error + 'static>(key: &str, text: &str) -> Result<Value, FenceError<E>> {
    serde_json::from_str(text).map_err(|error| FenceError::Damaged(format!("the result of `{key}`: {error}")))
}
