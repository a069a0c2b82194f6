//! Queues that steps wait in for workers, and what they are given.

use chancery_base::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a queue is given. What is absent has no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// Attempts that are out at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Hand-outs in `rate_per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// The time that `rate` is meant of, such as `1m`; a second where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per: Option<String>,
}

/// A queue as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// Its name: that of the worker.
    #[schema(value_type = String)]
    pub name: Name,
    /// Steps, compensations and confirms that wait in it.
    pub waiting: usize,
    /// How long the oldest of them has waited, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// Attempts that are out.
    pub out: usize,
    /// Workers' instances that take from it at the moment, or work on a task of it.
    pub workers: usize,
    /// `concurrency` or `rate`, where that limit of its own keeps steps waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// What was set for it.
    pub settings: QueueSettings,
}
