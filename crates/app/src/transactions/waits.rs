//! What a transaction waits for: every wait says since when.

use chancery_base::Timestamp;
use chancery_base::limits::WAITS_SHOWN_MAX;
use chancery_engine::definition::{Definition, Run, Step};
use chancery_engine::{Fault, Head, NodeRef, Phase, Status, StepState, StepStatus, UndoStatus, queue_ends};
use std::time::Duration;

/// Characters of a URL that a wait names.
const URL_CHARS_SHOWN: usize = 120;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// That its start comes.
    Start,
    /// That somebody has it go on.
    Resume,
    /// That the driver of an open transaction says something.
    Driver,
    /// That a person looks at what failed.
    Person,
    /// A time.
    Time,
    /// A signal.
    Signal,
    /// People who were asked.
    Request,
    /// The time of the next attempt.
    Retry,
    /// The end of a delay that the start asked for.
    Delay,
    /// The time of the next round of a step that polls.
    Round,
    /// A worker that takes it.
    Worker,
    /// Room at the target of an HTTP call: its rate, its bulkhead, its circuit breaker.
    Target,
    /// The answer of an attempt that is out.
    Answer,
    /// A child, which runs, undoes what it did, or waits for a person itself.
    Child,
}

impl WaitKind {
    /// The word for it on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Driver => "driver",
            Self::Person => "person",
            Self::Time => "time",
            Self::Signal => "signal",
            Self::Request => "request",
            Self::Retry => "retry",
            Self::Delay => "delay",
            Self::Round => "round",
            Self::Worker => "worker",
            Self::Target => "target",
            Self::Answer => "answer",
            Self::Child => "child",
        }
    }
}

/// Something that a transaction waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitView {
    /// What.
    pub kind: WaitKind,
    /// The step that waits, if it is one, or the clone: `ship[3]`.
    pub step: Option<String>,
    /// Whether it is the step, its compensation or its confirm.
    pub phase: Phase,
    /// The signal's name, the request's id, or what is called.
    pub name: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when at most.
    pub until: Option<Timestamp>,
}

/// What a transaction waits for, [`WAITS_SHOWN_MAX`] at most: as a whole first, then its steps and their clones in
/// their order. What fanned out waits for nothing but its clones.
pub(super) fn waiting_for<'a>(
    definition: &Definition,
    head: &Head,
    nodes: impl Iterator<Item = (NodeRef, &'a Step, &'a StepState)> + Clone,
) -> Vec<WaitView> {
    if head.status.is_ended() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let whole = |kind, since, until| WaitView { kind, step: None, phase: Phase::Do, name: None, since, until };
    found.extend(head.begins_at.map(|at| whole(WaitKind::Start, head.started_at, Some(at))));
    found.extend(head.paused_at.map(|at| whole(WaitKind::Resume, at, None)));
    if let (Some(open), Some(frame), Status::Running) = (head.open, &definition.frame, head.status) {
        // While it is paused, or people are asked, its driver is not lost.
        let rests = head.paused_at.is_some() || nodes.clone().any(|(.., state)| state.open_request().is_some());
        let until = (!rests).then(|| open.heard_at.plus(frame.grace));
        found.push(whole(WaitKind::Driver, open.heard_at, until));
    }
    let ends = queue_ends(definition, head, nodes.clone());
    let (mut of_steps, mut last) = (Vec::new(), head.started_at);
    for (node, step, state) in nodes {
        last = last.max(state.ended_at.unwrap_or(last));
        if of_steps.len() < WAITS_SHOWN_MAX {
            of_steps.extend(forward(node, step, state, (head, ends.get(&node).copied())));
            of_steps.extend(closing(node, step, state, head));
        }
    }
    if head.status == Status::Parked && head.parked_at.is_none() {
        // Its time ran out, or its output failed when its last step was over.
        let timeout = definition.timeout.filter(|_| head.timed_out);
        let from = head.started_at.max(head.beginning.start_at.unwrap_or(head.started_at));
        found.push(whole(WaitKind::Person, timeout.map_or(last, |timeout| from.plus(timeout)), None));
    }
    found.extend(of_steps);
    found.truncate(WAITS_SHOWN_MAX);
    found
}

