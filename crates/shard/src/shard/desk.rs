//! The desk where workers call: open calls with their credit, and the leases on what was handed out.
//!
//! All of it is memory: credit lives as long as its call, and after a restart every hand-out gets one full lease.

use crate::input::{Effect, Exchanged, Hold, Queue, ReplyTo, Response, Task, Worker};
use crate::token::TaskToken;
use chancery_base::limits::VERSIONS_SHOWN_MAX;
use chancery_base::{PublicKey, Timestamp, TransactionId};
use chancery_engine::{NodeRef, Phase};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Which attempt a lease is on: a step has one attempt out at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LeaseKey {
    pub(super) transaction: TransactionId,
    pub(super) node: NodeRef,
    pub(super) phase: Phase,
}

#[derive(Debug, Clone)]
pub(super) struct Lease {
    /// Who has it; none after a restart, until somebody says so.
    pub(super) worker: Option<Worker>,
    /// The version that it says.
    pub(super) version: Option<Arc<str>>,
    pub(super) until: Timestamp,
    pub(super) token: Option<TaskToken>,
    /// What was sent, to send it again if it did not arrive.
    pub(super) task: Option<Arc<Task>>,
}

#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) reply: ReplyTo,
    pub(super) worker: Worker,
    /// The version that it says.
    pub(super) version: Option<Arc<str>>,
    /// The key that it presents.
    pub(super) key: Option<PublicKey>,
    pub(super) credit: BTreeMap<Queue, u32>,
    pub(super) answer: Exchanged,
    /// It reported something, so it is answered in this batch.
    pub(super) reports: bool,
    pub(super) until: Timestamp,
}

/// A call's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallId(u64);

/// When it is a call's turn: what is answered in this batch anyway goes first, so that no other is answered for it and
/// what one worker's reports made ready goes back with their answer; then what has waited longest.
type Turn = (bool, CallId);

#[derive(Debug, Default)]
pub(super) struct Desk {
    calls: BTreeMap<CallId, OpenCall>,
    taking: HashMap<Worker, CallId>,
    /// Calls with credit on a queue, in the order in which they get tasks.
    waiting: BTreeMap<Queue, BTreeSet<Turn>>,
    ends: BTreeSet<(Timestamp, CallId)>,
    /// Calls with something to say.
    ripe: BTreeSet<CallId>,
    leases: BTreeMap<LeaseKey, Lease>,
    lapses: BTreeSet<(Timestamp, LeaseKey)>,
    held: HashMap<Worker, BTreeSet<LeaseKey>>,
    next: u64,
}

impl Desk {
    /// Opens a call. Its credit counts from here.
    pub(super) fn open(&mut self, call: OpenCall) -> CallId {
        let id = CallId(self.next);
        self.next += 1;
        for queue in call.credit.iter().filter(|(_, want)| **want > 0).map(|(queue, _)| queue) {
            self.waiting.entry(queue.clone()).or_default().insert(waits(id));
        }
        self.ends.insert((call.until, id));
        let reports = call.reports;
        self.calls.insert(id, call);
        if reports {
            self.ripen(id);
        }
        id
    }

    /// Makes a call its instance's taking call; the one before is closed and returned.
    pub(super) fn take_over(&mut self, worker: &Worker, id: CallId) -> Option<(CallId, OpenCall)> {
        let before = self.taking.insert(worker.clone(), id)?;
        self.close(before).map(|call| (before, call))
    }

    /// Closes a call.
    pub(super) fn close(&mut self, id: CallId) -> Option<OpenCall> {
        let call = self.calls.remove(&id)?;
        for queue in call.credit.keys() {
            self.leave(queue, id);
        }
        self.ends.remove(&(call.until, id));
        self.ripe.remove(&id);
        if self.taking.get(&call.worker) == Some(&id) {
            self.taking.remove(&call.worker);
        }
        Some(call)
    }

    /// The call with credit on a queue whose turn it is. Credit on no origin in particular is for those that its call
    /// does not name.
    pub(super) fn credit(&self, queue: &Queue) -> Option<CallId> {
        if let Some((_, id)) = self.waiting.get(queue).and_then(BTreeSet::first) {
            return Some(*id);
        }
        let Queue::Http(_) = queue else { return None };
        let names = |id: &CallId| self.calls.get(id).is_some_and(|call| call.credit.contains_key(queue));
        self.waiting.get(&Queue::AnyHttp)?.iter().map(|(_, id)| *id).find(|id| !names(id))
    }

