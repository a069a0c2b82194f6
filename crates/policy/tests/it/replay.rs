//! Decisions of the past under their own bundle, and under another.

use crate::support::{bundle, directory, document, id, object, parse, request};
use chancery_base::PrincipalKind;
use chancery_policy::replay::{Tally, again};
use chancery_policy::{Outcome, decide};
use proptest::prelude::*;
use serde_json::{Value, json};

fn payload(bundle: &chancery_policy::Bundle, edit: impl FnOnce(&mut chancery_policy::Request)) -> Value {
    let mut request = request();
    edit(&mut request);
    serde_json::from_str(decide(bundle, &directory(), &request).payload()).unwrap()
}

#[test]
fn a_stricter_bundle_flips_what_it_denies() {
    let old = bundle("permit (principal, action, resource);");
    let new = bundle(
        "permit (principal, action, resource);
         @id(\"no\") @reason(\"too much\") forbid (principal is Agent, action == Action::\"run\", resource)
         when { context has amount && context.amount > 5 };",
    );
    let mut tally = Tally::default();
    for amount in [4, 5, 6, 7] {
        let payload = payload(&old, |request| request.context = object(json!({ "amount": amount })));
        let flip = tally.take(&new, Some(&payload));
        assert_eq!(flip.is_some(), amount > 5, "{amount}");
        if let Some(flip) = flip {
            tally.flipped(&flip);
            assert_eq!((flip.before, flip.after), (Outcome::Permit, Outcome::Deny));
            assert_eq!((flip.asked.definition.as_deref(), flip.asked.action.as_str()), (Some("create-order"), "run"));
            assert_eq!((flip.reasons[0].policy.as_deref(), flip.reasons[0].text.as_str()), (Some("no"), "too much"));
        }
    }
    assert_eq!(tally.take(&new, None), None);
    assert_eq!(tally.take(&new, Some(&json!({ "outcome": "permit" }))), None);
    assert_eq!((tally.decisions, tally.flips.denied, tally.flips.permitted), (4, 2, 0));
    let refused = payload(&old, |request| request.action = "none".to_owned());
    assert_eq!(tally.take(&new, Some(&refused)), None);
    assert_eq!((tally.erased, tally.refused, tally.malformed, tally.groups.len()), (1, 1, 1, 1));
}

#[test]
fn what_only_the_old_schema_asked_for_is_left_out() {
    let old = bundle("permit (principal, action, resource);");
    let mut narrower = document("permit (principal, action, resource);");
    let schema = narrower["schema"].as_str().unwrap();
    let without = schema.replace(", limit?: Long, manager?: User", "").replace("attempt?: Long, ", "");
    assert_ne!(schema, without);
    narrower["schema"] = json!(without);
    let new = parse(&narrower).unwrap();
    let payload = payload(&old, |request| request.context = object(json!({ "attempt": 1, "amount": 2 })));
    assert_eq!(again(&new, &payload), Ok(None));
    // What a step itself said to the old schema does deny.
    narrower["schema"] = json!(without.replace("amount?: Long, place", "place"));
    let flip = again(&parse(&narrower).unwrap(), &payload).unwrap().expect("it is denied");
    assert_eq!(flip.reasons[0].text, "`context.amount` is not declared by the schema");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn under_its_own_bundle_nothing_flips(
        limit in 0..10_i64,
        amount in prop_oneof![(0..10_i64).prop_map(Value::from), Just(json!("x")), Just(json!(1.5)), Just(Value::Null)],
        seed in 1..5_u8,
        who in prop::sample::select(vec![PrincipalKind::Agent, PrincipalKind::User]),
        action in prop::sample::select(vec!["run", "start", "none"]),
    ) {
        let bundle = bundle(&format!(
            "permit (principal, action, resource);
             forbid (principal is Agent, action, resource is Step) when {{ context.amount * 9000000000000000 > {limit}000000000000000 }};"
        ).replace("action, resource is Step", "action == Action::\"run\", resource is Step").replace("context.amount *", "context has amount && context.amount *"));
        let payload = payload(&bundle, |request| {
            request.principal = id(who, seed).into();
            request.action = action.to_owned();
            request.context = object(json!({ "amount": amount }));
        });
        prop_assert_eq!(again(&bundle, &payload), Ok(None));
    }
}
