//! Who waits for a transaction to end or park.

use crate::Error;
use chancery_base::TransactionId;
use chancery_engine::Summary;
use chancery_shard::input::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Calls that wait for results in one tenant at most.
const WATCHERS_MAX: usize = 65_536;
/// When a call that finds too many others waiting should come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The watchers of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    inner: Mutex<Inner>,
}

/// A watcher's number, and the way to tell it.
type Waiting = (u64, oneshot::Sender<Arc<Summary>>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    count: usize,
    is_closed: bool,
    waiting: HashMap<TransactionId, Vec<Waiting>>,
}

/// Waits for one transaction; gives its place back when dropped.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    watchers: &'a Watchers,
    id: TransactionId,
    number: u64,
    settled: oneshot::Receiver<Arc<Summary>>,
}

impl Watchers {
    /// Watches a transaction from now on.
    pub(crate) fn watch(&self, id: TransactionId) -> Result<Watcher<'_>, Error> {
        let mut inner = self.lock();
        if inner.count >= WATCHERS_MAX {
            let what = "calls that wait for a result";
            return Err(Refusal::Limited { what, max: WATCHERS_MAX, retry_after: RETRY_AFTER }.into());
        }
        let (send, settled) = oneshot::channel();
        let number = inner.next;
        inner.next += 1;
        if inner.is_closed {
            return Ok(Watcher { watchers: self, id, number, settled });
        }
        inner.count += 1;
        inner.waiting.entry(id).or_default().push((number, send));
        Ok(Watcher { watchers: self, id, number, settled })
    }

    /// Nothing settles here any more: who waits is told so at once, and so is who comes.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        inner.count = 0;
        inner.waiting.clear();
    }

    /// Tells everyone who waits for it.
    pub(crate) fn settled(&self, id: TransactionId, summary: &Arc<Summary>) {
        let waiting = {
            let mut inner = self.lock();
            let waiting = inner.waiting.remove(&id).unwrap_or_default();
            inner.count -= waiting.len();
            waiting
        };
        for (_, watcher) in waiting {
            // Nobody is there any more: then nobody needs to know.
            drop(watcher.send(Arc::clone(summary)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher<'_> {
    /// Ends when the transaction has ended or parked; none if its shard was given up.
    pub(crate) async fn settled(mut self) -> Option<Arc<Summary>> {
        (&mut self.settled).await.ok()
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        let mut inner = self.watchers.lock();
        let Some(waiting) = inner.waiting.get_mut(&self.id) else { return };
        let before = waiting.len();
        waiting.retain(|(number, _)| *number != self.number);
        let gone = before - waiting.len();
        if waiting.is_empty() {
            inner.waiting.remove(&self.id);
        }
        inner.count -= gone;
    }
}
