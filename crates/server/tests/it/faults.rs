//! Faults that a start asks for, over the API.

use crate::house::{House, node_with, options};
use crate::http::Answer;
use chancery_app::Config;
use serde_json::{Value, json};

/// On a server that allows them.
async fn house() -> House {
    let node = node_with(|config| Config { allow_faults: true, ..config }).await;
    let house = House::on(node, options()).await;
    house.shop().await;
    house
}

async fn start(house: &House, key: &str, faults: &Value) -> Answer {
    let body = json!({ "definition": "order", "input": { "sku": "a" }, "faults": faults });
    house.post("/v1/transactions", key, &body).await
}

async fn started(house: &House, faults: &Value) -> String {
    let answer = start(house, &house.owner, faults).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn take(house: &House, wait: &str) -> Value {
    let take = json!({ "worker": "w1", "queues": [{ "name": "reserve", "want": 1 }], "wait": wait });
    house.post("/v1/workers/exchange", &house.owner, &take).await.json()["tasks"][0].clone()
}

async fn done(house: &House, task: &Value) {
    let done = json!({ "worker": "w1", "done": [{ "task": task["task"], "output": { "id": 7 } }] });
    let acks = house.post("/v1/workers/exchange", &house.owner, &done).await.json()["acks"].clone();
    assert_eq!(acks[0]["ack"], json!("recorded"));
}

async fn result(house: &House, id: &str) -> Value {
    house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json()
}

fn lose() -> Value {
    json!([{ "step": "reserve", "fault": { "lose_answer": true } }])
}

#[tokio::test]
async fn a_server_injects_none_unless_it_was_told_to() {
    let house = House::new().await;
    house.shop().await;
    let refused = start(&house, &house.owner, &lose()).await;
    assert_eq!(refused.slug(), "400 invalid-request");
    let detail = "`faults`: this server injects none; one for tests is started with `--allow-faults`";
    assert_eq!(refused.problem().detail, detail);
    // None is none.
    assert_eq!(start(&house, &house.owner, &json!([])).await.status, 201);
}

#[tokio::test]
async fn faults_take_a_permission_of_their_own() {
    let house = house().await;
    let (_, service) = house.principal("shop", &["service"]).await;
    let (_, developer) = house.principal("dev", &["developer"]).await;
    let before = house.log_size().await;
    let denied = start(&house, &service, &lose()).await;
    assert_eq!(denied.slug(), "403 denied", "{}", denied.text());
    assert_eq!(denied.problem().detail, "`fault:inject` is not permitted to this principal");
    assert_eq!(house.log_size().await, before + 1, "the denial is an entry, and nothing was started");
    assert_eq!(start(&house, &developer, &lose()).await.status, 201);
}

#[tokio::test]
async fn an_error_is_shown_as_injected() {
    let house = house().await;
    let error = json!({ "type": "Declined", "message": "no funds", "final": true });
    let faults = json!([{ "step": "reserve", "attempts": "all", "phase": "do", "fault": { "error": error } }]);
    let id = started(&house, &faults).await;
    assert_eq!(take(&house, "200ms").await, json!(null));
    let result = result(&house, &id).await;
    assert_eq!((&result["status"], &result["faults"]), (&json!("failed"), &faults));
    let injected = json!({ "type": "Declined", "message": "no funds", "final": true, "injected": true });
    assert_eq!((&result["steps"][0]["error"], &result["cause"]["error"]), (&injected, &injected));
    let history = house.get(&format!("/v1/transactions/{id}/history"), &house.owner).await.json();
    assert_eq!(history["items"][2]["payload"]["error"], injected);
}

#[tokio::test]
async fn a_lost_answer_has_the_handler_called_again_under_its_key() {
    let house = house().await;
    let id = started(&house, &lose()).await;
    let first = take(&house, "5s").await;
    done(&house, &first).await;
    let second = take(&house, "5s").await;
    assert_eq!((&first["attempt"], &second["attempt"]), (&json!(1), &json!(2)));
    assert_eq!(first["idempotency_key"], second["idempotency_key"]);
    done(&house, &second).await;
    let result = result(&house, &id).await;
    let step = &result["steps"][0];
    assert_eq!((&result["status"], &step["attempts"]), (&json!("completed"), &json!(2)));
    assert_eq!((&step["error"]["type"], &step["error"]["injected"]), (&json!("AnswerLost"), &json!(true)));
}

#[tokio::test]
async fn a_delay_is_waited_for() {
    let house = house().await;
    let id = started(&house, &json!([{ "step": "reserve", "fault": { "delay": "300ms" } }])).await;
    let waits = house.get(&format!("/v1/transactions/{id}"), &house.owner).await.json()["waiting_for"][0].clone();
    assert_eq!((&waits["what"], &waits["step"]), (&json!("delay"), &json!("reserve")));
    let task = take(&house, "5s").await;
    assert_eq!(task["attempt"], json!(1));
    done(&house, &task).await;
    assert_eq!(result(&house, &id).await["status"], json!("completed"));
}

#[tokio::test]
async fn a_fault_that_can_not_be_is_refused_with_its_place() {
    let house = house().await;
    let refused = [
        (
            json!([{ "step": "pay", "fault": { "lose_answer": true } }]),
            "faults[0].step: the definition `order` has no step `pay`",
        ),
        (
            json!([{ "step": "reserve", "fault": { "lose_answer": false } }]),
            "faults[0].fault.lose_answer: write `true`, or leave the fault out",
        ),
        (
            json!([{ "step": "reserve", "phase": "confirm", "fault": { "lose_answer": true } }]),
            "faults[0].phase: step `reserve` has no `confirm`",
        ),
    ];
    for (faults, detail) in refused {
        let answer = start(&house, &house.owner, &faults).await;
        assert_eq!(answer.slug(), "400 invalid-request");
        assert_eq!(answer.problem().detail, detail);
    }
    let repeat = json!([{ "step": "reserve", "fault": { "repeat": 1 } }]);
    assert_eq!(start(&house, &house.owner, &repeat).await.status, 400);
}
