//! Retention over the API: what is said of it, and what has expired.

use crate::house::{House, node_with, options};
use crate::http::{Answer, Call};
use chancery_app::Config;
use chancery_shard::retention::Expiry;
use serde_json::{Value, json};
use std::time::Duration;

async fn put(house: &House, key: &str, body: &Value) -> Answer {
    Call::new("PUT", "/v1/retention").key(key).json(body).send(house.addr).await
}

#[tokio::test]
async fn a_tenant_says_how_long_it_keeps_what_has_ended() {
    let house = House::new().await;
    let (_, operator) = house.principal("op", &["operator"]).await;
    let usual = house.get("/v1/retention", &operator).await.json();
    assert_eq!((&usual["transactions"], &usual["is_default"]), (&json!("90d"), &json!(true)));
    assert!(usual["next"].as_str().unwrap().ends_with("T02:00:00.000000Z"), "{usual}");
    let month = json!({ "transactions": "30d" });
    assert_eq!(put(&house, &operator, &month).await.slug(), "403 denied");
    let set = put(&house, &house.owner, &month).await.json();
    assert_eq!((&set["transactions"], &set["is_default"]), (&json!("30d"), &json!(false)));
    for (body, status, says) in [
        (json!({ "transactions": "6d" }), "400 invalid-request", "transactions: 6d, it may be 7d to 3650d"),
        (json!({ "transactions": "long" }), "400 invalid-request", "transactions"),
        (json!({ "entries": "7d" }), "400 invalid-body", "entries"),
    ] {
        let refused = put(&house, &house.owner, &body).await;
        assert_eq!(refused.slug(), status, "{body}");
        assert!(refused.text().contains(says), "{}", refused.text());
    }
    assert_eq!(house.get("/v1/retention", &operator).await.json()["transactions"], json!("30d"));
    let other = house.tenant("other").await;
    assert_eq!(house.get("/v1/retention", &other).await.json()["transactions"], json!("90d"), "it is another's");
    let reset = put(&house, &house.owner, &json!({})).await.json();
    assert_eq!((&reset["transactions"], &reset["is_default"]), (&json!("90d"), &json!(true)));
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let of_it: Vec<Value> = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["record"].as_str().unwrap().contains("\"kind\":\"retention."))
        .map(|entry| entry["payload"]["settings"].clone())
        .collect();
    assert_eq!(of_it, [json!({ "transactions_ms": 2_592_000_000_u64 }), json!({})]);
}

#[tokio::test]
async fn what_has_expired_is_gone_and_its_history_is_not() {
    let every = Duration::from_millis(20);
    let soon = Expiry { every, retention: Duration::ZERO, pause: every, ..Expiry::NIGHTLY };
    let house = House::on(node_with(|config| Config { expiry: soon, ..config }).await, options()).await;
    house.shop().await;
    let id = house.order(&house.owner).await;
    let running = house.order(&house.owner).await;
    let take = json!({ "worker": "w1", "queues": [{ "name": "reserve", "want": 1 }], "wait": "5s" });
    let task = house.post("/v1/workers/exchange", &house.owner, &take).await.json()["tasks"][0].clone();
    let done = json!({ "worker": "w1", "done": [{ "task": task["task"], "output": { "id": 7 } }] });
    house.post("/v1/workers/exchange", &house.owner, &done).await;
    let ended = task["transaction"].as_str().unwrap().to_owned();
    let left = if ended == id { running } else { id };
    let path = format!("/v1/transactions/{ended}");
    let expired = loop {
        let answer = house.get(&path, &house.owner).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(expired.slug(), "410 expired");
    let problem = expired.problem();
    assert!(problem.detail.contains(&format!("/v1/transactions/{ended}/history")), "{}", problem.detail);
    assert_eq!(problem.transaction.map(|id| id.to_string()), Some(ended.clone()));
    let cancel = house.post(&format!("{path}/cancel"), &house.owner, &json!({})).await;
    assert_eq!(cancel.slug(), "410 expired");
    let history = house.get(&format!("{path}/history"), &house.owner).await.json();
    assert!(history["items"].as_array().unwrap().len() > 3, "{history}");
    assert_eq!(house.get(&format!("/v1/transactions/{left}"), &house.owner).await.status, 200, "it runs");
    let last = house.get("/v1/retention", &house.owner).await.json()["last"].clone();
    assert!(last["began_at"].is_string() && last.get("problem").is_none(), "{last}");
}
