//! What is wrong with a store, and where.

use chancery_ledger::verify::{Place as LogPlace, Problem};
use chancery_ledger::{LeafIndex, Origin, verify};
use chancery_shard::batch::StoreError;
use std::fmt;

/// The first thing that is wrong with a store: `log main/acme/0/1, entry 41: …`, `table steps, row txn_…/3: …`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

/// Where a store is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The database file's structure.
    File,
    /// A table, one of whose rows is not as any build writes it.
    Table(&'static str),
    /// A row.
    Row {
        /// Its table.
        table: &'static str,
        /// Its key, readable.
        key: String,
        /// The column, where it is one.
        column: Option<&'static str>,
    },
    /// An entry, tile or checkpoint of a log.
    Log {
        /// Which log.
        origin: Origin,
        /// Where in it.
        at: LogPlace,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the database file"),
            Self::Table(table) => write!(f, "table {table}"),
            Self::Row { table, key, column: None } => write!(f, "table {table}, row {key}"),
            Self::Row { table, key, column: Some(column) } => write!(f, "table {table}, row {key}, column {column}"),
            Self::Log { origin, at } => write!(f, "log {origin}, {at}"),
        }
    }
}

impl Fault {
    pub(super) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into() }
    }

    pub(super) fn row(table: &'static str, key: impl fmt::Display, what: impl Into<String>) -> Self {
        Self::new(Place::Row { table, key: key.to_string(), column: None }, what)
    }

    pub(super) fn column(table: &'static str, key: impl fmt::Display, column: &'static str) -> Self {
        let place = Place::Row { table, key: key.to_string(), column: Some(column) };
        Self::new(place, "it is not what the entries give")
    }

    pub(super) fn missing(table: &'static str, key: impl fmt::Display) -> Self {
        Self::row(table, key, "it is missing: the entries give it")
    }

    pub(super) fn stray(table: &'static str, key: impl fmt::Display) -> Self {
        Self::row(table, key, "the entries give no such row")
    }

    pub(super) fn entry(origin: &Origin, seq: u64, what: impl fmt::Display) -> Self {
        Self::new(Place::Log { origin: origin.clone(), at: LogPlace::Entry(LeafIndex(seq)) }, what.to_string())
    }

    pub(super) fn log(origin: &Origin, fault: &verify::Fault) -> Self {
        let problem = &*fault.problem;
        // The one problem whose cause is not in its text.
        let what =
            if let Problem::TileRead(cause) = problem { format!("{problem}: {cause}") } else { problem.to_string() };
        Self::new(Place::Log { origin: origin.clone(), at: fault.place }, what)
    }
}

/// A read of the store fails with the name of the table as its operation.
impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::new(Place::Table(error.operation), error.message)
    }
}
