//! Schedules over HTTP.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};
use std::time::Duration;

const NIGHTLY: &str = "/v1/schedules/nightly";

fn nightly() -> Value {
    json!({
        "definition": "order", "cron": "30 2 * * *", "zone": "Europe/Berlin",
        "input": {"sku": "${{ schedule.name }}"}, "labels": {"region": "eu"},
    })
}

async fn put(house: &House, body: &Value) -> Answer {
    Call::new("PUT", NIGHTLY).key(&house.owner).json(body).send(house.addr).await
}

#[tokio::test]
async fn a_schedule_is_made_looked_at_changed_and_deleted() {
    let house = House::new().await;
    house.shop().await;
    let made = house.post(NIGHTLY, &house.owner, &nightly()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let body = made.json();
    assert_eq!(body["terms"]["input"], json!({"sku": "${{ schedule.name }}"}));
    for (key, value) in
        [("overlap", "skip"), ("catch_up", "last"), ("catch_up_window", "1h"), ("zone", "Europe/Berlin")]
    {
        assert_eq!(body["terms"][key], value, "what nobody says has a default");
    }
    assert_eq!((&body["paused"], &body["fired"], &body["recent"]), (&json!(false), &json!(0), &json!([])));
    let local = |at: usize| body["next"][at]["local"].as_str().unwrap().get(10..19).unwrap().to_owned();
    assert_eq!(
        (body["next"].as_array().unwrap().len(), local(0), local(4)),
        (5, "T02:30:00".into(), "T02:30:00".into())
    );
    assert_eq!(house.post(NIGHTLY, &house.owner, &nightly()).await.slug(), "409 exists");
    assert_eq!(house.get(NIGHTLY, &house.owner).await.json(), body);

    let hourly =
        json!({"definition": "order", "every": "1h", "offset": "5m", "overlap": "buffer-one", "catch_up": "none"});
    let changed = put(&house, &hourly).await.json();
    assert_eq!((&changed["terms"]["every"], &changed["terms"]["offset"]), (&json!("1h"), &json!("5m")));
    assert_eq!((&changed["terms"]["input"], &changed["terms"]["cron"]), (&Value::Null, &Value::Null));
    assert_eq!(changed["created_at"], body["created_at"]);
    let paused = house.post(&format!("{NIGHTLY}/pause"), &house.owner, &json!({"note": "a test"})).await.json();
    assert_eq!((&paused["paused"], &paused["note"], &paused["next"]), (&json!(true), &json!("a test"), &json!([])));
    let again = house.post(&format!("{NIGHTLY}/pause"), &house.owner, &json!({})).await;
    assert_eq!(again.slug(), "409 illegal-state", "{}", again.text());
    let resumed = house.post(&format!("{NIGHTLY}/resume"), &house.owner, &json!({})).await.json();
    assert_eq!((&resumed["paused"], resumed["next"].as_array().unwrap().len()), (&json!(false), 5));

    let listed = house.get("/v1/schedules?limit=1", &house.owner).await.json();
    assert_eq!(listed["items"][0]["name"], "nightly");
    assert_eq!((listed["items"][0]["next"].as_array().unwrap().len(), listed.get("next")), (1, None));
    assert_eq!(Call::new("DELETE", NIGHTLY).key(&house.owner).send(house.addr).await.status, 204);
    assert_eq!(house.get(NIGHTLY, &house.owner).await.slug(), "404 not-found");
    assert_eq!(put(&house, &hourly).await.slug(), "404 not-found");
}

#[tokio::test]
async fn a_trigger_starts_under_the_owner_s_grants_and_shows() {
    let house = House::new().await;
    house.shop().await;
    house.post(NIGHTLY, &house.owner, &nightly()).await;
    let trigger = format!("{NIGHTLY}/trigger");
    let started = house.post(&trigger, &house.owner, &json!({})).await;
    assert_eq!(started.status, 200, "{}", started.text());
    let id = started.json()["transaction"].as_str().unwrap().to_owned();
    let transaction = house.get(&format!("/v1/transactions/{id}"), &house.owner).await.json();
    assert_eq!(transaction["input"], json!({"sku": "nightly"}));
    assert_eq!(transaction["labels"], json!({"region": "eu", "schedule": "nightly"}));
    let refused = house.post(&trigger, &house.owner, &json!({})).await;
    assert_eq!(refused.slug(), "409 illegal-state", "{}", refused.text());
    assert_eq!(refused.problem().transaction.unwrap().to_string(), id);
    let waits = house.post(&trigger, &house.owner, &json!({"overlap": "cancel-running"})).await;
    assert_eq!((waits.status, waits.json()), (200, json!({})));
    // Nothing of the first was handed out, so it is over, and the other one starts.
    for _ in 0..500 {
        let schedule = house.get(NIGHTLY, &house.owner).await.json();
        if schedule["fired"] == 2 {
            let came: Vec<_> = schedule["recent"].as_array().unwrap().iter().map(|firing| &firing["came"]).collect();
            assert_eq!(came, ["fired", "buffered", "fired"]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", house.get(NIGHTLY, &house.owner).await.text());
}

#[tokio::test]
async fn who_may_do_what_with_schedules() {
    let house = House::new().await;
    house.shop().await;
    let (_, operator) = house.principal("operator", &["operator"]).await;
    let (_, auditor) = house.principal("auditor", &["auditor"]).await;
    let (developer_id, developer) = house.principal("developer", &["developer"]).await;
    assert_eq!(house.post(NIGHTLY, &operator, &nightly()).await.slug(), "403 denied");
    assert_eq!(house.post(NIGHTLY, &developer, &nightly()).await.status, 201);
    assert_eq!(house.get(NIGHTLY, &auditor).await.json()["owner"], developer_id);
    assert_eq!(house.post(&format!("{NIGHTLY}/pause"), &auditor, &json!({})).await.slug(), "403 denied");
    assert_eq!(house.post(&format!("{NIGHTLY}/pause"), &operator, &json!({})).await.status, 200);
    assert_eq!(house.post(&format!("{NIGHTLY}/trigger"), &operator, &json!({})).await.status, 200);
    let set = Call::new("PUT", NIGHTLY).json(&nightly());
    assert_eq!(set.clone().key(&operator).send(house.addr).await.slug(), "403 denied");
    // Who changes what it starts answers for it.
    let changed = set.key(&house.owner).send(house.addr).await.json();
    assert_ne!(changed["owner"], developer_id);
    let hard = json!({"definition": "order", "every": "1h", "overlap": "terminate-running"});
    let refused = house.post("/v1/schedules/hard", &developer, &hard).await;
    assert_eq!(refused.slug(), "403 denied", "{}", refused.text());
    // The tenant's policy is asked each time that it is due.
    let forbidden = json!({"definition": "forbidden", "every": "1h"});
    assert_eq!(house.post("/v1/schedules/forbidden", &developer, &forbidden).await.status, 201);
    let denied = house.post("/v1/schedules/forbidden/trigger", &house.owner, &json!({})).await;
    assert_eq!(denied.slug(), "403 policy-denied", "{}", denied.text());
    assert_eq!(denied.problem().reasons[0].text, "nobody starts this");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_changes_nothing() {
    let house = House::new().await;
    house.shop().await;
    let before = house.log_size().await;
    let with = |change: Value| {
        let mut body = nightly();
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    for (body, slug, detail) in [
        (json!({"definition": "order"}), "400 invalid-request", "the body: it takes one of `cron`, `every` and `at`"),
        (
            with(json!({"every": "1h"})),
            "400 invalid-request",
            "the body: it takes one of `cron`, `every` and `at`, not several",
        ),
        (with(json!({"offset": "1m"})), "400 invalid-request", "offset: it belongs to `every`"),
        (
            with(json!({"cron": "61 * * * *"})),
            "400 invalid-request",
            "cron: column 1: `61` is no minute: write 0 to 59",
        ),
        (with(json!({"zone": "CET/Mars"})), "400 invalid-request", "zone: there is no time zone `CET/Mars`"),
        (
            json!({"definition": "order", "every": "1s", "offset": "2s"}),
            "400 invalid-request",
            "offset: 2s, it must be shorter",
        ),
        (json!({"definition": "order", "every": "soon"}), "400 invalid-request", "every: `soon` is not a duration"),
        (json!({"definition": "order", "at": "2020-01-01T00:00:00Z"}), "400 invalid-request", "it would never be due"),
        (with(json!({"until": "2020-01-01T00:00:00Z"})), "400 invalid-request", "it would never be due"),
        (with(json!({"catch_up_window": "8d"})), "400 invalid-request", "catch_up_window: 8d, it may be 1m to 7d"),
        (
            with(json!({"labels": {"schedule": "x"}})),
            "400 invalid-request",
            "labels: `schedule` names the schedule itself",
        ),
        (with(json!({"input": {"a": "${{ input.b }}"}})), "400 invalid-request", "input.a: there is no `input` here"),
        (with(json!({"input": "a".repeat(70_000)})), "400 invalid-request", "input: it has 70002 bytes, at most 65536"),
        (with(json!({"definition": "nothing"})), "404 not-found", "there is no definition `nothing`"),
        (with(json!({"version": 9})), "404 not-found", "there is no definition `order` 9"),
        (with(json!({"overlap": "queue"})), "400 invalid-body", "unknown variant `queue`"),
        (with(json!({"at": "tomorrow"})), "400 invalid-body", "a time is RFC 3339"),
    ] {
        let answer = house.post(NIGHTLY, &house.owner, &body).await;
        assert_eq!(answer.slug(), slug, "{body}: {}", answer.text());
        assert!(answer.problem().detail.contains(detail), "{body}: {}", answer.text());
    }
    assert_eq!(house.post("/v1/schedules/a%20b", &house.owner, &nightly()).await.slug(), "400 invalid-request");
    let note = json!({"note": "x".repeat(2_001)});
    assert_eq!(house.post(&format!("{NIGHTLY}/pause"), &house.owner, &note).await.slug(), "400 invalid-request");
    for path in ["/pause", "/resume", "/trigger"] {
        let answer = house.post(&format!("{NIGHTLY}{path}"), &house.owner, &json!({})).await;
        assert_eq!(answer.slug(), "404 not-found", "{path}");
    }
    assert_eq!(house.log_size().await, before);
    assert_eq!(house.get("/v1/schedules", &house.owner).await.json(), json!({"items": []}));
}
