//! The schema, its migrations, and how a file says which of them it has.
//!
//! The header holds whose the file is and its version, so that any build can tell before it reads anything else;
//! refinery's table holds which migrations made it so, and when.

use crate::migration::{Applied, MigrationError, Migrations, State};
use refinery::Target;
use rusqlite::{Connection, Row};

/// `CHNC`: what the database's header says that it belongs to. The first migration sets it.
pub(super) const APPLICATION_ID: i32 = 0x4348_4e43;

/// Every migration, in order; each sets the header's version. One that was released never changes.
const MIGRATIONS: Migrations = Migrations(&[
    ("V1__schema", include_str!("../../migrations/sqlite/V1__schema.sql")),
    ("V2__transactions", include_str!("../../migrations/sqlite/V2__transactions.sql")),
    ("V3__stops", include_str!("../../migrations/sqlite/V3__stops.sql")),
    ("V4__requests", include_str!("../../migrations/sqlite/V4__requests.sql")),
    ("V5__bundle_trust", include_str!("../../migrations/sqlite/V5__bundle_trust.sql")),
    ("V6__budgets", include_str!("../../migrations/sqlite/V6__budgets.sql")),
    ("V7__evidence", include_str!("../../migrations/sqlite/V7__evidence.sql")),
    ("V8__overrides", include_str!("../../migrations/sqlite/V8__overrides.sql")),
    ("V9__notifiers", include_str!("../../migrations/sqlite/V9__notifiers.sql")),
]);

/// The table that refinery keeps.
pub(super) const HISTORY: &str = "refinery_schema_history";

/// Why the schema cannot be told or changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Migration(#[from] MigrationError),
    #[error(transparent)]
    Apply(#[from] refinery::Error),
}

/// The database's application id and its schema's version.
pub(super) fn identity(conn: &Connection) -> rusqlite::Result<(i32, i32)> {
    let application_id = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application_id, version))
}

/// The newest version of the schema that this build knows.
pub(super) fn newest() -> Result<i32, MigrationError> {
    let known = MIGRATIONS.known()?.iter().map(|migration| migration.version).max().unwrap_or(0);
    Ok(i32::try_from(known).unwrap_or(i32::MAX))
}

/// Whether there is nothing of ours or of anybody in the database; where migrating was cut off, its history is there.
pub(super) fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    let query = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE tbl_name <> ?1)";
    conn.query_row(query, [HISTORY], |row| row.get(0))
}

/// What is applied and what is pending; changes nothing.
pub(super) fn state(conn: &Connection) -> Result<State, SchemaError> {
    let applied = match history(conn)? {
        applied if !applied.is_empty() => applied,
        // A file that was made before there was a history: its header says how far it is.
        _ => {
            let (_, version) = identity(conn)?;
            MIGRATIONS.known()?.into_iter().filter(|migration| migration.version <= version.into()).collect()
        }
    };
    Ok(MIGRATIONS.state(&applied)?)
}

fn history(conn: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let query = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    if !conn.query_row(query, [HISTORY], |row| row.get::<_, bool>(0))? {
        return Ok(Vec::new());
    }
    let query = format!("SELECT version, coalesce(name, ''), coalesce(checksum, '') FROM {HISTORY} ORDER BY version");
    let read = |row: &Row<'_>| {
        // A checksum that is no number is no migration's: the next comparison says so.
        let checksum = row.get::<_, String>(2)?.parse().unwrap_or(0);
        Ok(Applied { version: row.get(0)?, name: row.get(1)?, checksum })
    };
    conn.prepare(&query)?.query_map([], read)?.collect()
}

/// Applies what is pending, all of it or nothing.
pub(super) fn migrate(conn: &mut Connection) -> Result<State, SchemaError> {
    let before = state(conn)?;
    let (_, version) = identity(conn)?;
    if version > 0 && history(conn)?.is_empty() {
        MIGRATIONS.runner()?.set_target(Target::FakeVersion(version)).run(conn)?;
    }
    if !before.pending.is_empty() {
        MIGRATIONS.runner()?.run(conn)?;
    }
    state(conn)
}

/// How the database's schema differs from what it must be, if it does.
pub(super) fn difference(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let expected = Connection::open_in_memory()?;
    for (_, sql) in MIGRATIONS.0 {
        expected.execute_batch(sql)?;
    }
    let (expected, found) = (objects(&expected)?, objects(conn)?);
    let missing = expected.iter().find(|object| !found.contains(object));
    let surplus = found.iter().find(|object| !expected.contains(object));
    Ok(match (missing, surplus) {
        (Some((kind, name, _)), _) => Some(format!("the {kind} `{name}` is missing or is not as this build makes it")),
        (None, Some((kind, name, _))) => Some(format!("the {kind} `{name}` does not belong there")),
        (None, None) => None,
    })
}

type Object = (String, String, String);

fn objects(conn: &Connection) -> rusqlite::Result<Vec<Object>> {
    // ANALYZE, should an operator run it, makes tables of its own.
    let mut statement = conn.prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema \
         WHERE name NOT LIKE 'sqlite_stat%' AND tbl_name <> ?1 ORDER BY name",
    )?;
    statement.query_map([HISTORY], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_the_history_says() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert_eq!(state(&conn).unwrap().pending.len(), MIGRATIONS.0.len());
        let after = migrate(&mut conn).unwrap();
        assert!(after.pending.is_empty() && after.applied.len() == MIGRATIONS.0.len(), "{after:?}");
        assert_eq!(identity(&conn).unwrap(), (APPLICATION_ID, newest().unwrap()));
        assert_eq!(migrate(&mut conn).unwrap(), after);
    }

    #[test]
    fn a_file_without_a_history_gets_one() {
        let mut conn = Connection::open_in_memory().unwrap();
        let (_, first) = MIGRATIONS.0[0];
        conn.execute_batch(first).unwrap();
        assert_eq!(state(&conn).unwrap().applied, [(1, "schema".to_owned())]);
        assert!(history(&conn).unwrap().is_empty());
        migrate(&mut conn).unwrap();
        assert_eq!(history(&conn).unwrap(), MIGRATIONS.known().unwrap());
        assert_eq!(difference(&conn).unwrap(), None);
    }
}
