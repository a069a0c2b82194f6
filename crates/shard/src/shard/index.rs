//! What is ready, by queue and turn, what is out, by queue, and what wakes when. Derived from the transactions in
//! memory, never counted: what is not in a transaction's state is not here, so a place at a queue can't be lost.

use super::desk::LeaseKey;
use super::line::{Line, Rank};
use crate::input::Queue;
use chancery_base::{Name, TargetId, Timestamp, TransactionId};
use chancery_engine::definition::Run;
use chancery_engine::{NodeRef, Phase, Transaction};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Where a ready step waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// For a worker.
    Queue(Queue),
    /// For nobody: it does nothing.
    Noop,
}

/// A ready step: oldest first, ties by transaction and step, so that every run has one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReadyKey {
    pub(super) since: Timestamp,
    pub(super) transaction: TransactionId,
    pub(super) node: NodeRef,
    pub(super) phase: Phase,
}

/// A ready step, where it waits.
#[derive(Debug, Clone)]
struct Waiting {
    place: Place,
    rank: Rank,
    key: ReadyKey,
}

/// What the index says of one transaction.
#[derive(Debug, Default)]
struct Placed {
    ready: Vec<Waiting>,
    /// Its attempts that are out with workers.
    out: Vec<(Name, LeaseKey)>,
    wake: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    lines: BTreeMap<Place, Line<ReadyKey>>,
    /// The attempts that are out with workers, by queue.
    out: BTreeMap<Name, BTreeSet<LeaseKey>>,
    timers: BTreeSet<(Timestamp, TransactionId)>,
    placed: HashMap<TransactionId, Placed>,
}

impl Index {
    /// Brings the index up to date with a transaction.
    pub(super) fn refresh(&mut self, transaction: &Transaction, now: Timestamp) {
        let id = transaction.id();
        let before = self.take_out(id);
        let wake = transaction.next_wake(now);
        let ready: Vec<Waiting> = transaction
            .ready(now)
            .into_iter()
            .filter_map(|ready| {
                let key = ReadyKey { since: ready.since, transaction: id, node: ready.node, phase: ready.phase };
                waiting(transaction, key, before.as_ref())
            })
            .collect();
        for Waiting { place, rank, key } in &ready {
            match self.lines.get_mut(place) {
                Some(line) => line.insert(rank, *key),
                None => self.lines.entry(place.clone()).or_default().insert(rank, *key),
            }
        }
        let out = out_of(transaction);
        for (queue, key) in &out {
            match self.out.get_mut(queue) {
                Some(keys) => {
                    keys.insert(*key);
                }
                None => {
                    self.out.insert(queue.clone(), BTreeSet::from([*key]));
                }
            }
        }
        self.timers.extend(wake.map(|at| (at, id)));
        self.sweep(before.as_ref());
        if !ready.is_empty() || !out.is_empty() || wake.is_some() {
            self.placed.insert(id, Placed { ready, out, wake });
        }
    }

    /// Has a transaction looked at now, because something came to pass while nobody looked.
    pub(super) fn look_at(&mut self, id: TransactionId, now: Timestamp) {
        let placed = self.placed.entry(id).or_default();
        if let Some(at) = placed.wake.replace(now) {
            self.timers.remove(&(at, id));
        }
        self.timers.insert((now, id));
    }

    /// Forgets a transaction.
    pub(super) fn remove(&mut self, id: TransactionId) {
        let placed = self.take_out(id);
        self.sweep(placed.as_ref());
    }

    /// Takes a transaction out, and gives what was said of it. Lines that are empty now are left to [`Index::sweep`].
    fn take_out(&mut self, id: TransactionId) -> Option<Placed> {
        let placed = self.placed.remove(&id)?;
        for Waiting { place, rank, key } in &placed.ready {
            if let Some(line) = self.lines.get_mut(place) {
                line.remove(rank, *key);
            }
        }
        for (queue, key) in &placed.out {
            if let Some(keys) = self.out.get_mut(queue) {
                keys.remove(key);
            }
        }
        if let Some(at) = placed.wake {
            self.timers.remove(&(at, id));
        }
        Some(placed)
    }

