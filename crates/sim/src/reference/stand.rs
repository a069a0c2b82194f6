//! Where a saga and its steps stand, looked up in what happened.

use super::{Fact, Saga, Standing, WrongRule};
use crate::model::{Check, ensure};
use chancery_base::Timestamp;
use chancery_engine::{Failure, Phase, Status};
use std::time::Duration;

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Steps before it are not done.
    Pending,
    /// It waits since then.
    Ready(Timestamp),
    /// An attempt is out until then.
    Out(Timestamp),
    /// It waits for its next attempt until then.
    Backoff(Timestamp),
    Completed,
    Skipped,
    Failed,
    Unknown,
    Cancelled,
}

/// Where its undo stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UndoStage {
    None,
    Ready,
    Out(Timestamp),
    Backoff(Timestamp),
    Completed,
    Failed,
}

impl Saga {
    fn all(&self) -> std::ops::Range<usize> {
        0..self.plan.steps.len()
    }

    pub(super) fn ended(&self) -> Option<Status> {
        self.facts.iter().find_map(|(_, fact)| if let Fact::Ended { status, .. } = fact { Some(*status) } else { None })
    }

    /// Which fact turned it: from there on it goes backward.
    pub(super) fn turn(&self) -> Option<usize> {
        self.facts.iter().position(|(_, fact)| {
            matches!(fact, Fact::Cancelled | Fact::OutputFailed | Fact::Failed { phase: Phase::Do, retry_at: None, .. })
        })
    }

    /// At which step it waits for a person.
    pub(super) fn parked(&self) -> Option<usize> {
        let is_about =
            |fact: &&Fact| matches!(fact, Fact::Parked { .. } | Fact::Resumed { .. } | Fact::Resolved { .. });
        match self.facts.iter().rev().map(|(_, fact)| fact).find(is_about) {
            Some(Fact::Parked { step }) => Some(*step),
            Some(_) | None => None,
        }
    }

    pub(super) fn is_completed(&self, asked: usize) -> bool {
        self.facts.iter().any(|(_, fact)| matches!(fact, Fact::Done { step, phase: Phase::Do, .. } if *step == asked))
    }

    fn is_skipped(&self, asked: usize) -> bool {
        self.facts.iter().any(|(_, fact)| matches!(fact, Fact::Skipped { step } if *step == asked))
    }

    pub(super) fn is_done(&self, asked: usize) -> bool {
        self.is_completed(asked) || self.is_skipped(asked)
    }

    pub(super) fn is_undone(&self, asked: usize) -> bool {
        self.facts.iter().any(|(_, fact)| {
            if let Fact::Done { step, phase: Phase::Undo, .. } | Fact::Resolved { step } = fact {
                *step == asked
            } else if let Fact::Failed { step, phase: Phase::Undo, retry_at: None, .. } = fact {
                *step == asked && self.is_told(WrongRule::NeverPark)
            } else {
                false
            }
        })
    }

    /// How often it was handed out.
    pub(super) fn attempts(&self, asked: usize, of: Phase) -> u64 {
        let mut count = 0;
        for (_, fact) in &self.facts {
            count += u64::from(matches!(fact, Fact::HandedOut { step, phase, .. } if (*step, *phase) == (asked, of)));
        }
        count
    }

    /// The same for its undo, since a person had it tried again.
    pub(super) fn undo_attempts_since_resumed(&self, asked: usize) -> u64 {
        let mut count = 0;
        for (_, fact) in &self.facts {
            if *fact == (Fact::Resumed { step: asked }) {
                count = 0;
            }
            count += u64::from(matches!(fact, Fact::HandedOut { step, phase: Phase::Undo, .. } if *step == asked));
        }
        count
    }

    /// Whether an attempt may have taken effect without saying so.
    fn is_unknown(&self, asked: usize) -> bool {
        let is_it = |fact: &Fact| {
            let Fact::Failed { step, phase: Phase::Do, failure, .. } = fact else { return false };
            *step == asked && matches!(failure, Failure::Unknown | Failure::TimedOut | Failure::Lapsed)
        };
        !self.is_told(WrongRule::ForgetUnknown) && self.facts.iter().any(|(_, fact)| is_it(fact))
    }

    /// Whether its input can be known: the step that it comes from was not skipped.
    pub(super) fn has_input(&self, asked: usize) -> bool {
        let of = self.plan.steps.get(asked).and_then(|step| step.input_of);
        of.is_none_or(|of| self.is_completed(of))
    }

