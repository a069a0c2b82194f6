//! Waits, signals, pauses and later starts, with clocks that jump and servers that begin anew.

use super::hand::{Hand, Tenant, output, signal};
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::{ShownStatus, Status, StepError};
use chancery_shard::input::*;
use serde_json::json;
use std::time::Duration;

const REST: &str = r#"{"name": "rest", "version": 1, "steps": [
    {"id": "rest", "run": {"wait": "1h"}},
    {"id": "call", "after": ["rest"], "run": {"worker": "w"}}
]}"#;

const APPROVAL: &str = r#"{"name": "approval", "version": 1, "steps": [
    {"id": "stock", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "reserve", "run": {"worker": "w"}, "retry": {"attempts": 1}},
    {"id": "approved", "run": {"signal": {"name": "approved", "timeout": "3d"}}}
], "output": "${{ steps.approved.output }}"}"#;

const CART: &str = r#"{"name": "cart", "version": 1, "steps": [
    {"id": "a", "run": {"signal": {"name": "add"}}},
    {"id": "b", "after": ["a"], "run": {"signal": {"name": "add"}}},
    {"id": "c", "after": ["b"], "run": {"signal": {"name": "add"}}}
], "output": ["${{ steps.a.output.id }}", "${{ steps.b.output.id }}", "${{ steps.c.output.id }}"]}"#;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn fired(hand: &Hand, id: TransactionId) -> usize {
    hand.kinds(id).iter().filter(|kind| *kind == "timer.fired").count()
}

#[test]
fn a_clock_that_jumps_fires_each_wait_once() {
    let tenant = Tenant::new(1, &[REST]);
    let mut hand = tenant.hand(0);
    let began = hand.now;
    let ids: Vec<TransactionId> = (0..3).map(|_| hand.start("rest", json!({}), None, None).unwrap()).collect();
    let first = ids[0];
    assert_eq!(hand.row(first), ("waiting", Some(began.plus(HOUR))));

    // Far ahead: each fires once, however often somebody looks.
    hand.now = began.plus(30 * DAY);
    hand.run();
    hand.run();
    assert_eq!(ids.iter().map(|id| fired(&hand, *id)).collect::<Vec<_>>(), [1, 1, 1]);
    let tasks = hand.take();
    assert_eq!(tasks.len(), 3);

    // Far back: nothing fires again, and what begins to wait now does not wait for the time that was jumped over.
    hand.now = began;
    hand.run();
    let later = hand.start("rest", json!({}), None, None).unwrap();
    assert_eq!(fired(&hand, first), 1);
    // The log's own time does not go back.
    assert_eq!(hand.row(later), ("waiting", Some(began.plus(30 * DAY + HOUR))));

    // A server that begins anew with the clock that was set back, and one with the clock that was right.
    drop(hand);
    let mut early = tenant.hand_at(0, began);
    early.run();
    assert_eq!(fired(&early, later), 0);
    drop(early);
    let mut on_time = tenant.hand_at(0, began.plus(30 * DAY + HOUR));
    on_time.run();
    assert_eq!((fired(&on_time, later), fired(&on_time, first)), (1, 1));
    drop(on_time);
    let mut again = tenant.hand_at(0, began.plus(60 * DAY));
    again.run();
    assert_eq!((fired(&again, later), fired(&again, first)), (1, 1), "never twice");
}

#[test]
fn a_wait_is_exact_and_survives_its_server() {
    let tenant = Tenant::new(1, &[REST]);
    let mut hand = tenant.hand(0);
    let began = hand.now;
    let id = hand.start("rest", json!({}), None, None).unwrap();
    drop(hand);
    let due = began.plus(HOUR);
    let mut hand = tenant.hand_at(0, Timestamp::from_micros(due.as_micros() - 1));
    hand.run();
    assert_eq!(hand.row(id), ("waiting", Some(due)));
    hand.now = due;
    hand.run();
    assert_eq!(hand.kinds(id), ["transaction.started", "timer.started", "timer.fired"]);
    let call = hand.take_one("call");
    hand.report(&call, output(json!(1)));
    assert_eq!(hand.settled(id).0, Status::Completed);
}

