//! What waits: steps that wait for a time, a signal or their next round, a start that is to come later, and a
//! transaction that is paused.

use super::active::Class;
use super::apply::IllegalEvent;
use super::command::Refusal;
use super::{Cx, Transaction};
use crate::definition::{Run, Step};
use crate::event::{Event, Failure, Signal, StepError};
use crate::node::NodeRef;
use crate::state::KeptSignal;
use crate::status::{Phase, Status, StepStatus};
use chancery_base::limits::{BATCH_TIMEOUTS_MAX, SIGNAL_IDS_KEPT_MAX, SIGNALS_KEPT_MAX};
use chancery_base::{Document, Name, Timestamp};
use serde_json::Value;
use std::sync::Arc;

impl Transaction {
    /// Takes a signal in; whether one with its id had come before, and this one changed nothing.
    ///
    /// # Errors
    /// If no step waits for signals of this name, it keeps too many, or it goes forward no more.
    pub fn signal(&mut self, signal: Signal, cx: &mut Cx<'_>) -> Result<bool, Refusal> {
        if signal.id.as_ref().is_some_and(|id| self.has_come(id)) {
            return Ok(true);
        }
        let status = self.head.status;
        if self.head.cause.is_some() || status.is_ended() {
            return Err(Refusal::Status { operation: "signal", status });
        }
        self.takes(&signal)?;
        if !self.has_room_for(&signal) || self.is_full() {
            return Err(Refusal::TooManySignals);
        }
        self.emit(Event::SignalReceived { signal }, cx)?;
        self.advance(cx)?;
        Ok(false)
    }

    /// Hands nothing out until it is resumed. What is out comes in, and what follows from that follows.
    ///
    /// # Errors
    /// Unless it goes forward or backward, or if it is paused.
    pub fn pause(&mut self, justification: String, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if !self.may_pause() {
            let status = self.head.status;
            let is_paused = self.head.paused_at.is_some() && !status.is_settled();
            return Err(if is_paused { Refusal::Paused } else { Refusal::Status { operation: "pause", status } });
        }
        Ok(self.emit(Event::Paused { justification }, cx)?)
    }

    /// Has what is paused go on. What came due meanwhile fires at once.
    ///
    /// # Errors
    /// Unless it is paused.
    pub fn unpause(&mut self, justification: String, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.head.paused_at.is_none() {
            return Err(Refusal::NotPaused);
        }
        self.emit(Event::Unpaused { justification }, cx)?;
        self.advance(cx)?;
        self.time_out(cx)
    }

    /// Whether anything is handed out, fires or is taken: not while it is paused or waits for a person.
    pub(super) const fn moves(&self) -> bool {
        !self.head.held && self.head.paused_at.is_none()
    }

    pub(super) const fn may_pause(&self) -> bool {
        matches!(self.head.status, Status::Running | Status::Confirming | Status::Compensating)
            && self.head.paused_at.is_none()
    }

    /// When something that waits for nothing but its time has to be looked at.
    pub(super) fn fires_at(&self) -> Option<Timestamp> {
        let timed = self.first_waiting(Timestamp::MAX).map(|(at, _)| Timestamp::from_micros(at));
        timed.into_iter().chain(self.head.begins_at).min()
    }

    /// The first that waits until a time at most, and until when.
    fn first_waiting(&self, until: Timestamp) -> Option<(i64, NodeRef)> {
        let first = |class| self.active.of(class, i64::MIN..=until.as_micros()).next();
        [Class::Waiting, Class::Signal].into_iter().filter_map(first).min()
    }

    /// Fires what is due: the start, waits, rounds, and signals that did not come; of these only so many at once.
    pub(super) fn fire(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.moves() && self.head.begins_at.is_some_and(|at| at <= cx.now) {
            self.emit(Event::TimerFired { node: None }, cx)?;
            self.advance(cx)?;
        }
        for _ in 0..BATCH_TIMEOUTS_MAX {
            let due = self.first_waiting(cx.now).filter(|_| self.moves());
            let Some((_, node)) = due.filter(|_| !self.head.status.is_settled()) else { break };
            if self.asks(node) {
                self.remind_or_expire(node, cx)?;
            } else if self.polls(node) {
                self.emit(Event::TimerFired { node: Some(node) }, cx)?;
            } else if self.waits_for_time(node) {
                self.end_wait(node, cx)?;
                self.advance(cx)?;
            } else {
                let error = StepError::new(StepError::SIGNAL_TIMEOUT, "the signal did not come in time");
                self.fail(node, Phase::Do, Failure::SignalTimedOut, error, cx)?;
            }
        }
        Ok(())
    }

