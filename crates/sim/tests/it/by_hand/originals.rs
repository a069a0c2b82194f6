//! Cases that the engines which Chancery's semantics come from get wrong, each by the name of what must hold. Those of
//! TCC, fan-out, waits and children stand with theirs.

use super::children::replays;
use super::expiry::{ids, later, nightly};
use super::hand::{Tenant, output};
use chancery_engine::{Phase, Status, StepError};
use chancery_shard::input::*;
use chancery_store::sim::Fault;
use serde_json::json;
use std::time::Duration;

/// The third step fails; the second was left out.
const CHAIN: &str = r#"{"name": "chain", "version": 1, "steps": [
    {"id": "a", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "b", "after": ["a"], "when": "${{ steps.a.output.ship }}", "run": {"worker": "w"},
     "compensate": {"run": {"worker": "undo"}}},
    {"id": "c", "after": ["b"], "run": {"worker": "w"}, "retry": {"attempts": 1},
     "with": {"of": "${{ steps.a.output.id }}"}},
    {"id": "d", "after": ["c"], "run": {"worker": "w"}}
]}"#;

const STUBBORN: &str = r#"{"name": "stubborn", "version": 1, "steps": [
    {"id": "a", "run": {"worker": "w"}, "retry": {"attempts": 4, "backoff": "0ms"}, "timeout": "5s",
     "compensate": {"run": {"worker": "undo"}}}
]}"#;

fn failed() -> ReportedOutcome {
    ReportedOutcome::Failed(StepError::new("OutOfStock", "none left"))
}

/// An input is rendered when its step is ready, of what the steps before it gave.
#[test]
fn a_lazily_resolved_input_sees_earlier_outputs() {
    let tenant = Tenant::new(1, &[CHAIN]);
    let mut hand = tenant.hand(0);
    hand.start("chain", json!({}), None, None).unwrap();
    let a = hand.take_one("a");
    hand.report(&a, output(json!({"ship": false, "id": 17})));
    assert_eq!(hand.take_one("c").input.value(), &json!({"of": 17}));
}

#[test]
fn a_failed_step_never_looks_done_after_a_restart() {
    let tenant = Tenant::new(1, &[CHAIN]);
    let mut hand = tenant.hand(0);
    let id = hand.start("chain", json!({}), None, None).unwrap();
    let a = hand.take_one("a");
    hand.report(&a, output(json!({"ship": false, "id": 1})));
    let c = hand.take_one("c");
    hand.report(&c, failed());
    let now = hand.now;
    drop(hand);
    let mut hand = tenant.hand_at(0, now);
    // Nothing after it begins: only what was done is undone.
    let tasks = hand.take();
    assert_eq!(tasks.iter().map(|task| (task.step.as_str(), task.phase)).collect::<Vec<_>>(), [("a", Phase::Undo)]);
    let (_, steps) = tenant.store.standing(id).unwrap();
    assert_eq!(
        steps.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
        ["undo_dispatched", "skipped", "failed", "cancelled"]
    );
}

#[test]
fn skipped_steps_are_not_compensated() {
    let tenant = Tenant::new(1, &[CHAIN]);
    let mut hand = tenant.hand(0);
    let id = hand.start("chain", json!({}), None, None).unwrap();
    let a = hand.take_one("a");
    hand.report(&a, output(json!({"ship": false, "id": 1})));
    let c = hand.take_one("c");
    hand.report(&c, failed());
    let undo = hand.take_one("a");
    hand.report(&undo, output(json!(null)));
    assert!(hand.take().is_empty(), "`b` was skipped");
    assert_eq!(hand.settled(id).0, Status::Compensated);
}

/// The failure is committed and its owner dies before anything is undone.
#[test]
fn a_crash_between_failure_and_compensation_compensates() {
    let tenant = Tenant::new(1, &[CHAIN]);
    let mut hand = tenant.hand(0);
    let id = hand.start("chain", json!({}), None, None).unwrap();
    let a = hand.take_one("a");
    hand.report(&a, output(json!({"ship": false, "id": 1})));
    let c = hand.take_one("c");
    hand.push_report(&c, failed());
    let batch = hand.send();
    assert!(matches!(
        tenant.store.answer(chancery_shard::Call::Commit(batch), "test"),
        chancery_shard::Reply::Committed(Ok(()))
    ));
    let now = hand.now;
    // It never hears of it.
    drop(hand);
    let mut hand = tenant.hand_at(0, now);
    let undo = hand.take_one("a");
    assert_eq!(undo.phase, Phase::Undo);
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
}

