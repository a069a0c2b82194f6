//! Closed by default: every route refuses whoever may not call it.

use crate::house::House;
use crate::http::{Answer, Call};
use chancery_api::routes::Access;
use chancery_api::{Method, ROUTES, Route};
use serde_json::json;
use std::time::Duration;

/// What may be called without a credential. This list may only shrink.
const OPEN: [&str; 7] =
    ["health", "health_live", "health_ready", "health_startup", "ready", "openapi", "access_configuration"];

/// Where the data of `acme` is.
struct Places {
    transaction: String,
    principal: String,
    key: String,
    bundle: String,
    target: String,
    secret: String,
    stop: String,
    over: String,
    capability: String,
    request: String,
    evidence: String,
    /// `/tlog/acme/<shard>/<generation>`
    log: String,
}

/// The path of a route, filled in with what belongs to `acme`.
fn path(route: &Route, places: &Places) -> String {
    let id = match route.path.split('/').nth(2) {
        Some("transactions" | "receipts") => &places.transaction,
        Some("keys") => &places.key,
        Some("targets") => &places.target,
        Some("signing-secrets") => &places.secret,
        Some("stops") => &places.stop,
        Some("overrides") => &places.over,
        Some("capabilities") => &places.capability,
        Some("requests") => &places.request,
        Some("evidence") => &places.evidence,
        _ => &places.principal,
    };
    route
        .path
        .replace("{id}", id)
        .replace("/v1/compliance/packs/{name}", "/v1/compliance/packs/soc2")
        .replace("/v1/queues/{name}", "/v1/queues/reserve")
        .replace("{name}", "order")
        .replace("{step}", "reserve")
        .replace("{digest}", &places.bundle)
        .replace("{*entry}", id)
        .replace("/v1/callbacks/{tenant}", "/v1/callbacks/acme")
        .replace("/tlog/{tenant}/{shard}/{generation}", &places.log)
        .replace("{level}", "0")
        .replace("{*index}", "000.p/1")
}

fn call(route: &Route, places: &Places) -> Call {
    let query = match route.operation_id {
        "ledger_proof_inclusion" => "?entry=0",
        "ledger_proof_consistency" => "?from=1",
        _ => "",
    };
    Call::new(route.method.word(), path(route, places) + query)
}

fn with_body(call: Call, route: &Route) -> Call {
    let body: &[u8] = match route.operation_id {
        "transaction_terminate"
        | "transaction_retry"
        | "transaction_pause"
        | "transaction_resume"
        | "stop_lift"
        | "override_grant"
        | "override_refuse"
        | "override_revoke"
        | "override_review"
        | "capability_revoke" => br#"{"justification":"a test"}"#,
        "transaction_signal" => br#"{"name":"paid"}"#,
        "bundle_simulate" => br#"{"action":"run","resource":{"type":"Step","id":"order/reserve"}}"#,
        "maintenance_set" => br#"{"on":false,"justification":"a test"}"#,
        "stop_set" => br#"{"on":"action","name":"charge","justification":"a test"}"#,
        "budget_set" => br#"{"measure":"count","per":"tenant","limit":5}"#,
        "evidence_add" => br#"{"name":"dpia","type":"text/plain","content":"aGVsbG8="}"#,
        "report_separation_of" => {
            br#"{"pairs":[{"name":"a","title":"a","first":{"says":"a","kinds":["bundle.pushed"]},
            "second":{"says":"b","kinds":["bundle.activated"]},"within":"bundle"}]}"#
        }
        "notifier_set" => br#"{"channel":{"kind":"webhook","url":"https://a.example/asked"}}"#,
        "override_request" => {
            br#"{"kind":"risk_accepted","transaction":"txn_x","step":"ship","until":"2026-01-01T00:00:00Z",
                 "justification":"a test of who may ask"}"#
        }
        "retention_set" => br#"{"transactions":"30d"}"#,
        "bundle_simulate_source" => {
            br#"{"bundle":{},"question":{"action":"run","resource":{"type":"Step","id":"order/reserve"}}}"#
        }
        "bundle_rules_set" => br#"{"second_person":false}"#,
        "signer_add" => br#"{"key":"none"}"#,
        "queue_set" => br#"{"concurrency":5}"#,
        "settings_put" | "settings_patch" => br#"{"values":{"A":1}}"#,
        "schedule_create" | "schedule_set" => br#"{"definition":"order","every":"1h"}"#,
        "target_force" => br#"{"force":"open","justification":"a test"}"#,
        "callback" => br#"{"token":"tsk_x"}"#,
        "request_answer" => br#"{"answer":"denied","justification":"a test of who may answer"}"#,
        "request_defer" => br#"{"until":"2026-01-01T00:00:00Z","justification":"a test of who may answer"}"#,
        "request_delegate" => {
            br#"{"to":"usr_00000000000000000000000000000001","justification":"a test of who may answer"}"#
        }
        "export_make" => br#"{"justification":"a test"}"#,
        "transaction_fork" => br#"{"step":"reserve","justification":"a test"}"#,
        "transaction_resolve" => br#"{"step":"reserve","justification":"a test"}"#,
        "open_step" => br#"{"driver":1,"id":"charge","action":"run"}"#,
        "open_outcome" => {
            br#"{"task":"tsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","output":null}"#
        }
        "open_commit" | "open_abort" | "open_heartbeat" => br#"{"driver":1}"#,
        "transaction_bulk" => br#"{"search":"status:parked","operation":"retry","justification":"a test"}"#,
        _ => b"{}",
    };
    if route.method == Method::Get || route.method == Method::Delete {
        call
    } else {
        call.body("application/json", body)
    }
}

