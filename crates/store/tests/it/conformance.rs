//! What every store must do.

mod directory;
mod events;
mod expiry;
mod requests;
mod schedules;
mod settings;

use crate::fixture::*;
use crate::subject::{Subject, block_on};
use chancery_base::limits::{ENTRIES_BYTES_MAX, PAGE_STEP};
use chancery_base::{Kind, Timestamp};
use chancery_shard::row::*;
use chancery_shard::search::Search;
use chancery_shard::{Batch, Call, CommitError, Loaded, Reply, StoreError};
use chancery_store::{CheckpointRow, Count, Found, Reach, Store, TileRow, carry_out};
use directory::{accounts_are_as_last_counted, the_directory_is_as_last_written};
use events::{events_are_found_in_the_order_of_their_entries, what_is_no_event_of_the_batch_is_refused};
use expiry::{a_large_family_goes_in_parts, only_what_has_ended_is_removed, what_is_final_is_found_by_family};
use requests::{requests_are_as_last_written, requests_are_found_by_when_they_are_due};
use schedules::{schedules_are_as_last_written, what_schedules_start_is_found};
use settings::{a_load_brings_the_settings_that_are_seen, settings_are_kept_version_by_version};
use std::sync::Arc;

macro_rules! suite {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[test] fn $test() {
                let subject = super::Subject::sqlite();
                super::block_on(super::$test(&subject));
            })*
        }
        mod postgres {
            $(#[test] fn $test() {
                let subject = super::Subject::postgres();
                super::block_on(super::$test(&subject));
            })*
        }
        mod sim {
            $(#[test] fn $test() {
                let subject = super::Subject::sim();
                super::block_on(super::$test(&subject));
            })*
        }
    };
}

suite! {
    the_first_tenant_is_made_once
    owning_raises_the_epoch
    a_failed_guard_writes_nothing
    a_batch_that_contradicts_itself_is_refused
    rows_come_back_as_written
    the_newest_row_counts
    a_transaction_stays_on_its_log
    a_conflict_at_the_end_undoes_the_beginning
    raising_the_control_epoch_reaches_every_log_of_the_tenant
    an_idempotency_key_is_written_once
    a_business_key_moves
    the_directory_is_as_last_written
    accounts_are_as_last_counted
    schedules_are_as_last_written
    what_schedules_start_is_found
    settings_are_kept_version_by_version
    a_load_brings_the_settings_that_are_seen
    events_are_found_in_the_order_of_their_entries
    what_is_no_event_of_the_batch_is_refused
    requests_are_as_last_written
    requests_are_found_by_when_they_are_due
    definitions_and_bundles_are_immutable
    only_system_makes_tenants
    what_is_final_is_found_by_family
    a_large_family_goes_in_parts
    only_what_has_ended_is_removed
    recovery_skips_what_ended_or_parked
    what_only_waits_is_asleep
    entries_come_in_pages
    transactions_are_listed_newest_first
    a_search_finds_what_holds
    a_search_says_how_far_it_looked
    a_history_is_one_transaction_s
    lists_come_in_pages
    tenants_do_not_see_one_another
    a_checkpoint_is_stored_once_by_the_owner
    tiles_only_grow
    a_closed_store_reads_but_does_not_write
    calls_of_a_shard_are_carried_out
}

fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Kind {
    answer.unwrap_err().kind
}

fn failed(answer: Result<(), CommitError>) -> Kind {
    match answer {
        Err(CommitError::Failed(error)) => error.kind,
        other => panic!("not a failure: {other:?}"),
    }
}

async fn the_first_tenant_is_made_once(subject: &Subject) {
    let store = subject.store();
    let origin = origins("system", 1).remove(0);
    let log = store.bootstrap(tenant_row("system", 1), origin.clone()).await.unwrap();
    assert_eq!((log.epoch, log.size, log.control_epoch, log.generation, log.shard), (0, 0, 0, 1, 0));
    assert_eq!((log.origin.clone(), log.owner.as_str()), (origin.clone(), ""));
    assert_eq!(store.logs().await.unwrap(), [log]);

    let before = subject.dump();
    assert_eq!(kind(store.bootstrap(tenant_row("other", 1), origins("other", 1).remove(0)).await), Kind::Conflict);
    assert_eq!(kind(store.bootstrap(tenant_row("system", 2), origin).await), Kind::Bug);
    assert_eq!(subject.dump(), before);
    let slots: Vec<_> = before.slots.iter().map(|slot| (slot.first, slot.last, slot.shard, slot.version)).collect();
    assert_eq!(slots, [(0, 4095, 0, 1)]);
}

async fn owning_raises_the_epoch(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    assert_eq!((log.epoch, log.owner.as_str()), (1, "node-1"));
    let log = store.own(log.id, "node-2").await.unwrap();
    assert_eq!((log.epoch, log.owner.as_str()), (2, "node-2"));
    assert_eq!(store.logs().await.unwrap(), [log]);
    assert_eq!(kind(store.own(LogId(99), "node-2").await), Kind::Missing);
}

