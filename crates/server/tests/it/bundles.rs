//! Bundles over the API: their own tests.

use crate::house::House;
use serde_json::{Value, json};

const SCHEMA: &str = "
entity Role; entity User in [Role]; entity Service in [Role]; entity Agent in [Role];
entity Order = { @asserted total?: Long };
action ship appliesTo { principal: [User, Service, Agent], resource: [Order], context: {} };";

/// A bundle whose orders may be shipped up to a total.
fn shop(version: u32, most: u32, tests: &Value) -> Value {
    let policies = format!(
        "@id(\"small\") @reason(\"small orders are shipped\") permit (principal, action == Action::\"ship\", resource)
         when {{ resource has total && resource.total <= {most} }};"
    );
    json!({ "name": "shop", "version": version, "schema": SCHEMA, "policies": policies, "tests": tests })
}

/// A test that an order of so much is shipped.
fn ships(name: &str, total: u32) -> Value {
    json!({ "name": name, "principal": { "kind": "service" }, "action": "ship",
        "resource": { "type": "Order", "id": "1", "attributes": { "total": total } },
        "expect": "permit", "policies": ["small"] })
}

#[tokio::test]
async fn a_bundle_whose_own_tests_fail_is_not_pushed() {
    let house = House::new().await;
    let good = shop(1, 100, &json!([ships("ten", 10)]));
    let bad = shop(2, 5, &json!([ships("one", 1), ships("ten", 10)]));
    for path in ["/v1/bundles/check", "/v1/bundles"] {
        let refused = house.post(path, &house.owner, &bad).await;
        let body = refused.json();
        assert_eq!((refused.status, body["errors"].as_array().unwrap().len()), (400, 1), "{body}");
        assert_eq!(body["errors"][0]["path"], "tests, `ten`");
        let said = "expected permit by small, got deny because no policy permits `ship` on Order::\"1\"";
        assert_eq!(body["errors"][0]["message"], said);
    }
    assert_eq!(house.post("/v1/bundles", &house.owner, &good).await.status, 201);
    let pushed = house.get("/v1/bundles", &house.owner).await.json();
    let shops = pushed["items"].as_array().unwrap().iter().filter(|bundle| bundle["name"] == "shop");
    assert_eq!(shops.count(), 1, "{pushed}");
}

#[tokio::test]
async fn a_bundle_is_asked_without_being_active_and_nothing_is_recorded() {
    let house = House::new().await;
    house.shop().await;
    let pushed = house.post("/v1/bundles", &house.owner, &shop(7, 100, &json!([]))).await.json();
    let digest = pushed["digest"].as_str().unwrap();
    let (agent, key) = house.principal("author", &["policy-author"]).await;
    let path = format!("/v1/bundles/{digest}/simulate");
    let ask = |total: u32| json!({ "action": "ship", "resource": { "type": "Order", "id": "1", "attributes": { "total": total } } });
    let before = house.log_size().await;
    let permit = house.post(&path, &key, &ask(100)).await;
    let expected = json!({ "permitted": true, "bundle": digest,
        "reasons": [{ "policy": "small", "effect": "permit", "text": "small orders are shipped" }] });
    assert_eq!((permit.status, permit.json()), (200, expected));
    let deny = house.post(&path, &key, &ask(101)).await.json();
    assert_eq!((&deny["permitted"], &deny["reasons"][0]["policy"]), (&json!(false), &Value::Null));
    assert_eq!(house.log_size().await, before);
    // What others may do is told to those who may look at them.
    let mut of_owner = ask(1);
    of_owner["principal"] = json!(agent);
    assert_eq!(house.post(&path, &house.owner, &of_owner).await.status, 200);
    of_owner["principal"] = json!(format!("usr_{}", "0".repeat(32)));
    assert_eq!(house.post(&path, &key, &of_owner).await.status, 403);
    let unknown = format!("/v1/bundles/sha256:{}/simulate", "0".repeat(64));
    assert_eq!(house.post(&unknown, &key, &ask(1)).await.status, 404);
}

#[tokio::test]
async fn a_rollback_goes_to_what_was_active_before_and_back() {
    let house = House::new().await;
    let rollback = async || house.post("/v1/bundles/rollback", &house.owner, &json!({})).await;
    let none = rollback().await;
    assert_eq!((none.status, none.problem().detail.as_str()), (409, "no other bundle was active before"));
    let first = house.shop().await;
    assert_eq!(rollback().await.status, 409);
    let pushed = house.post("/v1/bundles", &house.owner, &shop(7, 100, &json!([]))).await.json();
    let second = pushed["digest"].as_str().unwrap();
    house.post(&format!("/v1/bundles/{second}/activate"), &house.owner, &json!({})).await;
    for expected in [first.as_str(), second, first.as_str()] {
        let back = rollback().await;
        assert_eq!((back.status, &back.json()["digest"]), (200, &json!(expected)), "{}", back.text());
        assert!(back.json()["entry"].is_u64());
        let active = house.get(&format!("/v1/bundles/{expected}"), &house.owner).await.json();
        assert_eq!(active["active"], true);
    }
}
