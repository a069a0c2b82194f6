//! A store around another one.

use crate::{
    Answer, CheckpointRow, Count, EventReach, EventSearch, EventsFound, Found, Reach, RequestReach, RequestSearch,
    Store, StoreStats, TileRow,
};
use chancery_base::{Digest, EvidenceId, Name, RequestId, TenantId, Timestamp, TransactionId};
use chancery_shard::batch::{Batch, CommitError, ControlRows, Loaded, LoadedTransaction, Sources};
use chancery_shard::expiry::{Expired, Expiring};
use chancery_shard::row::{
    BundleRow, DefinitionRow, EntryRow, EvidenceContentRow, KeyScope, LogId, LogRow, RequestRow, ScheduleRow,
    SettingsRow, TenantRow,
};
use chancery_shard::search::Search;
use chancery_shard::{Grant, Origin};

/// Passes everything on to the store inside, and may watch or delay it. Tests and benchmarks count and time with it.
pub trait Wrapper: Send + Sync + std::fmt::Debug + 'static {
    /// The store inside.
    fn inner(&self) -> &dyn Store;

    /// Is told of every call but [`Store::stats`], before it.
    fn before_call(&self) {}

    /// Passes a commit on.
    fn around_commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        self.inner().commit(batch)
    }

    /// Passes tiles and a checkpoint on.
    fn around_checkpoint(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        self.inner().checkpoint_put(log, tiles, checkpoint, epoch)
    }
}

fn called<W: Wrapper>(wrapper: &W) -> &dyn Store {
    wrapper.before_call();
    wrapper.inner()
}

impl<W: Wrapper> Store for W {
    fn bootstrap(&self, tenant: TenantRow, origin: Origin) -> Answer<'_, LogRow> {
        called(self).bootstrap(tenant, origin)
    }
    fn logs(&self) -> Answer<'_, Vec<LogRow>> {
        called(self).logs()
    }
    fn own<'a>(&'a self, log: LogId, owner: &'a str) -> Answer<'a, LogRow> {
        called(self).own(log, owner)
    }
    fn control(&self, log: LogId) -> Answer<'_, ControlRows> {
        called(self).control(log)
    }
    fn bundle_of(&self, log: LogId, digest: Digest) -> Answer<'_, Option<BundleRow>> {
        called(self).bundle_of(log, digest)
    }
    fn definition_of(&self, log: LogId, name: Name, version: u32) -> Answer<'_, Option<DefinitionRow>> {
        called(self).definition_of(log, name, version)
    }
    fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<'_, Loaded> {
        called(self).recover(log, after, limit)
    }
    fn asleep(
        &self,
        log: LogId,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Answer<'_, Vec<(TransactionId, Timestamp)>> {
        called(self).asleep(log, after, limit)
    }
    fn load(
        &self,
        log: LogId,
        transactions: Vec<TransactionId>,
        keys: Vec<(KeyScope, u16, [u8; 32])>,
    ) -> Answer<'_, Loaded> {
        called(self).load(log, transactions, keys)
    }
    fn schedules(&self, log: LogId, after: Option<Name>, limit: usize) -> Answer<'_, Vec<ScheduleRow>> {
        called(self).schedules(log, after, limit)
    }
    fn sources(&self, log: LogId, payloads: Vec<u64>, definitions: Vec<(Name, u32)>) -> Answer<'_, Sources> {
        called(self).sources(log, payloads, definitions)
    }
    fn expired(&self, log: LogId, expiring: Expiring) -> Answer<'_, Expired> {
        called(self).expired(log, expiring)
    }
    fn commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        self.before_call();
        self.around_commit(batch)
    }
    fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<'_, Vec<EntryRow>> {
        called(self).entries(log, from, limit, payloads)
    }
    fn entries_at(&self, log: LogId, numbers: Vec<u64>) -> Answer<'_, Vec<EntryRow>> {
        called(self).entries_at(log, numbers)
    }
    fn events(&self, log: LogId, search: EventSearch, reach: EventReach) -> Answer<'_, EventsFound> {
        called(self).events(log, search, reach)
    }
    fn requests(&self, log: LogId, search: RequestSearch, reach: RequestReach) -> Answer<'_, Vec<RequestRow>> {
        called(self).requests(log, search, reach)
    }
    fn checkpoint_put(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        self.before_call();
        self.around_checkpoint(log, tiles, checkpoint, epoch)
    }
    fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Answer<'_, Option<CheckpointRow>> {
        called(self).checkpoint(log, at_most)
    }
    fn tile(&self, log: LogId, level: u8, index: u64) -> Answer<'_, Option<TileRow>> {
        called(self).tile(log, level, index)
    }
    fn transaction<'a>(&'a self, grant: &'a Grant, id: TransactionId) -> Answer<'a, Option<LoadedTransaction>> {
        called(self).transaction(grant, id)
    }
    fn transactions<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Found> {
        called(self).transactions(grant, search, reach)
    }
    fn transaction_count<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Count> {
        called(self).transaction_count(grant, search, reach)
    }
    fn history<'a>(
        &'a self,
        grant: &'a Grant,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Answer<'a, Vec<(LogId, EntryRow)>> {
        called(self).history(grant, id, from, limit)
    }
    fn request<'a>(&'a self, grant: &'a Grant, id: RequestId) -> Answer<'a, Option<RequestRow>> {
        called(self).request(grant, id)
    }
    fn evidence_content<'a>(&'a self, grant: &'a Grant, id: EvidenceId) -> Answer<'a, Option<EvidenceContentRow>> {
        called(self).evidence_content(grant, id)
    }
    fn schedule<'a>(&'a self, grant: &'a Grant, name: &'a Name) -> Answer<'a, Option<ScheduleRow>> {
        called(self).schedule(grant, name)
    }
    fn schedule_list<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<Name>,
        limit: usize,
    ) -> Answer<'a, Vec<ScheduleRow>> {
        called(self).schedule_list(grant, after, limit)
    }
    fn settings<'a>(&'a self, grant: &'a Grant, version: Option<u32>) -> Answer<'a, Option<SettingsRow>> {
        called(self).settings(grant, version)
    }
    fn settings_list<'a>(
        &'a self,
        grant: &'a Grant,
        before: Option<u32>,
        limit: usize,
    ) -> Answer<'a, Vec<SettingsRow>> {
        called(self).settings_list(grant, before, limit)
    }
    fn definition<'a>(
        &'a self,
        grant: &'a Grant,
        name: &'a Name,
        version: Option<u32>,
    ) -> Answer<'a, Option<DefinitionRow>> {
        called(self).definition(grant, name, version)
    }
    fn definitions<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, Vec<DefinitionRow>> {
        called(self).definitions(grant, after, limit)
    }
    fn bundle<'a>(&'a self, grant: &'a Grant, digest: Digest) -> Answer<'a, Option<BundleRow>> {
        called(self).bundle(grant, digest)
    }
    fn bundles<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, (Vec<BundleRow>, Option<Digest>)> {
        called(self).bundles(grant, after, limit)
    }
    fn tenants<'a>(&'a self, grant: &'a Grant, after: Option<TenantId>, limit: usize) -> Answer<'a, Vec<TenantRow>> {
        called(self).tenants(grant, after, limit)
    }
    fn ping(&self) -> Answer<'_, ()> {
        called(self).ping()
    }
    fn stats(&self) -> StoreStats {
        self.inner().stats()
    }
    fn close(&self) -> Answer<'_, ()> {
        called(self).close()
    }
}
