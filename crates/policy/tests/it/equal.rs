//! The slice decides as the full set does, and a decision can be taken again.

use crate::support::{bundle, directory, id, object};
use cedar_policy::{Context, Entities, EntityUid, PolicySet, Schema};
use chancery_base::PrincipalKind;
use chancery_policy::index::Index;
use chancery_policy::{EntityRef, Request, ResourceRef, decide, decide_again};
use proptest::prelude::*;
use serde_json::{Value, json};

const SCHEMA: &str = r#"
entity Role in [Role];
entity User in [Role] = { n: Long };
entity Agent in [Role] = { n: Long };
entity Definition;
entity Step in [Definition] = { n: Long };
action all;
action some in [all];
type Context = { n: Long };
action run in [some] appliesTo { principal: [User, Agent], resource: [Step, Definition], context: Context };
action start in [all] appliesTo { principal: [User, Agent], resource: [Step, Definition], context: Context };
action stop appliesTo { principal: [User, Agent], resource: [Step, Definition], context: Context };
"#;

fn policy() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["permit", "permit", "forbid"]);
    let principal = prop::sample::select(vec![
        "principal",
        "principal is User",
        "principal is Agent",
        "principal == User::\"a\"",
        "principal == Agent::\"a\"",
        "principal in Role::\"x\"",
        "principal in Role::\"top\"",
        "principal is Agent in Role::\"x\"",
        "principal in User::\"a\"",
    ]);
    let action = prop::sample::select(vec![
        "action",
        "action == Action::\"run\"",
        "action == Action::\"stop\"",
        "action in Action::\"all\"",
        "action in Action::\"some\"",
        "action in [Action::\"start\", Action::\"some\"]",
    ]);
    let resource = prop::sample::select(vec![
        "resource",
        "resource is Step",
        "resource == Step::\"s\"",
        "resource in Definition::\"d\"",
        "resource is Step in Definition::\"d\"",
        "resource == Definition::\"d\"",
        "resource in Step::\"s\"",
    ]);
    // The last but one overflows for large numbers, the last one asks for what need not be there.
    let condition = prop::sample::select(vec![
        "true",
        "context.n > 2",
        "principal.n == context.n",
        "context.n * 9223372036854775807 > 1",
        "Step::\"s\".n == context.n",
        "resource in Definition::\"d\"",
    ]);
    (effect, principal, action, resource, condition)
        .prop_map(|(effect, who, what, on, when)| format!("{effect} ({who}, {what}, {on}) when {{ {when} }};\n"))
}

fn entities(parents: &[bool]) -> Value {
    let entity = |kind: &str, id: &str, attrs: Value, parents: Vec<(&str, &str)>| {
        let parents: Vec<Value> = parents.iter().map(|(kind, id)| json!({ "type": kind, "id": id })).collect();
        json!({ "uid": { "type": kind, "id": id }, "attrs": attrs, "parents": parents })
    };
    let if_set = |at: usize, parent| if parents[at] { vec![parent] } else { vec![] };
    json!([
        entity("User", "a", json!({ "n": 1 }), if_set(0, ("Role", "x"))),
        entity("Agent", "a", json!({ "n": 3 }), if_set(1, ("Role", "x"))),
        entity("Role", "x", json!({}), if_set(2, ("Role", "top"))),
        entity("Role", "top", json!({}), vec![]),
        entity("Step", "s", json!({ "n": 2 }), if_set(3, ("Definition", "d"))),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_slice_decides_as_the_full_set_does(
        policies in prop::collection::vec(policy(), 0..12),
        parents in prop::collection::vec(any::<bool>(), 4),
        n in 0..4_i64,
    ) {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        let set: PolicySet = policies.concat().parse().unwrap();
        let index = Index::new(set, &schema).unwrap();
        let entities = Entities::from_json_value(entities(&parents), Some(&schema)).unwrap();
        for principal in ["User::\"a\"", "Agent::\"a\"", "User::\"unknown\""] {
            for action in ["run", "start", "stop"] {
                for resource in ["Step::\"s\"", "Definition::\"d\"", "Step::\"unknown\""] {
                    let uid = |text: &str| text.parse::<EntityUid>().unwrap();
                    let action = uid(&format!("Action::\"{action}\""));
                    let context = Context::from_json_value(json!({ "n": n }), Some((&schema, &action))).unwrap();
                    let request = cedar_policy::Request::new(uid(principal), action, uid(resource), context, Some(&schema));
                    let request = request.unwrap();
                    prop_assert_eq!(index.evaluate(&request, &entities), index.evaluate_all(&request, &entities));
                }
            }
        }
    }

    // In debug builds each of these also checks our reading of values against Cedar's.
    #[test]
    fn a_decision_is_taken_again_as_it_was(
        limit in 0..10_i64,
        context in context(),
        amount in prop::option::of(prop_oneof![Just(json!(5)), Just(json!("5")), Just(json!(5.5)), Just(json!(1_i64 << 53)), Just(json!(i64::MAX))]),
        action in prop::sample::select(vec!["run", "start", "all", "none"]),
        kind in prop::sample::select(vec!["Step", "Definition", "Role", "User"]),
        seed in 1..5_u8,
        who in prop::sample::select(vec![PrincipalKind::Agent, PrincipalKind::User, PrincipalKind::Service]),
    ) {
        let bundle = bundle(&format!(
            "permit (principal, action, resource);
             forbid (principal, action == Action::\"run\", resource) when {{ context has amount && context.amount * 9000000000000000 > {limit}000000000000000 }};
             forbid (principal is Agent, action, resource is Step) when {{ resource has amount && resource.amount * 9000000000000000 > {limit}000000000000000 }};"
        ));
        let mut resource = ResourceRef::new(kind, "x");
        resource.parents.push(EntityRef::new("Definition", "y"));
        if let Some(amount) = amount {
            resource.attributes = object(json!({ "amount": amount }));
        }
        let principal = id(who, seed).into();
        let request =
            Request { principal, action: action.to_owned(), resource, context: object(context), irreversible: false };
        let decision = decide(&bundle, &directory(), &request);
        prop_assert!(!decision.reasons.is_empty());
        let payload: Value = serde_json::from_str(decision.payload()).unwrap();
        let kept = chancery_base::json::canonical(&payload);
        let read: Value = serde_json::from_slice(&kept).unwrap();
        prop_assert_eq!(decide_again(&bundle, &read), decision.outcome);
    }
}

fn context() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        (0..10_i64).prop_map(Value::from),
        Just(json!(1_i64 << 53)),
        Just(json!(i64::MAX)),
        Just(json!(1.5)),
        Just(json!(null)),
        Just(json!("10.0.0.1")),
        Just(json!(["a", "b"])),
        Just(json!({ "country": "AT" })),
        Just(json!({ "country": "AT", "zip": 1 })),
        Just(json!({ "type": "Color", "id": "red" })),
        Just(json!({ "__entity": { "type": "Color", "id": "green" } })),
        Just(json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } })),
        Just(json!({ "__extn": { "fn": "decimal", "arg": "1.0" } })),
    ];
    let names = ["attempt", "amount", "place", "tags", "address", "color", "unknown"];
    let key = prop::sample::select(names.to_vec()).prop_map(str::to_owned);
    prop::collection::btree_map(key, value, 0..3).prop_map(|map| json!(map))
}