async fn a_failed_guard_writes_nothing(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    store.commit(batch_of(&log, 1, 0, 3)).await.unwrap();
    let log = self::log(store, "system", 0).await;
    let full = |log: &LogRow| Batch {
        transactions: vec![transaction(log.id, 2, "running")],
        steps: vec![step(2, 0, "ready")],
        keys: vec![key(KeyScope::Start, 1, 2)],
        control: vec![ControlRow::Principal(principal_row(1, "{}")), ControlRow::Bundle(bundle("b", 1))],
        raises_control_epoch: 1,
        ..batch_of(log, 2, 0, 2)
    };
    let before = subject.dump();
    let fenced = CommitError::Fenced { log: log.id, epoch: 1, size: 3 };
    for (what, batch, expected) in [
        ("an older epoch", full(&LogRow { epoch: 0, ..log.clone() }), fenced.clone()),
        ("a newer epoch", full(&LogRow { epoch: 2, ..log.clone() }), fenced.clone()),
        ("a smaller size", full(&LogRow { size: 2, ..log.clone() }), fenced.clone()),
        ("a greater size", full(&LogRow { size: 4, ..log.clone() }), fenced.clone()),
        ("both", full(&LogRow { size: 4, control_epoch: 7, ..log.clone() }), fenced),
        ("another control epoch", full(&LogRow { control_epoch: 1, ..log.clone() }), CommitError::Control { now: 0 }),
    ] {
        assert_eq!(store.commit(batch).await, Err(expected), "{what}");
        assert_eq!(subject.dump(), before, "{what}");
    }
    assert_eq!(failed(store.commit(Batch::after(&LogRow { id: LogId(9), ..log.clone() })).await), Kind::Missing);
    assert_eq!(subject.dump(), before);
    store.commit(full(&log)).await.unwrap();
    assert_ne!(subject.dump(), before);
}

async fn a_batch_that_contradicts_itself_is_refused(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    let before = subject.dump();
    let gap = Batch { entries: vec![entry(0, None), entry(2, None)], ..Batch::after(&log) };
    let late = Batch { entries: vec![entry(1, None)], ..Batch::after(&log) };
    let foreign = Batch { transactions: vec![transaction(LogId(7), 1, "running")], ..Batch::after(&log) };
    let twice = Batch { entries: vec![entry(0, Some((id(1), 0))), entry(1, Some((id(1), 0)))], ..Batch::after(&log) };
    for (what, batch, kind) in [
        ("a gap", gap, Kind::Bug),
        ("a late beginning", late, Kind::Bug),
        ("another log's transaction", foreign, Kind::Bug),
        ("one number twice", twice, Kind::Conflict),
    ] {
        assert_eq!(failed(store.commit(batch).await), kind, "{what}");
        assert_eq!(subject.dump(), before, "{what}");
    }
}

async fn rows_come_back_as_written(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    let row = transaction(log.id, 1, "completed");
    let steps = vec![step(1, 0, "completed"), step(1, 1, "undo_completed"), step(1, 2, "skipped")];
    let keys = vec![key(KeyScope::Start, 1, 1), key(KeyScope::Business, 2, 1)];
    let written = Batch {
        entries: vec![entry(0, Some((id(1), 0))), entry(1, None), entry(2, Some((id(1), 1))), entry(3, None)],
        transactions: vec![row.clone()],
        steps: steps.iter().rev().cloned().collect(),
        keys: keys.clone(),
        control: vec![ControlRow::Definition(definition("refund", 2)), ControlRow::Definition(definition("refund", 1))],
        ..Batch::after(&log)
    };
    store.commit(written.clone()).await.unwrap();
    assert_eq!(self::log(store, "system", 0).await, LogRow { size: 4, ..log.clone() });
    assert_eq!(store.entries(log.id, 0, 10, true).await.unwrap(), written.entries);

    let names = |row: &KeyRow| (row.scope, row.slot, row.key);
    let mut wanted: Vec<_> = keys.iter().map(names).collect();
    wanted.push((KeyScope::Start, 2, [2; 32]));
    let loaded = store.load(log.id, vec![id(9), id(1)], wanted).await.unwrap();
    assert_eq!(loaded.keys, keys);
    assert_eq!(loaded.definitions, [definition("refund", 2)]);
    let [found] = loaded.transactions.as_slice() else { panic!("{loaded:?}") };
    assert_eq!((&found.row, &found.steps), (&row, &steps));
    // Entry 1 has no payload.
    assert_eq!(found.payloads, [(0, Arc::new(payload(0))), (2, Arc::new(payload(2)))]);
    assert_eq!(store.transaction(&grant("system"), id(1)).await.unwrap().as_ref(), Some(found));
    // What is kept for a step that has not begun is brought, too.
    let waiting = TransactionRow { input_seq: 1, ..transaction(log.id, 4, "waiting") };
    let after = self::log(store, "system", 0).await;
    store.commit(Batch { transactions: vec![waiting.clone()], ..Batch::after(&after) }).await.unwrap();
    let kept = store.load(log.id, vec![id(4)], vec![]).await.unwrap().transactions;
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((&kept.row, &kept.payloads), (&waiting, &vec![(2, Arc::new(payload(2)))]), "entry 3 has no payload");
    assert_eq!(store.transaction(&grant("system"), id(2)).await.unwrap(), None);
    assert_eq!(store.load(log.id, vec![], vec![]).await.unwrap(), Loaded::default());
    assert_eq!(store.stats().batches, 2);
    assert_eq!(store.stats().entries, 4);
    store.ping().await.unwrap();
}

