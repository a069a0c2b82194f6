//! What a bundle needs to be put into force: a second person, signatures that count.

use crate::house::House;
use crate::http::{Answer, Call};
use chancery_ledger::note::SigningKey;
use chancery_shard::trust::{self, Subject};
use serde_json::{Value, json};

const SCHEMA: &str = "entity Definition; entity Step in [Definition]; entity User; entity Service; entity Agent;
    action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };";

fn document(version: u64) -> Value {
    json!({ "name": "shop", "version": version, "schema": SCHEMA, "policies": "permit (principal, action, resource);" })
}

async fn put(house: &House, key: &str, body: &Value) -> Answer {
    Call::new("PUT", "/v1/bundle-rules").key(key).json(body).send(house.addr).await
}

async fn push(house: &House, key: &str, document: &Value) -> String {
    let pushed = house.post("/v1/bundles", key, document).await;
    assert!([200, 201].contains(&pushed.status), "{}", pushed.text());
    pushed.json()["digest"].as_str().unwrap().to_owned()
}

async fn activate(house: &House, key: &str, digest: &str) -> Answer {
    Call::new("POST", format!("/v1/bundles/{digest}/activate")).key(key).send(house.addr).await
}

/// The payloads of the entries of these kinds.
async fn entries(house: &House, kinds: &[&str]) -> Vec<(String, Value)> {
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let of = |entry: &Value| {
        let record: Value = serde_json::from_str(entry["record"].as_str().unwrap()).unwrap();
        (record["kind"].as_str().unwrap().to_owned(), entry["payload"].clone())
    };
    let all = entries["items"].as_array().unwrap().iter().map(of);
    all.filter(|(kind, _)| kinds.contains(&kind.as_str())).collect()
}

#[tokio::test]
async fn where_a_second_person_is_demanded_nobody_puts_into_force_what_they_pushed() {
    let house = House::new().await;
    let (author_id, author) = house.person("ann", &["policy-author", "policy-approver"]).await;
    let (_, approver) = house.person("ben", &["policy-approver"]).await;
    let rules = house.get("/v1/bundle-rules", &author).await.json();
    assert_eq!(rules, json!({ "second_person": false, "signatures": 0 }));
    let first = push(&house, &author, &document(1)).await;
    assert_eq!(activate(&house, &author, &first).await.status, 200, "a tenant of one person works");

    let demanded = json!({ "second_person": true });
    assert_eq!(put(&house, &approver, &demanded).await.slug(), "403 denied");
    assert_eq!(put(&house, &house.owner, &demanded).await.json()["second_person"], json!(true));
    let second = push(&house, &author, &document(2)).await;
    assert_eq!(house.get(&format!("/v1/bundles/{second}"), &author).await.json()["pushed_by"], json!(author_id));
    let denied = activate(&house, &author, &second).await;
    assert_eq!(denied.slug(), "403 denied");
    let says = format!("{author_id} pushed this bundle, and somebody else has to put it into force");
    assert!(denied.text().contains(&says), "{}", denied.text());
    // Pushed again by another it is still the author's.
    push(&house, &house.owner, &document(2)).await;
    assert_eq!(activate(&house, &author, &second).await.slug(), "403 denied");
    assert_eq!(activate(&house, &approver, &second).await.status, 200);
    // Nor back to what they pushed, which holds for owners, too.
    assert_eq!(house.post("/v1/bundles/rollback", &author, &json!({})).await.slug(), "403 denied");
    let third = push(&house, &house.owner, &document(3)).await;
    assert_eq!(activate(&house, &house.owner, &third).await.slug(), "403 denied");
    assert_eq!(house.post("/v1/bundles/rollback", &approver, &json!({})).await.status, 200);

    let written = entries(&house, &["decision.denied", "bundle_rules.changed"]).await;
    let calls: Vec<_> = written.iter().map(|(_, payload)| payload["call"].clone()).collect();
    let role = json!("bundle_rules:set");
    let rule = json!("bundle:activate");
    assert_eq!(calls, [role, Value::Null, rule.clone(), rule.clone(), rule.clone(), rule]);
    assert!(written[2].1["reasons"][0].as_str().unwrap().contains("somebody else"), "{written:?}");
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name.parse().unwrap(), &[seed; 32])
}

/// A bundle with a signature beside it.
fn signed(version: u64, key: &SigningKey) -> Value {
    let mut document = document(version);
    let bundle = chancery_policy::Bundle::parse(document.to_string().as_bytes()).unwrap();
    let note = trust::sign(Subject::from(&bundle), key).unwrap();
    document["signatures"] = json!(note.to_string());
    document
}