#[test]
fn a_time_that_comes_while_others_call_is_not_lost() {
    let tenant = Tenant::new(1, &[REST, CART]);
    let mut hand = tenant.hand(0);
    let id = hand.start("rest", json!({}), None, None).unwrap();
    // Its time comes at the very moment at which something else is done to it.
    hand.now = hand.now.plus(HOUR);
    hand.pause(id);
    assert_eq!(hand.row(id).0, "paused");
    assert!(fired(&hand, id) <= 1);
    hand.resume(id);
    hand.run();
    assert_eq!(fired(&hand, id), 1);
}

/// A sibling's three-day approval does not hold up an undo.
#[test]
fn a_siblings_three_day_approval_does_not_hold_up_an_undo() {
    let tenant = Tenant::new(1, &[APPROVAL]);
    let mut hand = tenant.hand(0);
    let id = hand.start("approval", json!({}), None, None).unwrap();
    let tasks = hand.take();
    let of = |step: &str| tasks.iter().find(|task| task.step.as_str() == step).unwrap();
    hand.report(of("stock"), output(json!(1)));
    hand.report(of("reserve"), ReportedOutcome::Failed(StepError::new("OutOfStock", "none left")));
    // No time has passed.
    let undo = hand.take_one("stock");
    hand.report(&undo, output(json!(1)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
    let refused = hand.signal(id, "approved", None);
    assert!(matches!(refused, Err(Refusal::Illegal(_))), "{refused:?}");
}

#[test]
fn signals_are_kept_taken_in_order_and_outlive_the_server() {
    let tenant = Tenant::new(1, &[APPROVAL, CART]);
    let mut hand = tenant.hand(0);
    let cart = hand.start("cart", json!({}), None, None).unwrap();
    let approval = hand.start("approval", json!({}), None, None).unwrap();
    assert_eq!((hand.row(cart).0, hand.row(approval).0), ("waiting", "running"));
    hand.pause(cart);
    for (id, existing) in [("one", false), ("two", false), ("one", true)] {
        assert_eq!(hand.signal(cart, "add", Some(id)).unwrap(), existing);
    }
    let unknown = hand.signal(cart, "remove", None).unwrap_err();
    assert_eq!(unknown.kind(), chancery_base::Kind::Invalid);
    drop(hand);

    // Nothing was taken while it was paused; what was kept is loaded with what it says.
    let mut hand = tenant.hand(0);
    assert_eq!(hand.row(cart).0, "paused");
    assert!(hand.signal(cart, "add", Some("two")).unwrap(), "also after a restart");
    hand.resume(cart);
    assert_eq!(hand.row(cart).0, "waiting");
    assert!(!hand.signal(cart, "add", None).unwrap());
    assert_eq!(hand.settled(cart), (Status::Completed, Some(json!(["one", "two", null]))));
    assert!(hand.signal(cart, "add", Some("one")).unwrap(), "what came has come, also when it has ended");
    let missing = hand.signal(TransactionId::from_bytes([9; 16]), "add", None);
    assert!(matches!(missing, Err(Refusal::Missing(_))));

    hand.now = hand.now.plus(3 * DAY);
    hand.run();
    assert!(hand.kinds(approval).contains(&"step.failed".to_owned()), "the approval did not come");
}

#[test]
fn a_start_with_a_signal_starts_or_signals() {
    let tenant = Tenant::new(1, &[CART]);
    let mut hand = tenant.hand(0);
    let add = |id: &str| Some(signal("add", Some(id)));
    let (id, existing, status) = hand.start_with("cart", None, Some("cart-1"), None, add("one")).unwrap();
    assert_eq!((existing, status), (false, ShownStatus::Waiting));
    assert_eq!(
        hand.kinds(id),
        ["transaction.started", "signal.received", "signal.awaited", "signal.taken", "signal.awaited"],
        "in one commit with the start"
    );
    assert_eq!(
        hand.start_with("cart", None, Some("cart-1"), None, add("two")).unwrap(),
        (id, true, ShownStatus::Waiting)
    );
    assert_eq!(hand.start_with("cart", None, Some("cart-1"), None, add("two")).unwrap().0, id, "taken for the same");
    // Without a signal the key is taken.
    let taken = hand.start_with("cart", None, Some("cart-1"), None, None);
    assert!(matches!(taken, Err(Refusal::BusinessKeyTaken(of)) if of == id), "{taken:?}");
    let wrong = hand.start_with("cart", None, Some("cart-2"), None, Some(signal("remove", None))).unwrap_err();
    assert_eq!(wrong.kind(), chancery_base::Kind::Invalid);
    hand.start_with("cart", None, Some("cart-1"), None, add("three")).unwrap();
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!(["one", "two", "three"]))));
    let (next, existing, _) = hand.start_with("cart", None, Some("cart-1"), None, add("one")).unwrap();
    assert!(next != id && !existing, "what has ended has no business key");

    // The same by an idempotency key, also where the server began anew.
    let (id, ..) = hand.start_with("cart", Some("k"), None, None, add("one")).unwrap();
    drop(hand);
    let mut hand = tenant.hand(0);
    assert_eq!(hand.start_with("cart", Some("k"), None, None, add("two")).unwrap(), (id, true, ShownStatus::Waiting));
    assert_eq!(hand.start_with("cart", Some("k"), None, None, None).unwrap().0, id);
    assert!(!hand.is_settled(id));
}

