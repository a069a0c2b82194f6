//! The worker exchange: one call both hands in and takes out.

use chancery_base::{DecisionId, Document, Name, PublicKey, Timestamp, TransactionId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// A worker's call.
///
/// One that names queues is the instance's single *taking* call: it replaces the one before, which is answered empty;
/// its `want` is all the capacity that the instance has; and tasks that it neither holds nor reports are taken for not
/// arrived and sent again. So a task may come twice: with the answer to a call, and with that to the one that replaced it,
/// though it was reported in between; its token tells. One without queues only reports. Only one without `done` is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Which process: a name that no other process of the same principal has at the time.
    #[schema(example = "orders-7f9c", min_length = 1, max_length = 128)]
    pub worker: String,
    /// The version of its code: 1 to 64 letters, digits and `. _ + -`. A queue may go to some versions only.
    #[schema(example = "2.1.0", min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The Ed25519 public key that capability tokens of its tasks are bound to: `ed25519/` and 64 hex digits. Without one it
    /// gets no task of a step with `capability`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<PublicKey>,
    /// How many tasks it takes, by queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<QueueWant>,
    /// How tasks ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<Report>,
    /// Tasks that it still works on: renews their leases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holding: Vec<String>,
    /// How long a call that finds nothing may wait, such as `4s`, at most `5s`; without it the answer comes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}

/// How many tasks of a queue a worker takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueWant {
    /// The queue: a worker name of definitions.
    #[schema(value_type = String, example = "inventory.reserve")]
    pub name: Name,
    /// How many, 0 to 4,096.
    pub want: u32,
}

/// How a task ended: exactly one of `output` and `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The task's token.
    pub task: String,
    /// It was done; `null` is an output too.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub output: Option<Arc<Document>>,
    /// It was not done, or may not have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ReportError>,
}

/// A `null` that stands there is a value; serde would take it for absent.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Document>>, D::Error> {
    Document::deserialize(deserializer).map(|document| Some(Arc::new(document)))
}

/// How a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportError {
    /// What kind of failure: what a retry's `unless` names.
    #[serde(rename = "type")]
    pub error_type: String,
    /// For people.
    pub message: String,
    /// For programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// Whether it may have taken effect nevertheless.
    #[serde(default)]
    pub unknown: bool,
    /// Whether no further attempt can end otherwise.
    #[serde(default, rename = "final")]
    pub is_final: bool,
}

/// The answer to an [`Exchange`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exchanged {
    /// Tasks handed out.
    pub tasks: Vec<Task>,
    /// What became of the reports, in their order.
    pub acks: Vec<Acknowledged>,
    /// Tasks among `holding` whose answer is no longer wanted: stop, and report the outcome as unknown when it has
    /// stopped, so that what was done is undone then and not when the lease lapses.
    pub cancelled: Vec<String>,
    /// Queues that it named and gets nothing of, since they go to workers of other versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedQueue>,
}

/// A queue that a worker gets nothing of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedQueue {
    /// Which.
    #[schema(value_type = String)]
    pub queue: Name,
    /// The versions that it goes to, such as `2.*`.
    pub versions: Vec<String>,
}

/// An attempt handed to a worker. A permit for it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Its token, without which no outcome is taken.
    pub task: String,
    /// The queue that it came from.
    #[schema(value_type = String)]
    pub queue: Name,
    /// Whose step.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// The step's id in the definition.
    #[schema(value_type = String)]
    pub step: Name,
    /// Which clone of it, from 0; none: the step does not fan out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The step, its undo or its confirm.
    pub phase: Phase,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What to do it with.
    #[schema(value_type = Value)]
    pub input: Arc<Document>,
    /// What policy has the worker keep within; absent: nothing.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub limits: Map<String, Value>,
    /// The same for every attempt; of a step that polls, for every attempt of a round.
    pub idempotency_key: String,
    /// For an undo or a confirm: the key of what it undoes or confirms. For a round of a step that polls, after the
    /// first: the key of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_key: Option<String>,
    /// For an undo: whether it is unknown if what it undoes took effect.
    #[serde(default)]
    pub forward_unknown: bool,
    /// The decision that permitted it.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// When the attempt counts as failed.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
    /// The trace that the start was part of (W3C Trace Context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What the transaction was told beside its input.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its capability token, a Biscuit, of a step with `capability`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
}

/// A step, its undo or its confirm. For a participant of a TCC `do` is the try and `undo` the cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The step.
    Do,
    /// Its undo.
    Undo,
    /// Its confirm.
    Confirm,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    /// The task's token.
    pub task: String,
    /// What became of it.
    pub ack: Ack,
}

/// What can become of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ack {
    /// It is in the ledger.
    Recorded,
    /// The attempt was superseded or had been reported: nothing changed.
    Superseded,
    /// The token is not one of ours: nothing changed.
    Refused,
}
