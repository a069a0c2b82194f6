//! The way back and the ways in which a transaction comes to rest: what is undone when, what waits for a person, and
//! what it ends as. All of it is derived from the state, so that nothing has to be kept in step with it.

use super::Transaction;
use crate::definition::{CompensationPolicy, OnError, StepIndex};
use crate::state::StepState;
use crate::status::{CauseKind, Phase, Status, StepStatus, UndoStatus};
use chancery_base::Timestamp;

impl Transaction {
    /// Whether a pivot took effect, or may have: from there on it does not turn by itself.
    pub(super) fn is_forward_only(&self) -> bool {
        let mut steps = self.definition.steps.iter().zip(&self.steps);
        steps.any(|(step, state)| step.pivot && matches!(state.status, StepStatus::Completed | StepStatus::Unknown))
    }

    /// Whether somebody may cancel it: not past a pivot. Of one whose outcome is unknown a person may say that it took
    /// no effect.
    pub(super) fn may_cancel(&self) -> bool {
        let goes_forward = self.head.cause.is_none() && matches!(self.head.status, Status::Running | Status::Parked);
        goes_forward && self.pivot_done().is_none()
    }

    /// The pivot that was done.
    pub(super) fn pivot_done(&self) -> Option<StepIndex> {
        self.definition.indices().find(|step| {
            let is_pivot = self.definition.step(*step).is_some_and(|step| step.pivot);
            is_pivot && self.step(*step).is_some_and(|state| state.status == StepStatus::Completed)
        })
    }

    /// Whether a step, or its compensation, failed for good, and only a person can have it go on.
    pub(super) fn is_stuck(&self, step: StepIndex, phase: Phase) -> bool {
        let Some(state) = self.step(step) else { return false };
        match phase {
            Phase::Do => {
                let is_optional = self.definition.step(step).is_some_and(|step| step.optional);
                let has_failed = matches!(state.status, StepStatus::Failed | StepStatus::Unknown);
                self.head.cause.is_none() && has_failed && !is_optional
            }
            Phase::Undo => {
                self.head.cause.is_some()
                    && state.undo.status == UndoStatus::Failed
                    && self.on_error(step).is_some_and(OnError::parks)
            }
        }
    }

    /// Everything of which that is so.
    pub(super) fn stuck(&self) -> impl Iterator<Item = StepIndex> {
        let phase = if self.head.cause.is_some() { Phase::Undo } else { Phase::Do };
        self.definition.indices().filter(move |step| self.is_stuck(*step, phase))
    }

    /// Where it is parked next, if it is: once nothing goes on by itself any more.
    pub(super) fn parking(&self) -> Option<Option<StepIndex>> {
        match self.head.status {
            Status::Running => {
                let waits = |state: &StepState| matches!(state.status, StepStatus::Ready | StepStatus::Backoff);
                let is_out = self.steps.iter().any(|state| state.status == StepStatus::Dispatched);
                if is_out || !self.head.held && self.steps.iter().any(waits) {
                    return None;
                }
                self.stuck().next().map(Some).or_else(|| self.head.held.then_some(None))
            }
            Status::Compensating => {
                if self.is_undoing() {
                    return None;
                }
                self.stuck().max_by_key(|step| self.order_of(*step)).map(Some)
            }
            Status::Parked
            | Status::Completed
            | Status::Compensated
            | Status::Failed
            | Status::Cancelled
            | Status::Terminated => None,
        }
    }

