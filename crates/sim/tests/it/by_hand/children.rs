//! Transactions that steps run: in the commits of their parents, across restarts, and in what is left of both.

use super::hand::{Hand, Tenant, output};
use chancery_base::{Document, TransactionId};
use chancery_engine::definition::Definition;
use chancery_engine::{Status, StepError};
use chancery_shard::input::*;
use chancery_shard::replay::Replay;
use chancery_store::scan::Scan;
use serde_json::{Value, json};
use std::sync::Arc;

const ORDER: &str = r#"{"name": "order", "version": 1, "steps": [
    {"id": "reserve", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "ship", "after": ["reserve"], "run": {"transaction": "parcel"}, "with": {"of": "${{ steps.reserve.output }}"}},
    {"id": "bill", "after": ["ship"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
], "output": {"parcel": "${{ steps.ship.output }}"}}"#;

const PARCEL: &str = r#"{"name": "parcel", "version": 1, "steps": [
    {"id": "pack", "run": {"worker": "w"}, "retry": {"attempts": 1},
        "compensate": {"run": {"worker": "undo"}, "retry": {"attempts": 1}}},
    {"id": "label", "after": ["pack"], "run": {"worker": "w"}, "retry": {"attempts": 1}, "irreversible": true}
], "output": {"of": "${{ input.of }}", "packed": "${{ steps.pack.output }}"}}"#;

/// Past its first step nothing turns it.
const PIVOTED: &str = r#"{"name": "parcel", "version": 1, "steps": [
    {"id": "pack", "run": {"worker": "w"}, "pivot": true},
    {"id": "label", "after": ["pack"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
]}"#;

/// As `order`, but what its child does can't be undone, and that is said.
const FIRM: &str = r#"{"name": "order", "version": 1, "steps": [
    {"id": "reserve", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "ship", "after": ["reserve"], "run": {"transaction": "parcel"}, "irreversible": true},
    {"id": "bill", "after": ["ship"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
]}"#;

fn failed(word: &str) -> ReportedOutcome {
    ReportedOutcome::Failed(StepError::fatal(word, "it broke"))
}

/// A tenant whose order has begun and got so far: these of its steps, and of its parcel's, are done.
fn begun(definitions: &[&str], done: &[&str]) -> (Tenant, Hand, TransactionId) {
    let tenant = Tenant::new(1, definitions);
    let mut hand = tenant.hand(0);
    let id = hand.start("order", json!({}), None, None).unwrap();
    done.iter().for_each(|step| ok(&mut hand, step));
    (tenant, hand, id)
}

/// The children of a transaction, oldest first.
fn children(tenant: &Tenant, parent: TransactionId) -> Vec<TransactionId> {
    let rows = tenant.store.dump().transactions;
    rows.iter().filter(|row| row.parent == Some(parent)).map(|row| row.id).collect()
}

fn child(tenant: &Tenant, parent: TransactionId) -> TransactionId {
    let children = children(tenant, parent);
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

/// The one task that there is is done.
fn ok(hand: &mut Hand, step: &str) {
    let task = hand.take_one(step);
    assert_eq!(hand.report(&task, output(json!({ "of": step }))), Ack::Recorded);
}

fn fail(hand: &mut Hand, step: &str) {
    let task = hand.take_one(step);
    assert_eq!(hand.report(&task, failed("Broken")), Ack::Recorded);
}

fn operate(hand: &mut Hand, tenant: &Tenant, id: TransactionId, command: impl FnOnce(Operation) -> Command) {
    let operation = Operation { id, actor: tenant.actor.id, justification: "a test".to_owned() };
    let to = hand.push(command(operation));
    hand.run();
    let answer = hand.answer_of(to);
    assert!(matches!(answer, Some(Ok(Response::Operated(_)))), "{answer:?}");
}

fn status(hand: &Hand, id: TransactionId) -> &'static str {
    hand.row(id).0
}