async fn places(house: &House) -> Places {
    let bundle = house.shop().await;
    let transaction = house.order(&house.owner).await;
    let (principal, _) = house.principal("somebody", &["service"]).await;
    let keys = house.get(&format!("/v1/principals/{principal}/keys"), &house.owner).await;
    let key = keys.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let target = String::from("https:a.example:443");
    let set = Call::new("PUT", format!("/v1/targets/{target}")).key(&house.owner).json(&json!({ "rate": 5 }));
    assert_eq!(set.send(house.addr).await.status, 200);
    let set = Call::new("PUT", "/v1/queues/reserve").key(&house.owner).json(&json!({ "concurrency": 5 }));
    assert_eq!(set.send(house.addr).await.status, 200);
    let budget = json!({ "measure": "count", "per": "tenant", "limit": 5 });
    let set = Call::new("PUT", "/v1/budgets/order").key(&house.owner).json(&budget);
    assert_eq!(set.send(house.addr).await.status, 200);
    let schedule = json!({ "definition": "order", "every": "1h" });
    assert_eq!(house.post("/v1/schedules/order", &house.owner, &schedule).await.status, 201);
    let issued = house.post("/v1/signing-secrets", &house.owner, &json!({})).await;
    let secret = issued.json()["id"].as_str().unwrap().to_owned();
    let stop = json!({ "on": "action", "name": "refund", "justification": "a test" });
    let stop = house.post("/v1/stops", &house.owner, &stop).await.json()["id"].as_str().unwrap().to_owned();
    let over = house.over(&house.owner, &transaction).await;
    let notifier = json!({ "channel": { "kind": "webhook", "url": "https://a.example/asked" } });
    let set = Call::new("PUT", "/v1/notifiers/order").key(&house.owner).json(&notifier);
    assert_eq!(set.send(house.addr).await.status, 200);
    // Of the first attempt of its first step.
    let capability = transaction.replace("txn_", "cap_") + "00000000" + "00000000" + "00" + "00000001";
    let request = house.ask(&house.owner).await;
    let evidence = json!({ "name": "dpia", "type": "text/plain", "content": "aGVsbG8=" });
    let evidence = house.post("/v1/evidence", &house.owner, &evidence).await.json()["id"].as_str().unwrap().to_owned();
    let log = house.log().await;
    Places { transaction, principal, key, bundle, target, secret, stop, over, capability, request, evidence, log }
}

#[tokio::test]
async fn without_a_credential_only_the_open_routes_answer() {
    let house = House::new().await;
    let places = places(&house).await;
    let unknown = format!("chk_{}_{}", "0".repeat(32), "0".repeat(64));
    let mut open = Vec::new();
    for route in ROUTES {
        let plain = with_body(call(route, &places), route);
        let answer = plain.send(house.addr).await;
        if answer.status == 200 {
            open.push(route.operation_id);
            continue;
        }
        refused(route, "no credential", &answer);
        for bad in [format!("Bearer {unknown}"), String::from("Bearer x"), String::from("Basic YTpi"), unknown.clone()]
        {
            let answer = plain.clone().header("authorization", &bad).send(house.addr).await;
            refused(route, &bad, &answer);
        }
        let twice = plain.key(&house.owner).key(&house.owner).send(house.addr).await;
        refused(route, "two credentials", &twice);
    }
    assert_eq!(open, OPEN);
    let stated = ROUTES.iter().filter(|route| route.access == Access::Open).map(|route| route.operation_id);
    assert_eq!(stated.collect::<Vec<_>>(), OPEN);
}

#[track_caller]
fn refused(route: &Route, shown: &str, answer: &Answer) {
    assert_eq!(answer.slug(), "401 unauthenticated", "{} with {shown}", route.operation_id);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"chancery\""));
    assert_eq!(answer.problem().detail, "no valid credential was given", "it does not say why");
}

