//! Steps whose workers get capability tokens.

use super::read::parse;
use chancery_base::Timestamp;
use chancery_engine::definition::{BadExpression, CapabilityTerms, Definition};
use chancery_expr::{Scope, Tree};
use serde_json::{Value, json};
use std::time::Duration;

/// A definition whose one step says this of `capability`.
fn with(capability: &str) -> String {
    format!("name: pay\nversion: 1\nsteps:\n  - id: a\n    run: {{worker: w}}\n    capability: {capability}\n")
}

fn terms(text: &str, input: &Value) -> Result<Option<CapabilityTerms>, BadExpression> {
    let definition = parse(text);
    let mut scope = Scope::new();
    scope.bind("input", Tree::Value(input));
    scope.bind("now", Tree::Text(Timestamp::EPOCH.to_string()));
    definition.steps[0].capability_terms(&scope)
}

#[test]
fn a_token_is_good_for_five_minutes_or_as_long_as_is_said() {
    let none = json!({});
    assert_eq!(terms(&with("false"), &none), Ok(None));
    assert_eq!(terms("name: a\nversion: 1\nsteps: [{id: a, run: {worker: w}}]", &none), Ok(None));
    let usual = CapabilityTerms {
        action: "run".to_owned(),
        resource: None,
        purpose: None,
        budget: None,
        lifetime: Duration::from_secs(300),
    };
    assert_eq!(terms(&with("true"), &none), Ok(Some(usual.clone())));
    assert_eq!(terms(&with("{}"), &none), Ok(Some(usual.clone())));
    let longest = CapabilityTerms { lifetime: Duration::from_secs(900), ..usual };
    assert_eq!(terms(&with("{seconds: 900}"), &none), Ok(Some(longest)));
}

#[test]
fn a_token_says_what_policy_is_asked_and_what_it_is_for() {
    let text = with("{purpose: 'refund of ${{ input.order }}', budget: '${{ input.amount }}'}")
        + "    action: refund\n    resource: {type: 'Shop::Order', id: '${{ input.order }}'}\n";
    let of = |order: &str, amount: Value| terms(&text, &json!({ "order": order, "amount": amount }));
    let said = of("17", json!(120)).unwrap().unwrap();
    let resource = said.resource.unwrap();
    assert_eq!(
        (said.action.as_str(), resource.resource_type.as_str(), resource.id.as_str()),
        ("refund", "Shop::Order", "17")
    );
    assert_eq!((said.purpose.as_deref(), said.budget), (Some("refund of 17"), Some(120)));
    for amount in [json!(-1), json!(1.5), json!("120"), json!(null)] {
        let error = of("17", amount).unwrap_err();
        assert_eq!(error.to_string(), "capability.budget: a whole number from 0 on is needed here");
    }
    let long = "1".repeat(1_025);
    assert_eq!(
        of(&long, json!(1)).unwrap_err().to_string(),
        "resource.id: in a capability token it has 1 to 1024 bytes, this has 1025"
    );
    let long = "1".repeat(300);
    let error = of(&long, json!(1)).unwrap_err();
    assert_eq!(error.to_string(), "capability.purpose: in a capability token it has 1 to 256 bytes, this has 310");
}

#[test]
fn a_participant_of_a_tcc_has_tokens_too() {
    let text = "name: a\nversion: 1\nkind: tcc\nparticipants:\n  - id: a\n    capability: true\n    \
                try: {run: {worker: w}}\n    confirm: {run: {worker: w}}\n    cancel: {run: {worker: w}}\n";
    assert!(parse(text).steps[0].capability.is_some());
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let shown: Vec<String> = match Definition::parse(text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(err) => err.problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(shown, expected, "{text}");
    super::schema::agrees(text, &shown);
}

#[test]
fn what_can_t_be_said_of_a_token_is_refused() {
    let at = "6:17: steps[0].capability";
    refused(&with("5m"), &[&format!("{at}: a map is expected here, not a text")]);
    let seconds = "steps[0].capability.seconds: a whole number from 1 to 900 is expected here";
    for (written, column) in [("0", 27), ("901", 27), ("5m", 27)] {
        refused(&with(&format!("{{seconds: {written}}}")), &[&format!("6:{column}: {seconds}")]);
    }
    refused(&with("{second: 5}"), &["6:18: steps[0].capability.second: unknown key `second`; did you mean `seconds`?"]);
    let worker = "a token is bound to a worker's key: a step with `capability` runs a `worker`";
    refused(
        "name: a\nversion: 1\nsteps: [{id: a, run: noop, capability: true}]",
        &[&format!("3:40: steps[0].capability: {worker}")],
    );
}
