//! What the definitions beside `hello.yaml` run: desks that sell flights, rooms and cars ([`trip`]), a bank ([`bank`]),
//! and an agent that plans a trip while it runs ([`agent`]). Each keeps its data in a SQLite database of its own, behind
//! the fence.

pub mod access;
pub mod agent;
pub mod bank;
pub mod trip;

use chancery_sdk::Worker;
use chancery_sdk::fence::sqlite::FenceError;
use serde_json::{Value, json};
use std::path::Path;

/// Adds the handlers of all services, whose databases are in this directory.
///
/// # Errors
/// If a database can't be opened.
pub fn handle(worker: Worker, data: &Path) -> Result<Worker, FenceError> {
    let worker = trip::handle(worker, &trip::Desks::open(data)?);
    Ok(bank::handle(worker, &bank::open(data)?))
}

/// What the databases in this directory hold, as far as it matters whether something was done or not.
///
/// # Errors
/// If a database is missing or can't be read.
pub fn books(data: &Path) -> Result<Value, rusqlite::Error> {
    Ok(json!({"trip": trip::books(data)?, "bank": bank::books(data)?}))
}
