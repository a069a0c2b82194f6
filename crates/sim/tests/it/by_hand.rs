//! A shard driven step by step over the store in memory.

mod hand;
mod overlap;
mod schedules;
mod targets;
mod tcc;

use chancery_base::{Digest, KeyId, Timestamp};
use chancery_engine::{Phase, Status, StepError};
use chancery_shard::input::*;
use chancery_shard::{Stage, TokenKey};
use chancery_store::sim::Fault;
use hand::{Tenant, output};
use serde_json::json;
use std::time::Duration;

const TWO_STEPS: &str = r#"{"name": "two", "version": 1, "steps": [
    {"id": "first", "run": {"worker": "w"}, "with": {"n": "${{ input.n }}"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "second", "after": ["first"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
], "output": {"of": "${{ steps.second.output }}"}}"#;

const ONE_STEP: &str = r#"{"name": "one", "version": 1, "steps": [
    {"id": "only", "run": {"worker": "w"}, "retry": {"attempts": 2, "backoff": "0ms"}, "timeout": "20s"}
]}"#;

fn failed() -> ReportedOutcome {
    ReportedOutcome::Failed(StepError::new("OutOfStock", "none left"))
}

#[test]
fn a_saga_completes() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let id = hand.start("two", json!({"n": 1}), None, None).unwrap();
    let first = hand.take_one("first");
    assert_eq!((first.input.value(), first.attempt), (&json!({"n": 1}), 1));
    assert_eq!(hand.report(&first, output(json!(7))), Ack::Recorded);
    let second = hand.take_one("second");
    assert_ne!(first.idempotency_key, second.idempotency_key);
    assert_eq!(hand.report(&second, output(json!(8))), Ack::Recorded);
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!({"of": 8}))));
}

#[test]
fn a_failed_step_has_the_one_before_undone() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let id = hand.start("two", json!({"n": 1}), None, None).unwrap();
    let first = hand.take_one("first");
    hand.report(&first, output(json!({"reservation": 3})));
    let second = hand.take_one("second");
    assert_eq!(hand.report(&second, failed()), Ack::Recorded);
    let undo = hand.take_one("first");
    assert_eq!((undo.phase, undo.input.value()), (Phase::Undo, &json!({"reservation": 3})));
    assert_eq!(undo.forward_key.as_ref(), Some(&first.idempotency_key));
    assert_eq!(undo.decision, first.decision, "an undo is authorised with its step");
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
}

#[test]
fn keys_tell_one_start_from_another() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let id = hand.start("one", json!(1), Some("k"), Some("b")).unwrap();
    assert_eq!(hand.start("one", json!(1), Some("k"), Some("b")).unwrap(), id);
    let reused = hand.start("one", json!(2), Some("k"), Some("b"));
    assert!(matches!(reused, Err(Refusal::KeyReused(of)) if of == id), "{reused:?}");
    let taken = hand.start("one", json!(2), Some("other"), Some("b"));
    assert!(matches!(taken, Err(Refusal::BusinessKeyTaken(of)) if of == id), "{taken:?}");
    let task = hand.take_one("only");
    hand.report(&task, output(json!(1)));
    assert_ne!(hand.start("one", json!(2), Some("other"), Some("b")).unwrap(), id, "the business key is free again");
    assert_eq!(hand.start("one", json!(1), Some("k"), Some("b")).unwrap(), id, "the idempotency key is not");
}

#[test]
fn a_denied_start_is_recorded_and_changes_nothing() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    hand.suspend(&tenant.actor, true);
    let before = hand.size();
    let denied = hand.start("one", json!(1), None, None);
    assert!(matches!(&denied, Err(Refusal::Denied(decided)) if !decided.permitted), "{denied:?}");
    assert_eq!(hand.size(), before + 1);
    assert!(hand.take().is_empty());
}

#[test]
fn a_lapse_supersedes_the_attempt() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let id = hand.start("one", json!(1), None, None).unwrap();
    let first = hand.take_one("only");
    hand.wait(Duration::from_secs(9));
    assert_eq!(hand.take().len(), 1, "what the instance does not hold did not arrive: the same attempt again");
    hand.wait(Duration::from_secs(2));
    let second = hand.take_one("only");
    assert_eq!((second.attempt, &second.idempotency_key), (2, &first.idempotency_key));
    let size = hand.size();
    assert_eq!(hand.report(&first, output(json!("late"))), Ack::Superseded);
    assert_eq!(hand.size(), size, "a late answer changes nothing");
    assert_eq!(hand.report(&second, output(json!(1))), Ack::Recorded);
    assert_eq!(hand.report(&second, output(json!(1))), Ack::Superseded);
    assert_eq!(hand.settled(id).0, Status::Completed);
}

