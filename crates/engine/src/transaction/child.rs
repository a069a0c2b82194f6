//! Children: transactions that steps run. Here is one side at a time; whoever keeps both tells each of the other.

use super::active::Class;
use super::apply::IllegalEvent;
use super::command::Refusal;
use super::{Cx, Transaction};
use crate::definition::{Classes, DefinitionKind};
use crate::event::{ChildStart, Event, Failure, Parent, StepError};
use crate::node::NodeRef;
use crate::state::left_undone;
use crate::status::{CauseKind, Phase, Status, StepStatus, UndoStatus};
use chancery_base::{Digest, Document, Timestamp, TransactionId};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a parent is told of a child that ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildEnd {
    /// It completed.
    Completed {
        /// With this output.
        output: Arc<Document>,
        /// It has so many entries by now.
        entries: u64,
        /// The classes of data that it has come to use.
        taint: Classes,
    },
    /// It was recalled, and has undone what it did.
    Undone,
    /// It did not do what it was to do.
    Failed {
        /// Whether something of it is left: then the step may have taken effect.
        is_unknown: bool,
        /// Why.
        error: StepError,
    },
}

impl Transaction {
    /// What it is a child of.
    #[must_use]
    pub fn parent(&self) -> Option<&Parent> {
        self.head.beginning.parent.as_ref()
    }

    /// SHA-256 of its canonical input.
    #[must_use]
    pub fn input_digest(&self) -> Digest {
        self.given.input.digest()
    }

    /// Whether it goes or went backward.
    #[must_use]
    pub const fn has_turned(&self) -> bool {
        self.head.cause.is_some()
    }

    /// Whether somebody may cancel it now.
    #[must_use]
    pub fn is_cancellable(&self) -> bool {
        self.may_cancel()
    }

    /// The children that run, or undo what they did, and the steps that wait for them.
    pub fn children_out(&self) -> impl Iterator<Item = (NodeRef, Phase, TransactionId)> {
        let forward = self.active.all(Class::Child).map(|(_, node)| (node, Phase::Do));
        let all = forward.chain(self.active.all(Class::UndoChild).map(|(_, node)| (node, Phase::Undo)));
        all.filter_map(|(node, phase)| Some((node, phase, self.state(node)?.child?)))
    }

    /// In which phase a step waits for this child, and in which attempt.
    #[must_use]
    pub fn waits_for_child(&self, node: NodeRef, child: TransactionId) -> Option<(Phase, u32)> {
        let state = self.state(node).filter(|state| state.child == Some(child))?;
        let step = self.step_of(node)?;
        if state.status == StepStatus::Dispatched && step.run.child().is_some() {
            return Some((Phase::Do, state.attempts));
        }
        let is_recalled = state.undo.status == UndoStatus::Dispatched && step.recalls_child();
        is_recalled.then_some((Phase::Undo, state.undo.attempts))
    }

    /// What the keys of a child's participants begin with, so that those of each child are its own. No step's name has
    /// a `~`: what a step of the child is called is never taken for the undo of this step.
    #[must_use]
    pub fn child_key(&self, node: NodeRef) -> String {
        let attempt = self.state(node).map_or(0, |state| state.attempts) + 1;
        format!("{}~{attempt}", self.step_key(node))
    }

    /// Records that a ready step began a child.
    ///
    /// # Errors
    /// If it is not ready, or runs none.
    pub fn start_child(&mut self, start: ChildStart, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        Ok(self.emit(Event::ChildStarted(Box::new(start)), cx)?)
    }

    /// Records that the child of a step, whose turn it is to be undone, is told so.
    ///
    /// # Errors
    /// If it is not its turn.
    pub fn recall_child(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let attempt = self.state(node).map_or(0, |state| state.undo.attempts) + 1;
        Ok(self.emit(Event::ChildRecalled { node, attempt }, cx)?)
    }

    /// Records how the child ended that a step waits for, as [`Transaction::child_end`] of the child says it. `false`:
    /// no step does, and nothing changed.
    ///
    /// # Errors
    /// Only for a defect.
    pub fn child_ended(
        &mut self,
        node: NodeRef,
        child: TransactionId,
        end: ChildEnd,
        cx: &mut Cx<'_>,
    ) -> Result<bool, Refusal> {
        let waiting = self.waits_for_child(node, child).filter(|_| !self.head.status.is_ended());
        let Some((phase, attempt)) = waiting else { return Ok(false) };
        let (output, child_entries, taint) = match end {
            ChildEnd::Completed { output, entries, taint } => (output, Some(entries), taint),
            ChildEnd::Undone => (Arc::new(Document::new(Value::Null)), None, Classes::new()),
            ChildEnd::Failed { is_unknown, error } => {
                let failure = if is_unknown { Failure::Unknown } else { Failure::Failed };
                self.fail(node, phase, failure, error, cx)?;
                return Ok(true);
            }
        };
        self.emit(Event::Completed { node, phase, attempt, output, child_entries, taint }, cx)?;
        self.advance(cx)?;
        Ok(true)
    }

    /// Whether it is a child that completed, and can undo what it did.
    #[must_use]
    pub fn may_be_recalled(&self) -> bool {
        let is_completed = self.head.status == Status::Completed && self.head.beginning.parent.is_some();
        is_completed && self.definition.can_be_recalled()
    }

    /// Has a child that completed undo what it did.
    ///
    /// # Errors
    /// Unless [`Transaction::may_be_recalled`].
    pub fn recall(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if !self.may_be_recalled() {
            return Err(Refusal::Status { operation: "recall", status: self.head.status });
        }
        self.emit(Event::Recalled, cx)?;
        self.advance(cx)
    }

