//! What waits: for a time, for a signal, for its start, or because somebody paused it.

use super::plan::{RunPlan, SignalName, SignalPlan};
use super::stand::Stage;
use super::{Due, Fact, Saga, WrongRule};
use crate::model::{Check, ensure};
use chancery_base::Timestamp;
use std::time::Duration;

/// Signals that a saga keeps at most.
const KEPT_MAX: usize = 64;

impl Saga {
    /// Whether nothing is handed out, fires or is taken because somebody said so.
    pub(super) fn is_paused(&self) -> bool {
        let is_about = |fact: &&Fact| matches!(fact, Fact::Paused | Fact::Unpaused | Fact::Cancelled | Fact::Recalled);
        let last = self.facts.iter().rev().map(|(_, fact)| fact).find(is_about);
        last == Some(&Fact::Paused) && !self.is_told(WrongRule::IgnorePause)
    }

    pub(super) fn moves(&self) -> bool {
        !self.is_held() && !self.is_paused()
    }

    /// When its first steps began, if they have.
    pub(super) fn begun_at(&self) -> Option<Timestamp> {
        let later = self.starts.filter(|at| *at > self.began && !self.is_told(WrongRule::StartAtOnce));
        match later {
            None => Some(self.began),
            Some(_) => {
                self.facts.iter().find(|(_, fact)| matches!(fact, Fact::TimeCame { step: None })).map(|(at, _)| *at)
            }
        }
    }

    /// Whether nothing is out or queued, but something waits.
    pub(crate) fn only_waits(&self) -> bool {
        let all = || self.all().map(|step| self.stage(step));
        let waits = self.begun_at().is_none() || all().any(|stage| matches!(stage, Stage::Waiting(_)));
        let goes_on = |stage| matches!(stage, Stage::Ready(_) | Stage::Backoff(_) | Stage::Out(_) | Stage::Child);
        waits && !all().any(goes_on)
    }

    /// What a step that waits has to do before anything else happens.
    pub(super) fn waits_next(&self, step: usize) -> Option<Due> {
        let plan = self.plan.steps.get(step).filter(|plan| plan.is_passive())?;
        let signal = self.signal_for(step).filter(|_| self.moves() && self.parked().is_none());
        match self.stage(step) {
            Stage::Ready(_) if self.is_to_skip(step) => None,
            Stage::Ready(_) if matches!(plan.run, RunPlan::Request(_)) => Some(Due::Ask(step)),
            Stage::Ready(_) => Some(Due::Wait(step)),
            Stage::Waiting(_) => {
                let earlier = |other: usize| {
                    let same = self.plan.steps.get(other).is_some_and(|of| signal_of(of.run) == signal_of(plan.run));
                    same && matches!(self.stage(other), Stage::Waiting(_))
                };
                signal.filter(|_| !(0..step).any(earlier)).map(|signal| Due::Take(step, signal))
            }
            Stage::Pending
            | Stage::Expanded
            | Stage::Out(_)
            | Stage::Child
            | Stage::Backoff(_)
            | Stage::Completed
            | Stage::Skipped
            | Stage::Failed
            | Stage::Unknown
            | Stage::Cancelled => None,
        }
    }

    /// The signals that came and that no step has taken, in their order.
    fn kept(&self) -> Vec<(usize, &str, u64)> {
        let taken = |seq: u64| {
            self.facts.iter().any(|(_, fact)| matches!(fact, Fact::SignalTaken { signal, .. } if *signal == seq))
        };
        let came = self.facts.iter().enumerate().filter_map(|(at, (_, fact))| {
            let Fact::SignalCame { name, seq, .. } = fact else { return None };
            (!taken(*seq)).then_some((at, name.as_str(), *seq))
        });
        came.collect()
    }

    /// The signal that is a step's to take.
    fn signal_for(&self, step: usize) -> Option<u64> {
        let RunPlan::Signal(SignalPlan { name, .. }) = self.plan.steps.get(step)?.run else { return None };
        let began =
            self.facts.iter().position(|(_, fact)| matches!(fact, Fact::WaitBegan { step: of, .. } if *of == step));
        let is_lost = |at: usize| self.is_told(WrongRule::LoseEarlySignals) && began.is_none_or(|began| at < began);
        let mut fit = self.kept().into_iter().filter(|(at, of, _)| *of == name.word() && !is_lost(*at));
        let next = if self.is_told(WrongRule::TakeNewestSignal) { fit.next_back() } else { fit.next() };
        next.map(|(_, _, seq)| seq)
    }

