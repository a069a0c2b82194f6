//! Steps that poll. A round is a call of its own, with its own key and its own retries; between two of them the step
//! waits for a time, as a step that waits does, and nothing of a round is kept but its number.

use super::apply::IllegalEvent;
use super::command::Refusal;
use super::{Cx, Transaction};
use crate::definition::{Classes, Poll, Seen, StepIndex};
use crate::event::{Event, Failure, StepError};
use crate::node::NodeRef;
use crate::state::StepState;
use crate::status::{Phase, Status, StepStatus};
use chancery_base::{Document, Timestamp};
use serde_json::Value;
use std::sync::Arc;

impl Transaction {
    /// Records what came of an attempt that was done: the step is done, or its round was not enough.
    pub(super) fn take_output(
        &mut self,
        (node, phase): (NodeRef, Phase),
        attempt: u32,
        output: Arc<Document>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if phase == Phase::Do {
            match self.is_enough(node, output.value(), cx.now) {
                Ok(true) => {}
                Ok(false) => return self.end_round(node, attempt, output, cx),
                Err(error) => return self.fail(node, phase, Failure::Unknown, error, cx),
            }
            // What was done and can't be made use of is undone like what may have been done.
            if let Err(error) = self.evaluate_set(node, Some(output.value()), cx.now) {
                return self.fail(node, phase, Failure::Unknown, error, cx);
            }
        }
        self.emit(Event::Completed { node, phase, attempt, output, child_entries: None, taint: Classes::new() }, cx)?;
        self.advance(cx)
    }

    /// A round was not enough: another one begins later, or the step has failed.
    fn end_round(
        &mut self,
        node: NodeRef,
        attempt: u32,
        output: Arc<Document>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let Some(poll) = self.poll_of(node).filter(|_| self.has_round_left(node)) else {
            let message = self.exhausted(node);
            self.emit(Event::Polled { node, attempt, output, next_at: None }, cx)?;
            let error = StepError::fatal(StepError::POLL_EXHAUSTED, message);
            return self.fail(node, Phase::Do, Failure::Exhausted, error, cx);
        };
        let next_at = Some(cx.now.plus(poll.every));
        self.emit(Event::Polled { node, attempt, output, next_at }, cx)?;
        self.advance(cx)
    }

    /// Why no round comes after the one that ends.
    fn exhausted(&self, node: NodeRef) -> String {
        if self.head.status != Status::Running {
            return "the round was not enough, and the transaction goes forward no more".to_owned();
        }
        let rounds = self.rounds_since_resumed(node) + 1;
        format!("none of {rounds} rounds was enough: `until` never became true")
    }

    /// Whether what a round gave is enough; of a step that does not poll everything is.
    fn is_enough(&self, node: NodeRef, output: &Value, now: Timestamp) -> Result<bool, StepError> {
        let Some(step) = self.step_of(node).filter(|step| step.poll.is_some()) else { return Ok(true) };
        let own =
            Seen { status: StepStatus::Completed, output: Some(output), outputs: None, error: None, variables: None };
        let seen = |of: StepIndex| if of == node.step { Some(own) } else { self.seen(of.into()) };
        Ok(step.is_enough(&self.scope_with(node, step, now, seen))?)
    }

    /// Whether another round may come after the one that ends.
    fn has_round_left(&self, node: NodeRef) -> bool {
        let most = self.poll_of(node).map_or(0, |poll| poll.at_most);
        self.head.status == Status::Running && self.rounds_since_resumed(node) + 1 < most
    }

    fn rounds_since_resumed(&self, node: NodeRef) -> u32 {
        self.state(node).map_or(0, |state| state.rounds - state.rounds_before)
    }

    fn poll_of(&self, node: NodeRef) -> Option<&Poll> {
        self.step_of(node).and_then(|step| step.poll.as_ref())
    }

    /// Whether a step waits for its next round when it waits.
    pub(super) fn polls(&self, node: NodeRef) -> bool {
        self.poll_of(node).is_some()
    }

    /// Whether the last round of a step was not enough, and it has yet to fail.
    pub(super) fn is_exhausted(&self, node: NodeRef) -> bool {
        let is_over = |state: &StepState| state.status == StepStatus::Waiting && state.wake_at.is_none();
        self.polls(node) && self.state(node).is_some_and(is_over)
    }

    /// What a participant's idempotency key of the round is that a step is at, the same for every attempt of it. The
    /// first has the step's key; the others have their number behind it, which no step's name can have.
    pub(super) fn round_key(&self, node: NodeRef, step_key: &str) -> String {
        match self.state(node).map_or(0, |state| state.rounds) {
            0 => step_key.to_owned(),
            rounds => format!("{step_key}~{}", rounds + 1),
        }
    }

    pub(super) fn apply_polled(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        let Event::Polled { node, attempt, next_at, .. } = event else { return Err(self.illegal(event)) };
        let is_out = self.dispatched(*node, Phase::Do).is_some_and(|(out, _)| out == *attempt);
        let goes_on = next_at.is_some() == self.has_round_left(*node);
        self.expect_that(self.polls(*node) && is_out && goes_on, event)?;
        let state = self.touch(*node);
        state.status = StepStatus::Waiting;
        state.accepted = false;
        state.rounds += 1;
        // Retries are counted anew in each round.
        state.attempts_before = state.attempts;
        state.wake_at = *next_at;
        Ok(())
    }

    /// The time of the next round has come: it waits for whoever takes it. When that was is what it sees as `now`.
    pub(super) fn apply_round(&mut self, node: NodeRef, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        self.expect_that(self.head.status == Status::Running && self.is_due(node, now), event)?;
        let state = self.touch(node);
        state.status = StepStatus::Ready;
        state.ready_at = Some(now);
        state.wake_at = None;
        Ok(())
    }
}

impl StepState {
    /// Whether it may have taken effect if it fails now: an attempt did so without saying so, or a round of it was done.
    #[must_use]
    pub const fn may_have_acted(&self) -> bool {
        self.unknown || self.rounds > 0
    }
}
