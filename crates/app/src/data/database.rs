//! Which store belongs to a data directory, and the one in PostgreSQL.

use super::{DataDirError, KEYS, LOG_KEY, is_sabotaged, sync_dir, write};
use crate::Keys;
use chancery_ledger::Checkpoint;
use chancery_store::migration::State;
use chancery_store::sqlite::SqliteStore;
use chancery_store::{Store as _, postgres};
use std::path::Path;

/// The file of a directory whose store is elsewhere.
const MARKER: &str = "store";
const POSTGRESQL: &[u8] = b"postgresql\n";

/// Where a node's store is.
#[derive(Debug, Clone, Default)]
pub enum Database {
    /// In the data directory.
    #[default]
    Embedded,
    /// In a PostgreSQL database.
    Postgres(postgres::Options),
}

impl Database {
    /// Whether the directory's store is of this kind.
    ///
    /// # Errors
    /// [`DataDirError::Unnamed`] or [`DataDirError::Embedded`] if not.
    pub(crate) fn check(&self, dir: &Path) -> Result<(), DataDirError> {
        match (self, dir.join(MARKER).exists()) {
            (Self::Embedded, false) | (Self::Postgres(_), true) => Ok(()),
            (Self::Embedded, true) => Err(DataDirError::Unnamed(dir.to_owned())),
            (Self::Postgres(_), false) => Err(DataDirError::Embedded(dir.to_owned())),
        }
    }
}

/// Writes down that the directory's store is a database. Which one is not said: its address holds a password, and
/// changes.
pub(super) fn mark(dir: &Path) -> Result<(), DataDirError> {
    // One that was cut off before it had keys is made again.
    if !dir.join(MARKER).exists() {
        write(&dir.join(MARKER), POSTGRESQL)?;
        sync_dir(dir)?;
    }
    Ok(())
}

fn allowed(options: &postgres::Options) -> postgres::Options {
    postgres::Options { durable: options.durable && !is_sabotaged(), ..options.clone() }
}

/// Opens a database for a new installation; one that has no schema gets it.
pub(super) async fn make(options: &postgres::Options) -> Result<postgres::PostgresStore, DataDirError> {
    let options = allowed(options);
    // A schema that is there but old is for its operator to migrate.
    if postgres::migration_state(&options).await?.applied.is_empty() {
        postgres::migrate(&options).await?;
    }
    let store = postgres::PostgresStore::open(&options).await?;
    if store.logs().await?.is_empty() { Ok(store) } else { Err(DataDirError::Occupied) }
}

/// Opens the database of an installation.
pub(super) async fn open(
    options: &postgres::Options,
    dir: &Path,
    keys: &Keys,
) -> Result<postgres::PostgresStore, DataDirError> {
    let store = postgres::PostgresStore::open(&allowed(options)).await?;
    // Any log tells: one key signs them all.
    let log = store.logs().await?.into_iter().next();
    let log = log.ok_or_else(|| DataDirError::Vacant(dir.to_owned()))?;
    if let Some(newest) = store.checkpoint(log.id, None).await?
        && Checkpoint::open(&newest.note, &chancery_ledger::Keys::one(keys.log.verifier())).is_err()
    {
        return Err(DataDirError::Stranger { log: log.origin.to_string(), dir: dir.to_owned() });
    }
    Ok(store)
}

/// Applies the migrations that the store lacks; `dir` is the data directory, which an embedded store is in.
///
/// # Errors
/// If the store is not there, in use, damaged, of a newer build, or not of the kind that the directory says.
pub async fn migrate(dir: &Path, database: &Database) -> Result<State, DataDirError> {
    check_made(dir, database)?;
    match database {
        Database::Embedded => Ok(SqliteStore::migrate(dir)?),
        Database::Postgres(options) => Ok(postgres::migrate(&allowed(options)).await?),
    }
}

/// Says which migrations the store has, and changes nothing.
///
/// # Errors
/// As [`migrate`], but a store in use can be asked.
pub async fn migration_state(dir: &Path, database: &Database) -> Result<State, DataDirError> {
    check_made(dir, database)?;
    match database {
        Database::Embedded => Ok(SqliteStore::migration_state(dir)?),
        Database::Postgres(options) => Ok(postgres::migration_state(options).await?),
    }
}

/// A database is migrated before there is a directory, too.
fn check_made(dir: &Path, database: &Database) -> Result<(), DataDirError> {
    if dir.join(KEYS).join(LOG_KEY).exists() { database.check(dir) } else { Ok(()) }
}
