//! What is ready, by queue and turn, what is out, by queue, and what wakes when. Derived from the transactions in
//! memory, never counted: what is not in a transaction's state is not here, so a place at a queue can't be lost.

use super::desk::LeaseKey;
use super::line::{Line, Rank};
use crate::input::Queue;
use chancery_base::{Name, TargetId, Timestamp, TransactionId};
use chancery_engine::definition::Run;
use chancery_engine::{Look, NodeRef, Phase, Ready, Transaction};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Where a ready step waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// For a worker.
    Queue(Queue),
    /// For a worker of this queue that presents a key, which its capability token is bound to.
    Keyed(Name),
    /// For nobody: it does nothing.
    Noop,
    /// For a child, which is to begin or to undo what it did.
    Child,
    /// For nobody: the shard carries it out itself.
    Inline,
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
    /// Its attempts that are out with workers, in the order of their keys.
    out: Vec<(Name, LeaseKey)>,
    wake: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    lines: BTreeMap<Place, Line<ReadyKey>>,
    /// The attempts that are out with workers, by queue.
    out: BTreeMap<Name, BTreeSet<LeaseKey>>,
    timers: BTreeSet<(Timestamp, TransactionId)>,
    /// Of those that are not in memory.
    asleep: BTreeSet<(Timestamp, TransactionId)>,
    placed: HashMap<TransactionId, Placed>,
    /// What is ready and not in its line, and until when: there is no room for it before.
    deferred: BTreeMap<ReadyKey, (Timestamp, Place)>,
    /// The same, by when it is over.
    resumes: BTreeSet<(Timestamp, ReadyKey)>,
    /// Whether what becomes ready is to be looked at, though no worker asks for it.
    is_watched: bool,
    /// What became ready since it was looked at.
    fresh: VecDeque<(Place, ReadyKey)>,
}

impl Index {
    /// Brings the index up to date with a transaction.
    pub(super) fn refresh(&mut self, transaction: &Transaction, now: Timestamp) {
        let id = transaction.id();
        // What has come and was not dealt with is for the next batch.
        let Look { ready, wake } = transaction.look(now);
        let placed = self.placed.remove(&id).unwrap_or_default();
        if placed.wake != wake {
            self.timers.extend(wake.map(|at| (at, id)));
            if let Some(at) = placed.wake {
                self.timers.remove(&(at, id));
            }
        }
        let ready = self.refresh_ready(transaction, placed.ready, ready);
        let out = self.refresh_out(transaction, placed.out);
        if !ready.is_empty() || !out.is_empty() || wake.is_some() {
            self.placed.insert(id, Placed { ready, out, wake });
        }
    }

    /// Much may be ready, of which one event changes little: what is ready still keeps its place and its rank.
    fn refresh_ready(&mut self, transaction: &Transaction, before: Vec<Waiting>, ready: Vec<Ready>) -> Vec<Waiting> {
        let mut after = Vec::with_capacity(ready.len());
        let mut gone = Vec::new();
        let mut before = before.into_iter().peekable();
        for Ready { since, node, phase } in ready {
            let key = ReadyKey { since, transaction: transaction.id(), node, phase };
            while let Some(other) = before.next_if(|other| other.key < key) {
                gone.push(other);
            }
            if let Some(same) = before.next_if(|other| other.key == key) {
                after.push(same);
            } else if let Some(new) = waiting(transaction, key) {
                self.put_in(&new);
                after.push(new);
            }
        }
        gone.extend(before);
        self.take_out(&gone);
        after
    }

    /// The same of what is out.
    fn refresh_out(&mut self, transaction: &Transaction, before: Vec<(Name, LeaseKey)>) -> Vec<(Name, LeaseKey)> {
        let out = out_of(transaction);
        let mut after = Vec::with_capacity(out.len());
        let mut before = before.into_iter().peekable();
        for (queue, key) in out {
            while let Some((queue, gone)) = before.next_if(|(_, other)| *other < key) {
                self.came_in(&queue, &gone);
            }
            if let Some(same) = before.next_if(|(_, other)| *other == key) {
                after.push(same);
            } else {
                match self.out.get_mut(queue) {
                    Some(keys) => {
                        keys.insert(key);
                    }
                    None => {
                        self.out.insert(queue.clone(), BTreeSet::from([key]));
                    }
                }
                after.push((queue.clone(), key));
            }
        }
        for (queue, gone) in before {
            self.came_in(&queue, &gone);
        }
        after
    }

