//! What `concurrency` leaves room for, and how long that waits for a worker.
//!
//! A step's `queue_timeout` counts while a worker might take it. Where `concurrency` leaves no place nobody may, so what
//! waits begins to wait for a worker when there is a place: the head says since when there is one again. Of the
//! clones of a step each that begins lets the others move up, and their time begins anew: there is a worker, and it takes
//! one after the other. Of what waits those alone are asked that are handed out next; what is behind other steps that no
//! worker takes shares their time.

use super::active::{Class, SHARED, window_of};
use super::{Ready, Transaction};
use crate::definition::{Definition, Step};
use crate::fault::Fault;
use crate::node::NodeRef;
use crate::state::{Head, StepState};
use crate::status::{Phase, Status, StepStatus};
use chancery_base::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a transaction has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What can be handed out, what waits longest first.
    pub ready: Vec<Ready>,
    /// When it next needs a look though nothing arrives.
    pub wake: Option<Timestamp>,
}

impl Transaction {
    /// What can be handed out at `now`, what waits longest first, as far as `concurrency` allows.
    pub fn ready(&self, now: Timestamp) -> Vec<Ready> {
        self.next().map_or_else(Vec::new, |next| self.ready_of(next, now))
    }

    /// What can be handed out at `now`, and when it needs a look though nothing arrives: at once where something is
    /// overdue. One look at all that waits answers both.
    #[must_use]
    pub fn look(&self, now: Timestamp) -> Look {
        let next = self.next();
        let queue_end = next.as_deref().and_then(|next| self.first_queue_end(next));
        let wake = if self.is_late(now, queue_end) { Some(now) } else { self.wake_after(Some(now), queue_end) };
        Look { ready: next.map_or_else(Vec::new, |next| self.ready_of(next, now)), wake }
    }

    /// What is handed out next, whenever that is; none where nothing is.
    fn next(&self) -> Option<Vec<Ready>> {
        match self.head.status {
            Status::Running | Status::Confirming | Status::Compensating if !self.moves() => None,
            Status::Running => Some(self.in_room(true)),
            Status::Confirming | Status::Compensating => Some(self.in_room(false)),
            Status::Parked
            | Status::Completed
            | Status::Compensated
            | Status::Failed
            | Status::Cancelled
            | Status::Terminated => None,
        }
    }

    /// What of it can be at `now`: what comes later is behind it.
    fn ready_of(&self, mut next: Vec<Ready>, now: Timestamp) -> Vec<Ready> {
        next.truncate(next.partition_point(|ready| ready.since <= now));
        self.add_inline(&mut next, now);
        next
    }

    /// What waits, in order, as far as there is room. It is the same at any later time, but for what began to wait since.
    fn in_room(&self, goes_forward: bool) -> Vec<Ready> {
        let classes =
            if goes_forward { [Class::Ready, Class::Backoff] } else { [Class::UndoReady, Class::UndoBackoff] };
        let room = self.room(goes_forward);
        let mut ready = self.waiting(classes, goes_forward, (SHARED, room));
        let windows = self.active.windows().filter(|_| goes_forward);
        let shared = ready.len();
        for (window, free) in windows {
            ready.extend(self.waiting(classes, goes_forward, (window, free.min(room))));
        }
        if ready.len() > shared {
            ready.sort_unstable();
            ready.truncate(room);
        }
        ready
    }

    /// How many more may be out.
    fn room(&self, goes_forward: bool) -> usize {
        let out = if goes_forward { [Class::Out, Class::Child] } else { [Class::UndoOut, Class::UndoChild] };
        let most = usize::try_from(self.definition.concurrency).unwrap_or(usize::MAX);
        most.saturating_sub(out.iter().map(|class| self.active.count(*class)).sum())
    }

    /// What waits in a window, as far as there is room in it.
    fn waiting(&self, [waiting, again]: [Class; 2], goes_forward: bool, (window, room): (u32, usize)) -> Vec<Ready> {
        let found = |class| {
            let due = self.active.within(class, window, i64::MIN..=i64::MAX).take(room);
            let phase = move |node| if goes_forward { Phase::Do } else { self.closing(node) };
            due.map(move |(since, node)| Ready { since: Timestamp::from_micros(since), node, phase: phase(node) })
        };
        let mut ready: Vec<Ready> = found(waiting).collect();
        if self.active.count(again) > 0 {
            ready.extend(found(again));
            ready.sort_unstable();
            ready.truncate(room);
        }
        ready
    }

    /// When the first of what is next has waited for a worker too long: the first of each step, for what comes behind
    /// it began to wait later.
    pub(super) fn first_queue_end(&self, next: &[Ready]) -> Option<Timestamp> {
        let (mut seen, mut last, mut first) = (BTreeSet::new(), None, None);
        for ready in next {
            let step = ready.node.step;
            if last == Some(step) || seen.contains(&step) {
                continue;
            }
            if let Some(end) = self.queue_end_of(ready) {
                (last, first) = (Some(step), Some(first.map_or(end, |first| end.min(first))));
                seen.insert(step);
            }
        }
        first
    }

    /// The same of what it is that is next.
    pub(super) fn next_queue_end(&self) -> Option<Timestamp> {
        self.first_queue_end(&self.next()?)
    }

    /// When one that is next has waited for a worker too long; none if it waits for none.
    fn queue_end_of(&self, Ready { since, node, .. }: &Ready) -> Option<Timestamp> {
        let step = self.step_of(*node).filter(|step| self.head.status == Status::Running && waits_for_worker(step))?;
        self.state(*node)?.queued_since()?;
        Some(queue_end(&self.head, (*node, step), *since, self.active.moved_at(*node)))
    }

    const fn may_go_forward(&self) -> bool {
        matches!(self.head.status, Status::Running | Status::Parked)
    }

