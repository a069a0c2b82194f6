//! The table, the router and the document say the same.

use crate::house::House;
use crate::http::Call;
use chancery_api::ROUTES;
use chancery_policy::Action;
use serde_json::Value;
use std::collections::BTreeSet;

const COMMITTED: &str = include_str!("../../../../openapi.json");

#[test]
fn the_committed_document_is_fresh() {
    let fresh = chancery_server::openapi::text();
    assert!(fresh == COMMITTED, "openapi.json is stale: cargo xtask openapi");
}

#[test]
fn the_document_has_the_routes_of_the_table_and_no_others() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            found.insert((method.to_uppercase(), path.clone(), id, operation.get("security").is_some()));
        }
    }
    let expected: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| {
            let closed = matches!(route.access, chancery_api::Access::Action(_));
            (route.method.word().to_owned(), route.path.replace("{*", "{"), route.operation_id.to_owned(), closed)
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(expected.len(), ROUTES.len(), "operation ids are unique");
}

#[test]
fn every_schema_that_is_named_is_there() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    let schemas: BTreeSet<_> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    let mut named = BTreeSet::new();
    gather(&document, &mut named);
    assert_eq!(named.difference(&schemas).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(schemas.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "schemas that nothing names");
}

fn gather(value: &Value, named: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                named.insert(reference.rsplit('/').next().unwrap().to_owned());
            }
            map.values().for_each(|item| gather(item, named));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_action_of_the_table_is_one_of_the_role_bundle_and_the_other_way_round() {
    let of_table: BTreeSet<&str> = ROUTES
        .iter()
        .filter_map(|route| match route.access {
            chancery_api::Access::Open | chancery_api::Access::Token => None,
            chancery_api::Access::Action(action) => Some(action),
        })
        .collect();
    // A handler asks for these itself: suspending is a part of `principal_set`, faults are one of a start, details of
    // health are for some.
    let of_handlers = BTreeSet::from(["principal:suspend", "fault:inject", "health:read"]);
    let of_bundle: BTreeSet<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(of_table.union(&of_handlers).copied().collect::<BTreeSet<_>>(), of_bundle);
}

#[tokio::test]
async fn the_document_is_served() {
    let house = House::new().await;
    let answer = Call::new("GET", "/openapi.json").send(house.addr).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.text() == COMMITTED);
}
