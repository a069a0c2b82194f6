//! Changing a store behind its back, so that tests can show that verification notices.

use crate::error;
use crate::sqlite::fault::reading;
use crate::sqlite::{DATABASE, Table};
use chancery_base::Kind;
use chancery_shard::batch::StoreError;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use std::path::Path;

const TAMPER: &str = "flip a bit";

/// Flips one bit of one column of one row of a table, in a store that nobody has open; the same call again flips it
/// back, unless the column is part of the key. `row` counts from 0 in order of the key, `bit` is taken modulo the
/// value's bits. Of a text's bytes only the lower seven bits are flipped, so that it stays one.
///
/// Returns `false` if there is no such row or nothing in it to flip.
///
/// # Errors
/// If the table has no such column, or the flipped value is not one that the schema allows.
pub fn flip_bit(dir: &Path, table: &Table, column: &str, row: u32, bit: u32) -> Result<bool, StoreError> {
    if !table.columns.iter().any(|name| name == column) {
        return Err(error(TAMPER, Kind::Missing, format!("table {} has no column {column}", table.name)));
    }
    let conn = Connection::open(dir.join(DATABASE)).map_err(reading(TAMPER))?;
    let key = table.key.join(", ");
    let find = format!("SELECT {column}, {key} FROM {} ORDER BY {key} LIMIT 1 OFFSET ?1", table.name);
    let values = |row: &rusqlite::Row<'_>| (0..=table.key.len()).map(|index| row.get(index)).collect();
    let found: Option<rusqlite::Result<Vec<Value>>> =
        conn.query_row(&find, [row], |row| Ok(values(row))).optional().map_err(reading(TAMPER))?;
    let Some(found) = found.transpose().map_err(reading(TAMPER))? else { return Ok(false) };
    let mut found = found.into_iter();
    let Some((set, flipped)) = found.next().and_then(|value| flip(value, bit)) else { return Ok(false) };

    let matches: Vec<String> = (2..).zip(&table.key).map(|(place, name)| format!("{name} = ?{place}")).collect();
    let change = format!("UPDATE {} SET {column} = {set} WHERE {}", table.name, matches.join(" AND "));
    let changed = conn.execute(&change, params_from_iter(std::iter::once(flipped).chain(found)));
    changed.map(|rows| rows == 1).map_err(reading(TAMPER))
}

/// The value with one bit flipped, and the expression that stores it.
fn flip(value: Value, bit: u32) -> Option<(&'static str, Value)> {
    match value {
        Value::Null | Value::Real(_) => None,
        Value::Integer(number) => Some(("?1", Value::Integer(number ^ (1 << (bit % 63))))),
        Value::Text(text) => Some(("CAST(?1 AS TEXT)", Value::Blob(flip_byte(text.into_bytes(), bit, 7)?))),
        Value::Blob(bytes) => Some(("?1", Value::Blob(flip_byte(bytes, bit, 8)?))),
    }
}

fn flip_byte(mut bytes: Vec<u8>, bit: u32, bits_of_byte: u32) -> Option<Vec<u8>> {
    let place = usize::try_from(bit / bits_of_byte).ok()?.checked_rem(bytes.len())?;
    *bytes.get_mut(place)? ^= 1 << (bit % bits_of_byte);
    Some(bytes)
}
