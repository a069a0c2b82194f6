//! Searching transactions, counting them, and one operation on all that are found.

use crate::house::House;
use serde_json::{Value, json};
use std::time::Duration;

fn path(route: &str, search: &str) -> String {
    let encoded = [(" ", "%20"), ("\"", "%22"), ("<", "%3C"), (">", "%3E"), ("#", "%23")];
    let search = encoded.iter().fold(search.to_owned(), |text, (from, to)| text.replace(from, to));
    format!("{route}?search={search}")
}

/// Starts an order with a label, and gives its id. Ids are in the order of their milliseconds, within one in none: what
/// is started next has to be of a later one for "newest first" to say which that is.
async fn order(house: &House, key: &str, region: &str) -> String {
    let body = json!({ "definition": "order", "input": { "sku": "a" }, "labels": { "region": region } });
    let answer = house.post("/v1/transactions", key, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    tokio::time::sleep(Duration::from_millis(2)).await;
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn found(house: &House, key: &str, search: &str) -> Vec<String> {
    let answer = house.get(&path("/v1/transactions", search), key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let count = house.get(&path("/v1/transactions/count", search), key).await.json();
    let body = answer.json();
    let ids = body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
    let ids: Vec<String> = ids.collect();
    assert_eq!(count, json!({ "count": ids.len(), "more": false }), "{search}");
    ids
}

#[tokio::test]
async fn a_search_finds_what_the_caller_may_see() {
    let house = House::new().await;
    house.shop().await;
    let (shop, shop_key) = house.principal("shop", &["service"]).await;
    let north = order(&house, &shop_key, "north").await;
    let south = order(&house, &house.owner, "south, \"deep\"").await;
    let owner = &house.owner;
    assert_eq!(found(&house, owner, "").await, [south.as_str(), &north]);
    assert_eq!(found(&house, owner, "label.region:north status:running").await, [north.as_str()]);
    assert_eq!(found(&house, owner, "label.region:\"south, \\\"deep\\\"\"").await, [south.as_str()]);
    assert_eq!(found(&house, owner, &format!("-principal:{shop} started<1h")).await, [south.as_str()]);
    assert_eq!(found(&house, owner, "started>1h").await, [""; 0]);
    // Who may see only its own finds only its own.
    assert_eq!(found(&house, &shop_key, "").await, [north.as_str()]);
    assert_eq!(found(&house, &shop_key, &format!("-principal:{shop}")).await, [""; 0]);

    let wrong = house.get(&path("/v1/transactions", "label.region:north colour:failed"), owner).await;
    assert_eq!(wrong.slug(), "400 invalid-request");
    let fault = &wrong.problem().errors[0];
    assert_eq!((fault.path.as_str(), fault.line, fault.column), ("search", None, Some(20)));
    assert!(fault.message.starts_with("there is no field `colour`"), "{}", fault.message);
}

fn bulk(search: &str, operation: &str, cursor: Option<&Value>) -> Value {
    let mut body = json!({ "search": search, "operation": operation, "justification": "a test", "limit": 2 });
    if let Some(cursor) = cursor {
        body["cursor"] = cursor.clone();
    }
    body
}

#[tokio::test]
async fn one_operation_is_done_to_all_that_had_started() {
    let house = House::new().await;
    house.shop().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(order(&house, &house.owner, if number == 1 { "south" } else { "north" }).await);
    }
    let owner = &house.owner;
    let (mut cursor, mut done) = (None::<Value>, Vec::new());
    loop {
        let body = bulk("label.region:north status:running", "cancel", cursor.as_ref());
        let page = house.post("/v1/transactions/bulk", owner, &body).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        done.extend(page["items"].as_array().unwrap().clone());
        // What starts meanwhile is left alone.
        order(&house, owner, "north").await;
        cursor = page.get("next").cloned();
        if cursor.is_none() {
            break;
        }
    }
    let cancelled = |id: &String| json!({ "transaction": id, "status": "cancelled" });
    assert_eq!(done, [&ids[4], &ids[3], &ids[2], &ids[0]].map(cancelled));
    let history = house.get(&format!("/v1/transactions/{}/history", ids[0]), owner).await.json();
    let entries = history["items"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["payload"]["justification"] == json!("a test")), "{history}");

    // Again the same: each is refused for itself, and says why.
    let body = bulk("label.region:north status:cancelled", "terminate", None);
    let refused = house.post("/v1/transactions/bulk", owner, &body).await.json();
    let problem = &refused["items"][0]["problem"];
    assert_eq!(problem["type"], json!("urn:chancery:problem:illegal-state"), "{refused}");
    assert_eq!(refused["items"][0].get("status"), None);
    let south = house.get(&format!("/v1/transactions/{}", ids[1]), owner).await.json();
    assert_eq!(south["status"], json!("running"));
}

#[tokio::test]
async fn what_is_paused_is_found_as_that_and_goes_on_in_bulk() {
    let house = House::new().await;
    house.shop().await;
    let (owner, id) = (&house.owner, order(&house, &house.owner, "north").await);
    for (search, operation, status) in
        [("status:running", "pause", "paused"), ("status:paused,waiting -status:running", "resume", "running")]
    {
        let page = house.post("/v1/transactions/bulk", owner, &bulk(search, operation, None)).await.json();
        assert_eq!(page["items"], json!([{ "transaction": id, "status": status }]), "{page}");
        assert_eq!(found(&house, owner, &format!("status:{status}")).await, [id.as_str()]);
        // What is done cannot be done again.
        let again = bulk(&format!("status:{status}"), operation, None);
        let again = house.post("/v1/transactions/bulk", owner, &again).await.json();
        assert_eq!(again["items"][0]["problem"]["type"], json!("urn:chancery:problem:illegal-state"), "{again}");
    }
}

#[tokio::test]
async fn a_bulk_operation_needs_a_search_a_reason_and_the_operation_s_own_permission() {
    let house = House::new().await;
    house.shop().await;
    house.order(&house.owner).await;
    let (_, service) = house.principal("shop", &["service"]).await;
    let (_, operator) = house.principal("olga", &["operator"]).await;
    let before = house.log_size().await;
    let all = bulk("status:running", "cancel", None);
    assert_eq!(house.post("/v1/transactions/bulk", &service, &all).await.slug(), "403 denied");
    let whole = house.post("/v1/transactions/bulk", &operator, &bulk(" ", "cancel", None)).await;
    assert_eq!(whole.slug(), "400 invalid-request");
    let mut silent = all.clone();
    silent["justification"] = json!(" ");
    assert_eq!(house.post("/v1/transactions/bulk", &operator, &silent).await.slug(), "400 invalid-request");
    let foreign = bulk("status:running", "cancel", Some(&json!("dA")));
    assert_eq!(house.post("/v1/transactions/bulk", &operator, &foreign).await.slug(), "400 invalid-cursor");
    // The denial is an entry, and nothing else was written.
    assert_eq!(house.log_size().await, before + 1);
    let done = house.post("/v1/transactions/bulk", &operator, &all).await.json();
    assert_eq!(done["items"][0]["status"], json!("cancelled"), "{done}");
}
