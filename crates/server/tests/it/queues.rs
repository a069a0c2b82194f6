//! Queues over the API: what they are given, and what workers get then.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

async fn put(house: &House, key: &str, queue: &str, body: &Value) -> Answer {
    Call::new("PUT", format!("/v1/queues/{queue}")).key(key).json(body).send(house.addr).await
}

async fn take(house: &House, key: &str, worker: &str) -> Vec<Value> {
    let take = json!({ "worker": worker, "queues": [{ "name": "reserve", "want": 10 }] });
    let taken = house.post("/v1/workers/exchange", key, &take).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    taken.json()["tasks"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_queue_is_limited_seen_and_set_free() {
    let house = House::new().await;
    house.shop().await;
    let (_, shop) = house.principal("shop", &["service"]).await;
    let (_, operator) = house.principal("op", &["operator"]).await;
    let (_, auditor) = house.principal("aud", &["auditor"]).await;
    let settings = json!({ "concurrency": 2, "rate": 1000, "rate_per": "1m" });
    let set = put(&house, &operator, "reserve", &settings).await;
    assert_eq!((set.status, &set.json()["settings"]), (200, &settings), "{}", set.text());
    // What is set takes the place of what was set before.
    assert_eq!(put(&house, &operator, "reserve", &json!({ "concurrency": 2 })).await.status, 200);
    for _ in 0..4 {
        house.order(&shop).await;
    }
    let tasks = take(&house, &shop, "w1").await;
    assert_eq!(tasks.len(), 2);
    assert_eq!(take(&house, &shop, "w2").await.len(), 0);
    let queue = house.get("/v1/queues/reserve", &auditor).await.json();
    let expected = json!({
        "name": "reserve", "waiting": 2, "waited_ms": queue["waited_ms"], "out": 2, "workers": 1,
        "versions": [{ "workers": 1, "takes": true }], "held_by": "concurrency", "settings": { "concurrency": 2 }
    });
    assert_eq!(queue, expected);
    assert!(queue["waited_ms"].is_u64());
    let listed = house.get("/v1/queues", &auditor).await.json();
    assert_eq!((&listed["items"][0]["name"], listed["items"].as_array().unwrap().len()), (&json!("reserve"), 1));

    let refused = put(&house, &auditor, "reserve", &json!({})).await;
    assert_eq!(refused.slug(), "403 denied");
    let reset = async |key: &str| Call::new("DELETE", "/v1/queues/reserve").key(key).send(house.addr).await;
    assert_eq!(reset(&auditor).await.slug(), "403 denied");
    assert_eq!(reset(&operator).await.status, 204);
    assert_eq!(reset(&operator).await.slug(), "404 not-found");
    assert_eq!(take(&house, &shop, "w3").await.len(), 2, "what waited goes out");

    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let is_of_queue = |entry: &&Value| entry["record"].as_str().unwrap().contains(r#""kind":"queue.changed""#);
    let of_queue: Vec<&Value> = entries["items"].as_array().unwrap().iter().filter(is_of_queue).collect();
    assert_eq!(of_queue.len(), 3);
    assert_eq!(of_queue[1]["payload"], json!({ "queue": "reserve", "settings": { "concurrency": 2 } }));
    assert!(!of_queue[1]["record"].as_str().unwrap().contains("reserve"), "a record has no text of a caller's");
}

#[tokio::test]
async fn what_can_t_be_set_is_named_and_changes_nothing() {
    let house = House::new().await;
    let before = house.log_size().await;
    for (body, says) in [
        (json!({ "concurrency": 0 }), "concurrency: 0, it may be 1 to 100000"),
        (json!({ "rate": 1_000_001 }), "rate: 1000001, it may be 1 to 1000000"),
        (json!({ "rate_per": "1m" }), "rate_per: it is the time that a `rate` is meant of, and there is none"),
        (json!({ "rate": 1, "rate_per": "2d" }), "rate_per: 2d, it may be 1ms to 1d"),
        (json!({ "rate": 1, "rate_per": "soon" }), "rate_per: `soon` is not a duration"),
    ] {
        let refused = put(&house, &house.owner, "mail", &body).await;
        assert_eq!(refused.slug(), "400 invalid-request", "{body}");
        assert!(refused.problem().detail.starts_with(says), "{}", refused.text());
    }
    for body in [json!({ "places": 1 }), json!({ "concurrency": -1 }), json!([]), json!({ "rate": "5" })] {
        assert_eq!(put(&house, &house.owner, "mail", &body).await.slug(), "400 invalid-body", "{body}");
    }
    let named = put(&house, &house.owner, "a%20b", &json!({ "concurrency": 1 })).await;
    assert_eq!(named.slug(), "400 invalid-request");
    assert_eq!(house.get("/v1/queues/mail", &house.owner).await.slug(), "404 not-found");
    assert_eq!(house.log_size().await, before);
    let target = Call::new("PUT", "/v1/targets/worker:mail").key(&house.owner).json(&json!({ "concurrency": 1 }));
    let refused = target.send(house.addr).await;
    assert!(refused.problem().detail.contains("PUT /v1/queues/{name}"), "{}", refused.text());
}

#[tokio::test]
async fn a_queue_goes_to_workers_of_some_versions() {
    let house = House::new().await;
    house.shop().await;
    let (_, shop) = house.principal("shop", &["service"]).await;
    let settings = json!({ "versions": ["2.*"] });
    let set = put(&house, &house.owner, "reserve", &settings).await;
    assert_eq!((set.status, &set.json()["settings"]), (200, &settings), "{}", set.text());
    house.order(&shop).await;
    let exchange = async |worker: &str, version: Value, wait: &str| {
        let take = json!({
            "worker": worker, "version": version, "queues": [{ "name": "reserve", "want": 10 }], "wait": wait
        });
        house.post("/v1/workers/exchange", &shop, &take).await
    };
    for version in [Value::Null, json!("1.0")] {
        let none = exchange("old", version, "0s").await.json();
        assert_eq!(none["tasks"], json!([]));
        assert_eq!(none["refused"], json!([{ "queue": "reserve", "versions": ["2.*"] }]));
    }
    // While one waits it is seen.
    let waits = exchange("old", json!("1.0"), "5s");
    let seen = async {
        for _ in 0..500 {
            let queue = house.get("/v1/queues/reserve", &house.owner).await.json();
            if queue["workers"] == json!(1) {
                return queue;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("nobody is seen");
    };
    let new = async {
        let queue = seen.await;
        assert_eq!(queue["versions"], json!([{ "version": "1.0", "workers": 1, "takes": false }]), "{queue}");
        assert_eq!((&queue["held_by"], &queue["waiting"]), (&json!("versions"), &json!(1)));
        exchange("new", json!("2.0"), "5s").await.json()
    };
    let (old, new) = tokio::join!(waits, new);
    assert_eq!((&old.json()["tasks"], new.get("refused")), (&json!([]), None));
    assert_eq!(new["tasks"][0]["step"], json!("reserve"));
    let refused = exchange("new", json!("2 0"), "0s").await;
    assert_eq!(refused.slug(), "400 invalid-request");
    assert!(refused.problem().detail.starts_with("version: it has 1 to 64"), "{}", refused.text());
    for (versions, says) in [
        (json!(["2.**"]), "versions[0]: \"2.**\" is no version"),
        (json!(["1", "1"]), "versions[1]: `1` stands there twice"),
        (json!((0..17).map(|number| number.to_string()).collect::<Vec<_>>()), "versions: 17, at most 16"),
    ] {
        let refused = put(&house, &house.owner, "reserve", &json!({ "versions": versions })).await;
        assert_eq!(refused.slug(), "400 invalid-request");
        assert!(refused.problem().detail.starts_with(says), "{}", refused.text());
    }
}
