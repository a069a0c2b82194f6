//! Signals, what a transaction waits for, and what its expressions see of it.

use super::{Status, StepError};
use crate::worker::Phase;
use chancery_base::{Name, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A signal for a transaction: the oldest one of its name is the output of the step that waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendSignal {
    /// Its name, as a step of the definition has it.
    #[schema(value_type = String, example = "approved")]
    pub name: Name,
    /// A second signal with this id is taken for the same, and changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub id: Option<String>,
    /// What it says.
    #[serde(default)]
    pub payload: Value,
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SentSignal {
    /// Who got it.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its id, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether one with this id had come before.
    pub existing: bool,
    /// What the transaction is doing now.
    pub status: Status,
}

/// Something that a transaction waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingFor {
    /// `start` (its `start_at`), `resume` (it is paused), `driver` (that of an open transaction), `person` (somebody
    /// has to look at what failed), `time` (a wait), `signal`, `request` (people who were asked), `retry` (the next
    /// attempt's time), `delay` (a fault that its start asked for), `round` (the next round's time), `worker` (one that
    /// takes it), `target` (room at the target of an HTTP call: its rate, bulkhead or circuit breaker), `answer` (of an
    /// attempt), `child` (the transaction that the step runs).
    #[schema(example = "signal")]
    pub what: String,
    /// The step that waits, if it is one, or the clone: `ship[3]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Whether it is the step, its undo or its confirm that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The signal's name, the request's id, the child's id, or what is called: `worker pay.charge`,
    /// `http POST https://pay.example/charge`. Of a driver's step its action: `action hotels.book`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when at most: then it goes on, is tried again or fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// Where a step stands with its rounds, if it polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Polling {
    /// How many rounds were done and were not enough.
    pub rounds: u32,
    /// How many there are at most, until a person has the step tried again.
    pub at_most: u32,
    /// When the next one begins, where the step waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
}

/// What the expressions of a transaction see of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionState {
    /// Which.
    #[schema(value_type = String)]
    pub id: TransactionId,
    /// What it is doing.
    pub status: Status,
    /// Its business key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Its steps by their ids.
    pub steps: BTreeMap<String, SeenStep>,
    /// Its variables by their names: of each what the last step set that was done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Value>,
}

/// What expressions see of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenStep {
    /// As in a step of a transaction.
    pub status: String,
    /// Its output, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How it failed, if it did for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}
