//! Steps that poll, with clocks that jump, servers that begin anew and targets that report later.

use super::hand::{Hand, Tenant, output};
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::{Phase, Status};
use chancery_shard::input::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const BUILD: &str = r#"{"name": "build", "version": 1, "steps": [
    {"id": "build", "run": {"worker": "w"}, "until": "${{ steps.build.output.done }}", "every": "10m", "at_most": 3,
     "retry": {"attempts": 2, "backoff": "0ms"}, "compensate": {"run": {"worker": "undo"}}}
], "output": "${{ steps.build.output }}"}"#;

const CALL: &str = r#"{"name": "call", "version": 1, "steps": [
    {"id": "call", "run": {"http": {"url": "https://a.example/x"}}, "until": "${{ steps.call.output.done }}",
     "every": "1s", "timeout": "1h", "retry": {"attempts": 1}}
]}"#;

const MINUTES: Duration = Duration::from_secs(600);

fn not_yet() -> ReportedOutcome {
    output(json!({"done": false}))
}

fn count(hand: &Hand, id: TransactionId, kind: &str) -> usize {
    hand.kinds(id).iter().filter(|found| *found == kind).count()
}

/// Takes the task of a round and says that it was not enough.
fn round(hand: &mut Hand, step: &str) -> Arc<Task> {
    let task = hand.take_one(step);
    assert_eq!(hand.report(&task, not_yet()), Ack::Recorded);
    task
}

#[test]
fn a_step_polls_until_it_is_enough_and_each_round_has_its_key() {
    let tenant = Tenant::new(1, &[BUILD]);
    let mut hand = tenant.hand(0);
    let id = hand.start("build", json!({}), Some("k"), None).unwrap();
    let first = round(&mut hand, "build");
    assert_eq!((first.idempotency_key.as_str(), first.forward_key.clone()), ("k/build", None));
    // It only waits, and has left memory.
    assert_eq!(hand.row(id), ("waiting", Some(hand.now.plus(MINUTES))));
    assert_eq!((hand.shard.gauges().active, hand.take().len()), (0, 0));
    // What is said of the round again changes nothing.
    assert_eq!(hand.report(&first, output(json!({"done": true}))), Ack::Superseded);

    hand.now = hand.now.plus(MINUTES);
    hand.run();
    let second = hand.take_one("build");
    assert_eq!((second.idempotency_key.as_str(), second.forward_key.as_deref()), ("k/build~2", Some("k/build")));
    hand.report(&second, ReportedOutcome::Failed(chancery_engine::StepError::new("Busy", "try again")));
    hand.run();
    let again = hand.take_one("build");
    assert_eq!((again.idempotency_key.as_str(), again.attempt), ("k/build~2", 3), "attempts share their round's key");
    hand.report(&again, output(json!({"done": true, "of": 7})));
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!({"done": true, "of": 7}))));
    let kinds = [
        "transaction.started",
        "step.dispatched",
        "step.polled",
        "timer.fired",
        "step.dispatched",
        "step.failed",
        "step.dispatched",
        "step.completed",
        "transaction.completed",
    ];
    assert_eq!(hand.kinds(id), kinds);
}

#[test]
fn a_clock_that_jumps_begins_each_round_once() {
    let tenant = Tenant::new(1, &[BUILD]);
    let mut hand = tenant.hand(0);
    let began = hand.now;
    let id = hand.start("build", json!({}), None, None).unwrap();
    round(&mut hand, "build");
    // Back, before its time: nothing begins.
    hand.now = Timestamp::from_micros(began.as_micros() - 3_600_000_000);
    hand.run();
    assert_eq!(count(&hand, id, "timer.fired"), 0);
    // Far ahead, and looked at often: one round, and not those that the time would have been enough for.
    hand.now = began.plus(100 * MINUTES);
    hand.run();
    hand.run();
    assert_eq!(count(&hand, id, "timer.fired"), 1);
    let second = round(&mut hand, "build");
    assert_eq!(second.attempt, 2);
    // The next is counted from then, whatever the clock says since.
    hand.now = began;
    hand.run();
    assert_eq!(hand.row(id), ("waiting", Some(began.plus(101 * MINUTES))));
    drop(hand);
    let mut early = tenant.hand_at(0, began.plus(100 * MINUTES));
    early.run();
    assert_eq!(count(&early, id, "timer.fired"), 1);
    drop(early);
    let mut on_time = tenant.hand_at(0, began.plus(101 * MINUTES));
    on_time.run();
    assert_eq!((count(&on_time, id, "timer.fired"), on_time.take_one("build").attempt), (2, 3));
}

