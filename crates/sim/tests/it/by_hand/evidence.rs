//! Evidence: it counts from the commit that adds it, on every shard, and goes when its time is over.

use super::hand::{Hand, Tenant, in_force};
use chancery_base::{Digest, EvidenceId, json};
use chancery_engine::Status;
use chancery_policy::Bundle;
use chancery_shard::evidence::{BoundTo, Terms};
use chancery_shard::input::*;
use chancery_store::Scan as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const ONE: &str = r#"{"name": "one", "version": 1, "steps": [{"id": "only", "run": {"worker": "w"}}]}"#;
const SECOND: Duration = Duration::from_secs(1);

fn add(hand: &mut Hand, content: &[u8], digest: Digest, bound: Option<BoundTo>, keep: Duration) -> Change {
    let id = EvidenceId::draw(hand.now, &mut hand.entropy);
    let size = u64::try_from(content.len()).ok();
    let media_type = "text/plain".to_owned();
    let terms = Terms { name: "dpia".parse().unwrap(), media_type, digest, size, link: None, bound };
    Change::EvidenceAdd { id, terms: Box::new(terms), until: hand.now.plus(keep), content: Some(Arc::from(content)) }
}

fn added(hand: &mut Hand, bound: Option<BoundTo>, keep: Duration) {
    let change = add(hand, b"it", Digest::of(b"it"), bound, keep);
    let done = hand.change(change);
    assert!(matches!(done, Ok(Response::Done { seq: Some(_) })), "{done:?}");
}

/// How many rows and contents there are.
fn rows(tenant: &Tenant) -> (usize, usize) {
    (tenant.store.evidence(None, 10).unwrap().len(), tenant.store.evidence_contents(None, 10).unwrap().len())
}

#[test]
fn it_is_erased_when_its_time_is_over_though_nothing_arrives() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    added(&mut hand, None, 5 * SECOND);
    added(&mut hand, None, 9 * SECOND);
    assert_eq!(rows(&tenant), (2, 2));
    hand.wait(4 * SECOND);
    assert_eq!(rows(&tenant), (2, 2));
    hand.wait(2 * SECOND);
    assert_eq!(rows(&tenant), (1, 1));
    // The next owner erases what came to its end while there was none.
    let mut next = tenant.hand_at(0, hand.now.plus(10 * SECOND));
    next.run();
    assert_eq!(rows(&tenant), (0, 0));
}

#[test]
fn what_is_not_as_it_says_changes_nothing() {
    let tenant = Tenant::new(2, &[ONE]);
    let mut hand = tenant.hand(0);
    let before = hand.size();
    for (content, digest, keep, says) in [
        (&b"it"[..], Digest::of(b"other"), 5 * SECOND, "digest: it is not that of the content"),
        (b"it", Digest::of(b"it"), Duration::ZERO, "keep: until"),
        (&[0; (1 << 20) + 1], Digest::of(&[0; (1 << 20) + 1]), 5 * SECOND, "content: 1048577 bytes"),
    ] {
        let change = add(&mut hand, content, digest, None, keep);
        let refused = hand.change(change);
        assert!(matches!(&refused, Err(Refusal::Invalid(why)) if why.contains(says)), "{refused:?}");
    }
    assert_eq!((hand.size(), rows(&tenant)), (before, (0, 0)));
    let mut other = tenant.hand(1);
    let change = add(&mut other, b"it", Digest::of(b"it"), None, SECOND);
    assert!(matches!(other.change(change), Err(Refusal::Invalid(_))), "only shard 0 takes it");
}

/// A tenant whose steps take evidence of their transaction.
fn demanding(shards: u16) -> Tenant {
    let tenant = Tenant::new(shards, &[ONE]);
    let schema = "entity User, Service, Agent, Definition; entity Step in [Definition];
        action start, run appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };";
    let document = json!({
        "name": "strict", "version": 1, "schema": schema, "policies": "permit (principal, action, resource);",
        "obligations": "@obligation(\"evidence\") @name(\"dpia\") permit (principal, action == Action::\"run\", resource);",
    });
    let bundle = Arc::new(Bundle::parse(&json::canonical(&document)).unwrap());
    let mut hand = tenant.hand(0);
    for change in in_force(&bundle) {
        hand.change(change).unwrap();
    }
    drop(hand);
    tenant
}

/// What is decided under a control state that lacks it, or has it still, is not committed.
#[test]
fn another_shard_sees_it_as_soon_as_it_is_added_and_not_once_it_is_gone() {
    let tenant = demanding(2);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    let id = second.start("one", json!({}), None, None).unwrap();
    let bound = Some(BoundTo { transaction: id, step: None });
    added(&mut first, bound, 5 * SECOND);
    assert_eq!(second.take().len(), 1, "it was added before the step was decided");
    let late = second.start("one", json!({}), None, None).unwrap();
    added(&mut first, Some(BoundTo { transaction: late, step: None }), 5 * SECOND);
    first.wait(6 * SECOND);
    second.now = first.now;
    assert!(second.take_as("two").is_empty());
    assert_eq!(second.settled(late).0, Status::Failed);
}
