//! The store in PostgreSQL, 13 or newer, directly or behind `PgBouncer` in transaction mode.
//!
//! A batch is one statement (`commit`), which is its own transaction; reads are one statement or a read-only
//! transaction (`read`). No state is kept in a session. A connection that may be amid something is never used again
//! (`pool`).

mod commit;
mod control;
mod expiry;
mod fault;
mod pool;
mod read;
mod rows;
mod schema;
mod snapshot;
mod statement;
mod tls;
mod url;

pub use snapshot::Snapshot;
pub use url::UrlError;

use crate::migration::{MigrationError, State};
use crate::{
    Answer, CheckpointRow, Count, EventReach, EventSearch, EventsFound, Found, Reach, RequestReach, RequestSearch,
    Store, StoreError, StoreStats, TileRow, error,
};
use chancery_base::{Digest, EvidenceId, Kind, Name, RequestId, Secret, TenantId, Timestamp, TransactionId};
use chancery_shard::batch::{Batch, CommitError, ControlRows, Loaded, LoadedTransaction, Sources};
use chancery_shard::expiry::{Expired, Expiring};
use chancery_shard::row::{
    BundleRow, DefinitionRow, EntryRow, EvidenceContentRow, KeyScope, LogId, LogRow, RequestRow, ScheduleRow,
    SettingsRow, TenantRow,
};
use chancery_shard::search::Search;
use chancery_shard::{Grant, Origin};
use pool::{Connections, Limits};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard};

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is: a URL as libpq takes it, `postgres://user:password@host:port/database?sslmode=verify-full`.
    pub url: Secret,
    /// Connections at most.
    pub connections: usize,
    /// How long to wait for a connection, a free one or a new one.
    pub acquire: Duration,
    /// How long to wait for the answer to a statement. After it a batch's outcome is unknown.
    pub statement: Duration,
    /// Keep statements prepared on their connections. Saves the server parsing and planning them; `PgBouncer` in
    /// transaction mode must know them (1.21 and newer, with `max_prepared_statements`).
    pub prepare: bool,
    /// Whether a server that does not sync what it commits is refused. Only tests set it to `false`.
    pub durable: bool,
}

impl Options {
    /// The usual ones, for a database.
    #[must_use]
    pub const fn new(url: Secret) -> Self {
        Self {
            url,
            connections: 16,
            acquire: Duration::from_secs(5),
            statement: Duration::from_secs(30),
            prepare: false,
            durable: true,
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not one.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The database cannot be reached, or does not answer as it must.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is too old.
    #[error("the database is PostgreSQL {0}: at least 13 is needed")]
    TooOld(String),
    /// The server would lose what it committed.
    #[error("the database does not sync what it commits: `{setting}` is off, and must be on")]
    NotDurable {
        /// Which setting.
        setting: &'static str,
    },
    /// The schema is not this build's.
    #[error(transparent)]
    Schema(#[from] MigrationError),
    /// The schema lacks migrations.
    #[error("the database's schema lacks {0} migrations: apply them with `chancery migrate up`")]
    Pending(usize),
    /// A migration failed.
    #[error("failed to migrate the database")]
    Migrate {
        /// The cause.
        #[source]
        source: Box<refinery::Error>,
    },
    /// No thread or runtime for it.
    #[error("failed to start a thread that reads the database")]
    Thread(#[source] std::io::Error),
}

impl OpenError {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Url(_) | Self::TooOld(_) | Self::NotDurable { .. } | Self::Schema(_) | Self::Pending(_) => {
                Kind::Invalid
            }
            Self::Store(error) => error.kind,
            Self::Migrate { .. } | Self::Thread(_) => Kind::Broken,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    batches: AtomicU64,
    entries: AtomicU64,
}

/// The store in a database.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Connections,
    /// Whether it is closed; held for reading by each write under way.
    closed: RwLock<bool>,
    counters: Counters,
}

fn connect(options: &Options) -> Result<Connections, OpenError> {
    let address = url::parse(&options.url, options.acquire)?;
    let limits = Limits {
        connections: options.connections,
        acquire: options.acquire,
        statement: options.statement,
        prepare: options.prepare,
    };
    Ok(Connections::new(&address, limits).map_err(|message| error("open the store", Kind::Bug, message))?)
}

/// Applies the migrations that a database lacks.
///
/// # Errors
/// See [`OpenError`].
pub async fn migrate(options: &Options) -> Result<State, OpenError> {
    let connections = connect(options)?;
    check_server(&connections, options.durable).await?;
    schema::migrate(&connections).await
}

/// Says which migrations a database has, and changes nothing.
///
/// # Errors
/// See [`OpenError`].
pub async fn migration_state(options: &Options) -> Result<State, OpenError> {
    schema::state(&connect(options)?).await
}

const MIN_VERSION: i32 = 130_000;

async fn check_server(connections: &Connections, durable: bool) -> Result<(), OpenError> {
    let operation = "read the server's settings";
    let conn = connections.get(operation).await?;
    let query = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
         current_setting('fsync')::bool, current_setting('full_page_writes')::bool, \
         current_setting('synchronous_commit') <> 'off'";
    let found = conn.rows(operation, query, &[]).await?;
    let found = rows::all(operation, &found, rows::settings)?;
    let Some((number, version, [fsync, full_page_writes, synchronous])) = found.into_iter().next() else {
        return Err(error(operation, Kind::Broken, "there is no answer").into());
    };
    if number < MIN_VERSION {
        return Err(OpenError::TooOld(version));
    }
    let settings = [("fsync", fsync), ("full_page_writes", full_page_writes), ("synchronous_commit", synchronous)];
    match settings.into_iter().find(|(_, is_on)| durable && !is_on) {
        Some((setting, _)) => Err(OpenError::NotDurable { setting }),
        None => Ok(()),
    }
}

impl PostgresStore {
    /// Opens the store in a database that has all migrations.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let connections = connect(options)?;
        check_server(&connections, options.durable).await?;
        let state = schema::state(&connections).await?;
        if !state.pending.is_empty() {
            return Err(OpenError::Pending(state.pending.len()));
        }
        Ok(Self { connections, closed: RwLock::new(false), counters: Counters::default() })
    }

    /// Opens a database to be read only, at one moment, whether or not a server uses it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_read_only(options: &Options) -> Result<Snapshot, OpenError> {
        Snapshot::open(options)
    }

    /// How the database would search a page of a log, in its own words: which indexes it follows.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn search_plan(&self, log: LogId, search: Search, reach: Reach) -> Result<Vec<String>, StoreError> {
        read::search_plan(&self.connections, log, &search, reach).await
    }

