//! Transactions that steps run, through the API.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

const PARCEL: &str = "
name: parcel
version: 1
steps:
  - {id: pack, run: noop, with: '${{ input.of }}', compensate: {run: noop}}
  - {id: sent, after: [pack], run: {signal: {name: sent}}}
output: {packed: '${{ steps.pack.output }}'}
";

const ORDER: &str = "
name: order
version: 1
steps:
  - {id: ship, run: {transaction: parcel}, with: {of: '${{ input.sku }}'}}
  - {id: paid, after: [ship], run: {signal: {name: paid}}}
output: '${{ steps.ship.output }}'
";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

async fn register(house: &House, text: &str) -> Answer {
    Call::new("POST", "/v1/definitions")
        .key(&house.owner)
        .body("application/yaml", text.as_bytes())
        .send(house.addr)
        .await
}

/// An order and the parcel that it runs.
async fn order(house: &House, key: &str) -> (String, String) {
    let start = json!({ "definition": "order", "input": { "sku": "chair" } });
    let started = house.post("/v1/transactions", key, &start).await;
    assert_eq!(started.status, 201, "{}", started.text());
    let id = text(&started.json()["id"]);
    // The child begins when its definition is here, in a commit after the start.
    for _ in 0..2_000 {
        let view = house.get(&format!("/v1/transactions/{id}"), key).await.json();
        if let Some(child) = view["children"].get(0) {
            return (id, text(child));
        }
    }
    panic!("{id} has no child");
}

async fn view(house: &House, key: &str, id: &str) -> Value {
    house.get(&format!("/v1/transactions/{id}"), key).await.json()
}