    fn put_in(&mut self, waiting: &Waiting) {
        let Waiting { place, rank, key } = waiting;
        if self.is_watched {
            self.fresh.push_back((place.clone(), *key));
        }
        match self.lines.get_mut(place) {
            Some(line) => line.insert(rank, *key),
            None => self.lines.entry(place.clone()).or_default().insert(rank, *key),
        }
    }

    /// Takes steps out of their lines, and forgets the lines where nothing is left. What comes in their place is in
    /// already: whose turn it was is kept.
    fn take_out(&mut self, gone: &[Waiting]) {
        for Waiting { place, rank, key } in gone {
            if let Some(line) = self.lines.get_mut(place) {
                line.remove(rank, *key);
            }
            self.undefer(key);
        }
        for Waiting { place, .. } in gone {
            if self.lines.get_mut(place).is_some_and(Line::sweep) {
                self.lines.remove(place);
            }
        }
    }

    fn came_in(&mut self, queue: &Name, key: &LeaseKey) {
        if let Some(keys) = self.out.get_mut(queue) {
            keys.remove(key);
            if keys.is_empty() {
                self.out.remove(queue);
            }
        }
    }

    /// Takes a ready step out of its line until then.
    pub(super) fn defer(&mut self, key: ReadyKey, until: Timestamp) {
        let Some(waiting) = self.waiting_at(key) else { return };
        self.take_out(std::slice::from_ref(&waiting));
        self.resumes.insert((until, key));
        self.deferred.insert(key, (until, waiting.place));
    }

    /// Puts back into their lines what was taken out until now.
    pub(super) fn resume(&mut self, now: Timestamp) {
        while let Some((_, key)) = self.resumes.first().filter(|(until, _)| *until <= now).copied() {
            self.undefer(&key);
            if let Some(waiting) = self.waiting_at(key) {
                self.put_in(&waiting);
            }
        }
    }

    fn undefer(&mut self, key: &ReadyKey) {
        if let Some((until, _)) = self.deferred.remove(key) {
            self.resumes.remove(&(until, *key));
        }
    }

    fn waiting_at(&self, key: ReadyKey) -> Option<Waiting> {
        self.placed.get(&key.transaction)?.ready.iter().find(|waiting| waiting.key == key).cloned()
    }

    /// Has a transaction looked at now, because something came to pass while nobody looked.
    pub(super) fn look_at(&mut self, id: TransactionId, now: Timestamp) {
        let placed = self.placed.entry(id).or_default();
        if let Some(at) = placed.wake.replace(now) {
            self.timers.remove(&(at, id));
        }
        self.timers.insert((now, id));
    }

    /// Has everything that is ready looked at again, and what becomes so; or nothing.
    pub(super) fn look_again(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
        self.fresh.clear();
        let lines = self.lines.iter().filter(|_| is_watched);
        self.fresh.extend(lines.flat_map(|(place, line)| line.items().into_iter().map(|key| (place.clone(), key))));
    }

    /// The next that is to be looked at, if it is ready still.
    pub(super) fn next_fresh(&mut self) -> Option<ReadyKey> {
        while let Some((place, key)) = self.fresh.pop_front() {
            if matches!(place, Place::Queue(_) | Place::Keyed(_)) && self.has(&place, key) {
                return Some(key);
            }
        }
        None
    }

