//! Shipping: which parcel goes out for which order.

use chancery_sdk::{HandlerError, Task, Worker};
use example_participant::{OrNotDone as _, Participant};
use rusqlite::params;
use serde::Deserialize;
use serde_json::{Value, json};

/// The database's schema.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS parcels (
        number INTEGER PRIMARY KEY,
        reference TEXT NOT NULL,
        sku TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        cancelled INTEGER NOT NULL DEFAULT 0
    ) STRICT;
";

#[derive(Deserialize)]
struct Book {
    order: String,
    sku: String,
    quantity: i64,
}

/// Adds the handlers of this service.
#[must_use]
pub fn handle(worker: Worker, db: Participant) -> Worker {
    let undo_db = db.clone();
    worker
        .handle("shipping.book", move |task| book(db.clone(), task))
        .handle("shipping.cancel", move |task| cancel(undo_db.clone(), task))
}

async fn book(db: Participant, task: Task) -> Result<Value, HandlerError> {
    let Book { order, sku, quantity } = task.input()?;
    db.forward(task.fence_key(), move |tx| {
        let insert = "INSERT INTO parcels (reference, sku, quantity) VALUES (?1, ?2, ?3)";
        tx.execute(insert, params![order, sku, quantity]).or_not_done()?;
        let number = tx.last_insert_rowid();
        Ok(json!({"number": number, "parcel": format!("parcel-{number}")}))
    })
    .await
}

async fn cancel(db: Participant, task: Task) -> Result<Value, HandlerError> {
    db.undo(task.fence_key(), |tx, booked| {
        let number = booked.get("number").and_then(Value::as_i64);
        tx.execute("UPDATE parcels SET cancelled = 1 WHERE number = ?1", [number]).or_not_done()?;
        Ok(())
    })
    .await
}
