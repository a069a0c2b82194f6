//! Settings change while transactions run: each keeps those that it began with, also over a restart.

use super::hand::{Hand, Tenant, output};
use chancery_base::TransactionId;
use chancery_engine::Status;
use chancery_shard::input::*;
use chancery_shard::replay::Replay;
use chancery_shard::settings::Edit;
use chancery_store::scan::Scan;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SEES: &str = r#"{"name": "sees", "version": 1, "steps": [
    {"id": "a", "run": {"worker": "w"}, "with": {"gen": "${{ env.?GEN }}"}, "set": {"gen": "${{ env.?GEN }}"}},
    {"id": "b", "after": ["a"], "run": {"worker": "w"}, "with": {"gen": "${{ env.?GEN }}", "set": "${{ vars.?gen }}"}},
    {"id": "c", "after": ["b"], "run": {"transaction": "below"}}
], "output": {"gen": "${{ env.?GEN }}", "below": "${{ steps.c.output }}"}}"#;

const BELOW: &str = r#"{"name": "below", "version": 1, "steps": [
    {"id": "d", "run": {"worker": "w"}, "with": {"gen": "${{ env.?GEN }}"}}
], "output": "${{ env.?GEN }}"}"#;

const CALLS: &str = r#"{"name": "calls", "version": 1, "steps": [
    {"id": "call", "run": {"http": {"url": "${{ env.PAYMENTS }}/charges"}}}
]}"#;

fn edit(hand: &mut Hand, edit: Edit, expected: Option<u32>) -> Result<Option<u64>, Refusal> {
    let answer = hand.change(Change::Settings { edit, expected })?;
    let Response::Done { seq } = answer else { panic!("{answer:?}") };
    Ok(seq)
}

fn put(values: &Value) -> Edit {
    Edit::Put(values.as_object().unwrap().clone())
}

fn patch(values: &Value) -> Edit {
    Edit::Patch(values.as_object().unwrap().clone())
}

/// The one task that there is has this input, and is done.
fn ok(hand: &mut Hand, step: &str, input: &Value) {
    let task = hand.take_one(step);
    assert_eq!(task.input.value(), input, "{step}");
    assert_eq!(hand.report(&task, output(json!(step))), Ack::Recorded);
}

fn versions(tenant: &Tenant) -> Vec<(TransactionId, Option<u32>)> {
    tenant.store.dump().transactions.iter().map(|row| (row.id, row.settings)).collect()
}

fn replays(tenant: &Tenant) {
    let dump = tenant.store.dump();
    let log = Scan::logs(&tenant.store).unwrap().into_iter().find(|log| log.tenant == tenant.id).unwrap().id;
    let mut replay = Replay::new(log);
    for entry in &dump.entries[&log] {
        replay.entry(entry).unwrap_or_else(|err| panic!("entry {}: {err}", entry.seq));
    }
    let rows = replay.finish().1.settings;
    let stored = Scan::settings(&tenant.store, None, 9).unwrap();
    assert_eq!(rows, stored.into_iter().map(|(_, row)| row).collect::<Vec<_>>());
}

#[test]
fn a_transaction_and_its_children_keep_what_it_began_with() {
    let tenant = Tenant::new(1, &[SEES, BELOW]);
    let mut hand = tenant.hand(0);
    let before = hand.start("sees", json!({}), None, None).unwrap();
    assert!(edit(&mut hand, put(&json!({"GEN": 1})), None).unwrap().is_some());
    let first = hand.start("sees", json!({}), None, None).unwrap();
    assert!(edit(&mut hand, put(&json!({"GEN": 2})), None).unwrap().is_some());
    let mut began = [(before, None), (first, Some(1))];
    began.sort_unstable();
    assert_eq!(versions(&tenant), began);

    let tasks = hand.take();
    let inputs: BTreeMap<_, _> = tasks.iter().map(|task| (task.transaction, task.input.value().clone())).collect();
    assert_eq!(inputs, [(before, json!({})), (first, json!({"gen": 1}))].into());
    for task in &tasks {
        assert_eq!(hand.report(task, output(json!(1))), Ack::Recorded);
    }
    hand.cancel(before);

    // Whoever owns the log next finds the settings that it began with, and what was set by them.
    let mut hand = tenant.hand_at(0, hand.now);
    ok(&mut hand, "b", &json!({"gen": 1, "set": 1}));
    assert!(edit(&mut hand, put(&json!({})), None).unwrap().is_some());
    ok(&mut hand, "d", &json!({"gen": 1}));
    assert_eq!(hand.settled(first), (Status::Completed, Some(json!({"gen": 1, "below": 1}))));
    assert_eq!(versions(&tenant).iter().filter(|(_, version)| *version == Some(1)).count(), 2, "its child has it too");

    let last = hand.start("sees", json!({}), None, None).unwrap();
    assert!(versions(&tenant).contains(&(last, Some(3))), "that nothing is set is a version, too");
    replays(&tenant);
}

