//! A batch that is built while the one before it is on its way to the store.

use super::hand::{Hand, Tenant, output};
use super::{ONE_STEP, TWO_STEPS};
use chancery_base::TransactionId;
use chancery_engine::Status;
use chancery_shard::input::*;
use chancery_store::sim::Fault;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn started(hand: &mut Hand, start: ReplyTo) -> TransactionId {
    let answer = hand.answer_of(start);
    let Some(Ok(Response::Started { id, .. })) = answer else { panic!("{answer:?}") };
    id
}

fn tasks(hand: &mut Hand, call: ReplyTo) -> Vec<Arc<Task>> {
    let answer = hand.answer_of(call);
    let Some(Ok(Response::Exchanged(exchanged))) = answer else { panic!("{answer:?}") };
    exchanged.tasks
}

fn push_start(hand: &mut Hand, key: Option<&str>) -> ReplyTo {
    hand.push_start("one", json!({}), key, None)
}

/// Completes what `id` still has to do.
fn complete(hand: &mut Hand, id: TransactionId) {
    let task = hand.take().into_iter().find(|task| task.transaction == id).expect("a task");
    assert_eq!(hand.report(&task, output(json!(1))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Completed);
}

#[test]
fn the_next_batch_is_there_when_the_one_before_is_committed() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let a = push_start(&mut hand, None);
    let first = hand.send();
    let b = push_start(&mut hand, None);
    hand.go_on();
    assert!(hand.answer_of(a).is_none() && hand.answer_of(b).is_none(), "nothing is out before it is committed");
    let after = first.size + first.entries.len() as u64;
    hand.commit(first);
    let a = started(&mut hand, a);
    assert!(hand.answer_of(b).is_none(), "the second batch is not committed");
    let second = hand.send();
    assert_eq!((second.size, second.entries[0].seq), (after, after));
    hand.commit(second);
    let b = started(&mut hand, b);
    let out = hand.take();
    assert_eq!(out.len(), 2);
    for task in &out {
        assert_eq!(hand.report(task, output(json!(1))), Ack::Recorded);
    }
    assert_eq!([a, b].map(|id| hand.settled(id).0), [Status::Completed; 2]);
}

#[test]
fn a_task_goes_out_with_its_own_batch() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    let call = hand.push_call("one");
    hand.run();
    let a = push_start(&mut hand, None);
    let first = hand.send();
    // The first call is taken up by the first start; the second start goes to another call.
    let (other, b) = (hand.push_call("two"), push_start(&mut hand, None));
    hand.go_on();
    hand.commit(first);
    let of_first = tasks(&mut hand, call);
    assert_eq!(of_first.iter().map(|task| task.transaction).collect::<Vec<_>>(), [started(&mut hand, a)]);
    assert!(hand.answer_of(other).is_none());
    hand.run();
    let of_second = tasks(&mut hand, other);
    assert_eq!(of_second.iter().map(|task| task.transaction).collect::<Vec<_>>(), [started(&mut hand, b)]);
}

#[test]
fn what_was_built_on_a_batch_that_failed_is_taken_back() {
    for fault in Fault::ALL {
        let tenant = Tenant::new(1, &[ONE_STEP]);
        let mut hand = tenant.hand(0);
        let old = hand.start("one", json!({}), None, None).unwrap();
        let task = hand.take_one("only");
        let held = hand.push_call("held");
        hand.run();
        let a = push_start(&mut hand, None);
        let first = hand.send();
        let (b, report, call) =
            (push_start(&mut hand, None), hand.push_report(&task, output(json!(1))), hand.push_call("late"));
        hand.go_on();
        tenant.store.fault_next(fault);
        hand.commit(first);
        let refusal = hand.answer_of(a).unwrap().unwrap_err();
        hand.wait(Duration::from_secs(1));
        // Whoever waited for tasks has been told something, once: the hand sees to that.
        assert!(hand.answer_of(held).is_some(), "{fault:?}");
        if fault == Fault::Fail {
            assert!(matches!(refusal, Refusal::Unavailable(_)), "{refusal:?}");
            assert!(matches!(hand.answer_of(b), Some(Err(Refusal::Unavailable(_)))));
            assert!(matches!(hand.answer_of(report), Some(Err(Refusal::Unavailable(_)))));
            assert!(matches!(hand.answer_of(call), Some(Err(Refusal::Unavailable(_)))));
            assert_eq!(hand.report(&task, output(json!(1))), Ack::Recorded);
        } else {
            assert!(matches!(refusal, Refusal::Unknown), "{refusal:?}");
            // What was built on it had not left: it is done again under the new epoch.
            let b = started(&mut hand, b);
            assert!(hand.answer_of(report).is_some_and(|answer| answer.is_ok()));
            let late = tasks(&mut hand, call);
            assert!(late.iter().any(|task| task.transaction == b), "{fault:?}");
        }
        assert_eq!(hand.settled(old).0, Status::Completed);
        tenant.store.land_orphans();
        let after = hand.start("one", json!({}), None, None).unwrap();
        complete(&mut hand, after);
    }
}

#[test]
fn both_batches_are_decided_again_when_the_control_state_has_changed() {
    let tenant = Tenant::new(2, &[ONE_STEP]);
    let (mut hand, mut other) = (tenant.hand(1), tenant.hand(0));
    let call = hand.push_call("one");
    hand.run();
    let a = push_start(&mut hand, None);
    let first = hand.send();
    let (again, b) = (hand.push_call("two"), push_start(&mut hand, None));
    hand.go_on();
    other.suspend(&tenant.worker, true);
    hand.commit(first);
    hand.run();
    let ids = [started(&mut hand, a), started(&mut hand, b)];
    assert!(tasks(&mut hand, call).is_empty());
    assert!(tasks(&mut hand, again).is_empty(), "a suspended worker takes nothing");
    other.suspend(&tenant.worker, false);
    let taken: Vec<_> = hand.take().iter().map(|task| task.transaction).collect();
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert!(ids.iter().all(|id| taken.contains(id)));
}

