//! A shard driven step by step over the store in memory.

mod budgets;
mod capabilities;
mod children;
mod crash;
mod driven;
mod evidence;
mod examples;
mod expiry;
mod faults;
mod forks;
mod hand;
mod headers;
mod inline;
mod inputs;
mod maintenance;
mod notify;
mod originals;
mod overlap;
mod overrides;
mod polls;
mod queues;
mod requests;
mod schedules;
mod settings;
mod stops;
mod targets;
mod tcc;
mod waits;
mod watch;

use chancery_base::limits::{CLONES_MAX, SHARD_CLONES_MAX};
use chancery_base::{Digest, KeyId, Timestamp};
use chancery_engine::{Phase, Status, StepError};
use chancery_shard::input::*;
use chancery_shard::{Config, Stage, TokenKey};
use chancery_store::sim::Fault;
use hand::{Tenant, output};
use serde_json::json;
use std::time::Duration;

const TWO_STEPS: &str = r#"{"name": "two", "version": 1, "steps": [
    {"id": "first", "run": {"worker": "w"}, "with": {"n": "${{ input.n }}"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "second", "after": ["first"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
], "output": {"of": "${{ steps.second.output }}"}}"#;

const AT_ONCE: &str = r#"{"name": "at-once", "version": 1, "steps": [
    {"id": "left", "run": {"worker": "w"}},
    {"id": "right", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}}
]}"#;

const ONE_STEP: &str = r#"{"name": "one", "version": 1, "steps": [
    {"id": "only", "run": {"worker": "w"}, "retry": {"attempts": 2, "backoff": "0ms"}, "timeout": "20s"}
]}"#;

