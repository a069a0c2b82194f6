//! Steps that wait for a time or a signal, and the signals that come.

use super::command::Refusal;
use super::{Cx, Transaction};
use crate::definition::{Run, StepIndex};
use crate::event::{Event, Failure, StepError};
use crate::status::{Phase, StepStatus};
use chancery_base::Document;
use serde_json::Value;
use std::sync::Arc;

impl Transaction {
    /// Takes a signal: the first step that waits for it is done, or the first that will wait keeps it. `false`: the
    /// same signal had come before, and nothing changed.
    ///
    /// # Errors
    /// If no step waits for it or will, or another signal had the same id.
    pub fn signal(
        &mut self,
        name: &str,
        id: Option<String>,
        output: Arc<Document>,
        cx: &mut Cx<'_>,
    ) -> Result<bool, Refusal> {
        let named = self.named(name)?;
        let has_id = |step: &&StepIndex| {
            let signal = self.step(**step).and_then(|state| state.signal.as_ref());
            id.is_some() && signal.is_some_and(|signal| signal.id == id)
        };
        if let Some(step) = named.iter().find(has_id) {
            let known = self.outputs.get(step.position()).and_then(Option::as_ref);
            let is_same = known.is_none_or(|known| *known == output);
            return if is_same { Ok(false) } else { Err(Refusal::SignalReused(self.name_of(*step))) };
        }
        let status = self.head.status;
        if self.head.cause.is_some() || status.is_ended() {
            return Err(Refusal::Status { operation: "signal", status });
        }
        let of = |wanted: &[StepStatus]| {
            let is_open = |step: &&StepIndex| {
                let state = self.step(**step);
                state.is_some_and(|state| state.signal.is_none() && wanted.contains(&state.status))
            };
            named.iter().find(is_open).copied()
        };
        let step = of(&[StepStatus::Waiting]).or_else(|| of(&[StepStatus::Pending, StepStatus::Ready]));
        let step = step.ok_or_else(|| Refusal::SignalTaken(name.chars().take(128).collect()))?;
        self.emit(Event::SignalReceived { step, id, output }, cx)?;
        self.advance(cx)?;
        Ok(true)
    }

    /// The steps that wait for signals of this name.
    fn named(&self, name: &str) -> Result<Vec<StepIndex>, Refusal> {
        let signals = self.definition.indices().zip(&self.definition.steps);
        let signals: Vec<(StepIndex, &str)> = signals
            .filter_map(|(index, step)| match &step.run {
                Run::Signal(signal) => Some((index, signal.name.as_str())),
                Run::Worker(_) | Run::Http(_) | Run::Noop | Run::Wait(_) => None,
            })
            .collect();
        let named: Vec<StepIndex> = signals.iter().filter(|(_, known)| *known == name).map(|(step, _)| *step).collect();
        if named.is_empty() {
            let mut known: Vec<&str> = signals.into_iter().map(|(_, name)| name).collect();
            known.sort_unstable();
            known.dedup();
            return Err(Refusal::NoSuchSignal { asked: name.chars().take(128).collect(), known: known.join("`, `") });
        }
        Ok(named)
    }

    /// A ready step that only waits begins to, or takes the signal that came early.
    pub(super) fn begin_wait(&mut self, step: StepIndex, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let Some(state) = self.step(step).filter(|state| state.status == StepStatus::Ready) else { return Ok(()) };
        let has_come = state.signal.is_some();
        let event = match self.definition.step(step).map(|step| &step.run) {
            Some(Run::Signal(_)) if has_come => Event::SignalTaken { step },
            Some(Run::Signal(signal)) => {
                Event::SignalAwaited { step, until: signal.timeout.map(|timeout| cx.now.plus(timeout)) }
            }
            Some(Run::Wait(_)) => match self.evaluate_wait(step, cx.now) {
                Ok(until) => Event::TimerStarted { step, until },
                Err(error) => return self.fail(step, Phase::Do, Failure::Refused, error, cx),
            },
            Some(Run::Worker(_) | Run::Http(_) | Run::Noop) | None => return Ok(()),
        };
        Ok(self.emit(event, cx)?)
    }

    /// Ends a wait whose time has come, or whose signal came while the transaction stood still.
    pub(super) fn end_wait(&mut self, step: StepIndex, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let goes_forward = self.head.status.goes_forward();
        let waiting = self.step(step).filter(|state| goes_forward && state.status == StepStatus::Waiting);
        let Some(state) = waiting else { return Ok(()) };
        let is_due = state.wake_at.is_some_and(|at| at <= cx.now);
        let event = match self.definition.step(step).map(|step| &step.run) {
            Some(Run::Signal(_)) if state.signal.is_some() => Event::SignalTaken { step },
            Some(Run::Signal(signal)) if is_due => {
                let message = format!("no signal `{}` came in time", signal.name);
                let error = StepError::fatal(StepError::SIGNAL_TIMEOUT, message);
                return self.fail(step, Phase::Do, Failure::NoSignal, error, cx);
            }
            Some(Run::Wait(_)) if is_due => Event::TimerFired { step, output: Document::shared(Value::Null) },
            Some(Run::Wait(_) | Run::Signal(_) | Run::Worker(_) | Run::Http(_) | Run::Noop) | None => return Ok(()),
        };
        self.emit(event, cx)?;
        self.advance(cx)
    }
}