/// Nothing is let out of which no record was written: not the answer, not the next step.
#[test]
fn a_write_that_fails_stops_the_transaction_rather_than_going_on_without_a_record() {
    let tenant = Tenant::new(1, &[CHAIN]);
    let mut hand = tenant.hand(0);
    hand.start("chain", json!({}), None, None).unwrap();
    let a = hand.take_one("a");
    let before = hand.size();
    tenant.store.fault_next(Fault::Fail);
    let to = hand.push_report(&a, output(json!({"ship": false, "id": 1})));
    hand.run();
    let answer = hand.answer_of(to);
    assert!(!matches!(answer, Some(Ok(_))), "{answer:?}");
    assert_eq!(hand.size(), before);
    // When the store is back the worker says it again, and the step after it begins then.
    hand.wait(Duration::from_secs(1));
    assert_eq!(hand.report(&a, output(json!({"ship": false, "id": 1}))), Ack::Recorded);
    assert_eq!(hand.take_one("c").input.value(), &json!({"of": 1}));
}

#[test]
fn attempt_1_unknown_and_attempt_4_failed_is_unknown() {
    let tenant = Tenant::new(1, &[STUBBORN]);
    let mut hand = tenant.hand(0);
    let id = hand.start("stubborn", json!({}), None, None).unwrap();
    let first = hand.take_one("a");
    hand.report(&first, ReportedOutcome::Unknown(StepError::new("Cut", "the connection was cut")));
    for attempt in 2..=4 {
        let again = hand.take_one("a");
        assert_eq!((again.attempt, again.phase), (attempt, Phase::Do));
        hand.report(&again, failed());
    }
    // What may have taken effect is undone, and its undo is told.
    let undo = hand.take_one("a");
    assert_eq!((undo.phase, undo.forward_unknown), (Phase::Undo, true));
    let (_, steps) = tenant.store.standing(id).unwrap();
    assert_eq!(steps.iter().map(|(status, _)| *status).collect::<Vec<_>>(), ["undo_dispatched"]);
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
}

/// One that runs, one that waits, one that is paused, one that is parked, and one whose child has ended, long ago.
const LASTING: [&str; 5] = [
    r#"{"name": "runs", "version": 1, "steps": [{"id": "a", "run": {"worker": "w"}, "queue_timeout": "900d"}]}"#,
    r#"{"name": "waits", "version": 1, "steps": [{"id": "a", "run": {"wait": "300d"}}]}"#,
    r#"{"name": "parks", "version": 1, "steps": [{"id": "p", "run": "noop", "pivot": true},
        {"id": "a", "after": ["p"], "run": {"worker": "w"}, "retry": {"attempts": 1}}]}"#,
    r#"{"name": "parent", "version": 1, "steps": [{"id": "c", "run": {"transaction": "child"}},
        {"id": "s", "after": ["c"], "run": {"signal": {"name": "go"}}}]}"#,
    r#"{"name": "child", "version": 1, "steps": [{"id": "a", "run": "noop", "compensate": {"run": "noop"}}]}"#,
];

#[test]
fn expiry_never_removes_a_running_transaction() {
    let tenant = Tenant::new(1, &LASTING);
    let now = tenant.hand(0).now;
    let mut hand = tenant.hand_with(0, now, nightly);
    let start = |hand: &mut super::hand::Hand, name| hand.start(name, json!({}), Some(name), None).unwrap();
    let parks = start(&mut hand, "parks");
    let task = hand.take_one("a");
    hand.report(&task, failed());
    assert_eq!(hand.settled(parks).0, Status::Parked);
    let [runs, waits, parent, ended] = ["runs", "waits", "parent", "child"].map(|name| start(&mut hand, name));
    let paused = hand.start("runs", json!({}), Some("paused"), None).unwrap();
    hand.pause(paused);
    assert_eq!((hand.settled(ended).0, hand.is_settled(parent)), (Status::Completed, false));
    let all = ids(&tenant);
    assert_eq!(all.len(), 7, "the parent has a child");
    // Only what has ended goes: a child that has stays with its root.
    later(&mut hand, Duration::from_secs(200 * 86_400));
    let left = ids(&tenant);
    assert_eq!(left, all.iter().copied().filter(|id| *id != ended).collect::<Vec<_>>());
    assert_eq!(tenant.store.dump().keys.len(), 5, "the keys of what is there stay");
    replays(&tenant);
    // What was there all the time goes on, under an owner since too.
    let now = hand.now;
    drop(hand);
    let mut hand = tenant.hand_with(0, now, nightly);
    assert_eq!((hand.row(runs).0, hand.row(waits).0, hand.row(paused).0), ("running", "waiting", "paused"));
    let task = hand.take_one("a");
    assert_eq!((task.transaction, hand.report(&task, output(json!(1)))), (runs, Ack::Recorded));
    assert!(matches!(hand.signal(parent, "go", None), Ok(false)));
    assert_eq!(hand.settled(parent).0, Status::Completed);
    hand.resume(paused);
    // The root has just ended: its child, which did so long ago, goes with it and not before.
    later(&mut hand, Duration::from_secs(80 * 86_400));
    assert!(ids(&tenant).len() >= 5, "the parent, its child and what runs are there");
    later(&mut hand, Duration::from_secs(20 * 86_400));
    let left = ids(&tenant);
    assert!(left.contains(&paused) && left.contains(&parks) && !left.contains(&parent), "{left:?}");
    assert!(!left.contains(&runs) && left.len() <= 3, "{left:?}");
    replays(&tenant);
}
