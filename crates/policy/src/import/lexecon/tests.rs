use super::*;
use crate::bundle::Bundle;
use crate::cases;
use crate::directory::{Directory, Principal};
use crate::request::{Request, ResourceRef};
use chancery_base::{Entropy, PrincipalId, PrincipalKind, json::canonical};
use proptest::prelude::*;

/// Imports, and holds that the bundle is one and passes its own tests: those were worked out here, not by Cedar.
#[track_caller]
fn built(policy: &Value) -> (Import, Bundle) {
    let imported = import(policy).unwrap_or_else(|err| panic!("{err}"));
    let bundle = Bundle::parse(&canonical(&imported.document(1)));
    let bundle = bundle.unwrap_or_else(|err| panic!("{err}\n{}\n{}", imported.schema, imported.policies));
    let failures: Vec<String> = cases::run(&bundle)
        .into_iter()
        .filter_map(|result| Some(format!("{}: {}", result.name, result.failure?)))
        .collect();
    assert!(failures.is_empty(), "{failures:#?}\n{}", imported.policies);
    (imported, bundle)
}

fn policy(relations: &Value) -> Value {
    json!({
        "name": "A policy", "mode": "strict", "relations": relations,
        "terms": [
            { "id": "actor:user", "type": "actor", "name": "user" },
            { "id": "act_admin", "type": "actor", "name": "admin" },
            { "id": "action:read", "type": "action", "name": "read" },
            { "id": "axn_delete", "type": "action", "name": "delete" },
            { "id": "data:personal", "type": "data_class", "name": "personal" },
            { "id": "data:health", "type": "data_class", "name": "health" },
            { "id": "resource:vault", "type": "resource", "name": "vault" },
        ],
    })
}

/// What the bundle says to `roles`, and whether it was asked at all.
fn asked(bundle: &Bundle, roles: &[&str], action: &str, context: Value) -> &'static str {
    let id = PrincipalId::draw(PrincipalKind::Agent, Timestamp::EPOCH, &mut Entropy::from_seed([1; 32]));
    let roles = roles.iter().map(|role| role.parse().unwrap());
    let directory = Directory::new([Principal::new(id, "a").with_roles(roles)]).unwrap();
    let Value::Object(context) = context else { panic!("no context") };
    let (principal, action) = (id.into(), action.to_owned());
    let resource = ResourceRef::new("Resource", "vault");
    let request = Request { principal, action, resource, context, irreversible: false };
    let decision = crate::decide(bundle, &directory, &request);
    if decision.misfit { "no question" } else { decision.outcome.word() }
}

/// Lexecon's canonical cases.
#[test]
fn the_canonical_cases_are_decided_as_they_say() {
    let none = json!({ "data_classes": [] });
    let pair = |word: &str, action: &str| json!({ "type": word, "source": "user", "target": action });
    let (_, empty) = built(&policy(&json!([])));
    assert_eq!(asked(&empty, &["user"], "read", none.clone()), "deny", "TC-001");
    let mut permissive = policy(&json!([]));
    permissive["mode"] = json!("permissive");
    assert_eq!(asked(&built(&permissive).1, &["user"], "read", none.clone()), "permit", "TC-002");
    let (_, permits) = built(&policy(&json!([pair("permits", "read")])));
    assert_eq!(asked(&permits, &["user"], "read", none.clone()), "permit", "TC-003");
    assert_eq!(asked(&permits, &["admin"], "read", none.clone()), "deny");
    assert_eq!(asked(&permits, &["user"], "delete", none.clone()), "deny");
    let (_, forbids) = built(&policy(&json!([pair("forbids", "delete")])));
    assert_eq!(asked(&forbids, &["user"], "delete", none.clone()), "deny", "TC-004");
    let (_, both) = built(&policy(&json!([pair("permits", "delete"), pair("forbids", "delete")])));
    assert_eq!(asked(&both, &["user"], "delete", none), "deny", "TC-005");
    let again = built(&policy(&json!([pair("permits", "read")]))).1;
    assert_eq!(again.digest(), permits.digest());
    assert_ne!(again.digest(), forbids.digest());
}

