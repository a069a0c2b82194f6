//! What every store must do with requests to people.

use super::failed;
use crate::fixture::*;
use crate::subject::Subject;
use chancery_base::{Kind, RequestId, Timestamp};
use chancery_shard::expiry::Gone;
use chancery_shard::row::*;
use chancery_shard::{Batch, RequestStatus};
use chancery_store::{RequestReach, RequestSearch, RequestStanding, Store};

const fn reach(after: Option<(Timestamp, RequestId)>, limit: usize) -> RequestReach {
    RequestReach { after, limit }
}

pub(super) async fn requests_are_as_last_written(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("other", 1)]).await;
    let (log, other) = (log(store, "acme", 0).await, log(store, "other", 0).await);
    let open = request(log.id, 1, 4);
    let transactions = vec![transaction(log.id, 1, "completed"), transaction(log.id, 2, "running")];
    let requests = vec![open.clone(), request(log.id, 2, 8)];
    store.commit(Batch { transactions, requests, ..Batch::after(&log) }).await.unwrap();
    let status = RequestStatus::Approved;
    let body = Sealed::plain(b"{\"v\":2}".to_vec());
    let decided = RequestRow { status, due_at: time(7), decided_at: Some(time(6)), body, ..open.clone() };
    // In one batch, too, the last one counts.
    let batch =
        Batch { requests: vec![RequestRow { due_at: time(3), ..open.clone() }, decided.clone()], ..Batch::after(&log) };
    store.commit(batch).await.unwrap();
    assert_eq!(store.request(&grant("acme"), open.id).await.unwrap(), Some(decided.clone()));
    assert_eq!(store.request(&grant("other"), open.id).await.unwrap(), None, "another tenant's");
    let unknown = request(log.id, 1, 77).id;
    assert_eq!(store.request(&grant("acme"), unknown).await.unwrap(), None);
    let before = subject.dump();
    assert_eq!(before.requests.len(), 2);

    // On another log than the batch's it is a defect, and a failed guard writes nothing.
    let foreign = Batch { requests: vec![request(other.id, 1, 5)], ..Batch::after(&log) };
    assert_eq!(failed(store.commit(foreign).await), Kind::Bug);
    let stale = Batch { epoch: log.epoch + 1, requests: vec![request(log.id, 1, 5)], ..Batch::after(&log) };
    store.commit(stale).await.unwrap_err();
    let gone = Gone { transactions: vec![id(1), id(2)], ..Gone::default() };
    let written = Batch { gone: gone.clone(), requests: vec![decided], ..Batch::after(&log) };
    assert_eq!(failed(store.commit(written).await), Kind::Bug);
    assert_eq!(subject.dump(), before);

    // They go with their transaction, and what has not ended stays.
    store.commit(Batch { gone, ..Batch::after(&log) }).await.unwrap();
    assert_eq!(subject.dump().requests, [request(log.id, 2, 8)]);
}

pub(super) async fn requests_are_found_by_when_they_are_due(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("other", 1)]).await;
    let (log, other) = (log(store, "acme", 0).await, log(store, "other", 0).await);
    let mut all: Vec<RequestRow> = (0..24).map(|number| request(log.id, number % 3, number)).collect();
    store.commit(Batch { requests: all.clone(), ..Batch::after(&log) }).await.unwrap();
    let others = vec![request(other.id, 9, 1)];
    store.commit(Batch { requests: others.clone(), ..Batch::after(&other) }).await.unwrap();
    all.sort_by_key(|row| (row.due_at, row.id));
    let everything = RequestSearch::default();
    assert_eq!(store.requests(log.id, everything.clone(), reach(None, 100)).await.unwrap(), all);
    assert_eq!(store.requests(other.id, everything, reach(None, 100)).await.unwrap(), others);

    let standings = [
        RequestStanding::Any,
        RequestStanding::Open,
        RequestStanding::Is(RequestStatus::Acknowledged),
        RequestStanding::Is(RequestStatus::Withdrawn),
    ];
    for standing in standings {
        for role in [None, Some("finance"), Some("nobody")] {
            for transaction in [None, Some(id(1))] {
                let search = RequestSearch { standing, role: role.map(name), transaction };
                let meant: Vec<RequestRow> = all.iter().filter(|row| search.holds(row)).cloned().collect();
                assert_eq!(in_pages(store, log.id, &search).await, meant, "{search:?}");
            }
        }
    }
}

/// Page by page nothing is left out and nothing comes twice.
async fn in_pages(store: &dyn Store, log: LogId, search: &RequestSearch) -> Vec<RequestRow> {
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = store.requests(log, search.clone(), reach(after, 3)).await.unwrap();
        let Some(last) = page.last() else { return read };
        after = Some((last.due_at, last.id));
        read.extend(page);
    }
}
