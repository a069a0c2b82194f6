//! The directory of a node: its keys, and the embedded store unless the store is a PostgreSQL database.

mod database;

pub use chancery_store::migration::State as MigrationState;
pub use chancery_store::postgres::Options as DatabaseOptions;
pub use database::{Database, migrate, migration_state};

use crate::Keys;
use crate::clock::{self, EntropyError};
use chancery_base::{Kind, Name, Secret};
use chancery_capability::IssuerKeys;
use chancery_ledger::note::{KeyError, KeyName};
use chancery_ledger::{SigningKey, VerifierKey};
use chancery_shard::batch::StoreError;
use chancery_shard::token::TokenKey;
use chancery_store::sqlite::{OpenError, Options, SqliteStore};
use chancery_store::{Store, postgres};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const KEYS: &str = "keys";
const LOG_KEY: &str = "log.key";
const TOKEN_KEY: &str = "token.key";
const CAPABILITY_KEY: &str = "capability.key";
/// Bytes of a key file that are read at most.
const KEY_BYTES_MAX: u64 = 4_096;

/// A store and its keys; the embedded one is taken for this process.
#[derive(Debug)]
pub struct DataDir {
    /// The keys.
    pub keys: Keys,
    /// The store.
    pub store: Arc<dyn Store>,
}

/// Why a data directory can't be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database can't be opened.
    #[error(transparent)]
    Database(#[from] postgres::OpenError),
    /// The database can't be read.
    #[error("the database did not answer")]
    Read(#[from] StoreError),
    /// The store is a database, and nobody said which.
    #[error("the store of {} is a PostgreSQL database, and none is named", .0.display())]
    Unnamed(PathBuf),
    /// A database is named, and the store is in the directory.
    #[error("the store of {} is in the directory, and a PostgreSQL database is named", .0.display())]
    Embedded(PathBuf),
    /// The database holds an installation already.
    #[error("the database holds an installation already: name an empty one")]
    Occupied,
    /// The database holds none.
    #[error("the database holds no installation: it is not the one that {} was made with", .0.display())]
    Vacant(PathBuf),
    /// The database was written by another installation.
    #[error("the database belongs to another installation: its log `{log}` was not signed with the key in {}", .dir.display())]
    Stranger {
        /// Its log.
        log: String,
        /// The directory.
        dir: PathBuf,
    },
    /// There is one already.
    #[error("{} holds keys already: it was made before", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("{} holds no keys: make it with `chancery init`", .0.display())]
    Missing(PathBuf),
    /// A key file can't be read or written.
    #[error("failed to {operation} {}", .path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Others than its owner can read a key file.
    #[error("{} can be read by others (mode {mode:o}): `chmod 600` it, and consider its key known", .path.display())]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file does not hold a key.
    #[error("{} does not hold a key", .path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// The cause, where there is one that may be told.
        #[source]
        source: Option<KeyError>,
    },
    /// The operating system gives no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl DataDirError {
    /// What it means to the one who starts the node.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Database(error) => error.kind(),
            Self::Read(error) => error.kind,
            Self::Exists(_) | Self::Occupied => Kind::Conflict,
            Self::Missing(_) | Self::Vacant(_) => Kind::Missing,
            Self::Unnamed(_) | Self::Embedded(_) | Self::Stranger { .. } | Self::Mode { .. } | Self::Key { .. } => {
                Kind::Invalid
            }
            Self::File { .. } | Self::Entropy(_) => Kind::Broken,
        }
    }
}

impl DataDir {
    /// Makes a directory with an empty store in it and new keys; the log's key bears the cluster's name.
    ///
    /// # Errors
    /// If it holds keys already, or can't be written.
    pub fn create(dir: &Path, cluster: &Name) -> Result<Self, DataDirError> {
        refuse_made(dir)?;
        // The store takes the directory before keys are made, so that two who make it at once do not mix.
        let store = Arc::new(SqliteStore::open(dir, &options())?);
        Ok(Self { keys: make_keys(dir, cluster)?, store })
    }

    /// Makes a directory with new keys, and an empty store in it or in a database. A database that has no schema gets
    /// it.
    ///
    /// # Errors
    /// As [`DataDir::create`]; or if the database can't be reached, or holds an installation already.
    pub async fn create_with(dir: &Path, cluster: &Name, database: &Database) -> Result<Self, DataDirError> {
        let Database::Postgres(options) = database else { return Self::create(dir, cluster) };
        refuse_made(dir)?;
        let store = Arc::new(database::make(options).await?);
        make_dir(dir)?;
        // Before the keys: whatever holds keys says where its store is.
        database::mark(dir)?;
        Ok(Self { keys: make_keys(dir, cluster)?, store })
    }

    /// Opens a directory with a store in it, making that if it is not there and migrating it if it is old.
    ///
    /// # Errors
    /// If it was not made, its store is elsewhere, another process has it open, or something in it is damaged.
    pub fn open(dir: &Path) -> Result<Self, DataDirError> {
        let keys = read_keys(dir)?;
        Database::Embedded.check(dir)?;
        Ok(Self { keys, store: Arc::new(SqliteStore::open(dir, &options())?) })
    }