#[tokio::test]
async fn a_principal_without_roles_may_call_nothing() {
    let house = House::new().await;
    let places = places(&house).await;
    let (_, nobody) = house.principal("nobody", &[]).await;
    for route in ROUTES.iter().filter(|route| matches!(route.access, Access::Action(_))) {
        let answer = with_body(call(route, &places).key(&nobody), route).send(house.addr).await;
        // Whoever starts a transaction may list their own: nobody's list is empty.
        if route.operation_id == "transaction_list" {
            assert_eq!((answer.status, answer.json()["items"].as_array().unwrap().len()), (200, 0));
            continue;
        }
        if route.operation_id == "transaction_count" {
            assert_eq!((answer.status, answer.text()), (200, r#"{"count":0,"more":false}"#));
            continue;
        }
        assert_eq!(answer.slug(), "403 denied", "{}", route.operation_id);
        assert!(!answer.problem().reasons.is_empty(), "{} says why", route.operation_id);
    }
}

/// Waits for the first checkpoint, which covers what there is.
async fn until_signed(house: &House, places: &Places) {
    for _ in 0..500 {
        if house.get(&format!("{}/checkpoint", places.log), &house.owner).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no checkpoint was signed");
}

#[tokio::test]
async fn to_another_tenant_there_is_nothing() {
    let house = House::new().await;
    let places = places(&house).await;
    let other = house.tenant("other").await;
    until_signed(&house, &places).await;
    let before = house.log_size().await;
    // A target, a queue, a budget or a notifier is a name that every tenant may say something of, for itself. A compliance
    // pack that comes with the server is everybody's, and asks the caller's own log.
    let of_all = ["target_set", "target_force", "queue_set", "budget_set", "notifier_set", "compliance_get"];
    let is_of_all = |route: &Route| of_all.contains(&route.operation_id);
    let is_closed = |route: &Route| matches!(route.access, Access::Action(_)) && !is_of_all(route);
    for route in ROUTES.iter().filter(|route| is_closed(route) && route.path.contains('{')) {
        // What another tenant does not see is there: its owner sees it. A receipt needs an end, which is not yet.
        if route.method == Method::Get && route.operation_id != "receipt_get" {
            let answer = call(route, &places).key(&house.owner).send(house.addr).await;
            assert_eq!(answer.status, 200, "{}: {}", route.operation_id, answer.text());
        }
        let answer = with_body(call(route, &places).key(&other), route).send(house.addr).await;
        assert_eq!(answer.slug(), "404 not-found", "{}", route.operation_id);
    }
    assert_eq!(house.log_size().await, before, "nothing of it reached the tenant's log");
    for list in
        ["/v1/principals", "/v1/definitions", "/v1/bundles", "/v1/transactions", "/v1/schedules", "/v1/ledger/entries"]
    {
        let answer = house.get(list, &other).await;
        assert_eq!(answer.status, 200, "{list}");
        for secret in [&places.transaction, &places.principal, &places.bundle] {
            assert!(!answer.text().contains(secret.as_str()), "{list} shows {secret}");
        }
    }
}

#[tokio::test]
async fn who_started_a_transaction_may_see_it_and_others_of_the_same_role_may_not() {
    let house = House::new().await;
    house.shop().await;
    let (_, mine) = house.principal("mine", &["service"]).await;
    let (_, theirs) = house.principal("theirs", &["service"]).await;
    let id = house.order(&mine).await;
    let path = format!("/v1/transactions/{id}");
    assert_eq!(house.get(&path, &mine).await.status, 200);
    assert_eq!(house.get(&path, &theirs).await.slug(), "403 denied");
    let listed = |answer: Answer| answer.json()["items"].as_array().unwrap().len();
    assert_eq!(listed(house.get("/v1/transactions", &mine).await), 1);
    assert_eq!(listed(house.get("/v1/transactions", &theirs).await), 0);
    assert_eq!(listed(house.get("/v1/transactions", &house.owner).await), 1);
}

#[tokio::test]
async fn a_suspended_principal_and_a_revoked_key_stop_at_once() {
    let house = House::new().await;
    let (id, key) = house.principal("clerk", &["auditor"]).await;
    let logs = "/v1/ledger/logs";
    assert_eq!(house.get(logs, &key).await.status, 200);
    let path = format!("/v1/principals/{id}");
    for (suspended, expected) in [(true, 401), (false, 200)] {
        let body = serde_json::json!({ "suspended": suspended });
        let answer = Call::new("PATCH", path.as_str()).key(&house.owner).json(&body).send(house.addr).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(house.get(logs, &key).await.status, expected);
    }
    let keys = house.get(&format!("{path}/keys"), &house.owner).await.json();
    let key_id = keys["items"][0]["id"].as_str().unwrap();
    assert_eq!(Call::new("DELETE", format!("/v1/keys/{key_id}")).key(&house.owner).send(house.addr).await.status, 204);
    assert_eq!(house.get(logs, &key).await.slug(), "401 unauthenticated");
}
