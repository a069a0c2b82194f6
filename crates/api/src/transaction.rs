//! Transactions.

mod faults;
mod waits;

pub use faults::{AllAttempts, Fault, FaultAttempts, FaultKind, InjectedError};
pub use waits::{Polling, SeenStep, SendSignal, SentSignal, TransactionState, WaitingFor};

use crate::Problem;
use chancery_base::{DecisionId, Digest, Name, PrincipalId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Starts a transaction. The header `Idempotency-Key` makes it safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartTransaction {
    /// What it runs.
    #[schema(value_type = String, example = "create-order")]
    pub definition: Name,
    /// Which version; the newest without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Its input.
    #[serde(default)]
    pub input: Value,
    /// For people to search by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it is told beside its input: expressions see it as `headers`, tasks carry it, children have it, too. Names
    /// of HTTP headers; no secrets, since it is recorded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long the answer may wait for the end, such as `30s`, at most `60s`; without it the answer comes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// When its first steps begin; without it, or in the past, at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_at: Option<Timestamp>,
    /// A signal that it begins with. If the idempotency key or the business key is of a transaction that runs, that one
    /// gets it, and nothing is started. It takes the permission `transaction:signal`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SendSignal>,
    /// What is to go wrong, at most 32 faults: to test handlers. It takes the permission `fault:inject`, too, and a
    /// server that was started with `--allow-faults`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub faults: Vec<Fault>,
}

/// What a transaction is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its steps are run.
    Running,
    /// Nobody is called: it waits for a time or a signal, `waiting_for` says for which.
    Waiting,
    /// Every participant of a TCC is tried, and what was tried is confirmed.
    Confirming,
    /// What was done is undone.
    Compensating,
    /// Somebody paused it: nothing is handed out until it is resumed.
    Paused,
    /// It waits for a person: `parked_at` says at which step.
    Parked,
    /// All was done.
    Completed,
    /// A step failed and what was done was undone: `cause` says which.
    Compensated,
    /// A step failed; there was nothing to undo, or `left_undone` says what is.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Somebody ended it and nothing was undone.
    Terminated,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 11] = [
        Self::Running,
        Self::Waiting,
        Self::Confirming,
        Self::Compensating,
        Self::Paused,
        Self::Parked,
        Self::Completed,
        Self::Compensated,
        Self::Failed,
        Self::Cancelled,
        Self::Terminated,
    ];

    /// Its word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Confirming => "confirming",
            Self::Compensating => "compensating",
            Self::Paused => "paused",
            Self::Parked => "parked",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Terminated => "terminated",
        }
    }

    /// Whether it stays as it is.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Running | Self::Waiting | Self::Confirming | Self::Compensating | Self::Paused | Self::Parked => {
                false
            }
            Self::Completed | Self::Compensated | Self::Failed | Self::Cancelled | Self::Terminated => true,
        }
    }
}

/// A transaction in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionSummary {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TransactionId,
    /// What it runs.
    #[schema(value_type = String)]
    pub definition: Name,
    /// Which version.
    pub version: u32,
    /// What it is doing.
    pub status: Status,
    /// Who started it.
    #[schema(value_type = String)]
    pub principal: PrincipalId,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// For people to search by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its business key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_key: Option<String>,
    /// What it is a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStep>,
}

/// A transaction and what became of each of its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transaction {
    /// Its id.
    #[schema(value_type = String, example = "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90")]
    pub id: TransactionId,
    /// What it runs.
    #[schema(value_type = String)]
    pub definition: Name,
    /// Which version.
    pub version: u32,
    /// The digest of that version.
    #[schema(value_type = String)]
    pub definition_digest: Digest,
    /// What it is doing.
    pub status: Status,
    /// Of a TCC: `trying`, `confirming`, `confirmed`, `cancelling` or `cancelled`; what ended otherwise says how far it
    /// had come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Who started it.
    #[schema(value_type = String)]
    pub principal: PrincipalId,
    /// The bundle that its decisions are taken under.
    #[schema(value_type = String)]
    pub bundle: Digest,
    /// For people to search by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it was told beside its input.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its business key: one running transaction has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_key: Option<String>,
    /// The idempotency key that it was started under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What it is a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStep>,
    /// What it is a fork of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<ForkOf>,
    /// The fork of it, which took over what it had done and not undone before a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub forked_by: Option<TransactionId>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When its first steps were to begin, where that was later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_at: Option<Timestamp>,
    /// What its starter asked to go wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Since when it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub paused_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Of an open transaction: the number of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<u32>,
    /// Why it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The step, or the clone of one as `ship[3]`, that waits for a person, or whose compensation does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_at: Option<String>,
    /// Its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Steps that took effect, or may have, and were not undone. What a fork took over is the fork's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_undone: Vec<String>,
    /// What it waits for, each with since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<WaitingFor>,
    /// The transactions that its steps run or ran last, in the order of the steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub children: Vec<TransactionId>,
    /// Its steps, in the definition's order.
    pub steps: Vec<Step>,
}

/// What a transaction is a child of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParentStep {
    /// The transaction.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// The step of it.
    #[schema(value_type = String)]
    pub step: String,
}

/// A transaction as a start answers: without its steps, which are read apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StartedTransaction {
    /// Its id.
    #[schema(value_type = String, example = "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90")]
    pub id: TransactionId,
    /// What it runs.
    #[schema(value_type = String)]
    pub definition: Name,
    /// Which version.
    pub version: u32,
    /// Whether it was there before: the start, or the fork, had been made under its key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// What it is doing: `running`, unless the start waited or had been made before.
    pub status: Status,
    /// Of an open transaction that began with this call: the number that its driver names in each call. One that had
    /// begun before is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<u32>,
    /// Where there is a `driver`: after how long without a sign of it the transaction aborts, such as `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// Of a TCC: `trying`, `confirming`, `confirmed`, `cancelling` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The step, or the clone of one as `ship[3]`, that waits for a person, or whose compensation does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_at: Option<String>,
    /// Its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Steps that took effect, or may have, and were not undone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_undone: Vec<String>,
}

