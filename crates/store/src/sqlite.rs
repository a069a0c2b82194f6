//! The embedded store: one SQLite database in a directory of its own.
//!
//! One thread writes (`writer`), a few read (`readers`), one moves the write-ahead log into the database
//! (`wal`). None of them runs a statement while nothing is asked of the store.

mod commit;
mod control;
mod expiry;
mod fault;
mod open;
mod read;
mod readers;
mod rows;
mod schema;
mod snapshot;
#[cfg(feature = "tamper")]
mod tamper;
mod wal;
mod writer;

pub use open::{DATABASE, LOCK, OpenError};
pub use snapshot::{Snapshot, Table};
#[cfg(feature = "tamper")]
pub use tamper::{add_row, copy_row, fill, flip_bit, remove_row, swap_rows};

use crate::migration::State;
use crate::{
    Answer, CheckpointRow, Count, EventReach, EventSearch, EventsFound, Found, Loaded, Reach, RequestReach,
    RequestSearch, Sources, Store, StoreError, StoreStats, TileRow,
};
use chancery_base::{Digest, EvidenceId, Name, RequestId, TenantId, Timestamp, TransactionId};
use chancery_shard::batch::{Batch, CommitError, ControlRows, LoadedTransaction};
use chancery_shard::expiry::{Expired, Expiring};
use chancery_shard::row::{
    BundleRow, DefinitionRow, EntryRow, EvidenceContentRow, KeyScope, LogId, LogRow, RequestRow, ScheduleRow,
    SettingsRow, TenantRow,
};
use chancery_shard::search::Search;
use chancery_shard::{Grant, Origin};
use readers::Readers;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use wal::{Checkpointer, Gauge};
use writer::{Jobs, Writer};

/// What a committed batch survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A crash of the machine: each commit is synced before it is answered.
    #[default]
    Full,
    /// A crash of the process only. For tests that show that they would notice, never for service.
    Off,
}

impl Durability {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Off => "off",
        }
    }

    const fn pragma(self) -> &'static str {
        self.word()
    }
}

/// What is called when a sync fails, with what happened.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// What a commit survives.
    pub durability: Durability,
    /// How many threads read, at least 1.
    pub readers: usize,
    /// Whether to make the database where there is none, and to apply the migrations that it lacks; else both are
    /// errors.
    pub migrate: bool,
    /// Ends the process: after a failed sync nobody can say what the files hold until they are read anew. If it
    /// returns, the store refuses every further write.
    pub on_fatal: OnFatal,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::default(), readers: 3, migrate: true, on_fatal: Arc::new(end_process) }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("durability", &self.durability)
            .field("readers", &self.readers)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

/// `EX_SOFTWARE` of sysexits.h.
const EXIT_FATAL: i32 = 70;

fn end_process(reason: &str) {
    tracing::error!("the store ends the process, so that the next one reads what is on the disk: {reason}");
    std::process::exit(EXIT_FATAL);
}

/// The end of the process, or what comes instead in a test.
struct Fatal {
    hook: OnFatal,
    reason: OnceLock<String>,
}

impl fmt::Debug for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fatal").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl Fatal {
    fn raise(&self, reason: &str) {
        self.reason.get_or_init(|| reason.to_owned());
        (self.hook)(reason);
    }

    fn raised(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    batches: AtomicU64,
    entries: AtomicU64,
}

/// The store in a directory.
#[derive(Debug)]
pub struct SqliteStore {
    // INVARIANT: in this order. With the queues gone their threads end; then these are waited for, then the file that
    // they wrote to is closed; then another process may have the directory.
    jobs: Jobs,
    readers: Readers,
    _threads: Threads,
    _database: Arc<File>,
    _lock: File,
    counters: Arc<Counters>,
    gauge: Arc<Gauge>,
    durability: Durability,
}

