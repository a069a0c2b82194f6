//! Overrides: one that is for one act is had once, however many could have it in one commit, and time ends it.

use super::TWO_STEPS;
use super::hand::{Hand, Tenant, in_force};
use chancery_base::{Digest, Entropy, EvidenceId, OverrideId, PrincipalId, PrincipalKind, Timestamp, json};
use chancery_engine::Status;
use chancery_policy::{Bundle, EntityRef};
use chancery_shard::evidence::Terms;
use chancery_shard::input::*;
use chancery_shard::over::{OverrideKind, OverrideOn};
use chancery_shard::replay::Replay;
use chancery_store::scan::Scan;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const SCHEMA: &str = "
    entity Role;
    entity User in [Role] = { name: String };
    entity Service in [Role] = { name: String };
    entity Agent in [Role] = { name: String };
    entity Definition;
    entity Step in [Definition];
    action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
    action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
";
const STARTS: &str = "permit (principal, action == Action::\"start\", resource);";
const WHY: &str = "the warehouse burns, incident 4711";

fn person(seed: u8) -> PrincipalId {
    PrincipalId::draw(PrincipalKind::User, Timestamp::EPOCH, &mut Entropy::from_seed([seed; 32]))
}

/// A tenant whose policy permits starts and nothing else.
fn set_up() -> (Tenant, Hand) {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let document = json!({"name": "starts", "version": 1, "schema": SCHEMA, "policies": STARTS});
    let bundle = Arc::new(Bundle::parse(&json::canonical(&document)).unwrap());
    let mut hand = tenant.hand(0);
    for change in in_force(&bundle) {
        assert!(hand.change(change).is_ok());
    }
    (tenant, hand)
}

fn by(hand: &mut Hand, actor: PrincipalId, change: Change) -> Result<Response, Refusal> {
    hand.ask(Command::Control(Box::new(ControlChange { actor, change })))
}

/// One person asks for an override of the first step, for a minute, and another grants it.
fn granted(hand: &mut Hand, tenant: &Tenant, kind: OverrideKind) -> OverrideId {
    granted_of(hand, tenant, kind, ("run", EntityRef::new("Step", "two/first")))
}

/// The same of another action and resource.
fn granted_of(
    hand: &mut Hand,
    tenant: &Tenant,
    kind: OverrideKind,
    (action, resource): (&str, EntityRef),
) -> OverrideId {
    let id = OverrideId::draw(hand.now, &mut hand.entropy);
    let on = OverrideOn::Access { principal: tenant.actor.id, action: action.to_owned(), resource };
    let (until, why) = (hand.now.plus(Duration::from_secs(60)), WHY.to_owned());
    let asked = Change::OverrideRequest { id, kind, on, until, justification: why.clone() };
    assert!(by(hand, person(1), asked).is_ok());
    let grant = Change::OverrideSay { id, say: OverrideSay::Grant, justification: why };
    assert!(matches!(by(hand, person(1), grant.clone()), Err(Refusal::Override(_))), "who asks does not grant");
    assert!(by(hand, person(2), grant).is_ok());
    id
}

#[test]
fn of_two_steps_in_one_commit_one_goes_out() {
    let (tenant, mut hand) = set_up();
    let started = [1, 2].map(|n| hand.start("two", json!({ "n": n }), None, None).unwrap());
    granted(&mut hand, &tenant, OverrideKind::EmergencyBypass);
    let tasks = hand.take();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    let other = started.into_iter().find(|id| *id != tasks[0].transaction).unwrap();
    assert_eq!(hand.settled(other).0, Status::Failed);
    assert!(hand.start("two", json!({"n": 3}), None, None).is_ok());
    assert!(hand.take_as("two").is_empty(), "it was for one act");
}

#[test]
fn an_exception_lets_all_out_until_its_time_has_come() {
    let (tenant, mut hand) = set_up();
    granted(&mut hand, &tenant, OverrideKind::TimeLimitedException);
    for n in [1, 2] {
        hand.start("two", json!({ "n": n }), None, None).unwrap();
    }
    assert_eq!(hand.take().len(), 2);

    let (tenant, mut hand) = set_up();
    granted(&mut hand, &tenant, OverrideKind::TimeLimitedException);
    let size = hand.size();
    hand.wait(Duration::from_secs(61));
    assert_eq!(hand.size(), size + 1, "that it expired is an entry, and there is one");
    let late = hand.start("two", json!({"n": 3}), None, None).unwrap();
    assert!(hand.take_as("two").is_empty());
    assert_eq!(hand.settled(late).0, Status::Failed);
}

