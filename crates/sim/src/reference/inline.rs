//! What the shard carries out itself: it goes out and is done in one.

use super::plan::RunPlan;
use super::stand::UndoStage;
use super::{Fact, Saga, WrongRule};
use crate::model::{Check, ensure};
use chancery_base::Timestamp;
use chancery_engine::{CarriedOut, Deed, Phase};
use serde_json::Value;
use std::sync::Arc;

impl Saga {
    /// Whether the shard does itself what a step does in this phase.
    pub(super) fn is_inline(&self, asked: usize, phase: Phase) -> bool {
        let step = self.step(asked);
        match phase {
            Phase::Do => step.is_some_and(super::StepPlan::is_inline),
            Phase::Undo => step.and_then(|step| step.undo.as_ref()).is_some_and(|undo| undo.is_event),
            Phase::Confirm => false,
        }
    }

    /// Takes what was carried out, if it may be.
    pub(super) fn follow_carried_out(&mut self, at: Timestamp, done: &CarriedOut) -> Check {
        let CarriedOut { node, phase, attempt, deed, .. } = done;
        let (step, phase, attempt) = (self.unit(node), *phase, u64::from(*attempt));
        let due = self.due();
        ensure(due.is_empty(), || format!("{due:?} was due"))?;
        ensure(self.ended().is_none(), || "it has ended".to_owned())?;
        ensure(self.is_inline(step, phase), || format!("step {step} calls somebody"))?;
        let next = self.attempts(step, phase) + 1;
        ensure(attempt == next, || format!("attempt {next} is next"))?;
        match phase {
            Phase::Do => self.may_do(step, deed, at)?,
            Phase::Undo | Phase::Confirm => self.may_emit_undo(step, phase, deed)?,
        }
        let input = Arc::new(Value::Null);
        // One entry: it takes no place in between.
        let out = Fact::HandedOut { step, phase, attempt, deadline: at, input };
        self.push(at, [out, Fact::Done { step, phase, attempt }]);
        Ok(())
    }

    fn may_do(&self, step: usize, deed: &Deed, at: Timestamp) -> Check {
        self.waits(step, at)?;
        match (self.step(step).map(|step| step.run), deed) {
            (Some(RunPlan::Decide), Deed::Answered { permitted, .. }) => {
                let fails = !permitted && self.is_told(WrongRule::DenialFails);
                ensure(!fails, || "it was answered with no".to_owned())
            }
            (Some(RunPlan::Emit), Deed::Emitted(emission, data, _)) => {
                ensure(self.has_input(step), || "what it says can't be known".to_owned())?;
                self.takes(step, data)?;
                self.takes_setting(step, data)?;
                self.may_pass(step, data)?;
                self.is_event(emission.event_type.as_str(), emission.subject.as_deref(), "sim.done")
            }
            (run, _) => Err(format!("it does something else: {run:?}")),
        }
    }

    fn may_emit_undo(&self, step: usize, phase: Phase, deed: &Deed) -> Check {
        ensure(self.parked().is_none() && self.moves(), || "it stands still".to_owned())?;
        let stage = self.undo_stage(step);
        ensure(self.closing(step) == phase && stage == UndoStage::Ready, || format!("its undo is {stage:?}"))?;
        self.has_room(phase)?;
        let Deed::Emitted(emission, ..) = deed else { return Err("an undo asks nothing".to_owned()) };
        self.is_event(emission.event_type.as_str(), emission.subject.as_deref(), "sim.undone")
    }

    fn is_event(&self, found: &str, subject: Option<&str>, event_type: &str) -> Check {
        let number = self.number.to_string();
        let is_it = found == event_type && subject == Some(number.as_str());
        ensure(is_it, || format!("it emitted {found} about {subject:?}"))
    }
}
