//! Forking a transaction that has ended.

use chancery_base::{Name, PrincipalId, TransactionId};

/// A fork: the start of a transaction that takes over from one that has ended.
#[derive(Debug, Clone)]
pub struct Fork {
    /// Its id, drawn in the slot of its source.
    pub id: TransactionId,
    /// Who forks: the principal of every decision in the fork.
    pub actor: PrincipalId,
    /// What it takes over from.
    pub source: TransactionId,
    /// The step from which on everything is done anew.
    pub step: Name,
    /// Why; at least 1 byte.
    pub justification: String,
    /// Asked again under the same key, for the same step and reason, it gives the same fork.
    pub idempotency_key: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The platform takes no new transactions: it is refused, unless it was forked before.
    pub is_closed: bool,
}
