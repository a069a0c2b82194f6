//! Requests to people over HTTP.

use crate::house::House;
use crate::http::Answer;
use serde_json::{Value, json};

const PAY: &str = "
name: pay
version: 1
steps:
  - id: approve
    run: {request: {title: 'Pay ${{ input.amount }}?', role: finance, approvers: 2, sla: 2h, risk: 85}}
    with: {amount: '${{ input.amount }}'}
  - {id: pay, after: [approve], run: noop, with: '${{ steps.approve.output.by }}', irreversible: true}
output: '${{ steps.pay.output }}'
";

const GATED: &str = "
name: gated
version: 1
steps:
  - {id: book, run: noop, with: {n: 1}, compensate: {run: noop}}
  - {id: pay, after: [book], run: noop, with: {n: 2}, approval: {role: finance, reason: it is money}, irreversible: true}
output: '${{ steps.pay.output.n }}'
";

const WHY: &str = "checked it against the contract";

/// A house with two people of finance, `ann` and `bob`: their ids and keys.
async fn house() -> (House, [(String, String); 2]) {
    let house = House::new().await;
    house.shop().await;
    for text in [PAY, GATED] {
        house.define(text).await;
    }
    let ann = house.person("ann", &["approver", "finance"]).await;
    let bob = house.person("bob", &["approver", "finance"]).await;
    (house, [ann, bob])
}

/// Starts a transaction: its id, and the request that it opens.
async fn asked(house: &House, key: &str, definition: &str) -> (String, String) {
    let body = json!({ "definition": definition, "input": { "amount": 900 } });
    let started = house.post("/v1/transactions", key, &body).await;
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let found = house.get(&format!("/v1/requests?transaction={id}"), &house.owner).await;
    assert_eq!(found.status, 200, "{}", found.text());
    let request = found.json()["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{}", found.text())).to_owned();
    (id, request)
}

async fn answer(house: &House, request: &str, key: &str, what: &str) -> Answer {
    let body = json!({ "answer": what, "justification": WHY });
    house.post(&format!("/v1/requests/{request}/answer"), key, &body).await
}