async fn the_newest_row_counts(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    let first = transaction(log.id, 1, "running");
    let begun =
        Batch { transactions: vec![first.clone()], steps: vec![step(1, 0, "dispatched")], ..Batch::after(&log) };
    store.commit(begun).await.unwrap();
    let last = TransactionRow { output_seq: Some(0), ..transaction(log.id, 1, "failed") };
    // What a transaction is, unlike where it stands, is not written again.
    let other = TransactionRow { definition: name("other"), version: 9, input_seq: 5, ..last.clone() };
    store
        .commit(Batch { transactions: vec![other], steps: vec![step(1, 0, "failed")], ..Batch::after(&log) })
        .await
        .unwrap();
    // What is kept changes though the status does not.
    let waits = |kept: &[u64]| TransactionRow { kept: kept.to_vec(), ..transaction(log.id, 2, "waiting") };
    let begun = Batch { entries: vec![entry(0, None)], transactions: vec![waits(&[1])], ..Batch::after(&log) };
    store.commit(begun).await.unwrap();
    let log = self::log(store, "system", 0).await;
    for kept in [&[1, 2][..], &[2]] {
        store.commit(Batch { transactions: vec![waits(kept)], ..Batch::after(&log) }).await.unwrap();
    }
    let dump = subject.dump();
    assert_eq!(dump.transactions, [TransactionRow { ..last }, waits(&[2])]);
    assert_eq!(dump.steps, [step(1, 0, "failed")]);
}

async fn a_transaction_stays_on_its_log(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let (zero, one) = (log(store, "acme", 0).await, log(store, "acme", 1).await);
    store
        .commit(Batch { transactions: vec![transaction(zero.id, 1, "running")], ..Batch::after(&zero) })
        .await
        .unwrap();
    let before = subject.dump();
    let moved = Batch { transactions: vec![transaction(one.id, 1, "failed")], ..batch_of(&one, 3, 0, 2) };
    assert_eq!(failed(store.commit(moved).await), Kind::Bug);
    assert_eq!(subject.dump(), before);
    assert_eq!(store.load(one.id, vec![id(1)], vec![]).await.unwrap().transactions, []);
}

async fn a_conflict_at_the_end_undoes_the_beginning(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    store
        .commit(Batch { control: vec![ControlRow::Definition(definition("a", 1))], ..Batch::after(&log) })
        .await
        .unwrap();
    let before = subject.dump();
    let conflict = Batch {
        transactions: vec![transaction(log.id, 1, "running")],
        steps: vec![step(1, 0, "ready")],
        keys: vec![key(KeyScope::Start, 1, 1)],
        control: vec![ControlRow::Bundle(bundle("b", 1)), ControlRow::Definition(definition("a", 1))],
        raises_control_epoch: 1,
        ..batch_of(&log, 1, 0, 4)
    };
    assert_eq!(failed(store.commit(conflict).await), Kind::Conflict);
    assert_eq!(subject.dump(), before);
}

async fn raising_the_control_epoch_reaches_every_log_of_the_tenant(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 3), ("other", 1)]).await;
    let zero = log(store, "acme", 0).await;
    store.commit(Batch { raises_control_epoch: 1, ..Batch::after(&zero) }).await.unwrap();
    let logs = store.logs().await.unwrap();
    let epochs: Vec<_> = logs.iter().map(|log| (log.tenant.as_str(), log.shard, log.control_epoch)).collect();
    assert_eq!(epochs, [("system", 0, 0), ("acme", 0, 1), ("acme", 1, 1), ("acme", 2, 1), ("other", 0, 0)]);
    let stale = LogRow { control_epoch: 0, ..log(store, "acme", 2).await };
    assert_eq!(store.commit(Batch::after(&stale)).await, Err(CommitError::Control { now: 1 }));
    assert_eq!(store.control(stale.id).await.unwrap().control_epoch, 1);
}