#[test]
fn a_start_that_is_to_come_later_comes_then_or_is_cancelled() {
    let tenant = Tenant::new(1, &[CART, REST]);
    let mut hand = tenant.hand(0);
    let at = hand.now.plus(DAY);
    let (id, _, status) = hand.start_with("rest", Some("k"), None, Some(at), None).unwrap();
    assert_eq!((status, hand.row(id)), (ShownStatus::Waiting, ("waiting", Some(at))));
    let other = hand.start_with("rest", Some("k"), None, Some(at.plus(HOUR)), None);
    assert!(matches!(other, Err(Refusal::KeyReused(_))), "another time is another request");
    let (gone, ..) = hand.start_with("rest", None, None, Some(at), None).unwrap();
    hand.cancel(gone);
    assert_eq!(hand.settled(gone).0, Status::Cancelled);
    drop(hand);
    let mut hand = tenant.hand_at(0, at);
    hand.run();
    assert_eq!(hand.kinds(id), ["transaction.started", "timer.fired", "timer.started"]);
    assert_eq!(hand.row(id), ("waiting", Some(at.plus(HOUR))));
    let (now, _, status) = hand.start_with("rest", None, None, Some(Timestamp::EPOCH), None).unwrap();
    assert_eq!((status, hand.row(now).1), (ShownStatus::Waiting, Some(hand.now.plus(HOUR))), "what is past is now");
}

/// Every transaction that rests leaves memory here at once; what happens to it finds it all the same.
#[test]
fn what_only_waits_leaves_memory_and_comes_back() {
    let tenant = Tenant::new(1, &[REST, APPROVAL]);
    let mut hand = tenant.hand(0);
    let began = hand.now;
    let resting: Vec<TransactionId> = (0..5).map(|_| hand.start("rest", json!({}), None, None).unwrap()).collect();
    assert_eq!(hand.shard.gauges().active, 0);
    // One that has steps to do is kept until they are done.
    let approval = hand.start("approval", json!({}), None, None).unwrap();
    assert_eq!(hand.shard.gauges().active, 1);
    for task in hand.take() {
        hand.report(&task, output(json!(1)));
    }
    assert_eq!((hand.shard.gauges().active, hand.row(approval).0), (0, "waiting"));

    // A server that begins anew reads when they wake, and none of them.
    drop(hand);
    let mut hand = tenant.hand_at(0, began);
    assert_eq!(hand.shard.gauges().active, 0);
    hand.signal(approval, "approved", None).unwrap();
    assert_eq!(hand.row(approval).0, "completed");
    hand.now = began.plus(HOUR);
    hand.run();
    assert_eq!(resting.iter().map(|id| fired(&hand, *id)).collect::<Vec<_>>(), [1; 5]);
    assert_eq!((hand.take().len(), hand.shard.gauges().active), (5, 5));
}
