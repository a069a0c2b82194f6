//! Reports over the API.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
entity Account = { @asserted cents?: Long };
entity Shelf = { @asserted height: Long };
action start, run appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };
action transfer appliesTo { principal: User, resource: Account, context: {} };
action climb appliesTo { principal: User, resource: Shelf, context: {} };
";
const POLICIES: &str = "
@id(\"work\") permit (principal, action in [Action::\"start\", Action::\"run\"], resource);
@id(\"never\") forbid (principal, action == Action::\"start\", resource == Definition::\"other\");
@id(\"pays\") permit (principal, action == Action::\"transfer\", resource);
@id(\"climbs\") permit (principal, action == Action::\"climb\", resource);
";
const OBLIGATIONS: &str = "
@id(\"eyes\") @obligation(\"approval\") permit (principal, action == Action::\"run\", resource);
@id(\"brief\") @obligation(\"limits\") @timeout(\"30s\") permit (principal, action == Action::\"transfer\", resource);
";
const PAYS: &str = "
name: pays
version: 1
steps:
  - {id: pay, run: {worker: pay}}
";
const WHY: &str = "seen and compared with the invoice";

struct People {
    house: House,
    ann: (String, String),
    bob: (String, String),
    auditor: String,
}

async fn people() -> People {
    let house = House::new().await;
    let bundle = json!({
        "name": "pays", "version": 1, "schema": SCHEMA, "policies": POLICIES, "obligations": OBLIGATIONS,
    });
    house.decide_by(&bundle).await;
    for definition in [PAYS.to_owned(), PAYS.replace("name: pays", "name: other")] {
        house.define(&definition).await;
    }
    let ann = house.person("ann", &["developer", "approver"]).await;
    let bob = house.person("bob", &["developer", "approver"]).await;
    let (_, auditor) = house.principal("aud", &["auditor"]).await;
    People { house, ann, bob, auditor }
}

/// Starts `pays`, and has somebody approve its step.
async fn paid(house: &House, by: &str, approver: &str, hand_on_to: Option<(&str, &str)>) -> String {
    let started = house.post("/v1/transactions", by, &json!({ "definition": "pays" })).await;
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let exchange = |wait: &str| json!({ "worker": "w", "queues": [{ "name": "pay", "want": 1 }], "wait": wait });
    house.post("/v1/workers/exchange", &house.owner, &exchange("200ms")).await;
    let found = house.get(&format!("/v1/requests?transaction={id}"), &house.owner).await.json();
    let path = format!("/v1/requests/{}", found["items"][0]["id"].as_str().unwrap());
    let mut answers = approver;
    if let Some((to, key)) = hand_on_to {
        let body = json!({ "to": to, "justification": WHY });
        let handed = house.post(&format!("{path}/delegate"), approver, &body).await;
        assert_eq!(handed.status, 200, "{}", handed.text());
        answers = key;
    }
    let body = json!({ "answer": "approved", "justification": WHY });
    let answered = house.post(&format!("{path}/answer"), answers, &body).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let tasks = house.post("/v1/workers/exchange", &house.owner, &exchange("5s")).await.json()["tasks"].clone();
    let report = json!({ "worker": "w", "queues": [], "done": [{ "task": tasks[0]["task"], "output": {} }] });
    let acks = house.post("/v1/workers/exchange", &house.owner, &report).await.json();
    assert_eq!(acks["acks"][0]["ack"], "recorded", "{acks}");
    id
}

async fn report(people: &People, path: &str) -> Value {
    let answer = people.house.get(&format!("/v1/reports/{path}"), &people.auditor).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn level<'a>(report: &'a Value, level: &str) -> &'a Value {
    report["levels"].as_array().unwrap().iter().find(|found| found["level"] == level).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn who_or_what_decided_is_told_by_level_definition_and_action() {
    let people = people().await;
    let (house, ann, bob) = (&people.house, &people.ann, &people.bob);
    let (eve, eves) = house.person("eve", &["approver"]).await;
    paid(house, &ann.1, &bob.1, None).await;
    paid(house, &ann.1, &bob.1, Some((&eve, &eves))).await;
    let told = report(&people, "responsibility").await;
    let by = |name: &str| level(&told, name)["people"].clone();
    assert_eq!(by("delegated"), json!([{ "principal": eve, "entries": 1 }]), "{told}");
    assert_eq!(by("supervisor"), json!([{ "principal": bob.0, "entries": 1 }]), "the hand-outs are nobody's own");
    assert_eq!(level(&told, "supervisor")["entries"], 3, "one answer, and two hand-outs that rest on one");
    assert_eq!(by("machine"), Value::Null, "machines are no people");
    assert!(by("person").to_string().contains(&ann.0), "{told}");
    let sum: u64 = told["levels"].as_array().unwrap().iter().map(|level| level["entries"].as_u64().unwrap()).sum();
    assert_eq!(json!(sum), told["entries"], "each entry is counted once");
    let starts = told["groups"].as_array().unwrap().iter();
    let starts = starts.filter(|group| group["definition"] == "pays" && group["action"] == "start");
    assert_eq!(starts.map(|group| &group["levels"]).collect::<Vec<_>>(), [&json!({ "person": 2 })]);
    let example = level(&told, "delegated")["examples"][0].as_u64().unwrap();
    let entry = house.get(&format!("/v1/ledger/entries?from={example}&limit=1"), &house.owner).await.text().to_owned();
    assert!(entry.contains("request.answered"), "{entry}");
}

#[tokio::test]
async fn oversight_is_counted_and_timed() {
    let people = people().await;
    let (house, ann, bob) = (&people.house, &people.ann, &people.bob);
    let empty = report(&people, "oversight?from=2001-01-01T00:00:00Z&to=2001-02-01T00:00:00Z").await;
    assert_eq!((&empty["entries"], empty.get("answer")), (&json!(0), None), "{empty}");
    paid(house, &ann.1, &bob.1, None).await;
    let denied = house.post("/v1/transactions", &ann.1, &json!({ "definition": "other" })).await;
    assert_eq!(denied.slug(), "403 policy-denied");
    let figures = report(&people, "oversight").await;
    let requests = &figures["requests"];
    assert_eq!((&requests["opened"], &requests["approved"], &requests["open"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!((&figures["denials"], &figures["override_rate"]), (&json!(1), &json!(0.0)), "{figures}");
    assert!(figures["decisions"].as_u64() >= Some(3), "{figures}");
    let answer = &figures["answer"];
    assert!(answer["p50_ms"].as_u64() <= answer["max_ms"].as_u64(), "{answer}");
    assert_eq!(people.house.get("/v1/reports/oversight?from=2222-01-01T00:00:00Z", &people.auditor).await.status, 400);
}

#[tokio::test]
async fn access_is_reviewed_page_by_page_for_everybody() {
    let people = people().await;
    let whole = report(&people, "access?limit=1000").await;
    let rows = whole["items"].as_array().unwrap();
    let of = |who: &str, action: &str, resource: Value| {
        let mut found = rows.iter().filter(|row| row["principal"] == who && row["action"] == action);
        let found = found.find(|row| row.get("resource").cloned().unwrap_or_default() == resource);
        found.map(|row| row["finding"].as_str().unwrap().to_owned())
    };
    let ann = people.ann.0.as_str();
    assert_eq!(of(ann, "start", json!("pays")).as_deref(), Some("permitted"));
    assert_eq!(of(ann, "start", json!("other")), None, "what they may not is left out");
    assert_eq!(of(ann, "transfer", Value::Null).as_deref(), Some("conditional"));
    assert_eq!(of(ann, "climb", Value::Null).as_deref(), Some("depends"), "the height is not known");
    assert_eq!(of(ann, "bundle:activate", json!("acme")), None);
    assert_eq!(of(ann, "request:answer", json!("acme")).as_deref(), Some("permitted"));
    assert!(rows.iter().all(|row| row["finding"] != "denied"));
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = report(&people, &format!("access?limit=7{cursor}")).await;
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&paged, rows);
    let all = report(&people, "access?denied=true&limit=1000").await;
    assert!(all.to_string().contains("denied"), "{all}");
    let operator = people.house.principal("op", &["operator"]).await.1;
    assert_eq!(people.house.get("/v1/reports/access", &operator).await.slug(), "403 denied");
}

#[tokio::test]
async fn who_could_do_both_and_who_did_is_told() {
    let people = people().await;
    let (house, ann, bob) = (&people.house, &people.ann, &people.bob);
    paid(house, &ann.1, &bob.1, None).await;
    let pair = |report: &Value, name: &str| {
        report["pairs"].as_array().unwrap().iter().find(|found| found["pair"]["name"] == name).unwrap().clone()
    };
    let before = report(&people, "separation").await;
    assert_eq!(pair(&before, "start-answer")["actual"], json!([]), "{before}");
    let could: Vec<Value> = pair(&before, "start-answer")["potential"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["definitions"].clone())
        .collect();
    // Both, and the owner of the tenant if that is a person: of `pays`, for `other` nobody starts.
    assert!(could.len() >= 2 && could.iter().all(|of| *of == json!(["pays"])), "{before}");
    // Each answers what the other started.
    paid(house, &bob.1, &ann.1, None).await;
    let after = report(&people, "separation").await;
    assert_eq!(pair(&after, "request-approve")["actual"], json!([]), "nobody answers their own");
    let did: Vec<Value> = pair(&after, "start-answer")["actual"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| json!([found["principal"], found["within"]]))
        .collect();
    assert_eq!(did, [json!([bob.0, "pays"]), json!([ann.0, "pays"])], "{after}");
    let duty = |kinds: &str| json!({ "says": kinds, "kinds": [kinds] });
    let own = json!({ "pairs": [{
        "name": "own", "title": "starts twice", "first": duty("transaction.started"),
        "second": duty("request.answered"), "within": "tenant",
    }] });
    let judged = house.post("/v1/reports/separation", &people.auditor, &own).await.json();
    assert_eq!(pair(&judged, "own")["actual"].as_array().map(Vec::len), Some(2), "{judged}");
    let wrong = json!({ "pairs": [{
        "name": "own", "title": "t", "first": duty("transaction.eaten"), "second": duty("request.answered"),
        "within": "tenant",
    }] });
    let refused = house.post("/v1/reports/separation", &people.auditor, &wrong).await;
    assert_eq!(refused.slug(), "400 invalid-document");
    assert!(refused.text().contains("no kind of entry begins with `transaction.eaten`"), "{}", refused.text());
    let call = Call::new("GET", "/v1/reports/separation").key(&ann.1).send(house.addr).await;
    assert_eq!(call.slug(), "403 denied");
}
