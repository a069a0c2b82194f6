//! Compliance packs over the API.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

fn control<'a>(status: &'a Value, id: &str) -> &'a Value {
    status["controls"].as_array().unwrap().iter().find(|control| control["id"] == id).unwrap()
}

#[tokio::test]
async fn the_ledger_says_what_supports_a_control() {
    let house = House::new().await;
    let (_, auditor) = house.principal("aud", &["auditor"]).await;
    let packs = house.get("/v1/compliance/packs", &auditor).await.json();
    assert_eq!(packs["items"].as_array().unwrap().len(), 7, "{packs}");
    let before = house.get("/v1/compliance/packs/soc2", &auditor).await.json();
    assert_eq!(control(&before, "CC8.1")["status"], "not_supported", "{before}");
    house.shop().await;
    house.order(&house.owner).await;
    let after = house.get("/v1/compliance/packs/soc2", &auditor).await.json();
    let changes = control(&after, "CC8.1");
    assert_eq!(changes["status"], "supported");
    assert_eq!(changes["says"], json!(format!("supported by {} entries", changes["entries"])));
    let query = &changes["queries"][0];
    assert_eq!((&query["expected"], &query["holds"]), (&json!("at least 1"), &json!(true)));
    assert!(query["first"]["seq"].as_u64() < query["last"]["seq"].as_u64(), "{query}");
    assert!(!after.to_string().contains("compliant"), "that is for people to say");
    // A range before the log began is no range of it.
    let old = house.get("/v1/compliance/packs/soc2?from=2001-01-01T00:00:00Z&to=2001-02-01T00:00:00Z", &auditor).await;
    assert_eq!(
        (&old.json()["entries"], &control(&old.json(), "CC8.1")["status"]),
        (&json!(0), &json!("not_supported"))
    );
    let missing = house.get("/v1/compliance/packs/soc3", &auditor).await;
    assert_eq!(missing.slug(), "404 not-found");
    let turned = house.get("/v1/compliance/packs/soc2?from=2222-01-01T00:00:00Z", &auditor).await;
    assert_eq!(turned.slug(), "400 invalid-request");
    let (_, operator) = house.principal("op", &["operator"]).await;
    assert_eq!(house.get("/v1/compliance/packs/soc2", &operator).await.slug(), "403 denied");
}

#[tokio::test]
async fn a_pack_of_ones_own_is_judged_and_not_kept() {
    let house = House::new().await;
    house.shop().await;
    let id = house.order(&house.owner).await;
    let pack = json!({ "name": "own", "title": "Ours", "version": 1, "controls": [{
        "id": "1", "title": "Nothing is abandoned", "asks": "What begins comes to its end.",
        "queries": [
            { "says": "it began", "kinds": ["transaction.started"], "at_least": 1 },
            { "says": "it was abandoned", "kinds": ["transaction.terminated"], "at_most": 0 },
        ],
    }] });
    let judged = house.post("/v1/compliance/status", &house.owner, &pack).await.json();
    assert_eq!(judged["controls"][0]["says"], "supported by 1 entry", "{judged}");
    let end =
        house.post(&format!("/v1/transactions/{id}/terminate"), &house.owner, &json!({ "justification": "x" })).await;
    assert_eq!(end.status, 200, "{}", end.text());
    let judged = house.post("/v1/compliance/status", &house.owner, &pack).await.json();
    assert_eq!(judged["controls"][0]["status"], "contradicted");
    assert_eq!(judged["controls"][0]["says"], "contradicted by 1 entry");
    let mut unknown = pack.clone();
    unknown["controls"][0]["queries"][0]["kinds"] = json!(["nothing.done"]);
    let refused = house.post("/v1/compliance/status", &house.owner, &unknown).await;
    assert_eq!(refused.slug(), "400 invalid-document");
    let fault = &refused.problem().errors[0];
    let found = (fault.path.as_str(), fault.message.as_str());
    assert_eq!(found, ("controls[0].queries[0].kinds[0]", "`nothing.done` is no kind of entry"));
    let call = Call::new("POST", "/v1/compliance/status").key(&house.owner).body("application/json", b"{");
    assert_eq!(call.send(house.addr).await.slug(), "400 invalid-document");
    assert_eq!(house.get("/v1/compliance/packs/own", &house.owner).await.slug(), "404 not-found");
}
