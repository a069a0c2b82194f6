//! What every store must do with schedules.

use super::kind;
use crate::fixture::*;
use crate::subject::Subject;
use chancery_base::Kind;
use chancery_shard::Batch;
use chancery_shard::row::*;

pub(super) async fn schedules_are_as_last_written(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("other", 1)]).await;
    let log = log(store, "acme", 0).await;
    let gone = |number| ControlRow::ScheduleGone(schedule(number, "").name);
    let control = vec![
        ControlRow::Schedule(schedule(2, "old")),
        ControlRow::Schedule(schedule(3, "{}")),
        ControlRow::Schedule(schedule(2, "new")),
        ControlRow::Schedule(schedule(4, "brief")),
        gone(4),
        gone(5),
        ControlRow::Schedule(schedule(5, "again")),
        ControlRow::Schedule(schedule(1, "{}")),
    ];
    store.commit(Batch { control, ..Batch::after(&log) }).await.unwrap();
    let written = [schedule(1, "{}"), schedule(2, "new"), schedule(3, "{}"), schedule(5, "again")];
    assert_eq!(store.schedules(log.id, None, 9).await.unwrap(), written);
    assert_eq!(store.schedules(log.id, Some(written[0].name.clone()), 2).await.unwrap(), written[1..3]);
    let control = vec![gone(1), ControlRow::Schedule(schedule(3, "later")), gone(5)];
    store.commit(Batch { control, ..Batch::after(&log) }).await.unwrap();
    let acme = grant("acme");
    assert_eq!(store.schedule_list(&acme, None, 9).await.unwrap(), [schedule(2, "new"), schedule(3, "later")]);
    assert_eq!(store.schedule_list(&acme, Some(name("s2")), 9).await.unwrap(), [schedule(3, "later")]);
    assert_eq!(store.schedule(&acme, &name("s3")).await.unwrap(), Some(schedule(3, "later")));
    assert_eq!(store.schedule(&acme, &name("s1")).await.unwrap(), None);
    let other = grant("other");
    assert_eq!(store.schedule(&other, &name("s3")).await.unwrap(), None);
    assert_eq!(store.schedule_list(&other, None, 9).await.unwrap(), []);
    let before = crate::fixture::log(store, "acme", 0).await.control_epoch;
    assert_eq!(before, log.control_epoch, "no decision rests on schedules");
    assert_eq!(kind(store.schedules(LogId(77), None, 9).await), Kind::Missing);
}

pub(super) async fn what_schedules_start_is_found(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("other", 1)]).await;
    let log = log(store, "acme", 0).await;
    let control = vec![ControlRow::Definition(definition("order", 1)), ControlRow::Definition(definition("order", 2))];
    store.commit(Batch { control, ..batch_of(&log, 1, 0, 4) }).await.unwrap();
    // The entries of even numbers have payloads.
    let wanted = vec![(name("order"), 2), (name("order"), 9), (name("refund"), 1)];
    let found = store.sources(log.id, vec![2, 1, 77, 0], wanted).await.unwrap();
    let mut payloads: Vec<_> = found.payloads.iter().map(|(seq, row)| (*seq, row.as_ref().clone())).collect();
    payloads.sort_by_key(|(seq, _)| *seq);
    assert_eq!(payloads, [(0, payload(0)), (2, payload(2))]);
    assert_eq!(found.definitions, [definition("order", 2)]);
    let other = crate::fixture::log(store, "other", 0).await;
    let found = store.sources(other.id, vec![2], vec![(name("order"), 2)]).await.unwrap();
    assert_eq!((found.payloads.len(), found.definitions.len()), (0, 0), "they are another tenant's");
}
