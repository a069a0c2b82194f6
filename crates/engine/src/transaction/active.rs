//! The nodes at which something is or may be going on, so that an event costs what is active and not what has been.
//!
//! What the set says of a node is a function of its step and its state ([`Keys::of`]). [`Transaction::touch`] takes a
//! node out before its state is changed, and [`Transaction::place_touched`] puts it back; nobody else writes here.

use super::Transaction;
use super::faults::Delays;
use super::nodes::{Node, look};
use crate::definition::{CompensationPolicy, Step, StepIndex};
use crate::node::NodeRef;
use crate::state::StepState;
use crate::status::{Phase, StepStatus, UndoStatus};
use chancery_base::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What is or may be going on at a node, and by what the nodes of a class are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It waits for a worker, since then.
    Ready,
    /// The shard carries it out itself, as soon as it comes to it: ready since then.
    Inline,
    /// Its next attempt waits for that time: after one that failed, or for a fault that delays it.
    Backoff,
    /// It is out, until then.
    Out,
    /// Its child runs.
    Child,
    /// It waits for a time, for its next round, or for people who were asked, until then.
    Waiting,
    /// It waits for a signal, until then.
    Signal,
    /// It waits no more, and people are asked still.
    Asked,
    /// Its compensation, or its confirm, waits for a worker, since then.
    UndoReady,
    /// The same of its compensation.
    UndoBackoff,
    /// Its compensation is out, until then.
    UndoOut,
    /// Its child undoes what it did.
    UndoChild,
    /// It took effect, or may have, and its compensation has not begun: by what comes last in the order of undoing.
    ToUndo,
    /// It failed for good, and nothing goes on without it.
    Stuck,
    /// Its compensation failed for good, and only a person can have it go on: in the order of completion.
    UndoStuck,
    /// It is a pivot that took effect (0), or may have (1).
    Pivot,
}

const CLASSES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    class: Class,
    /// What waits within a window of its own is apart from all else: [`window_of`].
    window: u32,
    rank: i64,
    node: NodeRef,
}

/// The active nodes of a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Active {
    keys: BTreeSet<Key>,
    counts: [usize; CLASSES],
    /// Nodes for which what comes after them has to wait.
    unfinished: usize,
    /// The clones of each step that fanned out.
    fans: BTreeMap<StepIndex, Fan>,
}

/// The clones of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fan {
    /// Of the step itself; none: the transaction's.
    concurrency: Option<u32>,
    unfinished: usize,
    out: usize,
    /// When the last of them began.
    moved_at: Option<Timestamp>,
}

/// What the set says of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keys {
    node: NodeRef,
    found: [Option<(Class, i64)>; 2],
    is_finished: bool,
    is_out: bool,
    began_at: Option<Timestamp>,
    concurrency: Option<u32>,
}

