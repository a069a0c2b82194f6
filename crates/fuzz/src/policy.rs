//! Bundles, and decisions under those that are taken.

use crate::Verdict;
use crate::check::{find, place, sure, words};
use crate::json::canonical_is_one_form;
use chancery_base::limits::{BUNDLE_BYTES_MAX, POLICIES_MAX};
use chancery_base::{Entropy, PrincipalId, PrincipalKind, Timestamp, json};
use chancery_policy::{
    Bundle, BundleError, Decision, Directory, Effect, EntityRef, Principal, Request, ResourceRef, decide, decide_again,
};
use serde_json::{Map, Value, json};

/// What stands between the parts of an input that is not a document: schema, policies, entities.
pub(crate) const SEPARATOR: &str = "\n====\n";

pub(crate) fn bundle(data: &[u8]) -> Verdict {
    let document = document(data);
    let bundle = match Bundle::parse(&document) {
        Ok(bundle) => bundle,
        Err(error) => {
            refused(&document, &error);
            return Verdict::Refused;
        }
    };
    assert!(bundle.policies().count() <= POLICIES_MAX, "the limit does not hold");
    canonical_is_one_form(&sure(json::parse(bundle.canonical(), BUNDLE_BYTES_MAX), "the canonical form is JSON"));
    let again = sure(Bundle::parse(bundle.canonical()), "the canonical form is a bundle");
    assert_eq!((again.digest(), again.canonical()), (bundle.digest(), bundle.canonical()), "another digest");
    for action in ["start", "run", "refund"] {
        decided(&bundle, &again, action);
    }
    Verdict::Taken
}

/// The input itself where it looks like JSON, or else a document of its parts, which a fuzzer changes more easily.
fn document(data: &[u8]) -> Vec<u8> {
    let Some(text) = std::str::from_utf8(data).ok().filter(|text| !text.starts_with('{')) else { return data.to_vec() };
    let mut parts = text.split(SEPARATOR);
    let (schema, policies) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let entities = parts.next().and_then(|text| json::parse(text.as_bytes(), text.len()).ok());
    let entities = entities.unwrap_or_else(|| json!([]));
    json::canonical(
        &json!({ "name": "fuzz", "version": 1, "schema": schema, "policies": policies, "entities": entities }),
    )
}

fn refused(document: &[u8], error: &BundleError) {
    words(&error.to_string());
    match error {
        BundleError::Json(_)
        | BundleError::Missing(_)
        | BundleError::UnknownKey(_)
        | BundleError::NotSupported(_)
        | BundleError::Form { .. }
        | BundleError::Limit { .. }
        | BundleError::Scan { .. } => {}
        BundleError::Problems(problems) => {
            assert!(!problems.is_empty(), "no problem");
            for problem in problems {
                words(&problem.message);
                let text = text_of(document, &problem.file);
                if let (Some((line, column)), Some(text)) = (problem.place, text) {
                    place(text.as_bytes(), line, column);
                }
            }
        }
        BundleError::Reader(why) => find(format_args!("the reader of bundles ended: {why}")),
    }
}

/// The text that a problem's place is in.
fn text_of(document: &[u8], file: &str) -> Option<String> {
    let document = json::parse(document, BUNDLE_BYTES_MAX).ok()?;
    let text = match document.get(file) {
        Some(Value::String(text)) => text,
        _ => document.get("policies")?.get(file)?.as_str()?,
    };
    Some(text.to_owned())
}

fn decided(bundle: &Bundle, again: &Bundle, action: &str) {
    let (directory, request) = question(action);
    let decision = decide(bundle, &directory, &request);
    assert_eq!(decide(bundle, &directory, &request), decision, "asked twice, decided otherwise");
    let payload: Value = sure(serde_json::from_str(decision.payload()), "a decision's payload is JSON");
    assert_eq!(json::canonical(&payload), decision.payload().as_bytes(), "its payload is not canonical");
    assert_eq!(decide_again(bundle, &payload), decision.outcome, "decided again, decided otherwise");
    assert_eq!(decide_again(again, &payload), decision.outcome, "its canonical form decides otherwise");
    grounds(&decision);
}

/// A permit rests on a policy that permits, and on none that failed.
fn grounds(decision: &Decision) {
    assert!(!decision.reasons.is_empty(), "no reason");
    let by = |wanted| decision.reasons.iter().any(|reason| reason.effect == Some(wanted));
    if decision.is_permit() {
        let sound = by(Effect::Permit) && decision.errors.is_empty();
        assert!(sound, "a permit without a ground: {}", decision.explanation());
    }
}

fn question(action: &str) -> (Directory, Request) {
    let draw = |kind, seed| PrincipalId::draw(kind, Timestamp::EPOCH, &mut Entropy::from_seed([seed; 32]));
    let (agent, boss) = (draw(PrincipalKind::Agent, 1), draw(PrincipalKind::User, 2));
    let roles = ["agent", "buyer"].iter().filter_map(|role| role.parse().ok());
    let mut buyer = Principal::new(agent, "buyer").with_roles(roles);
    buyer.attributes = Map::from_iter([("limit".to_owned(), json!(5_000))]);
    let directory = sure(Directory::new([buyer, Principal::new(boss, "boss")]), "a directory");
    let mut resource = ResourceRef::new("Step", "create-order/charge");
    resource.parents.push(EntityRef::new("Definition", "create-order"));
    let context = Map::from_iter([("amount".to_owned(), json!(12)), ("attempt".to_owned(), json!(1))]);
    (directory, Request { principal: agent.into(), action: action.to_owned(), resource, context, irreversible: false })
}