    /// Begins a write, unless the store is closed; it lasts as long as what is returned.
    async fn writing(&self, operation: &'static str) -> Result<RwLockReadGuard<'_, bool>, StoreError> {
        let closed = self.closed.read().await;
        if *closed { Err(error(operation, Kind::Busy, "the store is closed")) } else { Ok(closed) }
    }

    async fn commit_batch(&self, batch: Batch) -> Result<(), CommitError> {
        let _writing = self.writing(crate::check::COMMIT).await.map_err(CommitError::Failed)?;
        commit::commit(&self.connections, &batch).await?;
        let entries = u64::try_from(batch.entries.len()).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        self.counters.entries.fetch_add(entries, Ordering::Relaxed);
        Ok(())
    }
}

impl Store for PostgresStore {
    fn bootstrap(&self, tenant: TenantRow, origin: Origin) -> Answer<'_, LogRow> {
        Box::pin(async move {
            let _writing = self.writing("make the first tenant").await?;
            control::bootstrap(&self.connections, &tenant, &origin).await
        })
    }

    fn logs(&self) -> Answer<'_, Vec<LogRow>> {
        Box::pin(read::logs(&self.connections))
    }

    fn own<'a>(&'a self, log: LogId, owner: &'a str) -> Answer<'a, LogRow> {
        Box::pin(async move {
            let _writing = self.writing("own a log").await?;
            control::own(&self.connections, log, owner).await
        })
    }

    fn control(&self, log: LogId) -> Answer<'_, ControlRows> {
        Box::pin(read::control(&self.connections, log))
    }

    fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<'_, Loaded> {
        Box::pin(read::recover(&self.connections, log, after, limit))
    }

    fn asleep(
        &self,
        log: LogId,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Answer<'_, Vec<(TransactionId, Timestamp)>> {
        Box::pin(read::asleep(&self.connections, log, after, limit))
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
        Box::pin(async move { read::load(&self.connections, log, &transactions, &keys).await })
    }

    fn bundle_of(&self, log: LogId, digest: Digest) -> Answer<'_, Option<BundleRow>> {
        Box::pin(read::bundle_of(&self.connections, log, digest))
    }

    fn definition_of(&self, log: LogId, name: Name, version: u32) -> Answer<'_, Option<DefinitionRow>> {
        Box::pin(async move { read::definition_of(&self.connections, log, &name, version).await })
    }

    fn schedules(&self, log: LogId, after: Option<Name>, limit: usize) -> Answer<'_, Vec<ScheduleRow>> {
        Box::pin(async move { read::schedules_of(&self.connections, log, after.as_ref(), limit).await })
    }

    fn sources(&self, log: LogId, payloads: Vec<u64>, definitions: Vec<(Name, u32)>) -> Answer<'_, Sources> {
        Box::pin(async move { read::sources(&self.connections, log, &payloads, &definitions).await })
    }

    fn expired(&self, log: LogId, expiring: Expiring) -> Answer<'_, Expired> {
        Box::pin(expiry::expired(&self.connections, log, expiring))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        Box::pin(self.commit_batch(batch))
    }

    fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<'_, Vec<EntryRow>> {
        Box::pin(read::entries(&self.connections, log, from, limit, payloads))
    }

    fn entries_at(&self, log: LogId, numbers: Vec<u64>) -> Answer<'_, Vec<EntryRow>> {
        Box::pin(async move { read::entries_at(&self.connections, log, &numbers).await })
    }

    fn events(&self, log: LogId, search: EventSearch, reach: EventReach) -> Answer<'_, EventsFound> {
        Box::pin(async move { read::events(&self.connections, log, &search, reach).await })
    }

    fn requests(&self, log: LogId, search: RequestSearch, reach: RequestReach) -> Answer<'_, Vec<RequestRow>> {
        Box::pin(async move { read::requests(&self.connections, log, &search, reach).await })
    }

    fn checkpoint_put(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        Box::pin(async move {
            let _writing = self.writing("store tiles and a checkpoint").await?;
            control::checkpoint_put(&self.connections, log, &tiles, checkpoint.as_ref(), epoch).await
        })
    }

    fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Answer<'_, Option<CheckpointRow>> {
        Box::pin(read::checkpoint(&self.connections, log, at_most))
    }

    fn tile(&self, log: LogId, level: u8, index: u64) -> Answer<'_, Option<TileRow>> {
        Box::pin(read::tile(&self.connections, log, level, index))
    }

    fn transaction<'a>(&'a self, grant: &'a Grant, id: TransactionId) -> Answer<'a, Option<LoadedTransaction>> {
        Box::pin(read::transaction(&self.connections, grant.tenant(), id))
    }

    fn transactions<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Found> {
        Box::pin(async move { read::transactions(&self.connections, grant.tenant(), &search, reach).await })
    }

    fn transaction_count<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Count> {
        Box::pin(async move { read::transaction_count(&self.connections, grant.tenant(), &search, reach).await })
    }

    fn history<'a>(
        &'a self,
        grant: &'a Grant,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Answer<'a, Vec<(LogId, EntryRow)>> {
        Box::pin(read::history(&self.connections, grant.tenant(), id, from, limit))
    }

    fn request<'a>(&'a self, grant: &'a Grant, id: RequestId) -> Answer<'a, Option<RequestRow>> {
        Box::pin(read::request(&self.connections, grant.tenant(), id))
    }

    fn evidence_content<'a>(&'a self, grant: &'a Grant, id: EvidenceId) -> Answer<'a, Option<EvidenceContentRow>> {
        Box::pin(read::evidence_content(&self.connections, grant.tenant(), id))
    }

    fn schedule<'a>(&'a self, grant: &'a Grant, name: &'a Name) -> Answer<'a, Option<ScheduleRow>> {
        Box::pin(read::schedule(&self.connections, grant.tenant(), name))
    }

    fn schedule_list<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<Name>,
        limit: usize,
    ) -> Answer<'a, Vec<ScheduleRow>> {
        Box::pin(async move { read::schedules(&self.connections, grant.tenant(), after.as_ref(), limit).await })
    }

    fn settings<'a>(&'a self, grant: &'a Grant, version: Option<u32>) -> Answer<'a, Option<SettingsRow>> {
        Box::pin(read::settings(&self.connections, grant.tenant(), version))
    }

    fn settings_list<'a>(
        &'a self,
        grant: &'a Grant,
        before: Option<u32>,
        limit: usize,
    ) -> Answer<'a, Vec<SettingsRow>> {
        Box::pin(read::settings_list(&self.connections, grant.tenant(), before, limit))
    }

    fn definition<'a>(
        &'a self,
        grant: &'a Grant,
        name: &'a Name,
        version: Option<u32>,
    ) -> Answer<'a, Option<DefinitionRow>> {
        Box::pin(read::definition(&self.connections, grant.tenant(), name, version))
    }

    fn definitions<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, Vec<DefinitionRow>> {
        Box::pin(async move { read::definitions(&self.connections, grant.tenant(), after.as_ref(), limit).await })
    }

    fn bundle<'a>(&'a self, grant: &'a Grant, digest: Digest) -> Answer<'a, Option<BundleRow>> {
        Box::pin(read::bundle(&self.connections, grant.tenant(), digest))
    }

    fn bundles<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, (Vec<BundleRow>, Option<Digest>)> {
        Box::pin(async move { read::bundles(&self.connections, grant.tenant(), after.as_ref(), limit).await })
    }

    fn tenants<'a>(&'a self, grant: &'a Grant, after: Option<TenantId>, limit: usize) -> Answer<'a, Vec<TenantRow>> {
        if let Err(denied) = crate::check::platform(grant) {
            return Box::pin(std::future::ready(Err(denied)));
        }
        Box::pin(async move { read::tenants(&self.connections, after.as_ref(), limit).await })
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let _writing = self.writing("ping").await?;
            read::ping(&self.connections).await
        })
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            batches: self.counters.batches.load(Ordering::Relaxed),
            entries: self.counters.entries.load(Ordering::Relaxed),
            wal_bytes: 0,
            wal_waits: 0,
        }
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            *self.closed.write().await = true;
            Ok(())
        })
    }
}