impl Keys {
    fn of(
        node: NodeRef,
        step: &Step,
        state: &StepState,
        policy: CompensationPolicy,
        (closing, delays): (Phase, Delays),
    ) -> Self {
        // A step as a whole is not handed out, and takes effect by its clones.
        let fans_out = step.each.is_some() && node.clone == 0;
        let forward = match state.status {
            StepStatus::Ready if fans_out => None,
            StepStatus::Cancelled | StepStatus::Unknown if state.open_request().is_some() => Some((Class::Asked, 0)),
            // What people approved is ready again from when they did.
            StepStatus::Ready | StepStatus::Backoff if step.run.is_inline() => {
                Some((Class::Inline, rank(state.queued_since())))
            }
            StepStatus::Ready => Some(queued((Class::Ready, Class::Backoff), state.ready_at, delays.forward)),
            StepStatus::Backoff => Some(queued((Class::Backoff, Class::Backoff), state.wake_at, delays.forward)),
            // A child has a time of its own, or none.
            StepStatus::Dispatched if step.run.child().is_some() => Some((Class::Child, 0)),
            StepStatus::Dispatched => Some((Class::Out, rank(state.wake_at))),
            StepStatus::Waiting => {
                let class = if step.signal().is_some() { Class::Signal } else { Class::Waiting };
                Some((class, state.wake_at.map_or(i64::MAX, Timestamp::as_micros)))
            }
            StepStatus::Failed | StepStatus::Unknown if !step.optional => Some((Class::Stuck, 0)),
            StepStatus::Pending
            | StepStatus::Expanded
            | StepStatus::Completed
            | StepStatus::Failed
            | StepStatus::Unknown
            | StepStatus::Skipped
            | StepStatus::Cancelled => None,
        };
        // A pivot has no compensation.
        let effect = if step.pivot { pivot_key(state) } else { undo_key(step, state, policy, (closing, delays)) };
        Self {
            node,
            found: [forward, effect.filter(|_| !fans_out)],
            is_finished: is_finished(step, state),
            is_out: state.status == StepStatus::Dispatched,
            began_at: state.started_at,
            concurrency: step.each.as_ref().and_then(|each| each.concurrency),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Key> {
        let Self { node, concurrency, .. } = *self;
        self.found.iter().flatten().map(move |(class, rank)| {
            let window = match class {
                Class::Ready | Class::Backoff if concurrency.is_some() => window_of(node.step),
                Class::Ready
                | Class::Inline
                | Class::Backoff
                | Class::Out
                | Class::Child
                | Class::Waiting
                | Class::Signal
                | Class::Asked
                | Class::UndoReady
                | Class::UndoBackoff
                | Class::UndoOut
                | Class::UndoChild
                | Class::ToUndo
                | Class::Stuck
                | Class::UndoStuck
                | Class::Pivot => SHARED,
            };
            Key { class: *class, window, rank: *rank, node }
        })
    }
}

fn pivot_key(state: &StepState) -> Option<(Class, i64)> {
    state.took_effect().then_some((Class::Pivot, i64::from(state.status == StepStatus::Unknown)))
}

fn undo_key(
    step: &Step,
    state: &StepState,
    policy: CompensationPolicy,
    (closing, delays): (Phase, Delays),
) -> Option<(Class, i64)> {
    let undo = step.compensate.as_ref().filter(|_| state.took_effect())?;
    let order = state.ended_n.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
    match state.undo.status {
        UndoStatus::None => match policy {
            CompensationPolicy::GroupedParallel => Some((Class::ToUndo, i64::from(step.layer))),
            CompensationPolicy::StrictSequential
            | CompensationPolicy::RetryWithBackoff
            | CompensationPolicy::CircuitBreaker
            | CompensationPolicy::BestEffortParallel => Some((Class::ToUndo, order)),
        },
        UndoStatus::Ready => Some(queued((Class::UndoReady, Class::UndoBackoff), state.undo.ready_at, delays.closing)),
        UndoStatus::Backoff => {
            Some(queued((Class::UndoBackoff, Class::UndoBackoff), state.undo.wake_at, delays.closing))
        }
        UndoStatus::Dispatched if step.recalls_child() => Some((Class::UndoChild, 0)),
        UndoStatus::Dispatched => Some((Class::UndoOut, rank(state.undo.wake_at))),
        UndoStatus::Failed if closing == Phase::Confirm || undo.on_error.parks() => Some((Class::UndoStuck, order)),
        UndoStatus::Failed | UndoStatus::Completed | UndoStatus::Marked | UndoStatus::Skipped => None,
    }
}

/// Whether what comes after the step may begin.
pub(super) const fn is_finished(step: &Step, state: &StepState) -> bool {
    match state.status {
        StepStatus::Completed | StepStatus::Skipped => true,
        StepStatus::Failed | StepStatus::Unknown => step.optional,
        StepStatus::Pending
        | StepStatus::Ready
        | StepStatus::Dispatched
        | StepStatus::Backoff
        | StepStatus::Waiting
        | StepStatus::Expanded
        | StepStatus::Cancelled => false,
    }
}

/// The window of all that has none of its own.
pub(super) const SHARED: u32 = 0;

/// The window of a step's clones.
pub(super) const fn window_of(step: StepIndex) -> u32 {
    step.0.saturating_add(1)
}

/// What waits for a worker, or where a fault delays it, for the time from which it does.
fn queued((class, late): (Class, Class), since: Option<Timestamp>, delay: Duration) -> (Class, i64) {
    match since.filter(|_| !delay.is_zero()) {
        Some(since) => (late, since.plus(delay).as_micros()),
        None => (class, rank(since)),
    }
}

/// What has no time of its own comes before what has.
fn rank(at: Option<Timestamp>) -> i64 {
    at.map_or(i64::MIN, Timestamp::as_micros)
}

impl Active {
    fn add(&mut self, keys: &Keys) {
        self.unfinished += usize::from(!keys.is_finished);
        if keys.node.clone > 0 {
            let fan = self.fans.entry(keys.node.step).or_default();
            fan.concurrency = keys.concurrency;
            fan.unfinished += usize::from(!keys.is_finished);
            fan.out += usize::from(keys.is_out);
            fan.moved_at = fan.moved_at.max(keys.began_at);
        }
        for key in keys.iter() {
            look();
            *self.count_mut(key.class) += 1;
            self.keys.insert(key);
        }
    }

    fn take(&mut self, keys: &Keys) {
        self.unfinished -= usize::from(!keys.is_finished);
        if let Some(fan) = self.fans.get_mut(&keys.node.step).filter(|_| keys.node.clone > 0) {
            fan.unfinished -= usize::from(!keys.is_finished);
            fan.out -= usize::from(keys.is_out);
        }
        for key in keys.iter() {
            look();
            *self.count_mut(key.class) -= 1;
            self.keys.remove(&key);
        }
    }

    /// How many there are of a class.
    #[expect(clippy::indexing_slicing, reason = "there are as many counts as classes")]
    pub(super) const fn count(&self, class: Class) -> usize {
        self.counts[class as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "there are as many counts as classes")]
    const fn count_mut(&mut self, class: Class) -> &mut usize {
        &mut self.counts[class as usize]
    }

    /// Whether there is one of these classes.
    pub(super) fn any(&self, classes: &[Class]) -> bool {
        classes.iter().any(|class| self.count(*class) > 0)
    }

    /// Whether every node lets what comes after it go on.
    pub(super) const fn is_finished(&self) -> bool {
        self.unfinished == 0
    }

    /// Whether every clone of a step lets what comes after the step go on.
    pub(super) fn are_finished(&self, step: StepIndex) -> bool {
        self.fans.get(&step).is_none_or(|fan| fan.unfinished == 0)
    }

    /// When the last of the clones began that a node is one of.
    pub(super) fn moved_at(&self, node: NodeRef) -> Option<Timestamp> {
        self.fans.get(&node.step).filter(|_| node.clone > 0)?.moved_at
    }

    /// The windows in which clones may wait, and how many more of each may be out.
    pub(super) fn windows(&self) -> impl Iterator<Item = (u32, usize)> {
        self.fans.iter().filter(|(_, fan)| fan.unfinished > 0).filter_map(|(step, fan)| {
            let most = usize::try_from(fan.concurrency?).unwrap_or(usize::MAX);
            Some((window_of(*step), most.saturating_sub(fan.out)))
        })
    }

    /// Those of a class that wait for no window of their own and whose rank lies within, the lowest first.
    pub(super) fn of(
        &self,
        class: Class,
        ranks: RangeInclusive<i64>,
    ) -> impl DoubleEndedIterator<Item = (i64, NodeRef)> {
        self.within(class, SHARED, ranks)
    }

    /// The same of a window.
    pub(super) fn within(
        &self,
        class: Class,
        window: u32,
        ranks: RangeInclusive<i64>,
    ) -> impl DoubleEndedIterator<Item = (i64, NodeRef)> {
        // Most transactions have none of most classes.
        let keys = (self.count(class) > 0).then(|| {
            let (first, last) = (*ranks.start(), *ranks.end());
            let first = Key { class, window, rank: first, node: NodeRef::MIN };
            self.keys.range(first..=Key { class, window, rank: last, node: NodeRef::MAX })
        });
        keys.into_iter().flatten().inspect(|_| look()).map(|key| (key.rank, key.node))
    }

    /// All of a class, the lowest rank first.
    pub(super) fn all(&self, class: Class) -> impl DoubleEndedIterator<Item = (i64, NodeRef)> {
        self.of(class, i64::MIN..=i64::MAX)
    }

    /// The first of a class whose time has come.
    pub(super) fn due(&self, class: Class, now: Timestamp) -> Option<NodeRef> {
        self.of(class, i64::MIN..=now.as_micros()).next().map(|(_, node)| node)
    }

    /// The first time of a class that comes after `past`.
    pub(super) fn next(&self, class: Class, past: Option<Timestamp>) -> Option<Timestamp> {
        let from = past.map_or(i64::MIN, |past| past.as_micros().saturating_add(1));
        let own = self.windows().filter(|_| class == Class::Backoff).map(|(window, _)| window);
        let first = |window| self.within(class, window, from..=i64::MAX).next().map(|(at, _)| at);
        std::iter::once(SHARED).chain(own).filter_map(first).min().map(Timestamp::from_micros)
    }
}

impl Transaction {
    fn keys_of(&self, node: &Node) -> Option<Keys> {
        let closing = self.head.closing(&node.state);
        let (step, delays) = (self.step_of(node.at)?, self.delays(node.at, &node.state));
        Some(Keys::of(node.at, step, &node.state, self.definition.compensation, (closing, delays)))
    }

    /// A node's state, to be changed: its row is to be written, and the active set no longer knows it.
    pub(super) fn touch(&mut self, at: NodeRef) -> &mut StepState {
        self.touched.insert(at);
        let keys = self.nodes.get(at).filter(|node| node.is_placed).and_then(|node| self.keys_of(node));
        if let Some(keys) = keys {
            self.active.take(&keys);
            self.displaced.push(at);
        }
        let node = self.nodes.node_mut(at);
        node.is_placed = false;
        &mut node.state
    }

    /// Has the active set know again what was touched.
    pub(super) fn place_touched(&mut self) {
        while let Some(at) = self.displaced.pop() {
            self.place(at);
        }
    }

    /// Has the active set know every node.
    pub(super) fn place_all(&mut self) {
        self.displaced.extend(self.nodes.iter().map(|node| node.at));
        self.place_touched();
    }

    fn place(&mut self, at: NodeRef) {
        let keys = self.nodes.get(at).filter(|node| !node.is_placed).and_then(|node| self.keys_of(node));
        if let Some(keys) = keys {
            self.active.add(&keys);
            self.nodes.node_mut(at).is_placed = true;
        }
    }
}

#[cfg(test)]
mod tests;
