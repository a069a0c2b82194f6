//! Rows that were removed, added or exchanged.

use crate::check::{copy, fault, names, verify};
use crate::columns::{sample, tables};
use crate::world::World;
use chancery_app::verify::UNCHECKED_REMOVALS;
use chancery_store::sqlite::{add_row, copy_row, remove_row, swap_rows};
use std::collections::BTreeSet;

#[test]
fn a_removed_row_of_any_table_is_noticed_and_named() {
    let world = World::make();
    for (table, rows) in tables(world.dir()) {
        for row in sample(rows) {
            let dir = copy(world.dir());
            assert!(remove_row(dir.path(), &table, row).unwrap());
            if UNCHECKED_REMOVALS.iter().any(|(exempt, _)| *exempt == table.name) {
                continue;
            }
            let fault = fault(&world, dir.path(), &format!("{} without row {row}", table.name));
            assert!(names(&fault, &table.name), "{} without row {row}: {fault}", table.name);
        }
    }
}

#[test]
fn an_added_row_of_any_table_is_noticed_and_named() {
    let world = World::make();
    for (table, rows) in tables(world.dir()) {
        let mut added = 0;
        for row in sample(rows) {
            for bit in 0..7 {
                let dir = copy(world.dir());
                // The schema refuses a key that is taken.
                if add_row(dir.path(), &table, row, bit).is_ok_and(|added| added) {
                    added += 1;
                    let fault = fault(&world, dir.path(), &format!("{} with a row like {row}", table.name));
                    assert!(names(&fault, &table.name), "{} with a row like {row}: {fault}", table.name);
                }
            }
        }
        assert!(added > 0, "no row was added to {}", table.name);
    }
}

#[test]
fn a_row_that_expired_and_is_put_back_is_noticed_and_named() {
    let world = World::make();
    for (table, rows) in tables(world.before_expiry()) {
        if !["keys", "labels", "requests", "steps", "transactions"].contains(&table.name.as_str()) {
            continue;
        }
        let mut put_back = 0;
        for row in 0..rows {
            let dir = copy(world.dir());
            if copy_row(world.before_expiry(), dir.path(), &table, row).unwrap() {
                put_back += 1;
                let fault = fault(&world, dir.path(), &format!("{} with the old row {row}", table.name));
                // A transaction without its steps is said to lack them.
                let is_named = names(&fault, &table.name) || table.name == "transactions" && names(&fault, "steps");
                assert!(is_named, "{} with the old row {row}: {fault}", table.name);
            }
        }
        assert!(put_back > 3, "of {} only {put_back} rows expired", table.name);
    }
}

#[test]
fn exchanged_rows_of_any_table_are_noticed_and_named() {
    let world = World::make();
    let mut exchanged = BTreeSet::new();
    for (table, rows) in tables(world.dir()) {
        let dir = copy(world.dir());
        // Two rows of what is the same for all tenants are the same; some the schema does not allow.
        // Of rows that are all key there is nothing to exchange.
        let same = table.name == "slots" || table.columns.len() == table.key.len();
        if same || !swap_rows(dir.path(), &table, 0, rows - 1).is_ok_and(|swapped| swapped) {
            continue;
        }
        exchanged.insert(table.name.clone());
        let fault = fault(&world, dir.path(), &format!("{} with rows exchanged", table.name));
        assert!(names(&fault, &table.name), "{} with rows exchanged: {fault}", table.name);
    }
    for table in ["entries", "transactions", "steps", "tiles", "checkpoints", "credentials"] {
        assert!(exchanged.contains(table), "{table}: only {exchanged:?}");
    }
}

#[test]
fn a_removed_newest_checkpoint_leaves_entries_uncovered() {
    let world = World::make();
    let (table, rows) = tables(world.dir()).into_iter().find(|(table, _)| table.name == "checkpoints").unwrap();
    let dir = copy(world.dir());
    assert!(remove_row(dir.path(), &table, rows - 1).unwrap());
    assert!(verify(&world, dir.path()).unwrap().uncovered() > 0);
}
