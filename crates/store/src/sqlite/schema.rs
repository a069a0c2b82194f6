//! The schema, and how a file says that it has it.

use rusqlite::{Connection, TransactionBehavior};

/// `CHNC`: what the database's header says that it belongs to.
pub(super) const APPLICATION_ID: i32 = 0x4348_4e43;
/// The newest version of the schema that this build knows.
pub(super) const VERSION: i32 = 1;

const SCHEMA: &str = include_str!("schema.sql");

/// The database's application id and its schema's version.
pub(super) fn identity(conn: &Connection) -> rusqlite::Result<(i32, i32)> {
    let application_id = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application_id, version))
}

/// Whether there is nothing in the database.
pub(super) fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Makes the schema in an empty database, all of it or nothing.
pub(super) fn make(conn: &mut Connection) -> rusqlite::Result<()> {
    if !is_empty(conn)? {
        return Ok(());
    }
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// How the database's schema differs from what it must be, if it does.
pub(super) fn difference(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let expected = Connection::open_in_memory()?;
    expected.execute_batch(SCHEMA)?;
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
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}