fn forward(
    node: NodeRef,
    step: &Step,
    state: &StepState,
    (head, queue_end): (&Head, Option<Timestamp>),
) -> Option<WaitView> {
    // What the driver of an open transaction calls is its own affair; what for, it has said.
    let is_driven = head.open.is_some();
    let name = || Some(if is_driven { format!("action {}", step.action) } else { called(&step.run) });
    let began = state.started_at.or(state.ready_at);
    let (kind, name, since, until) = match state.status {
        StepStatus::Ready if step.run.child().is_some() => (WaitKind::Child, name(), state.ready_at, None),
        // Nobody is waited for: its turn comes in this shard.
        StepStatus::Ready if step.run.is_inline() => return None,
        // Where `concurrency` has no place for it, its time for a worker has not begun.
        StepStatus::Ready => (taker(&step.run), name(), state.ready_at, queue_end),
        StepStatus::Dispatched if step.run.child().is_some() => {
            (WaitKind::Child, state.child.map(|child| child.to_string()), began, None)
        }
        StepStatus::Dispatched => {
            (WaitKind::Answer, name(), state.wake_at.map(|at| before(at, step.timeout)), state.wake_at)
        }
        StepStatus::Backoff => (WaitKind::Retry, name(), began, state.wake_at),
        StepStatus::Waiting if state.open_request().is_some() => {
            let request = state.open_request();
            let id = request.map(|request| request.id.to_string());
            (WaitKind::Request, id, request.map(|request| request.opened_at), request.map(|request| request.due_at))
        }
        StepStatus::Waiting => match (&step.run, &step.poll) {
            (_, Some(poll)) => (WaitKind::Round, name(), state.wake_at.map(|at| before(at, poll.every)), state.wake_at),
            (Run::Signal(signal), None) => (WaitKind::Signal, Some(signal.name.to_string()), began, state.wake_at),
            (
                Run::Wait(_)
                | Run::Worker(_)
                | Run::Http(_)
                | Run::Noop
                | Run::Request(_)
                | Run::Transaction(_)
                | Run::Decide(_)
                | Run::Emit(_),
                None,
            ) => (WaitKind::Time, None, began, state.wake_at),
        },
        StepStatus::Failed | StepStatus::Unknown if head.cause.is_none() && !step.optional => {
            (WaitKind::Person, name(), state.ended_at, None)
        }
        StepStatus::Pending
        | StepStatus::Expanded
        | StepStatus::Completed
        | StepStatus::Failed
        | StepStatus::Unknown
        | StepStatus::Skipped
        | StepStatus::Cancelled => return None,
    };
    let view = WaitView { kind, step: Some(node.name(&step.id)), phase: Phase::Do, name, since: since?, until };
    Some(delayed(view, step, state.queued_since(), (head, state.attempts)))
}

/// What a fault delays waits for no worker yet.
fn delayed(view: WaitView, step: &Step, queued: Option<Timestamp>, (head, attempts): (&Head, u32)) -> WaitView {
    let faults = &head.beginning.faults;
    let (Some(queued), Some(name), false) = (queued, &view.step, faults.is_empty()) else { return view };
    let delay = Fault::delay_of(faults, (step.id.as_str(), name), view.phase, attempts.saturating_add(1));
    if delay.is_zero() { view } else { WaitView { kind: WaitKind::Delay, until: Some(queued.plus(delay)), ..view } }
}

/// A compensation, or a participant's confirm.
fn closing(node: NodeRef, step: &Step, state: &StepState, head: &Head) -> Option<WaitView> {
    let (undo, phase) = (&state.undo, head.closing(state));
    let (timeout, parks) = match phase {
        Phase::Confirm => (step.confirm.as_ref()?.timeout, true),
        Phase::Do | Phase::Undo => {
            let defined = step.compensate.as_ref()?;
            (defined.timeout, defined.on_error.parks())
        }
    };
    let began = undo.started_at.or(undo.ready_at);
    let recalls = phase == Phase::Undo && step.recalls_child();
    let (kind, since, until) = match undo.status {
        UndoStatus::Ready if recalls => (WaitKind::Child, undo.ready_at, None),
        UndoStatus::Dispatched if recalls => (WaitKind::Child, began, None),
        UndoStatus::Ready if step.run_of(phase).is_some_and(Run::is_inline) => return None,
        UndoStatus::Ready => (step.run_of(phase).map_or(WaitKind::Worker, taker), undo.ready_at, None),
        UndoStatus::Dispatched => (WaitKind::Answer, undo.wake_at.map(|at| before(at, timeout)), undo.wake_at),
        UndoStatus::Backoff => (WaitKind::Retry, began, undo.wake_at),
        UndoStatus::Failed if parks => (WaitKind::Person, undo.ended_at, None),
        UndoStatus::None | UndoStatus::Completed | UndoStatus::Failed | UndoStatus::Marked | UndoStatus::Skipped => {
            return None;
        }
    };
    let name = match state.child.filter(|_| kind == WaitKind::Child) {
        Some(child) => Some(child.to_string()),
        None => step.run_of(phase).map(called),
    };
    let view = WaitView { kind, step: Some(node.name(&step.id)), phase, name, since: since?, until };
    let queued = match undo.status {
        UndoStatus::Ready => undo.ready_at,
        UndoStatus::Backoff => undo.wake_at,
        UndoStatus::None
        | UndoStatus::Dispatched
        | UndoStatus::Completed
        | UndoStatus::Failed
        | UndoStatus::Marked
        | UndoStatus::Skipped => None,
    };
    Some(delayed(view, step, queued, (head, undo.attempts)))
}

/// Who takes what is ready.
const fn taker(run: &Run) -> WaitKind {
    if matches!(run, Run::Http(_)) { WaitKind::Target } else { WaitKind::Worker }
}

/// What is called, in a few words: of a URL what is known before its expressions are.
fn called(run: &Run) -> String {
    let Run::Http(http) = run else { return run.describe() };
    let (url, is_all) = http.url.begins();
    let shown: String = url.chars().take(URL_CHARS_SHOWN).collect();
    let rest = if is_all && shown.len() == url.len() { "" } else { "…" };
    format!("{} {shown}{rest}", run.describe())
}

/// So long before an instant.
fn before(at: Timestamp, span: Duration) -> Timestamp {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(micros))
}
