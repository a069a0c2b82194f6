//! What the shard carries out itself: questions and events. They are done in the entry that records them, so nothing of
//! them is ever out.

use super::active::{Class, SHARED};
use super::apply::IllegalEvent;
use super::command::Refusal;
use super::{Cx, Ready, Transaction};
use crate::definition::Run;
use crate::event::{CarriedOut, Deed, Event, Failure};
use crate::node::NodeRef;
use crate::status::{Phase, Status, StepStatus, UndoStatus};
use chancery_base::{DecisionId, Document, Timestamp};
use std::sync::Arc;

impl Transaction {
    /// Adds to what can be handed out what the shard is to carry out itself. It takes no places: that only so many are
    /// named at once keeps an event from costing as much as all that wait.
    pub(super) fn add_inline(&self, ready: &mut Vec<Ready>, now: Timestamp) {
        if self.head.status != Status::Running || self.active.count(Class::Inline) == 0 {
            return;
        }
        let most = usize::try_from(self.definition.concurrency).unwrap_or(usize::MAX);
        let due = self.active.within(Class::Inline, SHARED, i64::MIN..=now.as_micros()).take(most);
        ready.extend(due.map(|(since, node)| Ready { since: Timestamp::from_micros(since), node, phase: Phase::Do }));
        ready.sort_unstable();
    }

    /// Records that a ready step, or a compensation, was carried out, and what came of it. Where the step's variables
    /// can't be set of that, it is not carried out, and fails.
    ///
    /// # Errors
    /// If it is not ready, or does something else.
    pub fn carry_out(
        &mut self,
        node: NodeRef,
        phase: Phase,
        decision: DecisionId,
        deed: Deed,
        output: Arc<Document>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if phase == Phase::Do
            && let Err(error) = self.evaluate_set(node, Some(output.value()), cx.now)
        {
            return self.fail(node, phase, Failure::Refused, error, cx);
        }
        let attempt = self.attempts(node, phase) + 1;
        self.emit(Event::CarriedOut(Box::new(CarriedOut { node, phase, attempt, decision, deed, output })), cx)?;
        self.advance(cx)
    }

    pub(super) fn apply_carried_out(
        &mut self,
        done: &CarriedOut,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let CarriedOut { node, phase, attempt, decision, deed, output } = done;
        self.expect_that(self.moves() && self.does(*node, *phase, deed), event)?;
        let (input, conditions) = match deed {
            Deed::Answered { .. } => (None, None),
            Deed::Emitted(_, data, conditions) => (Some(data.digest()), conditions.clone()),
        };
        match phase {
            Phase::Do => {
                self.expect_status(event, Status::Running)?;
                self.expect(*node, event, |state| {
                    matches!(state.status, StepStatus::Ready | StepStatus::Backoff) && state.attempts + 1 == *attempt
                })?;
                let state = self.touch(*node);
                state.attempts = *attempt;
                state.started_at.get_or_insert(now);
                state.decision = Some(*decision);
                state.input = input;
                state.conditions = conditions;
            }
            Phase::Undo | Phase::Confirm => {
                self.expect_closing(*node, *phase, event)?;
                let covers = self.covering_decision(*node);
                self.expect(*node, event, |state| {
                    let undo = &state.undo;
                    undo.status == UndoStatus::Ready && undo.attempts + 1 == *attempt && covers == *decision
                })?;
                let undo = &mut self.touch(*node).undo;
                undo.attempts = *attempt;
                undo.started_at.get_or_insert(now);
                undo.input = input;
            }
        }
        self.head.written = self.head.written.saturating_add(deed.bytes());
        self.closed((*node, *phase), output, event, now, seq)
    }

    /// Whether this is what a step does in a phase, or a clone of one.
    fn does(&self, node: NodeRef, phase: Phase, deed: &Deed) -> bool {
        let Some(step) = self.step_of(node) else { return false };
        let is_whole = node.clone == 0 && step.each.is_some();
        let does = match (step.run_of(phase), deed) {
            (Some(Run::Decide(_)), Deed::Answered { .. }) => true,
            (Some(Run::Emit(emit)), Deed::Emitted(emission, ..)) => {
                let is_here = emission.definition == self.head.beginning.definition;
                let is_its = emission.step == self.name_of(node) && emission.event_type == emit.event_type;
                is_here && is_its && emission.taint == self.taint_at(node)
            }
            (
                Some(
                    Run::Worker(_)
                    | Run::Http(_)
                    | Run::Noop
                    | Run::Wait(_)
                    | Run::Signal(_)
                    | Run::Request(_)
                    | Run::Transaction(_)
                    | Run::Decide(_)
                    | Run::Emit(_),
                )
                | None,
                Deed::Answered { .. } | Deed::Emitted(..),
            ) => false,
        };
        does && !is_whole
    }
}
