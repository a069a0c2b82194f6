//! The reference model: what a saga, or a TCC, may do, said as plainly as possible.
//!
//! It keeps the list of what happened and looks everything up in it anew, whenever it is asked: no state that is
//! kept up to date, no code of the engine's. It says what may happen next, what has to happen at once, and where each
//! step stands. The simulation holds every committed batch of the shard against it.

mod child;
mod fan;
mod fork;
mod handed;
mod inline;
mod open;
mod plan;
mod poll;
mod request;
mod room;
pub(crate) mod schedule;
mod setting;
mod stand;
mod told;
mod variable;
mod wait;
mod wrong;

pub(crate) use handed::Handed;
pub(crate) use plan::ROLE;
pub use plan::{
    ConfirmPlan, OnErrorPlan, OpenPlan, OutputPlan, Plan, PolicyPlan, ReadPlan, RequestPlan, RetryPlan, RunPlan,
    SignalName, SignalPlan, StepPlan, TccPlan, UndoPlan,
};
pub use poll::PollPlan;
pub(crate) use stand::{Stage, UndoStage};
pub use wrong::WrongRule;

use crate::model::{Check, ensure};
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::{Event, Failure, NodeRef, Phase, RequestFact, Status, StepError};
use plan::FINAL;
use serde_json::Value;
use stand::Over;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened to a saga after its start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    HandedOut {
        step: usize,
        phase: Phase,
        attempt: u64,
        deadline: Timestamp,
        input: Arc<Value>,
    },
    Accepted {
        step: usize,
        phase: Phase,
        attempt: u64,
    },
    Done {
        step: usize,
        phase: Phase,
        attempt: u64,
    },
    Failed {
        step: usize,
        phase: Phase,
        attempt: u64,
        failure: Failure,
        error: StepError,
        retry_at: Option<Timestamp>,
    },
    /// A round was done and was not enough.
    Polled {
        step: usize,
        attempt: u64,
        next_at: Option<Timestamp>,
    },
    RoundBegan {
        step: usize,
    },
    Denied {
        step: usize,
    },
    Skipped {
        step: usize,
    },
    Expanded {
        step: usize,
        count: usize,
    },
    WaitBegan {
        step: usize,
        until: Option<Timestamp>,
    },
    /// The time of a step has come; none: that of the start.
    TimeCame {
        step: Option<usize>,
    },
    SignalCame {
        name: String,
        id: Option<String>,
        seq: u64,
    },
    SignalTaken {
        step: usize,
        signal: u64,
    },
    /// Something happened to a request of a step.
    Requested {
        step: usize,
        said: RequestFact,
    },
    ChildBegan {
        step: usize,
        attempt: u64,
        child: TransactionId,
    },
    ChildRecalled {
        step: usize,
        attempt: u64,
    },
    /// It had completed, and is to undo what it did.
    Recalled,
    /// It took over what its source had done.
    Inherited(fork::Taken),
    Paused,
    Unpaused,
    OutputFailed,
    TimedOut,
    Confirming,
    Cancelled,
    Parked {
        step: Option<usize>,
    },
    Resumed {
        step: Option<usize>,
    },
    Resolved {
        step: usize,
        phase: Phase,
    },
    /// A driver asked for a step, which was permitted or taken up.
    Asked {
        step: usize,
        driver: u32,
    },
    /// A driver was denied a step, or said that it lives.
    Heard {
        driver: u32,
    },
    TakenOver {
        driver: u32,
    },
    Lost,
    Ended {
        status: Status,
        output: Option<Arc<Value>>,
    },
}

/// What has to happen before anything else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Inherit(fork::Taken),
    Skip(usize),
    Expand(usize),
    FailDenied(usize),
    FailExhausted(usize),
    Wait(usize),
    Ask(usize),
    /// What people said no to, or did not answer.
    FailAsked(usize, Failure),
    Withdraw(usize),
    /// Which step takes which signal.
    Take(usize, u64),
    Park(Option<usize>),
    FailOutput,
    Confirm,
    End(Status),
}

