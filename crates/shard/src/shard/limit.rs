//! What holds a queue back whatever its workers would take: as many attempts out, or handed out in a time, as its
//! tenant allows; or that they are of other versions than it goes to, or present no key where one is needed.
//!
//! Attempts that are out are looked up in the index, which has them from the transactions' states. What was handed out
//! in a time is memory: after a restart there is room for one, and for more as time passes.

use super::desk::CallId;
use super::{Control, Shard};
use crate::input::{Hold, Queue};
use chancery_base::{Bucket, Name, Timestamp};
use std::collections::BTreeMap;

/// What holds which queues back, and what was handed out of them lately.
#[derive(Debug, Default)]
pub(super) struct Limits {
    buckets: BTreeMap<Name, Bucket>,
    /// As it was found when hand-outs were last looked for.
    held: BTreeMap<Name, Hold>,
}

impl Limits {
    /// Nothing is known to be held: it is looked for anew.
    pub(super) fn look(&mut self) {
        self.held.clear();
    }

    /// Forgets queues that have no rate any more.
    pub(super) fn controlled(&mut self, control: &Control) {
        self.buckets.retain(|queue, _| control.queues.get(queue).is_some_and(|settings| settings.rate().is_some()));
    }

    /// When something may be handed out that waits for its time.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let times = self.held.values().filter_map(|hold| match hold {
            Hold::Rate(until) => Some(*until),
            Hold::Concurrency | Hold::Versions | Hold::Stopped | Hold::Keys => None,
        });
        times.min()
    }

    /// Something holds a queue back.
    pub(super) fn hold(&mut self, queue: &Name, hold: Hold) {
        self.held.insert(queue.clone(), hold);
    }

    /// What is held back.
    pub(super) const fn held(&self) -> &BTreeMap<Name, Hold> {
        &self.held
    }
}

impl Shard {
    /// Whether something of a queue may be handed out now.
    pub(super) fn may_go_out(&mut self, queue: &Name, control: &Control, now: Timestamp) -> bool {
        let Some(settings) = control.queues.get(queue) else { return true };
        let most = settings.concurrency.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        #[cfg(feature = "sabotage")]
        let most = most.map(|most| self.sabotage_concurrency(most));
        if most.is_some_and(|most| self.index.out(queue) >= most) {
            self.limits.held.insert(queue.clone(), Hold::Concurrency);
            return false;
        }
        let Some(rate) = settings.rate() else { return true };
        let bucket = self.limits.buckets.entry(queue.clone()).or_insert_with(|| Bucket::with_one(rate, now));
        if let Some(until) = bucket.opens_at(rate, now) {
            self.limits.held.insert(queue.clone(), Hold::Rate(until));
            return false;
        }
        true
    }

    /// The call that gets what is next in a queue of workers: of a version that the queue goes to, and with a key where
    /// what is next needs one.
    pub(super) fn credit(&mut self, name: &Name, needs_key: bool, control: &Control) -> Option<CallId> {
        let queue = Queue::Worker(name.clone());
        let routed = control.queues.get(name).filter(|settings| !settings.versions.is_empty());
        if routed.is_none() && !needs_key {
            return self.desk.credit(&queue);
        }
        let found = self.desk.credit_of(&queue, |call| {
            if routed.is_some_and(|settings| !settings.takes(call.version.as_deref())) {
                return Some(Hold::Versions);
            }
            (needs_key && call.key.is_none()).then_some(Hold::Keys)
        });
        if let Err(Some(hold)) = found {
            self.limits.held.insert(name.clone(), hold);
        }
        found.ok()
    }

    /// Something of a queue is handed out.
    pub(super) fn went_out(&mut self, queue: &Name, control: &Control, now: Timestamp) {
        let rate = control.queues.get(queue).and_then(crate::queue::QueueSettings::rate);
        if let (Some(rate), Some(bucket)) = (rate, self.limits.buckets.get_mut(queue)) {
            bucket.take(rate, now);
        }
    }
}
