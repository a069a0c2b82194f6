//! A schedule as its row.

use crate::row::{ScheduleRow, Sealed};
use chancery_base::{Name, json};
use chancery_engine::schedule::Head;

/// The row of a schedule.
#[must_use]
pub fn row(name: &Name, head: &Head) -> ScheduleRow {
    // Its fields are names, times, texts and whole numbers.
    let text = json::canonical_of(head).unwrap_or_default();
    ScheduleRow { name: name.clone(), body: Sealed::plain(text.into_bytes()) }
}

/// What a row says.
///
/// # Errors
/// What is wrong with it.
pub fn head(row: &ScheduleRow) -> Result<Head, String> {
    let bytes = row.body.open().ok_or("its body is under a key that is not here")?;
    json::parse_stored_as(bytes, bytes.len()).map_err(|err| err.to_string())
}
