//! Changing a store behind its back, so that tests can show that verification notices.

use crate::error;
use crate::sqlite::fault::reading;
use crate::sqlite::{DATABASE, Table};
use chancery_base::Kind;
use chancery_shard::batch::StoreError;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};
use std::path::Path;

const TAMPER: &str = "flip a bit";
const REPLACE: &str = "put rows in the place of others";

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
    let values = |row: &Row<'_>| (0..=table.key.len()).map(|index| row.get(index)).collect();
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

/// Gives a column of one row a value where it has none: where it is null, or empty. The value is the smallest that the
/// column's type has.
///
/// Returns `false` if there is no such row, or it has a value.
///
/// # Errors
/// If the table has no such column, or the schema does not allow the value.
pub fn fill(dir: &Path, table: &Table, column: &str, row: u32) -> Result<bool, StoreError> {
    let conn = open(dir)?;
    let Some(mut values) = read_row(&conn, table, row)? else { return Ok(false) };
    let declared = "SELECT type FROM pragma_table_info(?1) WHERE name = ?2";
    let declared: String =
        conn.query_row(declared, [&table.name, column], |row| row.get(0)).map_err(reading(REPLACE))?;
    let place = table.columns.iter().position(|name| name == column);
    let Some(value) = place.and_then(|place| values.get_mut(place)) else { return Ok(false) };
    let is_empty = match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::Blob(bytes) => bytes.is_empty(),
        Value::Integer(_) | Value::Real(_) => false,
    };
    if !is_empty {
        return Ok(false);
    }
    *value = match declared.as_str() {
        "INTEGER" => Value::Integer(0),
        "TEXT" => Value::Text("0".to_owned()),
        _ => Value::Blob(vec![0]),
    };
    replace(conn, table, &[row], &[values]).map(|()| true)
}

/// Removes a row. Returns `false` if there is no such row.
///
/// # Errors
/// If the file can't be changed.
pub fn remove_row(dir: &Path, table: &Table, row: u32) -> Result<bool, StoreError> {
    let conn = open(dir)?;
    if read_row(&conn, table, row)?.is_none() {
        return Ok(false);
    }
    replace(conn, table, &[row], &[]).map(|()| true)
}

/// Adds a copy of a row, with a bit flipped in the last byte of the last column of the key and of every other unique
/// index that needs it. Returns `false` if there is no such row.
///
/// # Errors
/// `Conflict` and others if the schema does not allow the new row: another bit may do.
pub fn add_row(dir: &Path, table: &Table, row: u32, bit: u32) -> Result<bool, StoreError> {
    let conn = open(dir)?;
    let Some(mut values) = read_row(&conn, table, row)? else { return Ok(false) };
    let mut changed: Vec<String> = Vec::new();
    for unique in unique_columns(&conn, table)? {
        if unique.iter().any(|column| changed.contains(column)) {
            continue;
        }
        for column in unique.iter().rev() {
            let place = table.columns.iter().position(|name| name == column);
            let Some(value) = place.and_then(|place| values.get_mut(place)) else { continue };
            if let Some(flipped) = flip_last(value, bit) {
                *value = flipped;
                changed.push(column.clone());
                break;
            }
        }
    }
    replace(conn, table, &[], &[values]).map(|()| true)
}

/// Puts a row of another store into this one. Returns `false` if the other has no such row, or this one has it.
///
/// # Errors
/// If a file can't be read or changed.
pub fn copy_row(from: &Path, to: &Path, table: &Table, row: u32) -> Result<bool, StoreError> {
    let Some(values) = read_row(&open(from)?, table, row)? else { return Ok(false) };
    let conn = open(to)?;
    let key =
        |name: &String| table.columns.iter().position(|column| column == name).and_then(|place| values.get(place));
    let matches: Vec<String> = (1..).zip(&table.key).map(|(place, name)| format!("{name} = ?{place}")).collect();
    let find = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {})", table.name, matches.join(" AND "));
    let is_there = conn.query_row(&find, params_from_iter(table.key.iter().filter_map(key)), |row| row.get(0));
    if is_there.map_err(reading(REPLACE))? {
        return Ok(false);
    }
    replace(conn, table, &[], &[values]).map(|()| true)
}