/// Threads that are waited for.
#[derive(Debug, Default)]
struct Threads(Vec<JoinHandle<()>>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

impl Threads {
    fn start(&mut self, name: &str, dir: &Path, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let failed = |source| OpenError::Io { operation: "start a thread", dir: dir.to_owned(), source };
        self.0.push(thread.map_err(failed)?);
        Ok(())
    }
}

impl SqliteStore {
    /// Opens the store in `dir` and takes it for this process.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        if options.migrate {
            open::make_dir(dir)?;
        }
        let lock = open::lock(dir)?;
        let mut conn = open::writer(dir, options)?;
        let counters = Arc::new(Counters::default());
        let page_bytes = open::page_bytes(dir, &conn)?;
        let gauge = Arc::new(Gauge::new(page_bytes));
        count_commits(&mut conn, &counters, &gauge).map_err(|source| OpenError::Sqlite {
            operation: "set a hook",
            dir: dir.to_owned(),
            source,
        })?;
        let fatal = Arc::new(Fatal { hook: Arc::clone(&options.on_fatal), reason: OnceLock::new() });

        // INVARIANT: it is closed after every connection of `threads`: closing it releases SQLite's locks on the file,
        // which are the process's.
        let database = Arc::new(open::database(dir)?);
        // INVARIANT: the queues' other ends are dropped before `threads`, also where this returns early.
        let mut threads = Threads::default();
        let (readers, reads) = Readers::new();
        let (jobs, queue) = Jobs::new();
        let mover = open::checkpointer(dir)?;
        let (checkpointer, copy) =
            Checkpointer::new(mover, Arc::clone(&database), Arc::clone(&gauge), Arc::clone(&fatal));
        threads.start("store-wal", dir, copy)?;
        for _ in 0..options.readers.max(1) {
            let (conn, reads) = (open::reader(dir)?, Arc::clone(&reads));
            threads.start("store-read", dir, move || readers::run(&conn, &reads))?;
        }
        let writer = Writer { conn, queue, checkpointer, counters: Arc::clone(&counters), fatal };
        threads.start("store-write", dir, move || writer.run())?;
        let durability = options.durability;
        Ok(Self { jobs, readers, _threads: threads, _database: database, _lock: lock, counters, gauge, durability })
    }

    /// Opens what is in `dir` to be read only, whether or not a server has it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_read_only(dir: &Path) -> Result<Snapshot, OpenError> {
        Snapshot::open(dir)
    }

    /// Applies the migrations that the store in `dir` lacks, while no server has it open.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn migrate(dir: &Path) -> Result<State, OpenError> {
        if !dir.join(DATABASE).exists() {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        let _lock = open::lock(dir)?;
        open::migrate(dir)
    }

    /// Says which migrations the store in `dir` has, and changes nothing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn migration_state(dir: &Path) -> Result<State, OpenError> {
        open::migration_state(dir)
    }

    /// What a commit survives, as a word: `full` or `off`.
    #[must_use]
    pub const fn durability(&self) -> &'static str {
        self.durability.word()
    }

    /// How the database would search a page of a log, in its own words: which indexes it follows.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn search_plan(&self, log: LogId, search: Search, reach: Reach) -> Result<Vec<String>, StoreError> {
        self.readers.read(move |conn| read::search_plan(conn, log, &search, reach)).await
    }

    /// Has a write other than a batch done.
    async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&rusqlite::Connection) -> Result<T, fault::WriteError> + Send + 'static,
    {
        self.jobs.write(None, write).await
    }
}

fn count_commits(
    conn: &mut rusqlite::Connection,
    counters: &Arc<Counters>,
    gauge: &Arc<Gauge>,
) -> rusqlite::Result<()> {
    let (counters, gauge) = (Arc::clone(counters), Arc::clone(gauge));
    conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        counters.commits.fetch_add(1, Ordering::Relaxed);
        gauge.committed(u64::try_from(pages).unwrap_or(0));
        Ok(())
    }))
}