    pub(super) fn is_to_skip(&self, asked: usize) -> bool {
        let above = self.plan.steps.get(asked).and_then(|step| step.above);
        let is_off = above.is_some_and(|above| self.number <= above);
        is_off && !self.is_told(WrongRule::IgnoreConditions) && matches!(self.stage(asked), Stage::Ready(_))
    }

    /// Since when every step before it is done.
    fn ready_since(&self, asked: usize) -> Option<Timestamp> {
        let after = self.plan.steps.get(asked).map_or(&[][..], |step| &step.after);
        if self.is_told(WrongRule::IgnoreOrder) {
            return Some(self.began);
        }
        let mut since = self.began;
        for before in after {
            let done = self.facts.iter().find(|(_, fact)| {
                matches!(fact, Fact::Done { step, phase: Phase::Do, .. } | Fact::Skipped { step } if step == before)
            });
            since = since.max(done?.0);
        }
        Some(since)
    }

    pub(super) fn stage(&self, asked: usize) -> Stage {
        if self.is_skipped(asked) {
            return Stage::Skipped;
        }
        if self.is_completed(asked) {
            return Stage::Completed;
        }
        let lost = if self.is_unknown(asked) { Stage::Unknown } else { Stage::Cancelled };
        for (_, fact) in self.facts.iter().rev() {
            if let Fact::HandedOut { step, phase: Phase::Do, deadline, .. } = fact
                && *step == asked
            {
                return Stage::Out(*deadline);
            }
            if let Fact::Failed { step, phase: Phase::Do, retry_at, .. } = fact
                && *step == asked
            {
                return match retry_at {
                    Some(until) if self.turn().is_none() => Stage::Backoff(*until),
                    Some(_) => lost,
                    None if self.is_unknown(asked) => Stage::Unknown,
                    None => Stage::Failed,
                };
            }
        }
        match (self.turn(), self.ready_since(asked)) {
            (Some(_), _) => lost,
            (None, Some(since)) => Stage::Ready(since),
            (None, None) => Stage::Pending,
        }
    }

    /// It waits for a worker, and there is room for it.
    pub(super) fn waits(&self, asked: usize, at: Timestamp) -> Check {
        ensure(self.turn().is_none(), || "the saga goes backward".to_owned())?;
        let stage = self.stage(asked);
        let waits = matches!(stage, Stage::Ready(_)) || matches!(stage, Stage::Backoff(until) if until <= at);
        ensure(waits, || format!("it is {stage:?}"))?;
        let out = self.all().filter(|step| matches!(self.stage(*step), Stage::Out(_))).count();
        let most = self.plan.concurrency.unwrap_or(8);
        let most = if self.is_told(WrongRule::LessConcurrency) { most.saturating_sub(1).max(1) } else { most };
        ensure(u64::try_from(out).is_ok_and(|out| out < most), || format!("{out} are out, {most} may be"))
    }

    /// Until when an attempt is out.
    pub(super) fn is_out(&self, asked: usize, phase: Phase, attempt: u64) -> Check<Timestamp> {
        let (stage, undo) = (self.stage(asked), self.undo_stage(asked));
        let out = match (phase, stage, undo) {
            (Phase::Do, Stage::Out(deadline), _) | (Phase::Undo, _, UndoStage::Out(deadline)) => Some(deadline),
            (Phase::Do | Phase::Undo, ..) => None,
        };
        let is_it = self.attempts(asked, phase) == attempt;
        out.filter(|_| is_it).ok_or_else(|| format!("it is {stage:?}, its undo {undo:?}"))
    }

    pub(super) fn is_any_out(&self) -> bool {
        self.all().any(|step| matches!(self.stage(step), Stage::Out(_)))
    }

    /// When it was over, as the number of the fact that ended it.
    fn over(&self, asked: usize) -> Option<usize> {
        let ends = |fact: &Fact| {
            let (Fact::Done { step, phase: Phase::Do, .. }
            | Fact::Failed { step, phase: Phase::Do, retry_at: None, .. }) = fact
            else {
                return false;
            };
            *step == asked
        };
        self.facts.iter().position(|(_, fact)| ends(fact)).or_else(|| self.turn())
    }

