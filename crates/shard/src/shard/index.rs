//! What is ready, by queue and age, and what wakes when. Derived from the transactions in memory, never counted.

use crate::input::Queue;
use chancery_base::{TargetId, Timestamp, TransactionId};
use chancery_engine::definition::Run;
use chancery_engine::{NodeRef, Phase, Ready, Transaction};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

#[derive(Debug, Default)]
struct Placed {
    ready: Vec<(Place, ReadyKey)>,
    wake: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    ready: BTreeMap<Place, BTreeSet<ReadyKey>>,
    timers: BTreeSet<(Timestamp, TransactionId)>,
    /// Of those that are not in memory.
    asleep: BTreeSet<(Timestamp, TransactionId)>,
    placed: HashMap<TransactionId, Placed>,
}

impl Index {
    /// Brings the index up to date with a transaction.
    pub(super) fn refresh(&mut self, transaction: &Transaction, now: Timestamp) {
        let id = transaction.id();
        // What has come and was not dealt with is for the next batch.
        let wake = if transaction.is_overdue(now) { Some(now) } else { transaction.next_wake(now) };
        let ready = transaction.ready(now);
        let placed = self.placed.remove(&id).unwrap_or_default();
        if placed.wake != wake {
            self.timers.extend(wake.map(|at| (at, id)));
            if let Some(at) = placed.wake {
                self.timers.remove(&(at, id));
            }
        }
        // Much may be ready, of which one event changes little.
        let mut before = placed.ready.into_iter().peekable();
        let mut after = Vec::with_capacity(ready.len());
        for Ready { since, node, phase } in ready {
            let key = ReadyKey { since, transaction: id, node, phase };
            while let Some((place, gone)) = before.next_if(|(_, other)| *other < key) {
                self.take_out(&place, &gone);
            }
            if let Some(same) = before.next_if(|(_, other)| *other == key) {
                after.push(same);
            } else if let Some(place) = place(transaction, key) {
                self.put_in(&place, key);
                after.push((place, key));
            }
        }
        for (place, gone) in before {
            self.take_out(&place, &gone);
        }
        if !after.is_empty() || wake.is_some() {
            self.placed.insert(id, Placed { ready: after, wake });
        }
    }

    fn put_in(&mut self, place: &Place, key: ReadyKey) {
        match self.ready.get_mut(place) {
            Some(keys) => {
                keys.insert(key);
            }
            None => {
                self.ready.insert(place.clone(), BTreeSet::from([key]));
            }
        }
    }

    fn take_out(&mut self, place: &Place, key: &ReadyKey) {
        if let Some(keys) = self.ready.get_mut(place) {
            keys.remove(key);
            if keys.is_empty() {
                self.ready.remove(place);
            }
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
        let Some(placed) = self.placed.remove(&id) else { return };
        for (place, key) in &placed.ready {
            self.take_out(place, key);
        }
        if let Some(at) = placed.wake {
            self.timers.remove(&(at, id));
        }
    }

    /// Keeps of a transaction that leaves memory only when it wakes.
    pub(super) fn put_to_sleep(&mut self, id: TransactionId, wakes_at: Option<Timestamp>) {
        self.remove(id);
        self.asleep.extend(wakes_at.map(|at| (at, id)));
    }

    /// A transaction is in memory again.
    pub(super) fn awake(&mut self, id: TransactionId, wakes_at: Option<Timestamp>) {
        if let Some(at) = wakes_at {
            self.asleep.remove(&(at, id));
        }
    }

    /// Transactions that are not in memory and whose time has come, `limit` at most.
    pub(super) fn due_asleep(&self, now: Timestamp, limit: usize) -> impl Iterator<Item = TransactionId> {
        self.asleep.iter().take_while(move |(at, _)| *at <= now).take(limit).map(|(_, id)| *id)
    }

    /// Transactions whose time has come, `limit` at most.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<TransactionId> {
        self.timers.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect()
    }

    /// When the next transaction wakes.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        [self.timers.first(), self.asleep.first()].into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// The oldest ready step of a place.
    pub(super) fn oldest(&self, place: &Place) -> Option<ReadyKey> {
        self.ready.get(place)?.first().copied()
    }

    /// The places where something is ready.
    pub(super) fn places(&self) -> Vec<Place> {
        self.ready.keys().cloned().collect()
    }

    /// Ready steps by queue: how many, and since when the oldest.
    pub(super) fn depths(&self) -> Vec<(Queue, usize, Option<Timestamp>)> {
        let of_queue = |(place, keys): (&Place, &BTreeSet<ReadyKey>)| match place {
            Place::Queue(queue) => Some((queue.clone(), keys.len(), keys.first().map(|key| key.since))),
            Place::Noop => None,
        };
        self.ready.iter().filter_map(of_queue).collect()
    }
}

/// Where a step, its compensation or its confirm waits. A URL is rendered once, when its step becomes ready: what is
/// placed stays there.
fn place(transaction: &Transaction, key: ReadyKey) -> Option<Place> {
    let run = transaction.step_of(key.node)?.run_of(key.phase)?;
    Some(match run {
        Run::Worker(name) => Place::Queue(Queue::Worker(name.clone())),
        Run::Http(_) => Place::Queue(target(transaction, key)),
        Run::Noop => Place::Noop,
        // Nobody is called.
        Run::Wait(_) | Run::Signal(_) => return None,
    })
}

/// The queue of a URL's origin. What has none waits for the caller all the same, which says what is wrong with it.
fn target(transaction: &Transaction, key: ReadyKey) -> Queue {
    let url = transaction.url(key.node, key.phase);
    url.as_deref().and_then(TargetId::of_url).map_or(Queue::AnyHttp, Queue::Http)
}
