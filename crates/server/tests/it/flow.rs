//! The way of an order through the API.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

/// Takes one task as a worker and hands its output in; gives the task.
async fn work(house: &House, key: &str, output: Value) -> Value {
    let take = json!({ "worker": "w1", "queues": [{ "name": "reserve", "want": 1 }], "wait": "5s" });
    let taken = house.post("/v1/workers/exchange", key, &take).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let task = taken.json()["tasks"][0].clone();
    let done = json!({ "worker": "w1", "done": [{ "task": task["task"], "output": output }, { "task": "nonsense", "output": 1 }] });
    let acks = house.post("/v1/workers/exchange", key, &done).await.json()["acks"].clone();
    assert_eq!(acks, json!([{ "task": task["task"], "ack": "recorded" }, { "task": "nonsense", "ack": "refused" }]));
    task
}

#[tokio::test]
async fn the_schema_of_definitions_and_what_a_check_warns_of() {
    let house = House::new().await;
    let schema = house.get("/v1/schemas/definition", &house.owner).await;
    assert_eq!((schema.status, schema.header("content-type")), (200, Some("application/schema+json")));
    assert_eq!(schema.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let text = "name: x\nversion: 1\nsteps:\n- {id: a, run: {worker: w}}\n- {id: b, run: {worker: w}, after: [a]}\n";
    let call = Call::new("POST", "/v1/definitions/check").key(&house.owner);
    let checked = call.body("application/yaml", text.as_bytes()).send(house.addr).await;
    let warning = checked.json()["warnings"][0].clone();
    assert_eq!((&warning["rule"], &warning["path"]), (&json!("no-undo"), &json!("steps[0]")));
    assert_eq!((&warning["line"], &warning["column"]), (&json!(4), &json!(3)));
}

#[tokio::test]
async fn an_order_goes_through_and_is_proved() {
    let house = House::new().await;
    let bundle = house.shop().await;
    let (_, shop) = house.principal("shop", &["service"]).await;
    let start = json!({ "definition": "order", "input": { "sku": "a", "n": 1.0 }, "labels": { "shop": "north" } });
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let call = Call::new("POST", "/v1/transactions").key(&shop).header("idempotency-key", "o-1");
    let call = call.header("traceparent", traceparent);
    let started = call.clone().json(&start).send(house.addr).await;
    assert_eq!((started.status, &started.json()["status"]), (201, &json!("running")), "{}", started.text());
    let id = started.json()["id"].as_str().unwrap().to_owned();

    let again = call.clone().json(&start).send(house.addr).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &json!(id)));
    let other = call.json(&json!({ "definition": "order", "input": { "sku": "b" } })).send(house.addr).await;
    assert_eq!(other.slug(), "409 idempotency-key-reused");
    assert_eq!(other.problem().transaction.map(|id| id.to_string()), Some(id.clone()));

    let task = work(&house, &shop, json!({ "id": 7 })).await;
    assert_eq!((&task["step"], &task["phase"], &task["attempt"]), (&json!("reserve"), &json!("do"), &json!(1)));
    assert_eq!((&task["input"], &task["traceparent"]), (&json!({ "sku": "a" }), &json!(traceparent)));

    let result = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &shop).await.json();
    assert_eq!((&result["status"], &result["output"]), (&json!("completed"), &json!({ "id": 7 })));
    assert_eq!((&result["bundle"], &result["labels"]["shop"]), (&json!(bundle), &json!("north")));
    let step = &result["steps"][0];
    assert_eq!(
        (&step["status"], &step["attempts"], &step["output"]),
        (&json!("completed"), &json!(1), &json!({ "id": 7 }))
    );
    assert_eq!(step["decision"], task["decision"]);

    proved(&house, &id).await;
    let cancelled = house.post(&format!("/v1/transactions/{id}/cancel"), &shop, &json!({})).await;
    assert_eq!(cancelled.slug(), "409 illegal-state");
}