/// A server that begins anew between any two rounds, and while one is out.
#[test]
fn rounds_outlive_their_server() {
    let tenant = Tenant::new(1, &[BUILD]);
    let mut hand = tenant.hand(0);
    let began = hand.now;
    let id = hand.start("build", json!({}), Some("k"), None).unwrap();
    round(&mut hand, "build");
    drop(hand);
    let mut hand = tenant.hand_at(0, began.plus(MINUTES));
    hand.run();
    let second = hand.take_one("build");
    assert_eq!(second.idempotency_key, "k/build~2");
    drop(hand);
    let mut hand = tenant.hand_at(0, began.plus(MINUTES));
    assert_eq!(hand.report(&second, not_yet()), Ack::Recorded, "the hand-out has one full lease");
    drop(hand);
    let mut hand = tenant.hand_at(0, began.plus(2 * MINUTES));
    hand.run();
    let last = hand.take_one("build");
    assert_eq!((last.idempotency_key.as_str(), last.attempt), ("k/build~3", 3));
    hand.report(&last, not_yet());
    // The last was not enough: the step has failed, and is undone with the key of its first round.
    let undo = hand.take_one("build");
    assert_eq!((undo.phase, undo.forward_key.as_deref(), undo.forward_unknown), (Phase::Undo, Some("k/build"), true));
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
    assert_eq!(count(&hand, id, "step.polled"), 3);
}

#[test]
fn what_waits_for_a_round_is_paused_and_cancelled_like_any_other() {
    let tenant = Tenant::new(1, &[BUILD]);
    let mut hand = tenant.hand(0);
    let id = hand.start("build", json!({}), None, None).unwrap();
    round(&mut hand, "build");
    hand.pause(id);
    hand.now = hand.now.plus(2 * MINUTES);
    hand.run();
    assert_eq!((hand.row(id), count(&hand, id, "timer.fired")), (("paused", None), 0));
    hand.resume(id);
    assert_eq!(count(&hand, id, "timer.fired"), 1, "what came due begins at once");
    round(&mut hand, "build");
    hand.cancel(id);
    let undo = hand.take_one("build");
    assert_eq!(undo.phase, Phase::Undo, "its rounds took effect");
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Cancelled);
    hand.now = hand.now.plus(100 * MINUTES);
    hand.run();
    assert_eq!((hand.take().len(), count(&hand, id, "timer.fired")), (0, 1), "no round begins any more");
}

#[test]
fn a_target_that_reports_later_does_so_in_each_round() {
    let tenant = Tenant::new(1, &[CALL]);
    let mut hand = tenant.hand(0);
    let id = hand.start("call", json!({}), Some("k"), None).unwrap();
    let call = |hand: &mut Hand| Arc::clone(&hand.take_calls(&[], 1)[0]);
    let first = call(&mut hand);
    assert_eq!(hand.report(&first, ReportedOutcome::Accepted), Ack::Recorded);
    // It has no lease: nothing lapses.
    hand.wait(Duration::from_secs(60));
    assert_eq!(hand.report(&first, not_yet()), Ack::Recorded);
    assert_eq!(hand.row(id).0, "waiting");
    hand.wait(Duration::from_secs(1));
    let second = call(&mut hand);
    assert_eq!((second.idempotency_key.as_str(), second.attempt), ("k/call~2", 2));
    hand.report(&second, ReportedOutcome::Accepted);
    hand.report(&second, output(json!({"done": true})));
    assert_eq!(hand.settled(id).0, Status::Completed);
}
