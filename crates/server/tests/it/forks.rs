//! Forks of transactions that have ended, through the API.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

const TRIP: &str = "
name: trip
version: 1
steps:
  - {id: hotel, run: {worker: hotel}, compensate: {run: {worker: release}}}
  - {id: car, after: [hotel], run: {worker: car}, retry: {attempts: 1}, compensate: {run: {worker: release}}}
output: {hotel: '${{ steps.hotel.output.id }}', car: '${{ steps.car.output.id }}'}
";

/// Takes the one task of a queue and answers it.
async fn work(house: &House, key: &str, queue: &str, answer: Value) -> Value {
    let take = json!({ "worker": "w1", "queues": [{ "name": queue, "want": 1 }], "wait": "5s" });
    let task = house.post("/v1/workers/exchange", key, &take).await.json()["tasks"][0].clone();
    let mut done = json!({ "task": task["task"] });
    done.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    let acks = house.post("/v1/workers/exchange", key, &json!({ "worker": "w1", "done": [done] })).await;
    assert_eq!(acks.json()["acks"][0]["ack"], json!("recorded"), "{}", acks.text());
    task
}

/// A trip that was ended when it had a hotel.
async fn terminated(house: &House) -> String {
    house.shop().await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner).body("application/yaml", TRIP.as_bytes());
    assert_eq!(call.send(house.addr).await.status, 201);
    let start = json!({ "definition": "trip", "input": {}, "labels": { "of": "ann" } });
    let call = Call::new("POST", "/v1/transactions").key(&house.owner).header("idempotency-key", "t-1").json(&start);
    let id = call.send(house.addr).await.json()["id"].as_str().unwrap().to_owned();
    work(house, &house.owner, "hotel", json!({ "output": { "id": 7 } })).await;
    let path = format!("/v1/transactions/{id}/terminate");
    let ended = house.post(&path, &house.owner, &json!({ "justification": "the car firm is down" })).await.json();
    assert_eq!((&ended["status"], &ended["left_undone"]), (&json!("terminated"), &json!(["hotel"])));
    id
}

async fn fork(house: &House, id: &str, key: Option<&str>, body: &Value) -> Answer {
    let call = Call::new("POST", format!("/v1/transactions/{id}/fork")).key(&house.owner);
    let call = key.map_or(call.clone(), |key| call.header("idempotency-key", key));
    call.json(body).send(house.addr).await
}

async fn view(house: &House, id: &str) -> Value {
    house.get(&format!("/v1/transactions/{id}"), &house.owner).await.json()
}