#[tokio::test]
async fn parent_and_child_name_one_another() {
    let house = House::new().await;
    house.shop().await;
    for definition in [PARCEL, ORDER.replace("version: 1", "version: 2").as_str()] {
        let answer = register(&house, definition).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let (_, shop) = house.principal("shop", &["service"]).await;
    let (id, parcel) = order(&house, &shop).await;

    let parent = view(&house, &shop, &id).await;
    assert_eq!((&parent["status"], &parent["children"]), (&json!("running"), &json!([parcel])));
    assert_eq!((&parent["steps"][0]["status"], &parent["steps"][0]["child"]), (&json!("dispatched"), &json!(parcel)));
    let waits = &parent["waiting_for"][0];
    assert_eq!((&waits["what"], &waits["step"], &waits["name"]), (&json!("child"), &json!("ship"), &json!(parcel)));
    let child = view(&house, &shop, &parcel).await;
    assert_eq!(child["parent"], json!({ "transaction": id, "step": "ship" }));
    assert_eq!((&child["principal"], &child["bundle"]), (&parent["principal"], &parent["bundle"]));
    assert_eq!(child["status"], json!("waiting"), "for its signal");

    let found = house.get(&format!("/v1/transactions?search=parent:{id}"), &shop).await.json();
    assert_eq!((&found["items"][0]["id"], found["items"].as_array().unwrap().len()), (&json!(parcel), 1));
    assert_eq!(found["items"][0]["parent"]["step"], json!("ship"));

    let sent = house.post(&format!("/v1/transactions/{parcel}/signals"), &shop, &json!({ "name": "sent" })).await;
    assert_eq!((sent.status, &sent.json()["status"]), (201, &json!("completed")));
    let parent = view(&house, &shop, &id).await;
    assert_eq!((&parent["status"], &parent["steps"][0]["output"]), (&json!("waiting"), &json!({ "packed": "chair" })));
    let proof = Call::new("GET", format!("/v1/receipts/{parcel}")).key(&house.owner).header("accept", "text/plain");
    assert_eq!(proof.send(house.addr).await.status, 200, "what it came to can be shown");

    // What completed goes backward with its parent.
    let cancelled = house.post(&format!("/v1/transactions/{id}/cancel"), &shop, &json!({})).await.json();
    assert_eq!(cancelled["cause"]["kind"], json!("cancelled"));
    let ended = house.get(&format!("/v1/transactions/{id}/result?wait=10s"), &shop).await.json();
    assert_eq!((&ended["status"], ended.get("left_undone")), (&json!("cancelled"), None));
    let child = view(&house, &shop, &parcel).await;
    assert_eq!((&child["status"], &child["cause"]["kind"]), (&json!("compensated"), &json!("recalled")));
    let history = house.get(&format!("/v1/transactions/{parcel}/history"), &house.owner).await.json();
    let mut records = history["items"].as_array().unwrap().iter().map(|item| text(&item["record"]));
    assert!(records.any(|record| record.contains("\"kind\":\"transaction.recalled\"")), "{history}");
}

#[tokio::test]
async fn a_child_may_be_registered_after_its_parent() {
    let house = House::new().await;
    house.shop().await;
    assert_eq!(register(&house, &ORDER.replace("version: 1", "version: 2")).await.status, 201);
    let start = json!({ "definition": "order", "input": { "sku": "chair" }, "wait": "10s" });
    let failed = house.post("/v1/transactions", &house.owner, &start).await.json();
    assert_eq!((&failed["status"], &failed["cause"]["error"]["type"]), (&json!("failed"), &json!("DefinitionMissing")));
    assert_eq!(register(&house, PARCEL).await.status, 201);
    let (_, parcel) = order(&house, &house.owner).await;
    assert_eq!(view(&house, &house.owner, &parcel).await["version"], json!(1));
    let itself = register(&house, &ORDER.replace("transaction: parcel", "transaction: order")).await;
    assert_eq!(itself.status, 400, "{}", itself.text());
}

#[tokio::test]
async fn a_child_is_decided_as_any_start_of_its_definition() {
    let house = House::new().await;
    house.shop().await;
    let order = ORDER.replace("version: 1", "version: 2").replace("transaction: parcel", "transaction: forbidden");
    assert_eq!(register(&house, &order).await.status, 201);
    let start = json!({ "definition": "order", "input": { "sku": "chair" }, "wait": "10s" });
    let denied = house.post("/v1/transactions", &house.owner, &start).await.json();
    assert_eq!((&denied["status"], &denied["cause"]["kind"]), (&json!("failed"), &json!("step_denied")), "{denied}");
    let error = &denied["cause"]["error"];
    assert_eq!(error["type"], json!("PolicyDenied"));
    assert!(error["message"].as_str().unwrap().contains("nobody starts this"), "{error}");
}

/// What policy demands of its start is asked of people before it begins, as of any step of its parent.
#[tokio::test]
async fn people_approve_a_child_before_it_begins() {
    let house = House::new().await;
    let schema = "
        entity User, Service, Agent = { name: String };
        entity Definition;
        entity Step in [Definition];
        action start, run appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };";
    let obligations = "@id(\"seen\") @obligation(\"approval\") @reason(\"a parcel goes out\")
        permit (principal, action == Action::\"start\", resource == Definition::\"parcel\");";
    let bundle = json!({ "name": "parcels", "version": 1, "schema": schema, "obligations": obligations,
                         "policies": "permit (principal, action, resource);" });
    house.decide_by(&bundle).await;
    house.define(PARCEL).await;
    house.define(ORDER).await;
    let alone = house.post("/v1/transactions", &house.owner, &json!({ "definition": "parcel" })).await;
    assert_eq!(alone.slug(), "403 policy-denied", "{}", alone.text());
    let (_, ann) = house.person("ann", &["approver"]).await;
    for (answer, status) in [("approved", "running"), ("denied", "failed")] {
        let start = json!({ "definition": "order", "input": { "sku": "chair" } });
        let id = text(&house.post("/v1/transactions", &house.owner, &start).await.json()["id"]);
        let mut waits = Value::Null;
        for _ in 0..2_000 {
            waits = view(&house, &house.owner, &id).await;
            if waits["waiting_for"][0]["what"] == "request" {
                break;
            }
        }
        assert_eq!(waits["children"], Value::Null, "{waits}");
        let request = text(&waits["waiting_for"][0]["name"]);
        let said = json!({ "answer": answer, "justification": "it is on the list of parcels" });
        let path = format!("/v1/requests/{request}");
        let asked = house.get(&path, &ann).await.json();
        assert_eq!((&asked["reason"], &asked["input"]), (&json!("a parcel goes out"), &json!({ "of": "chair" })));
        assert_eq!(house.post(&format!("{path}/answer"), &ann, &said).await.status, 200);
        let after = view(&house, &house.owner, &id).await;
        assert_eq!((after["status"].as_str(), after["children"].is_array()), (Some(status), answer == "approved"));
    }
}
