//! Inventory: what is in stock.

use chancery_sdk::{HandlerError, Task, Worker};
use example_participant::{OrNotDone as _, Participant};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// The database's schema, with something in stock.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, count INTEGER NOT NULL CHECK (count >= 0)) STRICT;
    INSERT INTO stock (sku, count) VALUES ('chair', 100), ('table', 20) ON CONFLICT DO NOTHING;
";

#[derive(Deserialize)]
struct Reserve {
    sku: String,
    quantity: i64,
}

/// Adds the handlers of this service.
#[must_use]
pub fn handle(worker: Worker, db: Participant) -> Worker {
    let undo_db = db.clone();
    worker
        .handle("inventory.reserve", move |task| reserve(db.clone(), task))
        .handle("inventory.release", move |task| release(undo_db.clone(), task))
}

/// How many of something a database has in stock.
///
/// # Errors
/// If there is no such database, or it has never heard of it.
pub fn stock(database: &Path, sku: &str) -> Result<i64, rusqlite::Error> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.query_row("SELECT count FROM stock WHERE sku = ?1", [sku], |row| row.get(0))
}

async fn reserve(db: Participant, task: Task) -> Result<Value, HandlerError> {
    let Reserve { sku, quantity } = task.input()?;
    if quantity < 1 {
        return Err(HandlerError::refused("BadInput", "an order is for one or more"));
    }
    db.forward(task.fence_key(), move |tx| {
        let select = "SELECT count FROM stock WHERE sku = ?1";
        let count: Option<i64> = tx.query_row(select, [&sku], |row| row.get(0)).optional().or_not_done()?;
        let count = count.unwrap_or(0);
        if count < quantity {
            return Err(HandlerError::refused("OutOfStock", format!("{count} of `{sku}` left, {quantity} ordered")));
        }
        let update = "UPDATE stock SET count = count - ?2 WHERE sku = ?1";
        tx.execute(update, params![sku, quantity]).or_not_done()?;
        Ok(json!({"sku": sku, "quantity": quantity}))
    })
    .await
}

async fn release(db: Participant, task: Task) -> Result<Value, HandlerError> {
    db.undo(task.fence_key(), |tx, reserved| {
        let sku = reserved.get("sku").and_then(Value::as_str);
        let quantity = reserved.get("quantity").and_then(Value::as_i64);
        let update = "UPDATE stock SET count = count + ?2 WHERE sku = ?1";
        tx.execute(update, params![sku, quantity]).or_not_done()?;
        Ok(())
    })
    .await
}
