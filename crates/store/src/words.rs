//! Words that rows hold as `&'static str`: read back, each must be one that this build knows.

use chancery_shard::row::KeyScope;

/// The status of a transaction that waits for a person; recovery leaves it alone.
#[cfg(feature = "sim")]
pub(crate) const PARKED: &str = "parked";
/// The status of a transaction that only waits; recovery reads when it wakes and nothing else.
#[cfg(feature = "sim")]
pub(crate) const WAITING: &str = "waiting";

/// Every word of a transaction's status.
pub const TRANSACTION_STATUSES: &[&str] = &[
    "running",
    "waiting",
    "confirming",
    "compensating",
    "paused",
    "parked",
    "completed",
    "compensated",
    "failed",
    "cancelled",
    "terminated",
];

/// Every word of a step's row: its status, or its compensation's or confirm's.
pub const STEP_STATUSES: &[&str] = &[
    "pending",
    "ready",
    "dispatched",
    "backoff",
    "waiting",
    "expanded",
    "completed",
    "failed",
    "unknown",
    "skipped",
    "cancelled",
    "undo_ready",
    "undo_dispatched",
    "undo_backoff",
    "undo_completed",
    "undo_failed",
    "undo_marked",
    "undo_skipped",
    "confirm_ready",
    "confirm_dispatched",
    "confirm_backoff",
    "confirm_completed",
    "confirm_failed",
];

/// Entries' numbers as a column holds them; none where there are none.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn kept_text(kept: &[u64]) -> Option<String> {
    let numbers: Vec<String> = kept.iter().map(u64::to_string).collect();
    (!numbers.is_empty()).then(|| numbers.join(","))
}

/// The numbers in such a column.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn kept_of(text: Option<&str>) -> Option<Vec<u64>> {
    let Some(text) = text else { return Some(Vec::new()) };
    text.split(',').map(|number| number.parse().ok()).collect()
}

/// The word of `known` that a text is.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn find(known: &[&'static str], text: &str) -> Option<&'static str> {
    known.iter().find(|word| **word == text).copied()
}

/// The word of a key's scope.
pub(crate) const fn scope(scope: KeyScope) -> &'static str {
    match scope {
        KeyScope::Start => "start",
        KeyScope::Business => "business",
        KeyScope::Fork => "fork",
    }
}

/// The scope with this word.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn scope_of(text: &str) -> Option<KeyScope> {
    [KeyScope::Start, KeyScope::Business, KeyScope::Fork].into_iter().find(|found| scope(*found) == text)
}
