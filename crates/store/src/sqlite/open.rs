//! Opening the files: who holds them, whether they are ours, and which version.

use crate::migration::{MigrationError, State};
use crate::sqlite::fault::extended;
use crate::sqlite::schema::{self, SchemaError};
use crate::sqlite::{Durability, Options};
use chancery_base::Kind;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's name in its directory.
pub const DATABASE: &str = "chancery.db";
/// The name of the file whose lock says that the directory is in use.
pub const LOCK: &str = "LOCK";

/// Bytes of a page. An entry with a payload of 1 KiB takes 1.3 to 2.7 KB, of which a smaller page holds one and stays half
/// empty; of a larger one more is written again for every row that changes.
const PAGE_BYTES: i64 = 8_192;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no store where one is to be read.
    #[error("there is no store in {}: `{DATABASE}` does not exist", .dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it open.
    #[error(
        "another process{} has the store in {} open: stop it, or name another directory",
        .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), .dir.display()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process, if it said so.
        pid: Option<u32>,
    },
    /// The directory or a file in it cannot be written.
    #[error("the store in {} cannot be written: check the owner and mode of the directory and what is mounted there", .dir.display())]
    ReadOnly {
        /// The directory.
        dir: PathBuf,
    },
    /// There is no room.
    #[error("the disk that holds {} is full", .dir.display())]
    Full {
        /// The directory.
        dir: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a SQLite database: restore it from a backup, or name another directory", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is another program's.
    #[error("{} is a database of another program (application id {application_id:#010x})", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it says that it is.
        application_id: i32,
    },
    /// A newer Chancery wrote it.
    #[error("{} has schema version {found}, this build knows versions up to {known}: use the newer build", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The newest version that this build knows.
        known: i32,
    },
    /// Its migrations are not those of this build.
    #[error("{}: {source}", .path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// How they differ.
        source: MigrationError,
    },
    /// The schema lacks migrations.
    #[error("the schema of {} lacks {count} migrations: apply them with `chancery migrate up`", .path.display())]
    Pending {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// A migration failed; nothing of it is there.
    #[error("failed to migrate {}", .path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<refinery::Error>,
    },
    /// The database is damaged.
    #[error("{} is damaged: {message}: restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The operating system refused.
    #[error("failed to {operation} in {}", .dir.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The directory.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// SQLite refused.
    #[error("failed to {operation} in {}", .dir.display())]
    Sqlite {
        /// What was tried.
        operation: &'static str,
        /// The directory.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } => Kind::Missing,
            Self::Locked { .. } => Kind::Conflict,
            Self::Full { .. } => Kind::Busy,
            Self::NotADatabase { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Schema { .. }
            | Self::Pending { .. } => Kind::Invalid,
            Self::ReadOnly { .. }
            | Self::Damaged { .. }
            | Self::Migrate { .. }
            | Self::Io { .. }
            | Self::Sqlite { .. } => Kind::Broken,
        }
    }
}

/// Makes the directory, for its owner alone, if it is not there.
pub(super) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| io_error("make the directory", dir, source))
}

