//! A store under test.

use crate::dump::{FullDump, dump};
use chancery_store::{Options, SimStore, SqliteStore, Store};
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) enum Subject {
    // In this order, so that the store closes before its directory goes.
    Sqlite(SqliteStore, TempDir),
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

    pub(crate) fn sim() -> Self {
        Self::Sim(SimStore::new())
    }

    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Sqlite(store, _) => store,
            Self::Sim(store) => store,
        }
    }

    pub(crate) fn dump(&self) -> FullDump {
        match self {
            Self::Sqlite(_, dir) => dump(&SqliteStore::open_read_only(dir.path()).unwrap()),
            Self::Sim(store) => dump(store),
        }
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
