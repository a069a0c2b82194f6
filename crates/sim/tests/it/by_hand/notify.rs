//! Obligations that have notifiers tell: what the entries say of it, who is missing, and how far notifiers have come.

use super::hand::{Hand, Tenant, in_force, output};
use chancery_base::{Name, PrincipalId, TransactionId, json};
use chancery_engine::{Status, StepError};
use chancery_ledger::Record;
use chancery_policy::Bundle;
use chancery_shard::entry::{ToldPermit, is_told};
use chancery_shard::input::*;
use chancery_shard::notifier::{Channel, Notified, Notifier, NotifierSettings};
use chancery_shard::replay::{NotifierSeen, Replay};
use chancery_store::Scan as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const SCHEMA: &str = "entity Definition; entity Step in [Definition]; entity Order;
    entity User; entity Service; entity Agent;
    action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
    action run, pay appliesTo { principal: [User, Service, Agent], resource: [Step, Order], context: {} };";

const HEARD: &str = "@id(\"heard\") @obligation(\"notify\") @notifier(\"finance, desk\") @reason(\"it is dear\")
    permit (principal, action, resource);
    @obligation(\"notify\") @notifier(\"desk\") permit (principal, action == Action::\"pay\", resource);";

const PAYS: &str = r#"{"name": "pays", "version": 1, "steps": [
    {"id": "may", "run": {"decide": {"action": "pay", "resource": {"type": "Order", "id": "a"}}}},
    {"id": "pay", "after": ["may"], "run": {"worker": "w"}, "action": "pay", "resource": {"type": "Order", "id": "a"},
        "retry": {"attempts": 2, "backoff": "0ms"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "tell", "after": ["pay"], "run": {"emit": {"type": "order.paid"}},
        "compensate": {"run": {"emit": {"type": "order.unpaid"}}}},
    {"id": "last", "after": ["tell"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
]}"#;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn settings(url: &str) -> NotifierSettings {
    NotifierSettings { channel: Channel::Webhook { url: url.to_owned() }, events: BTreeSet::new() }
}

fn set(hand: &mut Hand, notifier: &str, url: &str) {
    let change = Change::NotifierSet { name: name(notifier), settings: Box::new(settings(url)), password: None };
    assert!(matches!(hand.change(change), Ok(Response::Done { seq: Some(_) })));
}

fn told(notifier: &str, entry: u64) -> Change {
    Change::Notified { name: name(notifier), notified: Notified::Told(entry) }
}

/// A tenant that has two notifiers, and whose bundle has both tell of all that is done.
fn tenant(shards: u16) -> Tenant {
    let tenant = Tenant::new(shards, &[PAYS]);
    let document = json!({ "name": "heard", "version": 1, "schema": SCHEMA, "obligations": HEARD,
                           "policies": "permit (principal, action, resource);" });
    let bundle = Arc::new(Bundle::parse(&json::canonical(&document)).unwrap());
    let mut hand = tenant.hand(0);
    set(&mut hand, "desk", "https://desk.example/told");
    set(&mut hand, "finance", "https://finance.example/told");
    for change in in_force(&bundle) {
        hand.change(change).unwrap();
    }
    drop(hand);
    tenant
}

/// What each entry of a transaction that rests on a decision says of who is told, with its payload.
fn said(tenant: &Tenant, id: TransactionId) -> Vec<(Record, Vec<u8>)> {
    let dump = tenant.store.dump();
    let of_it = dump.entries.values().flatten().filter(|entry| entry.transaction.is_some_and(|(of, _)| of == id));
    let read = |entry: &Arc<chancery_shard::row::EntryRow>| {
        let payload = entry.payload.as_ref().map(|payload| payload.sealed.bytes.clone()).unwrap_or_default();
        (Record::parse(&entry.record).unwrap(), payload)
    };
    of_it.map(read).filter(|(record, _)| record.refs.decision.is_some()).collect()
}

/// The notifiers' rows, and the control epoch, are what the entries amount to; gives the row of one.
fn replayed(tenant: &Tenant, notifier: &str) -> Notifier {
    let log = tenant.logs[0];
    let mut replay = Replay::new(log);
    for entry in &tenant.store.dump().entries[&log] {
        replay.entry(entry).unwrap_or_else(|err| panic!("entry {}: {err}", entry.seq));
    }
    let (_, rows) = replay.finish();
    let found: Vec<NotifierSeen> =
        tenant.store.notifiers(None, 40).unwrap().into_iter().map(|(_, notifier)| notifier).collect();
    assert_eq!(rows.notifiers.into_values().collect::<Vec<_>>(), found);
    let logs = tenant.store.logs().unwrap();
    assert_eq!(logs.iter().find(|row| row.id == log).unwrap().control_epoch, rows.control_epoch);
    let found = found.into_iter().find(|found| found.name.as_str() == notifier).unwrap();
    serde_json::from_slice(found.body.open().unwrap()).unwrap()
}

fn epoch(tenant: &Tenant) -> u64 {
    tenant.store.logs().unwrap().iter().find(|row| row.id == tenant.logs[0]).unwrap().control_epoch
}

#[test]
fn what_is_done_says_how_many_tell_of_it_and_a_question_and_an_undo_do_not() {
    let tenant = tenant(1);
    let mut hand = tenant.hand(0);
    let id = hand.start("pays", json!({}), None, None).unwrap();
    let first = hand.take_one("pay");
    hand.report(&first, ReportedOutcome::Failed(StepError::new("Busy", "later")));
    let second = hand.take_one("pay");
    hand.report(&second, output(json!({})));
    let last = hand.take_one("last");
    hand.report(&last, ReportedOutcome::Failed(StepError::fatal("Full", "no room")));
    let undo = hand.take_one("pay");
    hand.report(&undo, output(json!({})));
    assert_eq!(hand.settled(id).0, Status::Compensated);

    let said = said(&tenant, id);
    let counts: Vec<_> = said.iter().map(|(record, _)| (record.kind.as_str(), record.data.get_int("notify"))).collect();
    assert_eq!(
        counts,
        [
            ("transaction.started", Some(2)),
            ("decision.permitted", None),
            ("step.dispatched", Some(2)),
            ("step.dispatched", Some(2)),
            ("event.emitted", Some(2)),
            ("step.dispatched", Some(2)),
            ("event.emitted", None),
            ("compensation.started", None),
        ]
    );
    for (record, payload) in said.iter().filter(|(record, _)| is_told(record)) {
        let desk = ToldPermit::read(payload, &name("desk")).unwrap().unwrap();
        let finance = ToldPermit::read(payload, &name("finance")).unwrap().unwrap();
        assert_eq!(finance.because, [(Some("heard".to_owned()), Some("it is dear".to_owned()))]);
        assert_eq!(desk.because.len(), if finance.action == "pay" { 2 } else { 1 }, "{record:?}");
        assert_eq!(finance.principal.id, tenant.actor.id.to_string());
        assert_eq!(finance.step.as_deref(), (record.kind.as_str() == "event.emitted").then_some("tell"));
        assert_eq!(ToldPermit::read(payload, &name("law")).unwrap(), None, "another is not told");
    }
}

/// On every shard, from the commit that deletes it.
#[test]
fn nothing_is_permitted_that_a_missing_notifier_would_tell_of() {
    let tenant = tenant(2);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    let waiting = second.start("pays", json!({}), None, None).unwrap();
    first.change(Change::NotifierDelete(name("finance"))).unwrap();
    let why = "obligation `heard` demands notify: there is no notifier `finance`";
    let denied = second.start("pays", json!({}), None, None);
    let Err(Refusal::Denied(summary)) = denied else { panic!("{denied:?}") };
    assert_eq!(summary.reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>(), [why]);
    assert!(summary.obligations.is_empty(), "nothing is demanded of what is denied");
    assert!(second.take().is_empty());
    assert_eq!(second.settled(waiting).0, Status::Failed);
    let said = said(&tenant, waiting);
    let (record, payload) = said.last().unwrap();
    assert_eq!((record.kind.as_str(), record.data.get_int("notify")), ("decision.denied", None));
    let payload: Value = serde_json::from_slice(payload).unwrap();
    assert!(payload["decision"]["refused"].as_str().unwrap().contains(why), "{payload}");
    set(&mut first, "finance", "https://finance.example/told");
    assert!(second.start("pays", json!({}), None, None).is_ok());
}

#[test]
fn that_a_notifier_came_further_is_no_new_control_state_and_is_never_lost() {
    let tenant = tenant(1);
    let mut hand = tenant.hand(0);
    let (before, next) = (epoch(&tenant), replayed(&tenant, "desk").next);
    for entry in [next, next + 1] {
        assert!(matches!(hand.change(told("desk", entry)), Ok(Response::Done { seq: Some(_) })));
    }
    assert_eq!(epoch(&tenant), before);
    let stands = replayed(&tenant, "desk");
    assert_eq!((stands.next, stands.told), (next + 2, 2));
    assert!(matches!(hand.change(told("desk", next)), Ok(Response::Done { seq: None })), "it was there already");

    // While that it told is on its way it tells again, and is set anew in the same batch.
    let push = |hand: &mut Hand, change| {
        hand.push(Command::Control(Box::new(ControlChange { actor: PrincipalId::SYSTEM, change })))
    };
    push(&mut hand, told("desk", next + 2));
    let batch = hand.send();
    assert_eq!(batch.raises_control_epoch, 0);
    push(&mut hand, told("desk", next + 3));
    let url = "https://other.example/told";
    let again = Change::NotifierSet { name: name("desk"), settings: Box::new(settings(url)), password: None };
    push(&mut hand, again);
    hand.go_on();
    hand.commit(batch);
    hand.run();
    let stands = replayed(&tenant, "desk");
    assert_eq!((stands.next, stands.told, &stands.settings), (next + 4, 4, &settings(url)));
    assert_eq!(epoch(&tenant), before + 1, "that it was set does");

    // Deleted in the batch in which it told last it is gone.
    push(&mut hand, told("desk", next + 4));
    push(&mut hand, Change::NotifierDelete(name("desk")));
    hand.run();
    assert_eq!(replayed(&tenant, "finance").told, 0);
    assert_eq!(tenant.store.notifiers(None, 40).unwrap().len(), 1);
}