impl Store for SqliteStore {
    fn bootstrap(&self, tenant: TenantRow, origin: Origin) -> Answer<'_, LogRow> {
        Box::pin(self.write(move |conn| control::bootstrap(conn, &tenant, &origin)))
    }

    fn logs(&self) -> Answer<'_, Vec<LogRow>> {
        Box::pin(self.readers.read(read::logs))
    }

    fn own<'a>(&'a self, log: LogId, owner: &'a str) -> Answer<'a, LogRow> {
        let owner = owner.to_owned();
        Box::pin(self.write(move |conn| control::own(conn, log, &owner)))
    }

    fn control(&self, log: LogId) -> Answer<'_, ControlRows> {
        Box::pin(self.readers.read(move |conn| read::control(conn, log)))
    }

    fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<'_, Loaded> {
        Box::pin(self.readers.read(move |conn| read::recover(conn, log, after, limit)))
    }

    fn asleep(
        &self,
        log: LogId,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Answer<'_, Vec<(TransactionId, Timestamp)>> {
        Box::pin(self.readers.read(move |conn| read::asleep(conn, log, after, limit)))
    }

    fn load(
        &self,
        log: LogId,
        transactions: Vec<TransactionId>,
        keys: Vec<(KeyScope, u16, [u8; 32])>,
    ) -> Answer<'_, Loaded> {
        if transactions.is_empty() && keys.is_empty() {
            return Box::pin(std::future::ready(Ok(Loaded::default())));
        }
        Box::pin(self.readers.read(move |conn| read::load(conn, log, &transactions, &keys)))
    }

    fn bundle_of(&self, log: LogId, digest: Digest) -> Answer<'_, Option<BundleRow>> {
        Box::pin(self.readers.read(move |conn| read::bundle_of(conn, log, digest)))
    }

    fn definition_of(&self, log: LogId, name: Name, version: u32) -> Answer<'_, Option<DefinitionRow>> {
        Box::pin(self.readers.read(move |conn| read::definition_of(conn, log, &name, version)))
    }

    fn schedules(&self, log: LogId, after: Option<Name>, limit: usize) -> Answer<'_, Vec<ScheduleRow>> {
        Box::pin(self.readers.read(move |conn| read::schedules_of(conn, log, after.as_ref(), limit)))
    }

    fn sources(&self, log: LogId, payloads: Vec<u64>, definitions: Vec<(Name, u32)>) -> Answer<'_, Sources> {
        Box::pin(self.readers.read(move |conn| read::sources(conn, log, &payloads, &definitions)))
    }

    fn expired(&self, log: LogId, expiring: Expiring) -> Answer<'_, Expired> {
        Box::pin(self.readers.read(move |conn| expiry::expired(conn, log, expiring)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        let entries = Some(batch.entries.len());
        Box::pin(self.jobs.write(entries, move |conn| commit::apply(conn, &batch)))
    }

    fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<'_, Vec<EntryRow>> {
        Box::pin(self.readers.read(move |conn| read::entries(conn, log, from, limit, payloads)))
    }

    fn entries_at(&self, log: LogId, numbers: Vec<u64>) -> Answer<'_, Vec<EntryRow>> {
        Box::pin(self.readers.read(move |conn| read::entries_at(conn, log, &numbers)))
    }

    fn events(&self, log: LogId, search: EventSearch, reach: EventReach) -> Answer<'_, EventsFound> {
        Box::pin(self.readers.read(move |conn| read::events(conn, log, &search, reach)))
    }

    fn requests(&self, log: LogId, search: RequestSearch, reach: RequestReach) -> Answer<'_, Vec<RequestRow>> {
        Box::pin(self.readers.read(move |conn| read::requests(conn, log, &search, reach)))
    }

    fn checkpoint_put(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        Box::pin(self.write(move |conn| control::checkpoint_put(conn, log, &tiles, checkpoint.as_ref(), epoch)))
    }

    fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Answer<'_, Option<CheckpointRow>> {
        Box::pin(self.readers.read(move |conn| read::checkpoint(conn, log, at_most)))
    }

    fn tile(&self, log: LogId, level: u8, index: u64) -> Answer<'_, Option<TileRow>> {
        Box::pin(self.readers.read(move |conn| read::tile(conn, log, level, index)))
    }

    fn transaction<'a>(&'a self, grant: &'a Grant, id: TransactionId) -> Answer<'a, Option<LoadedTransaction>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::transaction(conn, &tenant, id)))
    }

    fn transactions<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Found> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::transactions(conn, &tenant, &search, reach)))
    }

    fn transaction_count<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Count> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::transaction_count(conn, &tenant, &search, reach)))
    }

    fn history<'a>(
        &'a self,
        grant: &'a Grant,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Answer<'a, Vec<(LogId, EntryRow)>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::history(conn, &tenant, id, from, limit)))
    }

    fn request<'a>(&'a self, grant: &'a Grant, id: RequestId) -> Answer<'a, Option<RequestRow>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::request(conn, &tenant, id)))
    }

    fn evidence_content<'a>(&'a self, grant: &'a Grant, id: EvidenceId) -> Answer<'a, Option<EvidenceContentRow>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::evidence_content(conn, &tenant, id)))
    }

    fn schedule<'a>(&'a self, grant: &'a Grant, name: &'a Name) -> Answer<'a, Option<ScheduleRow>> {
        let (tenant, name) = (grant.tenant().clone(), name.clone());
        Box::pin(self.readers.read(move |conn| read::schedule(conn, &tenant, &name)))
    }

    fn schedule_list<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<Name>,
        limit: usize,
    ) -> Answer<'a, Vec<ScheduleRow>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::schedules(conn, &tenant, after.as_ref(), limit)))
    }

    fn settings<'a>(&'a self, grant: &'a Grant, version: Option<u32>) -> Answer<'a, Option<SettingsRow>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::settings(conn, &tenant, version)))
    }

    fn settings_list<'a>(
        &'a self,
        grant: &'a Grant,
        before: Option<u32>,
        limit: usize,
    ) -> Answer<'a, Vec<SettingsRow>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::settings_list(conn, &tenant, before, limit)))
    }

    fn definition<'a>(
        &'a self,
        grant: &'a Grant,
        name: &'a Name,
        version: Option<u32>,
    ) -> Answer<'a, Option<DefinitionRow>> {
        let (tenant, name) = (grant.tenant().clone(), name.clone());
        Box::pin(self.readers.read(move |conn| read::definition(conn, &tenant, &name, version)))
    }

    fn definitions<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, Vec<DefinitionRow>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::definitions(conn, &tenant, after.as_ref(), limit)))
    }

    fn bundle<'a>(&'a self, grant: &'a Grant, digest: Digest) -> Answer<'a, Option<BundleRow>> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::bundle(conn, &tenant, digest)))
    }

    fn bundles<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, (Vec<BundleRow>, Option<Digest>)> {
        let tenant = grant.tenant().clone();
        Box::pin(self.readers.read(move |conn| read::bundles(conn, &tenant, after.as_ref(), limit)))
    }

    fn tenants<'a>(&'a self, grant: &'a Grant, after: Option<TenantId>, limit: usize) -> Answer<'a, Vec<TenantRow>> {
        if let Err(denied) = crate::check::platform(grant) {
            return Box::pin(std::future::ready(Err(denied)));
        }
        Box::pin(self.readers.read(move |conn| read::tenants(conn, after.as_ref(), limit)))
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.readers.read(read::ping).await?;
            // An empty job begins a database transaction and commits nothing.
            self.write(|_| Ok(())).await
        })
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            batches: self.counters.batches.load(Ordering::Relaxed),
            entries: self.counters.entries.load(Ordering::Relaxed),
            wal_bytes: self.gauge.bytes(),
            wal_waits: self.gauge.waits(),
        }
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.jobs.close().await;
            Ok(())
        })
    }
}
