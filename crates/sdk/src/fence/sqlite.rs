//! The fence of a participant that keeps its data in SQLite.
//!
//! ```
//! use chancery_sdk::fence::sqlite::{self, Confirm, Forward, Undo};
//! use rusqlite::Connection;
//! use serde_json::{Value, json};
//!
//! fn reserve(db: &mut Connection, key: &str) -> Result<Option<Value>, Box<dyn std::error::Error>> {
//!     let tx = db.transaction()?;
//!     let result = match sqlite::forward(&tx, key)? {
//!         Forward::Permit(permit) => {
//!             tx.execute("UPDATE stock SET count = count - 1", [])?;
//!             permit.done(json!({"reserved": 1}))?
//!         }
//!         Forward::AlreadyDone(result) => result,
//!         Forward::Refused => return Ok(None),
//!     };
//!     tx.commit()?;
//!     Ok(Some(result))
//! }
//!
//! fn release(db: &mut Connection, forward_key: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     let tx = db.transaction()?;
//!     if let Undo::Needed { .. } = sqlite::undo(&tx, forward_key)? {
//!         tx.execute("UPDATE stock SET count = count + 1", [])?;
//!     }
//!     Ok(tx.commit()?)
//! }
//!
//! // A participant of a TCC reserves in its try, releases in its cancel, and sells in its confirm.
//! fn sell(db: &mut Connection, forward_key: &str) -> Result<bool, Box<dyn std::error::Error>> {
//!     let tx = db.transaction()?;
//!     match sqlite::confirm(&tx, forward_key)? {
//!         Confirm::Needed { .. } => {
//!             tx.execute("INSERT INTO sold VALUES (?1)", [forward_key])?;
//!         }
//!         Confirm::AlreadyConfirmed => {}
//!         Confirm::Refused => return Ok(false),
//!     }
//!     tx.commit()?;
//!     Ok(true)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut db = Connection::open_in_memory()?;
//! db.execute_batch("CREATE TABLE stock (count INTEGER); INSERT INTO stock VALUES (10); CREATE TABLE sold (key TEXT);")?;
//! sqlite::prepare(&db)?;
//!
//! assert_eq!(reserve(&mut db, "order-1/reserve")?, Some(json!({"reserved": 1})));
//! assert_eq!(reserve(&mut db, "order-1/reserve")?, Some(json!({"reserved": 1})), "done once, answered twice");
//! release(&mut db, "order-1/reserve")?;
//! assert_eq!(reserve(&mut db, "order-1/reserve")?, None, "too late");
//! let count: i64 = db.query_row("SELECT count FROM stock", [], |row| row.get(0))?;
//! assert_eq!(count, 10);
//!
//! reserve(&mut db, "order-2/reserve")?;
//! assert!(sell(&mut db, "order-2/reserve")? && sell(&mut db, "order-2/reserve")?, "sold once, answered twice");
//! assert!(!sell(&mut db, "order-1/reserve")?, "it was released");
//! # Ok(())
//! # }
//! ```

pub use super::{Confirm, Undo};

use super::{confirmed, from_text, row_key, to_text};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde_json::Value;

/// What [`forward`] says.
#[derive(Debug)]
#[must_use]
pub enum Forward<'tx> {
    /// Do it, in this transaction, and record the result with [`Permit::done`].
    Permit(Permit<'tx>),
    /// It was done: answer with this result again.
    AlreadyDone(Value),
    /// It was undone before it arrived: do nothing and answer with an error.
    Refused,
}

/// Leave to do it, once.
#[derive(Debug)]
#[must_use = "record the result with `done`, or else a repeated call is answered with null"]
pub struct Permit<'tx> {
    tx: &'tx Transaction<'tx>,
    key: String,
}

/// Why the fence could not be asked. Roll the transaction back.
pub type FenceError = super::FenceError<rusqlite::Error>;

/// Makes the fence's table if there is none. Call it once when the database is opened.
///
/// # Errors
/// If the database refuses.
pub fn prepare(db: &Connection) -> Result<(), FenceError> {
    let schema = "CREATE TABLE IF NOT EXISTS chancery_fence (
                    key TEXT PRIMARY KEY,
                    undone INTEGER NOT NULL CHECK (undone IN (0, 1)),
                    result TEXT NOT NULL
                  ) STRICT, WITHOUT ROWID";
    db.execute_batch(schema).map_err(|source| FenceError::Database { operation: "prepare", source })
}

