//! What opening says about files that are not as they must be, and that it leaves them alone.

use crate::disk::Mount;
use crate::fixture::*;
use crate::subject::block_on;
use chancery_base::{Kind, digest};
use chancery_shard::row::LogId;
use chancery_store::sqlite::{DATABASE, LOCK};
use chancery_store::{OpenError, Options, SqliteStore, Store};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(dir, &Options::default())
}

/// A directory with a store that has a tenant and is closed.
fn closed_store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    block_on(system(&store));
    drop(store);
    dir
}

fn alter(dir: &Path, sql: &str) {
    rusqlite::Connection::open(dir.join(DATABASE)).unwrap().execute_batch(sql).unwrap();
}

/// Checks the error of opening, for writing and for reading, and that the database is as before.
fn check(dir: &Path, kind: Kind, says: &[&str]) {
    let before = std::fs::read(dir.join(DATABASE)).unwrap();
    let errors = [open(dir).unwrap_err(), SqliteStore::open_read_only(dir).unwrap_err()];
    for error in errors {
        assert_eq!(error.kind(), kind, "{error}");
        for words in says {
            assert!(error.to_string().contains(words), "`{error}` does not say `{words}`");
        }
    }
    assert_eq!(std::fs::read(dir.join(DATABASE)).unwrap(), before);
}

#[test]
fn a_file_of_something_else_is_refused() {
    for garbage in [&b"hello"[..], &[b'x'; 5_000], &b"SQLite format 3\0"[..]] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(DATABASE), garbage).unwrap();
        check(dir.path(), Kind::Invalid, &["is not a SQLite database", DATABASE]);
    }
}

#[test]
fn a_header_over_garbage_is_damage() {
    let dir = closed_store();
    let path = dir.path().join(DATABASE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    check(dir.path(), Kind::Broken, &["is damaged"]);
}

#[test]
fn another_program_s_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    alter(dir.path(), "CREATE TABLE t (x); PRAGMA application_id = 77;");
    check(dir.path(), Kind::Invalid, &["another program", "0x0000004d"]);
    let dir = tempfile::tempdir().unwrap();
    alter(dir.path(), "CREATE TABLE t (x);");
    check(dir.path(), Kind::Invalid, &["another program"]);
}

#[test]
fn a_newer_schema_is_refused() {
    let dir = closed_store();
    alter(dir.path(), "PRAGMA user_version = 10;");
    check(dir.path(), Kind::Invalid, &["schema version 10", "up to 9", "newer build"]);
}

#[test]
fn only_this_build_s_migrations_are_opened() {
    let dir = closed_store();
    alter(dir.path(), "UPDATE refinery_schema_history SET checksum = '1'");
    check(dir.path(), Kind::Invalid, &["migration 1 (schema) is not the one that this build knows"]);
    let dir = closed_store();
    alter(dir.path(), "INSERT INTO refinery_schema_history VALUES (99, 'later', 'x', '1')");
    check(dir.path(), Kind::Invalid, &["version 99", "up to 9", "newer build"]);
}

/// Every migration.
fn all() -> [(i64, String); 9] {
    [
        (1, "schema"),
        (2, "transactions"),
        (3, "stops"),
        (4, "requests"),
        (5, "bundle_trust"),
        (6, "budgets"),
        (7, "evidence"),
        (8, "overrides"),
        (9, "notifiers"),
    ]
    .map(|(number, name)| (number, name.to_owned()))
}

#[test]
fn a_store_is_migrated_only_where_that_is_asked_for() {
    let as_it_is = Options { migrate: false, ..Options::default() };
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(dir.path(), &as_it_is).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing, "{error}");
    assert!(!dir.path().join(DATABASE).exists());
    assert_eq!(SqliteStore::migrate(dir.path()).unwrap_err().kind(), Kind::Missing);

    // What is left where migrating was cut off: the history's table, and no more.
    alter(
        dir.path(),
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255))",
    );
    assert_eq!(SqliteStore::migration_state(dir.path()).unwrap().pending, all());
    let errors =
        [SqliteStore::open(dir.path(), &as_it_is).unwrap_err(), SqliteStore::open_read_only(dir.path()).unwrap_err()];
    for error in errors {
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert!(error.to_string().contains("lacks 9 migrations: apply them with `chancery migrate up`"), "{error}");
    }
    assert_eq!(SqliteStore::migrate(dir.path()).unwrap().applied, all());
    let store = SqliteStore::open(dir.path(), &as_it_is).unwrap();
    assert_eq!(SqliteStore::migration_state(dir.path()).unwrap().pending, []);
    assert_eq!(SqliteStore::migrate(dir.path()).unwrap_err().kind(), Kind::Conflict, "it is in use");
    block_on(system(&store));
}

