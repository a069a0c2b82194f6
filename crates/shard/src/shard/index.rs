//! What is ready, by queue and age, and what wakes when. Derived from the transactions in memory, never counted.

use crate::input::Queue;
use chancery_base::{TargetId, Timestamp, TransactionId};
use chancery_engine::definition::Run;
use chancery_engine::{NodeRef, Phase, Transaction};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a ready step waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// For a worker.
    Queue(Queue),
    /// For nobody: it does nothing.
    Noop,
    /// For a child, which is to begin or to undo what it did.
    Child,
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
pub(super) struct Placed {
    ready: Vec<(Place, ReadyKey)>,
    wake: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    ready: BTreeMap<Place, BTreeSet<ReadyKey>>,
    timers: BTreeSet<(Timestamp, TransactionId)>,
    placed: HashMap<TransactionId, Placed>,
}

impl Index {
    /// Brings the index up to date with a transaction.
    pub(super) fn refresh(&mut self, transaction: &Transaction, now: Timestamp) {
        let id = transaction.id();
        let before = self.remove(id);
        let wake = transaction.next_wake(now);
        let ready: Vec<(Place, ReadyKey)> = transaction
            .ready(now)
            .into_iter()
            .filter_map(|ready| {
                let key = ReadyKey { since: ready.since, transaction: id, node: ready.node, phase: ready.phase };
                Some((place(transaction, key, before.as_ref())?, key))
            })
            .collect();
        if ready.is_empty() && wake.is_none() {
            return;
        }
        for (place, key) in &ready {
            match self.ready.get_mut(place) {
                Some(keys) => {
                    keys.insert(*key);
                }
                None => {
                    self.ready.insert(place.clone(), BTreeSet::from([*key]));
                }
            }
        }
        self.timers.extend(wake.map(|at| (at, id)));
        self.placed.insert(id, Placed { ready, wake });
    }

    /// Has a transaction looked at now, because something came to pass while nobody looked.
    pub(super) fn look_at(&mut self, id: TransactionId, now: Timestamp) {
        let placed = self.placed.entry(id).or_default();
        if let Some(at) = placed.wake.replace(now) {
            self.timers.remove(&(at, id));
        }
        self.timers.insert((now, id));
    }

    /// Forgets a transaction; gives where its steps waited.
    pub(super) fn remove(&mut self, id: TransactionId) -> Option<Placed> {
        let placed = self.placed.remove(&id)?;
        for (place, key) in &placed.ready {
            if let Some(keys) = self.ready.get_mut(place) {
                keys.remove(key);
                if keys.is_empty() {
                    self.ready.remove(place);
                }
            }
        }
        if let Some(at) = placed.wake {
            self.timers.remove(&(at, id));
        }
        Some(placed)
    }

    /// Transactions whose time has come, `limit` at most.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<TransactionId> {
        self.timers.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect()
    }

    /// When the next transaction wakes.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The oldest ready step of a place.
    pub(super) fn oldest(&self, place: &Place) -> Option<ReadyKey> {
        self.ready.get(place)?.first().copied()
    }

    /// The ready steps of a place, oldest first.
    pub(super) fn keys(&self, place: &Place) -> Vec<ReadyKey> {
        self.ready.get(place).into_iter().flatten().copied().collect()
    }

    /// Whether a step is ready at a place.
    pub(super) fn has(&self, place: &Place, key: ReadyKey) -> bool {
        self.ready.get(place).is_some_and(|keys| keys.contains(&key))
    }

    /// The places where something is ready.
    pub(super) fn places(&self) -> Vec<Place> {
        self.ready.keys().cloned().collect()
    }

    /// Ready steps by queue: how many, and since when the oldest.
    pub(super) fn depths(&self) -> Vec<(Queue, usize, Option<Timestamp>)> {
        let of_queue = |(place, keys): (&Place, &BTreeSet<ReadyKey>)| match place {
            Place::Queue(queue) => Some((queue.clone(), keys.len(), keys.first().map(|key| key.since))),
            Place::Noop | Place::Child => None,
        };
        self.ready.iter().filter_map(of_queue).collect()
    }
}

/// Where a step, its compensation or its confirm waits. A URL is rendered once, when its step becomes ready.
fn place(transaction: &Transaction, key: ReadyKey, before: Option<&Placed>) -> Option<Place> {
    let run = transaction.step_of(key.node)?.run_of(key.phase)?;
    Some(match run {
        Run::Worker(name) => Place::Queue(Queue::Worker(name.clone())),
        Run::Http(_) => {
            let known = before.and_then(|before| before.ready.iter().find(|(_, other)| *other == key));
            match known {
                Some((place, _)) => place.clone(),
                None => Place::Queue(target(transaction, key)),
            }
        }
        Run::Noop => Place::Noop,
        Run::Transaction(_) => Place::Child,
        // Nobody is called.
        Run::Wait(_) | Run::Signal(_) => return None,
    })
}

/// The queue of a URL's origin. What has none waits for the caller all the same, which says what is wrong with it.
fn target(transaction: &Transaction, key: ReadyKey) -> Queue {
    let url = transaction.url(key.node, key.phase);
    url.as_deref().and_then(TargetId::of_url).map_or(Queue::AnyHttp, Queue::Http)
}
