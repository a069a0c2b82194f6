//! What can be asked of a transaction, and what answers and time do to it.

use super::active::Class;
use super::apply::IllegalEvent;
use super::open::OpenRefusal;
use super::{Cx, Transaction};
use crate::conditions::Conditions;
use crate::definition::{OnError, Retry, Run};
use crate::event::{Event, Failure, StepError};
use crate::fork::ForkRefusal;
use crate::node::NodeRef;
use crate::request::RequestRefusal;
use crate::status::{Phase, Status, StepStatus};
use chancery_base::limits::{BATCH_TIMEOUTS_MAX, SIGNALS_KEPT_MAX, TRANSACTION_ENTRIES_MAX};
use chancery_base::{DecisionId, Document, Kind, Name, Timestamp};
use std::sync::Arc;

/// Why a command was not done. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The transaction does not stand where the operation is possible.
    #[error("can't {operation} a transaction that is {}", status.word())]
    Status {
        /// What was asked.
        operation: &'static str,
        /// Where it stands.
        status: Status,
    },
    /// It is past its pivot.
    #[error("can't cancel the transaction: it is past its pivot `{0}` and only goes forward")]
    PastPivot(String),
    /// The decision to confirm was taken.
    #[error("can't cancel the transaction: all its participants are tried, and it only confirms from here on")]
    Confirming,
    /// It waits for a person at another step.
    #[error("the transaction waits for a person at step `{parked}`, not at `{asked}`")]
    OtherStep {
        /// Where it is parked.
        parked: String,
        /// What was asked for.
        asked: String,
    },
    /// It waits for a person at no step.
    #[error(
        "no step waits for a person: the transaction's time ran out, or its output failed; `retry` has it go on, \
         `terminate` ends it"
    )]
    NoStep,
    /// A driver's call.
    #[error(transparent)]
    Open(#[from] OpenRefusal),
    /// It is paused already.
    #[error("the transaction is paused already")]
    Paused,
    /// It is not paused.
    #[error("the transaction is not paused")]
    NotPaused,
    /// No step of its definition waits for such a signal.
    #[error("no step of the definition waits for a signal `{0}`")]
    UnknownSignal(Name),
    /// The attempt that is meant is over.
    #[error("attempt {attempt} of `{step}` is not out any more")]
    NotOut {
        /// Of which step, compensation or confirm.
        step: String,
        /// Which.
        attempt: u32,
    },
    /// It keeps as many signals as it may.
    #[error("{SIGNALS_KEPT_MAX} signals wait for steps that take them")]
    TooManySignals,
    /// What a person says that a step gave does not suit what is made of it.
    #[error("the output does not suit the step: {0}")]
    Unsuitable(String),
    /// A person's word to a request.
    #[error(transparent)]
    Request(#[from] RequestRefusal),
    /// It can't be forked so.
    #[error(transparent)]
    Fork(#[from] ForkRefusal),
    /// A defect of ours.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
}

impl Refusal {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Status { .. }
            | Self::PastPivot(_)
            | Self::Confirming
            | Self::OtherStep { .. }
            | Self::NoStep
            | Self::Paused
            | Self::NotPaused
            | Self::NotOut { .. } => Kind::Conflict,
            Self::UnknownSignal(_) | Self::Unsuitable(_) => Kind::Invalid,
            Self::TooManySignals => Kind::Limited,
            Self::Fork(refusal) => refusal.kind(),
            Self::Request(refusal) => refusal.kind(),
            Self::Open(OpenRefusal::Frame(_)) => Kind::Denied,
            Self::Open(
                OpenRefusal::NotOpen(_)
                | OpenRefusal::Superseded { .. }
                | OpenRefusal::Paused(_)
                | OpenRefusal::Differs(..)
                | OpenRefusal::Full(_)
                | OpenRefusal::AskedTooOften(_)
                | OpenRefusal::Unfinished(_),
            ) => Kind::Conflict,
            Self::Illegal(_) => Kind::Bug,
        }
    }
}

