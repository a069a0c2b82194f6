//! Where a saga and its steps stand, looked up in what happened.

use super::fork::{Taken, taken};
use super::plan::{OnErrorPlan, PolicyPlan, TccPlan};
use super::told::{began, resumed, waited, word};
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
    /// Its child runs.
    Child,
    /// It waits for its next attempt until then.
    Backoff(Timestamp),
    /// It waits for a time or a signal, until then.
    Waiting(Option<Timestamp>),
    /// Its clones run.
    Expanded,
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
    /// Its child undoes what it did.
    Child,
    Backoff(Timestamp),
    Completed,
    /// It failed for good and is left.
    Failed,
    /// It failed for good and counts as done.
    Marked,
    /// It was not tried.
    Skipped,
}

/// How a step is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Done,
    Failed,
    Unknown,
}

impl Saga {
    /// Every step as a whole, and the clones of those that fanned out.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> + Clone {
        let is_there = |unit: &usize| *unit < self.plan.steps.len() || self.expanded_at(self.step_of(*unit)).is_some();
        (0..self.units.len()).filter(is_there)
    }

    pub(super) fn ended(&self) -> Option<Status> {
        let is_about = |fact: &&Fact| matches!(fact, Fact::Ended { .. } | Fact::Recalled);
        match self.facts.iter().rev().map(|(_, fact)| fact).find(is_about) {
            Some(Fact::Ended { status, .. }) => Some(*status),
            Some(_) | None => None,
        }
    }

    /// Which fact turned it: from there on it goes backward.
    pub(super) fn turn(&self) -> Option<usize> {
        let past = [Over::Done, Over::Unknown];
        (0..).zip(&self.facts).find(|(at, (_, fact))| self.turns(*at, fact, &past)).map(|(at, _)| at)
    }

    fn turns(&self, at: usize, fact: &Fact, past: &[Over]) -> bool {
        let is_decided = || self.decided().is_some_and(|decided| decided < at);
        match fact {
            Fact::Cancelled | Fact::Lost | Fact::Recalled => true,
            Fact::OutputFailed | Fact::TimedOut if is_decided() => self.is_told(WrongRule::TurnPastDecision),
            Fact::OutputFailed | Fact::TimedOut => !self.is_past_pivot(at, past),
            // What only the active bundle denies waits for a person.
            Fact::Failed { failure: Failure::DeniedAnew, .. } => false,
            Fact::Failed { step, phase: Phase::Do, retry_at: None, .. } => {
                !self.is_optional(*step) && !self.is_past_pivot(at + 1, past)
            }
            Fact::HandedOut { .. }
            | Fact::Accepted { .. }
            | Fact::ChildBegan { .. }
            | Fact::ChildRecalled { .. }
            | Fact::Inherited(_)
            | Fact::Done { .. }
            | Fact::Failed { .. }
            | Fact::Polled { .. }
            | Fact::RoundBegan { .. }
            | Fact::Denied { .. }
            | Fact::Skipped { .. }
            | Fact::Expanded { .. }
            | Fact::Confirming
            | Fact::WaitBegan { .. }
            | Fact::TimeCame { .. }
            | Fact::SignalCame { .. }
            | Fact::SignalTaken { .. }
            | Fact::Requested { .. }
            | Fact::Paused
            | Fact::Unpaused
            | Fact::Parked { .. }
            | Fact::Resumed { .. }
            | Fact::Resolved { .. }
            | Fact::Asked { .. }
            | Fact::Heard { .. }
            | Fact::TakenOver { .. }
            | Fact::Ended { .. } => false,
        }
    }

    /// Which fact is the decision to confirm.
    pub(super) fn decided(&self) -> Option<usize> {
        self.facts.iter().position(|(_, fact)| matches!(fact, Fact::Confirming))
    }

    /// How what took effect at a step is closed, or may have.
    pub(super) fn closing(&self, asked: usize) -> Phase {
        let confirms = self.is_completed(asked) || self.is_told(WrongRule::ConfirmUnknown);
        if confirms && self.decided().is_some() { Phase::Confirm } else { Phase::Undo }
    }

    /// Whether a pivot was over in one of these ways after so many facts, all of them of its way forward.
    pub(super) fn is_past_pivot(&self, facts: usize, ways: &[Over]) -> bool {
        let is_past = |step: usize| self.over_after(step, facts).is_some_and(|over| ways.contains(&over));
        // Nothing happened to clones that are not there.
        let mut pivots = (0..self.units.len()).filter(|unit| self.step(*unit).is_some_and(|step| step.is_pivot));
        !self.is_told(WrongRule::TurnPastPivot) && pivots.any(is_past)
    }

    /// How a step was over after so many facts, all of them of its way forward.
    fn over_after(&self, asked: usize, facts: usize) -> Option<Over> {
        for (_, fact) in self.facts.iter().take(facts).rev() {
            let is_done = matches!(fact, Fact::Done { step, .. } | Fact::Resolved { step, .. } if *step == asked);
            if is_done || waited(fact) == Some(asked) {
                return Some(Over::Done);
            }
            // What fanned out took effect by its clones, and of none it took none.
            if let Some(over) = taken(fact, asked).filter(|_| !self.is_whole(asked)).and_then(Taken::over) {
                return Some(over);
            }
            if let Fact::Failed { step, retry_at: None, .. } = fact
                && *step == asked
            {
                return Some(if self.is_unknown_after(asked, facts) { Over::Unknown } else { Over::Failed });
            }
            let is_out = matches!(
                fact,
                Fact::HandedOut { step, .. } | Fact::ChildBegan { step, .. } | Fact::WaitBegan { step, .. }
                    if *step == asked
            );
            if is_out || resumed(fact) == Some(asked) {
                return None;
            }
        }
        None
    }

    pub(super) fn is_optional(&self, asked: usize) -> bool {
        let is_optional = self.step(asked).is_some_and(|step| step.is_optional);
        is_optional && !self.is_told(WrongRule::StopAtOptional)
    }

    /// At which step, or at none, it waits for a person.
    pub(super) fn parked(&self) -> Option<Option<usize>> {
        let is_about = |fact: &&Fact| {
            matches!(fact, Fact::Parked { .. } | Fact::Resumed { .. } | Fact::Resolved { .. } | Fact::Cancelled)
        };
        match self.facts.iter().rev().map(|(_, fact)| fact).find(is_about) {
            Some(Fact::Parked { step }) => Some(*step),
            Some(_) | None => None,
        }
    }

    /// Whether nothing is handed out until a person says so: something that would have turned it came past its pivot.
    pub(super) fn is_held(&self) -> bool {
        let is_about =
            |fact: &&Fact| matches!(fact, Fact::OutputFailed | Fact::TimedOut | Fact::Resumed { step: None });
        let last = self.facts.iter().rev().map(|(_, fact)| fact).find(is_about);
        self.turn().is_none() && last.is_some_and(|fact| !matches!(fact, Fact::Resumed { .. }))
    }

    /// When its own time runs out.
    pub(super) fn times_out_at(&self) -> Option<Timestamp> {
        let was = self.facts.iter().any(|(_, fact)| matches!(fact, Fact::TimedOut));
        let runs = self.ended().is_none() && self.turn().is_none() && self.parked().is_none();
        let lasts = self.plan.lasts.filter(|_| runs && !was && !self.is_told(WrongRule::IgnoreTimeout));
        let from = self.began.max(self.starts.unwrap_or(self.began));
        lasts.map(|lasts| from.plus(Duration::from_millis(lasts)))
    }

    /// Whether a step, or its undo, failed for good, and only a person can have it go on.
    pub(super) fn is_stuck(&self, asked: usize, phase: Phase) -> bool {
        let goes_forward = self.turn().is_none() && self.decided().is_none();
        match phase {
            Phase::Do => {
                let has_failed = matches!(self.over_after(asked, usize::MAX), Some(Over::Failed | Over::Unknown));
                goes_forward && has_failed && !self.is_optional(asked)
            }
            Phase::Undo => {
                let parks = matches!(self.plan.on_error(self.step_of(asked)), OnErrorPlan::Fail | OnErrorPlan::Retry);
                let is_it = self.closing(asked) == Phase::Undo;
                !goes_forward && is_it && parks && self.undo_told(asked) == Some(UndoStage::Failed)
            }
            Phase::Confirm => self.closing(asked) == Phase::Confirm && self.undo_told(asked) == Some(UndoStage::Failed),
        }
    }

    pub(super) fn is_completed(&self, asked: usize) -> bool {
        if self.is_whole(asked) {
            return self.expanded_at(asked).is_some() && self.over_since(asked).is_some();
        }
        self.facts.iter().any(|(_, fact)| {
            if waited(fact) == Some(asked) || taken(fact, asked).is_some_and(Taken::is_done) {
                return true;
            }
            let (Fact::Done { step, phase: Phase::Do, .. } | Fact::Resolved { step, phase: Phase::Do }) = fact else {
                return false;
            };
            *step == asked
        })
    }

    fn is_skipped(&self, asked: usize) -> bool {
        let is_it = |fact: &Fact| {
            let is_skipped = matches!(fact, Fact::Skipped { step } if *step == asked);
            is_skipped || taken(fact, asked).is_some_and(Taken::is_skipped)
        };
        self.facts.iter().any(|(_, fact)| is_it(fact))
    }

    /// Since when what comes after a step need not wait for it.
    pub(super) fn over_since(&self, asked: usize) -> Option<Timestamp> {
        if let Some(expanded) = self.expanded_at(asked) {
            if self.is_told(WrongRule::IgnoreClones) {
                return Some(expanded);
            }
            let clones = self.clones(asked).unwrap_or_default();
            return clones.into_iter().try_fold(expanded, |since, clone| Some(since.max(self.over_since(clone)?)));
        }
        let lets_go = |fact: &Fact| match fact {
            Fact::Done { step, phase: Phase::Do, .. }
            | Fact::Skipped { step }
            | Fact::Resolved { step, phase: Phase::Do } => *step == asked,
            Fact::Failed { step, phase: Phase::Do, retry_at: None, .. } => *step == asked && self.is_optional(asked),
            Fact::TimeCame { .. } | Fact::SignalTaken { .. } | Fact::Requested { .. } => waited(fact) == Some(asked),
            Fact::Inherited(_) => taken(fact, asked).is_some(),
            Fact::HandedOut { .. }
            | Fact::Accepted { .. }
            | Fact::ChildBegan { .. }
            | Fact::ChildRecalled { .. }
            | Fact::Recalled
            | Fact::Done { .. }
            | Fact::Failed { .. }
            | Fact::Polled { .. }
            | Fact::RoundBegan { .. }
            | Fact::Denied { .. }
            | Fact::Expanded { .. }
            | Fact::WaitBegan { .. }
            | Fact::SignalCame { .. }
            | Fact::Paused
            | Fact::Unpaused
            | Fact::OutputFailed
            | Fact::TimedOut
            | Fact::Confirming
            | Fact::Cancelled
            | Fact::Parked { .. }
            | Fact::Resumed { .. }
            | Fact::Resolved { .. }
            | Fact::Asked { .. }
            | Fact::Heard { .. }
            | Fact::TakenOver { .. }
            | Fact::Lost
            | Fact::Ended { .. } => false,
        };
        self.facts.iter().find(|(_, fact)| lets_go(fact)).map(|(at, _)| *at)
    }

    pub(super) fn is_over(&self, asked: usize) -> bool {
        self.over_since(asked).is_some()
    }

    pub(super) fn is_undone(&self, asked: usize) -> bool {
        matches!(self.undo_told(asked), Some(UndoStage::Completed | UndoStage::Marked))
    }

    /// How often it was handed out.
    pub(super) fn attempts(&self, asked: usize, of: Phase) -> u64 {
        let mut count = 0;
        for (_, fact) in &self.facts {
            count += u64::from(began(fact) == Some((asked, of)));
            count += taken(fact, asked).filter(|_| of == Phase::Do).map_or(0, |taken| taken.attempts);
        }
        count
    }

    /// The same, since a person had it tried again, or in its round.
    pub(super) fn attempts_since_resumed(&self, asked: usize, of: Phase) -> u64 {
        let mut count = 0;
        for (at, (_, fact)) in self.facts.iter().enumerate() {
            let is_of_it = self.goes_forward_at(at) == (of == Phase::Do);
            let ends_round = of == Phase::Do && matches!(fact, Fact::Polled { step, .. } if *step == asked);
            if resumed(fact) == Some(asked) && is_of_it || ends_round {
                count = 0;
            }
            count += u64::from(began(fact) == Some((asked, of)));
        }
        count
    }

    /// Whether it went forward at a fact, rather than undoing or confirming what it did.
    pub(super) fn goes_forward_at(&self, at: usize) -> bool {
        let is_past = |fact: Option<usize>| fact.is_some_and(|fact| fact < at);
        !is_past(self.turn()) && !is_past(self.decided())
    }

    /// Whether an attempt may have taken effect without saying so.
    fn is_unknown(&self, asked: usize) -> bool {
        self.is_unknown_after(asked, usize::MAX)
    }

    fn is_unknown_after(&self, asked: usize, facts: usize) -> bool {
        let is_it = |fact: &Fact| {
            if taken(fact, asked).and_then(Taken::over) == Some(Over::Unknown) {
                return true;
            }
            let Fact::Failed { step, phase: Phase::Do, failure, .. } = fact else { return false };
            *step == asked && matches!(failure, Failure::Unknown | Failure::TimedOut | Failure::Lapsed)
        };
        let mut told = self.facts.iter().take(facts);
        let is_unknown = told.any(|(_, fact)| is_it(fact)) || self.is_open() && self.was_left(asked, facts);
        let is_unknown = is_unknown || self.has_rounds(asked, facts);
        !self.is_told(WrongRule::ForgetUnknown) && is_unknown
    }

    /// Whether its input can be known: the step that it comes from was not skipped.
    pub(super) fn has_input(&self, asked: usize) -> bool {
        let of = self.step(asked).and_then(|step| step.input_of);
        of.is_none_or(|of| self.is_completed(of))
    }

    pub(super) fn is_to_skip(&self, asked: usize) -> bool {
        let above = self.step(asked).and_then(|step| step.above);
        let is_off = above.is_some_and(|above| self.number <= above);
        is_off && !self.is_told(WrongRule::IgnoreConditions) && matches!(self.stage(asked), Stage::Ready(_))
    }

    /// Since when every step before it is over.
    fn ready_since(&self, asked: usize) -> Option<Timestamp> {
        if asked >= self.plan.steps.len() {
            return self.expanded_at(self.step_of(asked));
        }
        let began = self.begun_at()?;
        if self.is_told(WrongRule::IgnoreOrder) {
            return Some(began);
        }
        let before = if self.is_told(WrongRule::IgnoreLayers) {
            self.step(asked).map_or_else(Vec::new, |step| step.after.clone())
        } else {
            self.plan.before(self.step_of(asked))
        };
        let mut since = began;
        for step in before {
            since = since.max(self.over_since(step)?);
        }
        Some(since)
    }

    /// What waits waits anew since a person had the saga go on.
    pub(super) fn not_before_resumed(&self, since: Timestamp) -> Timestamp {
        let goes_on = |fact: &Fact| matches!(fact, Fact::Resumed { step: None } | Fact::Unpaused);
        let resumed = self.facts.iter().rev().find(|(_, fact)| goes_on(fact));
        resumed.map_or(since, |(at, _)| since.max(*at))
    }

    pub(super) fn stage(&self, asked: usize) -> Stage {
        if self.is_skipped(asked) {
            return Stage::Skipped;
        }
        if self.is_whole(asked) && self.expanded_at(asked).is_some() {
            return self.stage_of_fan(asked);
        }
        if self.is_completed(asked) {
            return Stage::Completed;
        }
        let lost = || if self.is_unknown(asked) { Stage::Unknown } else { Stage::Cancelled };
        for (index, (at, fact)) in self.facts.iter().enumerate().rev() {
            if resumed(fact) == Some(asked) && self.goes_forward_at(index) {
                return if self.turn().is_some() { lost() } else { Stage::Ready(self.not_before_resumed(*at)) };
            }
            if let Fact::HandedOut { step, phase: Phase::Do, deadline, .. } = fact
                && *step == asked
            {
                return Stage::Out(*deadline);
            }
            if matches!(fact, Fact::ChildBegan { step, .. } if *step == asked) {
                return Stage::Child;
            }
            if let Some(stage) = self.stage_of_rounds(asked, *at, fact) {
                return if self.turn().is_some() { lost() } else { stage };
            }
            if matches!(fact, Fact::Requested { step, .. } if *step == asked) {
                return self.stage_of_request(asked, lost());
            }
            if taken(fact, asked).is_some() {
                return if self.is_unknown(asked) { Stage::Unknown } else { Stage::Failed };
            }
            if let Fact::WaitBegan { step, until } = fact
                && *step == asked
            {
                return if self.turn().is_some() { lost() } else { Stage::Waiting(*until) };
            }
            if let Fact::Failed { step, phase: Phase::Do, retry_at, .. } = fact
                && *step == asked
            {
                return match retry_at {
                    Some(until) if self.turn().is_none() => Stage::Backoff(self.not_before_resumed(*until)),
                    Some(_) => lost(),
                    None if self.is_unknown(asked) => Stage::Unknown,
                    None => Stage::Failed,
                };
            }
        }
        match (self.turn(), self.ready_since(asked)) {
            (Some(_), _) => lost(),
            (None, Some(since)) => Stage::Ready(self.not_before_resumed(since)),
            (None, None) => Stage::Pending,
        }
    }

    /// It waits for a worker, and there is room for it.
    pub(super) fn waits(&self, asked: usize, at: Timestamp) -> Check {
        ensure(self.turn().is_none(), || "the saga goes backward".to_owned())?;
        let stage = self.stage(asked);
        let waits = matches!(stage, Stage::Ready(_)) || matches!(stage, Stage::Backoff(until) if until <= at);
        ensure(waits, || format!("it is {stage:?}"))?;
        ensure(self.moves() && self.parked().is_none(), || "the saga stands still".to_owned())?;
        ensure(!self.is_whole(asked), || "it fans out".to_owned())?;
        if self.is_inline(asked, Phase::Do) && !self.is_told(WrongRule::InlineTakesPlace) {
            return Ok(());
        }
        self.has_window(asked)?;
        self.has_room(Phase::Do)
    }

    pub(super) fn has_room(&self, phase: Phase) -> Check {
        let is_out = |step: &usize| match phase {
            Phase::Do => self.is_at_work(*step),
            Phase::Undo | Phase::Confirm => matches!(self.undo_stage(*step), UndoStage::Out(_) | UndoStage::Child),
        };
        let (out, most) = (self.all().filter(is_out).count(), self.places());
        ensure(out < most, || format!("{out} are out, {most} may be"))
    }

    /// Until when an attempt is out.
    pub(super) fn is_out(&self, asked: usize, phase: Phase, attempt: u64) -> Check<Timestamp> {
        let (stage, undo) = (self.stage(asked), self.undo_stage(asked));
        let out = match (phase, stage, undo) {
            (Phase::Do, Stage::Out(deadline), _) => Some(deadline),
            (Phase::Undo | Phase::Confirm, _, UndoStage::Out(deadline)) if self.closing(asked) == phase => {
                Some(deadline)
            }
            (Phase::Do | Phase::Undo | Phase::Confirm, ..) => None,
        };
        let is_it = self.attempts(asked, phase) == attempt;
        out.filter(|_| is_it).ok_or_else(|| format!("it is {stage:?}, its undo {undo:?}"))
    }

    pub(super) fn is_any_out(&self) -> bool {
        self.all().any(|step| self.is_at_work(step))
    }

    /// When it was over, as the number of the fact that ended it.
    pub(super) fn over(&self, asked: usize) -> Option<usize> {
        for (at, (_, fact)) in self.facts.iter().enumerate().rev() {
            if resumed(fact) == Some(asked) && self.goes_forward_at(at) {
                break;
            }
            if let Fact::Done { step, phase: Phase::Do, .. }
            | Fact::Resolved { step, phase: Phase::Do }
            | Fact::Failed { step, phase: Phase::Do, retry_at: None, .. } = fact
                && *step == asked
            {
                return Some(at);
            }
            if waited(fact) == Some(asked) || taken(fact, asked).is_some() {
                return Some(at);
            }
        }
        self.turn()
    }

    /// Where its undo stands, as far as somebody said something of it.
    fn undo_told(&self, asked: usize) -> Option<UndoStage> {
        for (at, (_, fact)) in self.facts.iter().enumerate().rev() {
            match fact {
                Fact::Done { step, phase: Phase::Undo | Phase::Confirm, .. }
                | Fact::Resolved { step, phase: Phase::Undo | Phase::Confirm }
                    if *step == asked =>
                {
                    return Some(UndoStage::Completed);
                }
                Fact::HandedOut { step, phase: Phase::Undo | Phase::Confirm, deadline, .. } if *step == asked => {
                    return Some(UndoStage::Out(*deadline));
                }
                Fact::ChildRecalled { step, .. } if *step == asked => return Some(UndoStage::Child),
                Fact::Failed { step, phase: phase @ (Phase::Undo | Phase::Confirm), retry_at, .. }
                    if *step == asked =>
                {
                    let on_error = self.plan.on_error(self.step_of(asked));
                    let is_marked = match phase {
                        Phase::Do | Phase::Undo => on_error == OnErrorPlan::MarkCompensated,
                        Phase::Confirm => self.is_told(WrongRule::ConfirmFailedIsDone),
                    };
                    let last = if is_marked || self.is_told(WrongRule::NeverPark) {
                        UndoStage::Marked
                    } else {
                        UndoStage::Failed
                    };
                    return Some(retry_at.map_or(last, UndoStage::Backoff));
                }
                Fact::Resumed { step: Some(step) } if *step == asked && !self.goes_forward_at(at) => {
                    return Some(UndoStage::Ready);
                }
                Fact::HandedOut { .. }
                | Fact::Accepted { .. }
                | Fact::ChildBegan { .. }
                | Fact::ChildRecalled { .. }
                | Fact::Recalled
                | Fact::Inherited(_)
                | Fact::Done { .. }
                | Fact::Failed { .. }
                | Fact::Polled { .. }
                | Fact::RoundBegan { .. }
                | Fact::Denied { .. }
                | Fact::Skipped { .. }
                | Fact::Expanded { .. }
                | Fact::WaitBegan { .. }
                | Fact::TimeCame { .. }
                | Fact::SignalCame { .. }
                | Fact::SignalTaken { .. }
                | Fact::Requested { .. }
                | Fact::Paused
                | Fact::Unpaused
                | Fact::OutputFailed
                | Fact::TimedOut
                | Fact::Confirming
                | Fact::Cancelled
                | Fact::Parked { .. }
                | Fact::Resumed { .. }
                | Fact::Resolved { .. }
                | Fact::Asked { .. }
                | Fact::Heard { .. }
                | Fact::TakenOver { .. }
                | Fact::Lost
                | Fact::Ended { .. } => {}
            }
        }
        None
    }

    pub(super) fn undo_stage(&self, asked: usize) -> UndoStage {
        if let Some(told) = self.undo_told(asked) {
            return told;
        }
        if self.turn().is_none() && self.decided().is_some() {
            let begins = self.is_to_undo(asked) && self.begins_confirm(asked);
            if begins { UndoStage::Ready } else { UndoStage::None }
        } else if self.turn().is_none() || !self.is_to_undo(asked) {
            UndoStage::None
        } else if self.is_broken() {
            UndoStage::Skipped
        } else if self.begins_undo(asked) {
            UndoStage::Ready
        } else {
            UndoStage::None
        }
    }

    /// Whether it has an undo and took effect, or may have.
    fn is_to_undo(&self, asked: usize) -> bool {
        if self.is_whole(asked) {
            return false;
        }
        let has_undo = self.step(asked).is_some_and(|step| step.undo.is_some());
        (has_undo || self.recalls(asked)) && matches!(self.stage(asked), Stage::Completed | Stage::Unknown)
    }

    /// Whether a critical compensation failed, so that the rest is left.
    fn is_broken(&self) -> bool {
        let breaks = |step: usize| {
            let undo = self.step(step).and_then(|step| step.undo.as_ref());
            let goes_on = matches!(self.plan.on_error(self.step_of(step)), OnErrorPlan::Continue | OnErrorPlan::Skip);
            undo.is_some_and(|undo| undo.is_critical) && goes_on && self.undo_told(step) == Some(UndoStage::Failed)
        };
        let is_told = self.is_told(WrongRule::IgnoreCritical);
        self.plan.policy() == PolicyPlan::CircuitBreaker && !is_told && self.all().any(breaks)
    }

    /// Whether it is its turn to be confirmed: all together, or one after the other as they were tried.
    fn begins_confirm(&self, asked: usize) -> bool {
        // What a person has tried again lets the others go on, as it did while it waited for that.
        let is_resumed = |step| self.facts.iter().any(|(_, fact)| resumed(fact) == Some(step));
        let holds_up = |step: usize| match self.undo_told(step) {
            Some(UndoStage::Ready | UndoStage::Out(_) | UndoStage::Child | UndoStage::Backoff(_)) => !is_resumed(step),
            Some(UndoStage::Failed) => self.is_told(WrongRule::ConfirmAfterFailure),
            Some(UndoStage::None | UndoStage::Completed | UndoStage::Marked | UndoStage::Skipped) | None => false,
        };
        let left = self.all().filter(|step| self.undo_told(*step).is_none() && self.is_to_undo(*step));
        let first = left.min_by_key(|step| (self.over(*step), *step));
        let is_parallel = self.plan.tcc == Some(TccPlan::Parallel) || self.is_told(WrongRule::ConfirmTogether);
        is_parallel || !self.all().any(holds_up) && first == Some(asked)
    }

    /// Whether it is its turn to be undone, once nothing is out any more.
    fn begins_undo(&self, asked: usize) -> bool {
        if self.is_any_out() {
            return false;
        }
        let holds_up = |step: usize| match self.undo_told(step) {
            Some(UndoStage::Ready | UndoStage::Out(_) | UndoStage::Child | UndoStage::Backoff(_)) => true,
            Some(UndoStage::Failed) => self.is_stuck(step, Phase::Undo),
            Some(UndoStage::None | UndoStage::Completed | UndoStage::Marked | UndoStage::Skipped) | None => false,
        };
        let left: Vec<usize> =
            self.all().filter(|step| self.undo_told(*step).is_none() && self.is_to_undo(*step)).collect();
        let order = |step: &usize| (self.over(*step), self.place(*step));
        match self.plan.policy() {
            PolicyPlan::BestEffortParallel if !self.is_told(WrongRule::UndoInSequence) => true,
            PolicyPlan::GroupedParallel if !self.is_told(WrongRule::UndoInSequence) => {
                let unfinished = self.all().filter(|step| left.contains(step) || holds_up(*step));
                unfinished.map(|step| self.plan.layer(self.step_of(step))).max()
                    == Some(self.plan.layer(self.step_of(asked)))
            }
            PolicyPlan::StrictSequential
            | PolicyPlan::GroupedParallel
            | PolicyPlan::RetryWithBackoff
            | PolicyPlan::CircuitBreaker
            | PolicyPlan::BestEffortParallel => {
                let is_first = self.is_told(WrongRule::UndoInOrder);
                let next =
                    if is_first { left.iter().min_by_key(|a| order(a)) } else { left.iter().max_by_key(|a| order(a)) };
                !self.all().any(holds_up) && next == Some(&asked)
            }
        }
    }

    /// How it stands, as rows say it.
    pub(super) fn standing(&self) -> Standing {
        let status = match (self.ended(), self.parked(), self.turn(), self.decided()) {
            (Some(status), ..) => word(status),
            (None, Some(_), ..) => "parked",
            (None, None, ..) if self.is_paused() => "paused",
            (None, None, Some(_), _) => "compensating",
            (None, None, None, Some(_)) => "confirming",
            (None, None, None, None) if self.only_waits() => "waiting",
            (None, None, None, None) => "running",
        };
        let rests = self.ended().is_some() || self.parked().is_some();
        let of_steps = self.all().flat_map(|step| self.wakes(step));
        let start = self.starts.filter(|_| self.begun_at().is_none() && self.turn().is_none() && self.moves());
        let own = self.times_out_at().into_iter().chain(self.lost_at()).chain(start);
        let own = own.chain(self.queue_ends().into_iter().map(|(_, at)| at));
        let wake_at = of_steps.chain(own).filter(|_| !rests).min();
        let mut units: Vec<usize> = self.all().collect();
        units.sort_by_key(|unit| self.place(*unit));
        let steps = units.into_iter().map(|step| (self.word(step), self.attempts(step, Phase::Do))).collect();
        Standing { status, wake_at, steps }
    }

    /// When a step needs a look though nobody calls.
    fn wakes(&self, step: usize) -> Vec<Timestamp> {
        let mut wakes = match self.stage(step) {
            Stage::Ready(_) | Stage::Backoff(_) | Stage::Waiting(_) if !self.moves() => Vec::new(),
            Stage::Waiting(until) => until.into_iter().collect(),
            // No worker is waited for.
            Stage::Child | Stage::Ready(_) => Vec::new(),
            Stage::Backoff(_) if self.is_inline(step, Phase::Do) => Vec::new(),
            Stage::Backoff(until) => vec![until],
            Stage::Out(deadline) => vec![deadline],
            Stage::Pending
            | Stage::Expanded
            | Stage::Completed
            | Stage::Skipped
            | Stage::Failed
            | Stage::Unknown
            | Stage::Cancelled => Vec::new(),
        };
        match self.undo_stage(step) {
            UndoStage::Out(at) => wakes.push(at),
            UndoStage::Backoff(at) if self.moves() => wakes.push(at),
            UndoStage::Backoff(_)
            | UndoStage::None
            | UndoStage::Ready
            | UndoStage::Child
            | UndoStage::Completed
            | UndoStage::Failed
            | UndoStage::Marked
            | UndoStage::Skipped => {}
        }
        wakes
    }

    fn word(&self, step: usize) -> &'static str {
        let confirms = self.closing(step) == Phase::Confirm;
        match (self.undo_stage(step), self.stage(step)) {
            (UndoStage::Ready, _) if confirms => "confirm_ready",
            (UndoStage::Out(_), _) if confirms => "confirm_dispatched",
            (UndoStage::Backoff(_), _) if confirms => "confirm_backoff",
            (UndoStage::Completed, _) if confirms => "confirm_completed",
            (UndoStage::Failed, _) if confirms => "confirm_failed",
            (UndoStage::Ready, _) => "undo_ready",
            (UndoStage::Out(_) | UndoStage::Child, _) => "undo_dispatched",
            (UndoStage::Backoff(_), _) => "undo_backoff",
            (UndoStage::Completed, _) => "undo_completed",
            (UndoStage::Failed, _) => "undo_failed",
            (UndoStage::Marked, _) => "undo_marked",
            (UndoStage::Skipped, _) => "undo_skipped",
            (UndoStage::None, Stage::Pending) => "pending",
            (UndoStage::None, Stage::Ready(_)) => "ready",
            (UndoStage::None, Stage::Out(_) | Stage::Child) => "dispatched",
            (UndoStage::None, Stage::Backoff(_)) => "backoff",
            (UndoStage::None, Stage::Waiting(_)) => "waiting",
            (UndoStage::None, Stage::Expanded) => "expanded",
            (UndoStage::None, Stage::Completed) => "completed",
            (UndoStage::None, Stage::Skipped) => "skipped",
            (UndoStage::None, Stage::Failed) => "failed",
            (UndoStage::None, Stage::Unknown) => "unknown",
            (UndoStage::None, Stage::Cancelled) => "cancelled",
        }
    }
}
