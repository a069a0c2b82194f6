//! What every store must do with transactions that ended long ago.

use super::failed;
use crate::fixture::*;
use crate::subject::Subject;
use chancery_base::{Kind, Timestamp};
use chancery_shard::Batch;
use chancery_shard::expiry::{Expired, Expiring, Gone, GoneKey, Place};
use chancery_shard::row::*;
use chancery_store::Store;

/// A transaction of a family, that began at its number and ended at a second, if it has.
fn member(log: LogId, number: u32, parent: Option<u32>, ended_at: Option<u32>) -> TransactionRow {
    let status = if ended_at.is_some() { "completed" } else { "parked" };
    let row = transaction(log, number, status);
    TransactionRow { ended_at: ended_at.map(time), parent: parent.map(id), ..row }
}

fn before(ended_before: Timestamp) -> Expiring {
    Expiring { ended_before, after: None, limit: 100, steps: 1_000, looks: 1_000 }
}

fn ids(found: &Expired) -> Vec<chancery_base::TransactionId> {
    found.transactions.iter().map(|(_, row)| row.id).collect()
}

fn start_key(number: u8, transaction: u32) -> KeyRow {
    key(KeyScope::Start, number, transaction)
}

fn gone_key(row: &KeyRow) -> GoneKey {
    GoneKey { scope: row.scope, slot: row.slot, key: row.key, transaction: row.transaction }
}

async fn commit(store: &dyn Store, transactions: Vec<TransactionRow>, steps: Vec<StepRow>) {
    let log = log(store, "acme", 0).await;
    store.commit(Batch { transactions, steps, ..Batch::after(&log) }).await.unwrap();
}

pub(super) async fn what_is_final_is_found_by_family(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let (log, other) = (log(store, "acme", 0).await, log(store, "acme", 1).await);
    // 2 has 7 and, below that, 3; of 4 a grandchild runs; 5 ended later; 6 is parked; 8 is just old enough.
    let rows = [
        (2, None, Some(20)),
        (7, Some(2), Some(19)),
        (3, Some(7), Some(18)),
        (4, None, Some(20)),
        (9, Some(4), Some(20)),
        (10, Some(9), None),
        (5, None, Some(50)),
        (6, None, None),
        (8, None, Some(39)),
        (11, None, Some(40)),
    ];
    let rows: Vec<_> = rows.iter().map(|(number, parent, at)| member(log.id, *number, *parent, *at)).collect();
    commit(store, rows.clone(), Vec::new()).await;
    let elsewhere = Batch { transactions: vec![member(other.id, 12, None, Some(20))], ..Batch::after(&other) };
    store.commit(elsewhere).await.unwrap();
    let expected = [
        (Place::of_child(id(2), 2, id(3)), 2),
        (Place::of_child(id(2), 1, id(7)), 1),
        (Place::of_root(id(2)), 0),
        (Place::of_root(id(8)), 8),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(place, row)| (place, rows[row].clone())).collect();
    let found = store.expired(log.id, before(time(40))).await.unwrap();
    assert_eq!((found.transactions, found.next), (expected.clone(), None));
    // Page by page, however little is looked at for one and wherever it ends.
    for (limit, looks) in [(1, 1), (1, 9), (2, 2), (2, 100), (3, 1), (100, 3)] {
        let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.expired(log.id, Expiring { after, limit, looks, ..before(time(40)) }).await.unwrap();
            assert!(page.transactions.len() <= limit, "{page:?}");
            assert!(page.next.is_none_or(|next| page.transactions.last().is_none_or(|(last, _)| *last <= next)));
            all.extend(page.transactions);
            pages += 1;
            assert!(pages < 50);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(all, expected, "{limit} of {looks}");
    }
    assert_eq!(store.expired(log.id, before(time(18))).await.unwrap(), Expired::default());
    assert_eq!(ids(&store.expired(other.id, before(time(40))).await.unwrap()), [id(12)]);
    assert_eq!(store.expired(LogId(99), before(time(40))).await.unwrap(), Expired::default());
}

