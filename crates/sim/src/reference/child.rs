//! Steps that run sagas of their own. What the two say of one another, the outside record compares.

use super::plan::{Plan, RunPlan};
use super::stand::{Over, Stage, UndoStage};
use super::{Fact, Saga, WrongRule};
use crate::model::{Check, ensure};
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::{Failure, Phase, Status, StepError};
use serde_json::Value;

impl Saga {
    pub(super) fn runs_child(&self, asked: usize) -> bool {
        self.step(asked).is_some_and(|step| matches!(step.run, RunPlan::Child(_)))
    }

    /// Whether its child undoes what it did, for nothing else is said.
    pub(crate) fn recalls(&self, asked: usize) -> bool {
        let step = self.step(asked).filter(|step| matches!(step.run, RunPlan::Child(_)));
        let says_nothing = step.is_some_and(|step| step.undo.is_none() && !step.is_pivot);
        says_nothing && !self.is_told(WrongRule::RecallNobody)
    }

    fn child_plan(&self, asked: usize) -> Option<&Plan> {
        let Some(RunPlan::Child(number)) = self.step(asked).map(|step| step.run) else { return None };
        self.plan.child(number)
    }

    /// The child that a step ran last.
    pub(crate) fn child_of(&self, asked: usize) -> Option<TransactionId> {
        let of_it = |fact: &Fact| {
            let Fact::ChildBegan { step, child, .. } = fact else { return None };
            (*step == asked).then_some(*child)
        };
        self.facts.iter().rev().find_map(|(_, fact)| of_it(fact))
    }

    /// The steps that wait for their children.
    pub(crate) fn waits_for_children(&self) -> Vec<(usize, Phase, TransactionId)> {
        let of = |step: usize| {
            let is_undo = self.undo_stage(step) == UndoStage::Child;
            let phase = if is_undo { Phase::Undo } else { Phase::Do };
            let waits = is_undo || self.stage(step) == Stage::Child;
            Some((step, phase, self.child_of(step).filter(|_| waits)?))
        };
        self.all().filter_map(of).collect()
    }

    /// Whether something of what it did, or may have done, is left where it ended.
    pub(crate) fn leaves_something(&self) -> bool {
        let is_left = |step: usize| {
            let is_nothing = self.step(step).is_some_and(super::StepPlan::leaves_nothing);
            let took = matches!(self.stage(step), Stage::Completed | Stage::Unknown);
            took && !self.is_whole(step) && !self.is_undone(step) && !is_nothing
        };
        self.ended() == Some(Status::Terminated) || self.all().any(is_left)
    }

    /// Whether it goes or went backward.
    pub(crate) fn has_turned(&self) -> bool {
        self.turn().is_some()
    }

    /// Whether it can be cancelled.
    pub(crate) fn is_cancellable(&self) -> bool {
        let goes_forward = self.ended().is_none() && self.turn().is_none() && self.decided().is_none();
        goes_forward && !self.is_past_pivot(self.facts.len(), &[Over::Done])
    }

    /// Whether it was told to undo what it did.
    pub(crate) fn was_recalled(&self) -> bool {
        self.facts.iter().any(|(_, fact)| matches!(fact, Fact::Recalled))
    }

    /// Whether what is about a child may happen; none: it is about something else.
    pub(super) fn may_of_child(&self, at: Timestamp, fact: &Fact) -> Option<Check> {
        if matches!(fact, Fact::Recalled) {
            return Some(self.may_be_recalled());
        }
        let goes_on = ensure(self.ended().is_none(), || "it has ended".to_owned());
        let may = match fact {
            Fact::ChildBegan { step, attempt, .. } => self.may_begin_child(*step, *attempt, at),
            Fact::ChildRecalled { step, attempt } => self.may_recall(*step, *attempt),
            Fact::Done { step, phase, attempt } if self.is_of_child(*step, *phase) => {
                self.is_child_out(*step, *phase, *attempt)
            }
            Fact::Failed { step, phase, .. } if self.is_of_child(*step, *phase) => self.may_fail_child(at, fact),
            Fact::HandedOut { .. }
            | Fact::Accepted { .. }
            | Fact::Done { .. }
            | Fact::Failed { .. }
            | Fact::Polled { .. }
            | Fact::RoundBegan { .. }
            | Fact::Denied { .. }
            | Fact::Expanded { .. }
            | Fact::Skipped { .. }
            | Fact::WaitBegan { .. }
            | Fact::TimeCame { .. }
            | Fact::SignalCame { .. }
            | Fact::SignalTaken { .. }
            | Fact::Requested { .. }
            | Fact::Recalled
            | Fact::Inherited(_)
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
            | Fact::Ended { .. } => return None,
        };
        Some(goes_on.and(may))
    }