async fn ended(house: &House, id: &str) -> Value {
    let answer = house.get(&format!("/v1/transactions/{id}/result?wait=10s"), &house.owner).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn two_people_say_yes_and_the_transaction_goes_on() {
    let (house, [(ann, ann_key), (bob, bob_key)]) = house().await;
    let (id, request) = asked(&house, &house.owner, "pay").await;
    let shown = house.get(&format!("/v1/requests/{request}"), &ann_key).await.json();
    assert_eq!((&shown["title"], &shown["status"]), (&json!("Pay 900?"), &json!("open")));
    assert_eq!((&shown["input"], &shown["step"]), (&json!({"amount": 900}), &json!("approve")));
    assert_eq!((&shown["approvers"], &shown["approvals"], &shown["risk"]), (&json!(2), &json!(0), &json!(85)));
    let waits = house.get(&format!("/v1/transactions/{id}"), &house.owner).await.json();
    assert_eq!((&waits["status"], &waits["waiting_for"][0]["what"]), (&json!("waiting"), &json!("request")));
    assert_eq!(waits["waiting_for"][0]["name"], request.as_str());

    let seen = house.post(&format!("/v1/requests/{request}/acknowledge"), &ann_key, &json!({})).await.json();
    assert_eq!((&seen["status"], &seen["acknowledged"]["by"]), (&json!("acknowledged"), &json!(ann)));
    let first = answer(&house, &request, &ann_key, "approved").await.json();
    assert_eq!((&first["status"], &first["approvals"]), (&json!("acknowledged"), &json!(1)));
    let second = answer(&house, &request, &bob_key, "approved").await.json();
    assert_eq!((&second["status"], &second["answers"][1]["justification"]), (&json!("approved"), &json!(WHY)));
    let result = ended(&house, &id).await;
    assert_eq!((&result["status"], &result["output"]), (&json!("completed"), &json!([ann, bob])));

    let history = house.get(&format!("/v1/transactions/{id}/history"), &house.owner).await.json();
    let kind = |entry: &Value| {
        let record: Value = serde_json::from_str(entry["record"].as_str().unwrap()).unwrap();
        record["kind"].as_str().unwrap().to_owned()
    };
    let kinds = history["items"].as_array().unwrap().iter().map(kind);
    let of_request: Vec<String> = kinds.filter(|kind| kind.starts_with("request.")).collect();
    assert_eq!(of_request, ["request.opened", "request.acknowledged", "request.answered", "request.answered"]);
}

#[tokio::test]
async fn who_may_not_answer_is_told_why_and_changes_nothing() {
    let (house, [(_, ann), (_, bob)]) = house().await;
    let (requester_id, requester) = house.person("carl", &["approver", "finance", "developer"]).await;
    let (robot_id, robot) = house.principal("robot", &["approver", "finance"]).await;
    let (_, clerk) = house.person("clerk", &["approver"]).await;
    let (_, auditor) = house.person("auditor", &["auditor"]).await;
    let (_, request) = asked(&house, &requester, "pay").await;
    let before = house.log_size().await;
    for (key, says) in [
        (&requester, format!("{requester_id} started the transaction, and who asks does not answer")),
        (&robot, format!("{robot_id} is not a person")),
        (&clerk, "only those with the role `finance` answer this request".to_owned()),
    ] {
        let refused = answer(&house, &request, key, "approved").await;
        assert_eq!(refused.slug(), "403 may-not-answer");
        assert!(refused.problem().detail.contains(&says), "{}", refused.text());
    }
    let short = json!({ "answer": "approved", "justification": "fine with me" });
    let path = format!("/v1/requests/{request}/answer");
    let refused = house.post(&path, &ann, &short).await;
    assert_eq!(refused.slug(), "400 justification-too-short");
    assert!(refused.problem().detail.contains("has 12 characters, 20 are needed"), "{}", refused.text());
    let long = json!({ "answer": "approved", "justification": "x".repeat(2_001) });
    assert_eq!(house.post(&path, &ann, &long).await.slug(), "400 invalid-request");
    assert_eq!(house.log_size().await, before, "nothing of it was recorded");
    // Whose role does not permit the call does not come so far, and that is an entry.
    assert_eq!(answer(&house, &request, &auditor, "approved").await.slug(), "403 denied");

    assert_eq!(answer(&house, &request, &ann, "approved").await.status, 200);
    let again = answer(&house, &request, &ann, "denied").await;
    assert_eq!(again.slug(), "409 answered-already");
    assert_eq!(answer(&house, &request, &bob, "denied").await.json()["status"], "denied");
    let closed = answer(&house, &request, &bob, "approved").await;
    assert_eq!(closed.slug(), "409 request-closed");
    assert!(closed.problem().detail.contains("the request is denied"), "{}", closed.text());
    let unknown = "req_00000000000000000000000000000000";
    assert_eq!(answer(&house, unknown, &ann, "approved").await.slug(), "404 not-found");
    assert_eq!(house.post(&path, &ann, &json!({"answer": "maybe", "justification": WHY})).await.status, 400);
}

#[tokio::test]
async fn a_no_fails_the_transaction_and_says_who_and_why() {
    let (house, [(ann, key), _]) = house().await;
    let (id, request) = asked(&house, &house.owner, "pay").await;
    assert_eq!(answer(&house, &request, &key, "denied").await.status, 200);
    let result = ended(&house, &id).await;
    assert_eq!((&result["status"], &result["cause"]["error"]["type"]), (&json!("failed"), &json!("RequestDenied")));
    assert_eq!(result["cause"]["error"]["message"], format!("{ann} said no: {WHY}"));
}

#[tokio::test]
async fn a_step_that_needs_approval_goes_out_once_it_has_it() {
    let (house, [(_, key), _]) = house().await;
    let (id, request) = asked(&house, &house.owner, "gated").await;
    let shown = house.get(&format!("/v1/requests/{request}"), &key).await.json();
    assert_eq!((&shown["title"], &shown["reason"]), (&json!("May step `pay` of `gated` run?"), &json!("it is money")));
    assert_eq!((&shown["input"], &shown["step"]), (&json!({"n": 2}), &json!("pay")));
    assert_eq!(answer(&house, &request, &key, "approved").await.status, 200);
    let result = ended(&house, &id).await;
    assert_eq!((&result["status"], &result["output"]), (&json!("completed"), &json!(2)));
    // It worked once: the next transaction asks anew.
    let (_, next) = asked(&house, &house.owner, "gated").await;
    assert_ne!(next, request);
}

#[tokio::test]
async fn the_inbox_shows_what_is_whose_to_answer() {
    let (house, [(ann_id, ann), (bob_id, bob)]) = house().await;
    let (_, mine) = asked(&house, &house.owner, "pay").await;
    let (_, gated) = asked(&house, &house.owner, "gated").await;
    let ids = |answer: &Answer| -> Vec<String> {
        let page = answer.json();
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    // What is due first comes first: 2 h of the one, 24 h of the other.
    let all = house.get("/v1/requests", &ann).await;
    assert_eq!(ids(&all), [mine.clone(), gated.clone()]);
    assert_eq!(ids(&house.get("/v1/requests?mine=true&role=finance", &ann).await), [mine.clone(), gated.clone()]);
    assert_eq!(ids(&house.get("/v1/requests?mine=true", &house.owner).await), [] as [String; 0]);
    let first = house.get("/v1/requests?limit=1", &ann).await;
    let cursor = first.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(
        ids(&house.get(&format!("/v1/requests?limit=1&cursor={cursor}"), &ann).await),
        std::slice::from_ref(&gated)
    );
    let first = house.get("/v1/requests?limit=1&mine=true", &ann).await;
    let cursor = first.json()["next"].as_str().unwrap().to_owned();
    let rest = house.get(&format!("/v1/requests?limit=1&mine=true&cursor={cursor}"), &ann).await;
    assert_eq!(ids(&rest), std::slice::from_ref(&gated));

    assert_eq!(answer(&house, &mine, &ann, "approved").await.status, 200);
    assert_eq!(
        ids(&house.get("/v1/requests?mine=true", &ann).await),
        std::slice::from_ref(&gated),
        "she has said her word"
    );
    let path = format!("/v1/requests/{gated}/delegate");
    let to_bob = json!({ "to": bob_id, "justification": "on leave, bob knows all of it" });
    let handed = house.post(&path, &ann, &to_bob).await;
    assert_eq!(handed.json()["delegations"][0]["to"], bob_id.as_str(), "{}", handed.text());
    assert_eq!(ids(&house.get("/v1/requests?mine=true", &ann).await), [] as [String; 0]);
    assert_eq!(answer(&house, &gated, &ann, "approved").await.slug(), "403 may-not-answer");
    let back = json!({ "to": ann_id, "justification": "she knows it better than I" });
    assert_eq!(house.post(&path, &bob, &back).await.slug(), "403 may-not-answer");
    let nobody = json!({ "to": "usr_00000000000000000000000000000000", "justification": WHY });
    assert_eq!(house.post(&path, &bob, &nobody).await.slug(), "404 not-found");
    assert_eq!(answer(&house, &gated, &bob, "denied").await.status, 200);
    assert_eq!(ids(&house.get("/v1/requests?status=denied", &ann).await), [gated]);
    assert_eq!(house.get("/v1/requests?status=done", &ann).await.slug(), "400 invalid-request");
    assert_eq!(house.get("/v1/requests?role=%20", &ann).await.slug(), "400 invalid-request");
}

#[tokio::test]
async fn a_request_is_put_off_until_a_time_that_may_be() {
    let (house, [(_, ann), _]) = house().await;
    let (_, request) = asked(&house, &house.owner, "pay").await;
    let path = format!("/v1/requests/{request}/defer");
    let until = |until: &str| json!({ "until": until, "justification": "the auditor is back on Monday" });
    assert_eq!(house.post(&path, &ann, &until("2001-01-01T00:00:00Z")).await.slug(), "400 invalid-request");
    assert_eq!(house.post(&path, &ann, &until("2222-01-01T00:00:00Z")).await.slug(), "400 invalid-request");
    let opened: String =
        house.get(&format!("/v1/requests/{request}"), &ann).await.json()["opened_at"].as_str().unwrap().to_owned();
    let opened: chancery_base::Timestamp = opened.parse().unwrap();
    let later = opened.plus(std::time::Duration::from_secs(48 * 3_600)).to_string();
    let put_off = house.post(&path, &ann, &until(&later)).await;
    assert_eq!((put_off.status, &put_off.json()["due_at"]), (200, &json!(later)), "{}", put_off.text());
}