/// Takes the directory for this process; the lock ends with the file.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let failed = |source| io_error("lock the directory", dir, source);
    let path = dir.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(OpenError::Locked { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(failed)?;
    Ok(file)
}

/// Opens the connection that writes; with a schema that has every migration, or after applying those it lacks.
pub(super) fn writer(dir: &Path, options: &Options) -> Result<Connection, OpenError> {
    let path = dir.join(DATABASE);
    if !options.migrate && !path.exists() {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    }
    let mut conn = writable(dir, &path, options.durability)?;
    if options.migrate {
        schema::migrate(&mut conn).map_err(|error| schema_error(dir, error))?;
    }
    check_schema(dir, &path, &conn)?;
    Ok(conn)
}

/// Applies the migrations that the database lacks.
pub(super) fn migrate(dir: &Path) -> Result<State, OpenError> {
    let path = dir.join(DATABASE);
    let mut conn = writable(dir, &path, Durability::Full)?;
    let state = schema::migrate(&mut conn).map_err(|error| schema_error(dir, error))?;
    check_schema(dir, &path, &conn)?;
    Ok(state)
}

/// Says which migrations the database has.
pub(super) fn migration_state(dir: &Path) -> Result<State, OpenError> {
    schema::state(&reader_identified(dir)?).map_err(|error| schema_error(dir, error))
}

/// A connection that writes to a file that is ours or empty.
fn writable(dir: &Path, path: &Path, durability: Durability) -> Result<Connection, OpenError> {
    // For its owner alone; SQLite gives the files beside it the same mode.
    let create = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    create.map_err(|source| io_error("make the database", dir, source))?;
    check_header(dir, path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|error| sql_error("open", dir, error))?;
    let set_up = |conn: &Connection| {
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.set_prepared_statement_cache_capacity(64);
        plan_once(conn)?;
        // Of a file that is made now; one that is there keeps its own.
        conn.pragma_update(None, "page_size", PAGE_BYTES)?;
        conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", durability.pragma())?;
        conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
        conn.pragma_update_and_check(None, "journal_size_limit", super::wal::WAL_BYTES_MAX, |_| Ok(()))?;
        conn.pragma_update(None, "foreign_keys", false)?;
        conn.pragma_update(None, "trusted_schema", false)?;
        conn.pragma_update(None, "temp_store", "memory")?;
        // KiB: room for the pages of a usual merge. Those of a larger one spill into the log before its commit.
        conn.pragma_update(None, "cache_size", -16_384)
    };
    check_identity(dir, path, &conn)?;
    set_up(&conn).map_err(|error| sql_error("set the database up", dir, error))?;
    if conn.is_readonly("main").map_err(|error| sql_error("open", dir, error))? {
        return Err(OpenError::ReadOnly { dir: dir.to_owned() });
    }
    Ok(conn)
}

/// A statement is planned when it is prepared, not again for each value that is bound to it, such as a limit.
fn plan_once(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// Bytes of a page of the database as it is.
pub(super) fn page_bytes(dir: &Path, conn: &Connection) -> Result<u64, OpenError> {
    let bytes = conn.pragma_query_value(None, "page_size", |row| row.get(0));
    bytes.map_err(|error| sql_error("read the size of a page", dir, error))
}

/// Opens the connection that moves the write-ahead log into the database.
pub(super) fn checkpointer(dir: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| sql_error("open for checkpoints", dir, error);
    let conn = Connection::open_with_flags(dir.join(DATABASE), flags).map_err(failed)?;
    // How long the writer may have to wait, behind reads under way, for the log to begin anew.
    conn.busy_timeout(Duration::from_millis(100)).map_err(failed)?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(())).map_err(failed)?;
    Ok(conn)
}

/// Opens the file of the database, to have it synced.
pub(super) fn database(dir: &Path) -> Result<File, OpenError> {
    File::open(dir.join(DATABASE)).map_err(|source| io_error("open the database's file", dir, source))
}

/// Opens a connection that reads, beside a writer or not.
pub(super) fn reader(dir: &Path) -> Result<Connection, OpenError> {
    let path = dir.join(DATABASE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|error| sql_error("open to read", dir, error))?;
    let set_up = |conn: &Connection| {
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.set_prepared_statement_cache_capacity(64);
        plan_once(conn)?;
        conn.pragma_update(None, "query_only", true)?;
        conn.pragma_update(None, "trusted_schema", false)?;
        conn.pragma_update(None, "temp_store", "memory")?;
        conn.pragma_update(None, "cache_size", -8_192)
    };
    set_up(&conn).map_err(|error| sql_error("open to read", dir, error))?;
    Ok(conn)
}

/// Opens a connection that reads files that nobody may be serving, after the checks that the writer makes.
pub(super) fn reader_checked(dir: &Path) -> Result<Connection, OpenError> {
    let conn = reader_identified(dir)?;
    check_schema(dir, &dir.join(DATABASE), &conn)?;
    Ok(conn)
}

/// A connection that reads a file that is ours.
fn reader_identified(dir: &Path) -> Result<Connection, OpenError> {
    let path = dir.join(DATABASE);
    if !path.exists() {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    }
    check_header(dir, &path)?;
    match reader(dir).and_then(|conn| check_identity(dir, &path, &conn).map(|()| conn)) {
        // A write-ahead log cannot be opened where nothing can be written; without one the file is all there is.
        Err(OpenError::Sqlite { .. } | OpenError::ReadOnly { .. }) if wal_is_empty(&path) => immutable(dir, &path),
        opened => opened,
    }
}

fn wal_is_empty(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(PathBuf::from(wal)).map_or(true, |metadata| metadata.len() == 0)
}

fn immutable(dir: &Path, path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let uri = format!("file:{escaped}?immutable=1");
    let conn = Connection::open_with_flags(uri, flags).map_err(|error| sql_error("open to read", dir, error))?;
    check_identity(dir, path, &conn)?;
    Ok(conn)
}

/// Whether the file begins as every SQLite database does; an empty one is new.
fn check_header(dir: &Path, path: &Path) -> Result<(), OpenError> {
    let failed = |source| io_error("read the database's header", dir, source);
    let mut header = Vec::new();
    File::open(path).and_then(|file| file.take(100).read_to_end(&mut header)).map_err(failed)?;
    if header.is_empty() || (header.len() == 100 && header.starts_with(MAGIC)) {
        return Ok(());
    }
    Err(OpenError::NotADatabase { path: path.to_owned() })
}

/// Whether the database is ours, and of a version that this build knows.
fn check_identity(dir: &Path, path: &Path, conn: &Connection) -> Result<(), OpenError> {
    let failed = |error| sql_error("read the database", dir, error);
    let (application_id, found) = schema::identity(conn).map_err(failed)?;
    let is_new = application_id == 0 && found == 0 && schema::is_empty(conn).map_err(failed)?;
    if application_id != schema::APPLICATION_ID && !is_new {
        return Err(OpenError::Foreign { path: path.to_owned(), application_id });
    }
    let known = schema::newest().map_err(|source| OpenError::Schema { path: path.to_owned(), source })?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Whether the schema has every migration and is what they make.
fn check_schema(dir: &Path, path: &Path, conn: &Connection) -> Result<(), OpenError> {
    let state = schema::state(conn).map_err(|error| schema_error(dir, error))?;
    if !state.pending.is_empty() {
        return Err(OpenError::Pending { path: path.to_owned(), count: state.pending.len() });
    }
    let difference = schema::difference(conn).map_err(|error| sql_error("read the schema", dir, error))?;
    let damaged = |message| OpenError::Damaged { path: path.to_owned(), message };
    difference.map_or(Ok(()), |message| Err(damaged(message)))
}

fn io_error(operation: &'static str, dir: &Path, source: io::Error) -> OpenError {
    let dir = dir.to_owned();
    // Every other kind says for itself what it is.
    if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
        return OpenError::ReadOnly { dir };
    }
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return OpenError::Full { dir };
    }
    OpenError::Io { operation, dir, source }
}