    /// Of the calls with credit on a queue the one whose turn it is among those that nothing keeps from it; else what
    /// keeps the last of them, if there is one.
    pub(super) fn credit_of(
        &self,
        queue: &Queue,
        kept_from: impl Fn(&OpenCall) -> Option<Hold>,
    ) -> Result<CallId, Option<Hold>> {
        let mut hold = None;
        for (_, id) in self.waiting.get(queue).into_iter().flatten() {
            let Some(call) = self.calls.get(id) else { continue };
            hold = kept_from(call);
            if hold.is_none() {
                return Ok(*id);
            }
        }
        Err(hold)
    }

    /// Which version a call says.
    pub(super) fn version(&self, id: CallId) -> Option<Arc<str>> {
        self.calls.get(&id)?.version.clone()
    }

    /// The key that a call presents.
    pub(super) fn key(&self, id: CallId) -> Option<PublicKey> {
        self.calls.get(&id)?.key
    }

    /// Who called.
    pub(super) fn worker(&self, id: CallId) -> Option<&Worker> {
        self.calls.get(&id).map(|call| &call.worker)
    }

    /// Puts a task into a call's answer and takes one credit for it.
    pub(super) fn deliver(&mut self, id: CallId, queue: &Queue, task: Arc<Task>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.answer.tasks.push(task);
        let queue = if queue.is_http() && !call.credit.contains_key(queue) { &Queue::AnyHttp } else { queue };
        let left = call.credit.get_mut(queue).map(|want| {
            *want = want.saturating_sub(1);
            *want
        });
        if left == Some(0) {
            self.leave(queue, id);
        }
        self.ripen(id);
    }

    /// Tells the worker that has a lease, if it is on the line, that its answer is no longer wanted.
    pub(super) fn tell_cancelled(&mut self, key: LeaseKey) {
        let Some(lease) = self.leases.get(&key) else { return };
        let (Some(worker), Some(token)) = (&lease.worker, lease.token) else { return };
        let Some(id) = self.taking.get(worker).copied() else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.answer.cancelled.contains(&token) {
            call.answer.cancelled.push(token);
            self.ripen(id);
        }
    }

    /// Marks a call as having something to say.
    pub(super) fn ripen(&mut self, id: CallId) {
        if !self.ripe.insert(id) {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        for queue in call.credit.keys() {
            if let Some(turns) = self.waiting.get_mut(queue)
                && turns.remove(&waits(id))
            {
                turns.insert(is_answered(id));
            }
        }
    }

    /// Closes the calls that have something to say or have waited long enough.
    pub(super) fn take_ripe(&mut self, now: Timestamp) -> Vec<(CallId, OpenCall)> {
        let over = self.ends.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id);
        let ripe: BTreeSet<CallId> = self.ripe.iter().copied().chain(over).collect();
        ripe.into_iter().filter_map(|id| self.close(id).map(|call| (id, call))).collect()
    }

