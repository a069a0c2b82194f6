//! Bundles that come while transactions run, bundles in the shadow, and the data that steps use.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
type Data = { class: String, taint: Set<String>, purpose?: String };
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: { classes?: Set<String> } };
action run, ship, send appliesTo { principal: [User, Service, Agent], resource: [Step], context: Data };
";
const PERMIT: &str = "permit (principal, action, resource);";
const NO_SHIP: &str = "permit (principal, action, resource);
    @id(\"no-ship\") @reason(\"nothing is shipped any more\")
    forbid (principal, action == Action::\"ship\", resource);";

async fn push(house: &House, version: u32, keys: Value) -> String {
    let mut bundle = json!({ "name": "ships", "version": version, "schema": SCHEMA, "policies": PERMIT });
    let Value::Object(keys) = keys else { panic!("{keys}") };
    bundle.as_object_mut().unwrap().extend(keys);
    house.decide_by(&bundle).await
}

/// A transaction whose first step is done while the policy of its second changes.
async fn overtaken(policy: &str, [before, after]: [&str; 2]) -> (House, String) {
    let house = House::new().await;
    push(&house, 1, json!({ "policies": before })).await;
    house
        .define(&format!(
            "name: ships\nversion: 1\n{policy}steps:\n  - id: pay\n    run: {{worker: pay}}\n    \
             compensate: {{run: {{worker: refund}}}}\n  - id: ship\n    action: ship\n    after: [pay]\n    \
             run: {{worker: ship}}\n    irreversible: true\n"
        ))
        .await;
    let id = house.post("/v1/transactions", &house.owner, &json!({ "definition": "ships" })).await.json()["id"].clone();
    let pay = house.task("pay").await;
    push(&house, 2, json!({ "policies": after })).await;
    house.done(&pay, json!({})).await;
    (house, id.as_str().unwrap().to_owned())
}

/// Asks for work, so that what is ready is decided.
async fn look(house: &House) -> Value {
    let queues = json!([{ "name": "ship", "want": 1 }, { "name": "refund", "want": 1 }]);
    let exchange = json!({ "worker": "w-1", "queues": queues, "wait": "300ms" });
    house.post("/v1/workers/exchange", &house.owner, &exchange).await.json()["tasks"].clone()
}

#[tokio::test]
async fn what_is_pinned_goes_on_under_what_it_began_under() {
    let (house, _) = overtaken("", [PERMIT, NO_SHIP]).await;
    assert_eq!(look(&house).await[0]["step"], "ship");
    let (house, id) = overtaken("policy: pinned\n", [NO_SHIP, PERMIT]).await;
    assert_eq!(look(&house).await[0]["phase"], "undo");
    let state = house.get(&format!("/v1/transactions/{id}"), &house.owner).await.json();
    assert_eq!(state["cause"]["error"]["type"], "PolicyDenied", "{state}");
}

/// What only the newer bundle denies waits for a person, who may have it tried again.
#[tokio::test]
async fn what_only_the_newer_bundle_denies_parks() {
    for policy in ["policy: latest\n", "policy: both\n"] {
        let (house, id) = overtaken(policy, [PERMIT, NO_SHIP]).await;
        assert_eq!(look(&house).await, json!([]));
        let path = format!("/v1/transactions/{id}");
        let state = house.get(&path, &house.owner).await.json();
        assert_eq!(state["status"], "parked", "{state}");
        assert!(state.to_string().contains("nothing is shipped any more"), "{state}");
        let why = json!({ "justification": "the newer bundle was too strict" });
        assert_eq!(house.post("/v1/bundles/rollback", &house.owner, &json!({})).await.status, 200);
        let retried = house.post(&format!("{path}/retry"), &house.owner, &why).await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        let ship = house.task("ship").await;
        house.done(&ship, json!({})).await;
        assert_eq!(house.get(&format!("{path}/result?wait=5s"), &house.owner).await.json()["status"], "completed");
    }
}

#[tokio::test]
async fn the_latest_lets_through_what_was_forbidden_and_both_do_not() {
    let (house, _) = overtaken("policy: latest\n", [NO_SHIP, PERMIT]).await;
    assert_eq!(look(&house).await[0]["step"], "ship");
    let (house, _) = overtaken("policy: both\n", [NO_SHIP, PERMIT]).await;
    assert_eq!(look(&house).await[0]["phase"], "undo");
}

/// The entry has what both said, and what each demands holds.
#[tokio::test]
async fn under_both_all_that_either_demands_holds() {
    let house = House::new().await;
    let mask = |field: &str| {
        json!(format!(
            "@obligation(\"mask\") @fields(\"{field}\") permit (principal, action == Action::\"run\", resource);"
        ))
    };
    let old = push(&house, 1, json!({ "obligations": mask("card") })).await;
    house
        .define("name: pays\nversion: 1\npolicy: both\nsteps:\n  - id: pay\n    run: {worker: pay}\n    with: {card: 1, name: 2, sum: 3}\n    irreversible: true\n")
        .await;
    let id = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pays" })).await.json()["id"].clone();
    let new = push(&house, 2, json!({ "obligations": mask("name") })).await;
    assert_eq!(house.task("pay").await["input"], json!({ "sum": 3 }));
    let path = format!("/v1/transactions/{}/history", id.as_str().unwrap());
    let history = house.get(&path, &house.owner).await.json();
    let entries = history["items"].as_array().unwrap();
    let decision = entries.iter().find_map(|entry| entry["payload"].get("decision")).unwrap();
    let dispatched =
        entries.iter().filter_map(|entry| entry["payload"].get("decision")).next_back().unwrap_or(decision);
    assert_eq!(dispatched["bundle"], json!(new), "{history}");
    assert_eq!(dispatched["also"]["pinned"]["bundle"], json!(old), "{history}");
}

#[tokio::test]
async fn a_bundle_in_the_shadow_is_asked_and_not_obeyed() {
    let house = House::new().await;
    let shadow = push(&house, 1, json!({ "policies": NO_SHIP })).await;
    push(&house, 2, json!({})).await;
    let path = format!("/v1/bundles/{shadow}/shadow");
    let put = || house.post(&path, &house.owner, &Value::Null);
    let first = put().await.json();
    assert!(first["entry"].is_u64(), "{first}");
    assert_eq!(put().await.json().get("entry"), None, "a second time is no change");
    let ask = async |action: &str| {
        let question =
            json!({ "action": action, "resource": { "type": "Step", "id": "a/b" }, "context": { "taint": [] } });
        house.post("/v1/decisions", &house.owner, &question).await.json()
    };
    let (ship, run) = (ask("ship").await, ask("run").await);
    assert_eq!((&ship["permitted"], &ship["shadow"]["permitted"]), (&json!(true), &json!(false)), "{ship}");
    assert_eq!((&run["permitted"], &run["shadow"]["permitted"]), (&json!(true), &json!(true)), "{run}");
    assert_eq!(ship["shadow"]["bundle"], json!(shadow));
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let found = entries["items"].as_array().unwrap().iter().find(|entry| entry["seq"] == ship["entry"]).unwrap();
    let also = &found["payload"]["decision"]["also"]["shadow"];
    let why = also["reasons"][0]["text"].as_str().unwrap();
    assert!(why.starts_with("nothing is shipped any more"), "{found}");
    let listed = house.get("/v1/bundles", &house.owner).await.json();
    let of = |version: u64| {
        listed["items"].as_array().unwrap().iter().find(|item| item["version"] == version).unwrap().clone()
    };
    assert_eq!((&of(1)["shadow"], &of(2)["active"]), (&json!(true), &json!(true)), "{listed}");
    let metrics = house.get("/metrics", &house.platform).await.text().to_string();
    assert!(metrics.contains("chancery_shadow_decisions_total{agrees=\"no\"} 1"), "{metrics}");
    assert_eq!(Call::new("DELETE", "/v1/bundles/shadow").key(&house.owner).send(house.addr).await.status, 204);
    assert_eq!(ask("ship").await.get("shadow"), None);
    let missing = format!("/v1/bundles/sha256:{}/shadow", "0".repeat(64));
    assert_eq!(house.post(&missing, &house.owner, &Value::Null).await.slug(), "404 not-found");
}

const NO_LEAK: &str = "permit (principal, action, resource);
    @id(\"no-leak\") @reason(\"personal data stays here\") forbid (principal, action == Action::\"send\", resource)
    when { context.taint.contains(\"personal\") };";

/// What a step has read, the transaction has read: its child, too, and what comes after that.
#[tokio::test]
async fn data_that_was_read_taints_what_comes_after() {
    let house = House::new().await;
    push(&house, 1, json!({ "policies": NO_LEAK, "classes": ["personal", "public"], "purposes": ["support"] })).await;
    house.define("name: reads\nversion: 1\npurpose: support\nsteps:\n  - id: read\n    classes: [personal]\n    run: {worker: read}\n    irreversible: true\n").await;
    let leaks = |first: &str| {
        format!(
            "name: leaks-{first}\nversion: 1\nsteps:\n  - id: first\n    {first}\n    irreversible: true\n  - id: send\n    \
             action: send\n    after: [first]\n    run: {{worker: send}}\n    irreversible: true\n"
        )
    };
    for (name, first, denied) in [
        ("a", "run: {worker: read}\n    classes: [personal]", true),
        ("b", "run: {worker: read}\n    classes: [public]", false),
        ("c", "run: {transaction: reads}", true),
    ] {
        house.define(&leaks(first).replacen(&format!("leaks-{first}"), &format!("leaks-{name}"), 1)).await;
        let start = json!({ "definition": format!("leaks-{name}") });
        let id = house.post("/v1/transactions", &house.owner, &start).await.json()["id"].clone();
        let read = house.task("read").await;
        house.done(&read, json!({})).await;
        let exchange = json!({ "worker": "w-1", "queues": [{ "name": "send", "want": 1 }], "wait": "300ms" });
        let sent = house.post("/v1/workers/exchange", &house.owner, &exchange).await.json()["tasks"].clone();
        assert_eq!(sent.as_array().map(Vec::is_empty), Some(denied), "{name}: {sent}");
        let state = house.get(&format!("/v1/transactions/{}", id.as_str().unwrap()), &house.owner).await.json();
        assert_eq!(state.to_string().contains("personal data stays here"), denied, "{name}: {state}");
        if !denied {
            house.done(&sent[0], json!({})).await;
        }
    }
}

/// An event carries on what its transaction has come to use, and one of before that does not.
#[tokio::test]
async fn data_that_was_read_taints_the_events_that_come_after() {
    let house = House::new().await;
    push(&house, 1, json!({ "policies": NO_LEAK, "classes": ["personal", "public"] })).await;
    house
        .define(
            "name: tells\nversion: 1\nsteps:\n  - {id: before, run: {emit: {type: thing.begun}}}\n  - {id: read, \
             after: [before], classes: [public, personal], run: {worker: read}, irreversible: true}\n  - {id: tell, \
             after: [read], run: {emit: {type: thing.told}}}\n",
        )
        .await;
    house.post("/v1/transactions", &house.owner, &json!({ "definition": "tells" })).await;
    house.done(&house.task("read").await, json!({})).await;
    let events = house.get("/v1/events?wait=5s", &house.owner).await.json();
    let taints: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| event["taint"].as_str()).collect();
    assert_eq!(taints, [None, Some("personal public")], "{events}");
}

#[tokio::test]
async fn what_an_agent_read_taints_what_it_calls() {
    let house = House::new().await;
    push(&house, 1, json!({ "policies": NO_LEAK })).await;
    house.define("name: talk\nversion: 1\nkind: open\ndeadline: 1h\n").await;
    let opened = house.post("/v1/transactions", &house.owner, &json!({ "definition": "talk" })).await.json();
    let path = format!("/v1/transactions/{}/steps", opened["id"].as_str().unwrap());
    let step = async |id: &str, action: &str, classes: Value| {
        let body = json!({ "driver": 1, "id": id, "action": action, "classes": classes });
        house.post(&path, &house.owner, &body).await.json()
    };
    assert_eq!(step("tell", "send", json!([])).await["outcome"], "permitted");
    assert_eq!(step("look", "run", json!(["personal"])).await["outcome"], "permitted");
    let denied = step("tell-more", "send", json!([])).await;
    assert_eq!(denied["outcome"], "denied", "{denied}");
    assert!(denied.to_string().contains("personal data stays here"), "{denied}");
}

/// A class or purpose that the bundle does not know, or can't see, denies.
#[tokio::test]
async fn what_the_bundle_does_not_know_of_data_denies() {
    let house = House::new().await;
    push(&house, 1, json!({ "classes": ["public"], "purposes": ["support"] })).await;
    let step = "steps:\n  - id: read\n    run: {worker: read}\n    irreversible: true\n";
    for (name, keys, text) in [
        ("a", "    classes: [secret]\n", "the bundle knows no class of data `secret`"),
        ("b", "    purpose: research\n", "the bundle knows no purpose `research`"),
    ] {
        house.define(&format!("name: {name}\nversion: 1\n{step}{keys}")).await;
        let id =
            house.post("/v1/transactions", &house.owner, &json!({ "definition": name })).await.json()["id"].clone();
        let exchange = json!({ "worker": "w-1", "queues": [{ "name": "read", "want": 1 }], "wait": "300ms" });
        house.post("/v1/workers/exchange", &house.owner, &exchange).await;
        let path = format!("/v1/transactions/{}/result?wait=5s", id.as_str().unwrap());
        let result = house.get(&path, &house.owner).await.json();
        assert!(result.to_string().contains(text), "{result}");
    }
    // Of a start the schema declares classes, and this bundle does not list them.
    house.define(&format!("name: c\nversion: 1\nclasses: [secret]\n{step}")).await;
    let refused = house.post("/v1/transactions", &house.owner, &json!({ "definition": "c" })).await;
    assert_eq!(refused.slug(), "403 policy-denied");
    assert!(refused.text().contains("no class of data `secret`"), "{}", refused.text());
}
