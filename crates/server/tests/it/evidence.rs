//! Evidence over the API: it is added, read, demanded, cited, and erased when its time is over.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};
use std::time::Duration;

const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
action start, run, look appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };
";
const PAYS: &str = "
name: pays
version: 1
steps:
  - {id: look, action: look, run: {worker: look}}
  - {id: pay, after: [look], run: {worker: pay}}
";
const OPEN: &str = "name: talk\nversion: 1\nkind: open\nallow: [run]\n";
/// `hello`, and its digest.
const HELLO: (&str, &str) = ("aGVsbG8=", "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");

async fn ready(obligations: &str) -> House {
    let house = House::new().await;
    let permit = "permit (principal, action, resource);";
    let bundle =
        json!({ "name": "pays", "version": 1, "schema": SCHEMA, "policies": permit, "obligations": obligations });
    house.decide_by(&bundle).await;
    house.define(PAYS).await;
    house
}

async fn add(house: &House, evidence: Value) -> Value {
    let added = house.post("/v1/evidence", &house.owner, &evidence).await;
    assert_eq!(added.status, 201, "{}", added.text());
    added.json()
}

fn hello(name: &str) -> Value {
    json!({ "name": name, "type": "text/plain", "content": HELLO.0 })
}

async fn start(house: &House) -> String {
    let started = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pays" })).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

async fn tasks(house: &House, queue: &str, wait: &str) -> Vec<Value> {
    let exchange = json!({ "worker": "w-1", "queues": [{ "name": queue, "want": 1 }], "wait": wait });
    let answer = house.post("/v1/workers/exchange", &house.owner, &exchange).await.json();
    answer["tasks"].as_array().unwrap().clone()
}

async fn do_one(house: &House, queue: &str) {
    let tasks = tasks(house, queue, "5s").await;
    assert_eq!(tasks.len(), 1, "{queue}");
    let report = json!({ "worker": "w-1", "queues": [], "done": [{ "task": tasks[0]["task"], "output": {} }] });
    let answer = house.post("/v1/workers/exchange", &house.owner, &report).await.json();
    assert_eq!(answer["acks"][0]["ack"], "recorded", "{answer}");
}

async fn result(house: &House, id: &str) -> Value {
    house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json()
}

/// The entries of a kind in the tenant's log, with their payloads.
async fn entries(house: &House, kind: &str) -> Vec<(Value, Value)> {
    let listed = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let entry = |entry: &Value| {
        let record: Value = serde_json::from_str(entry["record"].as_str().unwrap()).unwrap();
        (record["kind"] == kind).then(|| (record, entry["payload"].clone()))
    };
    listed["items"].as_array().unwrap().iter().filter_map(entry).collect()
}

#[tokio::test]
async fn evidence_is_added_with_its_entry_and_read_by_those_who_may() {
    let house = ready("").await;
    let id = start(&house).await;
    let mut bound = hello("scan");
    bound["transaction"] = json!(id);
    bound["step"] = json!("pay");
    bound["keep"] = json!("30d");
    let scan = add(&house, bound).await;
    assert_eq!((&scan["digest"], &scan["size"]), (&json!(HELLO.1), &json!(5)));
    let elsewhere = json!({
        "name": "film", "type": "video/mp4", "digest": HELLO.1, "link": "https://dms.example/7",
    });
    let film = add(&house, elsewhere).await;
    assert_eq!((film.get("size"), &film["link"]), (None, &json!("https://dms.example/7")));

    let found = entries(&house, "evidence.added").await;
    let (record, payload) = &found[0];
    let data = &record["data"];
    assert_eq!((&data["evidence"], &data["transaction"], &data["stored"]), (&scan["id"], &json!(id), &json!(true)));
    let terms = &payload["terms"];
    assert_eq!((&terms["digest"], &terms["size"], &terms["name"]), (&json!(HELLO.1), &json!(5), &json!("scan")));
    assert_eq!(terms["bound"], json!({ "transaction": id, "step": "pay" }));
    assert!(!json!(found).to_string().contains(HELLO.0), "the content is in no entry");

    let (_, auditor) = house.principal("aud", &["auditor"]).await;
    let listed = |query: String| {
        let (house, auditor) = (&house, &auditor);
        async move {
            let answer = house.get(&format!("/v1/evidence{query}"), auditor).await.json();
            let names = answer["items"].as_array().unwrap().iter().map(|item| item["name"].clone());
            (names.collect::<Vec<_>>(), answer["next"].as_str().map(str::to_owned))
        }
    };
    assert_eq!(listed(String::new()).await.0, ["scan", "film"]);
    assert_eq!(listed("?name=film".to_owned()).await.0, ["film"]);
    assert_eq!(listed(format!("?transaction={id}")).await.0, ["scan"]);
    let (first, next) = listed("?limit=1".to_owned()).await;
    assert_eq!(first, ["scan"]);
    assert_eq!(listed(format!("?limit=1&cursor={}", next.unwrap())).await, (vec![json!("film")], None));

    let path = format!("/v1/evidence/{}", scan["id"].as_str().unwrap());
    assert_eq!(house.get(&path, &auditor).await.json(), scan);
    let content = house.get(&format!("{path}/content"), &auditor).await;
    assert_eq!((content.status, content.text()), (200, "hello"));
    let headers = ["content-type", "content-disposition", "x-content-type-options"].map(|name| content.header(name));
    assert_eq!(headers, [Some("text/plain"), Some("attachment"), Some("nosniff")]);
    let none = house.get(&format!("/v1/evidence/{}/content", film["id"].as_str().unwrap()), &auditor).await;
    assert_eq!(none.slug(), "404 not-found");
    let refused = house.post("/v1/evidence", &auditor, &hello("scan")).await;
    assert_eq!(refused.slug(), "403 denied");
    let (_, service) = house.principal("adds", &["service"]).await;
    assert_eq!(house.post("/v1/evidence", &service, &hello("scan")).await.status, 201);
    assert_eq!(house.get(&format!("{path}/content"), &service).await.slug(), "403 denied");
}

#[tokio::test]
async fn what_is_no_evidence_is_refused_and_leaves_nothing() {
    let house = ready("").await;
    let id = start(&house).await;
    let before = house.log_size().await;
    let with = |key: &str, value: Value| {
        let mut body = hello("dpia");
        body[key] = value;
        body
    };
    let absent = format!("txn_{}", "0".repeat(32));
    let mut of_step = with("transaction", json!(id));
    of_step["step"] = json!("nap");
    for (body, slug, says) in [
        (with("content", json!("aGVsbG8")), "400 invalid-body", "base64"),
        (with("content", Value::Null), "400 invalid-request", "one of `content` and `digest` is needed"),
        (with("digest", json!(format!("sha256:{}", "0".repeat(64)))), "400 invalid-request", "not that of the content"),
        (with("type", json!("text")), "400 invalid-request", "no media type"),
        (with("type", json!("text/plain\r\nx: y")), "400 invalid-request", "no media type"),
        (with("keep", json!("0s")), "400 invalid-request", "keep: "),
        (with("keep", json!("9999d")), "400 invalid-request", "keep: "),
        (with("link", json!("")), "400 invalid-request", "link: "),
        (with("step", json!("pay")), "400 invalid-request", "step: it takes the `transaction`"),
        (with("name", json!("a b")), "400 invalid-body", "not allowed in a name"),
        (with("transaction", json!(absent)), "404 not-found", absent.as_str()),
        (of_step, "404 not-found", "step `nap`"),
        (with("content", json!("AAAA".repeat((1 << 20) / 3 + 1))), "400 invalid-request", "content: "),
    ] {
        let answer = house.post("/v1/evidence", &house.owner, &body).await;
        assert_eq!(answer.slug(), slug, "{says}: {}", answer.text());
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    assert_eq!(house.log_size().await, before);
}

/// Of the same step once it is there, of another and of the tenant never.
#[tokio::test]
async fn a_step_goes_out_only_with_the_evidence_that_is_demanded_and_cites_it() {
    let demand = "
        @id(\"assessed\") @obligation(\"evidence\") @name(\"dpia\") @reason(\"personal data\")
        permit (principal, action == Action::\"run\", resource);";
    let house = ready(demand).await;
    let lacking = start(&house).await;
    add(&house, hello("dpia")).await;
    do_one(&house, "look").await;
    assert!(tasks(&house, "pay", "200ms").await.is_empty());
    let failed = result(&house, &lacking).await;
    assert_eq!((&failed["status"], &failed["cause"]["error"]["type"]), (&json!("failed"), &json!("PolicyDenied")));
    let why = format!("obligation `assessed` demands evidence: {lacking} has none named `dpia`");
    assert!(failed.to_string().contains(&why), "{failed}");
    let (_, denial) = entries(&house, "decision.denied").await.remove(0);
    assert_eq!(denial["decision"]["outcome"], "deny");
    assert!(denial["decision"]["reasons"].to_string().contains(&why), "{denial}");

    let id = start(&house).await;
    let mut of_step = hello("dpia");
    of_step["transaction"] = json!(id);
    of_step["step"] = json!("pay");
    let added = add(&house, of_step).await;
    do_one(&house, "look").await;
    do_one(&house, "pay").await;
    assert_eq!(result(&house, &id).await["status"], "completed");
    let dispatched = entries(&house, "step.dispatched").await;
    let (_, permit) = dispatched.iter().find(|(_, payload)| payload.to_string().contains("dpia")).unwrap();
    let cited = json!([{
        "kind": "evidence", "policy": "assessed", "reason": "personal data", "name": "dpia", "for": "transaction",
        "evidence": added["id"], "digest": HELLO.1,
    }]);
    assert_eq!((&permit["decision"]["obligations"], &permit["decision"]["outcome"]), (&cited, &json!("permit")));

    let other_step = start(&house).await;
    let mut of_look = hello("dpia");
    of_look["transaction"] = json!(other_step);
    of_look["step"] = json!("look");
    add(&house, of_look).await;
    do_one(&house, "look").await;
    assert!(tasks(&house, "pay", "200ms").await.is_empty());
    assert_eq!(result(&house, &other_step).await["status"], "failed");
}

/// One of a transaction is none of the tenant.
#[tokio::test]
async fn a_start_takes_evidence_of_the_tenant() {
    let demand = "
        @id(\"approved-use\") @obligation(\"evidence\") @name(\"dpia\") @for(\"tenant\")
        permit (principal, action == Action::\"start\", resource == Definition::\"pays\");";
    let house = ready(demand).await;
    house.define(&PAYS.replace("name: pays", "name: free")).await;
    let free = house.post("/v1/transactions", &house.owner, &json!({ "definition": "free" })).await.json();
    let mut bound = hello("dpia");
    bound["transaction"] = free["id"].clone();
    add(&house, bound).await;
    let refused = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pays" })).await;
    assert_eq!(refused.slug(), "403 policy-denied");
    assert!(refused.text().contains("there is none of the tenant named `dpia`"), "{}", refused.text());
    add(&house, hello("dpia")).await;
    start(&house).await;
    let (_, started) = entries(&house, "transaction.started").await.pop().unwrap();
    assert_eq!(started["decision"]["obligations"][0]["digest"], HELLO.1, "{started}");
}

#[tokio::test]
async fn a_start_has_no_evidence_of_its_own_yet() {
    let demand = "@obligation(\"evidence\") @name(\"dpia\") permit (principal, action == Action::\"start\", resource);";
    let house = ready(demand).await;
    add(&house, hello("dpia")).await;
    let refused = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pays" })).await;
    assert_eq!(refused.slug(), "403 policy-denied");
    assert!(refused.text().contains("there is none yet: demand it of a step"), "{}", refused.text());
}

#[tokio::test]
async fn the_driver_of_an_open_transaction_is_held_to_it_too() {
    let demand = "@obligation(\"evidence\") @name(\"dpia\") permit (principal, action == Action::\"run\", resource);";
    let house = ready(demand).await;
    house.define(OPEN).await;
    let started = house.post("/v1/transactions", &house.owner, &json!({ "definition": "talk" })).await.json();
    let id = started["id"].as_str().unwrap();
    let step = json!({ "driver": 1, "id": "charge", "action": "run" });
    let path = format!("/v1/transactions/{id}/steps");
    let denied = house.post(&path, &house.owner, &step).await;
    assert!(denied.text().contains("demands evidence"), "{} {}", denied.status, denied.text());
    let mut bound = hello("dpia");
    bound["transaction"] = json!(id);
    bound["step"] = json!("charge");
    add(&house, bound).await;
    let permitted = house.post(&path, &house.owner, &step).await;
    assert!((200..300).contains(&permitted.status) && permitted.text().contains("tsk_"), "{}", permitted.text());
}

/// A question tells what is lacking, and an enforcement point of the Authorization API gets no yes.
#[tokio::test]
async fn a_question_says_what_is_lacking_and_what_meets_it() {
    let demand = "
        @id(\"assessed\") @obligation(\"evidence\") @name(\"dpia\") @for(\"tenant\")
        permit (principal, action == Action::\"run\", resource);";
    let house = ready(demand).await;
    let resource = json!({ "type": "Step", "id": "pays/pay" });
    let question = json!({ "action": "run", "resource": resource });
    let lacking = house.post("/v1/decisions", &house.owner, &question).await.json();
    assert_eq!((&lacking["permitted"], &lacking["outcome"]), (&json!(false), &json!("escalated")), "{lacking}");
    assert!(lacking["reasons"].to_string().contains("demands evidence"), "{lacking}");
    let added = add(&house, hello("dpia")).await;
    let met = house.post("/v1/decisions", &house.owner, &question).await.json();
    assert_eq!((&met["permitted"], &met["outcome"]), (&json!(true), &json!("conditional")), "{met}");
    let cited = json!([{
        "kind": "evidence", "policy": "assessed", "name": "dpia", "for": "tenant", "evidence": added["id"],
        "digest": HELLO.1,
    }]);
    assert_eq!(met["obligations"], cited);
    let (_, service) = house.principal("pep", &["service"]).await;
    let who = house.get("/v1/principals", &house.owner).await.json();
    let pep = who["items"].as_array().unwrap().iter().find(|one| one["name"] == "pep").unwrap()["id"].clone();
    let evaluation = json!({
        "subject": { "type": "Service", "id": pep }, "action": { "name": "run" }, "resource": resource,
    });
    let answer = house.post("/access/v1/evaluation", &service, &evaluation).await.json();
    assert_eq!(answer["decision"], false, "{answer}");
    assert_eq!(answer["context"]["access_request"]["obligations"], cited, "{answer}");
}

#[tokio::test]
async fn content_is_erased_when_its_time_is_over_and_the_entry_stays() {
    let demand = "
        @obligation(\"evidence\") @name(\"dpia\") @for(\"tenant\")
        permit (principal, action == Action::\"start\", resource);";
    let house = ready(demand).await;
    let mut brief = hello("dpia");
    brief["keep"] = json!("2s");
    let id = add(&house, brief).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/evidence/{id}");
    while house.get(&path, &house.owner).await.status == 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let started = house.post("/v1/transactions", &house.owner, &json!({ "definition": "pays" })).await;
    assert_eq!(started.slug(), "403 policy-denied", "what is over does not count");
    for path in [path.clone(), format!("{path}/content")] {
        assert_eq!(house.get(&path, &house.owner).await.slug(), "404 not-found");
    }
    let expired = loop {
        if let Some(found) = entries(&house, "evidence.expired").await.pop() {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(expired.0["data"]["evidence"], json!(id));
    let (_, added) = entries(&house, "evidence.added").await.remove(0);
    assert_eq!(added["terms"]["digest"], HELLO.1);
    let listed = house.get("/v1/evidence", &house.owner).await.json();
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn another_tenant_has_no_part_in_it() {
    let house = ready("").await;
    let id = add(&house, hello("dpia")).await["id"].as_str().unwrap().to_owned();
    let other = house.tenant("other").await;
    assert_eq!(Call::new("GET", format!("/v1/evidence/{id}/content")).key(&other).send(house.addr).await.status, 404);
    assert_eq!(house.get("/v1/evidence", &other).await.json()["items"], json!([]));
}
