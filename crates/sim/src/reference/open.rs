//! Open transactions: which driver may do what, and when it is lost.

use super::stand::Stage;
use super::{Fact, Plan, Saga, WrongRule};
use crate::model::{Check, ensure};
use chancery_base::Timestamp;
use chancery_engine::{Event, Failure, Permitted, Phase};
use std::sync::Arc;
use std::time::Duration;

impl Saga {
    /// Takes what a driver did, if it may; none: it is nothing that a driver does.
    pub(super) fn follow_driver(&mut self, at: Timestamp, event: &Event) -> Option<Check> {
        let told = match event {
            Event::Permitted(permitted) => self.follow_permit(at, permitted),
            Event::StepDenied { driver, .. } | Event::DriverHeard { driver } => {
                self.may_drive(*driver).map(|()| vec![Fact::Heard { driver: *driver }])
            }
            Event::Claimed { node, driver } => {
                let step = node.step.position();
                let is_new = self.is_completed(step) && self.asked_by(step) != Some(*driver);
                let may = ensure(is_new, || format!("step {step} is {:?}", self.stage(step)));
                may.and_then(|()| self.may_drive(*driver)).map(|()| vec![Fact::Asked { step, driver: *driver }])
            }
            Event::DriverResumed { driver } => {
                let next = self.driver() + 1;
                let may = ensure(self.is_open_forward() && *driver == next, || format!("driver {next} is next"));
                may.map(|()| vec![Fact::TakenOver { driver: *driver }])
            }
            Event::Started { .. }
            | Event::Dispatched { .. }
            | Event::Accepted { .. }
            | Event::Completed { .. }
            | Event::CarriedOut(_)
            | Event::ChildStarted(_)
            | Event::ChildRecalled { .. }
            | Event::Recalled
            | Event::Inherited(_)
            | Event::Resolved { .. }
            | Event::AttemptFailed { .. }
            | Event::Denied { .. }
            | Event::Expanded { .. }
            | Event::Skipped { .. }
            | Event::TimerStarted { .. }
            | Event::Polled { .. }
            | Event::TimerFired { .. }
            | Event::SignalAwaited { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::Requested(_)
            | Event::Paused { .. }
            | Event::Unpaused { .. }
            | Event::OutputFailed { .. }
            | Event::CancelRequested { .. }
            | Event::TimedOut
            | Event::Confirming
            | Event::DriverLost
            | Event::Parked { .. }
            | Event::Resumed { .. }
            | Event::Ended { .. } => return None,
        };
        Some(
            told.map(|facts| self.facts.extend(facts.into_iter().map(|fact| (at, fact))))
                .map_err(|why| format!("reference: {}: {why}", event.word())),
        )
    }

    /// A permit: of a step of the driver's script, in its turn as an attempt, until its time.
    fn follow_permit(&mut self, at: Timestamp, permitted: &Permitted) -> Check<Vec<Fact>> {
        let Permitted { node, attempt, deadline, driver, intent, .. } = permitted;
        self.may_drive(*driver)?;
        ensure(!self.is_paused(), || "it is paused".to_owned())?;
        let (step, attempt) = (node.step.position(), u64::from(*attempt));
        if let Some(intent) = intent {
            let open = self.plan.open.as_ref().ok_or("it is not open")?;
            ensure(step == self.plan.steps.len(), || format!("step {step} of {}", self.plan.steps.len()))?;
            ensure(step < open.steps_max, || format!("it may have {} steps", open.steps_max))?;
            let asked = self.plan.scripted(intent.step.as_str()).ok_or("nobody asks for such a step")?.clone();
            Arc::make_mut(&mut self.plan).steps.push(asked);
            self.units.push((step, 0));
        } else {
            let stage = self.stage(step);
            let is_left = matches!(stage, Stage::Out(_)) && self.asked_by(step) != Some(*driver);
            ensure(is_left || matches!(stage, Stage::Failed | Stage::Unknown), || format!("it is {stage:?}"))?;
        }
        let next = self.attempts(step, Phase::Do) + 1;
        ensure(attempt == next, || format!("attempt {next} is next"))?;
        let timeout = self.plan.steps.get(step).map_or(0, |step| step.timeout);
        let until = at.plus(Duration::from_millis(timeout));
        ensure(*deadline == until, || format!("its deadline should be {until}"))?;
        // Its driver has its input: no variable is a part of it.
        let out = Fact::HandedOut { step, phase: Phase::Do, attempt, deadline: *deadline, input: Arc::default() };
        Ok(vec![out, Fact::Asked { step, driver: *driver }])
    }

    /// The plan as it was drawn, where it is open.
    pub(crate) fn open_plan(&self) -> Option<Arc<Plan>> {
        let plan = Plan { steps: Vec::new(), ..Plan::clone(&self.plan) };
        self.plan.open.is_some().then(|| Arc::new(plan))
    }

    fn may_drive(&self, driver: u32) -> Check {
        let present = self.driver();
        ensure(self.is_open_forward() && driver == present, || format!("driver {present} drives it"))
    }

    fn is_open_forward(&self) -> bool {
        self.plan.open.is_some() && self.turn().is_none() && self.ended().is_none()
    }

    /// Who drives it.
    pub(crate) fn driver(&self) -> u32 {
        self.driver_before(usize::MAX)
    }

    /// The driver that asked for a step last.
    fn asked_by(&self, asked: usize) -> Option<u32> {
        self.asked_by_before(asked, usize::MAX)
    }

    fn asked_by_before(&self, asked: usize, facts: usize) -> Option<u32> {
        self.facts.iter().take(facts).rev().find_map(|(_, fact)| {
            if let Fact::Asked { step, driver } = fact
                && *step == asked
            {
                return Some(*driver);
            }
            None
        })
    }

    /// Whether its driver may end it: nothing is out or unknown, and all that is recorded was asked for.
    pub(crate) fn may_commit(&self) -> Check {
        ensure(self.is_open_forward() && !self.is_paused(), || "it does not go forward".to_owned())?;
        for step in 0..self.plan.steps.len() {
            let stage = self.stage(step);
            ensure(!matches!(stage, Stage::Out(_) | Stage::Unknown), || format!("step {step} is {stage:?}"))?;
            let is_claimed = self.asked_by(step) == Some(self.driver()) || self.is_told(WrongRule::IgnoreClaims);
            ensure(is_claimed, || format!("step {step} was not asked for"))?;
        }
        Ok(())
    }

    /// Whether it might have been committed at every moment of the last batch.
    pub(crate) fn might_have_committed(&self) -> bool {
        let last = self.facts.last().map(|(at, _)| *at);
        let of_batch = self.facts.iter().rev().take_while(|(at, _)| Some(*at) == last).count();
        let moments = (0..=of_batch).map(|back| Self {
            plan: Arc::clone(&self.plan),
            units: self.units.clone(),
            inherits: self.inherits.clone(),
            facts: self.facts.get(..self.facts.len() - back).unwrap_or_default().to_vec(),
            handed: self.handed.clone(),
            room_since: self.room_since.clone(),
            ..*self
        });
        moments.into_iter().all(|moment| moment.may_commit().is_ok())
    }

    /// Whether its driver adds the steps.
    pub(crate) fn is_open(&self) -> bool {
        self.plan.open.is_some()
    }

    /// When it aborts unless its driver is heard: not while it is paused.
    pub(super) fn lost_at(&self) -> Option<Timestamp> {
        let open = self.plan.open.as_ref().filter(|_| self.is_open_forward() && !self.is_paused())?;
        let grace = Duration::from_millis(open.grace);
        (!self.is_told(WrongRule::IgnoreGrace)).then(|| self.heard_at().plus(grace))
    }

    /// When its driver was heard last.
    fn heard_at(&self) -> Timestamp {
        let is_sign = |at: usize, fact: &Fact| match fact {
            // While it was paused there was nothing to say.
            Fact::Asked { .. } | Fact::TakenOver { .. } | Fact::Unpaused => true,
            Fact::Heard { .. } => !self.is_told(WrongRule::IgnoreHeartbeats),
            Fact::Done { step, phase: Phase::Do, .. }
            | Fact::Failed { step, phase: Phase::Do, failure: Failure::Failed | Failure::Unknown, .. } => {
                self.asked_by_before(*step, at) == Some(self.driver_before(at))
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
            | Fact::OutputFailed
            | Fact::TimedOut
            | Fact::Confirming
            | Fact::Cancelled
            | Fact::Parked { .. }
            | Fact::Resumed { .. }
            | Fact::Resolved { .. }
            | Fact::Ended { .. }
            | Fact::Lost => false,
        };
        let last = self.facts.iter().enumerate().rev().find(|(at, (_, fact))| is_sign(*at, fact));
        last.map_or(self.began, |(_, (at, _))| *at)
    }

    fn driver_before(&self, facts: usize) -> u32 {
        let taken = self
            .facts
            .iter()
            .take(facts)
            .rev()
            .find_map(|(_, fact)| if let Fact::TakenOver { driver } = fact { Some(*driver) } else { None });
        taken.unwrap_or(1)
    }

    /// Whether a driver left an attempt of a step to the one after it, among so many facts.
    pub(super) fn was_left(&self, asked: usize, facts: usize) -> bool {
        let mut is_out = false;
        for (_, fact) in self.facts.iter().take(facts) {
            match fact {
                Fact::HandedOut { step, phase: Phase::Do, .. } if *step == asked => {
                    if is_out {
                        return !self.is_told(WrongRule::ForgetSuperseded);
                    }
                    is_out = true;
                }
                Fact::Failed { step, phase: Phase::Do, .. } | Fact::Done { step, phase: Phase::Do, .. }
                    if *step == asked =>
                {
                    is_out = false;
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
                | Fact::Ended { .. }
                | Fact::Asked { .. }
                | Fact::Heard { .. }
                | Fact::TakenOver { .. }
                | Fact::Lost => {}
            }
        }
        false
    }
}
