//! Faults that a start asks for.

use crate::worker::Phase;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that is to go wrong at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InjectedFault)]
pub struct Fault {
    /// At which step: all its clones, where it fans out, or one of them: `ship[3]`.
    #[schema(example = "charge")]
    pub step: String,
    /// At the step, its undo or its confirm; without it at the step.
    #[serde(default = "first_phase")]
    pub phase: Phase,
    /// At which attempts, from 1, or `all`; without it at the first.
    #[serde(default)]
    pub attempts: FaultAttempts,
    /// What goes wrong.
    pub fault: FaultKind,
}

/// At which attempts a fault happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FaultAttempts {
    /// At all of them.
    Every(AllAttempts),
    /// At these, from 1.
    These(Vec<u32>),
}

/// The word for all attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllAttempts {
    /// All of them.
    All,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The attempt fails so and is handed out to nobody.
    Error(InjectedError),
    /// `true`: the attempt is handed out and its answer is thrown away, so that whether it took effect is unknown.
    LoseAnswer(bool),
    /// `true`: its answer is thrown away, and it does not count: the handler is called once more than the definition
    /// says. Of attempts that are named, not of `all`.
    Repeat(bool),
    /// The attempt is handed out so much later, such as `5s`, at most `1d`.
    Delay(String),
}

/// An error that no target said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InjectedError {
    /// What kind of failure: what a retry's `unless` names.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 128)]
    pub error_type: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub message: String,
    /// Whether the attempt counts as one that may have taken effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Whether no further attempt could end otherwise.
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

impl Default for FaultAttempts {
    fn default() -> Self {
        Self::These(vec![1])
    }
}

const fn first_phase() -> Phase {
    Phase::Do
}
