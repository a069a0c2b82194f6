//! Open transactions: a driver adds the steps while it runs.

use crate::decision::Reason;
use crate::worker::{Ack, ReportError, present};
use chancery_base::{DecisionId, Document, Name, RequestId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::ToSchema;

/// Asks for a step. The same id with the same input gives what is recorded of it, where it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenStep {
    /// The number that the beginning or the resumption gave.
    pub driver: u32,
    /// What the driver calls it: the same whenever the same code runs.
    #[schema(value_type = String, example = "charge")]
    pub id: Name,
    /// The action that policy is asked about.
    #[schema(value_type = String, example = "payments.charge")]
    pub action: Name,
    /// The resource that policy is asked about; without it the step itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<OpenResource>,
    /// The classes of data that it uses, such as `personal`. They stay with the transaction.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub classes: BTreeSet<Name>,
    /// What it is for; without it what the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub purpose: Option<Name>,
    /// What it is done with. Policy sees it as `input`, where the bundle's schema has that in the action's context.
    #[serde(default)]
    pub input: Value,
    /// How it is undone; without it, it can't be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<OpenUndo>,
    /// How long the attempt may take, such as `30s`, which it is without it; at most `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What policy is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenResource {
    /// Its Cedar entity type.
    #[serde(rename = "type")]
    #[schema(example = "Account")]
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// What the driver asserts of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
}

/// How a step is undone: exactly one of `worker` and `http`. It outlives the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenUndo {
    /// The name under which workers take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "payments.refund")]
    pub worker: Option<Name>,
    /// A URL that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<OpenHttp>,
    /// With what; without it with the step's output, or where there is none with its input.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub input: Option<Arc<Document>>,
    /// How many tries it has, 1 to 1,000; 3 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How long one try may take; `30s` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// What becomes of it when it failed: `continue`, `retry`, `fail`, `skip` or `mark-compensated`; without it what
    /// the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<String>,
    /// Under the policy `circuit-breaker` its failure leaves the rest undone.
    #[serde(default)]
    pub critical: bool,
}

/// A request whose body is the undo's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenHttp {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`; `POST` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The URL; `http` or `https`.
    pub url: String,
    /// Headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// What a driver is told of a step that it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenStepped {
    /// Which of these it is.
    pub outcome: Stepped,
    /// The permit: do it, then say what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<OpenPermit>,
    /// What was recorded of it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub output: Option<Arc<Document>>,
    /// The decision that denied it. The transaction goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<OpenDenial>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<OpenWait>,
    /// What people said to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<OpenRefusal>,
}

/// What a step that was asked for comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stepped {
    /// It may be done, as `permit` says.
    Permitted,
    /// It was done before: `output` is what came of it.
    Completed,
    /// Policy denies it: `denial` says why.
    Denied,
    /// Not now: `wait` says for what. Ask again.
    Waits,
    /// People were asked and did not say yes: `refusal` says why. It is not done under this id.
    Refused,
}

/// What a step waits for. Nothing is out: its driver asks for it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenWait {
    /// The request that people have to answer; meanwhile the driver is not lost. Without it, for a rate to have room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub request: Option<RequestId>,
    /// When the request expires, or the rate has room.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// Why a step is not done: people who were asked did not say yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenRefusal {
    /// The request.
    #[schema(value_type = String)]
    pub request: RequestId,
    /// `denied` or `expired`.
    pub status: String,
    /// Who said no and why, or that nobody answered in time.
    pub reason: String,
}

/// A permit for one attempt of a step. It is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenPermit {
    /// The task's token, without which no outcome is taken.
    pub task: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The same for every attempt: for whatever the step calls.
    pub idempotency_key: String,
    /// An attempt before this one may have taken effect.
    #[serde(default)]
    pub unknown: bool,
    /// The decision that permitted it.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Without an outcome by then it is unknown whether it took effect.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
    /// What policy has it keep within: `timeout`, `paths`, `commands`, `network`, `cpu` (thousandths of a processor),
    /// `memory` (bytes).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub limits: Map<String, Value>,
}

/// Why a step was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenDenial {
    /// The decision.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// The determining policies and what they say.
    pub reasons: Vec<Reason>,
}

/// What came of a step: exactly one of `output` and `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenOutcome {
    /// The permit's token.
    pub task: String,
    /// It was done; `null` is an output too.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub output: Option<Arc<Document>>,
    /// It was not done, or may not have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ReportError>,
}

/// What became of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenAcknowledged {
    /// `superseded`: the attempt was over already, and nothing changed.
    pub ack: Ack,
}

/// Ends an open transaction as completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenCommit {
    /// The number that the beginning or the resumption gave.
    pub driver: u32,
    /// What the transaction gives.
    #[serde(default)]
    pub output: Value,
}

/// Undoes what an open transaction did, and ends it as cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAbort {
    /// The number that the beginning or the resumption gave.
    pub driver: u32,
    /// Why: it stands in the ledger.
    #[serde(default)]
    pub reason: String,
}

/// Makes the caller the driver of an open transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenResume {}

/// The caller is the driver now, and whoever was it before is not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenResumed {
    /// Its number: what it names in each call.
    pub driver: u32,
    /// Without a sign of it by then the transaction aborts.
    #[schema(value_type = String, format = DateTime)]
    pub lost_at: Timestamp,
    /// How long that is from the moment when it was heard, such as `5m`.
    pub grace: String,
    /// What is recorded. Each has to be asked for before it can commit.
    pub steps: Vec<OpenRecorded>,
}

/// A step that is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenRecorded {
    /// What its driver calls it.
    #[schema(value_type = String)]
    pub id: Name,
    /// `dispatched`, `waiting`, `completed`, `failed` or `unknown`.
    pub status: String,
    /// How many attempts were permitted.
    pub attempts: u32,
}

/// Says that the driver lives. Each of its other calls that leaves an entry does so too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenHeartbeat {
    /// The number that the beginning or the resumption gave.
    pub driver: u32,
}

/// The driver was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenHeard {
    /// Without a sign of it by then the transaction aborts.
    #[schema(value_type = String, format = DateTime)]
    pub lost_at: Timestamp,
}
