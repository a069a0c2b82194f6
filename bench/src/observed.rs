//! A store that keeps what it is given to commit, and how long that took.

use crate::harness::Times;
use crate::inprocess::now;
use chancery_shard::batch::{Batch, CommitError};
use chancery_store::{Answer, Store, Wrapper};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A store and an observer of its commits.
#[derive(Debug)]
pub(crate) struct Observed {
    store: Arc<dyn Store>,
    keeps: AtomicBool,
    batches: Mutex<Vec<Batch>>,
    times: Mutex<Times>,
}

impl Observed {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, keeps: AtomicBool::new(false), batches: Mutex::default(), times: Mutex::default() }
    }

    /// Begins to keep batches.
    pub(crate) fn keep(&self) {
        self.keeps.store(true, Ordering::Relaxed);
    }

    /// The batches that were kept.
    pub(crate) fn take_batches(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many entries were committed since the store was opened.
    pub(crate) fn entries_committed(&self) -> u64 {
        self.store.stats().entries
    }

    /// How long each commit took since this was last asked.
    pub(crate) fn take_times(&self) -> Times {
        std::mem::take(&mut *self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wrapper for Observed {
    fn inner(&self) -> &dyn Store {
        self.store.as_ref()
    }

    fn around_commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        Box::pin(async move {
            if self.keeps.load(Ordering::Relaxed) {
                self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch.clone());
            }
            let began = now();
            let answer = self.store.commit(batch).await;
            self.times.lock().unwrap_or_else(PoisonError::into_inner).add(began.elapsed());
            answer
        })
    }
}
