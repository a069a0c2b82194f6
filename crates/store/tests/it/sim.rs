//! The faults of the memory store.

use crate::fixture::*;
use crate::subject::block_on;
use chancery_base::Kind;
use chancery_shard::row::*;
use chancery_shard::{Batch, CommitError};
use chancery_store::sim::Fault;
use chancery_store::{SimStore, Store};

fn set_up() -> (SimStore, LogRow) {
    let store = SimStore::new();
    let log = block_on(system(&store));
    (store, log)
}

fn size(store: &SimStore) -> u64 {
    store.dump().logs[0].size
}

#[test]
fn each_fault_writes_what_it_says() {
    for (fault, unknown, written) in [
        (Fault::Fail, false, 0),
        (Fault::UnknownApplied, true, 2),
        (Fault::UnknownLost, true, 0),
        (Fault::Orphan, true, 0),
    ] {
        let (store, log) = set_up();
        store.fault_next(fault);
        let answer = block_on(store.commit(batch_of(&log, 1, 0, 2)));
        assert_eq!(matches!(answer, Err(CommitError::Unknown(_))), unknown, "{fault:?}");
        assert_eq!(matches!(answer, Err(CommitError::Failed(_))), !unknown, "{fault:?}");
        assert_eq!(size(&store), written, "{fault:?}");
        // The fault is used up.
        let log = LogRow { size: written, ..log };
        assert_eq!(block_on(store.commit(batch_of(&log, 2, 0, 1))), Ok(()), "{fault:?}");
    }
    assert_eq!(Fault::ALL.len(), 4);
}

#[test]
fn an_orphan_lands_late() {
    let (store, log) = set_up();
    store.fault_next(Fault::Orphan);
    block_on(store.commit(batch_of(&log, 1, 0, 2))).unwrap_err();
    assert_eq!((store.orphans(), size(&store)), (1, 0));
    assert_eq!(store.land_orphans(), 1);
    assert_eq!((store.orphans(), size(&store)), (0, 2));
}

#[test]
fn an_orphan_that_a_new_epoch_shut_out_has_no_effect() {
    let (store, log) = set_up();
    store.fault_next(Fault::Orphan);
    block_on(store.commit(batch_of(&log, 1, 0, 2))).unwrap_err();
    let log = block_on(store.own(log.id, "node-1")).unwrap();
    let before = store.dump();
    assert_eq!(store.land_orphans(), 0);
    assert_eq!(store.dump(), before);
    block_on(store.commit(batch_of(&log, 2, 0, 1))).unwrap();
}

#[test]
fn an_orphan_that_another_batch_overtook_has_no_effect() {
    let (store, log) = set_up();
    store.fault_next(Fault::Orphan);
    block_on(store.commit(batch_of(&log, 1, 0, 2))).unwrap_err();
    block_on(store.commit(batch_of(&log, 2, 0, 1))).unwrap();
    assert_eq!(store.land_orphans(), 0);
    assert_eq!(size(&store), 1);
}

#[test]
fn a_crash_loses_nothing_that_was_committed() {
    let (store, log) = set_up();
    block_on(store.commit(batch_of(&log, 1, 0, 2))).unwrap();
    store.fault_next(Fault::Fail);
    store.fail_calls(9);
    block_on(store.close()).unwrap();
    let before = store.dump();
    store.crash();
    assert_eq!(store.dump(), before);
    let log = block_on(store.own(log.id, "node-1")).unwrap();
    block_on(store.commit(batch_of(&log, 1, 2, 1))).unwrap();
}

#[test]
fn calls_fail_as_often_as_told() {
    let (store, log) = set_up();
    store.fail_calls(2);
    assert_eq!(block_on(store.own(log.id, "node-1")).unwrap_err().kind, Kind::Busy);
    assert_eq!(block_on(store.control(log.id)).unwrap_err().kind, Kind::Busy);
    assert_eq!(block_on(store.own(log.id, "node-1")).unwrap().epoch, 2);
}

#[test]
fn what_was_not_synced_is_gone_after_a_restore() {
    let (store, log) = set_up();
    block_on(store.commit(batch_of(&log, 1, 0, 2))).unwrap();
    let synced = store.checkout();
    let before = store.dump();
    let log = LogRow { size: 2, ..log };
    block_on(store.commit(Batch { transactions: vec![transaction(log.id, 1, "running")], ..Batch::after(&log) }))
        .unwrap();
    assert_ne!(store.dump(), before);
    store.restore(&synced);
    assert_eq!(store.dump(), before);
}

#[test]
fn clones_share_one_store() {
    let (store, log) = set_up();
    let other = store.clone();
    block_on(other.commit(batch_of(&log, 1, 0, 2))).unwrap();
    assert_eq!((size(&store), size(&other)), (2, 2));
}