    /// What is to be undone next: the latest first, one at a time, once nothing is out any more.
    pub(super) fn next_undo(&self) -> Option<usize> {
        if self.turn().is_none() || self.is_any_out() {
            return None;
        }
        let mut left: Vec<(Option<usize>, usize)> = Vec::new();
        for step in self.all() {
            let has_undo = self.plan.steps.get(step).is_some_and(|step| step.undo.is_some());
            if has_undo && matches!(self.stage(step), Stage::Completed | Stage::Unknown) && !self.is_undone(step) {
                left.push((self.over(step), step));
            }
        }
        left.sort_unstable();
        let next = if self.is_told(WrongRule::UndoInOrder) { left.first() } else { left.last() };
        next.map(|(_, step)| *step)
    }

    pub(super) fn undo_stage(&self, asked: usize) -> UndoStage {
        if self.is_undone(asked) {
            return UndoStage::Completed;
        }
        for (_, fact) in self.facts.iter().rev() {
            if let Fact::HandedOut { step, phase: Phase::Undo, deadline, .. } = fact
                && *step == asked
            {
                return UndoStage::Out(*deadline);
            }
            if let Fact::Failed { step, phase: Phase::Undo, retry_at, .. } = fact
                && *step == asked
            {
                return retry_at.map_or(UndoStage::Failed, UndoStage::Backoff);
            }
            if *fact == (Fact::Resumed { step: asked }) {
                return UndoStage::Ready;
            }
        }
        if self.next_undo() == Some(asked) { UndoStage::Ready } else { UndoStage::None }
    }

    /// How it stands, as rows say it.
    pub(super) fn standing(&self) -> Standing {
        let status = match (self.ended(), self.parked(), self.turn()) {
            (Some(status), ..) => status,
            (None, Some(_), _) => Status::Parked,
            (None, None, Some(_)) => Status::Compensating,
            (None, None, None) => Status::Running,
        };
        let rests = self.ended().is_some() || self.parked().is_some();
        let wake_at = self.all().flat_map(|step| self.wakes(step)).filter(|_| !rests).min();
        let steps = self.all().map(|step| (self.word(step), self.attempts(step, Phase::Do))).collect();
        Standing { status: word(status), wake_at, steps }
    }

    /// When a step needs a look though nobody calls.
    fn wakes(&self, step: usize) -> Vec<Timestamp> {
        let queue_timeout = self.plan.steps.get(step).map_or(0, |step| step.queue_timeout);
        let waits_until = |since: Timestamp| since.plus(Duration::from_secs(queue_timeout));
        let mut wakes = match self.stage(step) {
            Stage::Ready(since) => vec![waits_until(since)],
            Stage::Backoff(until) => vec![until, waits_until(until)],
            Stage::Out(deadline) => vec![deadline],
            Stage::Pending | Stage::Completed | Stage::Skipped | Stage::Failed | Stage::Unknown | Stage::Cancelled => {
                Vec::new()
            }
        };
        match self.undo_stage(step) {
            UndoStage::Out(at) | UndoStage::Backoff(at) => wakes.push(at),
            UndoStage::None | UndoStage::Ready | UndoStage::Completed | UndoStage::Failed => {}
        }
        wakes
    }

    fn word(&self, step: usize) -> &'static str {
        match (self.undo_stage(step), self.stage(step)) {
            (UndoStage::Ready, _) => "undo_ready",
            (UndoStage::Out(_), _) => "undo_dispatched",
            (UndoStage::Backoff(_), _) => "undo_backoff",
            (UndoStage::Completed, _) => "undo_completed",
            (UndoStage::Failed, _) => "undo_failed",
            (UndoStage::None, Stage::Pending) => "pending",
            (UndoStage::None, Stage::Ready(_)) => "ready",
            (UndoStage::None, Stage::Out(_)) => "dispatched",
            (UndoStage::None, Stage::Backoff(_)) => "backoff",
            (UndoStage::None, Stage::Completed) => "completed",
            (UndoStage::None, Stage::Skipped) => "skipped",
            (UndoStage::None, Stage::Failed) => "failed",
            (UndoStage::None, Stage::Unknown) => "unknown",
            (UndoStage::None, Stage::Cancelled) => "cancelled",
        }
    }
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Compensating => "compensating",
        Status::Parked => "parked",
        Status::Completed => "completed",
        Status::Compensated => "compensated",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
        Status::Terminated => "terminated",
    }
}