#[test]
fn references_are_matched_exactly() {
    for (actor, action) in [("actor:user", "action:read"), ("act_user", "axn_read"), ("user", "read")] {
        let (_, bundle) = built(&policy(&json!([{ "type": "permits", "subject": actor, "action": action }])));
        assert_eq!(asked(&bundle, &["user"], "read", json!({ "data_classes": [] })), "permit", "{actor}");
        // Once, an actor called `a` matched almost anything.
        assert_eq!(asked(&bundle, &["u"], "read", json!({ "data_classes": [] })), "deny", "{actor}");
    }
    let refused = |relation: Value, expected: &str| {
        let error = import(&policy(&json!([relation]))).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(
        json!({ "type": "permits", "subject": "action:read", "action": "read" }),
        "relations[0]: `action:read` is of kind action",
    );
    refused(
        json!({ "type": "allows", "subject": "user", "action": "read" }),
        "relations[0].type: `allows` is no relation",
    );
    refused(json!({ "type": "permits", "subject": 1 }), "relations[0].subject: it must be text");
    refused(json!({ "type": "permits", "conditions": "x" }), "relations[0].conditions: a list of texts");
    refused(json!({ "type": "permits", "effective_date": "soon" }), "`soon` is no date");
    assert!(import(&json!({ "name": "a", "mode": "loose" })).unwrap_err().to_string().contains("`loose` is no mode"));
    let twice = json!({ "terms": [{ "id": "act_x", "type": "actor" }, { "id": "actor:x", "type": "actor" }] });
    assert_eq!(import(&twice).unwrap_err().to_string(), "terms[1]: `actor:x` and `act_x` are both `x`");
}

#[test]
fn every_class_must_be_permitted_and_none_forbidden() {
    let relation =
        |word: &str, class: &str| json!({ "type": word, "subject": "user", "action": "read", "object": class });
    let (_, one) = built(&policy(&json!([relation("permits", "data:personal")])));
    let ask = |bundle: &Bundle, classes: Value| asked(bundle, &["user"], "read", json!({ "data_classes": classes }));
    assert_eq!(ask(&one, json!(["personal"])), "permit");
    assert_eq!(ask(&one, json!(["personal", "health"])), "deny");
    assert_eq!(ask(&one, json!([])), "deny");
    assert_eq!(asked(&one, &["user"], "read", json!({})), "no question");
    let (_, both) = built(&policy(&json!([relation("permits", "data:personal"), relation("permits", "data:health")])));
    assert_eq!(ask(&both, json!(["personal", "health"])), "permit");
    let any = json!({ "type": "permits", "subject": "user", "action": "read" });
    let (_, but) = built(&policy(&json!([any, relation("forbids", "data_health")])));
    assert_eq!((ask(&but, json!(["personal"])), ask(&but, json!(["personal", "health"]))), ("permit", "deny"));
}

#[test]
fn what_a_request_does_not_say_permits_nothing_and_lifts_no_forbid() {
    let relation = |word: &str, extra: Value| {
        let mut relation = json!({ "type": word, "subject": "user", "action": "read" });
        relation.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        relation
    };
    let ask = |bundle: &Bundle, mut context: Value| {
        context["data_classes"] = json!([]);
        asked(bundle, &["user"], "read", context)
    };
    let (imported, permit) =
        built(&policy(&json!([relation("permits", json!({ "conditions": ["level >= 3 && !tired"] }))])));
    assert!(imported.notes.iter().any(|note| note.at == "relations[0]" && note.change == Change::Stricter));
    assert_eq!(ask(&permit, json!({ "level": 3, "tired": false })), "permit");
    assert_eq!(ask(&permit, json!({ "level": 2, "tired": false })), "deny");
    assert_eq!(ask(&permit, json!({ "level": 3 })), "deny");
    let any = relation("permits", json!({}));
    let (imported, forbid) = built(&policy(&json!([any, relation("forbids", json!({ "conditions": ["a.b > c"] }))])));
    assert!(imported.notes.iter().any(|note| note.at == "relations[1]" && note.change == Change::Looser));
    assert_eq!(ask(&forbid, json!({})), "deny");
    assert_eq!(ask(&forbid, json!({ "a_b_c": true })), "deny");
    assert_eq!(ask(&forbid, json!({ "a_b_c": false })), "permit");
    let needs = json!({ "type": "requires", "action": "read", "condition": "checked" });
    let (_, requires) = built(&policy(&json!([any, needs])));
    assert_eq!((ask(&requires, json!({})), ask(&requires, json!({ "checked": true }))), ("deny", "permit"));
    let dates = json!({ "effective_date": "2026-01-01", "expiration_date": "2026-02-01T00:00:00.5Z" });
    let (_, dated) = built(&policy(&json!([relation("permits", dates)])));
    let at = |now: &str| ask(&dated, json!({ "now": now }));
    assert_eq!((at("2025-12-31"), at("2026-01-01"), at("2026-02-01T00:00:00.499Z")), ("deny", "permit", "permit"));
    assert_eq!((at("2026-02-01T00:00:00.500Z"), ask(&dated, json!({}))), ("deny", "deny"));
}

#[test]
fn implications_and_conflicts_count() {
    let classes = |classes: Value| json!({ "data_classes": classes });
    let permit = json!({ "type": "permits", "subject": "user", "action": "delete" });
    let (_, bundle) = built(&policy(&json!([
        permit,
        { "type": "implies", "source": "admin", "target": "user" },
        { "type": "implies", "source": "user", "target": "admin" },
        { "type": "implies", "source": "delete", "target": "read" },
        { "type": "implies", "source": "health", "target": "personal" },
        { "type": "forbids", "subject": "user", "action": "read", "object": "personal" },
    ])));
    assert_eq!(asked(&bundle, &["admin"], "delete", classes(json!([]))), "permit");
    assert_eq!(asked(&bundle, &["user"], "read", classes(json!([]))), "permit");
    assert_eq!(asked(&bundle, &["user"], "read", classes(json!(["health"]))), "deny");
    let (imported, bundle) = built(&policy(&json!([
        permit,
        { "type": "conflicts", "source": "user", "target": "admin" },
        { "type": "conflicts", "source": "personal", "target": "health" },
        { "type": "conflicts", "source": "read", "target": "delete" },
        { "type": "implies", "source": "read", "target": "user" },
    ])));
    assert_eq!(asked(&bundle, &["user", "admin"], "delete", classes(json!([]))), "deny");
    assert_eq!(asked(&bundle, &["user"], "delete", classes(json!(["personal", "health"]))), "deny");
    assert_eq!(asked(&bundle, &["user"], "delete", classes(json!(["personal"]))), "permit");
    let left_out: Vec<&str> =
        imported.notes.iter().filter(|note| note.change == Change::LeftOut).map(|note| note.at.as_str()).collect();
    assert_eq!(left_out, ["relations[4]", "relations[3]"]);
}

fn reference(kinds: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(kinds)
}

fn relation() -> impl Strategy<Value = Value> {
    let actors = reference(&["actor:user", "act_admin", "guest", "actor:x y"]);
    let actions = reference(&["read", "axn_delete", "action:write", "a \"b\\"]);
    let objects = prop::option::of(reference(&["data:personal", "health", "data_other", "resource:vault", "res_box"]));
    let condition = reference(&[
        "ok",
        "!ok",
        "not sure",
        "n > 3",
        "n <= -1",
        "n != 0",
        "s == 'x'",
        "s != \"y\"",
        "a.b",
        "if",
        "n == 1 && ok",
        "ok > 1",
    ]);
    let conditions = prop::collection::vec(condition, 0..3);
    let kind = reference(&["permits", "permits", "forbids", "requires", "implies", "conflicts"]);
    let dates = prop::option::of(reference(&["2026-01-01", "2026-06-01T12:00:00+02:00"]));
    (kind, actors.clone(), actions.clone(), actors, objects, conditions, (dates.clone(), dates)).prop_map(
        |(kind, actor, action, other, object, conditions, (begin, end))| {
            let mut relation = match kind {
                "implies" | "conflicts" => json!({ "type": kind, "source": actor, "target": other }),
                _ => json!({ "type": kind, "subject": actor, "action": action, "object": object, "conditions": conditions }),
            };
            let map = relation.as_object_mut().unwrap();
            map.retain(|_, value| !value.is_null());
            map.extend(begin.map(|date| ("effective_date".to_owned(), json!(date))));
            map.extend(end.map(|date| ("expiration_date".to_owned(), json!(date))));
            relation
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is imported builds, and Cedar answers as the relations say.
    #[test]
    fn whatever_is_imported_builds_and_passes_its_own_tests(relations in prop::collection::vec(relation(), 0..10)) {
        let (imported, bundle) = built(&policy(&json!(relations)));
        prop_assert!(bundle.cases().len() >= imported.policies.matches("@id").count());
    }
}
