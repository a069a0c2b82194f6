//! Headers: what a transaction is told beside its input goes with everything that it does.

use super::hand::{Hand, Tenant, output};
use chancery_engine::{Headers, Status};
use chancery_shard::input::*;
use serde_json::json;
use std::sync::Arc;

const TOLD: &str = r#"{"name": "told", "version": 1, "context": {"user": "${{ headers.?user }}"}, "steps": [
    {"id": "a", "run": {"worker": "w"}, "with": "${{ headers['x-user'] }}",
     "compensate": {"run": {"worker": "undo"}, "with": "${{ headers['x-user'] }}"}},
    {"id": "b", "after": ["a"], "run": {"transaction": "below"}},
    {"id": "c", "after": ["b"], "run": {"http": {"url": "http://a.example/", "pass": ["X-User", "x-none"]}}}
], "output": "${{ headers['x-user'] }}"}"#;

const BELOW: &str = r#"{"name": "below", "version": 1, "steps": [
    {"id": "d", "run": {"worker": "w"}, "with": "${{ headers['x-user'] }}"}
]}"#;

fn headers(user: &str) -> Headers {
    Headers::new([("X-User".to_owned(), user.to_owned())]).unwrap()
}

/// The one task that there is carries what was told, has it as its input, and is done.
fn ok(hand: &mut Hand, step: &str) -> Arc<Task> {
    let task = hand.take_one(step);
    assert_eq!((task.headers.get("x-user"), task.input.value()), (Some("ada"), &json!("ada")), "{step}");
    assert_eq!(hand.report(&task, output(json!(step))), Ack::Recorded);
    task
}

#[test]
fn what_a_transaction_is_told_goes_with_its_tasks_its_children_and_its_calls() {
    let tenant = Tenant::new(1, &[TOLD, BELOW]);
    let mut hand = tenant.hand(0);
    let id = hand.start_told("told", Some("k"), headers("ada")).unwrap();
    ok(&mut hand, "a");
    // Whoever owns the log next knows them.
    let mut hand = tenant.hand_at(0, hand.now);
    ok(&mut hand, "d");
    let call = hand.take_calls(&[("http://a.example", 5)], 0).pop().unwrap();
    let sent = [("x-user".to_owned(), "ada".to_owned())];
    assert_eq!(call.http.as_ref().unwrap().headers, sent, "those that it names and has");
    assert_eq!(hand.report(&call, output(json!(null))), Ack::Recorded);
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!("ada"))));
    super::children::replays(&tenant);
}

#[test]
fn an_undo_and_a_fork_have_them_too() {
    let tenant = Tenant::new(1, &[TOLD, BELOW]);
    let mut hand = tenant.hand(0);
    let id = hand.start_told("told", None, headers("ada")).unwrap();
    ok(&mut hand, "a");
    hand.cancel(id);
    let undo = hand.take().pop().unwrap();
    assert_eq!((undo.headers.get("x-user"), undo.input.value()), (Some("ada"), &json!("ada")));
    assert_eq!(hand.report(&undo, output(json!(null))), Ack::Recorded);
    super::forks::fork(&mut hand, &tenant, id, "a").unwrap();
    ok(&mut hand, "a");
}

/// They are part of what is asked for under an idempotency key.
#[test]
fn the_same_key_with_other_headers_is_another_request() {
    let tenant = Tenant::new(1, &[BELOW]);
    let mut hand = tenant.hand(0);
    let id = hand.start_told("below", Some("k"), headers("ada")).unwrap();
    assert_eq!(hand.start_told("below", Some("k"), headers("ada")).unwrap(), id);
    for other in [headers("eve"), Headers::default()] {
        let refused = hand.start_told("below", Some("k"), other).unwrap_err();
        assert!(matches!(refused, Refusal::KeyReused(of) if of == id), "{refused}");
    }
    super::children::replays(&tenant);
}

/// A step that reads a header which was not told fails, and says so.
#[test]
fn a_header_that_is_missing_fails_the_step_that_needs_it() {
    let tenant = Tenant::new(1, &[BELOW]);
    let mut hand = tenant.hand(0);
    let id = hand.start("below", json!({}), None, None).unwrap();
    assert!(hand.take().is_empty());
    assert_eq!(hand.settled(id).0, Status::Failed);
}