    /// How it ended, for the step of its parent that waits for it; none: it has not. `output` is what it gave where it
    /// completed.
    #[must_use]
    pub fn child_end(&self, output: Option<Arc<Document>>) -> Option<ChildEnd> {
        let was_recalled = self.head.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::Recalled);
        match self.head.status {
            Status::Running | Status::Confirming | Status::Compensating | Status::Parked => None,
            Status::Completed => Some(ChildEnd::Completed {
                output: output.unwrap_or_else(|| Arc::new(Document::new(Value::Null))),
                entries: self.head.entries,
                taint: self.taint(),
            }),
            Status::Compensated if was_recalled => Some(ChildEnd::Undone),
            Status::Compensated | Status::Failed | Status::Cancelled | Status::Terminated => {
                Some(ChildEnd::Failed { is_unknown: self.leaves_something(), error: self.child_error() })
            }
        }
    }

    /// Whether something that it did, or may have done, is not undone.
    #[must_use]
    pub fn leaves_something(&self) -> bool {
        match self.head.status {
            // What was out may have taken effect.
            Status::Terminated => true,
            Status::Running
            | Status::Confirming
            | Status::Compensating
            | Status::Parked
            | Status::Completed
            | Status::Compensated
            | Status::Failed
            | Status::Cancelled => !left_undone(&self.definition, &self.head, self.nodes()).is_empty(),
        }
    }

    fn child_error(&self) -> StepError {
        let (id, status) = (self.id(), self.head.status.word());
        let why = self.head.error.as_ref().map_or_else(String::new, |error| {
            let step = self.head.cause.as_ref().and_then(|cause| cause.step).map(|step| self.name_of(step));
            let at = step.map_or_else(String::new, |step| format!(" at step `{step}`"));
            format!("{at}: {}: {}", error.r#type, error.message)
        });
        let message = format!("{} {id} ended as {status}{why}", self.definition.name);
        let detail = json!({ "status": status, "transaction": id.to_string() });
        StepError { detail: Some(Box::new(detail)), ..StepError::fatal(StepError::CHILD_FAILED, message) }
    }

    pub(super) fn apply_child(&mut self, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        match event {
            Event::ChildStarted(start) => self.apply_child_started(start, event, now),
            Event::ChildRecalled { node, attempt } => self.apply_child_recalled(*node, *attempt, event, now),
            Event::Recalled => {
                self.expect_that(self.may_be_recalled(), event)?;
                (self.head.ended_at, self.head.output_seq) = (None, None);
                let n = self.head.entries;
                self.turn(CauseKind::Recalled, None, None, now, n);
                Ok(())
            }
            Event::Started { .. }
            | Event::Dispatched { .. }
            | Event::Permitted(_)
            | Event::StepDenied { .. }
            | Event::Claimed { .. }
            | Event::DriverResumed { .. }
            | Event::DriverHeard { .. }
            | Event::DriverLost
            | Event::Accepted { .. }
            | Event::Completed { .. }
            | Event::CarriedOut(_)
            | Event::Requested(_)
            | Event::Inherited(_)
            | Event::Resolved { .. }
            | Event::AttemptFailed { .. }
            | Event::Denied { .. }
            | Event::Expanded { .. }
            | Event::Skipped { .. }
            | Event::TimerStarted { .. }
            | Event::Polled { .. }
            | Event::TimerFired { .. }
            | Event::SignalAwaited { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::Paused { .. }
            | Event::Unpaused { .. }
            | Event::OutputFailed { .. }
            | Event::CancelRequested { .. }
            | Event::TimedOut
            | Event::Confirming
            | Event::Parked { .. }
            | Event::Resumed { .. }
            | Event::Ended { .. } => Err(self.illegal(event)),
        }
    }

    fn apply_child_started(&mut self, start: &ChildStart, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        let runs_child = self.step_of(start.node).is_some_and(|step| step.run.child().is_some());
        let may = runs_child && self.head.status == Status::Running && self.moves();
        self.expect(start.node, event, |state| {
            let is_ready = matches!(state.status, StepStatus::Ready | StepStatus::Backoff);
            may && is_ready && state.attempts + 1 == start.attempt
        })?;
        let state = self.touch(start.node);
        state.status = StepStatus::Dispatched;
        state.attempts = start.attempt;
        state.started_at.get_or_insert(now);
        state.child = Some(start.child);
        state.decision = Some(start.decision);
        state.input = Some(start.input);
        Ok(())
    }

    fn apply_child_recalled(
        &mut self,
        node: NodeRef,
        attempt: u32,
        event: &Event,
        now: Timestamp,
    ) -> Result<(), IllegalEvent> {
        let recalls = self.step_of(node).is_some_and(|step| step.recalls_child());
        let may = recalls && self.head.status == Status::Compensating && self.moves();
        self.expect(node, event, |state| {
            may && state.undo.status == UndoStatus::Ready && state.undo.attempts + 1 == attempt && state.child.is_some()
        })?;
        let undo = &mut self.touch(node).undo;
        undo.status = UndoStatus::Dispatched;
        undo.attempts = attempt;
        undo.started_at.get_or_insert(now);
        Ok(())
    }
}

impl crate::definition::Definition {
    /// Whether a child that runs it can undo what it did after it completed: not past a pivot, nor once confirmed.
    #[must_use]
    pub fn can_be_recalled(&self) -> bool {
        match self.kind {
            DefinitionKind::Saga => !self.steps.iter().any(|step| step.pivot),
            DefinitionKind::Tcc | DefinitionKind::Open => false,
        }
    }
}
