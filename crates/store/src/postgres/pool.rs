//! Connections: a bounded pool, and new ones for what must not wait behind others.

use crate::error;
use crate::postgres::fault;
use crate::postgres::url::Address;
use chancery_base::Kind;
use chancery_shard::batch::StoreError;
use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// A statement's parameter.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) acquire: Duration,
    pub(super) statement: Duration,
    pub(super) prepare: bool,
}

/// Every connection to the database.
pub(super) struct Connections {
    pool: Pool,
    /// Whoever gets one of these takes it out, so that each is new.
    fresh: Pool,
    limits: Limits,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// How many new connections are being made or used at a time, at most.
const FRESH_MAX: usize = 4;

fn pool(address: &Address, limits: Limits, connections: usize) -> Result<Pool, String> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(address.config.clone(), address.connector.clone(), config);
    Pool::builder(manager)
        .max_size(connections.max(1))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(limits.acquire))
        .create_timeout(Some(limits.acquire))
        .recycle_timeout(Some(limits.acquire))
        .build()
        .map_err(|error| error.to_string())
}

async fn get(pool: &Pool, operation: &'static str) -> Result<Object, StoreError> {
    pool.get().await.map_err(|failure| match failure {
        PoolError::Backend(failure) => fault::store(operation, &failure),
        PoolError::Timeout(_) => error(operation, Kind::Busy, "no connection to the database in time"),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            error(operation, Kind::Bug, failure.to_string())
        }
    })
}

impl Connections {
    pub(super) fn new(address: &Address, limits: Limits) -> Result<Self, String> {
        let fresh = pool(address, limits, FRESH_MAX)?;
        Ok(Self { pool: pool(address, limits, limits.connections)?, fresh, limits })
    }

    /// A connection of the pool.
    pub(super) async fn get(&self, operation: &'static str) -> Result<Connection, StoreError> {
        let object = get(&self.pool, operation).await?;
        Ok(Connection { held: Held::Pooled(Box::new(object)), limits: self.limits, amid: AtomicBool::new(false) })
    }

    /// A new connection, which ends when it is dropped.
    pub(super) async fn open(&self, operation: &'static str) -> Result<Connection, StoreError> {
        let own = Object::take(get(&self.fresh, operation).await?);
        Ok(Connection { held: Held::Own(Box::new(own)), limits: self.limits, amid: AtomicBool::new(false) })
    }
}

enum Held {
    Pooled(Box<Object>),
    Own(Box<ClientWrapper>),
    Gone,
}

/// Why a statement has no answer.
pub(super) enum Trouble {
    /// It was not sent.
    Unsent(StoreError),
    /// It was sent, and this came back or nothing more can come back.
    Failed(tokio_postgres::Error),
    /// It was sent, and nothing came back in time.
    Late,
}

impl Trouble {
    /// As an error of a statement that may be done again.
    pub(super) fn into_store(self, operation: &'static str) -> StoreError {
        match self {
            Self::Unsent(error) => error,
            Self::Failed(failure) => fault::store(operation, &failure),
            Self::Late => error(operation, Kind::Busy, "the database did not answer in time"),
        }
    }
}

/// A connection: back in the pool when it is dropped, unless it may be amid something.
pub(super) struct Connection {
    held: Held,
    limits: Limits,
    amid: AtomicBool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let held = std::mem::replace(&mut self.held, Held::Gone);
        if let (Held::Pooled(object), true) = (held, self.amid.load(Ordering::Relaxed)) {
            drop(Object::take(*object));
        }
    }
}

impl Connection {
    /// The driver's own, for what runs outside of the limits.
    pub(super) fn client(&mut self) -> Option<&mut tokio_postgres::Client> {
        match &mut self.held {
            Held::Pooled(object) => Some(object),
            Held::Own(own) => Some(own),
            Held::Gone => None,
        }
    }

    fn wrapper(&self, operation: &'static str) -> Result<&ClientWrapper, StoreError> {
        let wrapper: &ClientWrapper = match &self.held {
            Held::Pooled(object) => object,
            Held::Own(own) => own,
            Held::Gone => return Err(error(operation, Kind::Bug, "the connection was given back")),
        };
        if wrapper.is_closed() {
            return Err(error(operation, Kind::Busy, "the connection to the database was lost"));
        }
        Ok(wrapper)
    }

    /// Runs one statement.
    pub(super) async fn run(
        &self,
        operation: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Trouble> {
        self.run_as(self.limits.prepare, operation, sql, params).await
    }

    /// The rows of one statement that is not prepared, because there are too many of its kind to keep them.
    pub(super) async fn rows_once(
        &self,
        operation: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.run_as(false, operation, sql, params).await.map_err(|trouble| trouble.into_store(operation))
    }

    async fn run_as(
        &self,
        prepare: bool,
        operation: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Trouble> {
        let client = self.wrapper(operation).map_err(Trouble::Unsent)?;
        let before = self.amid.swap(true, Ordering::Relaxed);
        let answer = if prepare {
            let types: Vec<Type> = params.iter().map(|(_, kind)| kind.clone()).collect();
            let prepared = self.timed(client.prepare_typed_cached(sql, &types)).await;
            let prepared = prepared.map_err(|trouble| Trouble::Unsent(trouble.into_store(operation)))?;
            let values: Vec<_> = params.iter().map(|(value, _)| *value).collect();
            self.timed(client.query(&prepared, &values)).await
        } else {
            // One round trip, and no name that a pooler would have to know on another connection.
            self.timed(client.query_typed(sql, params)).await
        };
        let usable = match &answer {
            Ok(_) => true,
            Err(Trouble::Failed(failure)) => !before && !fault::is_lost(failure),
            Err(Trouble::Unsent(_) | Trouble::Late) => false,
        };
        if usable {
            self.amid.store(before, Ordering::Relaxed);
        }
        answer
    }

    async fn timed<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
        match tokio::time::timeout(self.limits.statement, work).await {
            Ok(answer) => answer.map_err(Trouble::Failed),
            Err(_) => Err(Trouble::Late),
        }
    }

    /// The rows of one statement.
    pub(super) async fn rows(
        &self,
        operation: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.run(operation, sql, params).await.map_err(|trouble| trouble.into_store(operation))
    }

    /// Has the statements until [`Connection::end`] read one snapshot.
    pub(super) async fn begin(&self) -> Result<(), StoreError> {
        self.amid.store(true, Ordering::Relaxed);
        self.command("begin to read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// Ends what [`Connection::begin`] began.
    pub(super) async fn end(&self) -> Result<(), StoreError> {
        self.command("end reading", "COMMIT").await?;
        self.amid.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn command(&self, operation: &'static str, sql: &str) -> Result<(), StoreError> {
        let client = self.wrapper(operation)?;
        self.timed(client.batch_execute(sql)).await.map_err(|trouble| trouble.into_store(operation))
    }
}
