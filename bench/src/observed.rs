//! A store that keeps what it is given to commit, and how long that took.

use crate::harness::Times;
use crate::inprocess::now;
use chancery_base::{Digest, Name, TenantId, TransactionId};
use chancery_shard::batch::{Batch, CommitError, ControlRows, Loaded, LoadedTransaction};
use chancery_shard::row::{BundleRow, DefinitionRow, EntryRow, KeyScope, LogId, LogRow, TenantRow, TransactionRow};
use chancery_shard::{Grant, Origin};
use chancery_store::{Answer, CheckpointRow, Store, StoreStats, TileRow, TransactionFilter};
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

impl Store for Observed {
    fn commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
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

    fn bootstrap(&self, tenant: TenantRow, origin: Origin) -> Answer<'_, LogRow> {
        self.store.bootstrap(tenant, origin)
    }

    fn logs(&self) -> Answer<'_, Vec<LogRow>> {
        self.store.logs()
    }

    fn own<'a>(&'a self, log: LogId, owner: &'a str) -> Answer<'a, LogRow> {
        self.store.own(log, owner)
    }

    fn control(&self, log: LogId) -> Answer<'_, ControlRows> {
        self.store.control(log)
    }

    fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<'_, Loaded> {
        self.store.recover(log, after, limit)
    }

    fn load(
        &self,
        log: LogId,
        transactions: Vec<TransactionId>,
        keys: Vec<(KeyScope, u16, [u8; 32])>,
    ) -> Answer<'_, Loaded> {
        self.store.load(log, transactions, keys)
    }

    fn bundle_of(&self, log: LogId, digest: Digest) -> Answer<'_, Option<BundleRow>> {
        self.store.bundle_of(log, digest)
    }

    fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<'_, Vec<EntryRow>> {
        self.store.entries(log, from, limit, payloads)
    }

    fn checkpoint_put(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        self.store.checkpoint_put(log, tiles, checkpoint, epoch)
    }

    fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Answer<'_, Option<CheckpointRow>> {
        self.store.checkpoint(log, at_most)
    }

    fn tile(&self, log: LogId, level: u8, index: u64) -> Answer<'_, Option<TileRow>> {
        self.store.tile(log, level, index)
    }

    fn transaction<'a>(&'a self, grant: &'a Grant, id: TransactionId) -> Answer<'a, Option<LoadedTransaction>> {
        self.store.transaction(grant, id)
    }

    fn transactions<'a>(
        &'a self,
        grant: &'a Grant,
        filter: TransactionFilter,
        before: Option<TransactionId>,
        limit: usize,
    ) -> Answer<'a, Vec<TransactionRow>> {
        self.store.transactions(grant, filter, before, limit)
    }

    fn history<'a>(
        &'a self,
        grant: &'a Grant,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Answer<'a, Vec<(LogId, EntryRow)>> {
        self.store.history(grant, id, from, limit)
    }

    fn definition<'a>(
        &'a self,
        grant: &'a Grant,
        name: &'a Name,
        version: Option<u32>,
    ) -> Answer<'a, Option<DefinitionRow>> {
        self.store.definition(grant, name, version)
    }

    fn definitions<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, Vec<DefinitionRow>> {
        self.store.definitions(grant, after, limit)
    }

    fn bundle<'a>(&'a self, grant: &'a Grant, digest: Digest) -> Answer<'a, Option<BundleRow>> {
        self.store.bundle(grant, digest)
    }

    fn bundles<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, (Vec<BundleRow>, Option<Digest>)> {
        self.store.bundles(grant, after, limit)
    }

    fn tenants<'a>(&'a self, grant: &'a Grant, after: Option<TenantId>, limit: usize) -> Answer<'a, Vec<TenantRow>> {
        self.store.tenants(grant, after, limit)
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.store.ping()
    }

    fn stats(&self) -> StoreStats {
        self.store.stats()
    }

    fn close(&self) -> Answer<'_, ()> {
        self.store.close()
    }
}