pub(super) async fn a_large_family_goes_in_parts(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1)]).await;
    let log = log(store, "acme", 0).await;
    let children = (2..7).map(|number| member(log.id, number, Some(1), Some(10)));
    let rows = children.chain([member(log.id, 1, None, Some(10))]).collect();
    let steps = (2..7).flat_map(|number| (0..number).map(move |index| step(number, index, "completed"))).collect();
    commit(store, rows, steps).await;
    // By their steps: one is found whatever it has, and no further one above so many.
    for (steps, expected) in [(0, 1), (1, 1), (2, 1), (4, 1), (5, 2), (9, 3), (100, 6)] {
        let found = store.expired(log.id, Expiring { steps, ..before(time(40)) }).await.unwrap();
        assert_eq!(found.transactions.len(), expected, "{steps} steps");
        assert_eq!(
            found.next,
            (expected < 6).then(|| Place::of_child(id(1), 1, id(1 + u32::try_from(expected).unwrap())))
        );
    }
    // What was not removed is found from where it goes on, in the family too; what was is not there any more.
    let after = Some(Place::of_child(id(1), 1, id(4)));
    let found = store.expired(log.id, Expiring { after, ..before(time(40)) }).await.unwrap();
    assert_eq!(ids(&found), [id(5), id(6), id(1)]);
    let gone = Gone { transactions: vec![id(2), id(3), id(4)], ..Gone::default() };
    store.commit(Batch { gone, ..Batch::after(&log) }).await.unwrap();
    assert_eq!(ids(&store.expired(log.id, before(time(40))).await.unwrap()), [id(5), id(6), id(1)]);
    let left: Vec<_> = subject.dump().steps.iter().map(|row| row.transaction).collect();
    assert_eq!(left, [[id(5); 5].as_slice(), &[id(6); 6]].concat());
}

pub(super) async fn only_what_has_ended_is_removed(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let (first, second) = (log(store, "acme", 0).await, log(store, "acme", 1).await);
    let of = |number, ended| member(first.id, number, None, ended);
    let keys = vec![start_key(1, 1), start_key(2, 2), start_key(3, 3), key(KeyScope::Business, 9, 1)];
    let batch = Batch {
        transactions: vec![of(1, Some(10)), of(2, None), of(3, Some(10))],
        steps: (1..4).map(|number| step(number, 0, "completed")).collect(),
        labels: (1..4).flat_map(|number| labels(first.id, number)).collect(),
        keys: keys.clone(),
        ..Batch::after(&first)
    };
    store.commit(batch).await.unwrap();
    let everything = Gone {
        transactions: vec![id(1), id(2), id(77)],
        keys: keys.iter().map(gone_key).collect(),
        labels: (1..4).flat_map(|number| labels(first.id, number)).collect(),
    };
    // A business key that is another's by now stays its.
    let moved = Batch { keys: vec![key(KeyScope::Business, 9, 3)], ..Batch::after(&first) };
    store.commit(moved).await.unwrap();
    // Of another log nothing goes.
    let foreign = Batch { gone: everything.clone(), ..Batch::after(&second) };
    let before = subject.dump();
    store.commit(foreign).await.unwrap();
    assert_eq!(subject.dump(), before);
    // What is written in the same batch is a defect, and nothing happens.
    let written = Batch { gone: everything.clone(), steps: vec![step(1, 0, "completed")], ..Batch::after(&first) };
    assert_eq!(failed(store.commit(written).await), Kind::Bug);
    let written = Batch { gone: everything.clone(), keys: vec![start_key(1, 9)], ..Batch::after(&first) };
    assert_eq!(failed(store.commit(written).await), Kind::Bug);
    assert_eq!(subject.dump(), before);

    store.commit(Batch { gone: everything, ..Batch::after(&first) }).await.unwrap();
    let dump = subject.dump();
    assert_eq!(dump.transactions.iter().map(|row| row.id).collect::<Vec<_>>(), [id(2), id(3)]);
    assert_eq!(dump.steps.iter().map(|row| row.transaction).collect::<Vec<_>>(), [id(2), id(3)]);
    assert!(dump.labels.iter().all(|row| row.transaction != id(1)) && dump.labels.len() < before.labels.len());
    let mut left: Vec<_> = dump.keys.iter().map(|(_, row)| (row.scope, row.transaction)).collect();
    left.sort_unstable();
    assert_eq!(left, [(KeyScope::Start, id(2)), (KeyScope::Start, id(3)), (KeyScope::Business, id(3))]);
    // The key is free.
    store.commit(Batch { keys: vec![start_key(1, 3)], ..Batch::after(&first) }).await.unwrap();
}
