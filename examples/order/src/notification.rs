//! Notification: what the customer was told.

use chancery_sdk::{HandlerError, Task, Worker};
use example_participant::{OrNotDone as _, Participant};
use rusqlite::params;
use serde::Deserialize;
use serde_json::{Value, json};

/// The database's schema.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY, reference TEXT NOT NULL, body TEXT NOT NULL) STRICT;
";

#[derive(Deserialize)]
struct Send {
    order: String,
    text: String,
}

/// Adds the handler of this service.
#[must_use]
pub fn handle(worker: Worker, db: Participant) -> Worker {
    worker.handle("notification.send", move |task| send(db.clone(), task))
}

async fn send(db: Participant, task: Task) -> Result<Value, HandlerError> {
    let Send { order, text } = task.input()?;
    db.forward(task.fence_key(), move |tx| {
        let insert = "INSERT INTO messages (reference, body) VALUES (?1, ?2)";
        tx.execute(insert, params![order, text]).or_not_done()?;
        Ok(json!({"message": tx.last_insert_rowid()}))
    })
    .await
}