    /// Closes the calls of workers that may not take any more.
    pub(super) fn dismiss(&mut self, may_not: impl Fn(&Worker) -> bool) -> Vec<Effect> {
        let of_them = self.calls.iter().filter(|(_, call)| may_not(&call.worker));
        let ids: Vec<CallId> = of_them.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.close(id)).map(OpenCall::into_reply).collect()
    }

    /// Closes all calls.
    pub(super) fn close_all(&mut self) -> Vec<Effect> {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        ids.into_iter().filter_map(|id| self.close(id)).map(OpenCall::into_reply).collect()
    }

    pub(super) fn lease(&self, key: LeaseKey) -> Option<&Lease> {
        self.leases.get(&key)
    }

    /// Sets a lease.
    pub(super) fn set_lease(&mut self, key: LeaseKey, lease: Lease) {
        self.drop_lease(key);
        self.lapses.insert((lease.until, key));
        if let Some(worker) = &lease.worker {
            self.held.entry(worker.clone()).or_default().insert(key);
        }
        self.leases.insert(key, lease);
    }

    pub(super) fn drop_lease(&mut self, key: LeaseKey) {
        let Some(lease) = self.leases.remove(&key) else { return };
        self.lapses.remove(&(lease.until, key));
        if let Some(worker) = &lease.worker
            && let Some(keys) = self.held.get_mut(worker)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.held.remove(worker);
            }
        }
    }

    /// Has every lease last until then at least.
    pub(super) fn extend_leases(&mut self, until: Timestamp) {
        while let Some((at, key)) = self.lapses.first().copied().filter(|(at, _)| *at < until) {
            self.lapses.remove(&(at, key));
            self.lapses.insert((until, key));
            if let Some(lease) = self.leases.get_mut(&key) {
                lease.until = until;
            }
        }
    }

    /// The leases on attempts of a transaction.
    pub(super) fn leases_of(&self, transaction: TransactionId) -> Vec<LeaseKey> {
        let first = LeaseKey { transaction, node: NodeRef::MIN, phase: Phase::Do };
        let last = LeaseKey { transaction, node: NodeRef::MAX, phase: Phase::Confirm };
        self.leases.range(first..=last).map(|(key, _)| *key).collect()
    }

    /// All leases.
    pub(super) fn lease_keys(&self) -> Vec<LeaseKey> {
        self.leases.keys().copied().collect()
    }

    /// What a worker has.
    pub(super) fn leases_with(&self, worker: &Worker) -> Vec<LeaseKey> {
        self.held.get(worker).map(|keys| keys.iter().copied().collect()).unwrap_or_default()
    }

    /// Leases that lapsed, `limit` at most.
    pub(super) fn lapsed(&self, now: Timestamp, limit: usize) -> Vec<LeaseKey> {
        self.lapses.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, key)| *key).collect()
    }

    /// When something happens here though nobody calls.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let ends = self.ends.first().map(|(at, _)| *at);
        let lapses = self.lapses.first().map(|(at, _)| *at);
        ends.into_iter().chain(lapses).min()
    }

    /// Open hand-outs.
    pub(super) fn lease_count(&self) -> usize {
        self.leases.len()
    }

    /// Calls of URLs that are out, by origin, as far as this shard handed them out itself.
    pub(super) fn out_at_origins(&self) -> BTreeMap<Queue, usize> {
        let mut out = BTreeMap::new();
        let tasks = self.leases.values().filter_map(|lease| lease.task.as_ref());
        for task in tasks.filter(|task| task.queue.is_http()) {
            *out.entry(task.queue.clone()).or_default() += 1;
        }
        out
    }

    /// Instances with a taking call open on a queue, or with a lease on a task of it.
    pub(super) fn takers(&self) -> BTreeMap<Queue, usize> {
        let mut takers = BTreeMap::<&Queue, BTreeSet<&Worker>>::new();
        for call in self.calls.values() {
            for queue in call.credit.keys() {
                takers.entry(queue).or_default().insert(&call.worker);
            }
        }
        for lease in self.leases.values() {
            if let (Some(worker), Some(task)) = (&lease.worker, &lease.task) {
                takers.entry(&task.queue).or_default().insert(worker);
            }
        }
        takers.into_iter().map(|(queue, workers)| (queue.clone(), workers.len())).collect()
    }

    /// The same by the versions that they say.
    pub(super) fn versions(&self) -> BTreeMap<Queue, BTreeMap<Option<Arc<str>>, usize>> {
        let mut takers = BTreeMap::<&Queue, BTreeSet<(&Option<Arc<str>>, &Worker)>>::new();
        for call in self.calls.values() {
            for queue in call.credit.keys() {
                takers.entry(queue).or_default().insert((&call.version, &call.worker));
            }
        }
        for lease in self.leases.values() {
            if let (Some(worker), Some(task)) = (&lease.worker, &lease.task) {
                takers.entry(&task.queue).or_default().insert((&lease.version, worker));
            }
        }
        let mut all = BTreeMap::new();
        for (queue, takers) in takers {
            let mut versions = BTreeMap::<Option<Arc<str>>, usize>::new();
            for (version, _) in takers {
                if versions.len() < VERSIONS_SHOWN_MAX || versions.contains_key(version) {
                    *versions.entry(version.clone()).or_default() += 1;
                }
            }
            all.insert(queue.clone(), versions);
        }
        all
    }

    /// Instances with a taking call open or a lease.
    pub(super) fn worker_count(&self) -> usize {
        let leased = self.leases.values().filter_map(|lease| lease.worker.as_ref());
        let calling = self.calls.values().map(|call| &call.worker);
        leased.chain(calling).collect::<BTreeSet<_>>().len()
    }

    /// Open calls.
    pub(super) fn call_count(&self) -> usize {
        self.calls.len()
    }

    fn leave(&mut self, queue: &Queue, id: CallId) {
        if let Some(turns) = self.waiting.get_mut(queue) {
            turns.remove(&waits(id));
            turns.remove(&is_answered(id));
            if turns.is_empty() {
                self.waiting.remove(queue);
            }
        }
    }
}

const fn is_answered(id: CallId) -> Turn {
    (false, id)
}

const fn waits(id: CallId) -> Turn {
    (true, id)
}

impl OpenCall {
    pub(super) fn into_reply(self) -> Effect {
        Effect::Reply(self.reply, Ok(Response::Exchanged(self.answer)))
    }

    /// Nothing of what it was to be told has happened.
    pub(super) fn into_empty_reply(self) -> Effect {
        Effect::Reply(self.reply, Ok(Response::Exchanged(Exchanged::default())))
    }
}