async fn proved(house: &House, id: &str) {
    let history = house.get(&format!("/v1/transactions/{id}/history?limit=2"), &house.owner).await.json();
    assert_eq!(history["items"].as_array().unwrap().len(), 2);
    let cursor = history["next"].as_str().unwrap();
    let rest = house.get(&format!("/v1/transactions/{id}/history?cursor={cursor}"), &house.owner).await.json();
    assert_eq!(rest["items"][0]["n"], json!(2));

    let receipt = house.get(&format!("/v1/receipts/{id}/reserve"), &house.owner).await;
    assert_eq!((receipt.status, receipt.header("content-type")), (200, Some("application/json")), "{}", receipt.text());
    let proof = Call::new("GET", format!("/v1/receipts/{id}")).key(&house.owner).header("accept", "text/plain");
    let proof = proof.send(house.addr).await;
    assert!(proof.text().starts_with("c2sp.org/tlog-proof@v1"), "{}", proof.text());

    let log = house.log().await;
    let checkpoint = house.get(&format!("{log}/checkpoint"), &house.owner).await;
    let origin = log.replacen("/tlog", "test.example", 1);
    assert_eq!(checkpoint.text().lines().next(), Some(origin.as_str()), "{}", checkpoint.text());
    assert_eq!(checkpoint.header("cache-control"), Some("no-cache"));
    let tile = house.get(&format!("{log}/tile/0/000.p/1"), &house.owner).await;
    assert_eq!((tile.status, tile.body.len()), (200, 32));
    assert_eq!(tile.header("cache-control"), Some("private, max-age=31536000, immutable"));
    let entries = house.get(&format!("{log}/tile/entries/000.p/1"), &house.owner).await;
    let first = house.get("/v1/ledger/entries?limit=1", &house.owner).await.json();
    let record = first["items"][0]["record"].as_str().unwrap();
    assert_eq!(&entries.body[2..], record.as_bytes(), "the bundle has the record byte for byte");

    let size: u64 = checkpoint.text().lines().nth(1).unwrap().parse().unwrap();
    let inclusion = house.get(&format!("/v1/ledger/proofs/inclusion?entry=0&size={size}"), &house.owner).await.json();
    assert_eq!((&inclusion["entry"], &inclusion["size"]), (&json!(0), &json!(size)));
    let consistency = house.get(&format!("/v1/ledger/proofs/consistency?from=1&to={size}"), &house.owner).await;
    assert_eq!(consistency.json()["from"], json!(1));
    let key = house.get("/v1/ledger/key", &house.owner).await;
    assert!(key.text().starts_with("test.example+"), "{}", key.text());
}

#[tokio::test]
async fn policy_denies_with_its_reasons() {
    let house = House::new().await;
    house.shop().await;
    let answer = house.post("/v1/transactions", &house.owner, &json!({ "definition": "forbidden" })).await;
    assert_eq!(answer.slug(), "403 policy-denied", "{}", answer.text());
    let problem = answer.problem();
    assert!(problem.decision.is_some());
    assert_eq!(problem.reasons[0].text, "nobody starts this");
    let question = json!({ "action": "start", "resource": { "type": "Definition", "id": "order" } });
    let decision = house.post("/v1/decisions", &house.owner, &question).await.json();
    assert_eq!(decision["permitted"], json!(true), "{decision}");
}

#[tokio::test]
async fn documents_are_registered_once_and_listed_in_pages() {
    let house = House::new().await;
    let digest = house.shop().await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    let again = call.body("application/yaml", crate::house::ORDER.as_bytes()).send(house.addr).await;
    assert_eq!((again.status, &again.json()["existing"]), (200, &json!(true)));
    let first = house.get("/v1/definitions?limit=1", &house.owner).await.json();
    assert_eq!(first["items"][0]["name"], json!("forbidden"));
    let second = house.get(&format!("/v1/definitions?cursor={}", first["next"].as_str().unwrap()), &house.owner).await;
    assert_eq!((&second.json()["items"][0]["name"], second.json().get("next")), (&json!("order"), None));
    let definition = house.get("/v1/definitions/order?version=1", &house.owner).await.json();
    assert_eq!(definition["source"]["steps"][0]["id"], json!("reserve"));
    let bundles = house.get("/v1/bundles", &house.owner).await.json();
    assert_eq!((&bundles["items"][0]["digest"], &bundles["items"][0]["active"]), (&json!(digest), &json!(true)));
    let bundle = house.get(&format!("/v1/bundles/{digest}"), &house.owner).await.json();
    assert_eq!(bundle["source"]["name"], json!("shop"));
}

#[tokio::test]
async fn health_tells_details_to_who_may_see_them_and_metrics_count() {
    let house = House::new().await;
    let bare = Call::new("GET", "/health/ready").send(house.addr).await;
    assert_eq!((bare.status, bare.json()), (200, json!({ "status": "up" })));
    let (_, nobody) = house.principal("nobody", &[]).await;
    assert_eq!(house.get("/health", &nobody).await.json(), json!({ "status": "up" }));
    let details = house.get("/health", &house.owner).await.json();
    assert_eq!((&details["node"], &details["checks"][0]["name"]), (&json!("node"), &json!("store")));
    let metrics = house.get("/metrics", &house.platform).await;
    let text = metrics.text();
    for line in [
        "chancery_http_requests_total{method=\"GET\",route=\"/health/ready\",status=\"200\"}",
        "chancery_http_request_duration_seconds_bucket{method=\"GET\",route=\"/health/ready\",le=\"0.0001\"}",
        "chancery_node_uptime_seconds",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_request_keeps_its_callers_id() {
    let house = House::new().await;
    let call = Call::new("GET", "/v1/nothing").header("x-request-id", "mine-1").send(house.addr).await;
    assert_eq!(call.header("x-request-id"), Some("mine-1"));
    assert_eq!(call.problem().instance.as_deref(), Some("urn:chancery:request:mine-1"));
}
