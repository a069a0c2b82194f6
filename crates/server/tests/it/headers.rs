//! Headers over the API: told at the start, shown, and carried by tasks.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

const TELLS: &str = "
name: tells
version: 1
steps:
  - {id: only, run: {worker: told}, with: \"${{ headers['x-user'] }}\"}
output: '${{ headers }}'
";

async fn ready() -> House {
    let house = House::new().await;
    house.shop().await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    let answer = call.body("application/yaml", TELLS.as_bytes()).send(house.addr).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    house
}

#[tokio::test]
async fn what_a_start_is_told_is_shown_and_carried() {
    let house = ready().await;
    let told = json!({ "definition": "tells", "headers": { "X-User": "ada", "x-channel": "web" } });
    let start = |body: &Value| {
        let call = Call::new("POST", "/v1/transactions").key(&house.owner).header("idempotency-key", "k");
        call.json(body)
    };
    let started = start(&told).send(house.addr).await;
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(start(&told).send(house.addr).await.json()["id"], json!(id));
    let other = start(&json!({ "definition": "tells", "headers": { "X-User": "eve" } })).send(house.addr).await;
    assert_eq!(other.slug(), "409 idempotency-key-reused");

    let shown = json!({ "x-user": "ada", "x-channel": "web" });
    let view = house.get(&format!("/v1/transactions/{id}"), &house.owner).await.json();
    assert_eq!(view["headers"], shown);
    let exchange = json!({ "worker": "w-1", "queues": [{ "name": "told", "want": 1 }], "wait": "5s" });
    let tasks = house.post("/v1/workers/exchange", &house.owner, &exchange).await.json()["tasks"].clone();
    assert_eq!((&tasks[0]["headers"], &tasks[0]["input"]), (&shown, &json!("ada")));
    let done = json!({ "worker": "w-1", "queues": [], "done": [{ "task": tasks[0]["task"], "output": null }] });
    let answer = house.post("/v1/workers/exchange", &house.owner, &done).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json();
    assert_eq!(result["output"], shown);
}

#[tokio::test]
async fn what_is_no_header_is_refused_and_nothing_begins() {
    let house = ready().await;
    let before = house.log_size().await;
    for (headers, expected) in [
        (json!({ "Authorization": "Bearer x" }), "headers: `authorization` is for secrets"),
        (json!({ "x y": "" }), "headers: `x y` is not the name of a header"),
        (json!({ "traceparent": "x" }), "headers: the server sets the header `traceparent` itself"),
        (json!({ "x-a": "a\nb" }), "headers: `x-a`: visible ASCII is expected here"),
    ] {
        let body = json!({ "definition": "tells", "headers": headers });
        let refused = house.post("/v1/transactions", &house.owner, &body).await;
        assert_eq!(refused.slug(), "400 invalid-request");
        assert!(refused.problem().detail.starts_with(expected), "{}", refused.text());
        let terms = json!({ "definition": "tells", "every": "1h", "headers": headers });
        let refused = Call::new("PUT", "/v1/schedules/hourly").key(&house.owner).json(&terms).send(house.addr).await;
        assert_eq!(refused.slug(), "400 invalid-request");
        assert!(refused.problem().detail.starts_with(expected), "{}", refused.text());
    }
    assert_eq!(house.log_size().await, before);
}