/// Exchanges what two rows hold beside their keys. Returns `false` if one of them is not there.
///
/// # Errors
/// If the file can't be changed.
pub fn swap_rows(dir: &Path, table: &Table, one: u32, other: u32) -> Result<bool, StoreError> {
    let conn = open(dir)?;
    let (Some(mut first), Some(mut second)) = (read_row(&conn, table, one)?, read_row(&conn, table, other)?) else {
        return Ok(false);
    };
    for (place, column) in table.columns.iter().enumerate() {
        if table.key.contains(column)
            && let (Some(first), Some(second)) = (first.get_mut(place), second.get_mut(place))
        {
            std::mem::swap(first, second);
        }
    }
    replace(conn, table, &[one, other], &[first, second]).map(|()| true)
}

fn open(dir: &Path) -> Result<Connection, StoreError> {
    Connection::open(dir.join(DATABASE)).map_err(reading(REPLACE))
}

/// A row by its place in order of the key.
fn read_row(conn: &Connection, table: &Table, row: u32) -> Result<Option<Vec<Value>>, StoreError> {
    let (columns, key) = (table.columns.join(", "), table.key.join(", "));
    let find = format!("SELECT {columns} FROM {} ORDER BY {key} LIMIT 1 OFFSET ?1", table.name);
    let values = |row: &Row<'_>| (0..table.columns.len()).map(|column| row.get(column)).collect();
    let found: Option<rusqlite::Result<Vec<Value>>> =
        conn.query_row(&find, [row], |row| Ok(values(row))).optional().map_err(reading(REPLACE))?;
    found.transpose().map_err(reading(REPLACE))
}

/// Takes rows out and puts others in, all of it or nothing.
fn replace(mut conn: Connection, table: &Table, out: &[u32], rows: &[Vec<Value>]) -> Result<(), StoreError> {
    let (columns, key) = (table.columns.join(", "), table.key.join(", "));
    let same: Vec<String> = (1..).zip(&table.key).map(|(place, name)| format!("{name} = ?{place}")).collect();
    let delete = format!("DELETE FROM {} WHERE {}", table.name, same.join(" AND "));
    let places: Vec<String> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
    let insert = format!("INSERT INTO {} ({columns}) VALUES ({})", table.name, places.join(", "));
    let find = format!("SELECT {key} FROM {} ORDER BY {key} LIMIT 1 OFFSET ?1", table.name);
    let mut change = || {
        let transaction = conn.transaction()?;
        let key_of = |row: &Row<'_>| (0..table.key.len()).map(|column| row.get(column)).collect();
        let keys: rusqlite::Result<Vec<Vec<Value>>> =
            out.iter().map(|row| transaction.query_row(&find, [row], |row| key_of(row))).collect();
        for key in keys? {
            transaction.execute(&delete, params_from_iter(key))?;
        }
        for row in rows {
            transaction.execute(&insert, params_from_iter(row))?;
        }
        transaction.commit()
    };
    change().map_err(reading(REPLACE))
}

/// The columns of the key and of every other unique index.
fn unique_columns(conn: &Connection, table: &Table) -> Result<Vec<Vec<String>>, StoreError> {
    let mut found = vec![table.key.clone()];
    let list = "SELECT l.name, i.name FROM pragma_index_list(?1) AS l, pragma_index_info(l.name) AS i \
         WHERE l.\"unique\" AND l.origin <> 'pk' ORDER BY l.seq, i.seqno";
    let mut statement = conn.prepare(list).map_err(reading(REPLACE))?;
    let rows = statement.query_map([&table.name], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows: rusqlite::Result<Vec<(String, String)>> = rows.and_then(Iterator::collect);
    let mut of: Option<String> = None;
    for (index, column) in rows.map_err(reading(REPLACE))? {
        if of.as_ref() != Some(&index) {
            found.push(Vec::new());
            of = Some(index);
        }
        if let Some(columns) = found.last_mut() {
            columns.push(column);
        }
    }
    Ok(found)
}

fn flip_last(value: &Value, bit: u32) -> Option<Value> {
    let last = |length: usize, bits: u32| u32::try_from(length.checked_sub(1)?).ok()?.checked_mul(bits);
    Some(match value {
        Value::Null | Value::Real(_) => return None,
        Value::Integer(number) => Value::Integer(number ^ (1 << (bit % 63))),
        Value::Text(text) => {
            let bytes = flip_byte(text.clone().into_bytes(), last(text.len(), 7)? + bit % 7, 7)?;
            Value::Text(String::from_utf8(bytes).ok()?)
        }
        Value::Blob(bytes) => Value::Blob(flip_byte(bytes.clone(), last(bytes.len(), 8)? + bit % 8, 8)?),
    })
}