    /// Forgets where nothing of what was taken out is left.
    fn sweep(&mut self, taken: Option<&Placed>) {
        let Some(taken) = taken else { return };
        for Waiting { place, .. } in &taken.ready {
            if self.lines.get_mut(place).is_some_and(Line::sweep) {
                self.lines.remove(place);
            }
        }
        for (queue, _) in &taken.out {
            if self.out.get(queue).is_some_and(BTreeSet::is_empty) {
                self.out.remove(queue);
            }
        }
    }

    /// Transactions whose time has come, `limit` at most.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<TransactionId> {
        self.timers.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect()
    }

    /// When the next transaction wakes.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The ready step of a place whose turn it is.
    pub(super) fn next(&self, place: &Place) -> Option<ReadyKey> {
        self.lines.get(place)?.next()
    }

    /// The step whose turn it is at a place has it.
    pub(super) fn take_turn(&mut self, place: &Place) {
        if let Some(line) = self.lines.get_mut(place) {
            line.take_turn();
        }
    }

    /// The places where something is ready.
    pub(super) fn places(&self) -> Vec<Place> {
        self.lines.keys().cloned().collect()
    }

    /// How many attempts are out with workers of a queue.
    pub(super) fn out(&self, queue: &Name) -> usize {
        self.out.get(queue).map_or(0, BTreeSet::len)
    }

    /// The same for every queue with an attempt out.
    pub(super) fn all_out(&self) -> impl Iterator<Item = (&Name, usize)> {
        self.out.iter().map(|(queue, keys)| (queue, keys.len()))
    }

    /// Ready steps by queue: how many, and since when the oldest.
    pub(super) fn depths(&self) -> Vec<(Queue, usize, Option<Timestamp>)> {
        let of_queue = |(place, line): (&Place, &Line<ReadyKey>)| match place {
            Place::Queue(queue) => Some((queue.clone(), line.len(), line.oldest().map(|key| key.since))),
            Place::Noop => None,
        };
        self.lines.iter().filter_map(of_queue).collect()
    }
}

/// Where a step, its compensation or its confirm waits, and when it is its turn there. What has to be rendered for that
/// is rendered once, when its step becomes ready.
fn waiting(transaction: &Transaction, key: ReadyKey, before: Option<&Placed>) -> Option<Waiting> {
    let step = transaction.step_of(key.node)?;
    let run = step.run_of(key.phase)?;
    let is_rendered = matches!(run, Run::Http(_)) || step.fairness.is_some();
    let known = before.filter(|_| is_rendered).and_then(|before| before.ready.iter().find(|other| other.key == key));
    if let Some(known) = known {
        return Some(known.clone());
    }
    let place = match run {
        Run::Worker(name) => Place::Queue(Queue::Worker(name.clone())),
        Run::Http(_) => Place::Queue(target(transaction, key)),
        Run::Noop => Place::Noop,
    };
    let rank = Rank { priority: step.priority, key: transaction.fairness_key(key.node).map(Arc::from) };
    Some(Waiting { place, rank, key })
}

/// The attempts of a transaction that are out with workers, by their queues. One that was terminated has none, whatever
/// its workers still do.
fn out_of(transaction: &Transaction) -> Vec<(Name, LeaseKey)> {
    if transaction.status().is_settled() {
        return Vec::new();
    }
    let of_queue = |(node, phase)| match transaction.step_of(node)?.run_of(phase)? {
        Run::Worker(name) => Some((name.clone(), LeaseKey { transaction: transaction.id(), node, phase })),
        Run::Http(_) | Run::Noop => None,
    };
    transaction.out().filter_map(of_queue).collect()
}

/// The queue of a URL's origin. What has none waits for the caller all the same, which says what is wrong with it.
fn target(transaction: &Transaction, key: ReadyKey) -> Queue {
    let url = transaction.url(key.node, key.phase);
    url.as_deref().and_then(TargetId::of_url).map_or(Queue::AnyHttp, Queue::Http)
}
