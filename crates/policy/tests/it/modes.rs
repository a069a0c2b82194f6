//! Modes: what is done where no policy says anything.

use crate::support::{directory, document, id, object, parse, request};
use chancery_base::PrincipalKind;
use chancery_policy::{Bundle, Demand, Mode, Outcome, Request, decide, decide_again};
use proptest::prelude::*;
use serde_json::{Value, json};

const FORBID_RED: &str = "@id(\"red\") forbid (principal, action == Action::\"run\", resource) when \
                          { context has color && context.color == Color::\"red\" };";

fn with(policies: &str, keys: &Value) -> Bundle {
    let mut document = document(policies);
    document.as_object_mut().unwrap().extend(object(keys.clone()));
    parse(&document).unwrap_or_else(|err| panic!("{err}"))
}

fn check(bundle: &Bundle, request: &Request, expected: (Outcome, bool), text: &str) {
    let decision = decide(bundle, &directory(), request);
    assert_eq!((decision.outcome, decision.would_deny), expected, "{}", decision.explanation());
    assert!(decision.explanation().contains(text), "expected {text:?} in {:?}", decision.explanation());
    let payload: Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!(payload.get("would_deny").is_some(), expected.1);
    assert_eq!(decide_again(bundle, &payload), expected.0, "{payload}");
}

#[test]
fn permissive_permits_what_nothing_forbids_and_says_so() {
    let bundle = with(FORBID_RED, &json!({ "mode": "permissive" }));
    assert_eq!(bundle.mode("run"), Mode::Permissive);
    check(&bundle, &request(), (Outcome::Permit, true), "`strict` would deny it");
    let mut red = request();
    red.context = object(json!({ "color": { "type": "Color", "id": "red" } }));
    check(&bundle, &red, (Outcome::Deny, false), "red: this policy forbids it");
    // Permitted by a policy it is nothing of the mode's.
    let permits = format!("{FORBID_RED} permit (principal, action, resource);");
    let bundle = with(&permits, &json!({ "mode": "permissive" }));
    check(&bundle, &request(), (Outcome::Permit, false), "this policy permits it");
}

#[test]
fn permissive_holds_for_actions_that_the_schema_does_not_declare() {
    let bundle = with("", &json!({ "mode": "permissive" }));
    let mut unknown = request();
    unknown.action = "fly".to_owned();
    unknown.context = object(json!({ "anything": [1, "a"], "at": { "deep": true } }));
    check(&bundle, &unknown, (Outcome::Permit, true), "no policy permits `fly`");
    let forbid = "@id(\"none\") forbid (principal in Role::\"buyer\", action, resource);";
    check(&with(forbid, &json!({ "mode": "permissive" })), &unknown, (Outcome::Deny, false), "none");
    // A forbid that can't be asked denies.
    let forbid = "@id(\"deep\") forbid (principal is Agent, action, resource) when \
                  { principal has limit && principal.limit * 9223372036854775807 > 0 };";
    check(
        &with(forbid, &json!({ "mode": "permissive" })),
        &unknown,
        (Outcome::Deny, false),
        "deep: this policy failed",
    );
    unknown.resource.entity.kind = "Plane".to_owned();
    let bundle = with("", &json!({ "mode": "permissive" }));
    check(&bundle, &unknown, (Outcome::Deny, false), "no entity type `Plane`");
    // Strict for this one action, or by default.
    unknown.resource.entity.kind = "Step".to_owned();
    check(&with("", &json!({})), &unknown, (Outcome::Deny, false), "the bundle's schema has no action `fly`");
}

#[test]
fn a_mode_of_an_action_overrides_the_bundles() {
    let bundle = with("", &json!({ "mode": "permissive", "modes": { "run": "strict" } }));
    check(&bundle, &request(), (Outcome::Deny, false), "no policy permits `run`");
    let bundle = with("", &json!({ "modes": { "run": "permissive" } }));
    check(&bundle, &request(), (Outcome::Permit, true), "permissive");
    let mut suspended = request();
    suspended.principal = id(PrincipalKind::Agent, 3).into();
    check(&bundle, &suspended, (Outcome::Deny, false), "suspended");
    suspended.principal = id(PrincipalKind::Agent, 77).into();
    check(&bundle, &suspended, (Outcome::Deny, false), "unknown");
}