/// Why a transaction did not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// `step_failed`, `step_denied`, `step_timed_out`, `timed_out`, `driver_lost`, `output_failed`, `recalled` (it had
    /// completed, and its parent went backward), `cancelled` or `terminated`.
    pub kind: String,
    /// The step that failed, or the clone of one: `ship[3]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its id in the definition.
    #[schema(value_type = String)]
    pub step: Name,
    /// Which clone of it, from 0, in a list of clones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// How many of its clones stand how, by the words for a step, or for its undo after `undo_`, once it fanned out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clones: Option<BTreeMap<String, u32>>,
    /// `pending`, `ready`, `dispatched`, `backoff`, `waiting`, `expanded`, `completed`, `failed`, `unknown`, `skipped`
    /// or `cancelled`.
    pub status: String,
    /// Of a participant of a TCC, of which `status` says where its try stands: `pending`, `trying`, `tried`,
    /// `try_failed`, `unknown`, `confirming`, `confirmed`, `confirm_failed`, `cancelling`, `cancelled`,
    /// `cancel_failed` or `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How many attempts were handed out.
    pub attempts: u32,
    /// When the first one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// From the one to the other, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// Whether an attempt may have taken effect without saying so.
    #[serde(default)]
    pub unknown: bool,
    /// SHA-256 of the canonical input of its latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub input_digest: Option<Digest>,
    /// SHA-256 of its canonical output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub output_digest: Option<Digest>,
    /// Its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// The decision that permitted, or denied, the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub decision: Option<DecisionId>,
    /// The transaction that it runs or ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub child: Option<TransactionId>,
    /// Where it stands with its rounds, if it polls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Polling>,
    /// Of what a fork took over: the transaction that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub inherited_from: Option<TransactionId>,
    /// What became of its undo; a participant's cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<Compensation>,
    /// What became of a participant's confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Compensation>,
}

/// The undo of a step, or the confirm of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Compensation {
    /// `ready`, `dispatched`, `backoff`, `completed` or `failed`.
    pub status: String,
    /// How many attempts were handed out.
    pub attempts: u32,
    /// When the first one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// From the one to the other, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// Its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// How a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepError {
    /// What kind of failure: what a retry's `unless` names.
    #[serde(rename = "type")]
    pub error_type: String,
    /// For people.
    pub message: String,
    /// For programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// Whether no further attempt could have ended otherwise.
    #[serde(default, rename = "final")]
    pub is_final: bool,
    /// Whether it is a fault that the start asked for, and no target said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub injected: bool,
}

/// Compensates what was done and ends as cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Why.
    #[serde(default)]
    pub justification: String,
}

/// An operator's act, which needs a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Justified {
    /// Why: it stands in the ledger.
    #[schema(min_length = 1, max_length = 2000)]
    pub justification: String,
}

/// Says by hand how the parked step, or its compensation, is to count: completed, with this output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// The step, or the clone of one: `ship[3]`.
    #[schema(max_length = 144)]
    pub step: String,
    /// Why: it stands in the ledger.
    #[schema(min_length = 1, max_length = 2000)]
    pub justification: String,
    /// The output that it counts as having had.
    #[serde(default)]
    pub output: Value,
}

/// Starts a transaction that takes over from this one, which has ended: what was done before the step and not undone is
/// the fork's, with the duty to undo it; all else is done anew. The header `Idempotency-Key` makes it safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkTransaction {
    /// The step from which on everything is done anew.
    #[schema(value_type = String, example = "ship")]
    pub step: Name,
    /// Why: it stands in the ledger.
    #[schema(min_length = 1, max_length = 2000)]
    pub justification: String,
    /// How long the answer may wait for the end, such as `30s`, at most `60s`; without it the answer comes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}

/// What a transaction is a fork of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForkOf {
    /// The transaction that it took over from.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// The step from which on everything is done anew.
    #[schema(value_type = String)]
    pub step: Name,
    /// Why.
    pub justification: String,
}

/// Does one thing to every transaction that a search finds and that had started when the first page was asked for: a
/// page a call, from the newest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// What finds them.
    #[schema(min_length = 1, max_length = 2000, example = "status:running definition:create-order started>2h")]
    pub search: String,
    /// What is done to each.
    pub operation: BulkOperation,
    /// Why: it stands in the ledger, in an entry of each.
    #[schema(min_length = 1, max_length = 2000)]
    pub justification: String,
    /// The `next` of the page before, of the same search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1,000, else 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What is done to each transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BulkOperation {
    /// Undo what was done and end as cancelled.
    Cancel,
    /// End at once; nothing is undone.
    Terminate,
    /// Try what is parked again.
    Retry,
    /// Hand nothing out until it is resumed.
    Pause,
    /// Have what is paused go on.
    Resume,
}

/// What became of one transaction: where it stands, or why nothing was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkResult {
    /// Which.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// Where it stands, where it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Which transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionsQuery {
    /// Only those that this search finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only those that are doing this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only those of this definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Name>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Which transactions to count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountQuery {
    /// Those that this search finds; all of them without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// How many transactions a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionCount {
    /// So many, at least.
    pub count: u64,
    /// Whether there may be more: no more were counted.
    pub more: bool,
}

/// How long to wait for the result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// Such as `30s`, at most `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}
