//! What every store must do with events.

use super::failed;
use crate::fixture::*;
use crate::subject::Subject;
use chancery_base::Kind;
use chancery_shard::Batch;
use chancery_shard::row::*;
use chancery_store::{EventReach, EventSearch, EventsFound};

const fn reach(from: u64, limit: usize, looks: usize) -> EventReach {
    EventReach { from, limit, looks }
}

/// Writes so many entries, of which every odd one emitted an event.
async fn write(subject: &Subject, log: &LogRow, count: u64) -> Vec<EventRow> {
    let batch = batch_of(log, 1, log.size, count);
    let events = events(log.id, &batch.entries);
    subject.store().commit(Batch { events: events.clone(), ..batch }).await.unwrap();
    events
}

pub(super) async fn events_are_found_in_the_order_of_their_entries(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 2)]).await;
    let (first, second) = (log(store, "acme", 0).await, log(store, "acme", 1).await);
    let mut all = write(subject, &first, 20).await;
    let grown = log(store, "acme", 0).await;
    all.extend(write(subject, &grown, 20).await);
    let others = {
        let batch = batch_of(&second, 2, 0, 4);
        let events = events(second.id, &batch.entries);
        store.commit(Batch { events: events.clone(), ..batch }).await.unwrap();
        events
    };
    let found = |search: EventSearch, reach| store.events(first.id, search, reach);
    let page = found(EventSearch::default(), reach(0, 100, 1_000)).await.unwrap();
    assert_eq!(page, EventsFound { rows: all.clone(), next: 40, is_end: true });
    assert_eq!(store.events(second.id, EventSearch::default(), reach(0, 100, 1_000)).await.unwrap().rows, others);

    for types in [None, Some("order.paid"), Some("*.shipped"), Some("order.**"), Some("refund.paid")] {
        for subject in [None, Some("order 1\0"), Some("order 0\0"), Some("nobody")] {
            let search = event_search(types, subject);
            let meant: Vec<EventRow> = all.iter().filter(|row| search.holds(row)).cloned().collect();
            // Page by page nothing is left out and nothing comes twice, however few rows a page may look at.
            for (limit, looks) in [(100, 1_000), (2, 1_000), (3, 2), (1, 1)] {
                let (mut from, mut is_end, mut read) = (0, false, Vec::new());
                while !is_end {
                    let page = found(search.clone(), reach(from, limit, looks)).await.unwrap();
                    assert!(page.rows.len() <= limit && page.next >= from, "{page:?}");
                    assert!(page.is_end || page.next > from, "it does not go on: {types:?} {subject:?}");
                    read.extend(page.rows);
                    (from, is_end) = (page.next, page.is_end);
                }
                assert_eq!(read, meant, "{types:?} {subject:?} {limit} {looks}");
            }
        }
    }

    let page = found(event_search(Some("*.shipped"), None), reach(0, 9, 2)).await.unwrap();
    assert_eq!((page.rows.len(), page.next, page.is_end), (1, 4, false), "it says how far it looked");
    let beyond = found(EventSearch::default(), reach(77, 9, 9)).await.unwrap();
    assert_eq!(beyond, EventsFound { rows: vec![], next: 77, is_end: true });
    let beyond = found(EventSearch::default(), reach(u64::MAX, 9, 9)).await.unwrap();
    assert_eq!(beyond, EventsFound { rows: vec![], next: u64::MAX, is_end: true });

    let read = store.entries_at(first.id, vec![31, 2, 2, 77, 7]).await.unwrap();
    assert_eq!(read.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2, 7, 31]);
    assert_eq!(read[0], store.entries(first.id, 2, 1, true).await.unwrap()[0], "with its payload");
    assert_eq!(store.entries_at(LogId(77), vec![2]).await.unwrap(), []);
}

pub(super) async fn what_is_no_event_of_the_batch_is_refused(subject: &Subject) {
    let store = subject.store();
    let log = system(store).await;
    let before = subject.dump();
    let event = |seq| EventRow { log: log.id, seq, event_type: "order.paid".to_owned(), subject: None };
    let of = |events: Vec<EventRow>| Batch { events, ..batch_of(&log, 1, 0, 2) };
    for (what, batch) in [
        ("an entry that is not there", of(vec![event(2)])),
        ("another log's", of(vec![EventRow { log: LogId(7), ..event(0) }])),
        ("one entry twice", of(vec![event(1), event(1)])),
        ("another order", of(vec![event(1), event(0)])),
    ] {
        assert_eq!(failed(store.commit(batch).await), Kind::Bug, "{what}");
        assert_eq!(subject.dump(), before, "{what}");
    }
    store.commit(of(vec![event(0), event(1)])).await.unwrap();
    assert_eq!(subject.dump().events, [event(0), event(1)]);
}
