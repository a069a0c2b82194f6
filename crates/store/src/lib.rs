//! The [`Store`] trait and everything that implements it. Only this crate contains SQL.
//!
//! The hot path is three calls: [`Store::commit`], [`Store::load`] and [`Store::own`]. A method on tenant data takes
//! the tenant from a [`Grant`]; methods that take a [`LogId`] alone are the node's own, for its shards and its
//! integrator.

pub mod events;
#[cfg(any(feature = "postgres", feature = "sqlite", feature = "sim"))]
mod expiry;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod migration;
#[cfg(any(feature = "sqlite", feature = "sim"))]
mod page;
#[cfg(feature = "postgres")]
pub mod postgres;
mod requests;
pub mod scan;
pub mod search;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod words;

mod check;
mod wrapper;

pub use events::{EventReach, EventSearch, EventsFound};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use requests::{RequestReach, RequestSearch, RequestStanding};
pub use scan::Scan;
pub use search::{Count, Found, Reach};
#[cfg(feature = "sim")]
pub use sim::SimStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, OpenError, Options, Snapshot, SqliteStore};
pub use wrapper::Wrapper;

use chancery_base::{Digest, EvidenceId, Name, RequestId, TenantId, Timestamp, TransactionId};
use chancery_shard::Grant;
use chancery_shard::batch::{
    Batch, Call, CommitError, ControlRows, Loaded, LoadedTransaction, Reply, Sources, StoreError,
};
use chancery_shard::expiry::{Expired, Expiring};
use chancery_shard::row::{
    BundleRow, DefinitionRow, EntryRow, EvidenceContentRow, KeyScope, LogId, LogRow, RequestRow, ScheduleRow,
    SettingsRow, TenantRow,
};
use chancery_shard::search::Search;
use std::future::Future;
use std::pin::Pin;

/// What a store method returns: boxed, so that the trait can be used as `dyn`.
pub type Answer<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// A checkpoint as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// The tree's size.
    pub size: u64,
    /// The signed note's text.
    pub note: String,
}

/// A hash tile of height 8: up to 256 hashes; partial ones are its prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileRow {
    /// 0 for leaves' hashes.
    pub level: u8,
    /// Which tile of the level.
    pub index: u64,
    /// 32 bytes a hash.
    pub hashes: Vec<u8>,
}

/// What a store has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Database transactions that were committed; each costs one sync where durability is full.
    pub commits: u64,
    /// Batches in them.
    pub batches: u64,
    /// Entries in these.
    pub entries: u64,
    /// Bytes in the write-ahead log that checkpoints have yet to move; 0 where there is none.
    pub wal_bytes: u64,
    /// How often the writer waited, at that log's bound, for it to begin anew.
    pub wal_waits: u64,
}