#[test]
fn what_goes_once_is_not_sent_again() {
    let once = ONE_STEP.replace(r#""attempts": 2, "backoff": "0ms""#, r#""attempts": "once""#);
    let tenant = Tenant::new(1, &[&once]);
    let mut hand = tenant.hand(0);
    let id = hand.start("one", json!(1), None, None).unwrap();
    hand.take_one("only");
    hand.wait(Duration::from_secs(5));
    assert!(hand.take().is_empty(), "whether it arrived is not known");
    hand.wait(Duration::from_secs(6));
    assert!(hand.take().is_empty(), "it lapsed, and is not handed out a second time");
    assert_eq!(hand.settled(id).0, Status::Failed);
}

#[test]
fn a_forged_token_is_refused() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    hand.start("one", json!(1), None, None).unwrap();
    let task = hand.take_one("only");
    let forged = TokenKey::new([1; 32]).issue(&tenant.id, task.token.attempt, &Digest::of(b"1"));
    let size = hand.size();
    assert_eq!(hand.report_as(forged, output(json!(1))), Ack::Refused);
    assert_eq!(hand.size(), size);
}

#[test]
fn a_decision_under_an_older_control_epoch_is_taken_again() {
    let tenant = Tenant::new(2, &[ONE_STEP]);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    assert!(second.start("one", json!(1), None, None).is_ok());
    first.suspend(&tenant.actor, true);
    // The second shard has not heard of it: the guard tells it.
    let denied = second.start("one", json!(1), None, None);
    assert!(matches!(denied, Err(Refusal::Denied(_))), "{denied:?}");
    assert!(second.take().is_empty(), "what waits is not handed out either");
}

#[test]
fn what_a_report_made_ready_goes_back_with_its_answer() {
    let tenant = Tenant::new(1, &[TWO_STEPS, ONE_STEP]);
    let mut hand = tenant.hand(0);
    hand.start("two", json!({"n": 1}), None, None).unwrap();
    let first = hand.take_one("first");
    let other = hand.push_call("two");
    hand.run();
    let reporter = hand.push_call_with("one", &first, output(json!(7)));
    hand.run();
    let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(reporter) else { panic!() };
    assert_eq!(answer.tasks.iter().map(|task| task.step.as_str()).collect::<Vec<_>>(), ["second"]);
    assert!(hand.answer_of(other).is_none(), "it waited longer, and has nothing else to be told");
    // What nobody on the line made ready goes to the one that waits longest.
    hand.push_call("three");
    hand.start("one", json!(1), None, None).unwrap();
    let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(other) else { panic!() };
    assert_eq!(answer.tasks.len(), 1);
}

#[test]
fn a_suspended_worker_takes_nothing_until_it_is_let_in_again() {
    let tenant = Tenant::new(2, &[ONE_STEP]);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    let held = first.open_call();
    first.suspend(&tenant.worker, true);
    assert!(first.answer_of(held).is_some(), "its open call is answered");
    first.start("one", json!(1), None, None).unwrap();
    assert!(first.take().is_empty());
    second.start("one", json!(1), None, None).unwrap();
    assert!(second.take().is_empty());
    first.suspend(&tenant.worker, false);
    assert_eq!(first.take().len(), 1);
    assert_eq!(second.take().len(), 1, "a shard that had nothing to commit learns of it, too");
}

#[test]
fn what_follows_a_change_in_one_batch_is_decided_under_it() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let change = hand.push_suspend(&tenant.actor, true);
    let start = hand.push_start("one", json!(1), None, None);
    hand.run();
    assert!(matches!(hand.answer_of(change), Some(Ok(Response::Done { seq: Some(_) }))));
    assert!(matches!(hand.answer_of(start), Some(Err(Refusal::Denied(_)))));
}

#[test]
fn two_changes_at_once_are_both_answered_once() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    for fault in [None, Some(Fault::Fail), Some(Fault::UnknownApplied), Some(Fault::UnknownLost)] {
        let mut hand = tenant.hand(0);
        let changes = [hand.push_suspend(&tenant.actor, true), hand.push_suspend(&tenant.actor, false)];
        if let Some(fault) = fault {
            tenant.store.fault_next(fault);
        }
        hand.run();
        for change in changes {
            assert!(hand.answer_of(change).is_some(), "{fault:?}");
        }
    }
}