#[test]
fn paranoid_asks_for_an_approval_of_what_is_irreversible_or_risky() {
    let schema = "entity Agent; entity Step; action run appliesTo { principal: [Agent], resource: [Step], context: \
                  { risk?: Long } };";
    let bundle = |threshold: Value| {
        let mut document = json!({
            "name": "orders", "version": 1, "schema": schema, "mode": "paranoid",
            "policies": "permit (principal, action, resource);",
        });
        if !threshold.is_null() {
            document["risk_threshold"] = threshold;
        }
        parse(&document).unwrap()
    };
    let asked = |bundle: &Bundle, risk: Option<i64>, irreversible: bool| {
        let mut request = request();
        request.resource.parents.clear();
        request.irreversible = irreversible;
        request.context.extend(risk.map(|risk| ("risk".to_owned(), risk.into())));
        let decision = decide(bundle, &directory(), &request);
        assert!(decision.is_permit(), "{}", decision.explanation());
        let demands = decision.obligations.iter().map(|obligation| match &obligation.demand {
            Demand::Approval(approval) => (approval.approvers, obligation.reason.clone().unwrap_or_default()),
            Demand::Evidence(_)
            | Demand::Mask(_)
            | Demand::Limits(_)
            | Demand::Budget(_)
            | Demand::Rate(_)
            | Demand::Notify(_) => panic!("{obligation:?}"),
        });
        demands.collect::<Vec<_>>()
    };
    let usual = bundle(Value::Null);
    assert!(asked(&usual, None, false).is_empty());
    assert!(asked(&usual, Some(79), false).is_empty());
    assert_eq!(asked(&usual, Some(80), false).len(), 1);
    assert!(asked(&usual, Some(80), false)[0].1.contains("its risk is 80, 80 or more"));
    assert!(asked(&usual, None, true)[0].1.contains("it cannot be undone"));
    assert_eq!(asked(&bundle(json!(30)), Some(30), false).len(), 1);
}

#[test]
fn modes_that_are_none_are_refused() {
    for (keys, expected) in [
        (json!({ "mode": "lenient" }), "`mode` must be `strict`, `permissive` or `paranoid`"),
        (json!({ "mode": 1 }), "`mode` must be"),
        (json!({ "modes": [] }), "`modes` must be an object of modes by action"),
        (json!({ "modes": { "run": "lax" } }), "`modes.run` must be"),
        (json!({ "modes": { "fly": "strict" } }), "`modes.fly` must be of an action that the schema declares"),
        (json!({ "risk_threshold": 0 }), "`risk_threshold` must be a whole number from 1 to 100"),
        (json!({ "risk_threshold": 101 }), "`risk_threshold` must be"),
    ] {
        let mut document = document("");
        document.as_object_mut().unwrap().extend(object(keys));
        let err = parse(&document).unwrap_err().to_string();
        assert!(err.contains(expected), "expected {expected:?} in {err:?}");
    }
}

proptest! {
    #[test]
    fn permissive_permits_nothing_irreversible_that_no_policy_permits(
        action in prop::sample::select(vec!["run", "start", "fly"]),
        kind in prop::sample::select(vec!["Step", "Definition", "Plane"]),
        by_action in any::<bool>(),
        color in prop::option::of(prop::sample::select(vec!["red", "green", "blue"])),
    ) {
        let keys = match by_action {
            true => json!({ "modes": { "run": "permissive", "start": "permissive" } }),
            false => json!({ "mode": "permissive" }),
        };
        let bundle = with(FORBID_RED, &keys);
        let mut request = request();
        request.action = action.to_owned();
        request.resource.entity.kind = kind.to_owned();
        request.resource.parents.clear();
        request.context.extend(color.map(|color| ("color".to_owned(), json!({ "type": "Color", "id": color }))));
        request.irreversible = true;
        prop_assert_eq!(decide(&bundle, &directory(), &request).outcome, Outcome::Deny);
    }
}
