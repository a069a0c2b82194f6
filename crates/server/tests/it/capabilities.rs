//! Capability tokens over the API: who gets one, what it is checked with, and how it is revoked.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

const PAY: &str = "
name: pay
version: 1
steps:
  - {id: charge, run: {worker: charge}, capability: true, irreversible: true}
";
/// The base point of Ed25519, and a point that anybody can sign for.
const KEY: &str = "ed25519/5866666666666666666666666666666666666666666666666666666666666666";
const WEAK: &str = "ed25519/0100000000000000000000000000000000000000000000000000000000000000";

async fn ready() -> (House, String) {
    let house = House::new().await;
    house.shop().await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    let answer = call.body("application/yaml", PAY.as_bytes()).send(house.addr).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let started = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pay" })).await;
    let id = started.json()["id"].as_str().unwrap().to_owned();
    (house, id)
}

fn exchange(worker: &str, key: Option<&str>) -> Value {
    let mut call = json!({ "worker": worker, "queues": [{ "name": "charge", "want": 1 }] });
    if let Some(key) = key {
        call["key"] = json!(key);
    }
    call
}

async fn take(house: &House, worker: &str, key: Option<&str>) -> Vec<Value> {
    let taken = house.post("/v1/workers/exchange", &house.owner, &exchange(worker, key)).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    taken.json()["tasks"].as_array().unwrap().clone()
}

/// The id that a token says of itself.
pub(crate) fn id_of(transaction: &str) -> String {
    transaction.replace("txn_", "cap_") + "00000000" + "00000000" + "00" + "00000001"
}

#[tokio::test]
async fn a_worker_without_a_key_gets_no_step_that_has_a_token_and_is_told_why() {
    let (house, _) = ready().await;
    let held = Call::new("POST", "/v1/workers/exchange").key(&house.owner);
    let mut waits = exchange("keyless", None);
    waits["wait"] = json!("200ms");
    let answer = held.json(&waits).send(house.addr).await;
    assert_eq!(answer.json()["tasks"], json!([]));
    let queue = house.get("/v1/queues/charge", &house.owner).await.json();
    assert_eq!(queue["waiting"], 1);
    let with_key = take(&house, "keyed", Some(KEY)).await;
    let token = with_key[0]["capability"].as_str().unwrap();
    assert!(token.len() > 300 && token.len() < 2_000, "{} bytes", token.len());
    let keys = house.get("/v1/capabilities/keys", &house.owner).await.json();
    assert!(keys["keys"][0].as_str().unwrap().starts_with("ed25519/"), "{keys}");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let (house, _) = ready().await;
    for bad in ["", "ed25519/00", &KEY.to_uppercase(), &KEY.replace("ed25519", "p256")] {
        let refused = house.post("/v1/workers/exchange", &house.owner, &exchange("w", Some(bad))).await;
        assert_eq!(refused.slug(), "400 invalid-body", "{bad}: {}", refused.text());
    }
    let refused = house.post("/v1/workers/exchange", &house.owner, &exchange("w", Some(WEAK))).await;
    assert_eq!(refused.slug(), "400 invalid-request");
    assert!(refused.problem().detail.starts_with("key: it is no sound"), "{}", refused.text());
}

#[tokio::test]
async fn a_revoked_token_s_outcome_is_refused_and_the_entry_says_why() {
    let (house, transaction) = ready().await;
    let tasks = take(&house, "keyed", Some(KEY)).await;
    let path = format!("/v1/capabilities/{}/revoke", id_of(&transaction));
    let why = json!({ "justification": "the worker was stolen" });
    let (_, shop) = house.principal("shop", &["service"]).await;
    assert_eq!(house.post(&path, &shop, &why).await.slug(), "403 denied");
    assert_eq!(house.post(&path, &house.owner, &json!({ "justification": " " })).await.slug(), "400 invalid-request");
    let revoked = house.post(&path, &house.owner, &why).await;
    assert_eq!((revoked.status, &revoked.json()["id"]), (200, &json!(id_of(&transaction))), "{}", revoked.text());
    let done = json!({ "worker": "keyed", "done": [{ "task": tasks[0]["task"], "output": 1 }] });
    let answer = house.post("/v1/workers/exchange", &house.owner, &done).await.json();
    assert_eq!(answer["acks"][0]["ack"], "superseded");
    let view = house.get(&format!("/v1/transactions/{transaction}"), &house.owner).await.json();
    assert_eq!(view["status"], "failed", "{view}");
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let is_it = |entry: &&Value| entry["record"].as_str().unwrap().contains(r#""kind":"capability.revoked""#);
    let entry = entries["items"].as_array().unwrap().iter().find(is_it).unwrap();
    let said = json!({ "capability": id_of(&transaction), "justification": "the worker was stolen" });
    assert_eq!((&entry["payload"], &entry["seq"]), (&said, &revoked.json()["seq"]));
    assert_eq!(house.post(&path, &house.owner, &why).await.status, 409, "it is not out any more");
    let unknown = house.post("/v1/capabilities/cap_1/revoke", &house.owner, &why).await;
    assert_eq!(unknown.slug(), "400 invalid-request");
}