/// Where two bundles have to permit, an override that one of them needs is had, whatever the other says.
#[test]
fn what_only_the_pinned_bundle_denies_uses_an_override_up() {
    let both = TWO_STEPS.replace(r#""version": 1,"#, r#""version": 1, "policy": "both","#);
    let tenant = Tenant::new(1, &[&both]);
    let mut hand = tenant.hand(0);
    for (name, policies) in [("starts", STARTS), ("wide", "permit (principal, action, resource);")] {
        let document = json!({"name": name, "version": 1, "schema": SCHEMA, "policies": policies});
        for change in in_force(&Arc::new(Bundle::parse(&json::canonical(&document)).unwrap())) {
            hand.change(change).unwrap();
        }
        if name == "starts" {
            for n in [1, 2] {
                hand.start("two", json!({ "n": n }), None, None).unwrap();
            }
        }
    }
    granted(&mut hand, &tenant, OverrideKind::EmergencyBypass);
    let tasks = hand.take();
    assert_eq!(tasks.len(), 1, "it was for one act: {tasks:?}");
}

/// The entry that says that it was used is not the one that has the input.
#[test]
fn what_began_under_an_override_has_its_own_input() {
    let (tenant, mut hand) = set_up();
    let steps = "permit (principal, action == Action::\"run\", resource);";
    let document = json!({"name": "steps", "version": 1, "schema": SCHEMA, "policies": steps});
    for change in in_force(&Arc::new(Bundle::parse(&json::canonical(&document)).unwrap())) {
        assert!(hand.change(change).is_ok());
    }
    let start = ("start", EntityRef::new("Definition", "two"));
    granted_of(&mut hand, &tenant, OverrideKind::ExecutiveOverride, start);
    let id = hand.start("two", json!({ "n": 7 }), None, None).unwrap();
    let mut hand = tenant.hand_with(0, hand.now, |config| config);
    let first = hand.take_one("first");
    assert_eq!((first.transaction, first.input.value()), (id, &json!({ "n": 7 })), "for another owner, too");
    control_epochs(&tenant);
}

/// What is recorded of a tenant's control epoch, and what its entries amount to: what `verify` compares.
fn control_epochs(tenant: &Tenant) -> (u64, u64) {
    let log = Scan::logs(&tenant.store).unwrap().into_iter().find(|log| log.tenant == tenant.id).unwrap();
    let mut replay = Replay::new(log.id);
    for entry in &tenant.store.dump().entries[&log.id] {
        replay.entry(entry).unwrap();
    }
    (log.control_epoch, replay.finish().1.control_epoch)
}

#[test]
fn what_changes_the_control_state_twice_in_one_commit_is_counted_twice() {
    let (tenant, mut hand) = set_up();
    for kind in [OverrideKind::TimeLimitedException, OverrideKind::EmergencyBypass] {
        granted(&mut hand, &tenant, kind);
    }
    hand.wait(Duration::from_secs(61));
    let (stored, replayed) = control_epochs(&tenant);
    assert_eq!(stored, replayed, "two overrides have expired at once");

    let (media_type, digest) = ("text/plain".to_owned(), Digest::of(b"elsewhere"));
    let terms = Terms { name: "dpia".parse().unwrap(), media_type, digest, size: None, link: None, bound: None };
    let until = hand.now.plus(Duration::from_secs(60));
    for _ in 0..2 {
        let id = EvidenceId::draw(hand.now, &mut hand.entropy);
        let terms = Box::new(terms.clone());
        assert!(hand.change(Change::EvidenceAdd { id, terms, until, content: None }).is_ok());
    }
    hand.wait(Duration::from_secs(61));
    let (stored, replayed) = control_epochs(&tenant);
    assert_eq!(stored, replayed, "two artefacts have come to their end at once");

    for kind in [OverrideKind::EmergencyBypass, OverrideKind::RiskAccepted] {
        granted(&mut hand, &tenant, kind);
    }
    for n in [1, 2] {
        hand.start("two", json!({ "n": n }), None, None).unwrap();
    }
    assert_eq!(hand.take().len(), 2);
    let (stored, replayed) = control_epochs(&tenant);
    assert_eq!(stored, replayed, "two overrides were used in one commit");
}
