//! Entries that are missing, were exchanged, or that nothing but a checkpoint vouches for.

use crate::check::{copy, fault};
use crate::columns::tables;
use crate::world::World;
use chancery_app::verify::{self, Options, VerifyError};
use chancery_ledger::Record;
use chancery_shard::row::LogId;
use chancery_store::sqlite::{DATABASE, Table, remove_row, swap_rows};
use chancery_store::{Scan as _, SqliteStore};
use std::fs::OpenOptions;
use std::path::Path;

/// The table of entries, and every entry's record in its order.
fn entries(dir: &Path) -> (Table, Vec<Record>) {
    let (table, _) = tables(dir).into_iter().find(|(table, _)| table.name == "entries").unwrap();
    let snapshot = SqliteStore::open_read_only(dir).unwrap();
    let of_log = |log: LogId| snapshot.entries(log, 0, 100_000).unwrap();
    let rows = snapshot.logs().unwrap().into_iter().flat_map(|log| of_log(log.id));
    (table, rows.map(|row| Record::parse(&row.record).unwrap()).collect())
}

fn row(place: usize) -> u32 {
    u32::try_from(place).unwrap()
}

#[test]
fn a_last_entry_that_a_checkpoint_covers_cannot_go() {
    let world = World::make();
    let (table, records) = entries(world.dir());
    for (place, record) in records.iter().enumerate() {
        let is_last = records.get(place + 1).is_none_or(|next| next.log != record.log);
        if is_last {
            let dir = copy(world.dir());
            assert!(remove_row(dir.path(), &table, row(place)).unwrap());
            let fault = fault(&world, dir.path(), "without its last entry").to_string();
            assert!(fault.starts_with(&format!("log {}, entry {}: it is missing", record.log, record.seq)), "{fault}");
        }
    }
}

#[test]
fn a_missing_entry_inside_a_transaction_is_named() {
    let world = World::make();
    let (table, records) = entries(world.dir());
    let inside = |record: &Record| record.refs.n.is_some_and(|n| n > 0) && !record.refs.last;
    let followed = |place: usize, record: &Record| records.get(place + 1).is_some_and(|next| next.log == record.log);
    let inside = records.iter().enumerate().filter(|(place, record)| inside(record) && followed(*place, record));
    for (place, record) in inside.step_by(20) {
        let dir = copy(world.dir());
        assert!(remove_row(dir.path(), &table, row(place)).unwrap());
        let fault = fault(&world, dir.path(), "without an entry").to_string();
        let (log, seq) = (&record.log, record.seq);
        assert_eq!(
            fault,
            format!("log {log}, entry {seq}: its seq is {}: an entry is missing, stands twice or was moved", seq + 1)
        );
    }
}

#[test]
fn a_swapped_pair_is_named() {
    let world = World::make();
    let (table, records) = entries(world.dir());
    for place in (0..records.len() - 1).step_by(29) {
        let (one, other) = (&records[place], &records[place + 1]);
        if one.log == other.log {
            let dir = copy(world.dir());
            assert!(swap_rows(dir.path(), &table, row(place), row(place + 1)).unwrap());
            let fault = fault(&world, dir.path(), "with two entries exchanged").to_string();
            assert!(fault.starts_with(&format!("log {}, entry {}: its seq is", one.log, one.seq)), "{fault}");
        }
    }
}

#[test]
fn a_file_that_was_cut_short_is_refused() {
    let world = World::make();
    let length = std::fs::metadata(world.dir().join(DATABASE)).unwrap().len();
    for tenths in 0..10 {
        let dir = copy(world.dir());
        let file = OpenOptions::new().write(true).open(dir.path().join(DATABASE)).unwrap();
        file.set_len(length * tenths / 10).unwrap();
        let options = Options { keys: Some(world.keys.clone()), checkpoints: Vec::new(), ..Options::default() };
        let error = verify::run(dir.path(), &options, &mut |_| ()).unwrap_err();
        assert!(matches!(error, VerifyError::Fault(_) | VerifyError::Open(_)), "{error}");
    }
}
