//! Steps that poll, through the API.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

fn build(name: &str, every: &str) -> String {
    format!(
        "name: {name}\nversion: 1\nsteps:\n  - {{id: compile, run: {{worker: {name}}}, \
         until: \"${{{{ steps.compile.output.done }}}}\", every: {every}, at_most: 7}}\n\
         output: \"${{{{ steps.compile.output }}}}\"\n"
    )
}

async fn builds() -> (House, String) {
    let house = House::new().await;
    house.shop().await;
    for document in [build("quick", "100ms"), build("slow", "1h")] {
        let call = Call::new("POST", "/v1/definitions").key(&house.owner);
        let answer = call.body("application/yaml", document.as_bytes()).send(house.addr).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let (_, shop) = house.principal("shop", &["service"]).await;
    (house, shop)
}

async fn start(house: &House, shop: &str, name: &str) -> String {
    let started = house.post("/v1/transactions", shop, &json!({ "definition": name, "input": {} })).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

async fn take(house: &House, shop: &str, queue: &str) -> Value {
    let take = json!({ "worker": "w", "queues": [{ "name": queue, "want": 1 }], "wait": "20s" });
    let taken = house.post("/v1/workers/exchange", shop, &take).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    taken.json()["tasks"][0].clone()
}

async fn report(house: &House, shop: &str, task: &Value, output: Value) {
    let done = json!({ "worker": "w", "done": [{ "task": task["task"], "output": output }] });
    let said: Answer = house.post("/v1/workers/exchange", shop, &done).await;
    assert_eq!((said.status, &said.json()["acks"][0]["ack"]), (200, &json!("recorded")), "{}", said.text());
}

#[tokio::test]
async fn a_step_is_called_round_by_round() {
    let (house, shop) = builds().await;
    let id = start(&house, &shop, "quick").await;
    let mut keys = Vec::new();
    for done in [false, false, true] {
        let task = take(&house, &shop, "quick").await;
        keys.push((task["idempotency_key"].clone(), task.get("forward_key").cloned()));
        report(&house, &shop, &task, json!({ "done": done })).await;
    }
    let first = format!("{id}/compile");
    let later = |round: usize| (json!(format!("{first}~{round}")), Some(json!(first)));
    assert_eq!(keys, [(json!(first), None), later(2), later(3)]);
    let view = house.get(&format!("/v1/transactions/{id}"), &shop).await.json();
    assert_eq!((&view["status"], &view["output"]), (&json!("completed"), &json!({ "done": true })));
    let step = &view["steps"][0];
    assert_eq!((&step["poll"], &step["attempts"]), (&json!({ "rounds": 2, "at_most": 7 }), &json!(3)));

    let history = house.get(&format!("/v1/transactions/{id}/history"), &shop).await.json();
    let is_polled = |entry: &&Value| entry["record"].as_str().unwrap().contains(r#""kind":"step.polled""#);
    let polled: Vec<&Value> = history["items"].as_array().unwrap().iter().filter(is_polled).collect();
    assert_eq!(polled.len(), 2);
    assert_eq!(polled[0]["payload"], json!({ "output": { "done": false } }), "what each round gave is kept");
}

#[tokio::test]
async fn between_rounds_it_says_what_it_waits_for_and_proves_what_the_last_one_gave() {
    let (house, shop) = builds().await;
    let id = start(&house, &shop, "slow").await;
    let task = take(&house, &shop, "slow").await;
    report(&house, &shop, &task, json!({ "done": false })).await;
    let path = format!("/v1/transactions/{id}");
    let view = house.get(&path, &shop).await.json();
    assert_eq!((&view["status"], &view["steps"][0]["status"]), (&json!("waiting"), &json!("waiting")), "{view}");
    let (poll, wait) = (&view["steps"][0]["poll"], &view["waiting_for"][0]);
    assert_eq!((&poll["rounds"], &poll["at_most"]), (&json!(1), &json!(7)));
    assert_eq!(
        (&wait["what"], &wait["step"], &wait["name"]),
        (&json!("round"), &json!("compile"), &json!("worker slow"))
    );
    assert_eq!(wait["until"], poll["next_at"]);
    assert!(wait["until"].as_str() > wait["since"].as_str(), "{wait}");

    let receipt = house.get(&format!("/v1/receipts/{id}/compile"), &house.owner).await;
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    assert!(receipt.text().contains("step.polled") && receipt.text().contains("step.dispatched"), "{}", receipt.text());

    let cancelled = house.post(&format!("{path}/cancel"), &shop, &json!({})).await.json();
    assert_eq!((&cancelled["status"], &cancelled["left_undone"]), (&json!("cancelled"), &json!(["compile"])));
}

#[tokio::test]
async fn what_cannot_poll_is_refused_with_its_place() {
    let (house, _) = builds().await;
    let document = build("quick", "1ms").replace("{worker: quick}", "noop");
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    let refused = call.body("application/yaml", document.as_bytes()).send(house.addr).await;
    let text = refused.text();
    assert_eq!(refused.status, 400, "{text}");
    assert!(text.contains("steps[0].every") && text.contains("after 100ms at least"), "{text}");
    assert!(text.contains("steps[0].until") && text.contains("calls a worker or a URL"), "{text}");
}
