//! The fence of a participant that keeps its data in PostgreSQL.
//!
//! ```no_run
//! use chancery_sdk::fence::postgres::{self, Forward, Undo};
//! use serde_json::{Value, json};
//! use tokio_postgres::Client;
//!
//! async fn reserve(db: &mut Client, key: &str) -> Result<Option<Value>, Box<dyn std::error::Error>> {
//!     let tx = db.transaction().await?;
//!     let result = match postgres::forward(&tx, key).await? {
//!         Forward::Permit(permit) => {
//!             tx.execute("UPDATE stock SET count = count - 1", &[]).await?;
//!             permit.done(json!({"reserved": 1})).await?
//!         }
//!         Forward::AlreadyDone(result) => result,
//!         Forward::Refused => return Ok(None),
//!     };
//!     tx.commit().await?;
//!     Ok(Some(result))
//! }
//!
//! async fn release(db: &mut Client, forward_key: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     let tx = db.transaction().await?;
//!     if let Undo::Needed { .. } = postgres::undo(&tx, forward_key).await? {
//!         tx.execute("UPDATE stock SET count = count + 1", &[]).await?;
//!     }
//!     Ok(tx.commit().await?)
//! }
//! ```
//!
//! Any isolation level will do. Under `READ COMMITTED` a copy of a call waits for the first; under stricter levels it
//! may fail with a serialization error instead, and the whole transaction is to be tried again. The statements have no
//! names, so that poolers of transactions can be between.

pub use super::{Confirm, Undo};

use super::{confirmed, from_text, row_key, to_text};
use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

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
#[must_use = "record the result with `done`, or else a repeated call is answered with null"]
pub struct Permit<'tx> {
    tx: &'tx Transaction<'tx>,
    key: String,
}

impl std::fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why the fence could not be asked. Roll the transaction back.
pub type FenceError = super::FenceError<tokio_postgres::Error>;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS chancery_fence (
    key text PRIMARY KEY,
    undone boolean NOT NULL,
    result text NOT NULL
)";

/// Makes the fence's table if there is none, in the first schema of the search path. Call it once, or make the table
/// with the participant's other migrations.
///
/// # Errors
/// If the database refuses; of several who call it at once on an empty database, all but one may be refused, and
/// succeed when they try again.
pub async fn prepare(db: &Client) -> Result<(), FenceError> {
    db.batch_execute(SCHEMA).await.map_err(|source| FenceError::Database { operation: "prepare", source })
}

/// Asks whether the step with this idempotency key may be done now.
///
/// The fence writes first and reads then, so the transaction holds the key's row from here on: of two copies of a call
/// only one gets a permit, and the other waits until that is committed or rolled back.
///
/// # Errors
/// If the key is out of range or the database refuses. Roll back then.
pub async fn forward<'tx>(tx: &'tx Transaction<'tx>, key: &str) -> Result<Forward<'tx>, FenceError> {
    let key = &*row_key(key)?;
    if insert(tx, key, false).await? {
        return Ok(Forward::Permit(Permit { tx, key: key.to_owned() }));
    }
    // Waits for an undo under way.
    let statement = "SELECT undone, result FROM chancery_fence WHERE key = $1 FOR UPDATE";
    let row = tx.query_typed_opt(statement, &[(&key, Type::TEXT)]).await;
    let row = row.map_err(|source| FenceError::Database { operation: "read", source })?;
    let row = row.ok_or_else(|| FenceError::Damaged(format!("`{key}` has none")))?;
    let (undone, text) = (row.try_get(0).map_err(damaged)?, row.try_get(1).map_err(damaged)?);
    Ok(if undone { Forward::Refused } else { Forward::AlreadyDone(from_text(key, text)?) })
}

impl Permit<'_> {
    /// Records what the step's result is, and gives it back.
    ///
    /// # Errors
    /// If the result is too large or the database refuses. Roll back then.
    pub async fn done(self, result: Value) -> Result<Value, FenceError> {
        let text = to_text(&result)?;
        let statement = "UPDATE chancery_fence SET result = $2 WHERE key = $1";
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&self.key, Type::TEXT), (&text, Type::TEXT)];
        self.tx.execute_typed(statement, &params).await.map_err(FenceError::write)?;
        Ok(result)
    }
}

/// Asks whether there is anything to undo of the step with this forward key, and shuts out its late arrival.
///
/// # Errors
/// If the key is out of range or the database refuses. Roll back then.
pub async fn undo(tx: &Transaction<'_>, forward_key: &str) -> Result<Undo, FenceError> {
    let forward_key = &*row_key(forward_key)?;
    if insert(tx, forward_key, true).await? {
        return Ok(Undo::NothingDone);
    }
    // In one statement, so that of two undos at once the second finds it undone when the first is committed.
    let statement = "UPDATE chancery_fence SET undone = true WHERE key = $1 AND NOT undone RETURNING result";
    let row = tx.query_typed_opt(statement, &[(&forward_key, Type::TEXT)]).await.map_err(FenceError::write)?;
    let Some(row) = row else { return Ok(Undo::AlreadyUndone) };
    // A confirm locks the step's row before it writes its own, so that this sees it.
    let statement = "SELECT 1 FROM chancery_fence WHERE key = $1";
    let confirm = tx.query_typed_opt(statement, &[(&confirmed(forward_key), Type::TEXT)]).await.map_err(damaged)?;
    if confirm.is_some() {
        return Err(FenceError::Confirmed(forward_key.to_owned()));
    }
    let result = from_text(forward_key, row.try_get(0).map_err(damaged)?)?;
    Ok(Undo::Needed { result })
}

/// Asks whether what was done under this forward key is to be confirmed now.
///
/// # Errors
/// If the key is out of range or the database refuses. Roll back then.
pub async fn confirm(tx: &Transaction<'_>, forward_key: &str) -> Result<Confirm, FenceError> {
    let forward_key = &*row_key(forward_key)?;
    // Waits for whatever is under way with the step, and holds its row from here on.
    let statement = "UPDATE chancery_fence SET undone = false WHERE key = $1 AND NOT undone RETURNING result";
    let row = tx.query_typed_opt(statement, &[(&forward_key, Type::TEXT)]).await.map_err(FenceError::write)?;
    let Some(row) = row else { return Ok(Confirm::Refused) };
    if !insert(tx, &confirmed(forward_key), false).await? {
        return Ok(Confirm::AlreadyConfirmed);
    }
    let result = from_text(forward_key, row.try_get(0).map_err(damaged)?)?;
    Ok(Confirm::Needed { result })
}

fn damaged(source: tokio_postgres::Error) -> FenceError {
    FenceError::Database { operation: "read", source }
}

/// Writes the key's row unless there is one; says whether it did.
async fn insert(tx: &Transaction<'_>, key: &str, undone: bool) -> Result<bool, FenceError> {
    let statement = "INSERT INTO chancery_fence (key, undone, result) VALUES ($1, $2, 'null') ON CONFLICT DO NOTHING";
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] = [(&key, Type::TEXT), (&undone, Type::BOOL)];
    let rows = tx.execute_typed(statement, &params).await.map_err(FenceError::write)?;
    Ok(rows == 1)
}
