//! A store that counts the calls that reach it, and delays or fails some.

use chancery_base::Kind;
use chancery_shard::batch::{Batch, CommitError, StoreError};
use chancery_shard::row::LogId;
use chancery_store::{Answer, CheckpointRow, Store, TileRow, Wrapper};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

#[derive(Debug)]
pub(crate) struct Counting {
    inner: Arc<dyn Store>,
    calls: AtomicU64,
    /// Commits pass while nobody holds it.
    gate: Arc<RwLock<()>>,
    /// Whether checkpoints fail, and how many have.
    fails_checkpoints: AtomicBool,
    failed_checkpoints: AtomicU64,
}

impl Counting {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            calls: AtomicU64::new(0),
            gate: Arc::default(),
            fails_checkpoints: AtomicBool::new(false),
            failed_checkpoints: AtomicU64::new(0),
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// No commit is done while this is held.
    pub(crate) async fn hold_commits(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// Has checkpoints fail from here on, or not any more.
    pub(crate) fn fail_checkpoints(&self, fails: bool) {
        self.fails_checkpoints.store(fails, Ordering::Relaxed);
    }

    pub(crate) fn failed_checkpoints(&self) -> u64 {
        self.failed_checkpoints.load(Ordering::Relaxed)
    }
}

impl Wrapper for Counting {
    fn inner(&self) -> &dyn Store {
        self.inner.as_ref()
    }

    fn before_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn around_commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        Box::pin(async move {
            let _passing = self.gate.read().await;
            self.inner.commit(batch).await
        })
    }

    fn around_checkpoint(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        if self.fails_checkpoints.load(Ordering::Relaxed) {
            self.failed_checkpoints.fetch_add(1, Ordering::Relaxed);
            let message = "the test has it fail".to_owned();
            let error = StoreError { operation: "store a checkpoint", kind: Kind::Busy, message };
            return Box::pin(std::future::ready(Err(error)));
        }
        self.inner.checkpoint_put(log, tiles, checkpoint, epoch)
    }
}
