//! A TCC through a running server: the trip of `examples/book-trip.yaml`.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TRIP: &str = include_str!("../../../../examples/book-trip.yaml");
const QUEUES: [&str; 9] = [
    "flight.hold",
    "flight.book",
    "flight.release",
    "hotel.hold",
    "hotel.book",
    "hotel.release",
    "car.hold",
    "car.book",
    "car.release",
];

/// A house with the trip's definition, and the key of who books and works.
async fn house() -> (House, String) {
    let house = House::new().await;
    house.shop().await;
    let push = Call::new("POST", "/v1/definitions").key(&house.owner).body("application/yaml", TRIP.as_bytes());
    let pushed = push.send(house.addr).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let (_, key) = house.principal("agency", &["service"]).await;
    (house, key)
}

async fn start(house: &House, key: &str, trip: &str) -> String {
    let input = json!({ "trip": trip, "from": "BER", "to": "LIS", "nights": 3 });
    let started = house.post("/v1/transactions", key, &json!({ "definition": "book-trip", "input": input })).await;
    assert_eq!((started.status, &started.json()["state"]), (201, &json!("trying")), "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

/// Takes what is handed out, by queue.
async fn take(house: &House, key: &str) -> BTreeMap<String, Value> {
    let queues: Vec<Value> = QUEUES.iter().map(|name| json!({ "name": name, "want": 1 })).collect();
    let call = json!({ "worker": "w", "queues": queues, "wait": "5s" });
    let taken = house.post("/v1/workers/exchange", key, &call).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let tasks = taken.json()["tasks"].as_array().unwrap().clone();
    tasks.into_iter().map(|task| (task["queue"].as_str().unwrap().to_owned(), task)).collect()
}

/// Reports an output, or an error where it is an object with a `type`.
async fn report(house: &House, key: &str, task: &Value, outcome: Value) {
    let outcome_key = if outcome.get("type").is_some() { "error" } else { "output" };
    let done = json!({ "worker": "w", "done": [{ "task": task["task"], outcome_key: outcome }] });
    let acks = house.post("/v1/workers/exchange", key, &done).await.json()["acks"].clone();
    assert_eq!(acks[0]["ack"], json!("recorded"), "{acks}");
}

async fn result(house: &House, key: &str, id: &str) -> Value {
    house.get(&format!("/v1/transactions/{id}/result?wait=5s"), key).await.json()
}

fn states(result: &Value) -> Vec<&str> {
    result["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect()
}

/// The kinds of its entries.
async fn kinds(house: &House, id: &str) -> Vec<String> {
    let history = house.get(&format!("/v1/transactions/{id}/history?limit=100"), &house.owner).await.json();
    let kind = |item: &Value| {
        let record: Value = serde_json::from_str(item["record"].as_str().unwrap()).unwrap();
        record["kind"].as_str().unwrap().to_owned()
    };
    history["items"].as_array().unwrap().iter().map(kind).collect()
}

#[tokio::test]
async fn a_trip_is_booked_whole() {
    let (house, key) = house().await;
    let id = start(&house, &key, "t-1").await;
    let tries = take(&house, &key).await;
    assert_eq!(tries.keys().collect::<Vec<_>>(), ["car.hold", "flight.hold", "hotel.hold"]);
    let flight = &tries["flight.hold"];
    assert_eq!((&flight["phase"], flight.get("forward_key")), (&json!("do"), None));
    for (queue, task) in &tries {
        report(&house, &key, task, json!({ "id": queue })).await;
    }
    let confirms = take(&house, &key).await;
    assert_eq!(confirms.keys().collect::<Vec<_>>(), ["car.book", "flight.book", "hotel.book"]);
    let book = &confirms["flight.book"];
    assert_eq!((&book["phase"], &book["input"]), (&json!("confirm"), &json!({ "hold": "flight.hold" })));
    assert_eq!(book["forward_key"], flight["idempotency_key"]);
    assert_eq!((&book["forward_unknown"], &book["decision"]), (&json!(false), &flight["decision"]));
    assert_eq!(book["idempotency_key"], json!(format!("{}/confirm", flight["idempotency_key"].as_str().unwrap())));

    // A car that could not be booked is no success, and past the decision nobody cancels.
    report(&house, &key, &confirms["hotel.book"], json!({})).await;
    report(&house, &key, &confirms["flight.book"], json!({})).await;
    report(&house, &key, &confirms["car.book"], json!({ "type": "Gone", "message": "sold", "final": true })).await;
    let parked = result(&house, &key, &id).await;
    assert_eq!((&parked["status"], &parked["state"]), (&json!("parked"), &json!("confirming")));
    assert_eq!((&parked["parked_at"], parked.get("output")), (&json!("car"), None));
    assert_eq!(states(&parked), ["confirmed", "confirmed", "confirm_failed"]);
    let cancelled = house.post(&format!("/v1/transactions/{id}/cancel"), &key, &json!({})).await;
    assert_eq!(cancelled.slug(), "409 illegal-state", "{}", cancelled.text());
    let operator = house.principal("operator", &["operator"]).await.1;
    let body = json!({ "justification": "they found another" });
    let retried = house.post(&format!("/v1/transactions/{id}/retry"), &operator, &body).await;
    assert_eq!(retried.status, 200, "{}", retried.text());
    let again = take(&house, &key).await;
    assert_eq!((again.len(), &again["car.book"]["attempt"]), (1, &json!(2)));
    report(&house, &key, &again["car.book"], json!({})).await;

    let done = result(&house, &key, &id).await;
    assert_eq!((&done["status"], &done["state"]), (&json!("completed"), &json!("confirmed")));
    assert_eq!(done["output"], json!({ "car": "car.hold", "flight": "flight.hold", "hotel": "hotel.hold" }));
    assert_eq!(states(&done), ["confirmed"; 3]);
    let car = &done["steps"][2];
    assert_eq!((&car["confirm"]["status"], &car["confirm"]["attempts"]), (&json!("completed"), &json!(2)));
    assert_eq!(car.get("compensation"), None);
    let kinds = kinds(&house, &id).await;
    let at = |kind: &str| kinds.iter().position(|other| other == kind).unwrap();
    assert!(at("step.completed") < at("transaction.confirming"), "{kinds:?}");
    assert!(at("transaction.confirming") < at("confirm.started"), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind.starts_with("compensation")), "{kinds:?}");
    let receipt = house.get(&format!("/v1/receipts/{id}/flight/confirm"), &house.owner).await;
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    assert!(receipt.json()["forward"].is_object(), "{}", receipt.text());
}

#[tokio::test]
async fn a_trip_without_a_hotel_is_let_go_and_an_unknown_car_with_it() {
    let (house, key) = house().await;
    let id = start(&house, &key, "t-2").await;
    let tries = take(&house, &key).await;
    report(&house, &key, &tries["flight.hold"], json!({ "id": "f-1" })).await;
    report(&house, &key, &tries["car.hold"], json!({ "type": "Cut", "message": "", "unknown": true })).await;
    report(&house, &key, &tries["hotel.hold"], json!({ "type": "Full", "message": "no room", "final": true })).await;
    let mut cancelled = Vec::new();
    while cancelled.len() < 2 {
        for (queue, task) in take(&house, &key).await {
            assert_eq!((&task["phase"], &task["forward_unknown"]), (&json!("undo"), &json!(queue == "car.release")));
            report(&house, &key, &task, json!(null)).await;
            cancelled.push(queue);
        }
    }
    assert_eq!(cancelled, ["car.release", "flight.release"], "the last one tried is cancelled first");
    let done = result(&house, &key, &id).await;
    assert_eq!((&done["status"], &done["state"]), (&json!("compensated"), &json!("cancelled")));
    assert_eq!(states(&done), ["cancelled", "try_failed", "cancelled"]);
    assert_eq!(done["steps"][0]["compensation"]["status"], json!("completed"));
}

#[tokio::test]
async fn a_trip_goes_on_without_a_car() {
    let (house, key) = house().await;
    let id = start(&house, &key, "t-3").await;
    let tries = take(&house, &key).await;
    report(&house, &key, &tries["car.hold"], json!({ "type": "Cut", "message": "", "unknown": true })).await;
    report(&house, &key, &tries["flight.hold"], json!({ "id": "f-1" })).await;
    report(&house, &key, &tries["hotel.hold"], json!({ "id": "h-1" })).await;
    let closing = take(&house, &key).await;
    assert_eq!(closing.keys().collect::<Vec<_>>(), ["car.release", "flight.book", "hotel.book"]);
    for task in closing.values() {
        report(&house, &key, task, json!(null)).await;
    }
    let done = result(&house, &key, &id).await;
    assert_eq!((&done["status"], &done["state"]), (&json!("completed"), &json!("confirmed")));
    assert_eq!(states(&done), ["confirmed", "confirmed", "cancelled"]);
    assert_eq!((&done["output"], done.get("left_undone")), (&json!({ "flight": "f-1", "hotel": "h-1" }), None));
}