/// How an attempt that was handed out ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Completed(Arc<Document>),
    /// It took no effect, the target says.
    Failed(StepError),
    /// It may have taken effect.
    Unknown(StepError),
    /// The target took it and reports later.
    Accepted,
    /// Its worker stopped renewing the lease.
    Lapsed,
}

/// What an attempt goes out with.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The decision that permits it.
    pub decision: DecisionId,
    /// What the worker gets.
    pub input: Arc<Document>,
    /// When it counts as failed.
    pub deadline: Timestamp,
    /// What policy demands of it.
    pub conditions: Option<Arc<Conditions>>,
}

impl Transaction {
    /// Records that a ready step or compensation was handed out.
    ///
    /// # Errors
    /// If it is not ready.
    pub fn dispatch(
        &mut self,
        node: NodeRef,
        phase: Phase,
        Outgoing { decision, input, deadline, conditions }: Outgoing,
        cx: &mut Cx<'_>,
    ) -> Result<u32, Refusal> {
        let attempt = self.attempts(node, phase) + 1;
        self.emit(Event::Dispatched { node, phase, attempt, decision, input, deadline, conditions }, cx)?;
        Ok(attempt)
    }

    /// Records how an attempt ended, unless a fault throws that away. `false`: it is not out (any more), and nothing
    /// changed.
    ///
    /// # Errors
    /// Only for a defect.
    pub fn answer(
        &mut self,
        node: NodeRef,
        phase: Phase,
        attempt: u32,
        answer: Answer,
        cx: &mut Cx<'_>,
    ) -> Result<bool, Refusal> {
        if self.head.status.is_ended() || self.dispatched(node, phase).is_none_or(|(out, _)| out != attempt) {
            return Ok(false);
        }
        let (failure, error) = match self.as_heard(node, phase, attempt, answer) {
            Answer::Accepted => {
                // Said again it changes nothing.
                if self.is_leased(node, phase) {
                    self.emit(Event::Accepted { node, phase, attempt }, cx)?;
                }
                return Ok(true);
            }
            Answer::Completed(output) => {
                self.take_output((node, phase), attempt, output, cx)?;
                return Ok(true);
            }
            Answer::Failed(error) => (Failure::Failed, error),
            Answer::Unknown(error) => (Failure::Unknown, error),
            Answer::Lapsed => {
                let message = "the worker stopped renewing its lease; whether the attempt took effect is unknown";
                (Failure::Lapsed, StepError::new(StepError::LEASE_LAPSED, message))
            }
        };
        self.fail(node, phase, failure, error, cx)?;
        Ok(true)
    }

    /// Records what time has done: its own time, its driver's silence, waits that are over, rounds that begin, attempts
    /// past their deadline, waits for a worker that lasted too long. Of what steps and clones wait for it takes only so
    /// much at once: [`Transaction::is_overdue`] says whether there is more.
    ///
    /// # Errors
    /// Only for a defect.
    pub fn time_out(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.times_out_at().is_some_and(|at| at <= cx.now) {
            self.emit(Event::TimedOut, cx)?;
            self.advance(cx)?;
        }
        if self.loses_driver_at().is_some_and(|at| at <= cx.now) && !self.is_held(cx.now) {
            self.emit(Event::DriverLost, cx)?;
            self.advance(cx)?;
        }
        self.fire(cx)?;
        let mut unserved = Vec::new();
        for _ in 0..BATCH_TIMEOUTS_MAX {
            if self.head.status.is_settled() {
                break;
            }
            let Some((node, phase, failure, error)) = self.overdue(cx.now, &mut unserved) else { break };
            self.fail(node, phase, failure, error, cx)?;
        }
        Ok(())
    }