/// Asks whether the step with this idempotency key may be done now.
///
/// The fence writes first and reads then, so the transaction holds the database's write lock from here on: of two
/// copies of a call only one gets a permit, whatever kind of transaction it is.
///
/// # Errors
/// If the key is out of range or the database refuses. Roll back then.
pub fn forward<'tx>(tx: &'tx Transaction<'tx>, key: &str) -> Result<Forward<'tx>, FenceError> {
    let key = &*row_key(key)?;
    if insert(tx, key, false)? {
        return Ok(Forward::Permit(Permit { tx, key: key.to_owned() }));
    }
    let row = read(tx, key)?;
    Ok(if row.undone { Forward::Refused } else { Forward::AlreadyDone(row.result) })
}

impl Permit<'_> {
    /// Records what the step's result is, and gives it back.
    ///
    /// # Errors
    /// If the result is too large or the database refuses. Roll back then.
    pub fn done(self, result: Value) -> Result<Value, FenceError> {
        let text = to_text(&result)?;
        let statement = "UPDATE chancery_fence SET result = ?2 WHERE key = ?1";
        self.tx.execute(statement, params![self.key, text]).map_err(FenceError::write)?;
        Ok(result)
    }
}

/// Asks whether there is anything to undo of the step with this forward key, and shuts out its late arrival.
///
/// # Errors
/// If the key is out of range or the database refuses. Roll back then.
pub fn undo(tx: &Transaction<'_>, forward_key: &str) -> Result<Undo, FenceError> {
    let forward_key = &*row_key(forward_key)?;
    if insert(tx, forward_key, true)? {
        return Ok(Undo::NothingDone);
    }
    let row = read(tx, forward_key)?;
    if row.undone {
        return Ok(Undo::AlreadyUndone);
    }
    if maybe_read(tx, &confirmed(forward_key))?.is_some() {
        return Err(FenceError::Confirmed(forward_key.to_owned()));
    }
    let statement = "UPDATE chancery_fence SET undone = 1 WHERE key = ?1";
    tx.execute(statement, [forward_key]).map_err(FenceError::write)?;
    Ok(Undo::Needed { result: row.result })
}

/// Asks whether what was done under this forward key is to be confirmed now.
///
/// # Errors
/// If the key is out of range or the database refuses. Roll back then.
pub fn confirm(tx: &Transaction<'_>, forward_key: &str) -> Result<Confirm, FenceError> {
    let forward_key = &*row_key(forward_key)?;
    // Writes first, as the others do, so that it holds the write lock before it reads.
    let is_first = insert(tx, &confirmed(forward_key), false)?;
    match maybe_read(tx, forward_key)? {
        Some(row) if !row.undone && is_first => Ok(Confirm::Needed { result: row.result }),
        Some(row) if !row.undone => Ok(Confirm::AlreadyConfirmed),
        Some(_) | None => {
            let statement = "DELETE FROM chancery_fence WHERE key = ?1";
            tx.execute(statement, [confirmed(forward_key)]).map_err(FenceError::write)?;
            Ok(Confirm::Refused)
        }
    }
}

struct Row {
    undone: bool,
    result: Value,
}

/// Writes the key's row unless there is one; says whether it did.
fn insert(tx: &Transaction<'_>, key: &str, undone: bool) -> Result<bool, FenceError> {
    let statement = "INSERT INTO chancery_fence (key, undone, result) VALUES (?1, ?2, 'null') ON CONFLICT DO NOTHING";
    let rows = tx.execute(statement, params![key, undone]).map_err(FenceError::write)?;
    Ok(rows == 1)
}

fn read(tx: &Transaction<'_>, key: &str) -> Result<Row, FenceError> {
    maybe_read(tx, key)?.ok_or_else(|| FenceError::Damaged(format!("`{key}` has none")))
}

fn maybe_read(tx: &Transaction<'_>, key: &str) -> Result<Option<Row>, FenceError> {
    let statement = "SELECT undone, result FROM chancery_fence WHERE key = ?1";
    let columns = tx.query_row(statement, [key], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?)));
    let columns = columns.optional().map_err(|source| FenceError::Database { operation: "read", source })?;
    columns.map(|(undone, text)| Ok(Row { undone, result: from_text(key, &text)? })).transpose()
}