async fn an_idempotency_key_is_written_once(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1)]).await;
    let log = log(store, "acme", 0).await;
    store.commit(Batch { keys: vec![key(KeyScope::Start, 1, 1)], ..Batch::after(&log) }).await.unwrap();
    let before = subject.dump();
    let both = vec![key(KeyScope::Start, 2, 2), key(KeyScope::Start, 2, 2)];
    for keys in [vec![key(KeyScope::Start, 1, 1)], vec![key(KeyScope::Start, 1, 2)], both] {
        assert_eq!(failed(store.commit(Batch { keys, ..Batch::after(&log) }).await), Kind::Conflict);
    }
    assert_eq!(subject.dump(), before);
    // Another scope, slot or tenant is another key.
    let slot = KeyRow { slot: 17, ..key(KeyScope::Start, 1, 1) };
    let others = vec![slot, key(KeyScope::Business, 1, 1), key(KeyScope::Fork, 1, 1)];
    store.commit(Batch { keys: others, ..Batch::after(&log) }).await.unwrap();
    let system = self::log(store, "system", 0).await;
    store.commit(Batch { keys: vec![key(KeyScope::Start, 1, 1)], ..Batch::after(&system) }).await.unwrap();
    assert_eq!(subject.dump().keys.len(), 5);
    // What was forked is not forked again.
    for keys in [vec![key(KeyScope::Fork, 1, 2)], vec![key(KeyScope::Fork, 2, 2), key(KeyScope::Fork, 2, 3)]] {
        assert_eq!(failed(store.commit(Batch { keys, ..Batch::after(&log) }).await), Kind::Conflict);
    }
    let found = store.load(log.id, vec![], vec![(KeyScope::Fork, 16, [1; 32])]).await.unwrap();
    assert_eq!(found.keys, [key(KeyScope::Fork, 1, 1)]);
}

async fn a_business_key_moves(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    for transaction in [1, 2] {
        store
            .commit(Batch { keys: vec![key(KeyScope::Business, 1, transaction)], ..Batch::after(&log) })
            .await
            .unwrap();
    }
    let found = store.load(log.id, vec![], vec![(KeyScope::Business, 16, [1; 32])]).await.unwrap();
    assert_eq!(found.keys, [key(KeyScope::Business, 1, 2)]);
}

async fn definitions_and_bundles_are_immutable(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    let control = vec![
        ControlRow::Definition(definition("order", 1)),
        ControlRow::Bundle(bundle("main", 1)),
        ControlRow::Bundle(bundle("main", 2)),
        ControlRow::ActiveBundle(bundle("main", 2).digest),
    ];
    store.commit(Batch { control, ..Batch::after(&log) }).await.unwrap();
    let before = subject.dump();
    for (row, kind) in [
        (ControlRow::Definition(definition("order", 1)), Kind::Conflict),
        (ControlRow::Bundle(BundleRow { version: 3, ..bundle("main", 1) }), Kind::Conflict),
        (ControlRow::Bundle(BundleRow { digest: bundle("x", 1).digest, ..bundle("main", 1) }), Kind::Conflict),
        (ControlRow::ActiveBundle(bundle("main", 3).digest), Kind::Missing),
        (ControlRow::BundleSigned(bundle("main", 3).digest, "".into()), Kind::Missing),
    ] {
        let batch = Batch { control: vec![row.clone()], ..batch_of(&log, 1, 0, 1) };
        assert_eq!(failed(store.commit(batch).await), kind, "{row:?}");
        assert_eq!(subject.dump(), before, "{row:?}");
    }
    store
        .commit(Batch { control: vec![ControlRow::ActiveBundle(bundle("main", 1).digest)], ..Batch::after(&log) })
        .await
        .unwrap();
    assert_eq!(store.control(log.id).await.unwrap().bundle, Some(bundle("main", 1)));
    assert_eq!(store.bundle_of(log.id, bundle("main", 2).digest).await.unwrap(), Some(bundle("main", 2)));
    assert_eq!(store.bundle_of(log.id, bundle("main", 3).digest).await.unwrap(), None);
    let order = definition("order", 1);
    assert_eq!(store.definition_of(log.id, name("order"), 1).await.unwrap(), Some(order));
    assert_eq!(store.definition_of(log.id, name("order"), 9).await.unwrap(), None);
}

async fn only_system_makes_tenants(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 3)]).await;
    let dump = subject.dump();
    let ranges: Vec<_> =
        dump.slots.iter().map(|slot| (slot.tenant.as_str(), slot.first, slot.last, slot.shard)).collect();
    assert_eq!(
        ranges,
        [("acme", 0, 1364, 0), ("acme", 1365, 2729, 1), ("acme", 2730, 4095, 2), ("system", 0, 4095, 0)]
    );
    let (acme, system) = (log(store, "acme", 0).await, log(store, "system", 0).await);
    for (log, tenant, origins, kind) in [
        (&acme, tenant_row("new", 1), origins("new", 1), Kind::Bug),
        (&system, tenant_row("new", 2), origins("new", 1), Kind::Bug),
        (&system, tenant_row("new", 0), vec![], Kind::Bug),
        (&system, tenant_row("acme", 1), origins("new", 1), Kind::Conflict),
        (&system, tenant_row("new", 1), origins("acme", 1), Kind::Conflict),
    ] {
        let control = vec![ControlRow::Tenant(tenant, origins)];
        assert_eq!(failed(store.commit(Batch { control, ..Batch::after(log) }).await), kind);
        assert_eq!(subject.dump(), dump);
    }
}

