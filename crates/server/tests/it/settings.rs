//! Settings over the API: set, seen by what starts then, and by nothing that runs.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

const SEES: &str = "
name: sees
version: 1
steps:
  - {id: go, run: {signal: {name: go}}}
  - {id: last, after: [go], run: noop, with: {url: '${{ env.PAYMENTS }}/charges', seven: '${{ env.?SEVEN }}'},
     set: {url: '${{ env.PAYMENTS }}'}}
output: '${{ steps.last.output }}'
";

async fn send(house: &House, method: &'static str, key: &str, body: &Value) -> Answer {
    Call::new(method, "/v1/settings").key(key).json(body).send(house.addr).await
}

async fn ready() -> House {
    let house = House::new().await;
    house.shop().await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    let answer = call.body("application/yaml", SEES.as_bytes()).send(house.addr).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    house
}

async fn start(house: &House) -> String {
    let started = house.post("/v1/transactions", &house.owner, &json!({ "definition": "sees" })).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

async fn result(house: &House, id: &str) -> Value {
    let go = house.post(&format!("/v1/transactions/{id}/signals"), &house.owner, &json!({ "name": "go" })).await;
    assert_eq!(go.status, 201, "{}", go.text());
    house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json()
}

#[tokio::test]
async fn what_starts_after_a_change_sees_it_and_what_runs_does_not() {
    let house = ready().await;
    let (_, operator) = house.principal("op", &["operator"]).await;
    let (_, auditor) = house.principal("aud", &["auditor"]).await;
    let none = house.get("/v1/settings", &auditor).await;
    assert_eq!((none.status, none.json()), (200, json!({ "version": 0, "values": {} })));
    let unset = start(&house).await;

    let values = json!({ "PAYMENTS": "https://a.example", "SEVEN": 7 });
    let set = send(&house, "PUT", &operator, &json!({ "if_version": 0, "values": values })).await;
    assert_eq!((set.status, &set.json()["values"], &set.json()["version"]), (200, &values, &json!(1)));
    assert!(set.json()["changed_by"].as_str().unwrap().starts_with("svc_"), "{}", set.text());
    let first = start(&house).await;
    let patch = json!({ "values": { "PAYMENTS": "https://b.example", "SEVEN": null } });
    let patched = send(&house, "PATCH", &operator, &patch).await.json();
    assert_eq!((&patched["version"], &patched["values"]), (&json!(2), &json!({ "PAYMENTS": "https://b.example" })));
    let second = start(&house).await;

    let charges = |host: &str| format!("https://{host}.example/charges");
    let of = |result: &Value| (result["status"].clone(), result["output"].clone());
    assert_eq!(of(&result(&house, &second).await), (json!("completed"), json!({ "url": charges("b") })));
    assert_eq!(of(&result(&house, &first).await), (json!("completed"), json!({ "url": charges("a"), "seven": 7 })));
    let seen = house.get(&format!("/v1/transactions/{first}/query"), &house.owner).await.json();
    assert_eq!(seen["vars"], json!({ "url": "https://a.example" }), "what was set is computed from what it began with");
    let failed = result(&house, &unset).await;
    assert_eq!((&failed["status"], &failed["cause"]["error"]["type"]), (&json!("failed"), &json!("BadExpression")));

    let versions = house.get("/v1/settings/versions?limit=1", &auditor).await.json();
    assert_eq!((&versions["items"][0]["version"], versions["items"].as_array().unwrap().len()), (&json!(2), 1));
    let next = format!("/v1/settings/versions?cursor={}", versions["next"].as_str().unwrap());
    assert_eq!(house.get(&next, &auditor).await.json()["items"][0]["values"], values);
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let is_of_settings = |entry: &&Value| entry["record"].as_str().unwrap().contains(r#""kind":"settings.changed""#);
    let found: Vec<&Value> = entries["items"].as_array().unwrap().iter().filter(is_of_settings).collect();
    assert_eq!((found.len(), &found[0]["payload"]), (2, &json!({ "values": values })));
    assert!(!found[0]["record"].as_str().unwrap().contains("PAYMENTS"), "a record has no text of a caller's");
}

#[tokio::test]
async fn two_operators_do_not_undo_one_another_s_change_unseen() {
    let house = ready().await;
    let set = json!({ "if_version": 0, "values": { "A": 1 } });
    assert_eq!(send(&house, "PATCH", &house.owner, &set).await.status, 200);
    let before = house.log_size().await;
    let late = send(&house, "PATCH", &house.owner, &set).await;
    assert_eq!(late.slug(), "409 settings-moved");
    assert_eq!(late.problem().detail, "the settings are of version 1 now, not 0: read them again");
    let same = send(&house, "PUT", &house.owner, &json!({ "if_version": 1, "values": { "A": 1 } })).await;
    assert_eq!((same.status, &same.json()["version"]), (200, &json!(1)), "what changes nothing is no version");
    let (_, auditor) = house.principal("aud", &["auditor"]).await;
    let size = house.log_size().await;
    assert!(size > before);
    assert_eq!(send(&house, "PUT", &auditor, &json!({ "values": {} })).await.slug(), "403 denied");
    for (body, slug, says) in [
        (json!({ "values": { "a": 1 } }), "400 invalid-request", "`a` is not the name of a setting"),
        (json!({ "values": { "DB_PASSWORD": "x" } }), "400 invalid-request", "called like a secret"),
        (json!({ "values": { "A": "x".repeat(70_000) } }), "400 invalid-request", "at most 65536 are allowed"),
        (json!({ "values": [] }), "400 invalid-body", ""),
        (json!({ "value": {} }), "400 invalid-body", ""),
        (json!({}), "400 invalid-body", ""),
    ] {
        let refused = send(&house, "PUT", &house.owner, &body).await;
        assert_eq!(refused.slug(), slug, "{}", refused.text());
        assert!(refused.problem().detail.contains(says), "{}", refused.text());
    }
    let null = send(&house, "PUT", &house.owner, &json!({ "values": { "A": null } })).await;
    assert!(null.problem().detail.contains("leave out what has no value"), "{}", null.text());
}