    /// Has a step that waits begin to, if it is ready.
    pub(super) fn begin_to_wait(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let is_ready = self.state(node).is_some_and(|state| state.status == StepStatus::Ready);
        let Some(step) = self.step_of(node).filter(|step| is_ready && step.run.is_passive()) else { return Ok(()) };
        if step.run.request().is_some() {
            return self.begin_to_ask(node, cx);
        }
        let waits_for_time = matches!(step.run, Run::Wait(_));
        let until = if self.is_full() {
            let message = "the transaction has as many entries as one may have";
            Err(StepError::fatal(StepError::TOO_MANY_ENTRIES, message))
        } else {
            self.evaluate_until(node)
        };
        match until {
            Ok(Some(until)) if waits_for_time => self.emit(Event::TimerStarted { node, until }, cx)?,
            Ok(until) => self.emit(Event::SignalAwaited { node, until }, cx)?,
            Err(error) => return self.mark_failed(node, error, cx),
        }
        // Its time may have come already.
        if self.is_due(node, cx.now) && waits_for_time {
            self.end_wait(node, cx)?;
        }
        Ok(())
    }

    /// Has a wait whose time has come end.
    fn end_wait(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        match self.evaluate_set(node, Some(&Value::Null), cx.now) {
            Ok(_) => Ok(self.emit(Event::TimerFired { node: Some(node) }, cx)?),
            Err(error) => self.mark_failed(node, error, cx),
        }
    }

    /// Has a step take a signal that is kept. One of which its variables can't be set is gone as well: whoever tries
    /// the step again waits for another.
    pub(super) fn deliver(&mut self, node: NodeRef, signal: u64, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let payload = self.signal_for(node).and_then(|at| self.kept.get(at)).cloned();
        match self.evaluate_set(node, payload.as_ref().map(|payload| payload.value()), cx.now) {
            Ok(_) => Ok(self.emit(Event::SignalTaken { node, signal }, cx)?),
            Err(error) => self.mark_failed(node, error, cx),
        }
    }

    /// Where the signal lies that a step would take.
    pub(super) fn signal_for(&self, node: NodeRef) -> Option<usize> {
        let waits = self.state(node).is_some_and(|state| state.status == StepStatus::Waiting);
        self.head.signals.iter().position(|kept| waits && self.awaits(node, &kept.name))
    }

    /// What a signal says that is kept no longer.
    pub(super) fn take_signal(&mut self, at: usize) -> Arc<Document> {
        self.head.signals.remove(at);
        self.kept.remove(at)
    }

    /// The next signal that is taken: those that are kept, and the steps that wait for them, both in their order.
    pub(super) fn next_delivery(&self) -> Option<(NodeRef, u64)> {
        if !self.moves() || self.head.status != Status::Running {
            return None;
        }
        self.head.signals.iter().find_map(|kept| {
            let waiting = self.active.all(Class::Signal).map(|(_, node)| node);
            let node = waiting.filter(|node| self.awaits(*node, &kept.name)).min()?;
            Some((node, kept.seq))
        })
    }

    fn awaits(&self, node: NodeRef, name: &Name) -> bool {
        self.step_of(node).and_then(Step::signal).is_some_and(|signal| signal.name == *name)
    }

    /// Whether a signal may come: so many are kept, and one that a step waits for now is not.
    fn has_room_for(&self, signal: &Signal) -> bool {
        let goes_on = self.moves() && self.head.status == Status::Running;
        let mut waiting = self.active.all(Class::Signal).map(|(_, node)| node);
        self.head.signals.len() < SIGNALS_KEPT_MAX || goes_on && waiting.any(|node| self.awaits(node, &signal.name))
    }

    pub(super) fn waits_for_time(&self, node: NodeRef) -> bool {
        self.step_of(node).is_some_and(|step| matches!(step.run, Run::Wait(_)))
    }

    /// Whether a step waits whose time has come, and nothing holds it up. What people are asked has a time of its own.
    pub(super) fn is_due(&self, node: NodeRef, now: Timestamp) -> bool {
        let waits = self.state(node).filter(|state| state.status == StepStatus::Waiting);
        self.moves() && !self.asks(node) && waits.and_then(|state| state.wake_at).is_some_and(|at| at <= now)
    }

    /// Whether some step takes signals of this name.
    ///
    /// # Errors
    /// If none does.
    pub fn takes(&self, signal: &Signal) -> Result<(), Refusal> {
        let mut taken = self.definition.steps.iter().filter_map(Step::signal);
        let is_taken = taken.any(|found| found.name == signal.name);
        if is_taken { Ok(()) } else { Err(Refusal::UnknownSignal(signal.name.clone())) }
    }

