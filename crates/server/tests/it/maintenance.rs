//! Maintenance over the API: of one tenant, and of the platform.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

async fn put(house: &House, key: &str, body: &Value) -> Answer {
    Call::new("PUT", "/v1/maintenance").key(key).json(body).send(house.addr).await
}

async fn start(house: &House, key: &str) -> Answer {
    let body = json!({ "definition": "order", "input": { "sku": "a" } });
    house.post("/v1/transactions", key, &body).await
}

#[tokio::test]
async fn a_tenant_in_maintenance_begins_nothing_and_goes_on() {
    let house = House::new().await;
    house.shop().await;
    let (_, shop) = house.principal("shop", &["service"]).await;
    let (_, operator) = house.principal("op", &["operator"]).await;
    let running = house.order(&shop).await;
    let off = house.get("/v1/maintenance", &operator).await.json();
    assert_eq!(off, json!({ "on": false, "platform": false }));
    let why = json!({ "on": true, "justification": "the disks are exchanged" });
    assert_eq!(put(&house, &shop, &why).await.slug(), "403 denied");
    let on = put(&house, &operator, &why).await.json();
    assert_eq!(
        (&on["on"], &on["justification"], &on["platform"]),
        (&json!(true), &why["justification"], &json!(false))
    );
    assert!(on["since"].is_string() && on["by"].is_string(), "{on}");

    let refused = start(&house, &shop).await;
    assert_eq!(refused.slug(), "503 maintenance");
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert_eq!(refused.problem().detail, "the tenant is in maintenance: it takes no new transactions");
    // It is ready, its owner sees why nothing begins, and others see nothing of it.
    let ready = house.get("/health/ready", &house.owner).await;
    assert_eq!((ready.status, ready.json().get("maintenance")), (200, None));
    assert!(ready.text().contains("; in maintenance since ") && ready.text().contains("the disks are exchanged"));
    assert_eq!(Call::new("GET", "/ready").send(house.addr).await.text(), r#"{"status":"up"}"#);
    let other = house.tenant("other").await;
    assert!(!house.get("/health/ready", &other).await.text().contains("maintenance"));
    assert_eq!(house.get("/v1/maintenance", &other).await.json()["on"], json!(false));

    let take = json!({ "worker": "w1", "queues": [{ "name": "reserve", "want": 1 }], "wait": "5s" });
    let task = house.post("/v1/workers/exchange", &shop, &take).await.json()["tasks"][0]["task"].clone();
    let done = json!({ "worker": "w1", "done": [{ "task": task, "output": { "id": 7 } }] });
    house.post("/v1/workers/exchange", &shop, &done).await;
    let result = house.get(&format!("/v1/transactions/{running}/result?wait=5s"), &shop).await.json();
    assert_eq!(result["status"], json!("completed"));

    let off = put(&house, &operator, &json!({ "on": false, "justification": "they are" })).await;
    assert_eq!(off.json(), json!({ "on": false, "platform": false }));
    assert_eq!(start(&house, &shop).await.status, 201);
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let of_it: Vec<Value> = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["record"].as_str().unwrap().contains("\"kind\":\"maintenance."))
        .map(|entry| entry["payload"].clone())
        .collect();
    assert_eq!(of_it, [json!({ "justification": "the disks are exchanged" }), json!({ "justification": "they are" })]);
}

#[tokio::test]
async fn the_platform_in_maintenance_begins_nothing_in_any_tenant() {
    let house = House::new().await;
    house.shop().await;
    let why = json!({ "on": true, "justification": "a new release" });
    assert_eq!(put(&house, &house.platform, &why).await.json()["on"], json!(true));
    let refused = start(&house, &house.owner).await;
    assert_eq!(refused.slug(), "503 maintenance");
    assert_eq!(refused.problem().detail, "the platform is in maintenance: it takes no new transactions");
    assert_eq!(house.get("/v1/maintenance", &house.owner).await.json(), json!({ "on": false, "platform": true }));
    // Whoever asks may know, and the node is ready for what runs.
    let ready = Call::new("GET", "/health/ready").send(house.addr).await;
    assert_eq!((ready.status, ready.text()), (200, r#"{"status":"up","maintenance":true}"#));
    put(&house, &house.platform, &json!({ "on": false, "justification": "it is out" })).await;
    assert_eq!(start(&house, &house.owner).await.status, 201);
}

#[tokio::test]
async fn maintenance_takes_a_reason() {
    let house = House::new().await;
    let before = house.log_size().await;
    let long = json!({ "on": true, "justification": "x".repeat(2_001) });
    for body in [json!({ "on": true, "justification": "  " }), long] {
        assert_eq!(put(&house, &house.owner, &body).await.slug(), "400 invalid-request");
    }
    for body in [json!({ "on": true }), json!({ "on": "yes", "justification": "x" }), json!({ "off": true })] {
        assert_eq!(put(&house, &house.owner, &body).await.slug(), "400 invalid-body");
    }
    assert_eq!(house.log_size().await, before);
}