    /// Whether a step may begin to wait, until then.
    pub(super) fn may_begin(&self, step: usize, until: Option<Timestamp>) -> Check {
        self.goes_forward()?;
        let stage = self.stage(step);
        let Stage::Ready(since) = stage else { return Err(format!("it is {stage:?}")) };
        let lasts = match self.plan.steps.get(step).map(|plan| plan.run) {
            Some(RunPlan::Wait(millis)) => Some(millis),
            Some(RunPlan::Signal(SignalPlan { timeout, .. })) => timeout,
            Some(
                RunPlan::Noop
                | RunPlan::Http
                | RunPlan::QueueA
                | RunPlan::QueueB
                | RunPlan::Child(_)
                | RunPlan::Request(_)
                | RunPlan::Decide
                | RunPlan::Emit,
            )
            | None => return Err("it does not wait".to_owned()),
        };
        let more = if self.is_told(WrongRule::WaitLonger) { 250 } else { 0 };
        let expected = lasts.map(|millis| since.plus(Duration::from_millis(millis + more)));
        ensure(until == expected, || format!("it waits until {expected:?}"))
    }

    /// Whether its first steps may begin.
    pub(super) fn may_start(&self, at: Timestamp) -> Check {
        self.goes_forward()?;
        let starts = self.starts.filter(|_| self.begun_at().is_none() && self.moves());
        ensure(starts.is_some_and(|starts| starts <= at), || format!("it begins at {starts:?}"))
    }

    /// Whether somebody may pause it.
    pub(super) fn may_pause(&self) -> Check {
        let stands = self.parked().is_some() || self.is_paused();
        ensure(!stands, || "it does not move as it is".to_owned())
    }

    /// Whether a wait may end.
    pub(super) fn may_fire(&self, step: usize, at: Timestamp) -> Check {
        self.goes_forward()?;
        let is_wait = self.plan.steps.get(step).is_some_and(|plan| matches!(plan.run, RunPlan::Wait(_)));
        ensure(is_wait, || "it does not wait for a time".to_owned())?;
        self.is_time(step, at)
    }

    /// Whether a signal may come.
    pub(super) fn may_signal(&self, id: Option<&str>) -> Check {
        self.goes_forward()?;
        let is_new = id.is_none_or(|id| !self.has_come(id));
        ensure(is_new && self.kept().len() < KEPT_MAX, || "it has come before, or too many have".to_owned())
    }

    pub(super) fn goes_forward(&self) -> Check {
        ensure(self.turn().is_none(), || "the saga goes backward".to_owned())
    }

    /// Whether a step waits whose time has come.
    pub(super) fn is_time(&self, step: usize, at: Timestamp) -> Check {
        let stage = self.stage(step);
        let is_over = matches!(stage, Stage::Waiting(Some(until)) if until <= at);
        ensure(is_over && self.moves(), || format!("it is {stage:?}, moves: {}", self.moves()))
    }

    /// Whether a signal with this id has come: then another one is not taken.
    pub(crate) fn has_come(&self, id: &str) -> bool {
        let had = self.facts.iter().any(|(_, fact)| is_same(fact, Some(id)));
        had && !self.is_told(WrongRule::TakeSignalTwice)
    }

    /// The signals that steps wait for.
    pub(crate) fn awaited(&self) -> Vec<&'static str> {
        let waiting = (0..self.plan.steps.len()).filter(|step| matches!(self.stage(*step), Stage::Waiting(_)));
        waiting.filter_map(|step| signal_of(self.plan.steps.get(step)?.run)).map(SignalName::word).collect()
    }
}

fn is_same(fact: &Fact, asked: Option<&str>) -> bool {
    matches!(fact, Fact::SignalCame { id, .. } if id.as_deref() == asked)
}

fn signal_of(run: RunPlan) -> Option<SignalName> {
    match run {
        RunPlan::Signal(signal) => Some(signal.name),
        RunPlan::Noop
        | RunPlan::Http
        | RunPlan::QueueA
        | RunPlan::QueueB
        | RunPlan::Child(_)
        | RunPlan::Wait(_)
        | RunPlan::Request(_)
        | RunPlan::Decide
        | RunPlan::Emit => None,
    }
}