#[tokio::test]
async fn a_bundle_is_put_into_force_by_the_signatures_that_count_then() {
    let house = House::new().await;
    let owner = house.owner.clone();
    let (ann, ben) = (key("ann@shop.example", 1), key("ben@shop.example", 2));
    let add = async |key: &SigningKey| {
        let body = json!({ "key": key.verifier().to_string() });
        house.post("/v1/signers", &owner, &body).await.status
    };
    assert_eq!(put(&house, &owner, &json!({ "signatures": 1 })).await.slug(), "400 invalid-request");
    assert_eq!((add(&ann).await, add(&ann).await), (201, 200));
    // Neither another key under the name nor the key under another name: it would count twice.
    assert_eq!((add(&key("ann@shop.example", 3)).await, add(&key("cleo", 1)).await), (409, 409));

    let posing = house.post("/v1/bundles", &owner, &signed(1, &key("ann@shop.example", 3))).await;
    assert_eq!(posing.slug(), "400 invalid-request");
    assert!(posing.text().contains("`ann@shop.example` signed with another key"), "{}", posing.text());
    let mut other = document(2);
    other["signatures"] = signed(1, &ann)["signatures"].clone();
    let other = house.post("/v1/bundles", &owner, &other).await;
    assert!(other.text().contains("the signatures are of `chancery bundle, shop 1, sha256:"), "{}", other.text());
    let mut forged = signed(1, &ann);
    let text = forged["signatures"].as_str().unwrap().to_owned();
    let of_other = signed(2, &ann)["signatures"].as_str().unwrap().split_once("\n\n").unwrap().1.to_owned();
    forged["signatures"] = json!(format!("{}\n\n{of_other}", text.split_once("\n\n").unwrap().0));
    let forged = house.post("/v1/bundles", &owner, &forged).await;
    assert!(
        forged.text().contains("the signature of `ann@shop.example` is not one of this bundle"),
        "{}",
        forged.text()
    );
    assert_eq!(house.get("/v1/bundles", &owner).await.json()["items"], json!([]), "nothing was pushed");

    // Of a stranger's signature nothing can be told.
    let stranger = house.post("/v1/bundles", &owner, &signed(1, &ben)).await.json();
    let warning = stranger["warnings"].as_array().unwrap().last().unwrap()["message"].as_str().unwrap();
    assert!(warning.contains("`ben@shop.example` is no trusted signer"), "{stranger}");
    assert_eq!(add(&ben).await, 201);
    assert_eq!(put(&house, &owner, &json!({ "signatures": 2 })).await.status, 200);
    let digest = push(&house, &owner, &signed(1, &ann)).await;
    let few = activate(&house, &owner, &digest).await;
    assert_eq!(few.slug(), "403 denied");
    let says = "it takes signatures of 2 trusted signers, and this bundle has 1, by `ann@shop.example`";
    assert!(few.text().contains(says), "{}", few.text());
    // Signatures may come later; the same again is no change.
    assert_eq!(push(&house, &owner, &signed(1, &ben)).await, digest);
    assert_eq!(push(&house, &owner, &signed(1, &ben)).await, digest);
    let shown = house.get(&format!("/v1/bundles/{digest}"), &owner).await.json();
    let names: Vec<_> =
        shown["signatures"].as_array().unwrap().iter().map(|one| (&one["signer"], &one["trusted"])).collect();
    let yes = json!(true);
    assert_eq!(names, [(&json!("ann@shop.example"), &yes), (&json!("ben@shop.example"), &yes)]);
    assert!(shown["source"].get("signatures").is_none(), "they are no part of it");

    // Whose trust ended does not count, and no more is demanded than can be met.
    let remove = Call::new("DELETE", "/v1/signers/ben@shop.example").key(&owner);
    assert_eq!(remove.send(house.addr).await.slug(), "400 invalid-request");
    assert_eq!(add(&key("cleo", 4)).await, 201);
    let remove = Call::new("DELETE", "/v1/signers/ben@shop.example").key(&owner);
    assert_eq!(remove.send(house.addr).await.status, 204);
    assert_eq!(activate(&house, &owner, &digest).await.slug(), "403 denied");
    assert_eq!(add(&ben).await, 201);
    assert_eq!(activate(&house, &owner, &digest).await.status, 200);
    let signers = house.get("/v1/signers", &owner).await.json();
    assert_eq!(signers["items"].as_array().unwrap().len(), 3);
    assert_eq!(signers["items"][0]["key"], json!(ann.verifier().to_string()));

    let kinds = ["bundle.pushed", "bundle.signed", "signer.added", "signer.removed", "bundle.activated"];
    let written: Vec<String> = entries(&house, &kinds).await.into_iter().map(|(kind, _)| kind).collect();
    let expected = [2, 0, 2, 1, 1, 2, 3, 2, 4].map(|kind| kinds[kind]);
    assert_eq!(written, expected);
}