    /// Forgets a transaction.
    pub(super) fn remove(&mut self, id: TransactionId) {
        let Some(placed) = self.placed.remove(&id) else { return };
        self.take_out(&placed.ready);
        for (queue, key) in &placed.out {
            self.came_in(queue, key);
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
        let of_transactions = [self.timers.first(), self.asleep.first()].into_iter().flatten().map(|(at, _)| *at);
        of_transactions.chain(self.resumes.first().map(|(at, _)| *at)).min()
    }

    /// The ready step of a place whose turn it is.
    pub(super) fn next(&self, place: &Place) -> Option<ReadyKey> {
        self.lines.get(place)?.next()
    }

    /// The ready steps whose turn it is in a queue of workers, of those that need a key and of those that do not: first
    /// the one of higher priority, of the same priority the one that has waited longer.
    pub(super) fn turns(&self, queue: &Name) -> Vec<(Place, ReadyKey)> {
        let places = [Place::Queue(Queue::Worker(queue.clone())), Place::Keyed(queue.clone())];
        let next = |place: Place| {
            let line = self.lines.get(&place)?;
            Some((Reverse(line.priority()?), line.next()?, place))
        };
        let mut turns: Vec<_> = places.into_iter().filter_map(next).collect();
        turns.sort_unstable();
        turns.into_iter().map(|(_, key, place)| (place, key)).collect()
    }

    /// The step whose turn it is at a place has it.
    pub(super) fn take_turn(&mut self, place: &Place) {
        if let Some(line) = self.lines.get_mut(place) {
            line.take_turn();
        }
    }

    /// The ready steps of a place, oldest first.
    pub(super) fn keys(&self, place: &Place) -> Vec<ReadyKey> {
        self.lines.get(place).map(Line::items).unwrap_or_default()
    }

    /// Whether a step is ready at a place.
    pub(super) fn has(&self, place: &Place, key: ReadyKey) -> bool {
        self.lines.get(place).is_some_and(|line| line.contains(key))
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
        let mut depths = BTreeMap::<Queue, (usize, Option<Timestamp>)>::new();
        let of_lines = self.lines.iter().map(|(place, line)| (place, line.len(), line.oldest()));
        let of_deferred = self.deferred.iter().map(|(key, (_, place))| (place, 1, Some(*key)));
        for (place, waiting, first) in of_lines.chain(of_deferred) {
            let queue = match place {
                Place::Queue(queue) => queue.clone(),
                Place::Keyed(name) => Queue::Worker(name.clone()),
                Place::Noop | Place::Child | Place::Inline => continue,
            };
            let (count, oldest) = depths.entry(queue).or_default();
            *count += waiting;
            *oldest = [*oldest, first.map(|key| key.since)].into_iter().flatten().min();
        }
        depths.into_iter().map(|(queue, (count, oldest))| (queue, count, oldest)).collect()
    }
}

/// Where a step, its compensation or its confirm waits, and when it is its turn there. What has to be rendered for that
/// is rendered once, when its step becomes ready: what is placed stays there.
fn waiting(transaction: &Transaction, key: ReadyKey) -> Option<Waiting> {
    let step = transaction.step_of(key.node)?;
    let place = match step.run_of(key.phase)? {
        Run::Worker(name) if step.capability.is_some() => Place::Keyed(name.clone()),
        Run::Worker(name) => Place::Queue(Queue::Worker(name.clone())),
        Run::Http(_) => Place::Queue(target(transaction, key)),
        Run::Noop => Place::Noop,
        Run::Transaction(_) => Place::Child,
        Run::Decide(_) | Run::Emit(_) => Place::Inline,
        // Nobody is called.
        Run::Wait(_) | Run::Signal(_) | Run::Request(_) => return None,
    };
    let rank = Rank { priority: step.priority, key: transaction.fairness_key(key.node).map(Arc::from) };
    Some(Waiting { place, rank, key })
}

/// The attempts of a transaction that are out with workers, by their queues, in the order of their keys. One that was
/// terminated has none, whatever its workers still do.
fn out_of(transaction: &Transaction) -> Vec<(&Name, LeaseKey)> {
    if transaction.status().is_settled() {
        return Vec::new();
    }
    let of_queue = |(node, phase)| {
        let queue = transaction.step_of(node)?.run_of(phase)?.queue()?;
        Some((queue, LeaseKey { transaction: transaction.id(), node, phase }))
    };
    let mut out: Vec<_> = transaction.out().filter_map(of_queue).collect();
    out.sort_unstable_by_key(|(_, key)| *key);
    out
}

/// The queue of a URL's origin. What has none waits for the caller all the same, which says what is wrong with it.
fn target(transaction: &Transaction, key: ReadyKey) -> Queue {
    let url = transaction.url(key.node, key.phase);
    url.as_deref().and_then(TargetId::of_url).map_or(Queue::AnyHttp, Queue::Http)
}