/// What the rows say is what the entries amount to.
pub(super) fn replays(tenant: &Tenant) {
    let dump = tenant.store.dump();
    let logs = Scan::logs(&tenant.store).unwrap();
    let log = logs.iter().find(|log| log.tenant == tenant.id).unwrap().id;
    let mut replay = Replay::new(log);
    let mut found = Vec::new();
    for entry in &dump.entries[&log] {
        let taken = replay.entry(entry).unwrap_or_else(|err| panic!("entry {}: {err}", entry.seq));
        found.extend(taken.ended);
        found.retain(|rows| !taken.expired.contains(&rows.transaction.id));
    }
    let (open, of_tenant) = replay.finish();
    found.extend(open);
    let mut keys: Vec<_> = dump.keys.iter().filter(|(of, _)| *of == tenant.id).map(|(_, row)| row.clone()).collect();
    keys.sort_by_key(|row| (row.scope, row.slot, row.key));
    assert_eq!(of_tenant.keys.into_values().collect::<Vec<_>>(), keys);
    found.sort_by_key(|rows| rows.transaction.id);
    let heads: Vec<_> = found.iter().map(|rows| rows.transaction.clone()).collect();
    assert_eq!(heads, dump.transactions.iter().filter(|row| row.log == log).cloned().collect::<Vec<_>>());
    let steps: Vec<_> = found.into_iter().flat_map(|rows| rows.steps).collect();
    assert_eq!(steps, dump.steps);
}

/// Which transaction each entry of these is of, and its kind, in the order of the log.
fn story(tenant: &Tenant, of: &[(TransactionId, &str)]) -> Vec<String> {
    let dump = tenant.store.dump();
    let entries = dump.entries.values().flatten();
    let told = entries.filter_map(|entry| {
        let (id, _) = entry.transaction?;
        let (_, name) = of.iter().find(|(of, _)| *of == id)?;
        Some(format!("{name} {}", chancery_ledger::Record::parse(&entry.record).unwrap().kind))
    });
    told.collect()
}

#[test]
fn a_step_runs_a_transaction_and_gives_its_output() {
    let tenant = Tenant::new(1, &[ORDER, PARCEL]);
    let mut hand = tenant.hand(0);
    let id = hand.start("order", json!({}), Some("key/1"), None).unwrap();
    let reserve = hand.take_one("reserve");
    let size = hand.size();
    hand.report(&reserve, output(json!("r-1")));
    // Its outcome, and that the child begins, said of both.
    assert_eq!(hand.size(), size + 3);
    let parcel = child(&tenant, id);
    assert_eq!((status(&hand, id), status(&hand, parcel)), ("running", "running"));
    let pack = hand.take_one("pack");
    assert_eq!(pack.idempotency_key, "key%2F1/ship~1/pack", "within the parent's key");
    assert_eq!(pack.transaction, parcel);
    hand.report(&pack, output(json!("box")));
    ok(&mut hand, "label");
    assert_eq!(hand.settled(parcel), (Status::Completed, Some(json!({ "of": "r-1", "packed": "box" }))));
    ok(&mut hand, "bill");
    let given = json!({ "parcel": { "of": "r-1", "packed": "box" } });
    assert_eq!(hand.settled(id), (Status::Completed, Some(given)));
    assert_eq!(
        story(&tenant, &[(id, "order"), (parcel, "parcel")])[3..],
        [
            "order child.started",
            "parcel transaction.started",
            "parcel step.dispatched",
            "parcel step.completed",
            "parcel step.dispatched",
            "parcel step.completed",
            "parcel transaction.completed",
            "order step.completed",
            "order step.dispatched",
            "order step.completed",
            "order transaction.completed",
        ]
    );
    replays(&tenant);
}

#[test]
fn a_child_that_failed_fails_its_parent() {
    let (tenant, mut hand, id) = begun(&[ORDER, PARCEL], &["reserve", "pack"]);
    fail(&mut hand, "label");
    // It undoes what it did before its parent goes on.
    assert_eq!((status(&hand, id), status(&hand, child(&tenant, id))), ("running", "compensating"));
    ok(&mut hand, "pack");
    assert_eq!(status(&hand, child(&tenant, id)), "compensated");
    ok(&mut hand, "reserve");
    assert_eq!(hand.settled(id).0, Status::Compensated);
    replays(&tenant);
}