fn schema_error(dir: &Path, error: SchemaError) -> OpenError {
    let path = dir.join(DATABASE);
    match error {
        SchemaError::Sqlite(source) => sql_error("read the schema", dir, source),
        SchemaError::Migration(source) => OpenError::Schema { path, source },
        SchemaError::Apply(source) => {
            let cause = std::error::Error::source(&source).and_then(|cause| cause.downcast_ref());
            let known = cause.and_then(|cause| named(dir, cause));
            known.unwrap_or_else(|| OpenError::Migrate { path, source: Box::new(source) })
        }
    }
}

fn sql_error(operation: &'static str, dir: &Path, source: rusqlite::Error) -> OpenError {
    named(dir, &source).unwrap_or_else(|| OpenError::Sqlite { operation, dir: dir.to_owned(), source })
}

/// What an error of SQLite is called here, where it has a name.
fn named(dir: &Path, source: &rusqlite::Error) -> Option<OpenError> {
    let path = dir.join(DATABASE);
    Some(match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, message: source.to_string() },
        Some(ErrorCode::DiskFull) => OpenError::Full { dir: dir.to_owned() },
        // The file that readers share grows by a write that SQLite reports by its own code.
        _ if extended(source) == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => OpenError::Full { dir: dir.to_owned() },
        Some(ErrorCode::ReadOnly) => OpenError::ReadOnly { dir: dir.to_owned() },
        _ => return None,
    })
}
