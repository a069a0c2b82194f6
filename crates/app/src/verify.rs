//! Verification of a whole store, offline: entries ↔ leaves ↔ tiles ↔ checkpoints ↔ signatures, and every row of
//! every other table against what the entries amount to.
//!
//! One pass over each log's entries. In memory are a few pages of them, the transactions that have not ended, the
//! tenants' control state and keys, and an id for each transaction; rows of a transaction are compared as it ends. One
//! that has no rows then must be named by an entry to come, which says what expired: and of what that names nothing may
//! be left.

mod difference;
mod events;
mod fault;
mod logs;
mod rows;
mod tenants;
mod tree;

pub use fault::{Fault, Place};

use crate::clock;
use crate::data::{self, DataDirError, Database};
use chancery_base::Kind;
use chancery_ledger::note::Note;
use chancery_ledger::{Checkpoint, CheckpointError, Keys, LogReport, Origin};
use chancery_shard::batch::StoreError;
use chancery_shard::row::LogRow;
use chancery_store::sqlite::OpenError;
use chancery_store::{PostgresStore, Scan, SqliteStore};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Rows that are read at a time.
const PAGE: usize = 1_024;

/// Columns that hold what no entry says, so that a changed value may pass, each with the reason. May only shrink.
pub const UNCHECKED_COLUMNS: &[(&str, &str)] = &[
    ("logs.owner", "which node owns a log now is no part of its history"),
    ("notifiers.secret", "a password is in no entry, not even its digest: only whether there is one is noticed"),
    ("logs.epoch", "an owner that wrote nothing leaves no entry: only a value below the newest entry's is noticed"),
];

/// Tables of which a row can go unnoticed, each with the reason. May only shrink.
pub const UNCHECKED_REMOVALS: &[(&str, &str)] = &[(
    "checkpoints",
    "that a checkpoint was signed is in no entry: those who kept it can give it, and what none covers is reported",
)];

/// What to verify with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keys that checkpoints are believed by; those of the data directory where none are given.
    pub keys: Option<Keys>,
    /// Checkpoints that somebody kept: each log must still have their roots.
    pub checkpoints: Vec<String>,
    /// Where the store is, if not in the data directory.
    pub database: Database,
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
    pub fn per_second(&self) -> u64 {
        per_second(self.entries, self.elapsed)
    }
}

/// What a verified store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its logs.
    pub logs: Vec<LogReport>,
    /// Entries of all logs.
    pub entries: u64,
    /// Rows of other tables that were computed from the entries and compared.
    pub rows: u64,
    /// Time taken.
    pub elapsed: Duration,
}

impl Report {
    /// Entries a second.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        per_second(self.entries, self.elapsed)
    }

    /// Entries that no checkpoint covers yet: nothing vouches for these but their own digests and the rows.
    #[must_use]
    pub fn uncovered(&self) -> u64 {
        let covered = |log: &LogReport| log.newest.as_ref().map_or(0, |newest| newest.size.0);
        self.logs.iter().map(|log| log.size.0.saturating_sub(covered(log))).sum()
    }
}

/// Why a store was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something is wrong with it.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The directory's key can't be read.
    #[error(transparent)]
    Keys(#[from] DataDirError),
    /// A checkpoint that was given is none.
    #[error("the given checkpoint is none")]
    Checkpoint(#[source] CheckpointError),
    /// A checkpoint that was given is of a log that the store does not have.
    #[error("the given checkpoint is of the log `{0}`, which is not here")]
    OtherLog(Origin),
}

impl VerifyError {
    /// What it means to the one who asked.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Fault(_) => Kind::Broken,
            Self::Open(error) => error.kind(),
            Self::Keys(error) => error.kind(),
            Self::Checkpoint(error) => error.kind(),
            Self::OtherLog(_) => Kind::Invalid,
        }
    }
}

/// Verifies the store of a data directory, whether or not a server has it open: what is committed at this moment.
///
/// `progress` is called after every page of entries.
///
/// # Errors
/// The first fault, or why the store can't be read.
pub fn run(dir: &Path, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Report, VerifyError> {
    let keys = match &options.keys {
        Some(keys) => keys.clone(),
        None => Keys::one(data::verifier_key(dir)?),
    };
    options.database.check(dir)?;
    if let Database::Postgres(database) = &options.database {
        let snapshot = PostgresStore::open_read_only(database).map_err(DataDirError::Database)?;
        return store(&snapshot, &keys, &options.checkpoints, progress);
    }
    let snapshot = SqliteStore::open_read_only(dir)?;
    if let Some(problem) = snapshot.integrity().map_err(Fault::from)?.into_iter().next() {
        return Err(Fault::new(Place::File, problem).into());
    }
    store(&snapshot, &keys, &options.checkpoints, progress)
}

/// Verifies a store that can be read as a whole.
///
/// # Errors
/// As [`run`].
pub fn store(
    store: &impl Scan,
    keys: &Keys,
    checkpoints: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, VerifyError> {
    let rows = store.logs().map_err(Fault::from)?;
    tenants::check_logs(store, &rows)?;
    let kept = checkpoints.iter().map(|note| kept(note, &rows)).collect::<Result<Vec<_>, _>>()?;
    let total = rows.iter().map(|row| row.size).fold(0, u64::saturating_add);
    let mut meter = Meter { entries: 0, total, began: clock::instant(), progress };
    let mut state = tenants::State::default();
    let mut transactions = rows::Transactions::default();
    let mut events = events::Events::default();
    let mut logs = Vec::with_capacity(rows.len());
    for row in &rows {
        let notes = kept.iter().filter(|(origin, _)| *origin == row.origin).map(|(_, note)| *note);
        let (report, made) = logs::verify(store, row, keys, notes, (&mut transactions, &mut events), &mut meter)?;
        state.add(row, made, report.size)?;
        logs.push(report);
    }
    let compared = transactions.finish(store, &rows)? + events.finish(store)? + state.compare(store, &rows)?;
    Ok(Report { logs, entries: meter.entries, rows: compared, elapsed: meter.began.elapsed() })
}

/// The log that a kept checkpoint says it is of. Whether that is true is seen with the log.
fn kept<'a>(note: &'a str, logs: &[LogRow]) -> Result<(Origin, &'a str), VerifyError> {
    let parsed = Note::parse(note).map_err(|error| VerifyError::Checkpoint(error.into()))?;
    let claimed = Checkpoint::parse_text(parsed.text()).map_err(VerifyError::Checkpoint)?;
    if !logs.iter().any(|row| row.origin == claimed.origin) {
        return Err(VerifyError::OtherLog(claimed.origin));
    }
    Ok((claimed.origin, note))
}

/// Counts entries and tells how far it is.
struct Meter<'a> {
    entries: u64,
    total: u64,
    began: Instant,
    progress: &'a mut dyn FnMut(Progress),
}

impl Meter<'_> {
    fn add(&mut self, entries: usize) {
        self.entries += u64::try_from(entries).unwrap_or(u64::MAX);
        (self.progress)(Progress { entries: self.entries, total: self.total, elapsed: self.began.elapsed() });
    }
}

fn per_second(entries: u64, elapsed: Duration) -> u64 {
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
