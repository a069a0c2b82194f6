//! Decisions: what permits, what denies, and what is said of it.

use crate::support::{bundle, directory, document, id, object, parse, request};
use chancery_base::PrincipalKind;
use chancery_policy::{Bundle, Dimension, Outcome, Request, Risk, decide, decide_again, decide_at_risk};
use serde_json::json;

const ANYTHING: &str = "@id(\"all\") @reason(\"anything goes\") permit (principal, action, resource);";

fn check_with(bundle: &Bundle, edit: impl FnOnce(&mut Request), outcome: Outcome, expected: &str) {
    let mut request = request();
    edit(&mut request);
    let decision = decide(bundle, &directory(), &request);
    assert_eq!(decision.outcome, outcome, "{}", decision.explanation());
    assert!(decision.explanation().contains(expected), "expected {expected:?} in {:?}", decision.explanation());
    let payload: serde_json::Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!(decide_again(bundle, &payload), outcome, "{payload}");
}

fn check(policies: &str, edit: impl FnOnce(&mut Request), outcome: Outcome, expected: &str) {
    check_with(&bundle(policies), edit, outcome, expected);
}

fn same(_: &mut Request) {}

#[test]
fn policies_decide() {
    check(ANYTHING, same, Outcome::Permit, "all: anything goes");
    check("", same, Outcome::Deny, "no policy permits `run` on Step::\"create-order/charge\"");
    let forbid = format!("{ANYTHING} @id(\"no\") forbid (principal, action, resource);");
    check(&forbid, same, Outcome::Deny, "no: this policy forbids it");
    check("permit (principal in Role::\"buyer\", action, resource);", same, Outcome::Permit, "policy0");
    check("permit (principal in Role::\"seller\", action, resource);", same, Outcome::Deny, "no policy permits");
    check(
        "permit (principal, action in Action::\"all\", resource in Definition::\"create-order\");",
        same,
        Outcome::Permit,
        "policy0",
    );
    check("permit (principal is User, action, resource);", same, Outcome::Deny, "no policy permits");
    let limit = "@id(\"limit\") permit (principal is Agent, action == Action::\"run\", resource) when \
                 { principal has limit && resource has amount && resource.amount <= principal.limit };";
    let amount =
        |amount: i64| move |request: &mut Request| request.resource.attributes = object(json!({ "amount": amount }));
    check(limit, amount(5000), Outcome::Permit, "limit");
    check(limit, amount(5001), Outcome::Deny, "no policy permits");
    let manager = "permit (principal is Agent, action == Action::\"run\", resource) when { principal has manager && \
                   principal.manager has trusted && principal.manager.trusted };";
    check(manager, same, Outcome::Permit, "policy0");
}

/// Cedar would permit each of these: it leaves out a policy that errs.
#[test]
fn a_policy_that_errs_denies() {
    let overflow = |effect: &str| {
        format!(
            "{ANYTHING} @id(\"bad\") {effect} (principal, action == Action::\"run\", resource) when \
             {{ context has amount && context.amount * 9000000000000000 < 0 }};"
        )
    };
    let largest = |request: &mut Request| request.context = object(json!({ "amount": 1_i64 << 53 }));
    for effect in ["permit", "forbid"] {
        let expected = "bad: this policy failed, and a policy that fails denies";
        check(&overflow(effect), largest, Outcome::Deny, expected);
        let small = |request: &mut Request| request.context = object(json!({ "amount": 1 }));
        check(&overflow(effect), small, Outcome::Permit, "all: anything goes");
    }
    let missing = format!(
        "{ANYTHING} @id(\"bad\") forbid (principal, action, resource is Step) when \
                           {{ resource has owner && resource.owner.id == \"x\" }};"
    );
    let nobody = id(PrincipalKind::User, 9).to_string();
    let owner = |request: &mut Request| {
        request.resource.attributes = object(json!({ "owner": { "type": "User", "id": nobody } }));
    };
    check(&missing, owner, Outcome::Deny, "does not exist");
    let bundle = bundle(&missing);
    let mut request = request();
    owner(&mut request);
    let decision = decide(&bundle, &directory(), &request);
    assert_eq!(decision.errors.len(), 1);
    assert_eq!(decision.errors[0].policy, "bad");
    assert!(
        decision.reasons.iter().all(|reason| reason.policy.as_deref() != Some("all")),
        "a permit is no reason to deny"
    );
}

