//! What steps reach: origins and workers' queues, how they do, and what they are given.

use crate::OneTimeKey;
use crate::worker::{ReportError, present};
use chancery_base::{Digest, Document, SigningSecretId, TargetId, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What a target is given. What is absent, the target `default` says, and else the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// Whether steps may call it; the node's own list has to permit it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// Calls at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How long a step may wait for a place before the target is said to be saturated, such as `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// How long a call may take, the step's own timeout notwithstanding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Calls in `rate_per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// The time that `rate` is meant of; a second where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per: Option<String>,
    /// How many of the last calls count for the breaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// How many of them there have to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_min: Option<u32>,
    /// Failed calls, of a hundred, from which on the breaker opens; 101: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_percent: Option<u32>,
    /// Slow calls, of a hundred, from which on it opens; 101: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_percent: Option<u32>,
    /// What takes longer is slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<String>,
    /// How long it stays open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
    /// Calls that have to succeed before it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<u32>,
}

/// A target as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Target {
    /// Its name: `https:payments.example:443`, `worker:inventory.reserve`, `default`.
    #[schema(value_type = String)]
    pub id: TargetId,
    /// `healthy`, `degraded`, `unavailable`, `forbidden` or `stopped`.
    pub health: String,
    /// Steps that wait for it.
    pub waiting: usize,
    /// How long the oldest of them has waited, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// Attempts that are out.
    pub out: usize,
    /// Whether steps may call it; absent for a worker's queue, as is all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// Whether steps have waited longer for a place than they should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturated: Option<bool>,
    /// Its breaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Its calls since the node began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// All that holds for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<TargetSettings>,
    /// What the tenant set for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<TargetSettings>,
}

/// A breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Breaker {
    /// `closed`, `open` or `half_open`, as it thinks itself.
    pub state: String,
    /// `open` or `closed` where an operator holds it, else `auto`.
    pub forced: String,
    /// Until when it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Calls that count.
    pub calls: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// Those of them that were slow.
    pub slow: usize,
}

/// What calls were like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Calls {
    /// How many may begin now.
    pub room: u32,
    /// How many ended.
    pub ended: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them that were slow.
    pub slow: u64,
    /// What half of the last hundred took at most, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    /// What 95 of the last hundred took at most, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<u64>,
    /// When one failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failed_at: Option<Timestamp>,
}

/// Holds a breaker, or lets it go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceBreaker {
    /// How.
    pub force: Force,
    /// Why.
    pub justification: String,
}

/// How a breaker is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Force {
    /// No call is made.
    Open,
    /// Every call is made.
    Closed,
    /// It does as it thinks.
    Auto,
}

/// Issues a secret that calls are signed with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueSigningSecret {
    /// The one target whose calls it signs; without it, those of every target that has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub target: Option<TargetId>,
}

/// A signing secret as it was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedSigningSecret {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SigningSecretId,
    /// The one target whose calls it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub target: Option<TargetId>,
    /// `whsec_…`. It is not shown again.
    #[schema(value_type = String)]
    pub secret: OneTimeKey,
}

/// A signing secret, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningSecret {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SigningSecretId,
    /// The one target whose calls it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub target: Option<TargetId>,
    /// SHA-256 of the secret's bytes.
    #[schema(value_type = String)]
    pub hash: Digest,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
}

/// What came of a call that its target had only accepted. Without `output` and `error` it asks whether the attempt is
/// still waited for, which extends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// What the call had in its header `Chancery-Task-Token`.
    pub token: String,
    /// It was done; `null` is an output too.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub output: Option<Arc<Document>>,
    /// It was not done, or may not have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ReportError>,
}

/// The answer to a [`Callback`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CalledBack {
    /// What became of it.
    pub ack: CallbackAck,
}

/// What can become of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallbackAck {
    /// It is in the ledger.
    Recorded,
    /// The attempt is over: nothing changed.
    Superseded,
    /// The attempt is still waited for.
    Waiting,
}