#[test]
fn a_child_that_completed_undoes_what_it_did_when_its_parent_does() {
    for restarts in [false, true] {
        let (tenant, mut hand, id) = begun(&[ORDER, PARCEL], &["reserve", "pack", "label"]);
        let parcel = child(&tenant, id);
        assert_eq!(status(&hand, parcel), "completed");
        if restarts {
            drop(hand);
            hand = tenant.hand(0);
            hand.wait(std::time::Duration::from_secs(11));
        }
        fail(&mut hand, "bill");
        assert_eq!((status(&hand, id), status(&hand, parcel)), ("compensating", "compensating"));
        ok(&mut hand, "pack");
        assert_eq!((status(&hand, id), status(&hand, parcel)), ("compensating", "compensated"));
        ok(&mut hand, "reserve");
        assert_eq!(hand.settled(id).0, Status::Compensated);
        let kinds = hand.kinds(parcel);
        let end = ["transaction.recalled", "compensation.started", "compensation.completed", "transaction.failed"];
        assert_eq!(kinds[kinds.len() - 5..], [&["transaction.completed"], &end[..]].concat());
        replays(&tenant);
    }
}

#[test]
fn a_child_that_cannot_undo_itself_has_its_parent_wait_for_a_person() {
    let (tenant, mut hand, id) = begun(&[ORDER, PARCEL], &["reserve", "pack", "label"]);
    fail(&mut hand, "bill");
    fail(&mut hand, "pack");
    let parcel = child(&tenant, id);
    assert_eq!((status(&hand, id), status(&hand, parcel)), ("compensating", "parked"));
    // After a restart the parent runs, and the child that is parked is not in memory.
    drop(hand);
    let mut hand = tenant.hand(0);
    operate(&mut hand, &tenant, parcel, |operation| {
        Command::Resolve(operation, "pack".to_owned(), Document::shared(Value::Null))
    });
    assert_eq!(status(&hand, parcel), "compensated");
    ok(&mut hand, "reserve");
    assert_eq!(hand.settled(id).0, Status::Compensated);
    replays(&tenant);
}

#[test]
fn cancel_reaches_the_child() {
    let (tenant, mut hand, id) = begun(&[ORDER, PARCEL], &["reserve", "pack"]);
    hand.cancel(id);
    let parcel = child(&tenant, id);
    assert_eq!((status(&hand, id), status(&hand, parcel)), ("compensating", "compensating"));
    ok(&mut hand, "pack");
    ok(&mut hand, "reserve");
    assert_eq!((hand.settled(id).0, hand.settled(parcel).0), (Status::Cancelled, Status::Cancelled));
    replays(&tenant);
}

#[test]
fn cancel_waits_for_a_child_past_its_pivot() {
    let (tenant, mut hand, id) = begun(&[FIRM, PIVOTED], &["reserve", "pack"]);
    hand.cancel(id);
    let parcel = child(&tenant, id);
    assert_eq!((status(&hand, id), status(&hand, parcel)), ("compensating", "running"));
    ok(&mut hand, "label");
    ok(&mut hand, "reserve");
    assert_eq!((hand.settled(id).0, hand.settled(parcel).0), (Status::Cancelled, Status::Completed));
    replays(&tenant);
}

/// An order whose child is parked, before its pivot is done for good: it may be cancelled.
fn parked() -> (Tenant, Hand, [TransactionId; 2]) {
    let (tenant, mut hand, id) = begun(&[FIRM, PIVOTED], &["reserve"]);
    let task = hand.take_one("pack");
    hand.report(&task, ReportedOutcome::Unknown(StepError::fatal("Cut", "the line was cut")));
    let parcel = child(&tenant, id);
    assert_eq!((status(&hand, id), status(&hand, parcel)), ("running", "parked"));
    (tenant, hand, [id, parcel])
}

#[test]
fn cancel_and_terminate_reach_a_child_that_is_parked() {
    for (restarts, terminates) in [(false, false), (true, false), (false, true), (true, true)] {
        let (tenant, mut hand, [id, parcel]) = parked();
        if restarts {
            hand = tenant.hand(0);
        }
        if terminates {
            operate(&mut hand, &tenant, id, Command::Terminate);
            let ended = (hand.settled(id).0, hand.settled(parcel).0);
            assert_eq!(ended, (Status::Terminated, Status::Terminated));
        } else {
            hand.cancel(id);
            assert_eq!(status(&hand, parcel), "cancelled", "nothing of it can be undone");
            ok(&mut hand, "reserve");
            assert_eq!(hand.settled(id).0, Status::Cancelled);
        }
        replays(&tenant);
    }
}

