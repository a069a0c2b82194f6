//! Questions and events over HTTP.

use crate::house::House;
use crate::http::Call;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const TELL: &str = "
name: tell
version: 1
steps:
  - {id: tell, run: {emit: {type: order.paid, subject: '${{ input.order }}'}}, with: {amount: '${{ input.amount }}'}, compensate: {run: {emit: {type: order.unpaid}}}}
  - {id: shipped, after: [tell], when: '${{ input.ships }}', run: {emit: {type: parcel.shipped}}, irreversible: true}
  - {id: fails, after: [shipped], when: '${{ input.fails }}', run: noop, with: '${{ input.nothing }}'}
";

const ASK: &str = "
name: ask
version: 1
steps:
  - {id: may, run: {decide: {action: start, resource: {type: Definition, id: '${{ input.of }}'}}}}
  - {id: who, after: [may], when: '${{ has(input.who) }}', run: {decide: {action: start, resource: {type: Definition, id: order}, principal: '${{ input.who }}'}}, on_failure: continue}
output: {may: '${{ steps.may.output }}', who: '${{ steps.who.?error }}'}
";

async fn house() -> House {
    let house = House::new().await;
    house.shop().await;
    for text in [TELL, ASK] {
        let call = Call::new("POST", "/v1/definitions").key(&house.owner);
        let answer = call.body("application/yaml", text.as_bytes()).send(house.addr).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    house
}

async fn run(house: &House, key: &str, definition: &str, input: Value) -> Value {
    let body = json!({ "definition": definition, "input": input, "wait": "10s" });
    let answer = house.post("/v1/transactions", key, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

async fn order(house: &House, order: u32, more: Value) -> String {
    let mut input = json!({ "order": order, "amount": 5, "ships": false, "fails": false });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    run(house, &house.owner, "tell", input).await["id"].as_str().unwrap().to_owned()
}

async fn events(house: &House, key: &str, query: &str) -> Value {
    let answer = house.get(&format!("/v1/events?{query}"), key).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

fn types(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_are_read_in_order_filtered_and_page_by_page() {
    let house = house().await;
    let (_, reader) = house.principal("reader", &["service"]).await;
    let first = order(&house, 17, json!({})).await;
    let second = order(&house, 18, json!({ "ships": true })).await;
    let undone = order(&house, 19, json!({ "fails": true })).await;

    let page = events(&house, &reader, "").await;
    assert_eq!(types(&page), ["order.paid", "order.paid", "parcel.shipped", "order.paid", "order.unpaid"]);
    assert_eq!(page["more"], json!(false));
    let event = &page["items"][0];
    assert_eq!(event["specversion"], json!("1.0"));
    assert!(event["id"].as_str().unwrap().starts_with("evt_"), "{event}");
    assert_eq!(event["source"], json!("chancery://test.example/acme/tell"));
    assert_eq!((&event["subject"], &event["data"]), (&json!("17"), &json!({ "amount": 5 })));
    assert_eq!((&event["datacontenttype"], &event["transaction"]), (&json!("application/json"), &json!(first)));
    assert_eq!((&event["step"], event.get("phase")), (&json!("tell"), None));
    assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
    let bare = &page["items"][2];
    assert_eq!((bare.get("data"), bare.get("datacontenttype"), bare.get("subject")), (None, None, None), "{bare}");
    let last = &page["items"][4];
    assert_eq!((&last["phase"], &last["transaction"]), (&json!("undo"), &json!(undone)));

    for (query, expected) in [
        ("type=parcel.*", vec!["parcel.shipped"]),
        ("type=order.unpaid", vec!["order.unpaid"]),
        ("type=**.shipped", vec!["parcel.shipped"]),
        ("subject=18", vec!["order.paid"]),
        ("type=order.**&subject=nobody", vec![]),
    ] {
        assert_eq!(types(&events(&house, &reader, query).await), expected, "{query}");
    }
    let (mut read, mut after) = (Vec::new(), String::new());
    loop {
        let page = events(&house, &reader, &format!("type=order.*&limit=1{after}")).await;
        read.extend(types(&page).into_iter().map(str::to_owned));
        after = format!("&after={}", page["next"].as_str().unwrap());
        if page["more"] == json!(false) && page["items"] == json!([]) {
            break;
        }
    }
    assert_eq!(read, ["order.paid", "order.paid", "order.paid", "order.unpaid"]);

    let view = house.get(&format!("/v1/transactions/{second}"), &house.owner).await.json();
    assert_eq!(view["steps"][0]["output"], json!({ "id": page["items"][1]["id"] }));
    assert_eq!((&view["steps"][0]["attempts"], &view["steps"][0]["status"]), (&json!(1), &json!("completed")));
    for receipt in [format!("{first}/tell"), format!("{undone}/tell"), format!("{undone}/tell/undo")] {
        let answer = house.get(&format!("/v1/receipts/{receipt}"), &house.owner).await;
        assert_eq!(answer.status, 200, "{receipt}: {}", answer.text());
        let keys = chancery_ledger::Keys::one(chancery_app::ledger::key(&house.app));
        let read = chancery_ledger::Receipt::parse(&answer.body).unwrap().verify(&keys).unwrap();
        assert_eq!(read.outcome.kind.as_str(), "event.emitted");
        assert_eq!((read.outcome == read.permit, read.forward.is_some()), (true, receipt.ends_with("undo")));
    }
}

#[tokio::test]
async fn whoever_waits_for_an_event_gets_it_and_misses_none() {
    let house = house().await;
    let next = events(&house, &house.owner, "wait=1ms").await["next"].as_str().unwrap().to_owned();
    let query = format!("/v1/events?type=parcel.*&after={next}&wait=30s");
    let waits = async { house.get(&query, &house.owner).await.json() };
    let emits = async {
        order(&house, 1, json!({})).await;
        order(&house, 2, json!({ "ships": true })).await;
    };
    let (page, ()) = tokio::join!(waits, emits);
    assert_eq!(types(&page), ["parcel.shipped"]);
    let all = events(&house, &house.owner, &format!("after={next}")).await;
    assert_eq!(types(&all), ["order.paid", "order.paid", "parcel.shipped"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_said() {
    let house = house().await;
    let cursor = |text: &str| URL_SAFE_NO_PAD.encode(text);
    for (query, slug) in [
        ("type=a..b".to_owned(), "400 invalid-request"),
        ("type=a*".to_owned(), "400 invalid-request"),
        ("subject=".to_owned(), "400 invalid-request"),
        ("limit=0".to_owned(), "400 invalid-request"),
        ("wait=soon".to_owned(), "400 invalid-request"),
        ("after=x".to_owned(), "400 invalid-cursor"),
        (format!("after={}", cursor("n5")), "400 invalid-cursor"),
        (format!("after={}", cursor("e0.1:1000000")), "400 invalid-request"),
        (format!("after={}", cursor("e7.1:1")), "400 invalid-request"),
    ] {
        let answer = house.get(&format!("/v1/events?{query}"), &house.owner).await;
        assert_eq!(answer.slug(), slug, "{query}: {}", answer.text());
    }
    let (_, agent) = house.principal("agent", &["agent"]).await;
    assert_eq!(house.get("/v1/events", &agent).await.slug(), "403 denied");
}

#[tokio::test]
async fn an_answer_is_data_and_a_receipt_proves_that_it_was_given() {
    let house = house().await;
    let (reader, shop) = house.principal("shop", &["service"]).await;
    let yes = run(&house, &shop, "ask", json!({ "of": "order" })).await;
    let may = &yes["output"]["may"];
    assert_eq!((&may["decision"], &may["reasons"]), (&json!("permit"), &json!(["starts"])), "{yes}");
    assert!(may["id"].as_str().unwrap().starts_with("dec_"), "{yes}");
    let no = run(&house, &shop, "ask", json!({ "of": "forbidden", "who": reader })).await;
    assert_eq!((&no["status"], &no["output"]["may"]["decision"]), (&json!("completed"), &json!("deny")), "{no}");
    assert_eq!(no["output"]["may"]["reasons"], json!(["never"]));
    assert_eq!(no["output"]["who"], Value::Null, "of oneself one may ask");

    let (other, _) = house.principal("other", &["service"]).await;
    let about = run(&house, &shop, "ask", json!({ "of": "order", "who": other })).await;
    assert_eq!(about["output"]["who"]["type"], json!("PolicyDenied"), "{about}");
    let about = run(&house, &house.owner, "ask", json!({ "of": "order", "who": other })).await;
    assert_eq!(about["output"]["who"], Value::Null, "an owner may look at everybody: {about}");
    let unknown = format!("svc_{}", "0".repeat(32));
    let about = run(&house, &house.owner, "ask", json!({ "of": "order", "who": unknown })).await;
    assert_eq!(about["output"]["who"]["type"], json!("BadQuestion"), "{about}");

    let id = yes["id"].as_str().unwrap();
    let proof = Call::new("GET", format!("/v1/receipts/{id}/may")).key(&house.owner).header("accept", "text/plain");
    assert_eq!(proof.send(house.addr).await.status, 200);
    let history = house.get(&format!("/v1/transactions/{id}/history"), &house.owner).await.json();
    let entry = &history["items"][1];
    assert!(entry["record"].as_str().unwrap().contains("\"kind\":\"decision.permitted\""), "{history}");
    assert_eq!(entry["payload"]["output"], *may);
}
