//! Open transactions over the API.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

const TRIP: &str = "name: trip\nversion: 1\nkind: open\nallow: [run, book]\n";
const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
entity Hotel = { @asserted stars?: Long };
type Room = { price: Long };
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
action book appliesTo { principal: [User, Service, Agent], resource: [Hotel], context: { input: Room } };
";
const POLICIES: &str = "
@id(\"all\") permit (principal, action, resource);
@id(\"dear\") @reason(\"that is too dear\")
forbid (principal, action == Action::\"book\", resource) when { context.input.price > 100 };
";

/// A house with an agent and its open transaction: the house, the agent's key, the transaction's path.
async fn begun() -> (House, String, String) {
    let house = House::new().await;
    let bundle = json!({ "name": "trips", "version": 1, "schema": SCHEMA, "policies": POLICIES });
    house.decide_by(&bundle).await;
    house.define(TRIP).await;
    let (_, agent) = house.principal("agent", &["agent"]).await;
    let answer = house.post("/v1/transactions", &agent, &json!({ "definition": "trip" })).await;
    let begun = answer.json();
    assert_eq!((&begun["driver"], &begun["grace"]), (&json!(1), &json!("5m")), "{}", answer.text());
    let path = format!("/v1/transactions/{}", begun["id"].as_str().unwrap());
    (house, agent, path)
}

#[tokio::test]
async fn who_begins_and_waits_is_the_driver_all_the_same() {
    let (house, agent, _) = begun().await;
    let body = json!({ "definition": "trip", "wait": "100ms" });
    let begun = house.post("/v1/transactions", &agent, &body).await.json();
    assert_eq!((&begun["driver"], &begun["grace"], &begun["status"]), (&json!(1), &json!("5m"), &json!("running")));
}

async fn put(house: &House, path: &str, key: &str, body: &Value) -> Answer {
    Call::new("PUT", path).key(key).json(body).send(house.addr).await
}

#[tokio::test]
async fn policy_sees_what_is_done_and_a_denial_is_recorded_while_the_transaction_goes_on() {
    let (house, agent, path) = begun().await;
    let steps = format!("{path}/steps");
    let ask = |price: u64| {
        json!({ "driver": 1, "id": "hotel", "action": "book", "resource": { "type": "Hotel", "id": "Alba" },
            "input": { "price": price }, "undo": { "worker": "hotels.cancel" } })
    };
    let denied = house.post(&steps, &agent, &ask(500)).await.json();
    assert_eq!(denied["outcome"], json!("denied"), "{denied}");
    assert_eq!(denied["denial"]["reasons"][0]["text"], json!("that is too dear"));
    let permitted = house.post(&steps, &agent, &ask(90)).await.json();
    assert_eq!((&permitted["outcome"], &permitted["permit"]["attempt"]), (&json!("permitted"), &json!(1)));
    let again = house.post(&steps, &agent, &ask(90)).await.json();
    assert_eq!(again, permitted, "asked again it is the same permit");
    let outcome = json!({ "task": permitted["permit"]["task"], "output": { "room": 12 } });
    for ack in ["recorded", "superseded"] {
        assert_eq!(put(&house, &format!("{steps}/hotel"), &agent, &outcome).await.json()["ack"], json!(ack));
    }
    let done = house.post(&steps, &agent, &ask(90)).await.json();
    assert_eq!((&done["outcome"], &done["output"]), (&json!("completed"), &json!({ "room": 12 })));
    assert_eq!(house.post(&steps, &agent, &ask(80)).await.slug(), "409 step-differs");
    let commit = json!({ "driver": 1, "output": "booked" });
    let ended = house.post(&format!("{path}/commit"), &agent, &commit).await.json();
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!("booked")));
    let entries = house.get(&format!("{path}/history"), &house.owner).await.json();
    let kinds: Vec<String> = entries["items"].as_array().unwrap().iter().map(|entry| kind(&entry["record"])).collect();
    let expected =
        ["transaction.started", "decision.denied", "step.dispatched", "step.completed", "transaction.completed"];
    assert_eq!(kinds, expected);
    let intent = &entries["items"][2]["payload"]["intent"];
    assert_eq!(intent["undo"]["target"], json!({ "worker": "hotels.cancel" }), "{intent}");
}

fn kind(record: &Value) -> String {
    let record: Value = serde_json::from_str(record.as_str().unwrap()).unwrap();
    record["kind"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_its_starter_drives_it_and_an_older_driver_is_told_so() {
    let (house, agent, path) = begun().await;
    let (_, other) = house.principal("other", &["agent"]).await;
    let step = json!({ "driver": 1, "id": "a", "action": "run" });
    assert_eq!(house.post(&format!("{path}/steps"), &other, &step).await.slug(), "403 denied");
    let resumed = house.post(&format!("{path}/drivers"), &agent, &json!({})).await.json();
    assert_eq!((&resumed["driver"], &resumed["steps"]), (&json!(2), &json!([])));
    for (call, body) in [
        ("steps", step),
        ("commit", json!({ "driver": 1 })),
        ("abort", json!({ "driver": 1 })),
        ("heartbeat", json!({ "driver": 1 })),
    ] {
        assert_eq!(
            house.post(&format!("{path}/{call}"), &agent, &body).await.slug(),
            "409 driver-superseded",
            "{call}"
        );
    }
    let heard = house.post(&format!("{path}/heartbeat"), &agent, &json!({ "driver": 2 })).await.json();
    assert!(heard["lost_at"].is_string(), "{heard}");
    assert_eq!(house.get(&path, &agent).await.json()["driver"], json!(2));
}

#[tokio::test]
async fn what_can_t_be_is_refused_and_leaves_nothing() {
    let (house, agent, path) = begun().await;
    let before = house.log_size().await;
    let ask = |more: Value| {
        let mut body = json!({ "driver": 1, "id": "a", "action": "run" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, slug) in [
        (json!({ "action": "pay" }), "403 outside-frame"),
        (json!({ "timeout": "2d" }), "400 invalid-request"),
        (json!({ "timeout": "soon" }), "400 invalid-request"),
        (json!({ "undo": {} }), "400 invalid-request"),
        (json!({ "undo": { "worker": "w", "http": { "url": "http://a" } } }), "400 invalid-request"),
        (json!({ "undo": { "http": { "url": "ftp://a" } } }), "400 invalid-request"),
        (json!({ "undo": { "http": { "url": "http://a", "headers": { "Host": "b" } } } }), "400 invalid-request"),
        (json!({ "undo": { "worker": "w", "on_error": "cry" } }), "400 invalid-request"),
        (json!({ "undo": { "worker": "w", "attempts": 0 } }), "400 invalid-request"),
        (json!({ "resource": { "type": "no type", "id": "x" } }), "400 invalid-request"),
        (json!({ "id": "a/b" }), "400 invalid-body"),
        (json!({ "whatever": 1 }), "400 invalid-body"),
    ] {
        let answer = house.post(&format!("{path}/steps"), &agent, &ask(more.clone())).await;
        assert_eq!(answer.slug(), slug, "{more}: {}", answer.text());
    }
    let forged = format!("tsk_{}", "A".repeat(60));
    let outcome = json!({ "task": forged, "output": 1 });
    assert_eq!(put(&house, &format!("{path}/steps/a"), &agent, &outcome).await.slug(), "404 not-found");
    assert_eq!(house.log_size().await, before);
}

#[tokio::test]
async fn a_pause_holds_its_driver_and_says_so() {
    let (house, agent, path) = begun().await;
    let view = house.get(&path, &agent).await.json();
    let waits = &view["waiting_for"][0];
    assert_eq!((&waits["what"], &waits["since"]), (&json!("driver"), &view["started_at"]));
    assert!(waits["until"].as_str() > waits["since"].as_str(), "{waits}");
    let step = json!({ "driver": 1, "id": "a", "action": "run", "undo": { "worker": "a.undo" } });
    let permitted = house.post(&format!("{path}/steps"), &agent, &step).await.json();
    let view = house.get(&path, &agent).await.json();
    let waits = &view["waiting_for"][1];
    let expected = (&json!("answer"), &json!("a"), &json!("do"), &json!("action run"));
    assert_eq!((&waits["what"], &waits["step"], &waits["phase"], &waits["name"]), expected);

    let why = json!({ "justification": "a look" });
    assert_eq!(house.post(&format!("{path}/pause"), &agent, &why).await.slug(), "403 denied");
    let paused = house.post(&format!("{path}/pause"), &house.owner, &why).await.json();
    assert_eq!((&paused["status"], &paused["waiting_for"][1]["what"]), (&json!("paused"), &json!("driver")));
    assert_eq!(paused["waiting_for"][1].get("until"), None, "it is not missed meanwhile");
    let next = json!({ "driver": 1, "id": "b", "action": "run" });
    assert_eq!(house.post(&format!("{path}/steps"), &agent, &next).await.slug(), "409 illegal-state");
    let outcome = json!({ "task": permitted["permit"]["task"], "output": 1 });
    assert_eq!(put(&house, &format!("{path}/steps/a"), &agent, &outcome).await.json()["ack"], json!("recorded"));
    let commit = json!({ "driver": 1 });
    assert_eq!(house.post(&format!("{path}/commit"), &agent, &commit).await.slug(), "409 illegal-state");
    let heard = house.post(&format!("{path}/heartbeat"), &agent, &json!({ "driver": 1 })).await;
    assert_eq!(heard.status, 200, "{}", heard.text());
    let resumed = house.post(&format!("{path}/resume"), &house.owner, &why).await.json();
    assert_eq!(resumed["status"], json!("running"));
    let ended = house.post(&format!("{path}/commit"), &agent, &commit).await.json();
    assert_eq!(ended["status"], json!("completed"));

    // Its driver is there when it begins.
    let later = json!({ "definition": "trip", "start_at": "2222-01-01T00:00:00Z" });
    assert_eq!(house.post("/v1/transactions", &agent, &later).await.slug(), "400 invalid-request");
    let with = json!({ "definition": "trip", "signal": { "name": "paid" } });
    assert_eq!(house.post("/v1/transactions", &house.owner, &with).await.slug(), "400 invalid-request");
}
