//! What every store must do with settings.

use super::{failed, kind};
use crate::fixture::*;
use crate::subject::Subject;
use chancery_base::Kind;
use chancery_shard::Batch;
use chancery_shard::row::*;

pub(super) async fn settings_are_kept_version_by_version(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("other", 1)]).await;
    let log = log(store, "acme", 0).await;
    let (acme, other) = (grant("acme"), grant("other"));
    assert_eq!(store.settings(&acme, None).await.unwrap(), None);
    assert_eq!(store.control(log.id).await.unwrap().settings, None);
    let set = |version| vec![ControlRow::Settings(settings(version))];
    for version in 1..=3 {
        let log = crate::fixture::log(store, "acme", 0).await;
        store.commit(Batch { control: set(version), raises_control_epoch: 1, ..Batch::after(&log) }).await.unwrap();
    }
    assert_eq!(store.control(log.id).await.unwrap().settings, Some(settings(3)));
    assert_eq!(store.settings(&acme, None).await.unwrap(), Some(settings(3)));
    assert_eq!(store.settings(&acme, Some(2)).await.unwrap(), Some(settings(2)));
    assert_eq!(store.settings(&acme, Some(4)).await.unwrap(), None);
    assert_eq!(store.settings_list(&acme, None, 2).await.unwrap(), [settings(3), settings(2)]);
    assert_eq!(store.settings_list(&acme, Some(2), 9).await.unwrap(), [settings(1)]);
    assert_eq!(store.settings(&other, None).await.unwrap(), None);
    assert_eq!(store.settings_list(&other, None, 9).await.unwrap(), []);
    let log = crate::fixture::log(store, "acme", 0).await;
    let again = store.commit(Batch { control: set(2), ..Batch::after(&log) }).await;
    assert_eq!(failed(again), Kind::Conflict, "a version is written once");
    assert_eq!(kind(store.control(LogId(77)).await), Kind::Missing);
}

pub(super) async fn a_load_brings_the_settings_that_are_seen(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1), ("other", 1)]).await;
    let log = log(store, "acme", 0).await;
    let seen = |number, settings| TransactionRow { settings, ..transaction(log.id, number, "running") };
    let batch = Batch {
        transactions: vec![seen(1, Some(3)), seen(2, None), seen(3, Some(1)), seen(4, Some(3)), seen(5, Some(9))],
        control: (1..=3).map(|version| ControlRow::Settings(settings(version))).collect(),
        ..batch_of(&log, 1, 0, 1)
    };
    store.commit(batch).await.unwrap();
    let loaded = store.load(log.id, vec![id(1), id(2), id(4)], vec![]).await.unwrap();
    assert_eq!(loaded.settings, [settings(3)]);
    let recovered = store.recover(log.id, None, 9).await.unwrap();
    assert_eq!(recovered.settings, [settings(1), settings(3)], "what is not there is left out");
    let found: Vec<_> = recovered.transactions.iter().map(|found| found.row.settings).collect();
    assert_eq!(found, [Some(3), None, Some(1), Some(3), Some(9)]);
    // What a transaction sees never changes.
    let log = crate::fixture::log(store, "acme", 0).await;
    let later = Batch { transactions: vec![seen(1, Some(2))], ..Batch::after(&log) };
    store.commit(later).await.unwrap();
    let kept = store.load(log.id, vec![id(1)], vec![]).await.unwrap();
    assert_eq!((kept.transactions[0].row.settings, kept.settings), (Some(3), vec![settings(3)]));
}
