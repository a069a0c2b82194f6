//! The way back and the ways in which a transaction comes to rest: what is undone when, what waits for a person, and
//! what it ends as. All of it is derived from the state, so that nothing has to be kept in step with it.

use super::Transaction;
use super::active::Class;
use crate::definition::{CompensationPolicy, Mode, OnError};
use crate::node::NodeRef;
use crate::state::StepState;
use crate::status::{CauseKind, Phase, Status, StepStatus, UndoStatus};
use chancery_base::Timestamp;

/// Where a step is still under way though the transaction has turned.
const FORWARD: [Class; 4] = [Class::Out, Class::Child, Class::Waiting, Class::Signal];

impl Transaction {
    /// Whether a pivot took effect, or may have, or the decision to confirm was taken: from there on it does not turn
    /// by itself.
    pub(super) const fn is_forward_only(&self) -> bool {
        self.active.count(Class::Pivot) > 0 || self.head.confirming_at.is_some()
    }

    /// Whether somebody may cancel it: not past a pivot or the decision to confirm. Of a pivot whose outcome is unknown
    /// a person may say that it took no effect.
    pub(super) fn may_cancel(&self) -> bool {
        let goes_forward = self.head.cause.is_none() && matches!(self.head.status, Status::Running | Status::Parked);
        goes_forward && self.pivot_done().is_none() && self.head.confirming_at.is_none()
    }

    /// The pivot that was done.
    pub(super) fn pivot_done(&self) -> Option<NodeRef> {
        self.active.of(Class::Pivot, 0..=0).next().map(|(_, node)| node)
    }

    /// Whether a step, or its compensation, failed for good, and only a person can have it go on.
    pub(super) fn is_stuck(&self, node: NodeRef, phase: Phase) -> bool {
        let Some(state) = self.state(node) else { return false };
        match phase {
            Phase::Do => {
                let is_optional = self.step_of(node).is_some_and(|step| step.optional);
                let has_failed = matches!(state.status, StepStatus::Failed | StepStatus::Unknown);
                self.head.cause.is_none() && has_failed && !is_optional
            }
            Phase::Undo | Phase::Confirm => {
                let parks = phase == Phase::Confirm || self.on_error(node).is_some_and(OnError::parks);
                let has_failed = state.undo.status == UndoStatus::Failed && self.head.closing(state) == phase;
                self.is_closing() && has_failed && parks
            }
        }
    }

    /// Whether it undoes or confirms what it did, rather than doing more.
    pub(super) const fn is_closing(&self) -> bool {
        self.head.cause.is_some() || self.head.confirming_at.is_some()
    }

    /// What is going on at a node, or was.
    pub(super) fn phase_at(&self, node: NodeRef) -> Phase {
        if self.is_closing() { self.closing(node) } else { Phase::Do }
    }

    /// Everything of which that is so: of what is undone or confirmed in the order of completion.
    pub(super) fn stuck(&self) -> impl DoubleEndedIterator<Item = NodeRef> {
        let class = if self.is_closing() { Class::UndoStuck } else { Class::Stuck };
        self.active.all(class).map(|(_, node)| node)
    }

