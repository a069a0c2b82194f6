//! Forks: what one takes over of a saga that has ended.

use super::plan::RunPlan;
use super::stand::{Over, Stage};
use super::{Fact, Plan, Saga, StepPlan, WrongRule};
use chancery_engine::{Inherited, StepStatus};
use std::collections::BTreeSet;

/// What a fork takes over: a step as a whole, or a clone of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(super) unit: usize,
    how: How,
    /// How often it was handed out.
    pub(super) attempts: u64,
    /// How many clones it has, where it fanned out.
    pub(super) clones: Option<usize>,
}

/// How it was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Done,
    Skipped,
    Failed,
    Unknown,
    /// In no way that can be taken over.
    Otherwise,
}

impl Taken {
    pub(super) fn is_done(self) -> bool {
        self.how == How::Done
    }

    pub(super) fn is_skipped(self) -> bool {
        self.how == How::Skipped
    }

    /// How it is over, where it was not skipped.
    pub(super) const fn over(self) -> Option<Over> {
        match self.how {
            How::Done => Some(Over::Done),
            How::Failed => Some(Over::Failed),
            How::Unknown => Some(Over::Unknown),
            How::Skipped | How::Otherwise => None,
        }
    }
}

/// What a fact says that was taken over at a unit.
pub(super) fn taken(fact: &Fact, asked: usize) -> Option<Taken> {
    let Fact::Inherited(taken) = fact else { return None };
    (taken.unit == asked).then_some(*taken)
}

impl Plan {
    /// One of the sorts of sagas that there are.
    pub(crate) fn forked(number: usize) -> Self {
        match number % 3 {
            0 => Self::varied(number),
            1 => Self::fanned(number),
            _ => Self::family(number),
        }
    }
}

impl Saga {
    /// The same saga as a fork of another one from a step on, with how much it takes over.
    pub(crate) fn forked_from(self, source: &Self, from: usize) -> Result<(Self, usize), String> {
        let inherits = source.left_to_fork(from)?;
        if source.number != self.number {
            return Err("its input is another than its source's".to_owned());
        }
        let count = inherits.len();
        Ok((Self { inherits, ..self }, count))
    }

    /// Whether it is neither a TCC nor driven from outside: only then it is forked.
    pub(crate) fn is_saga(&self) -> bool {
        self.plan.open.is_none() && self.plan.tcc.is_none()
    }

    /// What is taken over by a fork that begins anew at a step: in the order in which it was over, a step that fanned
    /// out with the first of its clones.
    pub(crate) fn left_to_fork(&self, from: usize) -> Result<Vec<Taken>, String> {
        if !self.is_saga() || self.ended().is_none() {
            return Err("it can't be forked".to_owned());
        }
        if from >= self.plan.steps.len() {
            return Err("there is no such step".to_owned());
        }
        let asked = self.with_all_after(from);
        let lost: BTreeSet<usize> =
            (0..self.plan.steps.len()).filter(|step| !asked.contains(step) && !self.stands(*step)).collect();
        let after_lost: BTreeSet<usize> = lost.iter().flat_map(|step| self.with_all_after(*step)).collect();
        if let Some(step) =
            after_lost.iter().find(|step| !lost.contains(step) && !asked.contains(step) && self.acted(**step))
        {
            return Err(format!("step {step} stands after one that does not"));
        }
        let is_kept = |step: usize| !asked.contains(&step) && !after_lost.contains(&step);
        let units: Vec<usize> = self.all().filter(|unit| is_kept(self.step_of(*unit))).collect();
        if let Some(unit) = units.iter().find(|unit| self.recalls(**unit) && self.has_effect(**unit)) {
            return Err(format!("unit {unit} would be undone by its child"));
        }
        let mut taken: Vec<Taken> = units.into_iter().map(|unit| self.leaves(unit)).collect();
        taken.sort_by_key(|taken| (self.first_over(taken.unit), self.place(taken.unit)));
        Ok(taken)
    }

    /// A step and all that comes after it, or is made from it: by layers one may use what it does not name.
    fn with_all_after(&self, from: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::from([from]);
        if self.is_told(WrongRule::TakeOverAfter) {
            return all;
        }
        loop {
            let is_next = |(index, step): &(usize, &StepPlan)| {
                let of = self.plan.made_from(*index);
                !all.contains(index) && step.after.iter().chain(&of).any(|before| all.contains(before))
            };
            let Some((next, _)) = self.plan.steps.iter().enumerate().find(is_next) else { return all };
            all.insert(next);
        }
    }