#[test]
fn what_does_not_conform_is_denied_and_named() {
    let context = |value| move |request: &mut Request| request.context = object(value);
    let cases = [
        (json!({ "amount": 0.5 }), "`context.amount` is 0.5, but policies know whole numbers only"),
        (json!({ "place": { "country": "AT", "zip": 1.5 } }), "`context.place.zip` is 1.5"),
        (json!({ "tags": ["a", null] }), "`context.tags[1]` is null"),
        (json!({ "amount": "1" }), "`context.amount` must be a whole number"),
        (json!({ "amount": u64::MAX }), "`context.amount` is 18446744073709551615"),
        (json!({ "amount": (1_i64 << 53) + 1 }), "`context.amount` is 9007199254740993, beyond ±2^53"),
        (json!({ "place": {} }), "`context.place.country` is missing"),
        (json!({ "place": { "country": "AT", "x": 1 } }), "`context.place.x` is not declared by the schema"),
        (json!({ "tags": ["a", 1] }), "`context.tags[1]` must be text"),
        (json!({ "unknown": 1 }), "`context.unknown` is not declared by the schema"),
        (json!({ "address": "nowhere" }), "nowhere"),
        (json!({ "address": 1 }), "`context.address` must be text that is a ip"),
        (json!({ "color": { "type": "Color", "id": "blue" } }), "the bundle's schema has no Color::\"blue\""),
        (json!({ "color": { "type": "Role", "id": "red" } }), "`context.color` must be an entity"),
    ];
    for (value, expected) in cases {
        check(ANYTHING, context(value), Outcome::Deny, expected);
    }
    let taken = json!({
        "attempt": 1, "place": { "country": "AT" }, "tags": [], "address": "10.0.0.0/8", "color": { "type": "Color", "id": "red" },
    });
    check(ANYTHING, context(taken), Outcome::Permit, "all");
    check(ANYTHING, |request| request.action = "fly".to_owned(), Outcome::Deny, "has no action `fly`");
    check(
        ANYTHING,
        |request| request.action = "start".to_owned(),
        Outcome::Deny,
        "does not let `start` be done by Agent to Step",
    );
    check(
        ANYTHING,
        |request| request.resource.entity.kind = "Ship".to_owned(),
        Outcome::Deny,
        "has no entity type `Ship`",
    );
    check(ANYTHING, |request| request.principal = id(PrincipalKind::Agent, 3).into(), Outcome::Deny, "is suspended");
    check(ANYTHING, |request| request.principal = id(PrincipalKind::Agent, 4).into(), Outcome::Deny, "is unknown");
    check(ANYTHING, |request| request.principal = id(PrincipalKind::Service, 4).into(), Outcome::Deny, "is unknown");
    let attribute = |value| move |request: &mut Request| request.resource.attributes = object(value);
    check(ANYTHING, attribute(json!({ "tier": "gold" })), Outcome::Deny, "does not mark it @asserted on Step");
    check(ANYTHING, attribute(json!({ "amount": "1" })), Outcome::Deny, "`resource.amount` must be a whole number");
    check(ANYTHING, attribute(json!({ "amount": 1.5 })), Outcome::Deny, "`resource.attributes.amount` is 1.5");
    let parent = |request: &mut Request| request.resource.parents[0].kind = "Role".to_owned();
    check(ANYTHING, parent, Outcome::Deny, "does not let Step be in Role");
}