    /// Where it is parked next, if it is: once nothing goes on by itself any more.
    pub(super) fn parking(&self) -> Option<Option<NodeRef>> {
        match self.head.status {
            Status::Running => {
                let goes_on = self.active.any(&[Class::Out, Class::Child]);
                let waits = [Class::Ready, Class::Inline, Class::Backoff, Class::Waiting, Class::Signal];
                if goes_on || !self.head.held && self.active.any(&waits) {
                    return None;
                }
                self.stuck().next().map(Some).or_else(|| self.head.held.then_some(None))
            }
            Status::Confirming => {
                let goes_on = self.active.any(&[Class::UndoOut]);
                if goes_on || !self.head.held && self.active.any(&[Class::UndoReady, Class::UndoBackoff]) {
                    return None;
                }
                self.stuck().next().map(Some).or_else(|| self.head.held.then_some(None))
            }
            Status::Compensating => {
                if self.is_undoing() {
                    return None;
                }
                self.stuck().next_back().map(Some)
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
        if self.is_undoing() || self.active.any(&[Class::ToUndo, Class::UndoStuck]) {
            return None;
        }
        let is_left = |state: &StepState| matches!(state.undo.status, UndoStatus::Failed | UndoStatus::Skipped);
        if self.nodes().any(|(_, state)| is_left(state)) {
            return Some(Status::Failed);
        }
        Some(match cause.kind {
            CauseKind::Cancelled => Status::Cancelled,
            // It had completed: with nothing to undo it is as undone as it can be.
            CauseKind::Recalled => Status::Compensated,
            CauseKind::StepFailed
            | CauseKind::StepDenied
            | CauseKind::StepTimedOut
            | CauseKind::TimedOut
            | CauseKind::DriverLost
            | CauseKind::OutputFailed
            | CauseKind::Terminated => {
                if self.nodes().any(|(_, state)| state.undo.is_done()) {
                    Status::Compensated
                } else {
                    Status::Failed
                }
            }
        })
    }

    /// Whether everything that was tried is confirmed, and what may have been is cancelled or left.
    pub(super) fn is_confirmed(&self) -> bool {
        let open = [Class::ToUndo, Class::UndoReady, Class::UndoBackoff, Class::UndoOut, Class::UndoStuck];
        self.head.status == Status::Confirming && !self.active.any(&open)
    }

    /// Begins the compensations whose turn it is, once no step is out any more; or the confirms.
    pub(super) fn start_undos(&mut self, now: Timestamp) {
        let next = if self.head.status == Status::Confirming {
            self.next_confirms()
        } else if self.head.status == Status::Compensating && self.starts_more() {
            self.next_undos()
        } else {
            return;
        };
        for node in next {
            let undo = &mut self.touch(node).undo;
            undo.status = UndoStatus::Ready;
            undo.ready_at = Some(now);
        }
    }

    /// One after the other as they were tried, or all together. One that waits for a person, or that a person has
    /// tried again, holds up nobody.
    fn next_confirms(&self) -> Vec<NodeRef> {
        let classes = [Class::UndoReady, Class::UndoBackoff, Class::UndoOut];
        let mut busy = classes.iter().flat_map(|class| self.active.all(*class));
        let is_busy = busy.any(|(_, node)| self.state(node).is_some_and(|state| state.undo.attempts_before == 0));
        match self.definition.mode {
            Mode::Sequence if is_busy => Vec::new(),
            Mode::Sequence => self.left_to_undo().next().into_iter().collect(),
            Mode::Parallel | Mode::Graph | Mode::Layers => self.left_to_undo().collect(),
        }
    }

    fn next_undos(&self) -> Vec<NodeRef> {
        match self.definition.compensation {
            CompensationPolicy::BestEffortParallel => self.left_to_undo().collect(),
            CompensationPolicy::GroupedParallel => {
                let deepest = self.active.all(Class::ToUndo).next_back().map(|(layer, _)| layer);
                let of_layer = deepest.map(|layer| self.active.of(Class::ToUndo, layer..=layer));
                of_layer.into_iter().flatten().map(|(_, node)| node).collect()
            }
            CompensationPolicy::StrictSequential
            | CompensationPolicy::RetryWithBackoff
            | CompensationPolicy::CircuitBreaker => self.left_to_undo().next_back().into_iter().collect(),
        }
    }

    /// A critical compensation failed: under the policy circuit-breaker the rest is left.
    pub(super) fn break_circuit(&mut self, failed: NodeRef) {
        let undo = self.step_of(failed).and_then(|step| step.compensate.as_ref());
        let breaks = self.definition.compensation == CompensationPolicy::CircuitBreaker;
        if !breaks || self.head.confirming_at.is_some() || !undo.is_some_and(|undo| undo.critical) {
            return;
        }
        let left: Vec<NodeRef> = self.left_to_undo().collect();
        for node in left {
            self.touch(node).undo.status = UndoStatus::Skipped;
        }
    }

    pub(super) fn on_error(&self, node: NodeRef) -> Option<OnError> {
        Some(self.step_of(node)?.compensate.as_ref()?.on_error)
    }

    /// Whether further compensations begin now, if there are any: what is out comes in first, what polled its last round
    /// has failed, and in a sequence one that waits for a person holds up the others.
    fn starts_more(&self) -> bool {
        let is_parallel = self.definition.compensation == CompensationPolicy::BestEffortParallel;
        let busy = [Class::UndoReady, Class::UndoBackoff, Class::UndoOut, Class::UndoChild, Class::UndoStuck];
        !self.active.any(&FORWARD) && (is_parallel || !self.active.any(&busy))
    }

    /// Whether a step is still out, or a compensation is under way.
    fn is_undoing(&self) -> bool {
        let back = [Class::UndoReady, Class::UndoBackoff, Class::UndoOut, Class::UndoChild];
        self.active.any(&FORWARD) || self.active.any(&back)
    }

    /// The nodes that took effect, or may have, and whose compensation has not begun; the last is undone first.
    fn left_to_undo(&self) -> impl DoubleEndedIterator<Item = NodeRef> {
        self.active.all(Class::ToUndo).map(|(_, node)| node)
    }
}