/// One saga and all that happened to it.
#[derive(Debug)]
pub(crate) struct Saga {
    plan: Arc<Plan>,
    /// Every step as a whole, in order, then the clones that may come of them: which step, and which clone from 1. A
    /// driver's steps come one by one, and have none.
    units: Vec<(usize, u64)>,
    number: u64,
    began: Timestamp,
    /// When its first steps begin, if not at once.
    starts: Option<Timestamp>,
    /// What it takes over as a fork, in this order.
    inherits: Vec<fork::Taken>,
    facts: Vec<(Timestamp, Fact)>,
    /// What the setting is for it.
    setting: Option<u64>,
    /// Under what each unit was handed out last.
    handed: BTreeMap<usize, Handed>,
    /// Since when there is a place again where there was none: for all, and for the clones of a step.
    room_since: BTreeMap<Option<usize>, Timestamp>,
    wrong: Option<WrongRule>,
}

impl Saga {
    pub(crate) fn new(
        plan: Arc<Plan>,
        input: &Value,
        began: Timestamp,
        starts: Option<Timestamp>,
        wrong: Option<WrongRule>,
    ) -> Self {
        let number = plan.number(input);
        let wholes = (0..plan.steps.len()).map(|step| (step, 0));
        let most = |step: &StepPlan| step.most_clones.unwrap_or(0).min(number);
        let clones =
            plan.steps.iter().enumerate().flat_map(|(at, step)| (1..=most(step)).map(move |clone| (at, clone)));
        let units = wholes.chain(clones).collect();
        let (inherits, facts, handed, room_since) = (Vec::new(), Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { plan, units, number, began, starts, inherits, facts, setting: None, handed, room_since, wrong }
    }

    /// What a unit is of, as it is planned.
    fn step(&self, unit: usize) -> Option<&StepPlan> {
        self.plan.steps.get(self.step_of(unit))
    }

    fn step_of(&self, unit: usize) -> usize {
        self.units.get(unit).map_or(usize::MAX, |(step, _)| *step)
    }

    /// The unit that a node is.
    pub(crate) fn unit(&self, node: &NodeRef) -> usize {
        let asked = (node.step.position(), u64::from(node.clone));
        self.units.iter().position(|unit| *unit == asked).unwrap_or(usize::MAX)
    }

    /// The clones of a step, if it fans out.
    fn clones(&self, step: usize) -> Option<Vec<usize>> {
        self.plan.steps.get(step)?.most_clones?;
        let of_step = |unit: &usize| self.units.get(*unit).is_some_and(|(of, clone)| *of == step && *clone > 0);
        Some((0..self.units.len()).filter(of_step).collect())
    }

    /// Whether it is a step as a whole that fans out: it is never handed out itself.
    fn is_whole(&self, unit: usize) -> bool {
        unit < self.plan.steps.len() && self.step(unit).is_some_and(|step| step.most_clones.is_some())
    }

    fn is_told(&self, wrong: WrongRule) -> bool {
        self.wrong == Some(wrong)
    }

    /// Takes what happened next, if it may.
    pub(crate) fn follow(&mut self, at: Timestamp, seq: u64, event: &Event) -> Check {
        if let Some(checked) = self.follow_driver(at, event) {
            return checked;
        }
        if let Event::CarriedOut(done) = event {
            return self.follow_carried_out(at, done).map_err(|why| format!("reference: carried out: {why}"));
        }
        self.judges(event).map_err(|why| format!("reference: {why}"))?;
        let Some(fact) = self.fact(seq, event) else { return Ok(()) };
        let due = self.due();
        let is_due = due.iter().any(|due| is(*due, &fact));
        // A person who has it go on has all of it go on that stands still, one after the other.
        let waits = |due: &Due| matches!(due, Due::Park(_) | Due::Expand(_) | Due::Take(..));
        let goes_on = matches!(fact, Fact::Resumed { .. }) && due.iter().all(waits);
        // What it begins with comes before its first steps do.
        let begins_with = self.facts.is_empty() && matches!(fact, Fact::SignalCame { .. });
        ensure(is_due || due.is_empty() || goes_on || begins_with, || {
            format!("reference: {due:?} was due, {fact:?} came")
        })?;
        self.may(at, &fact, is_due).map_err(|why| format!("reference: {fact:?}: {why}"))?;
        let fact = if self.is_told(WrongRule::AcceptedIsDone)
            && let Fact::Accepted { step, phase, attempt } = fact
        {
            Fact::Done { step, phase, attempt }
        } else {
            fact
        };
        self.push(at, [fact]);
        Ok(())
    }

    /// What one entry says.
    fn push<const N: usize>(&mut self, at: Timestamp, facts: [Fact; N]) {
        let full = self.full();
        self.facts.extend(facts.map(|fact| (at, fact)));
        self.note_room(&full, at);
    }

    /// When something happened to it last.
    pub(crate) fn last_at(&self) -> Option<Timestamp> {
        self.facts.last().map(|(at, _)| *at)
    }

    /// After a batch nothing may be left undone, and the rows say what the model says.
    pub(crate) fn compare(&self, stored: &Standing) -> Check {
        let due = self.due();
        ensure(due.is_empty(), || format!("reference: {due:?} is due after the batch"))?;
        let expected = self.standing();
        ensure(expected == *stored, || format!("reference: {expected:?} is stored as {stored:?}"))
    }

    /// What follows at once.
    fn due(&self) -> Vec<Due> {
        if self.ended().is_some() {
            return Vec::new();
        }
        // What it takes over comes first, and all of it in one commit.
        if let Some(next) = self.inherits.get(self.facts.len()) {
            return vec![Due::Inherit(*next)];
        }
        if let Some((_, Fact::Denied { step })) = self.facts.last() {
            return vec![Due::FailDenied(*step)];
        }
        if let Some((_, Fact::Polled { step, next_at: None, .. })) = self.facts.last() {
            return vec![Due::FailExhausted(*step)];
        }
        if let Some(due) = self.due_of_requests() {
            return due;
        }
        match self.turn() {
            None if self.decided().is_some() => self.due_confirming(),
            None => self.due_forward(),
            Some(turn) => self.due_backward(turn),
        }
    }

    fn due_forward(&self) -> Vec<Due> {
        // Its driver says what is next, and when it is done.
        if self.plan.open.is_some() {
            return Vec::new();
        }
        let steps = self.all();
        let mut first: Vec<Due> = steps.clone().filter(|step| self.is_to_skip(*step)).map(Due::Skip).collect();
        let expands = |step: &usize| self.is_to_expand(*step) && !self.is_to_skip(*step);
        first.extend(steps.clone().filter(expands).map(Due::Expand));
        first.extend(steps.clone().filter_map(|step| self.waits_next(step)));
        if !first.is_empty() || self.parked().is_some() {
            return first;
        }
        let is_held = self.is_held();
        if steps.clone().all(|step| self.is_over(step)) && !is_held {
            let fails = matches!(self.plan.output, OutputPlan::Of(step) if !self.is_completed(step));
            let decides = self.plan.tcc.is_some() && !self.is_told(WrongRule::ForgetDecision);
            // From the decision on it can't be cancelled: what is paused does not take it.
            if decides && self.is_paused() {
                return Vec::new();
            }
            return vec![match (fails, decides) {
                (true, _) => Due::FailOutput,
                (false, true) => Due::Confirm,
                (false, false) => Due::End(Status::Completed),
            }];
        }
        let goes_on = |step: usize| match self.stage(step) {
            Stage::Out(_) | Stage::Child => true,
            Stage::Ready(_) | Stage::Backoff(_) | Stage::Waiting(_) => !is_held,
            Stage::Pending
            | Stage::Expanded
            | Stage::Completed
            | Stage::Skipped
            | Stage::Failed
            | Stage::Unknown
            | Stage::Cancelled => false,
        };
        if steps.clone().any(goes_on) {
            return Vec::new();
        }
        let stuck = steps.filter(|step| self.is_stuck(*step, Phase::Do)).min_by_key(|step| self.place(*step));
        stuck.map(|step| Due::Park(Some(step))).or(is_held.then_some(Due::Park(None))).into_iter().collect()
    }

    fn due_confirming(&self) -> Vec<Due> {
        let steps = 0..self.plan.steps.len();
        let is_held = self.is_held();
        let goes_on = |step: usize| match self.undo_stage(step) {
            UndoStage::Out(_) | UndoStage::Child => true,
            UndoStage::Ready | UndoStage::Backoff(_) => !is_held,
            UndoStage::None | UndoStage::Completed | UndoStage::Failed | UndoStage::Marked | UndoStage::Skipped => {
                false
            }
        };
        if self.parked().is_some() || steps.clone().any(goes_on) {
            return Vec::new();
        }
        let stuck = steps.filter(|step| self.is_stuck(*step, self.closing(*step)));
        if let Some(step) = stuck.min_by_key(|step| (self.over(*step), *step)) {
            return vec![Due::Park(Some(step))];
        }
        if is_held { vec![Due::Park(None)] } else { vec![Due::End(Status::Completed)] }
    }

    fn due_backward(&self, turn: usize) -> Vec<Due> {
        let mut steps = self.all();
        let is_busy = |step: usize| {
            let stage = self.undo_stage(step);
            matches!(stage, UndoStage::Ready | UndoStage::Out(_) | UndoStage::Child | UndoStage::Backoff(_))
        };
        if self.parked().is_some() || self.is_any_out() || steps.clone().any(is_busy) {
            return Vec::new();
        }
        let stuck = steps.clone().filter(|step| self.is_stuck(*step, Phase::Undo));
        if let Some(step) = stuck.max_by_key(|step| (self.over(*step), self.place(*step))) {
            return vec![Due::Park(Some(step))];
        }
        let left = |step: usize| matches!(self.undo_stage(step), UndoStage::Failed | UndoStage::Skipped);
        let is_cancelled = matches!(self.facts.get(turn), Some((_, Fact::Cancelled)));
        if steps.clone().any(left) {
            vec![Due::End(Status::Failed)]
        } else if is_cancelled && !self.is_told(WrongRule::CancelAsFailure) {
            vec![Due::End(Status::Cancelled)]
        } else if self.was_recalled() || steps.any(|step| self.is_undone(step)) {
            vec![Due::End(Status::Compensated)]
        } else {
            vec![Due::End(Status::Failed)]
        }
    }

    /// Whether this may happen now.
    fn may(&self, at: Timestamp, fact: &Fact, is_due: bool) -> Check {
        if let Some(checked) = self.may_of_child(at, fact) {
            return checked;
        }
        ensure(self.ended().is_none(), || "it has ended".to_owned())?;
        let is_running = self.turn().is_none();
        match fact {
            Fact::HandedOut { .. } => self.may_go_out(at, fact),
            Fact::Done { step, phase, attempt } => self.is_out(*step, *phase, *attempt).map(|_| ()),
            Fact::Accepted { step, phase, attempt } => {
                self.is_out(*step, *phase, *attempt)?;
                ensure(!self.facts.iter().any(|(_, known)| known == fact), || "it was accepted before".to_owned())
            }
            Fact::Failed { .. } => self.may_fail(at, fact),
            Fact::Polled { step, attempt, next_at } => self.may_poll(at, (*step, *attempt), *next_at),
            Fact::RoundBegan { step } => self.may_begin_round(*step, at),
            Fact::Denied { step } => self.waits(*step, at),
            Fact::Cancelled => {
                let is_past = self.is_past_pivot(self.facts.len(), &[Over::Done]);
                let is_past = is_past || self.decided().is_some();
                ensure(is_running && !is_past, || format!("it runs: {is_running}, past a pivot: {is_past}"))
            }
            Fact::WaitBegan { step, until } => self.may_begin(*step, *until),
            Fact::TimeCame { step: None } => self.may_start(at),
            Fact::TimeCame { step: Some(step) } => self.may_fire(*step, at),
            Fact::SignalCame { id, .. } => self.may_signal(id.as_deref()),
            Fact::Paused => self.may_pause(),
            Fact::Unpaused => ensure(self.is_paused(), || "it is not paused".to_owned()),
            Fact::TimedOut => {
                let until = self.times_out_at();
                ensure(until.is_some_and(|until| until <= at), || format!("it lasts until {until:?}"))
            }
            Fact::Resumed { step: None } => {
                ensure(self.parked().is_some() && self.is_held(), || format!("it is parked at {:?}", self.parked()))
            }
            Fact::Resumed { step: Some(step) } => {
                let goes_forward = is_running && self.decided().is_none();
                let phase = if goes_forward { Phase::Do } else { self.closing(*step) };
                ensure(self.is_stuck(*step, phase), || "it does not wait for a person".to_owned())
            }
            Fact::Resolved { step, phase } => {
                ensure(self.is_stuck(*step, *phase), || "it does not wait for a person".to_owned())
            }
            Fact::Ended { status: Status::Terminated, output: None } => self.asks_nobody(),
            Fact::Requested { step, said } => self.may_request(at, *step, said, is_due),
            Fact::Ended { status: Status::Completed, output: Some(_) } if self.plan.open.is_some() => self.may_commit(),
            Fact::Lost => {
                let lost_at = self.lost_at();
                ensure(lost_at.is_some_and(|lost_at| lost_at <= at), || format!("it is lost at {lost_at:?}"))
            }
            Fact::Asked { .. }
            | Fact::Heard { .. }
            | Fact::TakenOver { .. }
            | Fact::ChildBegan { .. }
            | Fact::ChildRecalled { .. }
            | Fact::Recalled => Err("it is told otherwise".to_owned()),
            Fact::Ended { status, output } => self.may_end(*status, output.as_deref(), is_due),
            Fact::Expanded { step, count } => {
                let expected = self.clone_count(*step);
                ensure(is_due && *count == expected, || format!("{expected} clones, due: {is_due}"))
            }
            Fact::Inherited(_)
            | Fact::Skipped { .. }
            | Fact::SignalTaken { .. }
            | Fact::OutputFailed
            | Fact::Confirming
            | Fact::Parked { .. } => ensure(is_due, || "nothing asks for it".to_owned()),
        }
    }

    fn may_end(&self, status: Status, output: Option<&Value>, is_due: bool) -> Check {
        let expected = (status == Status::Completed).then(|| self.output());
        ensure(is_due, || "nothing ends it".to_owned())?;
        let is_expected = match (&expected, output) {
            (Some(Some(expected)), Some(output)) => expected == output,
            // A step's output is whatever its worker said.
            (Some(None), Some(_)) | (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        ensure(is_expected, || format!("its output is {expected:?}"))
    }

    /// Whether an attempt may be handed out now: as which, and until when.
    fn may_go_out(&self, at: Timestamp, fact: &Fact) -> Check {
        let Fact::HandedOut { step, phase, attempt, deadline, input } = fact else { return Ok(()) };
        let plan = self.step(*step).ok_or("there is no such step")?;
        ensure(!self.is_of_child(*step, *phase), || "its child is not handed out".to_owned())?;
        ensure(!self.is_inline(*step, *phase), || "the shard does it itself".to_owned())?;
        let timeout = match phase {
            Phase::Do => {
                self.waits(*step, at)?;
                ensure(self.has_input(*step), || "its input can't be known".to_owned())?;
                self.takes(*step, input)?;
                self.takes_setting(*step, input)?;
                self.may_pass(*step, input)?;
                Some(plan.timeout)
            }
            Phase::Undo | Phase::Confirm => {
                ensure(self.parked().is_none() && self.moves(), || "it stands still".to_owned())?;
                ensure(self.closing(*step) == *phase, || "it is closed in the other way".to_owned())?;
                let stage = self.undo_stage(*step);
                let waits = stage == UndoStage::Ready || matches!(stage, UndoStage::Backoff(until) if until <= at);
                ensure(waits, || format!("its undo is {stage:?}"))?;
                self.has_room(*phase)?;
                let confirm = plan.confirm.as_ref().map(|confirm| confirm.timeout);
                if *phase == Phase::Confirm { confirm } else { plan.undo.as_ref().map(|undo| undo.timeout) }
            }
        };
        let next = self.attempts(*step, *phase) + 1;
        ensure(*attempt == next, || format!("attempt {next} is next"))?;
        let until = timeout.map(|timeout| self.out_until(*step, at, timeout));
        ensure(until == Some(*deadline), || format!("its deadline should be {until:?}"))
    }

    /// The transaction's output, where it does not come from a worker.
    fn output(&self) -> Option<Value> {
        match self.plan.output {
            OutputPlan::Nothing => Some(Value::Null),
            OutputPlan::Number => Some(self.number_output()),
            OutputPlan::Of(_) => None,
        }
    }

    fn may_fail(&self, at: Timestamp, fact: &Fact) -> Check {
        let Fact::Failed { step, phase, error, retry_at, .. } = fact else { return Ok(()) };
        let plan = self.step(*step).ok_or("there is no such step")?;
        let was_out = self.was_out(at, fact)?;
        let used = self.attempts_since_resumed(*step, *phase);
        let retry = match phase {
            Phase::Do => Some(&plan.retry),
            Phase::Undo => plan.undo.as_ref().map(|undo| &undo.retry),
            Phase::Confirm => plan.confirm.as_ref().map(|confirm| &confirm.retry),
        };
        let retry = retry.ok_or("it has no such phase")?;
        let is_final =
            error.is_final || retry.unless && error.r#type == FINAL && !self.is_told(WrongRule::RetryFinalErrors);
        let most = match (phase, self.plan.on_error(self.step_of(*step))) {
            (Phase::Undo, OnErrorPlan::Retry) => u64::MAX - 1,
            (Phase::Undo, OnErrorPlan::Skip) => 1,
            (Phase::Do | Phase::Undo | Phase::Confirm, _) => retry.attempts,
        };
        let most = most + u64::from(self.is_told(WrongRule::OneAttemptMore));
        let is_wanted = *phase != Phase::Do || self.turn().is_none();
        let retries = was_out && is_wanted && !is_final && used < most;
        ensure(retries == retry_at.is_some(), || format!("retried: {retries}"))?;
        let Some(retry_at) = retry_at else { return Ok(()) };
        let backoff = (0..used.saturating_sub(1)).fold(retry.backoff, |wait, _| (wait * 2).min(10_000));
        let jitter = if *phase == Phase::Do { self.plan.jitter(self.step_of(*step)) } else { 20 };
        let low = at.plus(Duration::from_millis(backoff * (100 - jitter) / 100));
        let high = at.plus(Duration::from_millis((backoff * (100 + jitter)).div_ceil(100)));
        ensure(low <= *retry_at && *retry_at <= high, || format!("not between {low} and {high}"))
    }

    /// An undo is refused without having been out only where its target is stopped.
    fn undo_is_stopped(&self, step: usize, at: Timestamp, error: &StepError) -> Check {
        let stage = self.undo_stage(step);
        let is_ready = match stage {
            UndoStage::Ready => true,
            UndoStage::Backoff(until) => until <= at,
            UndoStage::None
            | UndoStage::Out(_)
            | UndoStage::Child
            | UndoStage::Completed
            | UndoStage::Failed
            | UndoStage::Marked
            | UndoStage::Skipped => false,
        };
        let parks = matches!(self.plan.on_error(self.step_of(step)), OnErrorPlan::Retry | OnErrorPlan::Fail);
        let is_stopped = error.r#type == StepError::TARGET_STOPPED && parks;
        ensure(is_ready && is_stopped, || format!("its undo is {stage:?}, and nothing stops it"))
    }

    /// Whether an attempt that failed so was out, if it may have failed so.
    fn was_out(&self, at: Timestamp, fact: &Fact) -> Check<bool> {
        let Fact::Failed { step, phase, attempt, failure, error, .. } = fact else { return Ok(false) };
        let plan = self.step(*step).ok_or("there is no such step")?;
        Ok(match failure {
            Failure::Failed | Failure::Unknown => {
                self.is_out(*step, *phase, *attempt)?;
                true
            }
            Failure::Lapsed => {
                self.is_out(*step, *phase, *attempt)?;
                let accepted = Fact::Accepted { step: *step, phase: *phase, attempt: *attempt };
                let is_accepted = self.facts.iter().any(|(_, known)| *known == accepted);
                ensure(!is_accepted, || "its target accepted it: it has no lease".to_owned())?;
                true
            }
            Failure::TimedOut => {
                let deadline = self.is_out(*step, *phase, *attempt)?;
                ensure(deadline <= at, || format!("its deadline is {deadline}"))?;
                true
            }
            Failure::QueueTimedOut => {
                let ends = self.queue_ends();
                let end = ends.iter().find(|(unit, _)| unit == step).map(|(_, end)| *end);
                let is_over = end.is_some_and(|end| end <= at);
                ensure(*phase == Phase::Do && is_over, || {
                    format!("it is {:?}, and may wait until {end:?}", self.stage(*step))
                })?;
                false
            }
            Failure::SignalTimedOut => {
                self.is_time(*step, at)?;
                ensure(matches!(plan.run, RunPlan::Signal(_)), || "it waits for no signal".to_owned())?;
                false
            }
            Failure::RequestDenied | Failure::RequestExpired => {
                let is_due = self.fails_asked() == Some((*step, *failure));
                ensure(*phase == Phase::Do && is_due, || "nobody said no to it".to_owned())?;
                false
            }
            Failure::Exhausted => {
                let is_over =
                    matches!(self.facts.last(), Some((_, Fact::Polled { step: of, next_at: None, .. })) if of == step);
                ensure(*phase == Phase::Do && is_over, || "its rounds are not over".to_owned())?;
                false
            }
            Failure::DeniedAnew if !self.plan.is_latest => {
                return Err("only the bundle of its beginning decides it".to_owned());
            }
            Failure::Denied | Failure::DeniedAnew => {
                let denied = matches!(self.facts.last(), Some((_, Fact::Denied { step: of })) if of == step);
                ensure(*phase == Phase::Do && denied, || "it was not denied".to_owned())?;
                false
            }
            Failure::Refused if *phase == Phase::Undo => {
                self.undo_is_stopped(*step, at, error)?;
                false
            }
            Failure::Refused => {
                self.waits(*step, at)?;
                ensure(*phase == Phase::Do && !self.has_input(*step), || "nothing is wrong with it".to_owned())?;
                false
            }
        })
    }
}

/// How a saga stands, as far as rows say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: &'static str,
    pub(crate) wake_at: Option<Timestamp>,
    /// Each step's word, and how often it was handed out.
    pub(crate) steps: Vec<(&'static str, u64)>,
}

fn is(due: Due, fact: &Fact) -> bool {
    match due {
        Due::Inherit(taken) => *fact == Fact::Inherited(taken),
        Due::Skip(step) => *fact == Fact::Skipped { step },
        Due::Expand(expected) => matches!(fact, Fact::Expanded { step, .. } if *step == expected),
        Due::Wait(due) => matches!(fact, Fact::WaitBegan { step, .. } if *step == due),
        Due::Ask(due) => {
            matches!(fact, Fact::Requested { step, said: RequestFact::Opened { .. } } if *step == due)
        }
        Due::Withdraw(due) => *fact == Fact::Requested { step: due, said: RequestFact::Withdrawn },
        Due::FailAsked(asked, why) => {
            matches!(fact, Fact::Failed { step, failure, .. } if (*step, *failure) == (asked, why))
        }
        Due::Take(step, signal) => *fact == Fact::SignalTaken { step, signal },
        Due::Park(step) => *fact == Fact::Parked { step },
        Due::FailOutput => *fact == Fact::OutputFailed,
        Due::Confirm => *fact == Fact::Confirming,
        Due::End(expected) => matches!(fact, Fact::Ended { status, .. } if *status == expected),
        Due::FailExhausted(over) => {
            matches!(fact, Fact::Failed { step, failure: Failure::Exhausted, .. } if *step == over)
        }
        Due::FailDenied(denied) => {
            let is_denied = |failure: &Failure| matches!(failure, Failure::Denied | Failure::DeniedAnew);
            matches!(fact, Fact::Failed { step, failure, .. } if *step == denied && is_denied(failure))
        }
    }
}

impl Saga {
    fn fact(&self, seq: u64, event: &Event) -> Option<Fact> {
        let at = |node: &NodeRef| self.unit(node);
        Some(match event {
            Event::Started { .. } => return None,
            Event::Dispatched { node, phase, attempt, deadline, input, .. } => {
                let (attempt, input) = (u64::from(*attempt), Arc::new(input.value().clone()));
                Fact::HandedOut { step: at(node), phase: *phase, attempt, deadline: *deadline, input }
            }
            Event::Accepted { node, phase, attempt } => {
                Fact::Accepted { step: at(node), phase: *phase, attempt: u64::from(*attempt) }
            }
            Event::Completed { node, phase, attempt, .. } => {
                Fact::Done { step: at(node), phase: *phase, attempt: u64::from(*attempt) }
            }
            Event::AttemptFailed { node, phase, attempt, failure, error, retry_at } => Fact::Failed {
                step: at(node),
                phase: *phase,
                attempt: u64::from(*attempt),
                failure: *failure,
                error: error.clone(),
                retry_at: *retry_at,
            },
            Event::Polled { node, attempt, next_at, .. } => {
                Fact::Polled { step: at(node), attempt: u64::from(*attempt), next_at: *next_at }
            }
            Event::TimerFired { node: Some(node) } if self.polls(at(node)) => Fact::RoundBegan { step: at(node) },
            Event::Denied { node, .. } => Fact::Denied { step: at(node) },
            Event::Expanded { node, items } => {
                Fact::Expanded { step: at(node), count: items.as_array().map_or(0, Vec::len) }
            }
            Event::Skipped { node } => Fact::Skipped { step: at(node) },
            Event::TimerStarted { node, until } => Fact::WaitBegan { step: at(node), until: Some(*until) },
            Event::TimerFired { node } => Fact::TimeCame { step: node.as_ref().map(at) },
            Event::SignalAwaited { node, until } => Fact::WaitBegan { step: at(node), until: *until },
            Event::SignalReceived { signal } => {
                Fact::SignalCame { name: signal.name.to_string(), id: signal.id.clone(), seq }
            }
            Event::SignalTaken { node, signal } => Fact::SignalTaken { step: at(node), signal: *signal },
            Event::Requested(requested) => Fact::Requested { step: at(&requested.node), said: requested.fact.clone() },
            Event::ChildStarted(start) => {
                let (step, attempt) = (at(&start.node), u64::from(start.attempt));
                Fact::ChildBegan { step, attempt, child: start.child }
            }
            Event::ChildRecalled { node, attempt } => {
                Fact::ChildRecalled { step: at(node), attempt: u64::from(*attempt) }
            }
            Event::Recalled => Fact::Recalled,
            Event::Inherited(inherited) => self.inherited(inherited),
            Event::Paused { .. } => Fact::Paused,
            Event::Unpaused { .. } => Fact::Unpaused,
            Event::OutputFailed { .. } => Fact::OutputFailed,
            Event::TimedOut => Fact::TimedOut,
            Event::DriverLost => Fact::Lost,
            // Followed apart.
            Event::Permitted(_)
            | Event::StepDenied { .. }
            | Event::Claimed { .. }
            | Event::CarriedOut(_)
            | Event::DriverResumed { .. }
            | Event::DriverHeard { .. } => return None,
            Event::Confirming => Fact::Confirming,
            Event::CancelRequested { .. } => Fact::Cancelled,
            Event::Parked { node } => Fact::Parked { step: node.as_ref().map(at) },
            Event::Resumed { node, .. } => Fact::Resumed { step: node.as_ref().map(at) },
            Event::Resolved { node, phase, .. } => Fact::Resolved { step: at(node), phase: *phase },
            Event::Ended { status, output, .. } => {
                Fact::Ended { status: *status, output: output.as_ref().map(|output| Arc::new(output.value().clone())) }
            }
        })
    }
}
