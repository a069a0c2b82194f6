//! Cases that the engines which Chancery's semantics come from get wrong, each by the name of what must hold. Those of
//! TCC, fan-out, waits and children stand with theirs.

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
