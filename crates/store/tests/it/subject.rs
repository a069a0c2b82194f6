//! A store under test.

use crate::dump::{FullDump, dump};
use crate::server::Server;
use chancery_base::Secret;
use chancery_store::postgres::{self, PostgresStore};
use chancery_store::{Options, SimStore, SqliteStore, Store};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

#[derive(Debug)]
pub(crate) enum Subject {
    // In this order, so that the store closes before its directory or server goes.
    Sqlite(SqliteStore, TempDir),
    Postgres(
        Box<PostgresStore>,
        postgres::Options,
        #[expect(dead_code, reason = "it runs while it is held")] Arc<Server>,
    ),
    Sim(SimStore),
}

impl Subject {
    pub(crate) fn sqlite() -> Self {
        Self::sqlite_with(&Options::default())
    }

    pub(crate) fn sqlite_with(options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::Sqlite(SqliteStore::open(dir.path(), options).unwrap(), dir)
    }

    pub(crate) fn postgres() -> Self {
        let server = Server::shared();
        let database = server.database("template0");
        let options = postgres_options(&server.url(&database));
        Self::Postgres(Box::new(migrated(&options)), options, server)
    }

    pub(crate) fn sim() -> Self {
        Self::Sim(SimStore::new())
    }

    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Sqlite(store, _) => store,
            Self::Postgres(store, ..) => &**store,
            Self::Sim(store) => store,
        }
    }

    pub(crate) fn dump(&self) -> FullDump {
        match self {
            Self::Sqlite(_, dir) => dump(&SqliteStore::open_read_only(dir.path()).unwrap()),
            Self::Postgres(_, options, _) => dump(&PostgresStore::open_read_only(options).unwrap()),
            Self::Sim(store) => dump(store),
        }
    }
}

/// The tests' server does not sync.
pub(crate) fn postgres_options(url: &str) -> postgres::Options {
    postgres::Options { durable: false, ..postgres::Options::new(Secret::new(url.to_owned())) }
}

/// Opens a database, with all migrations.
pub(crate) fn migrated(options: &postgres::Options) -> PostgresStore {
    block_on(async {
        postgres::migrate(options).await.unwrap();
        PostgresStore::open(options).await.unwrap()
    })
}

/// The tasks of connections go on between calls, so every test has one runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    RUNTIME.block_on(future)
}