/// Past its pivot it parks at a failure.
const PARKS: &str = r#"{"name": "parks", "version": 1, "steps": [
    {"id": "pivot", "run": {"worker": "w"}, "pivot": true},
    {"id": "after", "after": ["pivot"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
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

/// A worker drops what it is told is not wanted any more, and holds it no longer: it has arrived all the same.
#[test]
fn what_is_not_wanted_any_more_is_not_sent_again() {
    let tenant = Tenant::new(1, &[AT_ONCE]);
    let mut hand = tenant.hand(0);
    let id = hand.start("at-once", json!({}), None, None).unwrap();
    let tasks = hand.take();
    let [left, right] = &tasks[..] else { panic!("{tasks:?}") };
    assert_eq!(hand.hold(&[left.token, right.token]).cancelled, []);
    assert_eq!(hand.report(left, ReportedOutcome::Failed(StepError::fatal("Refused", "no"))), Ack::Recorded);
    assert_eq!(hand.hold(&[right.token]).cancelled, [right.token]);
    for _ in 0..3 {
        assert!(hand.take().is_empty(), "it was called once, and dropped");
    }
    // Whether it took effect is unknown once its lease has lapsed: it is undone.
    hand.wait(Duration::from_secs(11));
    let undo = hand.take_one("right");
    assert!(undo.phase == Phase::Undo && undo.forward_unknown);
    assert_eq!(hand.report(&undo, output(json!(null))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Compensated);
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
fn a_shard_that_drains_begins_nothing_and_has_what_is_out_come_in() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    assert!(hand.shard.is_drained());
    let id = hand.start("two", json!({"n": 1}), None, None).unwrap();
    let first = hand.take_one("first");
    hand.shard.drain();
    assert!(!hand.shard.is_drained(), "an attempt is out");
    assert!(matches!(hand.start("two", json!({"n": 2}), None, None), Err(Refusal::Stopping)));
    let held = hand.push_call("other");
    hand.run();
    // Its worker lives, and reports when it is done.
    hand.wait(Duration::from_secs(6));
    assert_eq!(hand.hold(&[first.token]).cancelled, []);
    hand.wait(Duration::from_secs(6));
    assert_eq!(hand.report(&first, output(json!(7))), Ack::Recorded);
    assert!(hand.shard.is_drained());
    assert!(hand.take().is_empty() && hand.answer_of(held).is_none(), "the next step waits for the next owner");
    hand.shard.stop();
    hand.run();
    assert_eq!(hand.shard.stage(), Stage::Stopped);
    assert!(matches!(hand.answer_of(held), Some(Ok(Response::Exchanged(answer))) if answer.tasks.is_empty()));
    let mut next = tenant.hand_at(0, hand.now);
    let second = next.take_one("second");
    assert_eq!(next.report(&second, output(json!(8))), Ack::Recorded);
    assert_eq!(next.settled(id).0, Status::Completed);
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

/// A step over many elements, each of which is done at once.
const FAN: &str = r#"{"name": "fan", "version": 1, "concurrency": 1000, "steps": [
    {"id": "each", "each": "${{ input.list }}", "run": "noop", "with": {"at": "${{ index }}", "item": "${{ item }}"}},
    {"id": "last", "after": ["each"], "run": {"worker": "w"},
     "with": {"count": "${{ size(steps.each.output) }}", "some": "${{ steps.each.output[4999].at }}"}}
]}"#;

#[test]
fn ten_thousand_clones_go_through_a_shard_and_outlive_it() {
    let tenant = Tenant::new(1, &[FAN]);
    let mut hand = tenant.hand(0);
    let id = hand.start("fan", json!({ "list": vec!["x"; 10_000] }), None, None).unwrap();
    let size = hand.size();
    let task = hand.take_one("last");
    assert_eq!(task.input.value(), &json!({ "count": 10_000, "some": 4_999 }));
    assert_eq!(hand.size(), size + 1, "every clone was done before anybody took anything");
    // Another owner reads all of it from the store.
    let mut next = tenant.hand(0);
    assert_eq!(next.report(&task, output(json!("done"))), Ack::Recorded);
    assert_eq!(next.settled(id).0, Status::Completed);
    let (_, steps) = tenant.store.standing(id).unwrap();
    assert_eq!(steps.len(), 10_002);
    assert!(steps.iter().all(|(word, _)| *word == "completed"));
}

#[test]
fn a_shard_that_has_clones_enough_takes_no_start() {
    let waiting = FAN.replace("\"run\": \"noop\"", "\"run\": {\"worker\": \"w\"}");
    let tenant = Tenant::new(1, &[&waiting, ONE_STEP]);
    let mut hand = tenant.hand(0);
    let list = vec![0; CLONES_MAX];
    for _ in 0..SHARD_CLONES_MAX / CLONES_MAX {
        hand.start("fan", json!({ "list": list }), None, None).unwrap();
    }
    let refused = hand.start("one", json!(1), None, None);
    assert!(matches!(refused, Err(Refusal::Limited { max: SHARD_CLONES_MAX, .. })), "{refused:?}");
}

#[test]
fn no_more_run_than_may_and_what_ended_or_parked_makes_room() {
    let tenant = Tenant::new(1, &[ONE_STEP, PARKS]);
    let few = |config| Config { active_max: 2, ..config };
    let mut hand = tenant.hand_with(0, Timestamp::from_micros(1_795_246_020_000_000), few);
    let first = hand.start("one", json!(1), Some("k"), None).unwrap();
    hand.start("parks", json!(2), None, None).unwrap();
    let size = hand.size();
    let refused = hand.start("one", json!(3), None, None);
    assert!(matches!(refused, Err(Refusal::TooManyRunning { max: 2 })), "{refused:?}");
    assert_eq!(hand.size(), size);
    assert_eq!(hand.start("one", json!(1), Some("k"), None).unwrap(), first, "what runs already is found");
    // The next owner counts what runs, not what was let in.
    let mut hand = tenant.hand_with(0, hand.now, few);
    assert!(matches!(hand.start("one", json!(3), None, None), Err(Refusal::TooManyRunning { max: 2 })));
    hand.wait(Duration::from_secs(11));
    for task in hand.take() {
        assert_eq!(hand.report(&task, output(json!(1))), Ack::Recorded);
    }
    assert!(hand.start("one", json!(3), None, None).is_ok(), "one has ended");
    assert!(matches!(hand.start("one", json!(4), None, None), Err(Refusal::TooManyRunning { max: 2 })));
    let tasks = hand.take_of(&[("w", 10)]);
    let after = tasks.iter().find(|task| task.step.as_str() == "after").unwrap();
    hand.report(after, ReportedOutcome::Failed(StepError::fatal("No", "no")));
    assert!(hand.start("one", json!(4), None, None).is_ok(), "and one waits for a person");
}