#[test]
fn a_child_that_is_terminated_leaves_something() {
    let (tenant, mut hand, id) = begun(&[ORDER, PARCEL], &["reserve", "pack"]);
    operate(&mut hand, &tenant, child(&tenant, id), Command::Terminate);
    assert_eq!(hand.settled(id).0, Status::Parked, "what is left, a person has to see to");
    operate(&mut hand, &tenant, id, Command::Retry);
    assert_eq!(status(&hand, id), "parked", "nothing can be recalled of it");
    operate(&mut hand, &tenant, id, |operation| {
        Command::Resolve(operation, "ship".to_owned(), Document::shared(Value::Null))
    });
    ok(&mut hand, "reserve");
    assert_eq!(hand.settled(id).0, Status::Compensated);
    replays(&tenant);
}

#[test]
fn a_child_with_nothing_to_undo_is_undone_at_once() {
    let nothing = r#"{"name": "parcel", "version": 1, "steps": [{"id": "pack", "run": "noop", "irreversible": true}]}"#;
    let (tenant, mut hand, id) = begun(&[ORDER, nothing], &["reserve"]);
    let parcel = child(&tenant, id);
    assert_eq!(status(&hand, parcel), "completed", "it was done as it began");
    fail(&mut hand, "bill");
    assert_eq!(status(&hand, parcel), "compensated");
    ok(&mut hand, "reserve");
    assert_eq!(hand.settled(id).0, Status::Compensated);
    replays(&tenant);
}

/// Starts an order whose `ship` can't begin; gives the error's type and message.
fn refused(definitions: &[&str]) -> (String, String) {
    let (tenant, hand, id) = begun(definitions, &["reserve", "reserve"]);
    assert_eq!((hand.settled(id).0, children(&tenant, id)), (Status::Compensated, Vec::new()));
    replays(&tenant);
    let dump = tenant.store.dump();
    let head = dump.transactions.iter().find(|row| row.id == id).unwrap().body.open().unwrap().to_vec();
    let head: Value = serde_json::from_slice(&head).unwrap();
    let text = |key: &str| head["error"][key].as_str().unwrap().to_owned();
    (text("type"), text("message"))
}