async fn recovery_skips_what_ended_or_parked(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let (zero, one) = (log(store, "acme", 0).await, log(store, "acme", 1).await);
    let statuses = ["running", "parked", "compensating", "completed", "failed", "running", "terminated", "running"];
    let rows: Vec<_> = (1..).zip(statuses).map(|(number, status)| transaction(zero.id, number, status)).collect();
    store
        .commit(Batch { transactions: rows.clone(), steps: vec![step(3, 0, "ready")], ..Batch::after(&zero) })
        .await
        .unwrap();
    store.commit(Batch { transactions: vec![transaction(one.id, 20, "running")], ..Batch::after(&one) }).await.unwrap();

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.recover(zero.id, after, 3).await.unwrap().transactions;
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.row.id);
        found.extend(page);
    }
    let expected: Vec<_> = [0, 2, 5, 7].map(|index: usize| rows[index].clone()).into();
    assert_eq!(found.iter().map(|loaded| loaded.row.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(found[1].steps, [step(3, 0, "ready")]);
    // A parked one that is tried again is recovered; an ended one is not any more.
    let again = vec![transaction(zero.id, 2, "running"), transaction(zero.id, 1, "completed")];
    store.commit(Batch { transactions: again, ..Batch::after(&zero) }).await.unwrap();
    let found = store.recover(zero.id, None, 2).await.unwrap().transactions;
    assert_eq!(found.iter().map(|loaded| loaded.row.id).collect::<Vec<_>>(), [id(2), id(3)]);
}

async fn what_only_waits_is_asleep(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let (zero, one) = (log(store, "acme", 0).await, log(store, "acme", 1).await);
    let waiting = |number| transaction(zero.id, number, "waiting");
    let for_ever = TransactionRow { wake_at: None, ..waiting(4) };
    let rows = vec![transaction(zero.id, 1, "running"), waiting(2), waiting(3), for_ever, waiting(5)];
    store.commit(Batch { transactions: rows, ..Batch::after(&zero) }).await.unwrap();
    store.commit(Batch { transactions: vec![transaction(one.id, 20, "waiting")], ..Batch::after(&one) }).await.unwrap();

    let loaded = store.recover(zero.id, None, 9).await.unwrap().transactions;
    assert_eq!(loaded.iter().map(|loaded| loaded.row.id).collect::<Vec<_>>(), [id(1)]);
    let wakes = |number: u32| (id(number), time(number + 10));
    assert_eq!(store.asleep(zero.id, None, 2).await.unwrap(), [wakes(2), wakes(3)]);
    assert_eq!(store.asleep(zero.id, Some(id(3)), 2).await.unwrap(), [wakes(5)]);
    assert_eq!(store.asleep(one.id, None, 2).await.unwrap(), [wakes(20)]);
    // What goes on is recovered, what waits anew is not any more.
    let changed = vec![transaction(zero.id, 2, "running"), transaction(zero.id, 1, "waiting")];
    store.commit(Batch { transactions: changed, ..Batch::after(&zero) }).await.unwrap();
    let loaded = store.recover(zero.id, None, 9).await.unwrap().transactions;
    assert_eq!(loaded.iter().map(|loaded| loaded.row.id).collect::<Vec<_>>(), [id(2)]);
    assert_eq!(store.asleep(zero.id, None, 9).await.unwrap(), [wakes(1), wakes(3), wakes(5)]);
}

/// However many are asked for, no page has more than `PAGE_STEP` large payloads; whoever goes on gets all of them.
async fn large_entries_end_a_page(store: &dyn Store) {
    let log = log(store, "large", 0).await;
    let count = 2 * u64::try_from(PAGE_STEP).unwrap() + 3;
    let mut batch = batch_of(&log, 3, 0, count);
    for entry in &mut batch.entries {
        let mut large = payload(entry.seq);
        large.sealed.bytes = vec![b'x'; ENTRIES_BYTES_MAX / 2];
        entry.payload = Some(large);
    }
    let written = batch.entries.clone();
    store.commit(batch).await.unwrap();
    let (mut read, mut pages) = (Vec::new(), Vec::new());
    loop {
        let from = u64::try_from(read.len()).unwrap();
        let page = store.entries(log.id, from, 100, true).await.unwrap();
        if page.is_empty() {
            break;
        }
        pages.push(page.len());
        read.extend(page);
    }
    assert_eq!(pages, [PAGE_STEP, PAGE_STEP, 3]);
    assert!(read == written, "all of them, in order");
    assert_eq!(store.entries(log.id, 0, 100, false).await.unwrap().len(), written.len());
}

async fn entries_come_in_pages(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("large", 1)]).await;
    let (system, acme) = (log(store, "system", 0).await, log(store, "acme", 0).await);
    store.commit(batch_of(&system, 1, 0, 5)).await.unwrap();
    store.commit(batch_of(&acme, 2, 0, 3)).await.unwrap();
    let all: Vec<_> = (0..5).map(|seq| entry(seq, Some((id(1), seq)))).collect();
    assert_eq!(store.entries(system.id, 0, 3, true).await.unwrap(), all[..3]);
    assert_eq!(store.entries(system.id, 3, 3, true).await.unwrap(), all[3..]);
    assert_eq!(store.entries(system.id, 5, 3, true).await.unwrap(), []);
    assert_eq!(store.entries(LogId(50), 0, 3, true).await.unwrap(), []);
    let bare: Vec<_> = all.iter().map(|entry| EntryRow { payload: None, ..entry.clone() }).collect();
    assert_eq!(store.entries(system.id, 0, 9, false).await.unwrap(), bare);
    assert_eq!(store.entries(acme.id, 0, 9, true).await.unwrap().len(), 3);
    large_entries_end_a_page(store).await;
}