    fn may_begin_child(&self, step: usize, attempt: u64, at: Timestamp) -> Check {
        self.waits(step, at)?;
        ensure(self.runs_child(step) && !self.is_refused(step), || "it runs none, or may not run it".to_owned())?;
        let next = self.attempts(step, Phase::Do) + 1;
        ensure(attempt == next, || format!("attempt {next} is next"))
    }

    fn may_recall(&self, step: usize, attempt: u64) -> Check {
        ensure(self.parked().is_none() && self.moves(), || "it stands still".to_owned())?;
        let stage = self.undo_stage(step);
        ensure(self.recalls(step) && stage == UndoStage::Ready, || format!("its undo is {stage:?}"))?;
        self.has_room(Phase::Undo)?;
        let next = self.attempts(step, Phase::Undo) + 1;
        ensure(attempt == next, || format!("attempt {next} is next"))
    }

    fn may_be_recalled(&self) -> Check {
        let ended = self.ended();
        let may = ended == Some(Status::Completed) && self.plan.can_be_recalled();
        ensure(may, || format!("it ended as {ended:?}"))
    }

    /// Whether a step waits for its child, in this attempt.
    fn is_child_out(&self, step: usize, phase: Phase, attempt: u64) -> Check {
        let (stage, undo) = (self.stage(step), self.undo_stage(step));
        let is_out = match phase {
            Phase::Do => stage == Stage::Child,
            Phase::Undo | Phase::Confirm => undo == UndoStage::Child,
        };
        let is_it = is_out && self.attempts(step, phase) == attempt;
        ensure(is_it, || format!("it is {stage:?}, its undo {undo:?}"))
    }

    /// Whether what a step in this phase comes to comes from a child.
    pub(super) fn is_of_child(&self, step: usize, phase: Phase) -> bool {
        match phase {
            Phase::Do => self.runs_child(step),
            Phase::Undo | Phase::Confirm => self.recalls(step),
        }
    }

    /// The same, as the outside record asks.
    pub(crate) fn is_of_child_at(&self, step: usize, phase: Phase) -> bool {
        self.is_of_child(step, phase)
    }

    /// What it gave where it completed.
    pub(crate) fn output_given(&self) -> Option<&Value> {
        let ended = self.facts.iter().rev().find(|(_, fact)| matches!(fact, Fact::Ended { .. }));
        if let Some((_, Fact::Ended { output, .. })) = ended { output.as_deref() } else { None }
    }

    fn may_fail_child(&self, at: Timestamp, fact: &Fact) -> Check {
        let Fact::Failed { step, phase, attempt, failure, error, retry_at } = fact else { return Ok(()) };
        ensure(retry_at.is_none(), || "a child is not tried again".to_owned())?;
        match failure {
            Failure::Failed | Failure::Unknown => {
                ensure(error.r#type == StepError::CHILD_FAILED, || "its child did not fail".to_owned())?;
                self.is_child_out(*step, *phase, *attempt)
            }
            Failure::Refused if *phase == Phase::Do => {
                self.waits(*step, at)?;
                ensure(self.is_refused(*step), || "nothing is wrong with it".to_owned())
            }
            Failure::Refused => {
                let stage = self.undo_stage(*step);
                ensure(stage == UndoStage::Ready, || format!("its undo is {stage:?}"))
            }
            Failure::Denied => {
                let denied = matches!(self.facts.last(), Some((_, Fact::Denied { step: of })) if of == step);
                ensure(*phase == Phase::Do && denied, || "it was not denied".to_owned())
            }
            Failure::TimedOut
            | Failure::Lapsed
            | Failure::QueueTimedOut
            | Failure::SignalTimedOut
            | Failure::RequestDenied
            | Failure::RequestExpired
            | Failure::DeniedAnew
            | Failure::Exhausted => Err("a child has a time of its own".to_owned()),
        }
    }

    /// Whether a step may not run its child: it could not be undone, and the step does not say what then.
    fn is_refused(&self, step: usize) -> bool {
        let says_nothing = self.step(step).is_some_and(|step| step.undo.is_none() && !step.is_pivot);
        says_nothing && self.child_plan(step).is_some_and(|child| !child.can_be_recalled())
    }
}
