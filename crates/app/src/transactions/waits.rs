//! What a transaction waits for: every wait says since when.

use chancery_base::{Name, Timestamp};
use chancery_engine::definition::{Definition, Run, Step};
use chancery_engine::{Head, Status, StepState, StepStatus, UndoStatus};
use std::time::Duration;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// That its start comes.
    Start,
    /// That somebody has it go on who paused it.
    Resume,
    /// That a person looks at what failed.
    Person,
    /// A time.
    Time,
    /// A signal.
    Signal,
    /// The time of the next attempt.
    Retry,
    /// A worker that takes it.
    Worker,
    /// The answer of an attempt that is out.
    Answer,
}

impl WaitKind {
    /// The word for it on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Person => "person",
            Self::Time => "time",
            Self::Signal => "signal",
            Self::Retry => "retry",
            Self::Worker => "worker",
            Self::Answer => "answer",
        }
    }
}

/// Something that a transaction waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitView {
    /// What.
    pub kind: WaitKind,
    /// The step that waits, if it is one.
    pub step: Option<Name>,
    /// Whether it is the step's compensation.
    pub undo: bool,
    /// The signal's name, or what is called.
    pub name: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when at most.
    pub until: Option<Timestamp>,
}

/// All that a transaction waits for: as a whole first, then its steps in the definition's order.
pub(super) fn waiting_for<'a>(
    definition: &Definition,
    head: &Head,
    states: impl Iterator<Item = (&'a Step, Name, &'a StepState)>,
) -> Vec<WaitView> {
    if head.status.is_ended() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let whole = |kind, since, until| WaitView { kind, step: None, undo: false, name: None, since, until };
    found.extend(head.begins_at.map(|at| whole(WaitKind::Start, head.started_at, Some(at))));
    found.extend(head.paused_at.map(|at| whole(WaitKind::Resume, at, None)));
    let (mut of_steps, mut last) = (Vec::new(), head.started_at);
    for (step, name, state) in states {
        last = last.max(state.ended_at.unwrap_or(last));
        of_steps.extend(forward(step, &name, state, head));
        of_steps.extend(backward(step, &name, state, head));
    }
    if head.status == Status::Parked && head.parked_at.is_none() {
        // Its time ran out, or its output failed when its last step was over.
        let timeout = definition.timeout.filter(|_| head.timed_out);
        let from = head.started_at.max(head.beginning.start_at.unwrap_or(head.started_at));
        found.push(whole(WaitKind::Person, timeout.map_or(last, |timeout| from.plus(timeout)), None));
    }
    found.extend(of_steps);
    found
}

fn forward(step: &Step, name: &Name, state: &StepState, head: &Head) -> Option<WaitView> {
    let called = || Some(step.run.describe());
    let began = state.started_at.or(state.ready_at);
    let (kind, called, since, until) = match state.status {
        StepStatus::Ready => {
            let until = state.ready_at.map(|at| at.plus(step.queue_timeout));
            (WaitKind::Worker, called(), state.ready_at, until)
        }
        StepStatus::Dispatched => {
            (WaitKind::Answer, called(), state.wake_at.map(|at| before(at, step.timeout)), state.wake_at)
        }
        StepStatus::Backoff => (WaitKind::Retry, called(), began, state.wake_at),
        StepStatus::Waiting => match &step.run {
            Run::Signal(signal) => (WaitKind::Signal, Some(signal.name.to_string()), began, state.wake_at),
            Run::Wait(_) | Run::Worker(_) | Run::Http(_) | Run::Noop => (WaitKind::Time, None, began, state.wake_at),
        },
        StepStatus::Failed | StepStatus::Unknown if head.cause.is_none() && !step.optional => {
            (WaitKind::Person, called(), state.ended_at, None)
        }
        StepStatus::Pending
        | StepStatus::Completed
        | StepStatus::Failed
        | StepStatus::Unknown
        | StepStatus::Skipped
        | StepStatus::Cancelled => return None,
    };
    Some(WaitView { kind, step: Some(name.clone()), undo: false, name: called, since: since?, until })
}

fn backward(step: &Step, name: &Name, state: &StepState, head: &Head) -> Option<WaitView> {
    let (undo, defined) = (&state.undo, step.compensate.as_ref()?);
    let began = undo.started_at.or(undo.ready_at);
    let (kind, since, until) = match undo.status {
        UndoStatus::Ready => (WaitKind::Worker, undo.ready_at, None),
        UndoStatus::Dispatched => (WaitKind::Answer, undo.wake_at.map(|at| before(at, defined.timeout)), undo.wake_at),
        UndoStatus::Backoff => (WaitKind::Retry, began, undo.wake_at),
        UndoStatus::Failed if head.cause.is_some() && defined.on_error.parks() => {
            (WaitKind::Person, undo.ended_at, None)
        }
        UndoStatus::None | UndoStatus::Completed | UndoStatus::Failed | UndoStatus::Marked | UndoStatus::Skipped => {
            return None;
        }
    };
    let called = Some(defined.run.describe());
    Some(WaitView { kind, step: Some(name.clone()), undo: true, name: called, since: since?, until })
}

/// So long before an instant.
fn before(at: Timestamp, span: Duration) -> Timestamp {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(micros))
}