    /// Opens a directory and its store, which must be there, here or in a database, with all migrations.
    ///
    /// # Errors
    /// As [`DataDir::open`]; or if the database can't be reached, or belongs to another installation.
    pub async fn open_with(dir: &Path, database: &Database) -> Result<Self, DataDirError> {
        let keys = read_keys(dir)?;
        database.check(dir)?;
        let store: Arc<dyn Store> = match database {
            Database::Embedded => Arc::new(SqliteStore::open(dir, &Options { migrate: false, ..options() })?),
            Database::Postgres(options) => Arc::new(database::open(options, dir, &keys).await?),
        };
        Ok(Self { keys, store })
    }

    /// The cluster's name: what the log's key is called.
    #[must_use]
    pub fn cluster(&self) -> String {
        self.keys.log.name().as_str().to_owned()
    }
}

/// How the store is opened. A debug build can be told to sync nothing, so that the kill campaign can show that it would
/// notice; a release build always syncs.
fn options() -> Options {
    if is_sabotaged() {
        return Options { durability: chancery_store::sqlite::Durability::Off, ..Options::default() };
    }
    Options::default()
}

fn is_sabotaged() -> bool {
    let sabotaged = cfg!(debug_assertions)
        && std::env::var_os("CHANCERY_SABOTAGE").is_some_and(|sabotage| sabotage == "synchronous-off");
    if sabotaged {
        tracing::warn!("sabotaged: commits need not be synced");
    }
    sabotaged
}

fn refuse_made(dir: &Path) -> Result<(), DataDirError> {
    let keys_dir = dir.join(KEYS);
    if keys_dir.join(LOG_KEY).exists() || keys_dir.join(TOKEN_KEY).exists() {
        return Err(DataDirError::Exists(dir.to_owned()));
    }
    Ok(())
}

/// Makes a directory for its owner alone, if it is not there.
fn make_dir(dir: &Path) -> Result<(), DataDirError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| DataDirError::File { operation: "make", path: dir.to_owned(), source })
}

fn make_keys(dir: &Path, cluster: &Name) -> Result<Keys, DataDirError> {
    let keys_dir = dir.join(KEYS);
    make_dir(&keys_dir)?;
    let log = SigningKey::from_seed(KeyName::from(cluster), &clock::random_bytes()?);
    let token = clock::random_bytes()?;
    write(&keys_dir.join(LOG_KEY), log.to_secret().expose().as_bytes())?;
    write(&keys_dir.join(TOKEN_KEY), &token)?;
    let capability = make_capability_keys(&keys_dir)?;
    sync_dir(dir)?;
    Ok(Keys { log, token: TokenKey::new(token), capability })
}

/// The public key of a directory's log, whether or not a server has it open.
///
/// # Errors
/// If the directory has no keys or they can't be read.
pub fn verifier_key(dir: &Path) -> Result<VerifierKey, DataDirError> {
    read_log_key(dir).map(|key| key.verifier())
}

fn read_log_key(dir: &Path) -> Result<SigningKey, DataDirError> {
    let keys_dir = dir.join(KEYS);
    if !keys_dir.join(LOG_KEY).exists() {
        return Err(DataDirError::Missing(dir.to_owned()));
    }
    let path = keys_dir.join(LOG_KEY);
    let text = String::from_utf8(read(&path)?);
    let text = text.ok().ok_or_else(|| DataDirError::Key { path: path.clone(), source: None })?;
    let log = SigningKey::from_secret(&Secret::new(text));
    log.map_err(|error| DataDirError::Key { path, source: Some(error) })
}

fn read_keys(dir: &Path) -> Result<Keys, DataDirError> {
    let log = read_log_key(dir)?;
    let keys_dir = dir.join(KEYS);
    let path = keys_dir.join(TOKEN_KEY);
    let token = <[u8; 32]>::try_from(read(&path)?);
    let token = token.ok().ok_or(DataDirError::Key { path, source: None })?;
    Ok(Keys { log, token: TokenKey::new(token), capability: read_capability_keys(&keys_dir)? })
}

/// A directory that was made before there were capability tokens has no keys for them: they are made.
fn read_capability_keys(keys_dir: &Path) -> Result<IssuerKeys, DataDirError> {
    let path = keys_dir.join(CAPABILITY_KEY);
    if !path.exists() {
        return make_capability_keys(keys_dir);
    }
    let text = String::from_utf8(read(&path)?).ok().map(Secret::new);
    let keys = text.and_then(|text| IssuerKeys::from_secret(&text).ok());
    keys.ok_or(DataDirError::Key { path, source: None })
}

fn make_capability_keys(keys_dir: &Path) -> Result<IssuerKeys, DataDirError> {
    let keys = IssuerKeys::draw(&mut clock::entropy()?);
    write(&keys_dir.join(CAPABILITY_KEY), keys.to_secret().expose().as_bytes())?;
    sync_dir(keys_dir)?;
    Ok(keys)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let failed = |source| DataDirError::File { operation: "write", path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn sync_dir(path: &Path) -> Result<(), DataDirError> {
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.map_err(|source| DataDirError::File { operation: "sync", path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, DataDirError> {
    let failed = |source| DataDirError::File { operation: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(DataDirError::Mode { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(KEY_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
