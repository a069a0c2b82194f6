//! Who asks and is not of the directory: what is known of them, and from where.

use crate::support::{directory, id, object, parse};
use chancery_base::PrincipalKind;
use chancery_policy::{Bundle, EntityRef, External, Information, Outcome, Request, ResourceRef, decide, decide_again};
use serde_json::{Map, Value, json};

const SCHEMA: &str = "
entity group;
entity user in [group] = { @asserted role?: String, level?: Long, @asserted friend?: User };
entity User = { name: String };
entity note = { @asserted owner?: String };
action read appliesTo { principal: [user, User], resource: [note, user], context: {} };
";
const POLICIES: &str = "
@id(\"admins\") permit (principal is user, action, resource) when { principal has role && principal.role == \"admin\" };
@id(\"seniors\") permit (principal is user, action, resource) when { principal has level && principal.level > 3 };
@id(\"staff\") permit (principal in group::\"staff\", action, resource);
@id(\"friends\") permit (principal is user, action, resource)
when { principal has friend && principal.friend.name == \"boss\" };
";

fn bundle() -> Bundle {
    parse(&json!({
        "name": "notes", "version": 1, "schema": SCHEMA, "policies": POLICIES,
        "entities": [
            { "uid": { "type": "user", "id": "ann" }, "attrs": { "level": 5 }, "parents": [] },
            { "uid": { "type": "user", "id": "sue" }, "attrs": {}, "parents": [{ "type": "group", "id": "staff" }] },
            { "uid": { "type": "group", "id": "staff" }, "attrs": {}, "parents": [] },
        ],
    }))
    .unwrap_or_else(|err| panic!("{err}"))
}

fn user(id: &str) -> External {
    External::new(EntityRef::new("user", id))
}

fn asserting(id: &str, attributes: Value) -> External {
    External { attributes: object(attributes), ..user(id) }
}

fn informed(id: &str, attributes: Value) -> External {
    let information = Information::Known { attributes: object(attributes), parents: Vec::new() };
    External { information, ..user(id) }
}

#[track_caller]
fn check_on(external: External, resource: ResourceRef, outcome: Outcome, expected: &str) {
    let bundle = bundle();
    let (principal, action) = (external.into(), "read".to_owned());
    let request = Request { principal, action, resource, context: Map::new(), irreversible: false };
    let decision = decide(&bundle, &directory(), &request);
    assert_eq!(decision.outcome, outcome, "{}", decision.explanation());
    assert!(decision.explanation().contains(expected), "expected {expected:?} in {:?}", decision.explanation());
    let payload: Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!(decide_again(&bundle, &payload), outcome, "{payload}");
}

#[track_caller]
fn check(external: External, outcome: Outcome, expected: &str) {
    check_on(external, ResourceRef::new("note", "1"), outcome, expected);
}

#[test]
fn bundle_point_and_request_say_what_a_subject_is() {
    check(user("ann"), Outcome::Permit, "seniors");
    check(user("sue"), Outcome::Permit, "staff");
    check(user("bob"), Outcome::Deny, "no policy permits `read`");
    check(asserting("bob", json!({ "role": "admin" })), Outcome::Permit, "admins");
    check(informed("bob", json!({ "level": 4 })), Outcome::Permit, "seniors");
    check(informed("bob", json!({ "role": "admin", "shoe": 44 })), Outcome::Permit, "admins");
    let parents = vec![EntityRef::new("group", "staff"), EntityRef::new("note", "1")];
    let information = Information::Known { attributes: Map::new(), parents };
    check(External { information, ..user("bob") }, Outcome::Permit, "staff");
    let boss = id(PrincipalKind::User, 2).to_string();
    check(asserting("bob", json!({ "friend": { "type": "User", "id": boss } })), Outcome::Permit, "friends");
    let in_bundle = |id| External { information: Information::InBundle, ..user(id) };
    check(in_bundle("ann"), Outcome::Permit, "seniors");
    check(in_bundle("bob"), Outcome::Deny, "the bundle has it no longer");
}

#[test]
fn each_attribute_is_from_one_source() {
    check(asserting("bob", json!({ "level": 9 })), Outcome::Deny, "does not mark it @asserted on user");
    check(informed("ann", json!({ "level": 9 })), Outcome::Deny, "the bundle's entities give it");
    check(informed("ann", json!({ "level": 5 })), Outcome::Permit, "seniors");
    let both = |role: &str| External {
        attributes: object(json!({ "role": role })),
        ..informed("bob", json!({ "role": "admin" }))
    };
    check(both("guest"), Outcome::Deny, "`subject.attributes.role` may not be given");
    check(both("admin"), Outcome::Permit, "admins");
}

#[test]
fn who_is_not_known_is_denied() {
    let missing = Information::Missing("nobody answers".to_owned());
    check(
        External { information: missing.clone(), ..user("bob") },
        Outcome::Deny,
        "user::\"bob\" is unknown: nobody answers",
    );
    check(External { information: missing, ..user("ann") }, Outcome::Deny, "is unknown: nobody answers");
    check(External::new(EntityRef::new("User", "boss")), Outcome::Deny, "whose entities come from the directory");
    check(External::new(EntityRef::new("ghost", "1")), Outcome::Deny, "has no entity type `ghost`");
    check(informed("bob", json!({ "level": "high" })), Outcome::Deny, "`principal.level` must be a whole number");
    check(informed("bob", json!({ "level": 0.5 })), Outcome::Deny, "`information.attrs.level` is 0.5");
    check(asserting("bob", json!({ "role": null })), Outcome::Deny, "`subject.attributes.role` is null");
}

#[test]
fn who_asks_about_itself_says_once_what_it_is() {
    let own = || ResourceRef::new("user", "bob");
    check_on(asserting("bob", json!({ "role": "admin" })), own(), Outcome::Permit, "admins");
    let twice = ResourceRef { attributes: object(json!({ "role": "admin" })), ..own() };
    check_on(user("bob"), twice, Outcome::Deny, "the resource is the subject");
}
