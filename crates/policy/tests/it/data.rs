//! Classes of data and purposes; what other bundles said to the same question.

use crate::support::{SCHEMA, bundle, directory, document, object, parse, request};
use chancery_policy::{Also, Bundle, Outcome, Request, decide, decide_again};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The shared schema, with these attributes in the context of `run`.
fn with(context: &str, policies: &str, keys: &Value) -> Bundle {
    let mut document = document(policies);
    document["schema"] = json!(SCHEMA.replace("attempt?: Long,", &format!("attempt?: Long, {context},")));
    document.as_object_mut().unwrap().extend(object(keys.clone()));
    parse(&document).unwrap_or_else(|err| panic!("{err}"))
}

fn asked(context: &Value) -> Request {
    Request { context: object(context.clone()), ..request() }
}

#[track_caller]
fn check(bundle: &Bundle, context: &Value, expected: Outcome, text: &str) {
    let decision = decide(bundle, &directory(), &asked(context));
    assert_eq!(decision.outcome, expected, "{}", decision.explanation());
    assert!(decision.explanation().contains(text), "expected {text:?} in {:?}", decision.explanation());
    let payload: Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!(decide_again(bundle, &payload), expected, "{payload}");
}

const BY_CLASS: &str = "@id(\"public\") permit (principal, action == Action::\"run\", resource) when { context.class == \"public\" };
    @id(\"personal\") permit (principal, action == Action::\"run\", resource) when { [\"personal\", \"health\"].contains(context.class) };
    @id(\"no\") forbid (principal, action == Action::\"run\", resource) when { context.class == \"health\" };";

#[test]
fn a_permit_covers_every_class() {
    let bundle = with("class: String", BY_CLASS, &json!({}));
    check(
        &bundle,
        &json!({ "classes": ["public"] }),
        Outcome::Permit,
        "public: this policy permits it (data of class `public`)",
    );
    check(&bundle, &json!({ "classes": ["public", "personal"] }), Outcome::Permit, "personal");
    check(&bundle, &json!({ "classes": ["public", "health"] }), Outcome::Deny, "no: this policy forbids it");
    check(&bundle, &json!({ "classes": ["public", "secret"] }), Outcome::Deny, "(data of class `secret`)");
    // What says nothing of its classes needs a permit of its own.
    check(&bundle, &json!({}), Outcome::Deny, "(data of class `unclassified`)");
    check(&bundle, &json!({ "classes": [] }), Outcome::Deny, "(data of class `unclassified`)");
    check(&bundle, &json!({ "classes": "public" }), Outcome::Deny, "context.classes: at most 32 names");
    // One that is asked about by itself is.
    check(&bundle, &json!({ "class": "public" }), Outcome::Permit, "public: this policy permits it");
}

#[test]
fn classes_that_the_schema_can_not_see_are_denied() {
    let bundle = bundle("permit (principal, action, resource);");
    check(&bundle, &json!({ "classes": ["public"] }), Outcome::Deny, "`context.classes` is not declared by the schema");
}

#[test]
fn a_bundle_denies_classes_and_purposes_that_it_does_not_list() {
    let context = "classes?: Set<String>, taint?: Set<String>, purpose?: String";
    let lists = json!({ "classes": ["public"], "purposes": ["billing"] });
    let listed = with(context, "permit (principal, action, resource);", &lists);
    let open = with(context, "permit (principal, action, resource);", &json!({}));
    for (context, text) in [
        (json!({ "classes": ["public", "secret"] }), "the bundle knows no class of data `secret`"),
        (json!({ "taint": ["secret"] }), "the bundle knows no class of data `secret`"),
        (json!({ "purpose": "research" }), "the bundle knows no purpose `research`"),
    ] {
        check(&listed, &context, Outcome::Deny, text);
        check(&open, &context, Outcome::Permit, "policy0");
    }
    let known = json!({ "classes": ["public"], "taint": ["unclassified", "public"], "purpose": "billing" });
    check(&listed, &known, Outcome::Permit, "policy0");
    for (keys, text) in [
        (json!({ "classes": "public" }), "a list of at most 1000 names"),
        (json!({ "purposes": ["a b"] }), "a list of names"),
    ] {
        let mut document = document("permit (principal, action, resource);");
        document.as_object_mut().unwrap().extend(object(keys));
        assert!(parse(&document).unwrap_err().to_string().contains(text));
    }
}

#[test]
fn what_each_class_demands_is_demanded() {
    let obligations =
        "@id(\"one\") @obligation(\"mask\") @fields(\"card\") permit (principal, action == Action::\"run\", resource)
        when { context.class == \"public\" };
        @id(\"all\") @obligation(\"mask\") @fields(\"name\") permit (principal, action, resource);";
    let permit = "permit (principal, action, resource);";
    let bundle = with("class: String", permit, &json!({ "obligations": obligations }));
    let demanded = |classes: &Value| {
        let decision = decide(&bundle, &directory(), &asked(&json!({ "classes": classes })));
        decision.obligations.iter().filter_map(|obligation| obligation.policy.clone()).collect::<BTreeSet<_>>()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(demanded(&json!(["personal"])), set(&["all"]));
    assert_eq!(demanded(&json!(["personal", "public"])), set(&["all", "one"]));
}

#[test]
fn what_others_said_stands_beside_what_counts() {
    let new = bundle("@id(\"new\") permit (principal, action, resource);");
    let mut document = document("@id(\"old\") permit (principal, action, resource);");
    document["obligations"] =
        json!("@id(\"m\") @obligation(\"mask\") @fields(\"card\") permit (principal, action, resource);");
    let old = parse(&document).unwrap();
    let of = |bundle: &Bundle| Arc::new(decide(bundle, &directory(), &request()));
    let (main, pinned, shadow) = (of(&new), of(&old), of(&bundle("")));
    assert_eq!(*main, main.beside(Also::default()));
    let both = main.beside(Also { pinned: Some(Arc::clone(&pinned)), shadow: Some(Arc::clone(&shadow)) });
    assert_eq!((both.outcome, &both.obligations), (Outcome::Permit, &pinned.obligations));
    let payload: Value = serde_json::from_str(both.payload()).unwrap();
    assert_eq!(payload.to_string(), both.payload(), "it is canonical");
    assert_eq!(payload["also"]["pinned"]["bundle"], json!(old.digest().to_string()));
    assert_eq!(payload["also"]["pinned"]["obligations"][0]["policy"], json!("m"));
    assert_eq!(payload["also"]["shadow"]["outcome"], json!("deny"));
    assert_eq!(decide_again(&new, &payload), Outcome::Permit);
}

proptest! {
    /// What the loop says is what asking for each of them by itself says.
    #[test]
    fn all_are_permitted_if_each_is(classes in prop::collection::vec("public|personal|health|secret|unclassified", 0..5)) {
        let bundle = with("class: String", BY_CLASS, &json!({}));
        let of = |context: &Value| decide(&bundle, &directory(), &asked(context)).outcome;
        let asked_of: Vec<&str> =
            if classes.is_empty() { vec!["unclassified"] } else { classes.iter().map(String::as_str).collect() };
        let each = asked_of.iter().all(|class| of(&json!({ "class": class })) == Outcome::Permit);
        let expected = if each { Outcome::Permit } else { Outcome::Deny };
        prop_assert_eq!(of(&json!({ "classes": classes })), expected);
    }
}