#[test]
fn a_change_is_of_a_version() {
    let tenant = Tenant::new(1, &[BELOW]);
    let mut hand = tenant.hand(0);
    assert!(edit(&mut hand, put(&json!({"A": 1, "B": 2})), Some(0)).unwrap().is_some());
    let size = hand.size();
    let moved = edit(&mut hand, patch(&json!({"A": 5})), Some(0));
    assert!(matches!(moved, Err(Refusal::SettingsMoved { expected: 0, now: 1 })), "{moved:?}");
    assert_eq!(edit(&mut hand, patch(&json!({"A": 1, "X": null})), Some(1)).unwrap(), None, "nothing changes");
    let invalid = edit(&mut hand, patch(&json!({"a": 1})), Some(1));
    assert!(matches!(invalid, Err(Refusal::Invalid(_))), "{invalid:?}");
    assert_eq!(hand.size(), size, "what is refused writes nothing");
    assert!(edit(&mut hand, patch(&json!({"A": null, "C": [3]})), Some(1)).unwrap().is_some());
    let rows = Scan::settings(&tenant.store, None, 9).unwrap();
    let found: Vec<_> = rows.iter().map(|(_, row)| (row.version, std::str::from_utf8(&row.source).unwrap())).collect();
    assert_eq!(found, [(1, r#"{"A":1,"B":2}"#), (2, r#"{"B":2,"C":[3]}"#)]);
    replays(&tenant);
}

#[test]
fn every_shard_of_a_tenant_starts_with_what_holds() {
    let tenant = Tenant::new(2, &[BELOW]);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    assert!(second.start("below", json!({}), None, None).is_ok());
    edit(&mut first, put(&json!({"GEN": 7})), None).unwrap();
    let id = second.start("below", json!({}), None, None).unwrap();
    assert!(versions(&tenant).contains(&(id, Some(1))), "the guard tells it");
    let refused = edit(&mut second, put(&json!({"GEN": 8})), None);
    assert!(matches!(refused, Err(Refusal::Invalid(_))), "only the first shard takes changes: {refused:?}");
}

/// The target of a call is the origin of its URL as it comes to be.
#[test]
fn a_call_waits_at_the_target_that_its_settings_name() {
    let tenant = Tenant::new(1, &[CALLS]);
    let mut hand = tenant.hand(0);
    edit(&mut hand, put(&json!({"PAYMENTS": "https://a.example"})), None).unwrap();
    let first = hand.start("calls", json!({}), None, None).unwrap();
    edit(&mut hand, put(&json!({"PAYMENTS": "https://b.example"})), None).unwrap();
    let second = hand.start("calls", json!({}), None, None).unwrap();
    let of = |tasks: Vec<std::sync::Arc<Task>>| tasks.iter().map(|task| task.transaction).collect::<Vec<_>>();
    assert_eq!(of(hand.take_calls(&[("https://a.example", 0), ("https://b.example", 5)], 0)), [second]);
    let mut hand = tenant.hand_at(0, hand.now);
    let called = hand.take_calls(&[("https://a.example", 5), ("https://b.example", 0)], 0);
    assert_eq!(called[0].http.as_ref().unwrap().url, "https://a.example/charges");
    assert_eq!(of(called), [first]);
}
