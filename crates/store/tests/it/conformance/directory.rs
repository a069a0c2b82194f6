//! What every store must do with what belongs to a tenant as a whole.

use super::kind;
use crate::fixture::{log as log_of, *};
use crate::subject::Subject;
use chancery_base::{Kind, TenantId};
use chancery_shard::row::*;
use chancery_shard::{Batch, Grant};
use std::collections::BTreeMap;

/// A directory, parts of which are written twice.
fn directory() -> Vec<ControlRow> {
    vec![
        ControlRow::Principal(principal_row(1, "old")),
        ControlRow::Principal(principal_row(2, "{}")),
        ControlRow::Principal(principal_row(1, "new")),
        ControlRow::Credential(credential(2, false)),
        ControlRow::Credential(credential(1, false)),
        ControlRow::Target(target(2, "old")),
        ControlRow::Target(target(1, "{}")),
        ControlRow::Target(target(2, "new")),
        ControlRow::Queue(queue(2, "old")),
        ControlRow::Queue(queue(1, "{}")),
        ControlRow::Queue(queue(3, "{}")),
        ControlRow::Queue(queue(2, "new")),
        ControlRow::Maintenance(maintenance("old")),
        ControlRow::Stop(stop(2, "old")),
        ControlRow::Stop(stop(1, "{}")),
        ControlRow::Stop(stop(3, "{}")),
        ControlRow::Stop(stop(2, "new")),
        ControlRow::Budget(budget(2, "old")),
        ControlRow::Budget(budget(1, "{}")),
        ControlRow::Budget(budget(3, "{}")),
        ControlRow::Budget(budget(2, "new")),
        ControlRow::Evidence(evidence(2, "two"), Some(content(2, "content"))),
        ControlRow::Evidence(evidence(1, "one"), None),
        ControlRow::Evidence(evidence(3, "three"), Some(content(3, "erased"))),
        ControlRow::Notifier(notifier(2, "old")),
        ControlRow::Notifier(notifier(1, "{}")),
        ControlRow::Notifier(notifier(4, "{}")),
        ControlRow::Notifier(notifier(2, "new")),
        ControlRow::Override(over(2, "old")),
        ControlRow::Override(over(1, "{}")),
        ControlRow::Override(over(3, "{}")),
        ControlRow::Override(over(2, "new")),
        ControlRow::Retention(retention("old")),
        ControlRow::Trust(trust("old")),
        ControlRow::SigningSecret(signing_secret(3)),
        ControlRow::SigningSecret(signing_secret(1)),
        ControlRow::SigningSecret(signing_secret(2)),
        ControlRow::Definition(definition("order", 1)),
        ControlRow::Definition(definition("order", 10)),
        ControlRow::Definition(definition("order", 9)),
        ControlRow::Bundle(bundle("main", 1)),
        ControlRow::ActiveBundle(bundle("main", 1).digest),
    ]
}

