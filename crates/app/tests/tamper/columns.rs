//! One changed value in any column of any table.

use crate::check::{copy, fault, names, verify};
use crate::world::World;
use chancery_app::verify::{Place, UNCHECKED_COLUMNS};
use chancery_store::SqliteStore;
use chancery_store::sqlite::{Table, fill, flip_bit};
use std::collections::BTreeSet;
use std::path::Path;

/// The tables of a store and how many rows each has.
pub(crate) fn tables(dir: &Path) -> Vec<(Table, u32)> {
    let snapshot = SqliteStore::open_read_only(dir).unwrap();
    let with_rows = |table: Table| {
        let rows = snapshot.row_count(&table).unwrap();
        (table, u32::try_from(rows).unwrap())
    };
    snapshot.tables().unwrap().into_iter().map(with_rows).collect()
}

/// The first, the middle and the last row.
pub(crate) fn sample(rows: u32) -> BTreeSet<u32> {
    [0, rows / 2, rows - 1].into()
}

/// Changes one value; says whether there was one to change.
fn change(dir: &Path, table: &Table, column: &str, row: u32) -> bool {
    if fill(dir, table, column, row).unwrap() {
        return true;
    }
    // Where the schema refuses one bit, because the value is a key's and taken, another one does.
    (0..16).any(|bit| flip_bit(dir, table, column, row, bit).unwrap_or(false))
}

#[test]
fn a_changed_value_in_any_column_is_noticed_and_named() {
    let world = World::make();
    let exempt = |name: &str| UNCHECKED_COLUMNS.iter().any(|(column, _)| *column == name);
    let (mut changed, mut columns) = (0, 0);
    for (table, rows) in tables(world.dir()) {
        assert!(rows > 0, "table {} is empty: nothing was shown of it", table.name);
        for column in &table.columns {
            let name = format!("{}.{column}", table.name);
            for row in sample(rows) {
                let dir = copy(world.dir());
                assert!(change(dir.path(), &table, column, row), "{name} of row {row} was not changed");
                changed += 1;
                if exempt(&name) {
                    continue;
                }
                let fault = fault(&world, dir.path(), &format!("{name} of row {row}"));
                assert!(names(&fault, &table.name), "{name} of row {row}: {fault}");
                if let Place::Row { table: named, column: Some(found), .. } = &fault.place {
                    assert_eq!(format!("{named}.{found}"), name, "{fault}");
                    columns += 1;
                }
            }
        }
    }
    assert!(changed > 200, "{changed}");
    assert!(columns > 100, "{columns}");
}

#[test]
fn a_flipped_bit_anywhere_in_a_record_or_payload_is_noticed() {
    let world = World::make();
    let (table, rows) = tables(world.dir()).into_iter().find(|(table, _)| table.name == "entries").unwrap();
    // Bits in all places of the value, and entries of every kind.
    for row in (0..rows).step_by(7) {
        for column in ["record", "payload", "salt"] {
            let dir = copy(world.dir());
            if flip_bit(dir.path(), &table, column, row, row * 37).unwrap() {
                let fault = fault(&world, dir.path(), &format!("entries.{column} of row {row}"));
                assert!(fault.to_string().starts_with("log main/"), "{fault}");
            }
        }
    }
    assert!(verify(&world, world.dir()).is_ok());
}
