//! Signals, pauses, later starts and queries through the API.

use crate::house::House;
use crate::http::Call;
use serde_json::json;
use std::time::Duration;

const CART: &str = "
name: cart
version: 1
key: \"${{ input.cart }}\"
steps:
  - {id: first, run: {signal: {name: add, timeout: 1d}}}
  - {id: second, after: [first], run: {signal: {name: add}}}
output: [\"${{ steps.first.output }}\", \"${{ steps.second.output }}\"]
";

async fn cart_house() -> (House, String) {
    let house = House::new().await;
    house.shop().await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    let answer = call.body("application/yaml", CART.as_bytes()).send(house.addr).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let (_, shop) = house.principal("shop", &["service"]).await;
    (house, shop)
}

fn id_of(answer: &crate::http::Answer) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

#[tokio::test]
async fn whoever_waited_in_vain_is_told_how_it_stands_then() {
    let (house, shop) = cart_house().await;
    let start = json!({ "definition": "cart", "input": { "cart": "c-7" } });
    let id = id_of(&house.post("/v1/transactions", &shop, &start).await);
    let path = format!("/v1/transactions/{id}/result?wait=2s");
    let waiting = house.get(&path, &shop);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        house.post(&format!("/v1/transactions/{id}/signals"), &shop, &json!({ "name": "add", "payload": 1 })).await
    };
    let (result, sent) = tokio::join!(waiting, meanwhile);
    assert_eq!(sent.status, 201, "{}", sent.text());
    let (status, steps) = (&result.json()["status"], &result.json()["steps"]);
    assert_eq!((status, &steps[0]["status"]), (&json!("waiting"), &json!("completed")), "{steps}");
}

#[tokio::test]
async fn a_cart_is_filled_by_signals() {
    let (house, shop) = cart_house().await;
    let start = json!({ "definition": "cart", "input": { "cart": "c-1" } });
    let started = house.post("/v1/transactions", &shop, &start).await;
    assert_eq!((started.status, &started.json()["status"]), (201, &json!("waiting")), "{}", started.text());
    let id = id_of(&started);
    let path = |what: &str| format!("/v1/transactions/{id}{what}");

    let view = house.get(&path(""), &shop).await.json();
    let waits = &view["waiting_for"];
    assert_eq!(
        (&waits[0]["what"], &waits[0]["step"], &waits[0]["name"]),
        (&json!("signal"), &json!("first"), &json!("add"))
    );
    assert_eq!((&waits[0]["since"], waits.as_array().unwrap().len()), (&view["started_at"], 1));
    assert!(waits[0]["until"].as_str() > waits[0]["since"].as_str(), "{waits}");
    let listed = house.get("/v1/transactions?status=waiting", &shop).await.json();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["status"]), (&json!(id), &json!("waiting")));

    let pause = house.post(&path("/pause"), &house.owner, &json!({ "justification": "counting" })).await.json();
    assert_eq!((&pause["status"], &pause["waiting_for"][0]["what"]), (&json!("paused"), &json!("resume")));
    assert!(pause["paused_at"].is_string());
    let again = house.post(&path("/pause"), &house.owner, &json!({ "justification": "counting" })).await;
    assert_eq!(again.slug(), "409 illegal-state");
    let add = |id: &str| json!({ "name": "add", "id": id, "payload": { "sku": id } });
    let sent = house.post(&path("/signals"), &shop, &add("a")).await;
    let expected = json!({ "transaction": id, "name": "add", "id": "a", "existing": false, "status": "paused" });
    assert_eq!((sent.status, sent.json()), (201, expected));
    let twice = house.post(&path("/signals"), &shop, &add("a")).await;
    assert_eq!((twice.status, &twice.json()["existing"]), (200, &json!(true)));
    let resumed = house.post(&path("/resume"), &house.owner, &json!({ "justification": "counted" })).await.json();
    assert_eq!(resumed["status"], json!("waiting"));

    let seen = house.get(&path("/query"), &shop).await.json();
    assert_eq!((&seen["key"], &seen["input"]), (&json!("c-1"), &json!({ "cart": "c-1" })));
    assert_eq!(seen["steps"]["first"], json!({ "status": "completed", "output": { "sku": "a" } }));
    assert_eq!(seen["steps"]["second"], json!({ "status": "waiting" }));

    // Who sends a start with a signal need not know whether there is one already.
    let with = json!({ "definition": "cart", "input": { "cart": "c-1" }, "signal": add("b"), "wait": "5s" });
    let ended = house.post("/v1/transactions", &shop, &with).await;
    assert_eq!((ended.status, &ended.json()["id"]), (200, &json!(id)));
    assert_eq!(ended.json()["output"], json!([{ "sku": "a" }, { "sku": "b" }]));
    let late = house.post(&path("/signals"), &shop, &add("c")).await;
    assert_eq!(late.slug(), "409 illegal-state");
}