#[test]
fn what_an_older_store_has_is_found_after_migrating() {
    let dir = tempfile::tempdir().unwrap();
    let older = |sql: &str| alter(dir.path(), sql);
    older(include_str!("../../migrations/sqlite/V1__schema.sql"));
    older(&in_older_store(
        |id| format!("x'{}'", digest::hex_encode(id.as_bytes())),
        |text| format!("x'{}'", digest::hex_encode(text.as_bytes())),
    ));
    // Who pushed a bundle only its entry said.
    let (pushed, pusher) = (bundle("main", 1), principal(7));
    let record = format!(
        r#"{{"actor":"{pusher}","data":{{"bundle":"{}"}},"kind":"bundle.pushed","log":"test/system/0/1"}}"#,
        pushed.digest
    );
    older(&format!(
        "INSERT INTO bundles VALUES ('system', 'main', 1, x'{}', 0, x'7b7d'); \
         INSERT INTO entries (position, record) VALUES (1, x'{}')",
        digest::hex_encode(pushed.digest.as_bytes()),
        digest::hex_encode(record.as_bytes())
    ));
    let store = open(dir.path()).unwrap();
    block_on(found_after_migrating(&store));
    let found = block_on(store.bundle_of(LogId(1), pushed.digest)).unwrap().unwrap();
    assert_eq!((found.pushed_by, &*found.signatures), (pusher, ""));
}

#[test]
fn a_store_of_before_the_history_is_opened_and_gets_one() {
    let dir = closed_store();
    alter(dir.path(), "DROP TABLE refinery_schema_history");
    SqliteStore::open_read_only(dir.path()).unwrap();
    SqliteStore::open(dir.path(), &Options { migrate: false, ..Options::default() }).unwrap();
    open(dir.path()).unwrap();
    let conn = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
    let rows: i64 = conn.query_row("SELECT count(*) FROM refinery_schema_history", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 9);
}

#[test]
fn a_changed_schema_is_damage() {
    for (sql, says) in [
        ("DROP TABLE slots", "table `slots` is missing"),
        ("DROP INDEX transactions_live", "index `transactions_live` is missing"),
        ("ALTER TABLE keys ADD COLUMN x INTEGER", "table `keys` is missing or is not as this build makes it"),
        ("CREATE TABLE x (y INTEGER)", "table `x` does not belong there"),
    ] {
        let dir = closed_store();
        alter(dir.path(), sql);
        check(dir.path(), Kind::Broken, &["is damaged", says]);
    }
    // What ANALYZE leaves behind is none of these.
    let dir = closed_store();
    alter(dir.path(), "ANALYZE");
    assert_eq!(block_on(open(dir.path()).unwrap().logs()).unwrap().len(), 1);
}

#[test]
fn a_second_opener_is_told_who_holds_it() {
    let dir = closed_store();
    let store = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    let text = error.to_string();
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    assert!(text.contains("stop it, or name another directory"), "{text}");
    block_on(store.ping()).unwrap();
    // To read is no conflict, and with the store the lock goes.
    SqliteStore::open_read_only(dir.path()).unwrap();
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn a_lock_file_without_its_process_is_no_lock() {
    let dir = closed_store();
    std::fs::write(dir.path().join(LOCK), "4194304\n").unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn there_is_nothing_to_read_where_there_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteStore::open_read_only(dir.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_new_store_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let store = open(&path).unwrap();
    block_on(system(&store));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in std::fs::read_dir(&path).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_read_only() {
    let Some(mount) = Mount::tmpfs("4m") else { return };
    let store = open(mount.path()).unwrap();
    block_on(system(&store));
    drop(store);
    mount.read_only();
    let error = open(mount.path()).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("cannot be written"), "{error}");
    // To read is still possible.
    use chancery_store::Scan as _;
    assert_eq!(SqliteStore::open_read_only(mount.path()).unwrap().logs().unwrap().len(), 1);
}

#[test]
fn a_full_disk_is_named() {
    let Some(mount) = Mount::tmpfs("2m") else { return };
    mount.fill();
    let error = open(mount.path()).unwrap_err();
    assert!(matches!(error, OpenError::Full { .. }), "{error:?}");
    mount.free();
    block_on(system(&open(mount.path()).unwrap()));
}
