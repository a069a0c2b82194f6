//! Inputs that are not as their definitions say.

use crate::house::House;
use crate::http::Call;
use serde_json::json;

const ORDER: &str = "
name: strict
version: 1
input:
  type: object
  required: [sku]
  properties:
    sku: {type: string}
    quantity: {type: integer, minimum: 1}
steps:
  - {id: only, run: noop}
";

const OPEN: &str = "{name: trip, version: 1, kind: open, input: {type: object}}";

async fn push(house: &House, text: &str) -> crate::http::Answer {
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    call.body("application/yaml", text.as_bytes()).send(house.addr).await
}

#[tokio::test]
async fn a_start_is_told_everything_that_is_wrong_with_its_input() {
    let house = House::new().await;
    house.shop().await;
    assert_eq!(push(&house, ORDER).await.status, 201);
    assert_eq!(push(&house, OPEN).await.status, 201);
    let before = house.log_size().await;
    let start = json!({ "definition": "strict", "input": { "quantity": 0 } });
    let refused = house.post("/v1/transactions", &house.owner, &start).await;
    assert_eq!(refused.slug(), "422 input-refused");
    let errors = refused.json()["errors"].clone();
    let expected = json!([
        { "path": "/quantity", "rule": "/properties/quantity/minimum", "message": "0 is not at least 1" },
        { "message": "`sku` is needed", "rule": "/required" }
    ]);
    let mut found = errors.as_array().unwrap().clone();
    found.sort_by_key(|fault| fault["rule"].to_string());
    assert_eq!(json!(found), expected);
    assert!(
        refused.problem().detail.starts_with("the input is not as definition `strict` says: "),
        "{}",
        refused.text()
    );
    let open = house.post("/v1/transactions", &house.owner, &json!({ "definition": "trip", "input": 5 })).await;
    assert_eq!(open.slug(), "422 input-refused", "{}", open.text());
    assert_eq!(house.log_size().await, before, "what is refused writes nothing");
    let start = json!({ "definition": "strict", "input": { "sku": "chair", "quantity": 1 } });
    assert_eq!(house.post("/v1/transactions", &house.owner, &start).await.status, 201);
}

#[tokio::test]
async fn a_schema_that_is_wrong_is_refused_with_its_place() {
    let house = House::new().await;
    let text = "name: x\nversion: 1\ninput:\n  properties:\n    a: {type: text}\n    b: {$ref: b.json}\nsteps: [{id: a, run: noop}]\n";
    let refused = push(&house, text).await;
    assert_eq!(refused.slug(), "400 invalid-document");
    let errors = refused.json()["errors"].clone();
    assert_eq!((&errors[0]["path"], &errors[0]["line"]), (&json!("input.properties.a.type"), &json!(5)));
    assert_eq!((&errors[1]["path"], &errors[1]["line"]), (&json!("input.properties.b.$ref"), &json!(6)));
}
