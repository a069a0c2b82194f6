//! How long what has ended is kept.

use chancery_base::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Says how long what has ended is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRetention {
    /// How long transactions are kept after their end, with their idempotency keys, such as `30d`: at least `7d`. Where
    /// nothing is said, as long as is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<String>,
}

/// How long what has ended is kept, and how removing what is kept no longer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retention {
    /// How long transactions are kept after their end, such as `90d`.
    pub transactions: String,
    /// Whether that is what is usual, since the tenant says nothing.
    pub is_default: bool,
    /// When what is kept no longer is removed next.
    #[schema(value_type = String, format = DateTime)]
    pub next: Timestamp,
    /// How that went the last time, or goes; absent where it was not done since the server began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<ExpiryRun>,
}

/// How removing what is kept no longer went, or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpiryRun {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    /// When it was over; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What ended before this was to go.
    #[schema(value_type = String, format = DateTime)]
    pub ended_before: Timestamp,
    /// Transactions that were removed.
    pub removed: u64,
    /// Why it stopped before it was through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