#[test]
fn what_ends_in_the_next_batch_is_written_by_it() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let id = hand.start("two", json!({"n": 1}), None, None).unwrap();
    let task = hand.take_one("first");
    let report = hand.push_report(&task, output(json!(1)));
    let first = hand.send();
    let terminate = hand.push_terminate(id);
    hand.go_on();
    hand.commit(first);
    assert!(hand.answer_of(report).is_some_and(|answer| answer.is_ok()));
    let second = hand.send();
    assert_eq!(second.transactions.iter().map(|row| (row.id, row.status)).collect::<Vec<_>>(), [(id, "terminated")]);
    hand.commit(second);
    assert!(matches!(hand.answer_of(terminate), Some(Ok(Response::Operated(_)))));
    assert_eq!(hand.settled(id).0, Status::Terminated);
}

#[test]
fn a_key_is_one_transaction_over_batches_that_overlap() {
    let tenant = Tenant::new(1, &[ONE_STEP]);
    let mut hand = tenant.hand(0);
    // The keys are asked for before a batch is built on what the store said of them.
    let a = push_start(&mut hand, Some("k"));
    let other = push_start(&mut hand, None);
    let b = push_start(&mut hand, Some("k"));
    hand.run();
    let (a, b) = (started(&mut hand, a), started(&mut hand, b));
    assert_eq!(a, b);
    assert_ne!(started(&mut hand, other), a);
    let c = push_start(&mut hand, None);
    let first = hand.send();
    let d = push_start(&mut hand, Some("k"));
    let e = push_start(&mut hand, None);
    hand.go_on();
    hand.commit(first);
    hand.run();
    assert_eq!(started(&mut hand, d), a);
    assert_ne!(started(&mut hand, c), started(&mut hand, e));
}

/// What comes to pass while a batch gathers is seen by it, also of a transaction that one of its inputs looks at.
#[test]
fn a_time_that_comes_while_a_batch_gathers_is_not_lost() {
    let impatient = ONE_STEP.replace(r#""timeout": "20s""#, r#""queue_timeout": "5s""#);
    let tenant = Tenant::new(1, &[&impatient]);
    let mut hand = tenant.hand(0);
    let waits = push_start(&mut hand, None);
    hand.run();
    let waits = started(&mut hand, waits);
    push_start(&mut hand, None);
    let sent = hand.send();
    push_start(&mut hand, None);
    hand.go_on();
    hand.now = hand.now.plus(Duration::from_secs(6));
    let justification = "too soon".to_owned();
    let retry = hand.push(Command::Retry(Operation { id: waits, actor: tenant.actor.id, justification }));
    hand.go_on();
    hand.commit(sent);
    hand.run();
    assert!(matches!(hand.answer_of(retry), Some(Err(_))), "nothing of it waits for a person");
    hand.wait(Duration::from_secs(1));
    assert_eq!(hand.settled(waits).0, Status::Failed, "no worker took it in time");
}

#[test]
fn what_waited_while_nobody_served_has_time_to_be_taken() {
    let short = ONE_STEP.replace(r#""run""#, r#""queue_timeout": "6s", "run""#);
    assert_ne!(short, ONE_STEP);
    for is_taken in [true, false] {
        let tenant = Tenant::new(1, &[&short]);
        let mut hand = tenant.hand(0);
        let id = hand.start("one", json!({}), None, None).unwrap();
        let (now, lease) = (hand.now.plus(Duration::from_secs(8)), Duration::from_secs(10));
        let mut hand = tenant.hand_at(0, now);
        hand.wait(Duration::from_secs(1));
        let status = |tenant: &Tenant| tenant.store.dump().transactions.iter().find(|row| row.id == id).unwrap().status;
        assert_eq!(status(&tenant), "running");
        if is_taken {
            let task = hand.take_one("only");
            hand.report(&task, output(json!(1)));
            assert_eq!(hand.settled(id).0, Status::Completed);
        } else {
            hand.wait(lease);
            assert_eq!(hand.settled(id).0, Status::Failed);
        }
    }
}

#[test]
fn no_lease_lapses_while_the_store_keeps_everybody_waiting() {
    for fault in [None, Some(Fault::Fail), Some(Fault::UnknownLost)] {
        let tenant = Tenant::new(1, &[ONE_STEP]);
        let mut hand = tenant.hand(0);
        let id = hand.start("one", json!({}), None, None).unwrap();
        let task = hand.take_one("only");
        push_start(&mut hand, None);
        let batch = hand.send();
        // For longer than a lease nobody is answered, and others go on asking.
        hand.now = hand.now.plus(Duration::from_secs(15));
        push_start(&mut hand, None);
        hand.go_on();
        if let Some(fault) = fault {
            tenant.store.fault_next(fault);
        }
        hand.commit(batch);
        hand.wait(Duration::from_secs(1));
        assert_eq!(hand.report(&task, output(json!(1))), Ack::Recorded, "{fault:?}");
        assert_eq!(hand.settled(id).0, Status::Completed);
        // Whoever says nothing once it answers again loses what it has.
        let again = hand.start("one", json!({}), None, None).unwrap();
        let other = hand.take().into_iter().find(|task| task.transaction == again).unwrap();
        hand.wait(Duration::from_secs(11));
        assert_eq!(hand.report(&other, output(json!(1))), Ack::Superseded, "{fault:?}");
    }
}
