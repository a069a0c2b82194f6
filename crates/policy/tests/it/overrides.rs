//! Overrides: a deny of policy's yields to people who answer for it, and nothing else does.

use crate::support::{agent, bundle, directory, document, parse, request};
use chancery_base::{Entropy, OverrideId, Timestamp};
use chancery_policy::{
    Bundle, Directory, Outcome, Override, OverrideKind, Request, decide, decide_again, decide_overridden,
};
use serde_json::{Value, json};

const FORBID: &str = "@id(\"all\") permit (principal, action, resource); \
                      @id(\"no\") @reason(\"not on Fridays\") forbid (principal, action, resource);";

const FAILS: &str = "{ principal has limit && principal.limit * 9223372036854775807 > 0 }";

fn over() -> Override {
    Override {
        id: OverrideId::draw(Timestamp::EPOCH, &mut Entropy::from_seed([7; 32])),
        kind: OverrideKind::EmergencyBypass,
        justification: "the warehouse burns, see incident 4711".to_owned(),
    }
}

fn check(bundle: &Bundle, directory: &Directory, edit: impl FnOnce(&mut Request), outcome: Outcome) -> Value {
    let mut request = request();
    edit(&mut request);
    let plain = decide(bundle, directory, &request);
    let decision = decide_overridden(bundle, directory, &request, Ok(None), &over());
    assert_eq!(decision.outcome, outcome, "{}", decision.explanation());
    assert_eq!(decision.overridden.is_some(), plain.outcome != outcome, "it is named where it changed something");
    let payload: Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!(chancery_base::json::canonical(&payload), decision.payload().as_bytes());
    assert_eq!(decide_again(bundle, &payload), outcome, "a replay under its own bundle flips nothing");
    payload
}

#[test]
fn what_policy_denies_is_permitted_and_the_original_is_kept() {
    for (policies, why) in [("", "no policy permits"), (FORBID, "not on Fridays")] {
        let payload = check(&bundle(policies), &directory(), |_| (), Outcome::Permit);
        let overridden = &payload["overridden"];
        assert_eq!((&overridden["original"], &overridden["kind"]), (&json!("denied"), &json!("emergency_bypass")));
        assert_eq!(overridden["override"], over().id.to_string());
        assert!(overridden["reasons"][0]["text"].as_str().unwrap().contains(why), "{overridden}");
        assert_eq!(payload["reasons"][0]["policy"], over().id.to_string());
    }
}

#[test]
fn what_is_permitted_anyway_needs_no_override() {
    let payload = check(&bundle("permit (principal, action, resource);"), &directory(), |_| (), Outcome::Permit);
    assert_eq!(payload.get("overridden"), None);
}

#[test]
fn what_failed_or_is_no_question_stays_denied() {
    let failing = format!("{FORBID} forbid (principal is Agent, action == Action::\"run\", resource) when {FAILS};");
    let payload = check(&bundle(&failing), &directory(), |_| (), Outcome::Deny);
    assert!(!payload["errors"].as_array().unwrap().is_empty(), "the policy failed: {payload}");
    check(&bundle(FORBID), &directory(), |request| request.action = "unheard-of".to_owned(), Outcome::Deny);
    check(&bundle(FORBID), &Directory::default(), |_| (), Outcome::Deny);
    let mut suspended = directory().principal(&agent()).unwrap().clone();
    suspended.suspended = true;
    let directory = Directory::new([suspended]).unwrap();
    check(&bundle(FORBID), &directory, |_| (), Outcome::Deny);
    let risk = decide_overridden(
        &bundle(FORBID),
        &crate::support::directory(),
        &request(),
        Err("unknown".to_owned()),
        &over(),
    );
    assert_eq!(risk.outcome, Outcome::Deny, "what is not known to be harmless is not answered for");
}

#[test]
fn what_is_demanded_of_a_permit_is_demanded_of_an_override() {
    let with = |obligations: &str| {
        let mut document = document(FORBID);
        document["obligations"] = json!(obligations);
        parse(&document)
    };
    let approval = "@id(\"two\") @obligation(\"approval\") @approvers(\"2\") permit (principal, action, resource);";
    let payload = check(&with(approval).unwrap(), &directory(), |_| (), Outcome::Permit);
    assert_eq!(payload["obligations"][0]["policy"], "two");
    let failing = format!(
        "@id(\"two\") @obligation(\"approval\") @approvers(\"2\") permit (principal is Agent, action == Action::\"run\", resource) when {FAILS};"
    );
    let payload = check(&with(&failing).unwrap(), &directory(), |_| (), Outcome::Deny);
    assert_eq!(payload.get("overridden"), None, "what is denied all the same was not overridden");
}
