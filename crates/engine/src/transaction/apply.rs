//! The transition table: what an event does to a transaction, live and in replay.

use super::Transaction;
use super::active::is_finished;
use crate::definition::{DefinitionKind, Mode, OnError, Run, Step, StepIndex};
use crate::event::{Cause, Event, Failure, StepError};
use crate::node::NodeRef;
use crate::request::RequestStatus;
use crate::state::StepState;
use crate::status::{CauseKind, Phase, Status, StepStatus, UndoStatus};
use chancery_base::limits::{CLONES_MAX, TRANSACTION_CLONES_MAX};
use chancery_base::{DecisionId, Document, Timestamp};
use std::sync::Arc;

/// An event that can't happen in this state: a defect, or a log that was tampered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{event}` is illegal: {state}")]
pub struct IllegalEvent {
    event: &'static str,
    state: String,
}

impl Transaction {
    /// Applies an event whose entry is number `seq` of the log.
    ///
    /// # Errors
    /// If the event can't happen in this state; then nothing of use is left of the transaction.
    pub fn apply(&mut self, event: &Event, now: Timestamp, seq: u64) -> Result<(), IllegalEvent> {
        self.expect_that(self.goes_on(event), event)?;
        let (n, full) = (self.head.entries, self.full_windows());
        match event {
            Event::Started { .. } => return Err(self.illegal(event)),
            Event::Dispatched { node, phase: Phase::Do, .. } => self.apply_dispatched(*node, event, now)?,
            Event::Dispatched { node, phase: Phase::Undo | Phase::Confirm, .. } => {
                self.apply_undo_dispatched(*node, event, now)?;
            }
            Event::Accepted { node, phase, attempt } => self.apply_accepted(*node, *phase, *attempt, event)?,
            Event::CarriedOut(done) => self.apply_carried_out(done, event, now, seq)?,
            Event::Requested(requested) => self.apply_requested(requested, event, now, seq)?,
            Event::Completed { node, phase, attempt, output, child_entries, .. } => {
                self.expect_out(*node, *phase, *attempt, child_entries.is_some(), event)?;
                self.closed((*node, *phase), output, event, now, seq)?;
            }
            Event::ChildStarted(_) | Event::ChildRecalled { .. } | Event::Recalled => self.apply_child(event, now)?,
            Event::Inherited(inherited) => self.apply_inherited(inherited, event, now, seq)?,
            Event::Resolved { node, phase, output, .. } => {
                self.apply_resolved((*node, *phase), output, event, now, seq)?;
            }
            Event::AttemptFailed { node, phase: Phase::Do, .. } => self.apply_failed(*node, event, now, n)?,
            Event::AttemptFailed { node, phase: Phase::Undo | Phase::Confirm, .. } => {
                self.apply_undo_failed(*node, event, now)?;
            }
            Event::Denied { node, decision } => self.apply_denied(*node, *decision, event)?,
            Event::Expanded { node, items } => self.apply_expanded(*node, items, event, now, seq)?,
            Event::Skipped { node } => {
                self.expect(*node, event, |state| state.status == StepStatus::Ready && state.attempts == 0)?;
                self.finish(*node, StepStatus::Skipped, now, n);
                self.let_go_on(*node, now, n);
            }
            Event::Permitted(_)
            | Event::StepDenied { .. }
            | Event::Claimed { .. }
            | Event::DriverResumed { .. }
            | Event::DriverHeard { .. }
            | Event::DriverLost => self.apply_driven(event, now, seq)?,
            Event::Polled { .. }
            | Event::TimerStarted { .. }
            | Event::TimerFired { .. }
            | Event::SignalAwaited { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::Paused { .. }
            | Event::Unpaused { .. } => self.apply_waited(event, now, seq)?,
            Event::OutputFailed { error } => {
                self.expect_that(matches!(self.head.status, Status::Running | Status::Confirming), event)?;
                self.turn_or_hold(CauseKind::OutputFailed, Some(error.clone()), now, n);
            }
            Event::TimedOut => self.apply_timed_out(event, now, n)?,
            Event::Confirming => {
                self.expect_that(self.may_confirm(), event)?;
                self.head.status = Status::Confirming;
                self.head.confirming_at = Some(now);
            }
            Event::CancelRequested { .. } => self.apply_cancelled(event, now, n)?,
            Event::Parked { node } => {
                self.expect_that(self.parking() == Some(*node), event)?;
                self.head.status = Status::Parked;
                self.head.parked_at = *node;
            }
            Event::Resumed { node, .. } => self.apply_resumed(*node, event, now)?,
            Event::Ended { status, output, .. } => self.apply_ended(*status, output.is_some(), event, now, seq)?,
        }
        self.head.entries = n + 1;
        self.place_touched();
        self.start_undos(now);
        self.place_touched();
        self.note_room(&full, now);
        Ok(())
    }

    /// Whether anything may happen yet. What completed may be recalled, and a fork first takes over what it inherits.
    fn goes_on(&self, event: &Event) -> bool {
        let is_recalled = *event == Event::Recalled && self.may_be_recalled();
        let is_inherited = matches!(event, Event::Inherited(_));
        (!self.head.status.is_ended() || is_recalled) && self.is_inheriting() == is_inherited
    }

    /// An attempt is out, or a child that ends as is said.
    fn expect_out(
        &self,
        node: NodeRef,
        phase: Phase,
        attempt: u32,
        has_entries: bool,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let child = self.state(node).and_then(|state| self.waits_for_child(node, state.child?));
        let is_out = match child {
            Some(child) => child == (phase, attempt) && has_entries == (phase == Phase::Do),
            None => !has_entries && self.dispatched(node, phase).is_some_and(|(out, _)| out == attempt),
        };
        self.expect_that(is_out, event)
    }

    /// Where there is no element the step is done.
    fn apply_expanded(
        &mut self,
        node: NodeRef,
        items: &Arc<Document>,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        self.expect_status(event, Status::Running)?;
        let fans_out = node.clone == 0 && self.step_of(node).is_some_and(|step| step.each.is_some());
        let fits = items.as_array().is_some_and(|items| self.may_expand(items.len()));
        self.expect(node, event, |state| fans_out && fits && state.status == StepStatus::Ready && state.attempts == 0)?;
        let count = self.nodes.expand(node.step, items);
        let state = self.touch(node);
        state.status = StepStatus::Expanded;
        state.clones = Some(count);
        state.items_seq = Some(seq);
        state.started_at = Some(now);
        for clone in (1..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let clone = NodeRef { step: node.step, clone };
            let state = self.touch(clone);
            state.status = StepStatus::Ready;
            state.ready_at = Some(now);
            self.displaced.push(clone);
        }
        self.finish_whole(node.step, now, self.head.entries);
        Ok(())
    }

    /// Whether the transaction may have so many clones more.
    pub(super) fn may_expand(&self, count: usize) -> bool {
        count <= CLONES_MAX && self.nodes.clone_count() + count <= TRANSACTION_CLONES_MAX
    }

    fn apply_dispatched(&mut self, node: NodeRef, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        let Event::Dispatched { attempt, decision, input, deadline, conditions, .. } = event else {
            return Err(self.illegal(event));
        };
        self.expect_status(event, Status::Running)?;
        let moves = self.moves();
        let runs_other = self.step_of(node).is_some_and(|step| step.run.child().is_some() || step.run.is_inline());
        self.expect(node, event, |state| {
            let is_waiting = matches!(state.status, StepStatus::Ready | StepStatus::Backoff);
            !runs_other && is_waiting && moves && state.attempts + 1 == *attempt
        })?;
        let state = self.touch(node);
        state.status = StepStatus::Dispatched;
        state.attempts = *attempt;
        state.wake_at = Some(*deadline);
        state.started_at.get_or_insert(now);
        state.decision = Some(*decision);
        state.input = Some(input.digest());
        state.conditions.clone_from(conditions);
        Ok(())
    }

    fn apply_accepted(&mut self, node: NodeRef, phase: Phase, attempt: u32, event: &Event) -> Result<(), IllegalEvent> {
        let is_out = self.is_leased(node, phase) && self.dispatched(node, phase).is_some_and(|(out, _)| out == attempt);
        self.expect_that(is_out, event)?;
        let state = self.touch(node);
        match phase {
            Phase::Do => state.accepted = true,
            Phase::Undo | Phase::Confirm => state.undo.accepted = true,
        }
        Ok(())
    }

    fn apply_undo_dispatched(&mut self, node: NodeRef, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        let Event::Dispatched { attempt, phase, decision, input, deadline, .. } = event else {
            return Err(self.illegal(event));
        };
        self.expect_closing(node, *phase, event)?;
        let is_inline = |step: &Step| step.run_of(*phase).is_some_and(Run::is_inline);
        let runs_other = self.step_of(node).is_some_and(|step| step.recalls_child() || is_inline(step));
        self.expect_that(self.moves() && !runs_other, event)?;
        let covers = self.covering_decision(node);
        self.expect(node, event, |state| {
            matches!(state.undo.status, UndoStatus::Ready | UndoStatus::Backoff)
                && state.undo.attempts + 1 == *attempt
                && covers == *decision
        })?;
        let undo = &mut self.touch(node).undo;
        undo.status = UndoStatus::Dispatched;
        undo.attempts = *attempt;
        undo.wake_at = Some(*deadline);
        undo.started_at.get_or_insert(now);
        undo.input = Some(input.digest());
        Ok(())
    }

    /// A denial counts as the step's decision only where no attempt was permitted: an undo cites that.
    fn apply_denied(&mut self, node: NodeRef, decision: DecisionId, event: &Event) -> Result<(), IllegalEvent> {
        self.expect(node, event, |state| matches!(state.status, StepStatus::Ready | StepStatus::Backoff))?;
        let state = self.touch(node);
        if state.attempts == 0 {
            state.decision = Some(decision);
        }
        Ok(())
    }

    fn apply_failed(&mut self, node: NodeRef, event: &Event, now: Timestamp, n: u64) -> Result<(), IllegalEvent> {
        let Event::AttemptFailed { attempt, failure, error, retry_at, .. } = event else {
            return Err(self.illegal(event));
        };
        let running = self.head.status == Status::Running;
        let is_due = self.is_due(node, now);
        let ends_wait = is_due && self.waits_for_time(node);
        let has_come = self.signal_for(node).filter(|_| self.moves());
        let is_whole = self.is_whole_over(node);
        let (polls, is_exhausted) = (self.polls(node), self.is_exhausted(node));
        let said = self.said_at(node);
        self.expect(node, event, |state| {
            let stands = match failure {
                Failure::Failed | Failure::Unknown | Failure::TimedOut | Failure::Lapsed => {
                    state.status == StepStatus::Dispatched
                }
                Failure::SignalTimedOut => is_due && !polls,
                Failure::Exhausted => is_exhausted,
                Failure::RequestDenied => said == Some(RequestStatus::Denied),
                Failure::RequestExpired => said == Some(RequestStatus::Expired),
                Failure::QueueTimedOut | Failure::Denied | Failure::DeniedAnew => {
                    running && matches!(state.status, StepStatus::Ready | StepStatus::Backoff)
                }
                // Of what waited, asked or fanned out, its variables can't be set.
                Failure::Refused => {
                    let is_over = is_whole || ends_wait || has_come.is_some() || said == Some(RequestStatus::Approved);
                    running && (is_over || matches!(state.status, StepStatus::Ready | StepStatus::Backoff))
                }
            };
            stands && state.attempts == *attempt && (retry_at.is_none() || running && failure.was_dispatched())
        })?;
        if let Some(at) = has_come.filter(|_| *failure == Failure::Refused) {
            self.take_signal(at);
        }
        let state = self.touch(node);
        state.unknown |= failure.is_unknown();
        state.error = Some(error.clone());
        if let Some(at) = retry_at {
            state.status = StepStatus::Backoff;
            state.accepted = false;
            state.wake_at = Some(*at);
            return Ok(());
        }
        let status = if state.may_have_acted() { StepStatus::Unknown } else { StepStatus::Failed };
        self.finish(node, status, now, n);
        if matches!(failure, Failure::Failed | Failure::Unknown) {
            self.hear_of(node, now);
        }
        self.place_touched();
        if self.is_done(node) {
            self.let_go_on(node, now, n);
        } else if running && !self.is_forward_only() && !failure.parks() {
            self.turn(failure.cause(), Some(node), Some(error.clone()), now, n);
        }
        Ok(())
    }

    fn apply_resolved(
        &mut self,
        (node, phase): (NodeRef, Phase),
        output: &Arc<Document>,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        self.expect_stuck(node, phase, event)?;
        self.unpark();
        self.closed((node, phase), output, event, now, seq)
    }

    fn apply_cancelled(&mut self, event: &Event, now: Timestamp, n: u64) -> Result<(), IllegalEvent> {
        self.expect_that(self.may_cancel(), event)?;
        self.head.parked_at = None;
        // Whoever has it undone wants it undone now.
        self.head.paused_at = None;
        self.turn(CauseKind::Cancelled, None, None, now, n);
        Ok(())
    }

    fn apply_timed_out(&mut self, event: &Event, now: Timestamp, n: u64) -> Result<(), IllegalEvent> {
        self.expect_that(self.times_out_at().is_some_and(|at| at <= now), event)?;
        self.head.timed_out = true;
        let error = StepError::new(StepError::TRANSACTION_TIMEOUT, "the transaction's own time ran out");
        self.turn_or_hold(CauseKind::TimedOut, Some(error), now, n);
        Ok(())
    }

    /// What is tried again waits from now on: its time to wait for a worker begins anew.
    fn apply_resumed(&mut self, node: Option<NodeRef>, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        let Some(node) = node else {
            self.expect_that(self.head.held && self.head.status == Status::Parked, event)?;
            self.unpark();
            self.head.held = false;
            self.queue_anew(now);
            return Ok(());
        };
        let phase = self.phase_at(node);
        self.expect_stuck(node, phase, event)?;
        self.unpark();
        // What could not fan out is asked again over what.
        let fans_out = node.clone == 0 && self.step_of(node).is_some_and(|step| step.each.is_some());
        let n = self.head.entries;
        let state = self.touch(node);
        match phase {
            // Its clones are over: only what it sets is asked again.
            Phase::Do if state.clones.is_some() => {
                state.status = StepStatus::Expanded;
                (state.ended_at, state.ended_n) = (None, None);
                self.finish_whole(node.step, now, n);
            }
            Phase::Do => {
                state.status = StepStatus::Ready;
                state.ready_at = Some(now);
                (state.ended_at, state.ended_n) = (None, None);
                state.attempts_before = state.attempts;
                state.rounds_before = state.rounds;
                // Whoever has it tried again has people asked again.
                state.requests.clear();
                if fans_out {
                    self.fresh.push(node);
                }
            }
            Phase::Undo | Phase::Confirm => {
                let undo = &mut state.undo;
                undo.status = UndoStatus::Ready;
                undo.ready_at = Some(now);
                undo.ended_at = None;
                undo.attempts_before = undo.attempts;
            }
        }
        Ok(())
    }

    /// What waits for a worker waits from now on.
    pub(super) fn queue_anew(&mut self, now: Timestamp) {
        let waiting: Vec<NodeRef> = self.all_where(|state| state.queued_since().is_some());
        for node in waiting {
            let state = self.touch(node);
            // When it became ready is what its expressions see as `now`: of a retry that stays as it was, so that all
            // attempts are given the same.
            match state.wake_at {
                Some(at) => state.wake_at = Some(at.max(now)),
                None => state.ready_at = Some(now),
            }
        }
    }

    fn apply_undo_failed(&mut self, node: NodeRef, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        let Event::AttemptFailed { phase, attempt, failure, error, retry_at, .. } = event else {
            return Err(self.illegal(event));
        };
        self.expect_closing(node, *phase, event)?;
        self.expect(node, event, |state| {
            let stands = match failure {
                Failure::Failed | Failure::Unknown | Failure::TimedOut | Failure::Lapsed => {
                    state.undo.status == UndoStatus::Dispatched
                }
                Failure::Refused => matches!(state.undo.status, UndoStatus::Ready | UndoStatus::Backoff),
                Failure::QueueTimedOut
                | Failure::SignalTimedOut
                | Failure::Exhausted
                | Failure::Denied
                | Failure::DeniedAnew
                | Failure::RequestDenied
                | Failure::RequestExpired => false,
            };
            stands && state.undo.attempts == *attempt
        })?;
        let on_error = self.on_error(node).filter(|_| *phase == Phase::Undo);
        let undo = &mut self.touch(node).undo;
        undo.error = Some(error.clone());
        undo.accepted = false;
        undo.wake_at = *retry_at;
        if retry_at.is_some() {
            undo.status = UndoStatus::Backoff;
            return Ok(());
        }
        let is_marked = on_error == Some(OnError::MarkCompensated);
        undo.status = if is_marked { UndoStatus::Marked } else { UndoStatus::Failed };
        undo.ended_at = Some(now);
        if !self.is_stuck(node, *phase) && !is_marked {
            self.break_circuit(node);
        }
        Ok(())
    }

    fn apply_ended(
        &mut self,
        status: Status,
        has_output: bool,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let legal = match status {
            Status::Terminated => !self.is_asking(),
            Status::Completed if self.is_driven() => self.may_commit(),
            Status::Completed => match self.definition.kind {
                DefinitionKind::Saga | DefinitionKind::Open => {
                    self.head.status == Status::Running && self.active.is_finished()
                }
                DefinitionKind::Tcc => self.is_confirmed(),
            },
            Status::Compensated | Status::Failed | Status::Cancelled => self.ending() == Some(status),
            Status::Running | Status::Confirming | Status::Compensating | Status::Parked => false,
        };
        if !legal || has_output != (status == Status::Completed) {
            return Err(self.illegal(event));
        }
        self.head.status = status;
        self.head.parked_at = None;
        self.head.ended_at = Some(now);
        self.head.begins_at = None;
        self.head.paused_at = None;
        self.forget_signals();
        self.head.output_seq = has_output.then_some(seq);
        if status == Status::Terminated {
            self.head.cause = Some(Cause { kind: CauseKind::Terminated, step: None });
        }
        Ok(())
    }

    /// Whether the decision to confirm may be taken.
    fn may_confirm(&self) -> bool {
        let is_tcc = self.definition.kind == DefinitionKind::Tcc;
        let is_tried = self.head.status == Status::Running && self.active.is_finished();
        is_tcc && is_tried && self.moves()
    }

    /// Whether what comes after the step may begin.
    pub(super) fn is_done(&self, node: NodeRef) -> bool {
        self.step_of(node).zip(self.state(node)).is_some_and(|(step, state)| is_finished(step, state))
    }

    /// Makes every step without predecessors ready.
    pub(super) fn ready_all(&mut self, now: Timestamp) {
        let definition = Arc::clone(&self.definition);
        for (step, _) in definition.indices().zip(&definition.steps).filter(|(_, step)| step.after.is_empty()) {
            self.make_ready(step.into(), now);
        }
    }

    /// A node is over: what comes after its step begins. A step that fanned out is over when all its clones are.
    pub(super) fn let_go_on(&mut self, node: NodeRef, now: Timestamp, n: u64) {
        if node.clone == 0 {
            self.ready_dependents(node, now);
        } else {
            self.finish_whole(node.step, now, n);
        }
    }

    /// Whether it is a step that fanned out, whose clones are all over and which is not.
    pub(super) fn is_whole_over(&self, node: NodeRef) -> bool {
        let is_expanded = self.state(node).is_some_and(|state| state.status == StepStatus::Expanded);
        is_expanded && self.active.are_finished(node.step)
    }

    fn finish_whole(&mut self, step: StepIndex, now: Timestamp, n: u64) {
        self.place_touched();
        let whole = NodeRef::of_step(step);
        if !self.is_whole_over(whole) {
            return;
        }
        // What can't be made use of fails the step, and that is an event of its own: whoever advances looks at it.
        let Ok(set) = self.evaluate_set(whole, None, now) else { return self.fresh.push(whole) };
        self.nodes.set_variables(step, set);
        self.finish(whole, StepStatus::Completed, now, n);
        self.ready_dependents(whole, now);
    }

    fn ready_dependents(&mut self, node: NodeRef, now: Timestamp) {
        if self.head.status != Status::Running {
            return;
        }
        let definition = Arc::clone(&self.definition);
        let Some(over) = definition.step(node.step) else { return };
        match definition.mode {
            Mode::Graph | Mode::Sequence | Mode::Parallel => {
                for dependent in &over.dependents {
                    let after = definition.step(*dependent).map_or(&[][..], |step| &step.after);
                    if after.iter().all(|step| self.is_done((*step).into())) {
                        self.make_ready((*dependent).into(), now);
                    }
                }
            }
            Mode::Layers if self.is_layer_done(over.layer) => self.ready_layers(over.layer + 1, now),
            Mode::Layers => {}
        }
    }

    fn is_layer_done(&self, layer: u32) -> bool {
        let mut of_layer =
            self.definition.indices().zip(&self.definition.steps).filter(|(_, step)| step.layer == layer);
        of_layer.all(|(index, _)| self.is_done(index.into()))
    }

    /// Makes the steps of a layer ready, and those of the next where a fork took all of this one over.
    pub(super) fn ready_layers(&mut self, first: u32, now: Timestamp) {
        let definition = Arc::clone(&self.definition);
        let last = definition.steps.iter().map(|step| step.layer).max().unwrap_or(0);
        for layer in first..=last {
            for (index, _) in definition.indices().zip(&definition.steps).filter(|(_, step)| step.layer == layer) {
                self.make_ready(index.into(), now);
            }
            if !self.is_layer_done(layer) {
                return;
            }
        }
    }

    /// What a fork took over is not done again.
    pub(super) fn make_ready(&mut self, node: NodeRef, now: Timestamp) {
        if self.state(node).is_none_or(|state| state.status != StepStatus::Pending) {
            return;
        }
        let state = self.touch(node);
        state.status = StepStatus::Ready;
        state.ready_at = Some(now);
        self.fresh.push(node);
    }

    /// The transaction goes backward from here: what is queued is cancelled, unless an attempt of it may have taken
    /// effect; what is out comes in first.
    pub(super) fn turn(
        &mut self,
        kind: CauseKind,
        node: Option<NodeRef>,
        error: Option<StepError>,
        now: Timestamp,
        n: u64,
    ) {
        self.head.status = Status::Compensating;
        self.head.cause = Some(Cause { kind, step: node });
        self.head.error = error;
        self.head.held = false;
        self.head.begins_at = None;
        self.forget_signals();
        let failed = node.filter(|node| node.clone > 0).map(|node| NodeRef::of_step(node.step));
        let is_queued = |state: &StepState| match state.status {
            StepStatus::Pending
            | StepStatus::Ready
            | StepStatus::Backoff
            | StepStatus::Waiting
            | StepStatus::Expanded => true,
            StepStatus::Dispatched
            | StepStatus::Completed
            | StepStatus::Failed
            | StepStatus::Unknown
            | StepStatus::Skipped
            | StepStatus::Cancelled => false,
        };
        let queued = self.all_where(is_queued);
        for node in queued {
            let status = match self.state(node) {
                Some(state) if state.may_have_acted() => StepStatus::Unknown,
                // A clone that fails for good fails the step.
                Some(_) | None if failed == Some(node) => StepStatus::Failed,
                Some(_) | None => StepStatus::Cancelled,
            };
            self.finish(node, status, now, n);
        }
    }

    /// The same, where it still can; else it waits for a person.
    fn turn_or_hold(&mut self, kind: CauseKind, error: Option<StepError>, now: Timestamp, n: u64) {
        if self.is_forward_only() {
            self.head.held = true;
            self.head.error = error;
        } else {
            self.turn(kind, None, error, now, n);
        }
    }

    /// It goes on in the direction in which it went.
    const fn unpark(&mut self) {
        self.head.parked_at = None;
        self.head.status = match (&self.head.cause, self.head.confirming_at) {
            (Some(_), _) => Status::Compensating,
            (None, Some(_)) => Status::Confirming,
            (None, None) => Status::Running,
        };
    }

    pub(super) fn finish(&mut self, node: NodeRef, status: StepStatus, now: Timestamp, n: u64) {
        let state = self.touch(node);
        state.status = status;
        state.accepted = false;
        state.wake_at = None;
        state.ended_at = Some(now);
        state.ended_n = Some(n);
    }

    /// A step, its compensation or its confirm is done.
    pub(super) fn closed(
        &mut self,
        (node, phase): (NodeRef, Phase),
        output: &Arc<Document>,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        match phase {
            Phase::Do => {
                self.set_output(node, output, seq);
                self.taint_with(node, event);
                self.hear_of(node, now);
                self.done(node, event, now)
            }
            Phase::Undo | Phase::Confirm => {
                self.undone(node, now, seq);
                Ok(())
            }
        }
    }

    /// A step, or a clone, is done: what it sets is set, and what comes after it begins.
    pub(super) fn done(&mut self, node: NodeRef, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        let Ok(set) = self.evaluate_set(node, None, now) else { return Err(self.illegal(event)) };
        self.nodes.set_variables(node.step, set);
        let n = self.head.entries;
        self.finish(node, StepStatus::Completed, now, n);
        self.let_go_on(node, now, n);
        Ok(())
    }

    pub(super) fn undone(&mut self, node: NodeRef, now: Timestamp, seq: u64) {
        let undo = &mut self.touch(node).undo;
        undo.status = UndoStatus::Completed;
        undo.accepted = false;
        undo.wake_at = None;
        undo.ended_at = Some(now);
        undo.output_seq = Some(seq);
    }

    pub(super) fn set_output(&mut self, node: NodeRef, output: &Arc<Document>, seq: u64) {
        self.touch(node).output_seq = Some(seq);
        self.nodes.set_output(node, output);
    }

    pub(super) fn expect(
        &self,
        node: NodeRef,
        event: &Event,
        holds: impl Fn(&StepState) -> bool,
    ) -> Result<(), IllegalEvent> {
        self.expect_that(self.state(node).is_some_and(holds), event)
    }

    pub(super) fn expect_status(&self, event: &Event, status: Status) -> Result<(), IllegalEvent> {
        self.expect_that(self.head.status == status, event)
    }

    /// It is at the node's compensation, or its confirm.
    pub(super) fn expect_closing(&self, node: NodeRef, phase: Phase, event: &Event) -> Result<(), IllegalEvent> {
        let goes_on = matches!(self.head.status, Status::Confirming | Status::Compensating);
        self.expect_that(goes_on && self.closing(node) == phase, event)
    }

    fn expect_stuck(&self, node: NodeRef, phase: Phase, event: &Event) -> Result<(), IllegalEvent> {
        self.expect_that(self.is_stuck(node, phase), event)
    }

    pub(super) fn expect_that(&self, holds: bool, event: &Event) -> Result<(), IllegalEvent> {
        if holds { Ok(()) } else { Err(self.illegal(event)) }
    }

    fn all_where(&self, holds: impl Fn(&StepState) -> bool) -> Vec<NodeRef> {
        self.nodes().filter(|(_, state)| holds(state)).map(|(node, _)| node).collect()
    }

    pub(super) fn illegal(&self, event: &Event) -> IllegalEvent {
        let state = event.node().and_then(|node| self.state(node));
        let of_step = state.map_or(String::new(), |state| {
            format!(
                ", step {} after {} attempts, undo {}",
                state.status.word(),
                state.attempts,
                state.undo.status.word()
            )
        });
        IllegalEvent { event: event.word(), state: format!("transaction {}{of_step}", self.head.status.word()) }
    }
}