async fn transactions_are_listed_newest_first(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let logs = [log(store, "acme", 0).await, log(store, "acme", 1).await];
    let mut rows = Vec::new();
    for number in 1..=9 {
        let log = &logs[number as usize % 2];
        let row = transaction(log.id, number, if number < 6 { "completed" } else { "running" });
        store.commit(Batch { transactions: vec![row.clone()], ..Batch::after(log) }).await.unwrap();
        rows.push(row);
    }
    rows.reverse();
    let acme = grant("acme");
    for (before, page) in [(None, &rows[..4]), (Some(rows[3].id), &rows[4..8]), (Some(rows[7].id), &rows[8..])] {
        let found = store.transactions(&acme, Search::default(), reach(before, 4)).await.unwrap();
        assert_eq!(found, Found { rows: page.to_vec(), floor: None });
    }
}

async fn a_search_finds_what_holds(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2), ("other", 1)]).await;
    let logs = [log(store, "acme", 0).await, log(store, "acme", 1).await, log(store, "other", 0).await];
    for number in 1..=9 {
        let log = &logs[number as usize % 2];
        let row = transaction(log.id, number, if number < 6 { "completed" } else { "running" });
        let labels = labels(log.id, number);
        store.commit(Batch { transactions: vec![row], labels, ..Batch::after(log) }).await.unwrap();
    }
    let foreign = Batch { transactions: vec![transaction(logs[2].id, 10, "running")], ..Batch::after(&logs[2]) };
    store.commit(Batch { labels: labels(logs[2].id, 10), ..foreign }).await.unwrap();
    let one = principal(1);
    let third = id(3);
    for (text, expected) in [
        ("", &[9, 8, 7, 6, 5, 4, 3, 2, 1][..]),
        ("status:running", &[9, 8, 7, 6]),
        ("status:running,completed -status:running", &[5, 4, 3, 2, 1]),
        ("-status:running,completed", &[]),
        ("definition:refund", &[9, 7, 5, 3, 1]),
        ("definition:refund status:running", &[9, 7]),
        ("version:2 -status:running", &[5, 3, 1]),
        (&format!("principal:{one}"), &[7, 4, 1]),
        (&format!("-principal:{one} status:completed"), &[5, 3, 2]),
        ("key:\"key 2\0\",\"key 3\0\"", &[6, 3]),
        ("-key:\"key 2\0\" status:running", &[9, 8, 7]),
        ("label.region:eu", &[6, 2]),
        ("label.region:eu,\"us, \\\"east\\\"\"", &[9, 7, 6, 5, 3, 2, 1]),
        ("label.region:eu status:running", &[6]),
        ("label.channel:\"\0\" -label.region:us", &[6, 2]),
        ("-label.channel:web", &[9, 8, 6, 5, 4, 2, 1]),
        ("-label.region:eu -label.channel:web definition:order", &[8, 4]),
        (&format!("parent:{}", id(1)), &[5]),
        (&format!("-parent:{} status:running", id(1)), &[9, 8, 7, 6]),
        (&format!("id:{third}"), &[3]),
        (&format!("id:{third} status:running"), &[]),
        (&format!("-id:{third} status:completed"), &[5, 4, 2, 1]),
        (&format!("started>{}", time(7)), &[9, 8]),
        (&format!("started<{} -started<{}", time(4), time(2)), &[3, 2]),
        ("started<9992s", &[9]),
        ("started>9998s", &[1]),
        (&format!("ended<{}", time(103)), &[2, 1]),
        (&format!("-ended<{}", time(103)), &[9, 8, 7, 6, 5, 4, 3]),
        (&format!("-ended>{}", Timestamp::EPOCH), &[9, 8, 7, 6]),
    ] {
        let search = search(text);
        let found = store.transactions(&grant("acme"), search.clone(), reach(None, 100)).await.unwrap();
        let expected: Vec<_> = expected.iter().copied().map(id).collect();
        assert_eq!(found.rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{text}");
        let count = store.transaction_count(&grant("acme"), search, reach(None, 100)).await.unwrap();
        assert_eq!(count, Count { count: expected.len() as u64, is_all: true }, "{text}");
    }
}

async fn a_search_says_how_far_it_looked(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let logs = [log(store, "acme", 0).await, log(store, "acme", 1).await];
    for number in 1..=20 {
        let log = &logs[number as usize % 2];
        let row = transaction(log.id, number, if number < 3 { "completed" } else { "running" });
        store.commit(Batch { transactions: vec![row], ..Batch::after(log) }).await.unwrap();
    }
    let acme = grant("acme");
    // Of each log three are looked at: the page ends where the first of them stops.
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let reach = Reach { before, limit: 4, looks: 3 };
        let found = store.transactions(&acme, search("version:1 -status:running"), reach).await.unwrap();
        pages.push(found.rows.len());
        assert!(found.rows.iter().all(|row| row.id == id(2)));
        let Some(floor) = found.floor else { break };
        assert!(before.is_none_or(|before| floor < before));
        before = Some(floor);
    }
    assert_eq!(pages, [0, 0, 0, 1, 0]);
    // What an index has in order needs no end.
    let reach = Reach { before: None, limit: 4, looks: 3 };
    let found = store.transactions(&acme, search("status:completed"), reach).await.unwrap();
    assert_eq!((found.rows.len(), found.floor), (2, None));
    let counted =
        |text: &str, limit| store.transaction_count(&acme, search(text), Reach { before: None, limit, looks: 5 });
    assert_eq!(counted("status:running", 17).await.unwrap(), Count { count: 17, is_all: false });
    assert_eq!(counted("status:running", 19).await.unwrap(), Count { count: 18, is_all: true });
    assert_eq!(counted("version:1", 100).await.unwrap(), Count { count: 5, is_all: false });
}

