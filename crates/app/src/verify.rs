//! Verification of a whole store, offline: entries ↔ leaves ↔ tiles ↔ checkpoints ↔ signatures, and every row of
//! every other table against what the entries amount to.
//!
//! One pass over each log's entries. In memory are the transactions that have not ended, the tenants' control state
//! and keys, and an id for each transaction; rows of a transaction are compared as it ends.

mod difference;
mod fault;
mod logs;
mod rows;
mod tenants;
mod tree;

pub use fault::{Fault, Place};

use crate::clock;
use crate::data::{self, DataDirError};
use chancery_base::Kind;
use chancery_ledger::note::Note;
use chancery_ledger::{Checkpoint, CheckpointError, Keys, LogReport, Origin};
use chancery_shard::batch::StoreError;
use chancery_shard::row::LogRow;
use chancery_store::sqlite::OpenError;
use chancery_store::{Scan, SqliteStore};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Rows that are read at a time.
const PAGE: usize = 1_024;

/// Columns that hold what no entry says, so that a changed value may pass, each with the reason. May only shrink.
pub const UNCHECKED_COLUMNS: &[(&str, &str)] = &[
    ("logs.owner", "which node owns a log now is no part of its history"),
    ("logs.epoch", "an owner that wrote nothing leaves no entry: only a value below the newest entry's is noticed"),
    (
        "checkpoints.epoch",
        "who signed is in the note; the epoch is noticed unless it lies between those of the entries around it",
    ),
];

/// What to verify with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keys that checkpoints are believed by; those of the data directory where none are given.
    pub keys: Option<Keys>,
    /// Checkpoints that somebody kept: each log must still have their roots.
    pub checkpoints: Vec<String>,
}

/// How far verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries verified.
    pub entries: u64,
    /// Entries that there are, as the logs' rows say.
    pub total: u64,
    /// Time taken so far.
    pub elapsed: Duration,
}

impl Progress {
    /// Entries a second so far.
    #[must_use]
    pub fn per_second(entries: u64, elapsed: Duration) -> u64 {
    let rate = (u128::from(entries) * 1_000_000).checked_div(elapsed.as_micros()).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// Calls `take` with every row of a table that is read in pages.
fn each<R>(
    mut page: impl FnMut(Option<&R>) -> Result<Vec<R>, StoreError>,
    mut take: impl FnMut(&R) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut rows = page(None)?;
    loop {
        rows.iter().try_for_each(&mut take)?;
        let Some(last) = rows.pop() else { return Ok(()) };
        rows = page(Some(&last))?;
    }
}