    /// A step as a whole, and its clones.
    fn units_of(&self, step: usize) -> impl Iterator<Item = usize> {
        self.all().filter(move |unit| self.step_of(*unit) == step)
    }

    /// Whether a step is over and nothing was tried to undo it.
    fn stands(&self, step: usize) -> bool {
        let is_untouched = |unit: usize| {
            let undone = self.attempts(unit, chancery_engine::Phase::Undo) > 0 || self.is_undone(unit);
            !undone || self.is_told(WrongRule::TakeOverUndone)
        };
        self.how(step) != How::Otherwise && self.units_of(step).all(is_untouched)
    }

    fn has_effect(&self, unit: usize) -> bool {
        !self.is_whole(unit) && matches!(self.stage(unit), Stage::Completed | Stage::Unknown)
    }

    /// Whether a step did something to others, or may have.
    fn acted(&self, step: usize) -> bool {
        let run = self.plan.steps.get(step).map(|step| step.run);
        let is_own =
            matches!(run, Some(RunPlan::Noop | RunPlan::Wait(_) | RunPlan::Signal(_) | RunPlan::Request(_)) | None);
        !is_own && self.units_of(step).any(|unit| self.has_effect(unit))
    }

    fn how(&self, unit: usize) -> How {
        match self.stage(unit) {
            Stage::Completed => How::Done,
            Stage::Skipped => How::Skipped,
            Stage::Failed if self.is_optional(unit) => How::Failed,
            Stage::Unknown if self.is_optional(unit) => How::Unknown,
            Stage::Failed
            | Stage::Unknown
            | Stage::Pending
            | Stage::Ready(_)
            | Stage::Out(_)
            | Stage::Child
            | Stage::Backoff(_)
            | Stage::Waiting(_)
            | Stage::Expanded
            | Stage::Cancelled => How::Otherwise,
        }
    }

    fn leaves(&self, unit: usize) -> Taken {
        let fanned = self.is_whole(unit) && self.expanded_at(unit).is_some();
        let clones = fanned.then(|| self.clones(unit).map_or(0, |clones| clones.len()));
        let attempts = self.attempts(unit, chancery_engine::Phase::Do);
        Taken { unit, how: self.how(unit), attempts, clones }
    }

    /// When it was over, or the first of its clones was, as the number of a fact.
    fn first_over(&self, unit: usize) -> Option<usize> {
        let is_it = |fact: &Fact| {
            let is_skipped = matches!(fact, Fact::Skipped { step } if *step == unit);
            let is_taken = taken(fact, unit).is_some();
            is_skipped || is_taken || matches!(fact, Fact::Expanded { step, count: 0 } if *step == unit)
        };
        let own = self.facts.iter().position(|(_, fact)| is_it(fact));
        let clones = self.clones(unit).filter(|clones| self.is_whole(unit) && !clones.is_empty());
        match clones {
            Some(clones) if own.is_none() => clones.into_iter().filter_map(|clone| self.over(clone)).min(),
            Some(_) | None => own.or_else(|| self.over(unit)),
        }
    }

    /// What an entry says that it took over.
    pub(super) fn inherited(&self, inherited: &Inherited) -> Fact {
        let stood = &inherited.stood;
        let how = match stood.status {
            StepStatus::Completed => How::Done,
            StepStatus::Skipped => How::Skipped,
            StepStatus::Failed => How::Failed,
            StepStatus::Unknown => How::Unknown,
            StepStatus::Pending
            | StepStatus::Ready
            | StepStatus::Dispatched
            | StepStatus::Backoff
            | StepStatus::Waiting
            | StepStatus::Expanded
            | StepStatus::Cancelled => How::Otherwise,
        };
        let items = inherited.document.as_ref().filter(|_| inherited.fans_out);
        let clones = items.map(|items| items.as_array().map_or(0, Vec::len));
        Fact::Inherited(Taken { unit: self.unit(&inherited.node), how, attempts: stood.attempts.into(), clones })
    }
}
