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
    /// The versions of workers that get its tasks, such as `2.1.0`, or beginnings of them, such as `2.*`: at most 16.
    /// Without it all get them, those too that say no version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["2.*"]), max_items = 16)]
    pub versions: Vec<String>,
}

/// A version that workers say which would take from a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueVersion {
    /// Which; absent: they say none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many instances say it.
    pub workers: usize,
    /// Whether the queue's tasks go to them.
    pub takes: bool,
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
    /// The versions that these say; at most 100 are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<QueueVersion>,
    /// `concurrency` or `rate`, where that limit of its own keeps steps waiting; `versions`, where all who would take
    /// them are of other versions than it goes to; `keys`, where what waits has a capability token and none of them presents
    /// a key to bind it to; `stopped`, where a stop is on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// What was set for it.
    pub settings: QueueSettings,
}