async fn a_history_is_one_transaction_s(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    let numbers = [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2)];
    let entries: Vec<_> = (0..).zip(numbers).map(|(seq, (number, n))| entry(seq, Some((id(number), n)))).collect();
    store.commit(Batch { entries: entries.clone(), ..Batch::after(&log) }).await.unwrap();
    let expected: Vec<_> = [0, 2, 4].map(|index: usize| (log.id, entries[index].clone())).into();
    let system = grant("system");
    assert_eq!(store.history(&system, id(1), 0, 9).await.unwrap(), expected);
    assert_eq!(store.history(&system, id(1), 1, 1).await.unwrap(), expected[1..2]);
    assert_eq!(store.history(&system, id(1), 3, 9).await.unwrap(), []);
    assert_eq!(store.history(&system, id(3), 0, 9).await.unwrap(), []);
}

async fn lists_come_in_pages(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("beta", 1)]).await;
    let log = log(store, "acme", 0).await;
    let versions = [("a", 1), ("a", 2), ("b", 1)];
    let control = versions.iter().flat_map(|(name, version)| {
        [ControlRow::Definition(definition(name, *version)), ControlRow::Bundle(bundle(name, *version))]
    });
    store.commit(Batch { control: control.collect(), ..Batch::after(&log) }).await.unwrap();
    let (acme, system) = (grant("acme"), grant("system"));
    let definitions: Vec<_> = versions.iter().map(|(name, version)| definition(name, *version)).collect();
    assert_eq!(store.definitions(&acme, None, 2).await.unwrap(), definitions[..2]);
    assert_eq!(store.definitions(&acme, Some((name("a"), 2)), 2).await.unwrap(), definitions[2..]);
    assert_eq!(store.definition(&acme, &name("a"), None).await.unwrap(), Some(definition("a", 2)));
    assert_eq!(store.definition(&acme, &name("a"), Some(1)).await.unwrap(), Some(definition("a", 1)));
    assert_eq!(store.definition(&acme, &name("a"), Some(3)).await.unwrap(), None);
    let bundles: Vec<_> = versions.iter().map(|(name, version)| bundle(name, *version)).collect();
    assert_eq!(store.bundles(&acme, None, 2).await.unwrap(), (bundles[..2].to_vec(), None));
    assert_eq!(store.bundles(&acme, Some((name("a"), 2)), 2).await.unwrap(), (bundles[2..].to_vec(), None));
    let tenants = |page: Vec<TenantRow>| page.into_iter().map(|row| row.tenant.to_string()).collect::<Vec<_>>();
    assert_eq!(tenants(store.tenants(&system, None, 2).await.unwrap()), ["acme", "beta"]);
    assert_eq!(tenants(store.tenants(&system, Some(tenant("beta")), 2).await.unwrap()), ["system"]);
}

async fn tenants_do_not_see_one_another(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("beta", 1)]).await;
    let acme = log(store, "acme", 0).await;
    let written = Batch {
        transactions: vec![transaction(acme.id, 1, "running")],
        keys: vec![key(KeyScope::Start, 1, 1)],
        control: vec![
            ControlRow::Definition(definition("order", 1)),
            ControlRow::Bundle(bundle("main", 1)),
            ControlRow::ActiveBundle(bundle("main", 1).digest),
            ControlRow::Principal(principal_row(1, "{}")),
        ],
        ..batch_of(&acme, 1, 0, 3)
    };
    store.commit(written).await.unwrap();
    let digest = bundle("main", 1).digest;
    for (name, seen) in [("acme", 1), ("beta", 0), ("system", 0)] {
        let (grant, log) = (grant(name), log(store, name, 0).await);
        let found = [
            store.transaction(&grant, id(1)).await.unwrap().iter().count(),
            store.transactions(&grant, Search::default(), reach(None, 9)).await.unwrap().rows.len(),
            store.history(&grant, id(1), 2, 9).await.unwrap().len(),
            store.definition(&grant, &self::name("order"), None).await.unwrap().iter().count(),
            store.definitions(&grant, None, 9).await.unwrap().len(),
            store.bundle(&grant, digest).await.unwrap().iter().count(),
            store.bundles(&grant, None, 9).await.unwrap().0.len(),
            store.bundles(&grant, None, 9).await.unwrap().1.iter().count(),
            store.control(log.id).await.unwrap().principals.len(),
            store.bundle_of(log.id, digest).await.unwrap().iter().count(),
            store.definition_of(log.id, self::name("order"), 1).await.unwrap().iter().count(),
            store.load(log.id, vec![id(1)], vec![]).await.unwrap().transactions.len(),
            store.load(log.id, vec![], vec![(KeyScope::Start, 16, [1; 32])]).await.unwrap().keys.len(),
            store.recover(log.id, None, 9).await.unwrap().transactions.len(),
        ];
        assert_eq!(found, [seen; 14], "{name}");
    }
    assert_eq!(kind(store.tenants(&grant("acme"), None, 9).await), Kind::Denied);
}

