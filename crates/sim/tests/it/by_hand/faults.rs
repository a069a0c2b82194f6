//! Faults that a start asks for, with servers that begin anew in between.

use super::hand::{Tenant, output};
use super::{ONE_STEP, TWO_STEPS};
use chancery_engine::{Fault, FaultKind, Phase, Status, StepError};
use chancery_shard::input::*;
use serde_json::json;
use std::time::Duration;

fn at(step: &str, fault: FaultKind) -> Fault {
    Fault { attempts: Some(vec![1]), fault, phase: Phase::Do, step: step.to_owned() }
}

fn down() -> FaultKind {
    FaultKind::Error { error: StepError::new("Down", "as asked"), unknown: false }
}

#[test]
fn what_fails_as_asked_costs_no_credit_and_reaches_no_worker() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let id = hand.start_faulty("one", None, vec![at("only", down())]).unwrap();
    // Without a worker that would take it, nothing happens: it goes as far as its hand-out.
    hand.wait(Duration::from_secs(1));
    assert_eq!(hand.kinds(id), ["transaction.started"]);
    let task = hand.take_one("only");
    assert_eq!(task.attempt, 2);
    assert_eq!(hand.report(&task, output(json!(7))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Completed);
    let kinds = ["transaction.started", "step.dispatched", "step.failed"];
    assert_eq!(hand.kinds(id)[..3], kinds);
    assert_eq!(hand.kinds(id)[3..], ["step.dispatched", "step.completed", "transaction.completed"]);
}

#[test]
fn what_fails_for_good_is_undone_after_a_restart() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let undo = Fault { phase: Phase::Undo, ..at("first", down()) };
    let id = hand.start_faulty("two", None, vec![at("second", down()), undo]).unwrap();
    let first = hand.take_one("first");
    hand.report(&first, output(json!({"reservation": 3})));
    let now = hand.now;
    drop(hand);
    let mut again = tenant.hand_at(0, now);
    assert!(again.take().is_empty(), "the second step fails, and so does the first attempt to undo the first");
    again.wait(Duration::from_secs(60));
    let undo = again.take_one("first");
    assert_eq!((undo.phase, undo.attempt), (Phase::Undo, 2));
    again.report(&undo, output(json!(null)));
    assert_eq!(again.settled(id).0, Status::Compensated);
}

#[test]
fn a_lost_answer_is_lost_by_the_next_owner_too() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let id = hand.start_faulty("one", Some("k"), vec![at("only", FaultKind::LoseAnswer)]).unwrap();
    let first = hand.take_one("only");
    let now = hand.now;
    drop(hand);
    let mut again = tenant.hand_at(0, now);
    assert_eq!(again.report(&first, output(json!(7))), Ack::Recorded);
    assert_eq!(again.report(&first, output(json!(7))), Ack::Superseded);
    let second = again.take_one("only");
    assert_eq!((second.attempt, &second.idempotency_key), (2, &first.idempotency_key));
    assert_ne!(second.token, first.token);
    again.report(&second, output(json!(8)));
    assert_eq!(again.settled(id).0, Status::Completed);
}

#[test]
fn a_delay_goes_on_over_a_restart() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let began = hand.now;
    let id = hand.start_faulty("one", None, vec![at("only", FaultKind::Delay { us: 5_000_000 })]).unwrap();
    assert_eq!(hand.row(id), ("running", Some(began.plus(Duration::from_secs(5)))));
    assert!(hand.take().is_empty());
    drop(hand);
    let mut again = tenant.hand_at(0, began.plus(Duration::from_secs(2)));
    again.wait(Duration::from_millis(2_900));
    assert!(again.take().is_empty());
    again.wait(Duration::from_millis(100));
    let task = again.take_one("only");
    again.report(&task, output(json!(7)));
    assert_eq!(again.settled(id).0, Status::Completed);
}

#[test]
fn faults_are_part_of_the_request() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let id = hand.start_faulty("one", Some("k"), vec![at("only", FaultKind::LoseAnswer)]).unwrap();
    assert_eq!(hand.start_faulty("one", Some("k"), vec![at("only", FaultKind::LoseAnswer)]).unwrap(), id);
    for other in [vec![at("only", down())], Vec::new()] {
        let reused = hand.start_faulty("one", Some("k"), other);
        assert!(matches!(reused, Err(Refusal::KeyReused(of)) if of == id), "{reused:?}");
    }
}