#[test]
fn what_is_no_child_fails_its_step() {
    let of = |kind: &str, message: &str| (kind.to_owned(), message.to_owned());
    assert_eq!(refused(&[ORDER]), of("DefinitionMissing", "no definition `parcel` is registered"));
    let named = ORDER.replace(r#"{"transaction": "parcel"}"#, r#"{"transaction": "parcel", "version": 7}"#);
    assert_eq!(refused(&[&named, PARCEL]), of("DefinitionMissing", "no definition `parcel` version 7 is registered"));
    let keyed = PARCEL.replace(r#""version": 1,"#, r#""version": 1, "key": "${{ input.of }}","#);
    assert_eq!(
        refused(&[ORDER, &keyed]),
        of("ChildRefused", "`parcel` has a `key`: who has it can be told only of what is started by itself")
    );
    assert_eq!(
        refused(&[ORDER, r#"{"name": "parcel", "version": 1, "kind": "open"}"#]),
        of("ChildRefused", "`parcel` is open: whoever drives it begins it, no step does")
    );
    assert_eq!(
        refused(&[ORDER, PIVOTED]),
        of(
            "ChildRefused",
            "`parcel` can't undo what it did once it completed: the step needs `compensate`, `pivot: true` or \
             `irreversible: true`"
        )
    );
}

#[test]
fn what_runs_itself_by_others_ends() {
    let one = |name: &str, other: &str| {
        format!(
            r#"{{"name": "{name}", "version": 1, "steps": [{{"id": "next", "run": {{"transaction": "{other}"}}}}]}}"#
        )
    };
    let tenant = Tenant::new(1, &[&one("ping", "pong"), &one("pong", "ping")]);
    let mut hand = tenant.hand(0);
    let id = hand.start("ping", json!({}), None, None).unwrap();
    assert_eq!(hand.settled(id).0, Status::Failed);
    assert_eq!(tenant.store.dump().transactions.len(), 9, "a root and eight below it");
    replays(&tenant);
}

#[test]
fn the_newest_version_is_the_one_when_the_step_begins() {
    let (tenant, mut hand, id) = begun(&[ORDER], &[]);
    let task = hand.take_one("reserve");
    for version in ["1", "2"] {
        let text = PARCEL.replace(r#""version": 1"#, &format!(r#""version": {version}"#));
        let registered = hand.change(Change::Register(Arc::new(Definition::parse(text.as_bytes()).unwrap())));
        assert!(registered.is_ok(), "{registered:?}");
    }
    hand.report(&task, output(json!("r-1")));
    let rows = tenant.store.dump().transactions;
    let parcel = rows.iter().find(|row| row.parent == Some(id)).unwrap();
    assert_eq!(parcel.version, 2);
    ["pack", "label", "bill"].iter().for_each(|step| ok(&mut hand, step));
    assert_eq!(hand.settled(id).0, Status::Completed);
    replays(&tenant);
}

#[test]
fn a_definition_that_nobody_has_leaves_memory_and_is_read_again() {
    let order = ORDER.replace(r#""parcel"}"#, r#""parcel", "version": 1}"#);
    assert_ne!(order, ORDER);
    let tenant = Tenant::new(1, &[&order, PARCEL]);
    let mut hand = tenant.hand(0);
    let newer = |version: u32| {
        let text = PARCEL.replace(r#""version": 1"#, &format!(r#""version": {version}"#));
        Arc::new(Definition::parse(text.as_bytes()).unwrap())
    };
    assert!(hand.change(Change::Register(newer(2))).is_ok());
    let mut known = newer(3);
    hand.shard.know_definition(&known);
    let unused = Arc::downgrade(&known);
    known = newer(4);
    assert!(unused.upgrade().is_some());
    for _ in 0..2 {
        let id = hand.start("order", json!({}), None, None).unwrap();
        ok(&mut hand, "reserve");
        // Its child's definition is of an older version, which is looked up; with a change of the tenant it is forgotten
        // but where somebody has it.
        assert!(hand.change(Change::Register(Arc::clone(&known))).is_ok());
        assert!(unused.upgrade().is_none());
        ["pack", "label", "bill"].iter().for_each(|step| ok(&mut hand, step));
        assert_eq!(hand.settled(id).0, Status::Completed);
        known = newer(known.version + 1);
        assert!(hand.change(Change::Register(Arc::clone(&known))).is_ok());
        known = newer(known.version + 1);
    }
    assert!(children(&tenant, hand.start("order", json!({}), None, None).unwrap()).is_empty());
    replays(&tenant);
}

#[test]
fn a_child_that_runs_survives_its_server() {
    let (tenant, _, id) = begun(&[ORDER, PARCEL], &["reserve"]);
    for step in ["pack", "label", "bill"] {
        let mut hand = tenant.hand(0);
        ok(&mut hand, step);
    }
    let hand = tenant.hand(0);
    assert_eq!(status(&hand, id), "completed");
    replays(&tenant);
}

#[test]
fn an_entry_that_does_not_fit_its_family_is_noticed() {
    let (tenant, _, id) = begun(&[ORDER, PARCEL], &["reserve", "pack", "label", "bill"]);
    let parcel = child(&tenant, id);
    let dump = tenant.store.dump();
    let log =
        *dump.entries.keys().find(|log| dump.entries[log].iter().any(|entry| entry.transaction.is_some())).unwrap();
    // Without the child's last entry its parent says of more entries than it has.
    let mut replay = Replay::new(log);
    let is_left_out = |entry: &chancery_shard::row::EntryRow| {
        let kind = chancery_ledger::Record::parse(&entry.record).unwrap().kind.to_string();
        entry.transaction.is_some_and(|(id, _)| id == parcel) && kind == "transaction.completed"
    };
    let entries = dump.entries[&log].iter().filter(|entry| !is_left_out(entry));
    let fault = entries.map(|entry| replay.entry(entry)).find_map(Result::err).unwrap();
    assert_eq!(fault.to_string(), "`completed` does not fit what its parent or its child says");
}