fn checkpoint(size: u64) -> CheckpointRow {
    CheckpointRow { size, note: format!("test/system/0/1\n{size}\n") }
}

fn tile(level: u8, index: u64, hashes: usize) -> TileRow {
    TileRow { level, index, hashes: vec![u8::try_from(hashes).unwrap(); hashes * 32] }
}

async fn a_checkpoint_is_stored_once_by_the_owner(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    store.commit(batch_of(&log, 1, 0, 9)).await.unwrap();
    let put = async |size: u64, epoch: u64, tiles| {
        store.checkpoint_put(log.id, tiles, Some(checkpoint(size)), epoch).await.unwrap()
    };
    assert!(put(5, 1, vec![tile(0, 0, 5)]).await);
    let before = subject.dump();
    for (what, size, epoch) in
        [("the same size", 5, 1), ("a smaller one", 4, 1), ("another epoch", 6, 2), ("beyond the log", 10, 1)]
    {
        assert!(!put(size, epoch, vec![tile(0, 0, 9), tile(1, 0, 1)]).await, "{what}");
        assert_eq!(subject.dump(), before, "{what}");
    }
    assert!(!store.checkpoint_put(log.id, vec![tile(0, 0, 9)], None, 7).await.unwrap());
    assert_eq!(subject.dump(), before);
    assert!(put(9, 1, vec![tile(0, 0, 9)]).await);
    store.own(log.id, "node-2").await.unwrap();
    assert!(!put(9, 1, vec![]).await);

    let at_most = async |size| store.checkpoint(log.id, size).await.unwrap().map(|row| row.size);
    assert_eq!(store.checkpoint(log.id, None).await.unwrap(), Some(checkpoint(9)));
    assert_eq!(at_most(Some(9)).await, Some(9));
    assert_eq!(at_most(Some(8)).await, Some(5));
    assert_eq!(at_most(Some(4)).await, None);
    assert_eq!(at_most(Some(u64::MAX)).await, Some(9));
}

async fn tiles_only_grow(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    for hashes in [3, 7, 5] {
        assert!(store.checkpoint_put(log.id, vec![tile(0, 1, hashes), tile(2, 0, 1)], None, 1).await.unwrap());
    }
    assert_eq!(store.tile(log.id, 0, 1).await.unwrap(), Some(tile(0, 1, 7)));
    assert_eq!(store.tile(log.id, 2, 0).await.unwrap(), Some(tile(2, 0, 1)));
    assert_eq!(store.tile(log.id, 0, 0).await.unwrap(), None);
    assert_eq!(store.tile(log.id, 0, u64::MAX).await.unwrap(), None);
}

async fn a_closed_store_reads_but_does_not_write(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    store.commit(batch_of(&log, 1, 0, 2)).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    let log = self::log(store, "system", 0).await;
    assert_eq!(failed(store.commit(batch_of(&log, 1, 2, 1)).await), Kind::Busy);
    assert_eq!(kind(store.own(log.id, "node-1").await), Kind::Busy);
    assert_eq!(kind(store.ping().await), Kind::Busy);
    assert_eq!(store.entries(log.id, 0, 9, true).await.unwrap().len(), 2);
}

async fn calls_of_a_shard_are_carried_out(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await.id;
    let Reply::Owned(Ok(owned)) = carry_out(store, Call::Own { log }, "node-7").await else { panic!() };
    assert_eq!((owned.epoch, owned.owner.as_str()), (2, "node-7"));
    let written = Batch { transactions: vec![transaction(log, 1, "running")], ..Batch::after(&owned) };
    let Reply::Committed(Ok(())) = carry_out(store, Call::Commit(Box::new(written)), "").await else { panic!() };
    let Reply::Control(Ok(control)) = carry_out(store, Call::Control { log }, "").await else { panic!() };
    assert_eq!(control.control_epoch, 0);
    let recover = Call::Recover { log, after: None, limit: 5 };
    let Reply::Loaded(Ok(recovered)) = carry_out(store, recover, "").await else { panic!() };
    let load = Call::Load { log, transactions: vec![id(1)], keys: vec![] };
    let Reply::Loaded(Ok(loaded)) = carry_out(store, load, "").await else { panic!() };
    assert_eq!(recovered, loaded);
    assert_eq!(loaded.transactions.len(), 1);
    let digest = bundle("main", 1).digest;
    let Reply::Bundle(Ok(None)) = carry_out(store, Call::Bundle { log, digest }, "").await else { panic!() };
}
