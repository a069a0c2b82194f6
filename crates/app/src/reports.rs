//! Reports for those who answer for what services and agents do: who or what decided, who may do what, who could do two
//! things that are kept apart, and how people oversee it. Each is computed from the ledger or by asking policy what it
//! would say; none is kept.

mod access;
mod oversight;
mod responsibility;
mod separation;

pub use access::{AccessRow, Finding, ReviewPlace, access};
pub use oversight::{AnswerTimes, Oversight, RequestCounts, oversight};
pub use responsibility::{Group, Level, LevelCount, Responsibility, responsibility};
pub use separation::{Actual, Duty, Pair, PairReport, PairsError, Potential, Separation, Within, pairs, separation};

use crate::transactions::open;
use crate::{Error, Fault};
use chancery_policy::Grant;
use chancery_shard::row::PayloadRow;
use serde_json::Value;

/// The pairs of duties that come with Chancery.
///
/// # Errors
/// If they are not sound; a test holds that they are.
pub fn builtin_pairs(_: &Grant) -> Result<Vec<Pair>, Error> {
    pairs().map(<[Pair]>::to_vec).map_err(|_error| Error::Bug("the built-in pairs of duties are not sound"))
}

/// Reads pairs of duties that the caller brings.
///
/// # Errors
/// What is wrong with them, and where.
pub fn read_pairs(_: &Grant, bytes: &[u8]) -> Result<Vec<Pair>, Error> {
    Pair::parse(bytes).map_err(|PairsError { path, message }| {
        let fault = Fault { path, line: None, column: None, message, rule: None };
        Error::Faulty { document: "pairs of duties", faults: vec![fault] }
    })
}

/// A payload that was not erased.
fn payload(row: Option<&PayloadRow>) -> Result<Option<Value>, Error> {
    row.map(|row| open(&row.sealed)).transpose()
}
