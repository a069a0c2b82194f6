//! What can happen to a schedule. Each is an entry in the ledger.

use super::Terms;
use chancery_base::{PrincipalId, Timestamp, TransactionId};

/// What happened to a schedule. What says `next` says when it is due after that; none: never again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was made.
    Created {
        /// What it was told.
        terms: Box<Terms>,
        /// Under whose grants it starts.
        owner: PrincipalId,
        /// When it is due first.
        next: Option<Timestamp>,
    },
    /// It was told something else, by whoever is its owner now.
    Changed {
        /// What.
        terms: Box<Terms>,
        /// Under whose grants it starts from now on.
        owner: PrincipalId,
        /// When it is due first.
        next: Option<Timestamp>,
    },
    /// It is not due until it is resumed.
    Paused {
        /// Why.
        note: String,
    },
    /// It is due again.
    Resumed {
        /// Why.
        note: String,
        /// When first.
        next: Option<Timestamp>,
    },
    /// It is gone.
    Deleted,
    /// A time waits for the end of what runs.
    Buffered {
        /// Which.
        due: Timestamp,
        /// When it is due next.
        next: Option<Timestamp>,
    },
    /// A transaction was started.
    Fired {
        /// For which time.
        due: Timestamp,
        /// Which one.
        transaction: TransactionId,
        /// Whether somebody asked for it, out of turn.
        by_hand: bool,
        /// When it is due next.
        next: Option<Timestamp>,
    },
    /// Nothing was started.
    Skipped {
        /// For which time, or for the first of several.
        due: Timestamp,
        /// Of several: they are before this one.
        until: Option<Timestamp>,
        /// Why not.
        reason: Reason,
        /// What was wrong.
        error: Option<String>,
        /// When it is due next.
        next: Option<Timestamp>,
    },
}

/// Why nothing was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was too late, and is not made up for.
    Missed,
    /// What was started before still runs.
    Overlap,
    /// Policy, or its owner's roles, do not permit it.
    Denied,
    /// A transaction that it did not start has the business key, or was started under its idempotency key.
    Conflict,
    /// It could not be said what to start, or with which input.
    Failed,
}

impl Reason {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Missed, Self::Overlap, Self::Denied, Self::Conflict, Self::Failed];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Overlap => "overlap",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }
}