    /// Whether [`Transaction::time_out`] has something to record.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_late(now, self.next_queue_end())
    }

    /// The same, where `queue_end` is when the first that is next has waited for a worker too long.
    pub(super) fn is_late(&self, now: Timestamp, queue_end: Option<Timestamp>) -> bool {
        if self.head.status.is_settled() {
            return false;
        }
        let fires = self.fires_at().filter(|_| self.moves());
        let mut own = self.times_out_at().into_iter().chain(fires);
        let mut of_others = self.loses_driver_at().into_iter().chain(queue_end);
        let is_out_late = |class| self.active.due(class, now).is_some();
        own.any(|at| at <= now)
            || is_out_late(Class::Out)
            || is_out_late(Class::UndoOut)
            || of_others.any(|at| at <= now) && !self.is_held(now)
    }

    /// The first of what is overdue. Failed, it is so no longer. `unserved` is for [`Transaction::next_unserved`].
    fn overdue(&self, now: Timestamp, unserved: &mut Vec<NodeRef>) -> Option<(NodeRef, Phase, Failure, StepError)> {
        let forward = self.active.due(Class::Out, now).map(|node| (node, Phase::Do));
        let late = forward.or_else(|| self.active.due(Class::UndoOut, now).map(|node| (node, self.closing(node))));
        if let Some((node, phase)) = late {
            let message = "no answer before the deadline; whether the attempt took effect is unknown";
            return Some((node, phase, Failure::TimedOut, StepError::new(StepError::TIMEOUT, message)));
        }
        let node = self.next_unserved(now, unserved)?;
        Some((node, Phase::Do, Failure::QueueTimedOut, self.not_taken(node)))
    }

    /// What is wrong where a step was not taken in time; it is no news that stands alone if an attempt failed before.
    fn not_taken(&self, node: NodeRef) -> StepError {
        let is_http = self.step_of(node).is_some_and(|step| matches!(step.run, Run::Http(_)));
        let message = if is_http {
            "its target let no call through in time: see `chancery target show`"
        } else {
            "no worker took the step in time: see `chancery queue show`"
        };
        let message = match self.state(node).and_then(|state| state.error.as_ref()) {
            Some(StepError { r#type, message: before, .. }) if before.is_empty() => {
                format!("{message}; the attempt before failed with {type}")
            }
            Some(StepError { r#type, message: before, .. }) => {
                format!("{message}; the attempt before failed with {type}: {before}")
            }
            None => message.to_owned(),
        };
        StepError::new(StepError::QUEUE_TIMEOUT, message)
    }

    /// Records that policy denied a ready step: [`Failure::Denied`], or [`Failure::DeniedAnew`], which has a person say
    /// how it goes on.
    ///
    /// # Errors
    /// If it is not ready.
    pub fn deny(
        &mut self,
        node: NodeRef,
        (decision, failure): (DecisionId, Failure),
        reason: String,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        self.emit(Event::Denied { node, decision }, cx)?;
        self.fail(node, Phase::Do, failure, StepError::fatal(StepError::POLICY_DENIED, reason), cx)
    }

    /// Records that a ready step or compensation can't be handed out at all.
    ///
    /// # Errors
    /// If it is not ready.
    pub fn refuse(&mut self, node: NodeRef, phase: Phase, error: StepError, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        self.fail(node, phase, Failure::Refused, error, cx)
    }

    /// Whether it has as many entries as forward steps may make.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.head.entries >= TRANSACTION_ENTRIES_MAX
    }

    /// Undoes what was done and ends as cancelled.
    ///
    /// # Errors
    /// Unless it goes forward, or if it is past a pivot or the decision to confirm.
    pub fn cancel(&mut self, justification: String, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if !self.may_cancel() {
            let goes_on = self.head.cause.is_none() && !self.head.status.is_ended();
            if self.head.confirming_at.is_some() && goes_on {
                return Err(Refusal::Confirming);
            }
            return Err(match self.pivot_done().filter(|_| goes_on) {
                Some(pivot) => Refusal::PastPivot(self.name_of(pivot)),
                None => Refusal::Status { operation: "cancel", status: self.head.status },
            });
        }
        self.emit(Event::CancelRequested { justification }, cx)?;
        self.advance(cx)
    }

    /// Ends it at once; nothing is undone.
    ///
    /// # Errors
    /// If it has ended.
    pub fn terminate(&mut self, justification: String, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let open = [Status::Running, Status::Confirming, Status::Compensating, Status::Parked];
        self.expect_standing("terminate", &open)?;
        self.withdraw_all(cx)?;
        let justification = Some(justification);
        Ok(self.emit(Event::Ended { status: Status::Terminated, output: None, justification }, cx)?)
    }

    /// Has everything that waits for a person tried again.
    ///
    /// # Errors
    /// If nothing does.
    pub fn retry(&mut self, justification: &str, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let stuck: Vec<NodeRef> = self.stuck().collect();
        let status = self.head.status;
        if status.is_ended() || stuck.is_empty() && status != Status::Parked {
            return Err(Refusal::Status { operation: "retry", status });
        }
        let held = (self.head.held && status == Status::Parked).then_some(None);
        for node in held.into_iter().chain(stuck.into_iter().map(Some)) {
            self.emit(Event::Resumed { node, justification: justification.to_owned() }, cx)?;
            if let Some(node) = node.filter(|_| self.head.cause.is_none()) {
                self.begin_again(node, cx)?;
            }
        }
        self.advance(cx)
    }

    /// Has a step that is tried again begin. Of one that never began nobody knows whether its condition holds: it may
    /// have failed over that.
    fn begin_again(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if node.clone == 0 && self.state(node).is_some_and(|state| state.started_at.is_none()) {
            self.ask_when(node, cx)?;
        }
        self.begin_to_wait(node, cx)
    }

    /// Counts a step that waits for a person, or the compensation that does, as done, by hand.
    ///
    /// # Errors
    /// Unless the step named waits for a person.
    pub fn resolve(
        &mut self,
        named: &str,
        output: Arc<Document>,
        justification: String,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let status = self.head.status;
        let first = self.head.parked_at.or_else(|| self.stuck().next()).filter(|_| !status.is_ended());
        let Some(first) = first else {
            let is_parked = status == Status::Parked;
            return Err(if is_parked { Refusal::NoStep } else { Refusal::Status { operation: "resolve", status } });
        };
        let found = self.find(named);
        let Some(node) = found.filter(|node| self.is_stuck(*node, self.phase_at(*node))) else {
            let asked = named.chars().take(128).collect();
            return Err(Refusal::OtherStep { parked: self.name_of(first), asked });
        };
        let phase = self.phase_at(node);
        if phase == Phase::Do {
            self.suits(node, &output, cx.now)?;
        }
        self.emit(Event::Resolved { node, phase, output, justification }, cx)?;
        self.advance(cx)
    }

    /// Whether a step may have this output.
    fn suits(&self, node: NodeRef, output: &Document, now: Timestamp) -> Result<(), Refusal> {
        if self.state(node).is_some_and(|state| state.clones.is_some()) {
            let message = "its output is the list of its clones', and what it sets is made of that";
            return Err(Refusal::Unsuitable(message.to_owned()));
        }
        if self.step_of(node).is_some_and(|step| step.run.request().is_some()) {
            let message = "those answer a request who are asked: `retry` asks them again";
            return Err(Refusal::Unsuitable(message.to_owned()));
        }
        let set = self.evaluate_set(node, Some(output.value()), now);
        set.map(drop).map_err(|error| Refusal::Unsuitable(error.message))
    }

    /// What a node is called: its step, or the clone of one, such as `ship[3]`.
    #[must_use]
    pub fn name_of(&self, node: NodeRef) -> String {
        self.step_of(node).map_or_else(String::new, |step| node.name(&step.id))
    }

    fn expect_standing(&self, operation: &'static str, allowed: &[Status]) -> Result<(), Refusal> {
        let status = self.head.status;
        if allowed.contains(&status) { Ok(()) } else { Err(Refusal::Status { operation, status }) }
    }

    pub(super) fn attempts(&self, node: NodeRef, phase: Phase) -> u32 {
        self.state(node).map_or(0, |state| match phase {
            Phase::Do => state.attempts,
            Phase::Undo | Phase::Confirm => state.undo.attempts,
        })
    }

    /// Records a failed attempt, and when the next one may be handed out; then what follows.
    pub(super) fn fail(
        &mut self,
        node: NodeRef,
        phase: Phase,
        failure: Failure,
        error: StepError,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        self.record_failure(node, phase, failure, error, cx)?;
        self.advance(cx)
    }

    /// Records that a step can't be done, in what [`Transaction::advance`] does: what follows is its next turn. Were it
    /// the same one's, as many calls would lie within one another as a definition has steps.
    pub(super) fn mark_failed(&mut self, node: NodeRef, error: StepError, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        self.record_failure(node, Phase::Do, Failure::Refused, error, cx)
    }

    fn record_failure(
        &mut self,
        node: NodeRef,
        phase: Phase,
        failure: Failure,
        error: StepError,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let attempt = self.attempts(node, phase);
        let retry_at = self.retry_at(node, phase, failure, &error, cx.now);
        Ok(self.emit(Event::AttemptFailed { node, phase, attempt, failure, error, retry_at }, cx)?)
    }

    fn retry_at(
        &self,
        node: NodeRef,
        phase: Phase,
        failure: Failure,
        error: &StepError,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let definition = self.step_of(node)?;
        let state = self.state(node)?;
        let since = |attempts: u32, before: u32| attempts - before - self.repeats(node, phase, before + 1..=attempts);
        let (retry, used, most): (&Retry, u32, u32) = match phase {
            Phase::Do => {
                let may = self.head.status == Status::Running && !self.is_full();
                let most = if may { definition.retry.attempts } else { 0 };
                (&definition.retry, since(state.attempts, state.attempts_before), most)
            }
            Phase::Undo => {
                let undo = definition.compensate.as_ref()?;
                let most = match undo.on_error {
                    OnError::Skip => 1,
                    OnError::Retry if !self.is_full() => u32::MAX,
                    OnError::Retry | OnError::Continue | OnError::Fail | OnError::MarkCompensated => {
                        undo.retry.attempts
                    }
                };
                (&undo.retry, since(state.undo.attempts, state.undo.attempts_before), most)
            }
            Phase::Confirm => {
                let retry = &definition.confirm.as_ref()?.retry;
                (retry, since(state.undo.attempts, state.undo.attempts_before), retry.attempts)
            }
        };
        let is_final = error.is_final || retry.is_final(&error.r#type);
        if !failure.was_dispatched() || is_final || used >= most {
            return None;
        }
        // After a repeat nothing has failed yet.
        Some(now.plus(retry.delay(&self.id(), &self.name_of(node), used.max(1))))
    }

    pub(super) fn ask_when(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let is_ready = self.state(node).is_some_and(|state| state.status == StepStatus::Ready);
        match if is_ready { self.evaluate_when(node) } else { Ok(true) } {
            Ok(true) if is_ready => self.fan_out(node, cx),
            Ok(true) => Ok(()),
            Ok(false) => Ok(self.emit(Event::Skipped { node }, cx)?),
            Err(error) => self.mark_failed(node, error, cx),
        }
    }

    /// Fails a step whose clones are over and whose variables can't be set.
    pub(super) fn fail_unset(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.head.status != Status::Running || !self.is_whole_over(node) {
            return Ok(());
        }
        let Err(error) = self.evaluate_set(node, None, cx.now) else { return Ok(()) };
        self.mark_failed(node, error, cx)
    }

    /// Gives a step with `each` its clones.
    fn fan_out(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        match self.evaluate_each(node) {
            Ok(None) => Ok(()),
            Ok(Some(items)) => Ok(self.emit(Event::Expanded { node, items: Arc::new(items) }, cx)?),
            Err(error) => self.mark_failed(node, error, cx),
        }
    }

    /// Every participant is tried: they are confirmed, unless that could give no output.
    pub(super) fn decide(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let event = match self.evaluate_output(cx.now) {
            Ok(_) => Event::Confirming,
            Err(error) => Event::OutputFailed { error },
        };
        Ok(self.emit(event, cx)?)
    }

    /// What was decided gives the output that it gave then: nothing that it is made from changes by a confirm.
    pub(super) fn complete(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        match self.evaluate_output(self.head.confirming_at.unwrap_or(cx.now)) {
            Ok(output) => {
                let output = Some(Arc::new(output));
                Ok(self.emit(Event::Ended { status: Status::Completed, output, justification: None }, cx)?)
            }
            Err(error) => Ok(self.emit(Event::OutputFailed { error }, cx)?),
        }
    }
}
