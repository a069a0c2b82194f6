//! Steps that call URLs: where they wait, and what their targets only accept.

use super::hand::{Hand, Tenant, output};
use chancery_base::Timestamp;
use chancery_engine::Status;
use chancery_shard::input::*;
use serde_json::json;
use std::time::Duration;

const CALLS: &str = r#"{"name": "calls", "version": 1, "steps": [
    {"id": "first", "run": {"http": {"url": "https://a.example/${{ input.path }}"}}, "timeout": "40s",
     "retry": {"attempts": 2, "backoff": "0ms"}},
    {"id": "second", "run": {"http": {"url": "${{ input.url }}"}}, "retry": {"attempts": 1}}
]}"#;

const ONE: &str = r#"{"name": "one", "version": 1, "steps": [
    {"id": "only", "run": {"http": {"url": "https://a.example/x"}}, "timeout": "40s", "queue_timeout": "2m",
     "retry": {"attempts": 2, "backoff": "0ms"}}
]}"#;

const FAN: &str = r#"{"name": "fan", "version": 1, "steps": [
    {"id": "call", "each": "${{ input.urls }}", "run": {"http": {"url": "${{ item }}"}}, "timeout": "40s",
     "retry": {"attempts": 2, "backoff": "0ms"}}
], "output": "${{ steps.call.output }}"}"#;

fn names(tasks: &[std::sync::Arc<Task>]) -> Vec<&str> {
    tasks.iter().map(|task| task.step.as_str()).collect()
}

#[test]
fn a_step_waits_for_room_at_its_own_target_and_others_go_on() {
    let tenant = Tenant::new(1, &[CALLS]);
    let mut hand = tenant.hand(0);
    hand.start("calls", json!({"path": "x", "url": "http://b.example:8080/y"}), None, None).unwrap();
    let before = hand.size();
    let (a, b) = ("https://a.example", "http://b.example:8080");
    assert!(hand.take_calls(&[(a, 0), (b, 0)], 5).is_empty(), "both are named, and have no room");
    assert_eq!(hand.size(), before, "what waits writes nothing");
    let waiting = hand.shard.gauges().queues;
    let waiting: Vec<String> = waiting.iter().map(|(queue, count, _)| format!("{queue:?} {count}")).collect();
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert_eq!(names(&hand.take_calls(&[(a, 0)], 5)), ["second"], "what is not named is among the others");
    assert_eq!(names(&hand.take_calls(&[(a, 1), (b, 5)], 0)), ["second", "first"], "the first is sent again");
}

#[test]
fn what_has_no_origin_that_can_be_told_is_among_the_others() {
    let tenant = Tenant::new(1, &[CALLS]);
    let mut hand = tenant.hand(0);
    hand.start("calls", json!({"path": "x", "url": "https://user@b.example/y"}), None, None).unwrap();
    assert!(hand.take_calls(&[("https://a.example", 0), ("https://b.example", 9)], 0).is_empty());
    assert_eq!(names(&hand.take_calls(&[("https://a.example", 0)], 1)), ["second"]);
    // A URL that can't be known is not called, and says so.
    let id = hand.start("calls", json!({"path": "x"}), None, None).unwrap();
    assert!(hand.take_calls(&[("https://a.example", 0)], 9).iter().all(|task| task.transaction != id));
    assert_eq!(hand.settled(id).0, Status::Failed);
}

#[test]
fn waiting_for_a_target_ends_as_waiting_for_a_worker_does() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    let id = hand.start("one", json!({}), None, None).unwrap();
    hand.wait(Duration::from_secs(119));
    assert_eq!(names(&hand.take_calls(&[("https://a.example", 0)], 9)), Vec::<&str>::new());
    hand.wait(Duration::from_secs(2));
    assert_eq!(hand.settled(id).0, Status::Failed);
}

/// An attempt that was accepted, after a second owner has taken over.
fn accepted(tenant: &Tenant, hand: &mut Hand) -> (std::sync::Arc<Task>, Hand) {
    hand.start("one", json!({}), None, None).unwrap();
    let task = hand.take_calls(&[("https://a.example", 1)], 0).remove(0);
    assert_eq!(hand.report(&task, ReportedOutcome::Accepted), Ack::Recorded);
    let size = hand.size();
    assert_eq!(hand.report(&task, ReportedOutcome::Accepted), Ack::Recorded);
    assert_eq!(hand.size(), size, "said again it is not written again");
    let next: Timestamp = hand.now.plus(Duration::from_secs(1));
    (task, tenant.hand_at(0, next))
}

#[test]
fn what_was_accepted_has_no_lease_also_for_the_next_owner() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut first = tenant.hand(0);
    let (task, mut hand) = accepted(&tenant, &mut first);
    assert_eq!(hand.shard.gauges().leases, 0);
    hand.wait(Duration::from_secs(35));
    assert!(hand.take_calls(&[("https://a.example", 1)], 0).is_empty(), "no lease has lapsed");
    assert_eq!(hand.hold(&[task.token]).cancelled, [], "it is still wanted");
    assert_eq!(hand.shard.gauges().leases, 0, "holding it makes no lease");
    assert_eq!(hand.report(&task, output(json!(7))), Ack::Recorded);
    assert_eq!(hand.report(&task, output(json!(7))), Ack::Superseded);
    assert_eq!(hand.settled(task.transaction).0, Status::Completed);
}

#[test]
fn what_was_accepted_and_is_too_late_is_unknown_and_tried_again() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut first = tenant.hand(0);
    let (task, mut hand) = accepted(&tenant, &mut first);
    hand.wait(Duration::from_secs(41));
    let again = hand.take_calls(&[("https://a.example", 1)], 0).remove(0);
    assert_eq!((again.attempt, &again.idempotency_key), (2, &task.idempotency_key));
    assert_eq!(hand.report(&task, output(json!(7))), Ack::Superseded);
    assert_eq!(hand.report(&again, output(json!(8))), Ack::Recorded);
}

#[test]
fn each_clone_waits_for_its_own_target_which_may_report_later() {
    let tenant = Tenant::new(1, &[FAN]);
    let mut first = tenant.hand(0);
    let urls = json!(["https://a.example/x", "https://b.example/y", "https://a.example/z"]);
    let id = first.start("fan", json!({ "urls": urls }), None, None).unwrap();
    let (a, b) = ("https://a.example", "https://b.example");
    let indices = |tasks: &[std::sync::Arc<Task>]| tasks.iter().map(|task| task.index).collect::<Vec<_>>();
    let of_b = first.take_calls(&[(a, 0), (b, 5)], 5);
    assert_eq!(indices(&of_b), [Some(1)], "the others have no room");
    assert_eq!(first.report(&of_b[0], ReportedOutcome::Accepted), Ack::Recorded);

    let mut hand = tenant.hand_at(0, first.now.plus(Duration::from_secs(1)));
    assert_eq!(hand.shard.gauges().leases, 0, "what was accepted has no lease");
    let of_a = hand.take_calls(&[(a, 5), (b, 5)], 0);
    assert_eq!(indices(&of_a), [Some(0), Some(2)]);
    for task in of_a.iter().chain(&of_b) {
        assert_eq!(hand.report(task, output(json!(task.index))), Ack::Recorded);
    }
    assert_eq!(hand.report(&of_b[0], output(json!(9))), Ack::Superseded);
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!([0, 1, 2]))));
}
