//! Overrides over HTTP: who may ask, grant and review, what they change, and what they never do.

use crate::house::House;
use crate::http::{Answer, Call};
use chancery_app::clock;
use serde_json::{Value, json};
use std::time::Duration;

const WHY: &str = "the warehouse burns, incident 4711";

/// A house whose policy denies every start of `forbidden`, with three people and a shop.
struct Stage {
    house: House,
    ann: String,
    bob: String,
    eve: String,
    shop: String,
    shop_id: String,
}

impl Stage {
    async fn new() -> Self {
        let house = House::new().await;
        house.shop().await;
        let (_, ann) = house.person("ann", &["operator"]).await;
        let (_, bob) = house.person("bob", &["approver"]).await;
        let (_, eve) = house.person("eve", &["approver"]).await;
        let (shop_id, shop) = house.principal("shop", &["service"]).await;
        Self { house, ann, bob, eve, shop, shop_id }
    }

    fn asked(&self, kind: &str, lasts: Duration) -> Value {
        json!({
            "kind": kind, "principal": self.shop_id, "action": "start",
            "resource": { "type": "Definition", "id": "forbidden" },
            "until": clock::now().plus(lasts).to_string(), "justification": WHY,
        })
    }

    async fn request(&self, kind: &str, lasts: Duration) -> String {
        let answer = self.house.post("/v1/overrides", &self.ann, &self.asked(kind, lasts)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn say(&self, id: &str, what: &str, key: &str) -> Answer {
        self.house.post(&format!("/v1/overrides/{id}/{what}"), key, &json!({ "justification": WHY })).await
    }

    async fn granted(&self, kind: &str) -> String {
        let id = self.request(kind, Duration::from_secs(600)).await;
        let granted = self.say(&id, "grant", &self.bob).await;
        assert_eq!((granted.status, &granted.json()["status"]), (200, &json!("granted")), "{}", granted.text());
        id
    }

    async fn start(&self) -> Answer {
        let body = json!({ "definition": "forbidden", "input": { "sku": "a" } });
        self.house.post("/v1/transactions", &self.shop, &body).await
    }

    async fn show(&self, id: &str) -> Value {
        self.house.get(&format!("/v1/overrides/{id}"), &self.bob).await.json()
    }

    async fn entries(&self) -> Vec<(Value, Value)> {
        let found = self.house.get("/v1/ledger/entries?limit=1000", &self.house.owner).await;
        assert_eq!(found.status, 200, "{}", found.text());
        let items = found.json()["items"].as_array().unwrap().clone();
        let record = |item: &Value| serde_json::from_str(item["record"].as_str().unwrap()).unwrap();
        items.iter().map(|item| (record(item), item["payload"].clone())).collect()
    }

    async fn kinds(&self, start: &str) -> Vec<String> {
        let entries = self.entries().await;
        let kinds = entries.iter().map(|(record, _)| record["kind"].as_str().unwrap().to_owned());
        kinds.filter(|kind| kind.starts_with(start)).collect()
    }
}

#[tokio::test]
async fn one_act_goes_through_and_the_original_is_kept() {
    let stage = Stage::new().await;
    assert_eq!(stage.start().await.slug(), "403 policy-denied");
    let id = stage.request("emergency_bypass", Duration::from_secs(600)).await;
    assert_eq!(stage.start().await.slug(), "403 policy-denied", "what is only asked for changes nothing");
    assert_eq!(stage.say(&id, "grant", &stage.bob).await.status, 200);
    let question = json!({
        "principal": stage.shop_id, "action": "start", "resource": { "type": "Definition", "id": "forbidden" }
    });
    let asked = stage.house.post("/v1/decisions", &stage.house.owner, &question).await.json();
    assert_eq!(asked["permitted"], false, "a question does nothing that could use it up");
    let started = stage.start().await;
    assert_eq!(started.status, 201, "{}", started.text());
    assert_eq!(stage.start().await.slug(), "403 policy-denied", "it was for one act");

    let shown = stage.show(&id).await;
    assert_eq!((&shown["status"], &shown["used"]["transaction"]), (&json!("used"), &started.json()["id"]));
    let of = stage.kinds("override.").await;
    assert_eq!(of, ["override.requested", "override.granted", "override.used"]);
    let entries = stage.entries().await;
    let permit = entries.iter().rev().find(|(record, _)| record["kind"] == "transaction.started").unwrap();
    let overridden = &permit.1["decision"]["overridden"];
    assert_eq!((&overridden["override"], &overridden["original"]), (&json!(id), &json!("denied")), "{}", permit.1);
    assert!(overridden["reasons"][0]["text"].as_str().unwrap().contains("nobody starts this"), "{overridden}");
}

#[tokio::test]
async fn an_exception_is_for_as_many_acts_as_come_until_it_is_revoked() {
    let stage = Stage::new().await;
    let id = stage.granted("time_limited_exception").await;
    for _ in 0..2 {
        assert_eq!(stage.start().await.status, 201);
    }
    let question = json!({
        "principal": stage.shop_id, "action": "start", "resource": { "type": "Definition", "id": "forbidden" }
    });
    let asked = stage.house.post("/v1/decisions", &stage.house.owner, &question).await.json();
    assert_eq!((&asked["permitted"], &asked["overridden"]["original"]), (&json!(true), &json!("denied")), "{asked}");
    assert_eq!(asked["overridden"]["kind"], "time_limited_exception");
    assert_eq!(stage.say(&id, "review", &stage.eve).await.slug(), "409 illegal-state", "it is in force still");
    assert_eq!(stage.say(&id, "revoke", &stage.ann).await.status, 200);
    assert_eq!(stage.start().await.slug(), "403 policy-denied");

    let listed = stage.house.get("/v1/overrides?due=true", &stage.bob).await.json();
    assert_eq!(listed["items"][0]["id"], id.as_str());
}

#[tokio::test]
async fn who_had_no_part_in_it_reviews_it_and_others_are_refused_by_an_entry() {
    let stage = Stage::new().await;
    let id = stage.request("risk_accepted", Duration::from_secs(600)).await;
    let (_, robot) = stage.house.principal("robot", &["approver"]).await;
    let (_, both) = stage.house.person("both", &["approver", "operator"]).await;
    let denials = stage.kinds("decision.denied").await.len();
    assert_eq!(stage.say(&id, "grant", &stage.ann).await.slug(), "403 denied", "an operator does not grant");
    assert_eq!(stage.say(&id, "grant", &robot).await.slug(), "403 may-not-answer", "a machine never does");
    assert_eq!(stage.say(&id, "grant", &stage.shop).await.slug(), "403 denied");
    let own = stage.house.post("/v1/overrides", &both, &stage.asked("risk_accepted", Duration::from_secs(600))).await;
    let own = own.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(stage.say(&own, "grant", &both).await.slug(), "403 may-not-answer", "who asks does not grant");
    assert_eq!(stage.kinds("decision.denied").await.len(), denials + 4, "each is an entry");
    let machine = stage.house.post("/v1/overrides", &stage.shop, &stage.asked("risk_accepted", Duration::ZERO)).await;
    assert_eq!(machine.slug(), "403 denied");

    assert_eq!(stage.say(&id, "grant", &stage.bob).await.status, 200);
    assert_eq!(stage.start().await.status, 201);
    assert_eq!(stage.say(&id, "review", &stage.bob).await.slug(), "403 may-not-answer", "who granted does not review");
    let reviewed = stage.say(&id, "review", &stage.eve).await;
    assert_eq!(reviewed.status, 200, "{}", reviewed.text());
    let due = stage.house.get("/v1/overrides?due=true", &stage.bob).await.json();
    assert_eq!(due["items"], json!([]));
    let refused = stage.say(&own, "refuse", &stage.bob).await;
    assert_eq!(refused.json()["status"], "refused");
    assert_eq!(stage.say(&own, "grant", &stage.bob).await.slug(), "409 illegal-state");
}

#[tokio::test]
async fn a_stop_stands_above_every_override() {
    let stage = Stage::new().await;
    stage.granted("time_limited_exception").await;
    let stop = json!({ "on": "principal", "name": stage.shop_id, "justification": "under review" });
    let stop = stage.house.post("/v1/stops", &stage.house.owner, &stop).await;
    assert_eq!(stop.status, 201, "{}", stop.text());
    assert_eq!(stage.start().await.slug(), "403 stopped");
    let suspend = Call::new("PATCH", format!("/v1/principals/{}", stage.shop_id)).key(&stage.house.owner);
    assert_eq!(suspend.json(&json!({ "suspended": true })).send(stage.house.addr).await.status, 200);
    assert_eq!(stage.start().await.status, 401);
}

#[tokio::test]
async fn it_expires_by_itself_and_that_is_an_entry() {
    let stage = Stage::new().await;
    let id = stage.request("emergency_bypass", Duration::from_secs(2)).await;
    assert_eq!(stage.say(&id, "grant", &stage.bob).await.status, 200);
    for _ in 0..200 {
        if stage.show(&id).await["status"] == "expired" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.show(&id).await["status"], "expired");
    assert_eq!(stage.kinds("override.expired").await.len(), 1);
    assert_eq!(stage.start().await.slug(), "403 policy-denied");
}

/// The policy denies the second step: the override of it was granted before it was ready.
#[tokio::test]
async fn a_step_goes_out_though_policy_denies_it_and_so_do_its_retries() {
    let stage = Stage::new().await;
    let policies = "permit (principal, action == Action::\"start\", resource);";
    stage.house.only(policies).await;
    let transaction = stage.house.order(&stage.shop).await;
    let id = stage.house.over(&stage.ann, &transaction).await;
    assert_eq!(stage.say(&id, "grant", &stage.bob).await.status, 200);
    let take = json!({ "worker": "w1", "queues": [{ "name": "reserve", "want": 1 }] });
    let taken = stage.house.post("/v1/workers/exchange", &stage.shop, &take).await.json();
    assert_eq!(taken["tasks"][0]["transaction"], transaction.as_str(), "{taken}");
    assert_eq!(stage.show(&id).await["used"]["step"], "reserve");
    let other = stage.house.order(&stage.shop).await;
    let take = json!({ "worker": "w2", "queues": [{ "name": "reserve", "want": 1 }] });
    let taken = stage.house.post("/v1/workers/exchange", &stage.shop, &take).await.json();
    let result = stage.house.get(&format!("/v1/transactions/{other}/result?wait=10s"), &stage.shop).await.json();
    assert_eq!(result["status"], "failed", "the override is of one step of one transaction: {taken}");
    let missing = json!({
        "kind": "risk_accepted", "transaction": transaction, "step": "nothing",
        "until": clock::now().plus(Duration::from_secs(60)).to_string(), "justification": WHY,
    });
    assert_eq!(stage.house.post("/v1/overrides", &stage.ann, &missing).await.slug(), "404 not-found");
    let half = json!({
        "kind": "risk_accepted", "transaction": transaction, "action": "run",
        "until": clock::now().plus(Duration::from_secs(60)).to_string(), "justification": WHY,
    });
    assert_eq!(stage.house.post("/v1/overrides", &stage.ann, &half).await.slug(), "400 invalid-request");
}