#[tokio::test]
async fn a_start_that_is_sent_again_signals_once_and_one_that_says_something_else_anew() {
    let (house, shop) = cart_house().await;
    let start = |sku: &str| {
        let signal = json!({ "name": "add", "payload": { "sku": sku } });
        let body = json!({ "definition": "cart", "input": { "cart": "c-1" }, "signal": signal });
        Call::new("POST", "/v1/transactions").key(&shop).header("idempotency-key", "k").json(&body)
    };
    let started = start("a").send(house.addr).await;
    assert_eq!((started.status, started.json().get("existing")), (201, None), "{}", started.text());
    let id = id_of(&started);
    let again = start("a").send(house.addr).await.json();
    assert_eq!((&again["existing"], &again["status"]), (&json!(true), &json!("waiting")), "{again}");
    assert_eq!(start("b").send(house.addr).await.status, 200);
    let ended = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &shop).await.json();
    assert_eq!(ended["output"], json!([{ "sku": "a" }, { "sku": "b" }]));
}

#[tokio::test]
async fn a_signal_that_cannot_be_taken_is_refused() {
    let (house, shop) = cart_house().await;
    let start = json!({ "definition": "cart", "input": { "cart": "c-1" }, "start_at": "2222-01-01T00:00:00Z" });
    let started = house.post("/v1/transactions", &shop, &start).await;
    let id = id_of(&started);
    let view = house.get(&format!("/v1/transactions/{id}"), &shop).await.json();
    assert_eq!((&view["status"], &view["waiting_for"][0]["what"]), (&json!("waiting"), &json!("start")));
    assert_eq!(view["waiting_for"][0]["until"], json!("2222-01-01T00:00:00.000000Z"));
    let path = format!("/v1/transactions/{id}/signals");
    for (body, slug) in [
        (json!({ "name": "remove" }), "400 invalid-request"),
        (json!({ "name": "a b" }), "400 invalid-body"),
        (json!({ "name": "add", "id": "" }), "400 invalid-request"),
        (json!({ "name": "add", "payload": "x".repeat(17_000) }), "400 invalid-request"),
        (json!({ "name": "add", "extra": 1 }), "400 invalid-body"),
    ] {
        assert_eq!(house.post(&path, &shop, &body).await.slug(), slug, "{body}");
    }
    for _ in 0..64 {
        assert_eq!(house.post(&path, &shop, &json!({ "name": "add" })).await.status, 201);
    }
    let full = house.post(&path, &shop, &json!({ "name": "add" })).await;
    assert_eq!((full.slug().as_str(), full.header("retry-after")), ("429 too-many", Some("1")));
    let cancelled = house.post(&format!("/v1/transactions/{id}/cancel"), &shop, &json!({})).await.json();
    assert_eq!(cancelled["status"], json!("cancelled"));

    // Who may start may not signal for that alone.
    let (_, agent) = house.principal("agent", &["agent"]).await;
    let with = json!({ "definition": "cart", "input": { "cart": "c-2" }, "signal": { "name": "add" } });
    assert_eq!(house.post("/v1/transactions", &agent, &with).await.slug(), "403 denied");
    let soon = json!({ "definition": "cart", "input": { "cart": "c-3" }, "start_at": "soon" });
    assert_eq!(house.post("/v1/transactions", &shop, &soon).await.slug(), "400 invalid-body");
}

const ALBUM: &str = "
name: album
version: 1
steps:
  - {id: title, run: {signal: {name: title}}, set: {title: \"${{ steps.title.output }}\", songs: 0}}
  - {id: song, after: [title], run: {signal: {name: song}}, set: {songs: \"${{ vars.songs + 1 }}\"}}
  - {id: last, after: [song], run: {signal: {name: song}}, set: {songs: \"${{ vars.songs + steps.last.output }}\"}}
output: {songs: \"${{ vars.songs }}\", title: \"${{ vars.title }}\"}
";

#[tokio::test]
async fn a_query_shows_the_variables_as_they_are() {
    let (house, shop) = cart_house().await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    let answer = call.body("application/yaml", ALBUM.as_bytes()).send(house.addr).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let started = house.post("/v1/transactions", &shop, &json!({ "definition": "album" })).await;
    assert_eq!(started.status, 201, "{}", started.text());
    let id = id_of(&started);
    let path = |what: &str| format!("/v1/transactions/{id}{what}");
    let vars = async || house.get(&path("/query"), &shop).await.json()["vars"].clone();
    assert_eq!(vars().await, json!(null), "nothing is set yet");
    let send = async |name: &str, payload: serde_json::Value| {
        let sent = house.post(&path("/signals"), &shop, &json!({ "name": name, "payload": payload })).await;
        assert_eq!(sent.status, 201, "{}", sent.text());
    };
    send("title", json!("Blue")).await;
    assert_eq!(vars().await, json!({ "songs": 0, "title": "Blue" }));
    send("song", json!(null)).await;
    assert_eq!(vars().await, json!({ "songs": 1, "title": "Blue" }));
    send("song", json!(9)).await;
    let ended = house.get(&path("/result?wait=5s"), &shop).await.json();
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!({ "songs": 10, "title": "Blue" })));
    assert_eq!(vars().await, json!({ "songs": 10, "title": "Blue" }));
}
