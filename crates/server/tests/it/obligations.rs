//! Obligations and modes, as those see them who start, ask, and work.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
action start, run, ship appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };
";
const PAYS: &str = "
name: pays
version: 1
steps:
  - id: pay
    run: {worker: pay}
    with: {card: {number: \"not-for-all\", name: Ada}, amount: 7}
    timeout: 1h
    compensate: {run: {worker: refund}, with: {card: {number: \"not-for-all\", name: Ada}}}
  - id: ship
    action: ship
    after: [pay]
    run: {worker: ship}
    irreversible: true
";
const PERMIT: &str = "permit (principal, action, resource);";

async fn ready(keys: Value) -> House {
    let house = House::new().await;
    let mut bundle = json!({ "name": "pays", "version": 1, "schema": SCHEMA, "policies": PERMIT });
    let Value::Object(keys) = keys else { panic!("{keys}") };
    bundle.as_object_mut().unwrap().extend(keys);
    house.decide_by(&bundle).await;
    house.define(PAYS).await;
    house
}

async fn start(house: &House) -> String {
    let started = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pays" })).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

async fn task(house: &House, queue: &str) -> Value {
    let exchange = json!({ "worker": "w-1", "queues": [{ "name": queue, "want": 1 }], "wait": "5s" });
    let tasks = house.post("/v1/workers/exchange", &house.owner, &exchange).await.json()["tasks"].clone();
    assert_eq!(tasks.as_array().map(Vec::len), Some(1), "{queue}: {tasks}");
    tasks[0].clone()
}

async fn done(house: &House, task: &Value) {
    let report = json!({ "worker": "w-1", "queues": [], "done": [{ "task": task["task"], "output": {} }] });
    let answer = house.post("/v1/workers/exchange", &house.owner, &report).await.json();
    assert_eq!(answer["acks"][0]["ack"], "recorded", "{answer}");
}

async fn result(house: &House, id: &str) -> Value {
    house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json()
}

async fn ask(house: &House, action: &str) -> Value {
    let question = json!({ "action": action, "resource": { "type": "Step", "id": "pays/pay" } });
    let answer = house.post("/v1/decisions", &house.owner, &question).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What a worker gets is what the ledger keeps, and what undoes it goes out under the same.
#[tokio::test]
async fn what_goes_out_is_masked_and_limited_and_so_is_its_undo() {
    let obligations = "
        @id(\"no-numbers\") @obligation(\"mask\") @fields(\"card.number\")
        permit (principal, action == Action::\"run\", resource);
        @obligation(\"limits\") @timeout(\"30s\") @network(\"pay.example\")
        permit (principal, action == Action::\"run\", resource);
        @obligation(\"limits\") @timeout(\"2m\") @network(\"pay.example, other.example\")
        permit (principal, action == Action::\"run\", resource);";
    let house = ready(json!({ "obligations": obligations })).await;
    let id = start(&house).await;
    let pay = task(&house, "pay").await;
    assert_eq!(pay["input"], json!({ "card": { "name": "Ada" }, "amount": 7 }));
    assert_eq!(pay["limits"], json!({ "timeout": "30s", "network": ["pay.example"] }));
    let history = house.get(&format!("/v1/transactions/{id}/history"), &house.owner).await.json();
    let text = history.to_string();
    assert!(!text.contains("not-for-all"), "{text}");
    done(&house, &pay).await;
    let ship = task(&house, "ship").await;
    assert_eq!((&ship["input"], ship.get("limits")), (&Value::Null, None));
    let failed = json!({ "worker": "w-1", "queues": [], "done": [{ "task": ship["task"], "error": {
        "type": "Full", "message": "no room", "final": true } }] });
    house.post("/v1/workers/exchange", &house.owner, &failed).await;
    let undo = task(&house, "refund").await;
    assert_eq!(undo["input"], json!({ "card": { "name": "Ada" } }));
    assert_eq!(undo["limits"], pay["limits"]);
    done(&house, &undo).await;
    assert_eq!(result(&house, &id).await["status"], "compensated");
}

#[tokio::test]
async fn a_decision_tells_what_is_demanded() {
    let obligations = "
        @id(\"eyes\") @obligation(\"approval\") @approvers(\"2\") @role(\"finance\") @reason(\"it is dear\")
        permit (principal, action == Action::\"ship\", resource);
        @id(\"short\") @obligation(\"limits\") @timeout(\"30s\")
        permit (principal, action == Action::\"run\", resource);";
    let house = ready(json!({ "obligations": obligations })).await;
    let conditional = ask(&house, "run").await;
    assert_eq!((&conditional["permitted"], &conditional["outcome"]), (&json!(true), &json!("conditional")));
    let limits = json!([{ "kind": "limits", "policy": "short", "limits": { "timeout": "30s" } }]);
    assert_eq!(conditional["obligations"], limits);
    let escalated = ask(&house, "ship").await;
    assert_eq!((&escalated["permitted"], &escalated["outcome"]), (&json!(false), &json!("escalated")));
    let approval =
        json!([{ "kind": "approval", "policy": "eyes", "reason": "it is dear", "approvers": 2, "role": "finance" }]);
    assert_eq!(escalated["obligations"], approval);
    let approved = ask(&house, "start").await;
    assert_eq!((&approved["permitted"], &approved["outcome"]), (&json!(true), &json!("approved")));
    assert!(approved.get("obligations").is_none());
}

/// Who hears of it is told of what is done, not of a question, and the entry of what is done says that there is somebody.
#[tokio::test]
async fn what_notifiers_tell_of_is_permitted_at_once_and_its_entry_says_so() {
    let obligations = "
        @id(\"heard\") @obligation(\"notify\") @notifier(\"desk\") @reason(\"it is dear\")
        permit (principal, action == Action::\"run\", resource);";
    let house = ready(json!({ "obligations": obligations })).await;
    let notifier = json!({ "channel": { "kind": "webhook", "url": "https://a.example/told" } });
    let set = Call::new("PUT", "/v1/notifiers/desk").key(&house.owner).json(&notifier);
    assert_eq!(set.send(house.addr).await.status, 200);
    let demanded = json!([{ "kind": "notify", "policy": "heard", "reason": "it is dear", "notifiers": ["desk"] }]);
    let asked = ask(&house, "run").await;
    assert_eq!((&asked["outcome"], &asked["obligations"]), (&json!("conditional"), &demanded));
    let subject = json!({ "type": "Service", "id": house.principal("shop", &["service"]).await.0 });
    let body = json!({ "subject": subject, "action": { "name": "run" },
                       "resource": { "type": "Step", "id": "pays/pay" } });
    let answer = house.post("/access/v1/evaluation", &house.owner, &body).await.json();
    assert_eq!((&answer["decision"], &answer["context"]["access_request"]["obligations"]), (&json!(false), &demanded));

    start(&house).await;
    let pay = task(&house, "pay").await;
    assert!(pay.get("limits").is_none(), "the worker has no part in it: {pay}");
    let history = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let records = history["items"].as_array().unwrap().iter().map(|entry| entry["record"].as_str().unwrap());
    let records: Vec<Value> = records.map(|record| serde_json::from_str(record).unwrap()).collect();
    let told = records.iter().filter(|record| record["data"]["notify"] == 1).map(|record| &record["kind"]);
    assert_eq!(told.collect::<Vec<_>>(), ["step.dispatched"], "{records:#?}");
}

/// A start waits for nobody: what demands it is not passed over.
#[tokio::test]
async fn a_start_that_needs_an_approval_is_denied() {
    let obligations =
        "@id(\"eyes\") @obligation(\"approval\") permit (principal, action == Action::\"start\", resource);";
    let house = ready(json!({ "obligations": obligations })).await;
    let refused = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pays" })).await;
    assert_eq!(refused.slug(), "403 policy-denied");
    assert!(refused.text().contains("obligation `eyes` demands approval"), "{}", refused.text());
}

#[tokio::test]
async fn permissive_lets_pass_what_no_policy_permits_but_nothing_irreversible() {
    let house = ready(json!({ "policies": "", "mode": "permissive" })).await;
    let told = ask(&house, "run").await;
    assert_eq!((&told["permitted"], &told["would_deny"]), (&json!(true), &json!(true)));
    let unknown = ask(&house, "fly").await;
    assert_eq!((&unknown["permitted"], &unknown["would_deny"]), (&json!(true), &json!(true)));
    let id = start(&house).await;
    done(&house, &task(&house, "pay").await).await;
    // It is decided when somebody could take it.
    let queues = json!([{ "name": "ship", "want": 1 }, { "name": "refund", "want": 1 }]);
    let exchange = json!({ "worker": "w-1", "queues": queues, "wait": "5s" });
    let undo = house.post("/v1/workers/exchange", &house.owner, &exchange).await.json()["tasks"][0].clone();
    assert_eq!((&undo["step"], &undo["phase"]), (&json!("pay"), &json!("undo")));
    done(&house, &undo).await;
    let result = result(&house, &id).await;
    assert_eq!((&result["status"], &result["cause"]["error"]["type"]), (&json!("compensated"), &json!("PolicyDenied")));
    assert!(result.to_string().contains("permits nothing that cannot be undone"), "{result}");
}

const WHY: &str = "seen and compared with the invoice";

/// It is asked once, answered once, and good for this step only; what is masked is not shown to who is asked either.
#[tokio::test]
async fn a_step_waits_for_the_approval_that_is_demanded() {
    let obligations = "
        @id(\"eyes\") @obligation(\"approval\") @role(\"finance\") @sla(\"2h\") @reason(\"it is dear\")
        permit (principal, action == Action::\"run\", resource);
        @obligation(\"mask\") @fields(\"card.number\") permit (principal, action == Action::\"run\", resource);";
    let house = ready(json!({ "obligations": obligations })).await;
    let (_, ann) = house.person("ann", &["approver", "finance"]).await;
    let id = start(&house).await;
    let exchange = |wait: &str| json!({ "worker": "w-1", "queues": [{ "name": "pay", "want": 1 }], "wait": wait });
    let none = house.post("/v1/workers/exchange", &house.owner, &exchange("200ms")).await.json();
    assert_eq!(none["tasks"], json!([]));
    let found = house.get(&format!("/v1/requests?transaction={id}"), &ann).await.json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    let request = found["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = house.get(&format!("/v1/requests/{request}"), &ann).await.json();
    assert_eq!((&shown["reason"], &shown["role"]), (&json!("it is dear"), &json!("finance")));
    assert_eq!(shown["input"], json!({ "card": { "name": "Ada" }, "amount": 7 }));
    let answer = json!({ "answer": "approved", "justification": WHY });
    let path = format!("/v1/requests/{request}/answer");
    assert_eq!(house.post(&path, &house.owner, &answer).await.status, 403, "who asked does not answer");
    let curt = json!({ "answer": "approved", "justification": "fine" });
    assert_eq!(house.post(&path, &ann, &curt).await.slug(), "400 justification-too-short");
    assert_eq!(house.post(&path, &ann, &answer).await.status, 200);
    let pay = task(&house, "pay").await;
    assert_eq!(pay["input"], json!({ "card": { "name": "Ada" }, "amount": 7 }));
    done(&house, &pay).await;
    done(&house, &task(&house, "ship").await).await;
    assert_eq!(result(&house, &id).await["status"], "completed");
    let found = house.get(&format!("/v1/requests?transaction={id}&status=approved"), &ann).await.json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "it is asked once: {found}");
}

#[tokio::test]
async fn a_no_to_what_is_demanded_undoes_what_was_done() {
    let obligations =
        "@id(\"eyes\") @obligation(\"approval\") permit (principal, action == Action::\"ship\", resource);";
    let house = ready(json!({ "obligations": obligations })).await;
    let (_, ann) = house.person("ann", &["approver"]).await;
    let id = start(&house).await;
    done(&house, &task(&house, "pay").await).await;
    let exchange = json!({ "worker": "w-1", "queues": [{ "name": "ship", "want": 1 }], "wait": "200ms" });
    assert_eq!(house.post("/v1/workers/exchange", &house.owner, &exchange).await.json()["tasks"], json!([]));
    let found = house.get(&format!("/v1/requests?transaction={id}"), &ann).await.json();
    let request = found["items"][0]["id"].as_str().unwrap().to_owned();
    let answer = json!({ "answer": "denied", "justification": WHY });
    assert_eq!(house.post(&format!("/v1/requests/{request}/answer"), &ann, &answer).await.status, 200);
    done(&house, &task(&house, "refund").await).await;
    let result = result(&house, &id).await;
    assert_eq!(
        (&result["status"], &result["cause"]["error"]["type"]),
        (&json!("compensated"), &json!("RequestDenied"))
    );
}