/// Where Chancery keeps what it must not lose.
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// Makes the first tenant and its log in an empty store; later tenants come through the log of `system`.
    ///
    /// # Errors
    /// `Conflict` if there is a tenant already.
    fn bootstrap(&self, tenant: TenantRow, origin: chancery_shard::Origin) -> Answer<'_, LogRow>;
    /// Every tenant's logs.
    fn logs(&self) -> Answer<'_, Vec<LogRow>>;
    /// Raises the log's epoch and names its owner.
    fn own<'a>(&'a self, log: LogId, owner: &'a str) -> Answer<'a, LogRow>;
    /// The control state of the tenant that the log belongs to.
    fn control(&self, log: LogId) -> Answer<'_, ControlRows>;
    /// A page of what has neither ended nor parked, by id.
    fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<'_, Loaded>;
    /// When the transactions of a log wake that only wait, in order of their ids; those that wake by themselves alone.
    fn asleep(
        &self,
        log: LogId,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Answer<'_, Vec<(TransactionId, Timestamp)>>;
    /// What inputs name; absent ones are left out.
    fn load(
        &self,
        log: LogId,
        transactions: Vec<TransactionId>,
        keys: Vec<(KeyScope, u16, [u8; 32])>,
    ) -> Answer<'_, Loaded>;
    /// A bundle of the tenant that the log belongs to.
    fn bundle_of(&self, log: LogId, digest: Digest) -> Answer<'_, Option<BundleRow>>;
    /// A version of a definition of the tenant that the log belongs to.
    fn definition_of(&self, log: LogId, name: Name, version: u32) -> Answer<'_, Option<DefinitionRow>>;
    /// A page of the schedules of the tenant that the log belongs to, by name.
    fn schedules(&self, log: LogId, after: Option<Name>, limit: usize) -> Answer<'_, Vec<ScheduleRow>>;
    /// Payloads of the log's entries and definitions of its tenant; absent ones are left out.
    fn sources(&self, log: LogId, payloads: Vec<u64>, definitions: Vec<(Name, u32)>) -> Answer<'_, Sources>;
    /// What is final and ended long ago, with its rows, in the order in which it goes.
    fn expired(&self, log: LogId, expiring: Expiring) -> Answer<'_, Expired>;
    /// Commits a batch: all of it and durably, or nothing, or [`CommitError::Unknown`].
    ///
    /// What a transaction's row holds beside its status, times, `output_seq`, `kept` and body never changes after its
    /// first commit, and is ignored where the row is there. What has not ended is not removed.
    ///
    /// # Errors
    /// [`CommitError::Failed`] with `Conflict` if an idempotency key, a definition's or bundle's version, a tenant or
    /// a transaction's entry number is there already; with `Missing` if the log or the bundle to activate is not;
    /// with `Bug` if the batch contradicts itself.
    fn commit(&self, batch: Batch) -> Answer<'_, (), CommitError>;

    /// Entries from `from` on, in order; with payloads if asked. Of more than `PAGE_STEP` it gives fewer than asked for
    /// where payloads are large: a page ends with the log if it is empty.
    fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<'_, Vec<EntryRow>>;
    /// Those of the log's entries that have these numbers, in order, with payloads; absent ones are left out.
    fn entries_at(&self, log: LogId, numbers: Vec<u64>) -> Answer<'_, Vec<EntryRow>>;
    /// A page of the events on the log that a search finds, in the order of their entries.
    fn events(&self, log: LogId, search: EventSearch, reach: EventReach) -> Answer<'_, EventsFound>;
    /// A page of the requests to people on the log that a search finds, what is due first before what is due later.
    fn requests(&self, log: LogId, search: RequestSearch, reach: RequestReach) -> Answer<'_, Vec<RequestRow>>;
    /// Adds tiles, replacing partial ones, and stores the checkpoint if the log's epoch is `epoch` and no checkpoint
    /// of this size or a greater one is stored; `false` if so, and then nothing is written.
    fn checkpoint_put(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool>;
    /// The newest checkpoint, or the newest of at most `size`.
    fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Answer<'_, Option<CheckpointRow>>;
    /// A tile.
    fn tile(&self, log: LogId, level: u8, index: u64) -> Answer<'_, Option<TileRow>>;

    /// A transaction with its steps and payloads.
    fn transaction<'a>(&'a self, grant: &'a Grant, id: TransactionId) -> Answer<'a, Option<LoadedTransaction>>;
    /// A page of the transactions that a search finds, newest first.
    fn transactions<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Found>;
    /// How many transactions a search finds.
    fn transaction_count<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Count>;
    /// A page of a transaction's entries with payloads, from its entry number `from` on, each with its log; empty if
    /// the tenant has no such transaction.
    fn history<'a>(
        &'a self,
        grant: &'a Grant,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Answer<'a, Vec<(LogId, EntryRow)>>;
    /// A request to people.
    fn request<'a>(&'a self, grant: &'a Grant, id: RequestId) -> Answer<'a, Option<RequestRow>>;
    /// The content of an artefact, where it is stored.
    fn evidence_content<'a>(&'a self, grant: &'a Grant, id: EvidenceId) -> Answer<'a, Option<EvidenceContentRow>>;
    /// A schedule.
    fn schedule<'a>(&'a self, grant: &'a Grant, name: &'a Name) -> Answer<'a, Option<ScheduleRow>>;
    /// A page of schedules by name.
    fn schedule_list<'a>(&'a self, grant: &'a Grant, after: Option<Name>, limit: usize)
    -> Answer<'a, Vec<ScheduleRow>>;
    /// A version of the tenant's settings; the newest where none is named.
    fn settings<'a>(&'a self, grant: &'a Grant, version: Option<u32>) -> Answer<'a, Option<SettingsRow>>;
    /// A page of the versions of the tenant's settings before one, the newest first.
    fn settings_list<'a>(&'a self, grant: &'a Grant, before: Option<u32>, limit: usize)
    -> Answer<'a, Vec<SettingsRow>>;
    /// A version of a definition; the newest where none is named.
    fn definition<'a>(
        &'a self,
        grant: &'a Grant,
        name: &'a Name,
        version: Option<u32>,
    ) -> Answer<'a, Option<DefinitionRow>>;
    /// A page of definitions by (name, version), sources included.
    fn definitions<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, Vec<DefinitionRow>>;
    /// A bundle by its digest.
    fn bundle<'a>(&'a self, grant: &'a Grant, digest: Digest) -> Answer<'a, Option<BundleRow>>;
    /// A page of bundles by (name, version), and which one is active.
    fn bundles<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, (Vec<BundleRow>, Option<Digest>)>;
    /// A page of tenants by name.
    ///
    /// # Errors
    /// `Denied` unless the grant is on the tenant `system`.
    fn tenants<'a>(&'a self, grant: &'a Grant, after: Option<TenantId>, limit: usize) -> Answer<'a, Vec<TenantRow>>;

    /// Answers if the store can be read and a write could begin.
    fn ping(&self) -> Answer<'_, ()>;
    /// What it has done since it was opened.
    fn stats(&self) -> StoreStats;
    /// Stops taking writes and waits for those under way; reads are still answered.
    fn close(&self) -> Answer<'_, ()>;
}

/// Carries out what a shard asks for. `owner` is this node's name.
pub async fn carry_out(store: &dyn Store, call: Call, owner: &str) -> Reply {
    match call {
        Call::Own { log } => Reply::Owned(store.own(log, owner).await),
        Call::Control { log } => Reply::Control(store.control(log).await.map(Box::new)),
        Call::Recover { log, after, limit } => Reply::Loaded(store.recover(log, after, limit).await),
        Call::Asleep { log, after, limit } => Reply::Asleep(store.asleep(log, after, limit).await),
        Call::Load { log, transactions, keys } => Reply::Loaded(store.load(log, transactions, keys).await),
        Call::Bundle { log, digest } => Reply::Bundle(store.bundle_of(log, digest).await),
        Call::Definition { log, name, version } => Reply::Definition(store.definition_of(log, name, version).await),
        Call::Schedules { log, after, limit } => Reply::Schedules(store.schedules(log, after, limit).await),
        Call::Sources { log, payloads, definitions } => Reply::Sources(store.sources(log, payloads, definitions).await),
        Call::Expired { log, expiring } => Reply::Expired(store.expired(log, expiring).await),
        Call::Commit(batch) => Reply::Committed(store.commit(*batch).await),
    }
}

/// An error of the store's own making.
fn error(operation: &'static str, kind: chancery_base::Kind, message: impl Into<String>) -> StoreError {
    StoreError { operation, kind, message: message.into() }
}