    /// Has no wait for a worker or a driver be over before then: until now there was nobody whom they could ask.
    pub fn hold(&mut self, until: Timestamp) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// Whether no wait for a worker or a driver is over yet, however long it was.
    pub(super) fn is_held(&self, now: Timestamp) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// The windows that have no place.
    pub(super) fn full_windows(&self) -> Vec<u32> {
        if !self.may_go_forward() {
            return Vec::new();
        }
        let own = self.active.windows().filter(|(_, free)| *free == 0).map(|(window, _)| window);
        (self.room(true) == 0).then_some(SHARED).into_iter().chain(own).collect()
    }

    /// Notes since when there is room where there was none before.
    pub(super) fn note_room(&mut self, were_full: &[u32], now: Timestamp) {
        if were_full.is_empty() && self.head.room_since.is_empty() {
            return;
        }
        // Each list is in the order of the windows, and the shared one is the first.
        let has = |windows: &[u32], window: u32| windows.binary_search(&window).is_ok();
        let are_full = self.full_windows();
        let own: Vec<u32> = self.active.windows().map(|(window, _)| window).collect();
        let goes_forward = self.may_go_forward();
        let waits = |window: u32| goes_forward && (window == SHARED || has(&own, window));
        let freed = were_full.iter().copied().filter(|window| !has(&are_full, *window) && waits(*window));
        let freed: Vec<u32> = freed.collect();
        self.head.room_since.retain(|(window, _)| waits(*window) && !has(&freed, *window));
        self.head.room_since.extend(freed.into_iter().map(|window| (window, now)));
        self.head.room_since.sort_unstable();
    }

    /// The next that has waited for a worker too long. `found` is what had when that was looked for last, the first at
    /// its end.
    pub(super) fn next_unserved(&self, now: Timestamp, found: &mut Vec<NodeRef>) -> Option<NodeRef> {
        let waits = self.head.status == Status::Running && self.moves();
        while let Some(node) = found.pop() {
            // Another's failure may have ended its wait.
            if waits && self.state(node).is_some_and(|state| state.queued_since().is_some()) {
                return Some(node);
            }
        }
        if self.is_held(now) {
            return None;
        }
        let next = self.next().unwrap_or_default();
        let end = |ready: &Ready| Some((self.queue_end_of(ready).filter(|at| *at <= now)?, ready.node));
        let mut due: Vec<_> = next.iter().filter_map(end).collect();
        due.sort_unstable_by(|a, b| b.cmp(a));
        found.extend(due.into_iter().map(|(_, node)| node));
        found.pop()
    }
}

/// Nobody is waited for by what the shard does itself, nor by what runs a transaction.
fn waits_for_worker(step: &Step) -> bool {
    step.run.child().is_none() && !step.run.is_inline()
}

/// When a step that waits since then has waited for a worker too long, where its siblings began so far.
fn queue_end(head: &Head, (node, step): (NodeRef, &Step), since: Timestamp, moved_at: Option<Timestamp>) -> Timestamp {
    let own = own_window(node, step).map(|(window, _)| window);
    let is_of = |window: u32| window == SHARED || Some(window) == own;
    let rooms = head.room_since.iter().filter(|(window, _)| is_of(*window));
    let since = rooms.map(|(_, at)| *at).chain(moved_at).fold(since, Timestamp::max);
    since.plus(step.queue_timeout)
}

/// The window that a clone has of its own, and how many may be out there.
fn own_window(node: NodeRef, step: &Step) -> Option<(u32, usize)> {
    let most = step.each.as_ref()?.concurrency?;
    Some((window_of(node.step), usize::try_from(most).unwrap_or(usize::MAX)))
}

/// When the steps that a worker may take next have waited for one too long, of a transaction that goes forward, from
/// its rows. Those for which `concurrency` leaves no place are not there.
#[must_use]
pub fn queue_ends<'a>(
    definition: &Definition,
    head: &Head,
    nodes: impl Iterator<Item = (NodeRef, &'a Step, &'a StepState)>,
) -> BTreeMap<NodeRef, Timestamp> {
    let mut room = usize::try_from(definition.concurrency).unwrap_or(usize::MAX);
    // Of clones by their steps: how many are out, and when the last one began.
    let (mut out, mut moved_at) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, Option<Timestamp>>::new());
    let mut waiting = Vec::new();
    for (node, step, state) in nodes {
        if node.clone > 0 {
            let last = moved_at.entry(node.step).or_default();
            *last = state.started_at.max(*last);
        }
        let is_whole = step.each.is_some() && node.clone == 0;
        if state.status == StepStatus::Dispatched {
            room = room.saturating_sub(1);
            *out.entry(node.step).or_default() += 1;
        } else if let Some(since) = state.queued_since().filter(|_| !is_whole && !step.run.is_inline()) {
            let faults = &head.beginning.faults;
            let delay = |name: &str| Fault::delay_of(faults, (step.id.as_str(), name), Phase::Do, state.attempts + 1);
            let delay = if faults.is_empty() { Duration::ZERO } else { delay(&node.name(&step.id)) };
            waiting.push((since.plus(delay), node, step));
        }
    }
    waiting.sort_unstable_by_key(|(since, node, _)| (*since, *node));
    waiting.retain(|(_, node, step)| {
        let Some((_, most)) = own_window(*node, step) else { return true };
        let out = out.entry(node.step).or_default();
        *out += 1;
        *out <= most
    });
    let next = waiting.into_iter().take(room).filter(|(_, _, step)| waits_for_worker(step));
    let moved_at = |node: NodeRef| moved_at.get(&node.step).filter(|_| node.clone > 0).copied().flatten();
    next.map(|(since, node, step)| (node, queue_end(head, (node, step), since, moved_at(node)))).collect()
}