    /// The status that the transaction ends with, if everything that can be undone is.
    pub(super) fn ending(&self) -> Option<Status> {
        let cause = self.head.cause.as_ref().filter(|_| self.head.status == Status::Compensating)?;
        if self.is_undoing() || self.left_to_undo().next().is_some() || self.stuck().next().is_some() {
            return None;
        }
        let is_left = |state: &StepState| matches!(state.undo.status, UndoStatus::Failed | UndoStatus::Skipped);
        if self.steps.iter().any(is_left) {
            return Some(Status::Failed);
        }
        Some(match cause.kind {
            CauseKind::Cancelled => Status::Cancelled,
            CauseKind::StepFailed
            | CauseKind::StepDenied
            | CauseKind::StepTimedOut
            | CauseKind::TimedOut
            | CauseKind::OutputFailed
            | CauseKind::Terminated => {
                if self.steps.iter().any(|state| state.undo.is_done()) {
                    Status::Compensated
                } else {
                    Status::Failed
                }
            }
        })
    }

    /// Begins the compensations whose turn it is, once no step is out any more.
    pub(super) fn start_undos(&mut self, now: Timestamp) {
        if self.head.status != Status::Compensating || !self.starts_more() {
            return;
        }
        let layer = |step: StepIndex| self.definition.step(step).map_or(0, |step| step.layer);
        let next: Vec<StepIndex> = match self.definition.compensation {
            CompensationPolicy::BestEffortParallel => self.left_to_undo().collect(),
            CompensationPolicy::GroupedParallel => {
                let deepest = self.left_to_undo().map(layer).max();
                self.left_to_undo().filter(|step| Some(layer(*step)) == deepest).collect()
            }
            CompensationPolicy::StrictSequential
            | CompensationPolicy::RetryWithBackoff
            | CompensationPolicy::CircuitBreaker => {
                self.left_to_undo().max_by_key(|step| self.order_of(*step)).into_iter().collect()
            }
        };
        for step in next {
            let undo = &mut self.touch(step).undo;
            undo.status = UndoStatus::Ready;
            undo.ready_at = Some(now);
        }
    }

    /// A critical compensation failed: under the policy circuit-breaker the rest is left.
    pub(super) fn break_circuit(&mut self, failed: StepIndex) {
        let undo = self.definition.step(failed).and_then(|step| step.compensate.as_ref());
        let breaks = self.definition.compensation == CompensationPolicy::CircuitBreaker;
        if !breaks || !undo.is_some_and(|undo| undo.critical) {
            return;
        }
        let left: Vec<StepIndex> = self.left_to_undo().collect();
        for step in left {
            self.touch(step).undo.status = UndoStatus::Skipped;
        }
    }

    pub(super) fn on_error(&self, step: StepIndex) -> Option<OnError> {
        Some(self.definition.step(step)?.compensate.as_ref()?.on_error)
    }

    /// Whether further compensations begin now, if there are any: what is out comes in first, and in a sequence one
    /// that waits for a person holds up the others.
    fn starts_more(&self) -> bool {
        let is_out = self.steps.iter().any(|state| state.status == StepStatus::Dispatched);
        let is_parallel = self.definition.compensation == CompensationPolicy::BestEffortParallel;
        let is_free = !self.steps.iter().any(|state| state.undo.is_busy()) && self.stuck().next().is_none();
        !is_out && (is_parallel || is_free)
    }

    /// Whether a step is still out, or a compensation is under way.
    fn is_undoing(&self) -> bool {
        self.steps.iter().any(|state| state.status == StepStatus::Dispatched || state.undo.is_busy())
    }

    /// The steps that took effect, or may have, and whose compensation has not begun.
    fn left_to_undo(&self) -> impl Iterator<Item = StepIndex> {
        let steps = self.definition.indices().zip(&self.steps).zip(&self.definition.steps);
        let is_left = |state: &StepState| {
            let took_effect = matches!(state.status, StepStatus::Completed | StepStatus::Unknown);
            took_effect && state.undo.status == UndoStatus::None
        };
        steps.filter(move |((_, state), step)| step.compensate.is_some() && is_left(state)).map(|((step, _), _)| step)
    }

    /// The order of completion.
    fn order_of(&self, step: StepIndex) -> (Option<u64>, StepIndex) {
        (self.step(step).and_then(|state| state.ended_n), step)
    }
}