pub(super) async fn the_directory_is_as_last_written(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1)]).await;
    let log = log_of(store, "acme", 0).await;
    let control = directory();
    store.commit(Batch { control, raises_control_epoch: 1, ..Batch::after(&log) }).await.unwrap();
    let log = log_of(store, "acme", 0).await;
    let gone = ControlRow::SigningSecretGone(signing_secret(1).id);
    let forgotten = ControlRow::QueueGone(queue(3, "").queue);
    let erased = ControlRow::EvidenceGone(evidence(3, "").id);
    let lifted = ControlRow::StopGone(stop(3, "").id);
    let made_room = ControlRow::OverrideGone(over(3, "").id);
    // One comes further, and is deleted in the same batch.
    let told = ControlRow::Notifier(notifier(4, "further"));
    let untold = ControlRow::NotifierGone(notifier(4, "").name);
    let deleted = ControlRow::BudgetGone(budget(3, "").name);
    let revoked = ControlRow::Credential(credential(1, true));
    let revoked = vec![revoked, gone, forgotten, lifted, deleted, erased, told, untold, made_room];
    store.commit(Batch { control: revoked, raises_control_epoch: 1, ..Batch::after(&log) }).await.unwrap();

    let control = store.control(log.id).await.unwrap();
    assert_eq!(control.maintenance, Some(maintenance("old")));
    for (row, expected) in
        [(ControlRow::Maintenance(maintenance("new")), Some(maintenance("new"))), (ControlRow::MaintenanceOver, None)]
    {
        let log = log_of(store, "acme", 0).await;
        store.commit(Batch { control: vec![row], ..Batch::after(&log) }).await.unwrap();
        assert_eq!(store.control(log.id).await.unwrap().maintenance, expected);
    }
    assert_eq!(control.retention, Some(retention("old")));
    for (row, expected) in
        [(ControlRow::Retention(retention("new")), Some(retention("new"))), (ControlRow::RetentionGone, None)]
    {
        let log = log_of(store, "acme", 0).await;
        store.commit(Batch { control: vec![row], ..Batch::after(&log) }).await.unwrap();
        assert_eq!(store.control(log.id).await.unwrap().retention, expected);
    }
    assert_eq!(control.trust, Some(trust("old")));
    for (row, expected) in [(ControlRow::Trust(trust("new")), Some(trust("new"))), (ControlRow::TrustGone, None)] {
        let log = log_of(store, "acme", 0).await;
        store.commit(Batch { control: vec![row], ..Batch::after(&log) }).await.unwrap();
        assert_eq!(store.control(log.id).await.unwrap().trust, expected);
    }
    let mut principals = vec![principal_row(1, "new"), principal_row(2, "{}")];
    principals.sort_by_key(|row| row.id.to_string());
    let newest = definition("order", 10);
    assert_eq!(control.control_epoch, 2);
    assert_eq!(control.tenant, tenant_row("acme", 1));
    assert_eq!(control.principals, principals);
    assert_eq!(control.credentials, [credential(1, true), credential(2, false)]);
    assert_eq!(control.targets, [target(1, "{}"), target(2, "new")]);
    assert_eq!(control.queues, [queue(1, "{}"), queue(2, "new")]);
    assert_eq!(control.evidence, [evidence(1, "one"), evidence(2, "two")]);
    let grant = Grant::system("a test", "acme".parse().unwrap());
    for (number, expected) in [(1, None), (2, Some(content(2, "content"))), (3, None)] {
        assert_eq!(store.evidence_content(&grant, evidence(number, "").id).await.unwrap(), expected);
    }
    let elsewhere = Grant::system("a test", TenantId::system());
    assert_eq!(store.evidence_content(&elsewhere, evidence(2, "").id).await.unwrap(), None);
    assert_eq!(control.stops, [stop(1, "{}"), stop(2, "new")]);
    assert_eq!(control.budgets, [budget(1, "{}"), budget(2, "new")]);
    assert_eq!(control.notifiers, [notifier(1, "{}"), notifier(2, "new")]);
    assert_eq!(control.overrides, [over(1, "{}"), over(2, "new")]);
    assert_eq!(control.signing_secrets, [signing_secret(2), signing_secret(3)], "oldest first");
    assert_eq!(control.definitions, [(newest.name, 10, newest.digest)]);
    assert_eq!(control.bundle, Some(bundle("main", 1)));
    let system = log_of(store, "system", 0).await;
    let empty = store.control(system.id).await.unwrap();
    assert_eq!((empty.principals.len(), empty.credentials.len(), empty.definitions.len()), (0, 0, 0));
    assert_eq!(empty.bundle, None);
    assert_eq!(kind(store.control(LogId(77)).await), Kind::Missing);
}

pub(super) async fn accounts_are_as_last_counted(subject: &Subject) {
    let store = subject.store();
    tenants(store, &[("acme", 1)]).await;
    let [one, two, three] = [1, 2, 3].map(|number| account(number, "{}"));
    let counted = |rows: &[&AccountRow]| -> BTreeMap<String, Option<Sealed>> {
        rows.iter().map(|row| (row.account.clone(), Some(row.body.clone()))).collect()
    };
    let log = log_of(store, "acme", 0).await;
    store.commit(Batch { accounts: counted(&[&two, &one, &three]), ..Batch::after(&log) }).await.unwrap();
    assert_eq!(store.control(log.id).await.unwrap().accounts, [one.clone(), two, three.clone()]);
    let again = account(2, "again");
    let gone = [(three.account.clone(), None), (account(9, "").account, None)];
    let accounts = counted(&[&again]).into_iter().chain(gone).collect();
    store.commit(Batch { accounts, ..Batch::after(&log) }).await.unwrap();
    assert_eq!(store.control(log.id).await.unwrap().accounts, [one.clone(), again.clone()]);
    let stale = Batch { accounts: counted(&[&three]), size: 7, ..Batch::after(&log) };
    assert!(store.commit(stale).await.is_err(), "what the guard refuses counts nothing");
    let system = log_of(store, "system", 0).await;
    assert_eq!(store.control(system.id).await.unwrap().accounts, []);
    assert_eq!(store.control(log.id).await.unwrap().accounts, [one, again]);
}