#[test]
fn a_failed_commit_is_told_and_forgotten() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let size = hand.size();
    tenant.store.fault_next(Fault::Fail);
    let refused = hand.start("one", json!(1), Some("k"), None);
    assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
    assert_eq!(hand.size(), size);
    hand.wait(Duration::from_secs(1));
    assert!(hand.start("one", json!(1), Some("k"), None).is_ok());
}

#[test]
fn an_unknown_outcome_is_looked_up_under_a_new_epoch() {
    for fault in [Fault::UnknownApplied, Fault::UnknownLost, Fault::Orphan] {
        let tenant = Tenant::new(1, &[ONE_STEP]);
        let mut hand = tenant.hand(0);
        let epoch = hand.shard.gauges().epoch;
        tenant.store.fault_next(fault);
        let unknown = hand.start("one", json!(1), Some("k"), None);
        assert!(matches!(unknown, Err(Refusal::Unknown)), "{fault:?}: {unknown:?}");
        hand.run();
        assert_eq!(hand.shard.gauges().epoch, epoch + 1, "{fault:?}");
        assert_eq!(tenant.store.land_orphans(), 0, "{fault:?}: the new epoch shuts orphans out");
        let active = usize::from(fault == Fault::UnknownApplied);
        assert_eq!(hand.shard.gauges().active, active, "{fault:?}");
        assert!(hand.start("one", json!(1), Some("k"), None).is_ok(), "{fault:?}");
        assert_eq!(hand.shard.gauges().active, 1, "{fault:?}");
        assert_eq!(hand.take().len(), 1, "{fault:?}");
    }
}

#[test]
fn a_stale_owner_says_nothing_from_its_memory() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut old = tenant.hand(0);
    old.start("two", json!({"n": 1}), None, None).unwrap();
    let mut new = tenant.hand(0);
    new.wait(Duration::from_secs(11));
    let task = new.take_one("first");
    assert_eq!(task.attempt, 1);
    // The old owner never heard of this attempt: it must not call it refused or superseded.
    assert!(old.try_report(task.token, output(json!(1))).is_err());
    assert_eq!(old.shard.stage(), Stage::Fenced);
    assert_eq!(new.report(&task, output(json!(1))), Ack::Recorded);
}

#[test]
fn a_deadline_that_passed_while_no_server_ran_counts_when_one_runs() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    hand.start("one", json!(1), None, None).unwrap();
    let task = hand.take_one("only");
    let mut later = tenant.hand_at(0, hand.now.plus(Duration::from_secs(25)));
    // It renews its lease, and is late all the same.
    let exchanged = later.hold(&[task.token]);
    assert_eq!(exchanged.cancelled, [task.token]);
    assert_eq!(exchanged.tasks.first().map(|task| task.attempt), Some(2));
}

#[test]
fn a_restart_gives_every_hand_out_one_full_lease() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let id = hand.start("one", json!(1), None, None).unwrap();
    let task = hand.take_one("only");
    hand.wait(Duration::from_secs(5));
    let mut new = tenant.hand_at(0, hand.now);
    new.wait(Duration::from_secs(9));
    assert!(new.take_as("another").is_empty(), "not before the new lease has lapsed");
    assert_eq!(new.report(&task, output(json!(1))), Ack::Recorded);
    assert_eq!(new.settled(id).0, Status::Completed);
}

#[test]
fn a_shard_that_stops_answers_everybody() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let held = hand.open_call();
    let start = hand.push_start("one", json!(1), None, None);
    hand.shard.stop();
    hand.run();
    assert_eq!(hand.shard.stage(), Stage::Stopped);
    assert!(hand.answer_of(held).is_some());
    assert!(matches!(hand.answer_of(start), Some(Ok(Response::Started { .. }))));
    assert!(matches!(hand.start("one", json!(1), None, None), Err(Refusal::Stopping)));
}

#[test]
fn an_issued_key_works_until_it_is_revoked_once() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let id = KeyId::draw(Timestamp::EPOCH, &mut hand.entropy);
    let principal = tenant.actor.id;
    let issue = Change::KeyIssue { id, principal, hash: Digest::of(b"secret"), expires_at: None };
    assert!(matches!(hand.change(issue.clone()), Ok(Response::Done { seq: Some(_) })));
    assert!(matches!(hand.change(issue), Err(Refusal::Exists(_))));
    assert!(matches!(hand.change(Change::KeyRevoke(id)), Ok(Response::Done { seq: Some(_) })));
    assert!(matches!(hand.change(Change::KeyRevoke(id)), Ok(Response::Done { seq: None })));
}
