//! Bundles over the API: their own tests.

use crate::house::House;
use crate::http::Call;
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

const CHARGE: &str = "
name: charge
version: 1
steps:
  - id: reserve
    run: {worker: reserve}
  - id: charge
    after: [reserve]
    run: {worker: charge}
    action: charge
    context: {amount: \"${{ input.amount }}\"}
  - id: tell
    after: [charge]
    run: {worker: tell}
    action: charge
    context: {amount: \"${{ steps.charge.output.amount }}\"}
";

fn charging(version: u64, limit: u64) -> Value {
    let schema = "entity Definition; entity Step in [Definition]; entity User; entity Service; entity Agent;
        action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
        action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: { attempt: Long } };
        action charge appliesTo { principal: [User, Service, Agent], resource: [Step], context: { amount: Long } };";
    let policies = format!(
        "permit (principal, action, resource);
        @id(\"limit\") @reason(\"it is too much\")
        forbid (principal, action == Action::\"charge\", resource) when {{ context.amount > {limit} }};"
    );
    json!({ "name": "charging", "version": version, "schema": schema, "policies": policies })
}

#[tokio::test]
async fn an_activation_lists_what_it_would_deny_of_what_runs_and_wants_it_accepted() {
    let house = House::new().await;
    house.decide_by(&charging(1, 1_000)).await;
    house.define(CHARGE).await;
    let start = async |amount: u64| {
        let body = json!({ "definition": "charge", "input": { "amount": amount } });
        house.post("/v1/transactions", &house.owner, &body).await.json()["id"].as_str().unwrap().to_owned()
    };
    let (small, large) = (start(10).await, start(500).await);
    let ended = start(600).await;
    let cancelled = house.post(&format!("/v1/transactions/{ended}/cancel"), &house.owner, &json!({})).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text());

    let pushed = house.post("/v1/bundles", &house.owner, &charging(2, 100)).await.json();
    let digest = pushed["digest"].as_str().unwrap();
    let activate = async |query: &str| {
        let path = format!("/v1/bundles/{digest}/activate{query}");
        Call::new("POST", path).key(&house.owner).send(house.addr).await
    };
    let refused = activate("").await;
    assert_eq!(refused.slug(), "409 would-deny");
    let says = "deny steps of 1 running transactions, of 2 that were looked at";
    assert!(refused.text().contains(says), "{}", refused.text());
    let impact = refused.json()["impact"].clone();
    assert_eq!((&impact["transactions"], &impact["looked_at"], &impact["more"]), (&json!(1), &json!(2), &json!(false)));
    assert_eq!(impact["untold"], json!(2), "what `tell` is asked depends on `charge`");
    let denied = &impact["would_deny"][0];
    assert_eq!(
        (&denied["transaction"], &denied["step"], &denied["action"], &denied["reasons"][0]["policy"]),
        (&json!(large), &json!("charge"), &json!("charge"), &json!("limit")),
        "{impact}"
    );
    assert_ne!(small, large);
    let active = house.get("/v1/bundles", &house.owner).await.json();
    assert_eq!(active["items"][1]["active"], json!(false), "nothing was put into force");

    let accepted = activate("?accept=1").await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
    assert_eq!(accepted.json()["impact"]["transactions"], json!(1));
    let entry = accepted.json()["entry"].as_u64().unwrap();
    let entries = house.get(&format!("/v1/ledger/entries?from={entry}&limit=1"), &house.owner).await.json();
    assert!(entries["items"][0]["record"].as_str().unwrap().contains("\"denies\":1"), "{entries}");
    // Back again: what runs began with that one.
    let back = house.post("/v1/bundles/rollback", &house.owner, &json!({})).await;
    assert_eq!((back.status, &back.json()["impact"]["transactions"]), (200, &json!(0)), "{}", back.text());
}

#[tokio::test]
async fn a_bundle_is_asked_before_it_is_pushed_and_past_decisions_are_taken_again_a_part_at_a_time() {
    let house = House::new().await;
    house.decide_by(&shop(1, 1_000, &json!([]))).await;
    let (author_id, author) = house.principal("author", &["policy-author"]).await;
    let (_, agent) = house.principal("agent", &["agent"]).await;
    let question = |total: u32| json!({ "action": "ship", "resource": { "type": "Order", "id": "1", "attributes": { "total": total } } });
    let ask = async |total| {
        let asked = json!({ "bundle": shop(2, 100, &json!([])), "question": question(total) });
        house.post("/v1/bundles/simulate", &author, &asked).await
    };
    assert_eq!(
        (ask(50).await.json()["permitted"].clone(), ask(500).await.json()["permitted"].clone()),
        (json!(true), json!(false))
    );
    assert_eq!(
        house.get("/v1/bundles", &author).await.json()["items"].as_array().unwrap().len(),
        1,
        "nothing was pushed"
    );
    let bad = json!({ "bundle": { "name": "shop" }, "question": question(1) });
    assert_eq!(house.post("/v1/bundles/simulate", &author, &bad).await.slug(), "400 invalid-document");
    let asked = json!({ "bundle": shop(2, 100, &json!([])), "question": question(1) });
    assert_eq!(house.post("/v1/bundles/simulate", &agent, &asked).await.slug(), "403 denied");
    let mut other = asked.clone();
    other["question"]["principal"] = json!("usr_00000000000000000000000000000001");
    assert_eq!(house.post("/v1/bundles/simulate", &author, &other).await.slug(), "403 denied", "others take a right");

    for total in [50, 500, 5_000] {
        house.post("/v1/decisions", &author, &question(total)).await;
    }
    let pushed = house.post("/v1/bundles", &author, &shop(2, 100, &json!([]))).await.json();
    let path = format!("/v1/bundles/{}/replay", pushed["digest"].as_str().unwrap());
    assert_eq!(house.post(&path, &agent, &json!({})).await.slug(), "403 denied");
    let all = house.post(&path, &author, &json!({})).await.json();
    assert_eq!(
        (&all["decisions"], &all["would_deny"], &all["would_permit"]),
        (&json!(3), &json!(1), &json!(0)),
        "{all}"
    );
    let group = json!([{ "principal": author_id, "action": "ship", "would_deny": 1, "would_permit": 0 }]);
    assert_eq!((&all["groups"], all.get("next")), (&group, None));
    let flip = &all["flips"][0];
    assert_eq!((&flip["before"], &flip["after"], &flip["action"]), (&json!("permit"), &json!("deny"), &json!("ship")));
    let entry = flip["entry"].as_u64().unwrap();
    for (range, flips) in [((0, entry), 0), ((entry, entry + 1), 1), ((entry + 1, u64::MAX >> 12), 0), ((9, 3), 0)] {
        let part = house.post(&path, &author, &json!({ "from": range.0, "to": range.1 })).await.json();
        assert_eq!(part["would_deny"], json!(flips), "{range:?}: {part}");
    }
    let none = house.post(&path, &author, &json!({ "until": "2020-01-01T00:00:00Z" })).await.json();
    assert_eq!(none["decisions"], json!(0));
}

#[tokio::test]
async fn a_push_says_what_is_allowed_and_probably_not_meant() {
    let house = House::new().await;
    let mut idle = shop(1, 10, &json!([]));
    idle["policies"] = json!("@id(\"none\") permit (principal, action, resource) when { false };");
    let pushed = house.post("/v1/bundles", &house.owner, &idle).await.json();
    let rules: Vec<_> = pushed["warnings"].as_array().unwrap().iter().map(|warning| &warning["rule"]).collect();
    assert!(rules.contains(&&json!("never-applies")), "{pushed}");
    let good = house.post("/v1/bundles", &house.owner, &shop(2, 10, &json!([]))).await.json();
    assert!(good.get("warnings").is_none(), "{good}");
}