#[tokio::test]
async fn a_fork_goes_on_with_what_its_source_did() {
    let house = House::new().await;
    let source = terminated(&house).await;
    let body = json!({ "step": "car", "justification": "it is back" });
    let made = fork(&house, &source, Some("f-1"), &body).await;
    assert_eq!((made.status, &made.json()["status"]), (201, &json!("running")), "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let again = fork(&house, &source, Some("f-1"), &body).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &json!(id)));
    let other = fork(&house, &source, None, &body).await;
    assert_eq!(other.slug(), "409 forked-already");
    assert_eq!(other.problem().transaction.map(|id| id.to_string()), Some(id.clone()), "which it was");

    let of_fork = view(&house, &id).await;
    let fork_of = json!({ "transaction": source, "step": "car", "justification": "it is back" });
    assert_eq!((&of_fork["fork_of"], &of_fork["labels"]), (&fork_of, &json!({ "of": "ann" })));
    let hotel = &of_fork["steps"][0];
    assert_eq!((&hotel["status"], &hotel["output"]), (&json!("completed"), &json!({ "id": 7 })));
    assert_eq!(hotel["inherited_from"], json!(source));
    let before = view(&house, &source).await;
    assert_eq!((&before["status"], &before["forked_by"]), (&json!("terminated"), &json!(id)));
    assert_eq!(before.get("left_undone"), None, "its fork took that over");

    work(&house, &house.owner, "car", json!({ "error": { "type": "NoCar", "message": "none is left" } })).await;
    let undo = work(&house, &house.owner, "release", json!({ "output": null })).await;
    assert_eq!((&undo["transaction"], &undo["step"]), (&json!(id), &json!("hotel")));
    assert_eq!(undo["forward_key"], json!("t-1/hotel"), "{undo}");
    let ended = house.get(&format!("/v1/transactions/{id}/result?wait=10s"), &house.owner).await.json();
    assert_eq!((&ended["status"], ended.get("left_undone")), (&json!("compensated"), None));
    let history = house.get(&format!("/v1/transactions/{id}/history"), &house.owner).await.json();
    let first = history["items"][0]["record"].as_str().unwrap();
    assert!(first.contains(&format!("\"fork_of\":\"{source}\"")), "{first}");
    let closed = house.get(&format!("/v1/transactions/{source}/history"), &house.owner).await.json();
    let last = closed["items"].as_array().unwrap().last().unwrap()["record"].as_str().unwrap().to_owned();
    assert!(last.contains("\"last\":true"), "its source's history is closed as it was: {last}");
}

#[tokio::test]
async fn what_a_fork_took_over_has_its_receipt_with_its_source() {
    let house = House::new().await;
    let source = terminated(&house).await;
    let body = json!({ "step": "car", "justification": "it is back" });
    let id = fork(&house, &source, None, &body).await.json()["id"].as_str().unwrap().to_owned();
    work(&house, &house.owner, "car", json!({ "error": { "type": "NoCar", "message": "none", "final": true } })).await;
    work(&house, &house.owner, "release", json!({ "output": null })).await;
    let result = house.get(&format!("/v1/transactions/{id}/result?wait=10s"), &house.owner).await.json();
    assert_eq!(result["status"], json!("compensated"));
    for subject in [format!("{id}/hotel"), format!("{id}/hotel/undo")] {
        let answer = house.get(&format!("/v1/receipts/{subject}"), &house.owner).await;
        assert_eq!(answer.slug(), "404 not-found", "{subject}");
        assert!(answer.problem().detail.contains(&source), "{}", answer.text());
    }
    let of_source = house.get(&format!("/v1/receipts/{source}/hotel"), &house.owner).await;
    assert_eq!(of_source.status, 200, "{}", of_source.text());
    let own = house.get(&format!("/v1/receipts/{id}/car"), &house.owner).await;
    assert_eq!(own.status, 200, "{}", own.text());
}

#[tokio::test]
async fn a_fork_that_cannot_be_is_told_why() {
    let house = House::new().await;
    let source = terminated(&house).await;
    let body = |step: &str, why: &str| json!({ "step": step, "justification": why });
    for (body, slug, says) in [
        (body("plane", "x"), "400 invalid-request", "no step `plane`"),
        (body("car", " "), "400 invalid-request", "a justification is needed"),
        (json!({ "step": "car" }), "400 invalid-body", "justification"),
    ] {
        let answer = fork(&house, &source, None, &body).await;
        assert_eq!(answer.slug(), slug, "{}", answer.text());
        assert!(answer.text().contains(says), "{}", answer.text());
    }
    let running = house.order(&house.owner).await;
    let refused = fork(&house, &running, None, &body("reserve", "x")).await;
    assert_eq!(refused.slug(), "409 illegal-state", "{}", refused.text());
    assert!(refused.problem().detail.contains("only one that has ended"), "{}", refused.text());
    let missing = fork(&house, "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90", None, &body("car", "x")).await;
    assert_eq!(missing.slug(), "404 not-found");
    let (_, shop) = house.principal("shop", &["service"]).await;
    let denied = house.post(&format!("/v1/transactions/{source}/fork"), &shop, &body("car", "x")).await;
    assert_eq!(denied.slug(), "403 denied");
    assert!(denied.problem().detail.contains("transaction:fork"), "{}", denied.text());
}
