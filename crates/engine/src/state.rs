//! The state of a transaction: a head and one part a step, so that a commit writes only what it touched.

use crate::definition::StepIndex;
use crate::event::{Beginning, Cause, StepError};
use crate::status::{Status, StepStatus, UndoStatus};
use chancery_base::{DecisionId, Digest, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The head: what belongs to the transaction as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// What it began with.
    #[serde(flatten)]
    pub beginning: Arc<Beginning>,
    /// Where it stands.
    pub status: Status,
    /// Why it does not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The error that belongs to the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// How many entries it has.
    pub entries: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The sequence number of its first entry.
    pub input_seq: u64,
    /// The sequence number of its last entry, where that has the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_seq: Option<u64>,
    /// Which parked compensation waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_at: Option<StepIndex>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepState {
    /// Where it stands.
    pub status: StepStatus,
    /// Attempts handed out.
    pub attempts: u32,
    /// Whether an attempt may have taken effect without saying so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Since when it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When the attempt that is out expires, or the next may be handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// When its first attempt was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was done, failed for good, was skipped or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The number, within the transaction, of the entry that ended it: the order of completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_n: Option<u64>,
    /// The decision that permitted its latest attempt, which its compensation cites; where there was none, the denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// SHA-256 of the canonical input of its latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// The sequence number of the entry with its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_seq: Option<u64>,
    /// Its latest error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// Its compensation.
    #[serde(default, skip_serializing_if = "UndoState::is_none")]
    pub undo: UndoState,
}

/// A step's compensation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoState {
    /// Where it stands.
    pub status: UndoStatus,
    /// Attempts handed out.
    pub attempts: u32,
    /// Attempts handed out before a person had it tried again: retries count from here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts_before: u32,
    /// Since when it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When the attempt that is out expires, or the next may be handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// When its first attempt was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was done or failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// SHA-256 of the canonical input of its latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// The sequence number of the entry with its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_seq: Option<u64>,
    /// Its latest error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

impl StepState {
    /// A step that nothing has happened to.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            status: StepStatus::Pending,
            attempts: 0,
            unknown: false,
            ready_at: None,
            wake_at: None,
            started_at: None,
            ended_at: None,
            ended_n: None,
            decision: None,
            input: None,
            output_seq: None,
            error: None,
            undo: UndoState::NONE,
        }
    }

    /// When it next needs a look though nothing arrives: its attempt's deadline, or the next attempt's time.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.wake_at.or(self.undo.wake_at)
    }
}

/// The steps that took effect, or may have, and are not undone, of a transaction that does not complete.
pub fn left_undone<'a>(status: Status, steps: impl IntoIterator<Item = &'a StepState>) -> Vec<StepIndex> {
    if matches!(status, Status::Running | Status::Completed) {
        return Vec::new();
    }
    let took_effect = |state: &StepState| matches!(state.status, StepStatus::Completed | StepStatus::Unknown);
    let is_left = |state: &StepState| took_effect(state) && state.undo.status != UndoStatus::Completed;
    (0..).map(StepIndex).zip(steps).filter(|(_, state)| is_left(state)).map(|(step, _)| step).collect()
}

impl StepState {
    /// Since when it waits for a worker: since it was ready, or since its retry was due.
    #[must_use]
    pub const fn queued_since(&self) -> Option<Timestamp> {
        match self.status {
            StepStatus::Ready => self.ready_at,
            StepStatus::Backoff => self.wake_at,
            StepStatus::Pending
            | StepStatus::Dispatched
            | StepStatus::Completed
            | StepStatus::Failed
            | StepStatus::Unknown
            | StepStatus::Skipped
            | StepStatus::Cancelled => None,
        }
    }
}

impl Default for StepState {
    fn default() -> Self {
        Self::new()
    }
}

impl UndoState {
    const NONE: Self = Self {
        status: UndoStatus::None,
        attempts: 0,
        attempts_before: 0,
        ready_at: None,
        wake_at: None,
        started_at: None,
        ended_at: None,
        input: None,
        output_seq: None,
        error: None,
    };

    fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl Default for UndoState {
    fn default() -> Self {
        Self::NONE
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