    /// Whether a signal with this id is among the newest that came.
    fn has_come(&self, id: &str) -> bool {
        !self.head.signal_marks.is_empty() && self.head.signal_marks.contains(&KeptSignal::mark(id))
    }

    /// What was kept and no step can take any more.
    pub(super) fn forget_signals(&mut self) {
        self.head.signals.clear();
        self.kept.clear();
    }

    /// What waits, begins to or is over, and rounds that end and begin; and that it is paused, or goes on.
    pub(super) fn apply_waited(&mut self, event: &Event, now: Timestamp, seq: u64) -> Result<(), IllegalEvent> {
        match event {
            Event::TimerStarted { node, until } => self.apply_waiting(*node, Some(*until), event, now),
            Event::SignalAwaited { node, until } => self.apply_waiting(*node, *until, event, now),
            Event::TimerFired { node: None } => {
                self.expect_that(self.moves() && self.head.begins_at.is_some_and(|at| at <= now), event)?;
                self.head.begins_at = None;
                self.ready_all(now);
                Ok(())
            }
            Event::Polled { .. } => self.apply_polled(event),
            Event::TimerFired { node: Some(node) } if self.polls(*node) => self.apply_round(*node, event, now),
            Event::TimerFired { node: Some(node) } => {
                self.expect_that(self.is_due(*node, now) && self.waits_for_time(*node), event)?;
                self.done(*node, event, now)
            }
            Event::SignalReceived { signal } => self.apply_signal(signal, event, seq),
            Event::SignalTaken { node, signal } => self.apply_taken(*node, *signal, event, now),
            Event::Paused { .. } => {
                self.expect_that(self.may_pause(), event)?;
                self.head.paused_at = Some(now);
                Ok(())
            }
            Event::Unpaused { .. } => {
                self.expect_that(self.head.paused_at.is_some(), event)?;
                self.head.paused_at = None;
                self.queue_anew(now);
                // Its driver had nothing to say meanwhile.
                self.hear(now);
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
            | Event::ChildStarted(_)
            | Event::ChildRecalled { .. }
            | Event::Recalled
            | Event::Inherited(_)
            | Event::Resolved { .. }
            | Event::AttemptFailed { .. }
            | Event::Denied { .. }
            | Event::Expanded { .. }
            | Event::Skipped { .. }
            | Event::OutputFailed { .. }
            | Event::CancelRequested { .. }
            | Event::TimedOut
            | Event::Confirming
            | Event::Parked { .. }
            | Event::Resumed { .. }
            | Event::Ended { .. } => Err(self.illegal(event)),
        }
    }

    fn apply_waiting(
        &mut self,
        node: NodeRef,
        until: Option<Timestamp>,
        event: &Event,
        now: Timestamp,
    ) -> Result<(), IllegalEvent> {
        let is_ready = self.state(node).is_some_and(|state| state.status == StepStatus::Ready);
        let is_timer = matches!(event, Event::TimerStarted { .. });
        let takes_signal = self.step_of(node).is_some_and(|step| step.signal().is_some());
        let waits_so = if is_timer { self.waits_for_time(node) } else { takes_signal };
        self.expect_that(self.head.status == Status::Running && is_ready && waits_so, event)?;
        let state = self.touch(node);
        state.status = StepStatus::Waiting;
        state.started_at.get_or_insert(now);
        state.wake_at = until;
        Ok(())
    }

    fn apply_signal(&mut self, signal: &Signal, event: &Event, seq: u64) -> Result<(), IllegalEvent> {
        let has_room = self.has_room_for(signal);
        let is_new = signal.id.as_ref().is_none_or(|id| !self.has_come(id));
        let is_wanted = self.head.cause.is_none() && self.takes(signal).is_ok();
        self.expect_that(has_room && is_new && is_wanted, event)?;
        self.head.signals.push(KeptSignal { name: signal.name.clone(), seq });
        self.kept.push(Arc::clone(&signal.payload));
        if let Some(id) = &signal.id {
            if self.head.signal_marks.len() >= SIGNAL_IDS_KEPT_MAX {
                self.head.signal_marks.remove(0);
            }
            self.head.signal_marks.push(KeptSignal::mark(id));
        }
        Ok(())
    }

    fn apply_taken(&mut self, node: NodeRef, signal: u64, event: &Event, now: Timestamp) -> Result<(), IllegalEvent> {
        let first = self.signal_for(node);
        let first = first.filter(|at| self.head.signals.get(*at).is_some_and(|kept| kept.seq == signal));
        let Some(at) = first.filter(|_| self.moves() && self.head.status == Status::Running) else {
            return Err(self.illegal(event));
        };
        let payload = self.take_signal(at);
        self.set_output(node, &payload, signal);
        self.done(node, event, now)
    }
}
