//! Steps whose workers get capability tokens: who is handed them, what the token will say, and how one is revoked.

use super::hand::{Hand, Tenant, output};
use chancery_base::{Digest, PublicKey};
use chancery_engine::{Phase, Status};
use chancery_shard::input::*;
use chancery_shard::token::CapabilityId;
use serde_json::json;
use std::time::Duration;

const PAY: &str = r#"{"name": "pay", "version": 1, "steps": [
    {"id": "charge", "run": {"worker": "w"}, "with": {"order": "${{ input.order }}"}, "timeout": "20s",
     "retry": {"attempts": 3, "backoff": "0ms"},
     "capability": {"seconds": 10, "purpose": "order ${{ input.order }}", "budget": "${{ input.amount }}"},
     "compensate": {"run": {"worker": "undo"}}},
    {"id": "ship", "after": ["charge"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
]}"#;
const PLAIN: &str = r#"{"name": "plain", "version": 1, "steps": [{"id": "only", "run": {"worker": "w"}}]}"#;

fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes([byte; 32])
}

fn held(hand: &Hand) -> Option<Hold> {
    hand.shard.gauges().held.get(&"w".parse().unwrap()).copied()
}

fn pay(hand: &mut Hand) -> chancery_base::TransactionId {
    hand.start("pay", json!({ "order": "17", "amount": 120 }), None, None).unwrap()
}

#[test]
fn only_who_presents_a_key_gets_what_has_a_token() {
    let tenant = Tenant::new(1, &[PAY, PLAIN]);
    let mut hand = tenant.hand(0);
    pay(&mut hand);
    let size = hand.size();
    assert!(hand.take_with_key("keyless", None).is_empty());
    assert_eq!((held(&hand), hand.size()), (Some(Hold::Keys), size), "nothing is written");
    hand.start("plain", json!(null), None, None).unwrap();
    // What waits behind it needs no key, and does not wait for one.
    let keyless = hand.take_with_key("keyless", None);
    let steps: Vec<_> = keyless.iter().map(|task| task.step.as_str()).collect();
    assert_eq!(steps, ["only"]);
    let depths = hand.shard.gauges().queues;
    assert_eq!((depths.len(), depths[0].1), (1, 1), "one queue, of which one step waits");
    let keyed = hand.take_with_key("keyed", Some(key(7)));
    assert_eq!((keyed.len(), held(&hand)), (1, None));
    let capability = keyed[0].capability.as_ref().unwrap();
    assert_eq!((capability.key, capability.worker), (key(7), tenant.worker.id));
    assert_eq!((capability.action.as_str(), capability.resource.kind.as_str()), ("run", "Step"));
    assert_eq!(capability.resource.id, "pay/charge");
    assert_eq!((capability.purpose.as_deref(), capability.budget), (Some("order 17"), Some(120)));
    assert_eq!(capability.input, Digest::of(br#"{"order":"17"}"#));
    assert_eq!(capability.expires_at, hand.now.plus(Duration::from_secs(10)));
    assert!(keyless[0].capability.is_none());
}

#[test]
fn what_did_not_arrive_goes_again_bound_to_the_key_that_is_presented_then() {
    let tenant = Tenant::new(1, &[PAY]);
    let mut hand = tenant.hand(0);
    pay(&mut hand);
    let first = hand.take_with_key("w", Some(key(7))).pop().unwrap();
    assert!(hand.take_with_key("w", None).is_empty(), "without a key it does not go again");
    let again = hand.take_with_key("w", Some(key(8))).pop().unwrap();
    assert_eq!((again.token, again.attempt), (first.token, 1));
    assert_eq!(again.capability.as_ref().unwrap().key, key(8));
    assert_eq!(again.capability.as_ref().unwrap().expires_at, first.capability.as_ref().unwrap().expires_at);
}

#[test]
fn a_compensation_has_a_token_of_its_own() {
    let tenant = Tenant::new(1, &[PAY]);
    let mut hand = tenant.hand(0);
    let id = pay(&mut hand);
    let charge = hand.take_with_key("w", Some(key(7))).pop().unwrap();
    assert_eq!(hand.report(&charge, output(json!("charged"))), Ack::Recorded);
    hand.cancel(id);
    hand.now = hand.now.plus(Duration::from_secs(60));
    assert!(hand.take_with_key("keyless", None).is_empty());
    let undo = hand.take_with_key("w", Some(key(7))).pop().unwrap();
    let capability = undo.capability.as_ref().unwrap();
    assert_eq!((undo.phase, undo.decision), (Phase::Undo, charge.decision), "the decision about the step covers it");
    assert_eq!((capability.action.as_str(), capability.budget), ("run", Some(120)));
    assert!(capability.expires_at > charge.capability.as_ref().unwrap().expires_at);
    assert_eq!(capability.input, Digest::of(br#""charged""#));
    assert_ne!(CapabilityId(undo.token.attempt), CapabilityId(charge.token.attempt));
    assert_eq!(hand.report(&undo, output(json!(null))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Cancelled);
    super::children::replays(&tenant);
}

#[test]
fn a_revoked_token_ends_its_attempt_and_what_its_worker_reports_does_not_count() {
    let tenant = Tenant::new(1, &[PAY]);
    let mut hand = tenant.hand(0);
    let id = pay(&mut hand);
    let charge = hand.take_with_key("w", Some(key(7))).pop().unwrap();
    let seq = hand.size();
    let revoked = hand.revoke(charge.token.attempt);
    assert!(matches!(revoked, Ok(Response::Done { seq: Some(at) }) if at == seq), "{revoked:?}");
    assert_eq!(hand.report(&charge, output(json!("charged"))), Ack::Superseded);
    // It may have taken effect: what undoes it has a token, which is another one.
    let undo = hand.take_with_key("w", Some(key(7))).pop().unwrap();
    assert_eq!((undo.phase, undo.forward_unknown), (Phase::Undo, true));
    let again = hand.revoke(charge.token.attempt);
    assert!(matches!(again, Err(Refusal::Illegal(_))), "{again:?}");
    assert_eq!(hand.report(&undo, output(json!(null))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Compensated);
    assert!(hand.kinds(id).contains(&"step.failed".to_owned()));
    super::children::replays(&tenant);
}

#[test]
fn what_has_no_token_can_t_be_revoked() {
    let tenant = Tenant::new(1, &[PLAIN]);
    let mut hand = tenant.hand(0);
    hand.start("plain", json!(null), None, None).unwrap();
    let task = hand.take_with_key("w", Some(key(7))).pop().unwrap();
    let size = hand.size();
    let refused = hand.revoke(task.token.attempt);
    assert!(matches!(refused, Err(Refusal::NotFound(_))), "{refused:?}");
    assert_eq!(hand.size(), size, "nothing is written");
    assert_eq!(hand.report(&task, output(json!(null))), Ack::Recorded);
}
