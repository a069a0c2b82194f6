//! Maintenance: nothing begins, and what runs goes on.

use super::hand::{Hand, Tenant, output, signal};
use super::{ONE_STEP, TWO_STEPS};
use chancery_engine::{ShownStatus, Status};
use chancery_shard::input::*;
use serde_json::json;

const CART: &str = r#"{"name": "cart", "version": 1, "steps": [
    {"id": "a", "run": {"signal": {"name": "add"}}},
    {"id": "b", "after": ["a"], "run": {"signal": {"name": "add"}}},
    {"id": "c", "after": ["b"], "run": {"signal": {"name": "add"}}}
]}"#;

fn turn(hand: &mut Hand, on: bool) -> Option<u64> {
    let change = Change::Maintenance { on, justification: "disks".to_owned() };
    match hand.change(change) {
        Ok(Response::Done { seq }) => seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_begins_and_what_runs_comes_to_its_end_also_after_a_restart() {
    let tenant = Tenant::new(1, &[TWO_STEPS, ONE_STEP]);
    let mut hand = tenant.hand(0);
    let running = hand.start("two", json!({"n": 1}), Some("k"), None).unwrap();
    let first = hand.take_one("first");
    assert!(turn(&mut hand, true).is_some());
    assert_eq!(turn(&mut hand, true), None, "it is so already");
    let size = hand.size();
    let refused = hand.start("one", json!(1), None, None);
    assert!(matches!(refused, Err(Refusal::Maintenance { platform: false })), "{refused:?}");
    assert_eq!(hand.size(), size, "a start that is refused writes nothing");
    assert_eq!(hand.start("two", json!({"n": 1}), Some("k"), None).unwrap(), running, "what began before is found");

    let mut hand = tenant.hand_at(0, hand.now);
    assert!(matches!(hand.start("one", json!(1), None, None), Err(Refusal::Maintenance { platform: false })));
    assert_eq!(hand.report(&first, output(json!(1))), Ack::Recorded);
    let second = hand.take_one("second");
    assert_eq!(hand.report(&second, output(json!(2))), Ack::Recorded);
    assert_eq!(hand.settled(running).0, Status::Completed);
    assert!(turn(&mut hand, false).is_some());
    assert_eq!(turn(&mut hand, false), None);
    assert!(hand.start("one", json!(1), None, None).is_ok());
}

#[test]
fn a_start_that_signals_what_runs_begins_nothing() {
    let tenant = Tenant::new(1, &[CART]);
    let mut hand = tenant.hand(0);
    let add = |id| Some(signal("add", Some(id)));
    let (id, ..) = hand.start_with("cart", None, Some("cart-1"), None, add("one")).unwrap();
    turn(&mut hand, true);
    let again = hand.start_with("cart", None, Some("cart-1"), None, add("two")).unwrap();
    assert_eq!(again, (id, true, ShownStatus::Waiting));
    let refused = hand.start_with("cart", None, Some("cart-2"), None, add("one"));
    assert!(matches!(refused, Err(Refusal::Maintenance { platform: false })), "{refused:?}");
}

#[test]
fn every_shard_of_a_tenant_obeys_when_the_call_returns() {
    let tenant = Tenant::new(2, &[ONE_STEP]);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    assert!(second.start("one", json!(1), None, None).is_ok());
    turn(&mut first, true);
    let refused = second.start("one", json!(1), None, None);
    assert!(matches!(refused, Err(Refusal::Maintenance { platform: false })), "{refused:?}");
}

#[test]
fn what_a_stale_owner_knows_of_maintenance_is_confirmed_before_it_is_said() {
    let tenant = Tenant::new(2, &[ONE_STEP]);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    turn(&mut first, true);
    assert!(second.start("one", json!(1), None, None).is_err());
    turn(&mut first, false);
    // The second shard believes that it lasts: the guard tells it that it does not.
    assert!(second.start("one", json!(1), None, None).is_ok());
}
