//! The directory of a node with the embedded store: the database, the lock on it, and the keys.

use crate::Keys;
use crate::clock::{self, EntropyError};
use chancery_base::{Kind, Name, Secret};
use chancery_ledger::note::{KeyError, KeyName};
use chancery_ledger::{SigningKey, VerifierKey};
use chancery_shard::token::TokenKey;
use chancery_store::Store;
use chancery_store::sqlite::{OpenError, Options, SqliteStore};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const KEYS: &str = "keys";
const LOG_KEY: &str = "log.key";
const TOKEN_KEY: &str = "token.key";
/// Bytes of a key file that are read at most.
const KEY_BYTES_MAX: u64 = 4_096;

/// A directory with a store and its keys, taken for this process.
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
            Self::Exists(_) => Kind::Conflict,
            Self::Missing(_) => Kind::Missing,
            Self::Mode { .. } | Self::Key { .. } => Kind::Invalid,
            Self::File { .. } | Self::Entropy(_) => Kind::Broken,
        }
    }
}

impl DataDir {
    /// Makes a directory with an empty store and new keys; the log's key bears the cluster's name.
    ///
    /// # Errors
    /// If it holds keys already, or can't be written.
    pub fn create(dir: &Path, cluster: &Name) -> Result<Self, DataDirError> {
        let keys_dir = dir.join(KEYS);
        if keys_dir.join(LOG_KEY).exists() || keys_dir.join(TOKEN_KEY).exists() {
            return Err(DataDirError::Exists(dir.to_owned()));
        }
        // The store takes the directory before keys are made, so that two who make it at once do not mix.
        let store = SqliteStore::open(dir, &options())?;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys_dir);
        made.map_err(|source| DataDirError::File { operation: "make", path: keys_dir.clone(), source })?;
        let log = SigningKey::from_seed(KeyName::from(cluster), &clock::random_bytes()?);
        let token = clock::random_bytes()?;
        write(&keys_dir.join(LOG_KEY), log.to_secret().expose().as_bytes())?;
        write(&keys_dir.join(TOKEN_KEY), &token)?;
        sync_dir(&keys_dir)?;
        sync_dir(dir)?;
        Ok(Self { keys: Keys { log, token: TokenKey::new(token) }, store: Arc::new(store) })
    }

    /// Opens a directory that was made before.
    ///
    /// # Errors
    /// If it was not, another process has it open, or something in it is damaged.
    pub fn open(dir: &Path) -> Result<Self, DataDirError> {
        let keys = read_keys(dir)?;
        let store = SqliteStore::open(dir, &options())?;
        Ok(Self { keys, store: Arc::new(store) })
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
    #[cfg(debug_assertions)]
    if std::env::var_os("CHANCERY_SABOTAGE").is_some_and(|sabotage| sabotage == "synchronous-off") {
        tracing::warn!("sabotaged: commits are not synced");
        return Options { durability: chancery_store::sqlite::Durability::Off, ..Options::default() };
    }
    Options::default()
}

/// The public key of a directory's log, whether or not a server has it open.
///
/// # Errors
/// If the directory has no keys or they can't be read.
pub fn verifier_key(dir: &Path) -> Result<VerifierKey, DataDirError> {
    read_keys(dir).map(|keys| keys.log.verifier())
}

fn read_keys(dir: &Path) -> Result<Keys, DataDirError> {
    let keys_dir = dir.join(KEYS);
    if !keys_dir.join(LOG_KEY).exists() {
        return Err(DataDirError::Missing(dir.to_owned()));
    }
    let path = keys_dir.join(LOG_KEY);
    let text = String::from_utf8(read(&path)?);
    let text = text.ok().ok_or_else(|| DataDirError::Key { path: path.clone(), source: None })?;
    let log = SigningKey::from_secret(&Secret::new(text));
    let log = log.map_err(|error| DataDirError::Key { path, source: Some(error) })?;
    let path = keys_dir.join(TOKEN_KEY);
    let token = <[u8; 32]>::try_from(read(&path)?);
    let token = token.ok().ok_or(DataDirError::Key { path, source: None })?;
    Ok(Keys { log, token: TokenKey::new(token) })
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
