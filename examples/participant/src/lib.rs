//! What the services of the examples have in common: a database, and steps that happen once, in whatever order and
//! however often the calls come.

use chancery_sdk::HandlerError;
use chancery_sdk::fence::sqlite::{self, Confirm, FenceError, Forward, Undo};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Transaction};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A service's database. Clones share it.
#[derive(Debug, Clone)]
pub struct Participant {
    db: Arc<Mutex<Connection>>,
}

impl Participant {
    /// Opens the database, and makes it by `schema` if it is new.
    ///
    /// # Errors
    /// If the database can't be opened or does not take the schema.
    pub fn open(path: &Path, schema: &str) -> Result<Self, FenceError> {
        let prepare = |source| FenceError::Database { operation: "prepare", source };
        let db = Connection::open(path).map_err(prepare)?;
        db.pragma_update(None, "journal_mode", "wal").map_err(prepare)?;
        db.execute_batch(schema).map_err(prepare)?;
        sqlite::prepare(&db)?;
        Ok(Self { db: Arc::new(Mutex::new(db)) })
    }

    /// Does a step, once: a second call gives what the first one gave, and one that comes after its undo is refused.
    /// The key is the step's ([`Task::fence_key`](chancery_sdk::Task::fence_key)), here and below.
    ///
    /// # Errors
    /// What `act` says, or that the database does not take it.
    pub async fn forward<F>(&self, key: &str, act: F) -> Result<Value, HandlerError>
    where
        F: FnOnce(&Transaction<'_>) -> Result<Value, HandlerError> + Send + 'static,
    {
        let key = key.to_owned();
        self.in_transaction(move |tx| match sqlite::forward(tx, &key).or_not_done()? {
            Forward::Permit(permit) => permit.done(act(tx)?).or_not_done(),
            Forward::AlreadyDone(result) => Ok(result),
            Forward::Refused => Err(HandlerError::refused("Undone", "this step was undone before it arrived")),
        })
        .await
    }

    /// Undoes a step, once; `act` gets the step's result, and is not called if there is nothing to undo.
    ///
    /// # Errors
    /// What `act` says, or that the database does not take it.
    pub async fn undo<F>(&self, key: &str, act: F) -> Result<Value, HandlerError>
    where
        F: FnOnce(&Transaction<'_>, &Value) -> Result<(), HandlerError> + Send + 'static,
    {
        let key = key.to_owned();
        self.in_transaction(move |tx| match sqlite::undo(tx, &key).or_not_done()? {
            Undo::Needed { result } => {
                act(tx, &result)?;
                Ok(json!({"undone": result}))
            }
            Undo::NothingDone | Undo::AlreadyUndone => Ok(json!({"undone": null})),
        })
        .await
    }

    /// Confirms what a participant of a TCC tried, once; `act` gets the try's result.
    ///
    /// # Errors
    /// What `act` says, that there is nothing to confirm, or that the database does not take it.
    pub async fn confirm<F>(&self, key: &str, act: F) -> Result<Value, HandlerError>
    where
        F: FnOnce(&Transaction<'_>, &Value) -> Result<(), HandlerError> + Send + 'static,
    {
        let key = key.to_owned();
        self.in_transaction(move |tx| match sqlite::confirm(tx, &key).or_not_done()? {
            Confirm::Needed { result } => {
                act(tx, &result)?;
                Ok(json!({"confirmed": true}))
            }
            Confirm::AlreadyConfirmed => Ok(json!({"confirmed": true})),
            Confirm::Refused => Err(HandlerError::refused("NothingHeld", "there is nothing here to confirm")),
        })
        .await
    }

    /// Runs `act` in a transaction, on a thread where waiting holds nobody up.
    async fn in_transaction<F>(&self, act: F) -> Result<Value, HandlerError>
    where
        F: FnOnce(&Transaction<'_>) -> Result<Value, HandlerError> + Send + 'static,
    {
        let db = self.db.clone();
        tokio::task::spawn_blocking(move || {
            let mut db = db.lock().unwrap_or_else(PoisonError::into_inner);
            let tx = db.transaction().or_not_done()?;
            let result = act(&tx)?;
            // Only a commit whose outcome nobody knows is unknown: until then, nothing was done.
            tx.commit()?;
            Ok(result)
        })
        .await?
    }
}

/// For errors before the commit: nothing was done, so the step may be tried again and needs no undo.
pub trait OrNotDone<T> {
    /// The value, or a failure without an effect.
    ///
    /// # Errors
    /// If this is an error.
    fn or_not_done(self) -> Result<T, HandlerError>;
}

impl<T, E: std::error::Error> OrNotDone<T> for Result<T, E> {
    fn or_not_done(self) -> Result<T, HandlerError> {
        self.map_err(|error| HandlerError::failed("Database", error.to_string()))
    }
}

/// What a database holds, for people and tests to read: the rows of a query, each as a list of its columns.
///
/// # Errors
/// If there is no such database, or it refuses the query.
pub fn rows(database: &Path, query: &str) -> Result<Vec<Value>, rusqlite::Error> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = db.prepare(query)?;
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| Ok(value(row.get_ref(column)?))).collect();
    statement.query_map([], row)?.collect()
}

fn value(column: ValueRef<'_>) -> Value {
    match column {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => json!(String::from_utf8_lossy(bytes)),
    }
}