#[test]
fn static_entities_count_and_cannot_be_overridden() {
    let mut gold = document(
        "permit (principal, action, resource is Step) when { resource has tier && resource.tier == \"gold\" };",
    );
    gold["entities"] = json!([
        { "uid": { "type": "Step", "id": "create-order/charge" }, "attrs": { "tier": "gold", "amount": 7 },
          "parents": [{ "type": "Definition", "id": "shop" }] },
        { "uid": { "type": "Role", "id": "buyer" }, "attrs": {}, "parents": [] },
        { "uid": { "type": "Definition", "id": "shop" }, "attrs": { "tier": "iron" }, "parents": [] },
    ]);
    let gold = parse(&gold).unwrap();
    check_with(&gold, same, Outcome::Permit, "policy0");
    check_with(&gold, |request| request.resource.entity.id = "other".to_owned(), Outcome::Deny, "no policy permits");
    let amount = |request: &mut Request| request.resource.attributes = object(json!({ "amount": 1 }));
    check_with(&gold, amount, Outcome::Deny, "the bundle's entities give it");
    // A literal of a policy is the resource itself.
    let mut literal = document(
        "permit (principal, action, resource in Definition::\"shop\") when { Definition::\"shop\".tier == \"iron\" };",
    );
    literal["policies"] = json!(
        "permit (principal, action, resource == Step::\"create-order/charge\") when { \
        Definition::\"shop\" has tier && Definition::\"shop\".tier == \"iron\" };"
    );
    literal["entities"] = json!([
        { "uid": { "type": "Step", "id": "create-order/charge" }, "attrs": {}, "parents": [] },
        { "uid": { "type": "Definition", "id": "shop" }, "attrs": { "tier": "iron" }, "parents": [] },
    ]);
    let asserted = |request: &mut Request| request.resource.attributes = object(json!({ "amount": 1 }));
    check_with(&parse(&literal).unwrap(), asserted, Outcome::Permit, "policy0");
}

#[test]
fn a_payload_holds_what_was_handed_over_and_no_more() {
    let bundle = bundle(ANYTHING);
    let decision = decide(&bundle, &directory(), &request());
    let payload: serde_json::Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!(payload["bundle"], bundle.digest().to_string());
    assert_eq!(payload["outcome"], "permit");
    assert_eq!(payload["entities_digest"], decision.entities.to_string());
    assert_eq!(payload["entities"][0]["attrs"]["roles"], json!(["buyer"]));
    assert_eq!(payload["entities"][0]["attrs"]["model"], json!(null), "an attribute that the schema does not declare");
    assert_eq!(decide_again(&crate::support::bundle(""), &payload), Outcome::Deny);
    assert_eq!(decide_again(&bundle, &json!({})), Outcome::Deny);
    assert_eq!(decide_again(&bundle, &json!(null)), Outcome::Deny);
}

#[test]
fn a_risk_is_kept_and_one_that_is_not_known_denies() {
    let bundle = bundle(ANYTHING);
    let risk = Risk::of([(Dimension::Security, 70), (Dimension::Financial, 20)].into(), Vec::new()).unwrap();
    let decision = decide_at_risk(&bundle, &directory(), &request(), Ok(risk.clone()));
    assert_eq!((decision.outcome, decision.risk.as_ref()), (Outcome::Permit, Some(&risk)));
    let payload: serde_json::Value = serde_json::from_str(decision.payload()).unwrap();
    let expected =
        json!({ "score": 56, "level": "medium", "dimensions": { "security": 70, "financial": 20 }, "rows": [] });
    assert_eq!(payload["risk"], expected);
    assert_eq!(chancery_base::json::canonical(&payload), decision.payload().as_bytes());

    let decision = decide_at_risk(&bundle, &directory(), &request(), Err("table x failed".to_owned()));
    assert_eq!(
        (decision.outcome, decision.misfit, decision.explanation().as_str()),
        (Outcome::Deny, false, "table x failed")
    );
    let payload: serde_json::Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!((payload.get("risk"), decide_again(&bundle, &payload)), (None, Outcome::Deny));
    // What is no question is said to be none, whatever its risk.
    let mut unknown = request();
    unknown.action = "fly".to_owned();
    let decision = decide_at_risk(&bundle, &directory(), &unknown, Err("table x failed".to_owned()));
    assert!(decision.misfit && decision.explanation().contains("no action `fly`"), "{}", decision.explanation());
}
