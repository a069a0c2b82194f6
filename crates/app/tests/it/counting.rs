//! A store that counts the calls that reach it.

use chancery_app::TransactionFilter;
use chancery_base::{Digest, Name, TenantId, TransactionId};
use chancery_ledger::Origin;
use chancery_policy::Grant;
use chancery_shard::batch::{Batch, CommitError, ControlRows, Loaded, LoadedTransaction};
use chancery_shard::row::{BundleRow, DefinitionRow, EntryRow, KeyScope, LogId, LogRow, TenantRow, TransactionRow};
use chancery_store::{Answer, CheckpointRow, Store, StoreStats, TileRow};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

#[derive(Debug)]
pub(crate) struct Counting {
    inner: Arc<dyn Store>,
    calls: AtomicU64,
    /// Commits pass while nobody holds it.
    gate: Arc<RwLock<()>>,
}

impl Counting {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, calls: AtomicU64::new(0), gate: Arc::default() }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// No commit is done while this is held.
    pub(crate) async fn hold_commits(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    fn count(&self) -> &dyn Store {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.as_ref()
    }
}

impl Store for Counting {
    fn bootstrap(&self, tenant: TenantRow, origin: Origin) -> Answer<'_, LogRow> {
        self.count().bootstrap(tenant, origin)
    }
    fn logs(&self) -> Answer<'_, Vec<LogRow>> {
        self.count().logs()
    }
    fn own<'a>(&'a self, log: LogId, owner: &'a str) -> Answer<'a, LogRow> {
        self.count().own(log, owner)
    }
    fn control(&self, log: LogId) -> Answer<'_, ControlRows> {
        self.count().control(log)
    }
    fn bundle_of(&self, log: LogId, digest: Digest) -> Answer<'_, Option<BundleRow>> {
        self.count().bundle_of(log, digest)
    }
    fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<'_, Loaded> {
        self.count().recover(log, after, limit)
    }
    fn load(
        &self,
        log: LogId,
        transactions: Vec<TransactionId>,
        keys: Vec<(KeyScope, u16, [u8; 32])>,
    ) -> Answer<'_, Loaded> {
        self.count().load(log, transactions, keys)
    }
    fn commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        let inner = self.count();
        Box::pin(async move {
            let _passing = self.gate.read().await;
            inner.commit(batch).await
        })
    }
    fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<'_, Vec<EntryRow>> {
        self.count().entries(log, from, limit, payloads)
    }
    fn checkpoint_put(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        self.count().checkpoint_put(log, tiles, checkpoint, epoch)
    }
    fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Answer<'_, Option<CheckpointRow>> {
        self.count().checkpoint(log, at_most)
    }
    fn tile(&self, log: LogId, level: u8, index: u64) -> Answer<'_, Option<TileRow>> {
        self.count().tile(log, level, index)
    }
    fn transaction<'a>(&'a self, grant: &'a Grant, id: TransactionId) -> Answer<'a, Option<LoadedTransaction>> {
        self.count().transaction(grant, id)
    }
    fn transactions<'a>(
        &'a self,
        grant: &'a Grant,
        filter: TransactionFilter,
        before: Option<TransactionId>,
        limit: usize,
    ) -> Answer<'a, Vec<TransactionRow>> {
        self.count().transactions(grant, filter, before, limit)
    }
    fn history<'a>(
        &'a self,
        grant: &'a Grant,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Answer<'a, Vec<(LogId, EntryRow)>> {
        self.count().history(grant, id, from, limit)
    }
    fn definition<'a>(
        &'a self,
        grant: &'a Grant,
        name: &'a Name,
        version: Option<u32>,
    ) -> Answer<'a, Option<DefinitionRow>> {
        self.count().definition(grant, name, version)
    }
    fn definitions<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, Vec<DefinitionRow>> {
        self.count().definitions(grant, after, limit)
    }
    fn bundle<'a>(&'a self, grant: &'a Grant, digest: Digest) -> Answer<'a, Option<BundleRow>> {
        self.count().bundle(grant, digest)
    }
    fn bundles<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, (Vec<BundleRow>, Option<Digest>)> {
        self.count().bundles(grant, after, limit)
    }
    fn tenants<'a>(&'a self, grant: &'a Grant, after: Option<TenantId>, limit: usize) -> Answer<'a, Vec<TenantRow>> {
        self.count().tenants(grant, after, limit)
    }
    fn ping(&self) -> Answer<'_, ()> {
        self.count().ping()
    }
    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
    fn close(&self) -> Answer<'_, ()> {
        self.count().close()
    }
}
