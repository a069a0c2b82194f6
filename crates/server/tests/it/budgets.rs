//! Budgets over the API: who sets them, what a step takes of them, and what others are told.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

const SCHEMA: &str = "
entity User, Service, Agent = { name: String };
entity Definition;
entity Step in [Definition];
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
action refund appliesTo { principal: [User, Service, Agent], resource: [Step], context: { cents: Long } };
";
const POLICIES: &str = "permit (principal, action, resource);";
const OBLIGATIONS: &str = "
@id(\"refunds-a-day\") @obligation(\"budget\") @budget(\"refunds\") @amount(\"context.cents\") @cost(\"output.cents\")
permit (principal, action == Action::\"refund\", resource);
";
const REFUND: &str = "
name: refund
version: 1
steps:
  - id: pay
    run: {worker: pay}
    action: refund
    context: {cents: '${{ input.cents }}'}
";

struct Stage {
    house: House,
    shop: String,
    shop_id: String,
    worker: String,
    operator: String,
}

impl Stage {
    async fn new() -> Self {
        let house = House::new().await;
        let (schema, policies, obligations) = (SCHEMA, POLICIES, OBLIGATIONS);
        let bundle = json!({ "name": "refunds", "version": 1, "schema": schema, "policies": policies,
                             "obligations": obligations });
        house.decide_by(&bundle).await;
        house.define(REFUND).await;
        let (shop_id, shop) = house.principal("shop", &["service"]).await;
        let (_, worker) = house.principal("worker", &["service"]).await;
        let (_, operator) = house.principal("op", &["operator"]).await;
        Self { house, shop, shop_id, worker, operator }
    }

    async fn put(&self, body: &Value) -> Answer {
        Call::new("PUT", "/v1/budgets/refunds").key(&self.operator).json(body).send(self.house.addr).await
    }

    async fn refund(&self, cents: u64) -> String {
        let body = json!({ "definition": "refund", "input": { "cents": cents } });
        let answer = self.house.post("/v1/transactions", &self.shop, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// What a worker is given that has nothing yet.
    async fn take(&self, worker: &str) -> Vec<Value> {
        let answer = self
            .house
            .exchange(&self.worker, json!({ "worker": worker, "queues": [{ "name": "pay", "want": 5 }] }))
            .await;
        answer["tasks"].as_array().unwrap().clone()
    }

    async fn account(&self) -> Value {
        let answer = self.house.get("/v1/budgets/refunds", &self.operator).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["accounts"][0].clone()
    }
}

fn terms() -> Value {
    json!({ "measure": "amount", "unit": "EUR cents", "per": "principal", "window": "month", "limit": 1000 })
}

#[tokio::test]
async fn a_step_takes_from_a_budget_and_one_that_does_not_fit_is_denied() {
    let stage = Stage::new().await;
    let set = stage.put(&terms()).await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!((&set.json()["name"], &set.json()["window"]), (&json!("refunds"), &json!("month")));
    stage.refund(700).await;
    let task = stage.take("w").await[0]["task"].clone();
    let holder = &stage.shop_id;
    assert_eq!(stage.account().await, json!({ "holder": holder, "settled": 0, "reserved": 700, "left": 300 }));
    let id = stage.refund(400).await;
    assert_eq!(stage.take("other").await, Vec::<Value>::new());
    let result = stage.house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &stage.house.owner).await.json();
    let why = result["cause"]["error"]["message"].as_str().unwrap();
    assert!(
        why.contains("budget `refunds` has 300 EUR cents left") && why.contains("400 EUR cents are asked"),
        "{why}"
    );
    stage
        .house
        .exchange(&stage.worker, json!({ "worker": "w", "done": [{ "task": task, "output": { "cents": 650 } }] }))
        .await;
    assert_eq!(stage.account().await, json!({ "holder": holder, "settled": 650, "reserved": 0, "left": 350 }));
}

#[tokio::test]
async fn asking_reserves_nothing_and_the_answer_is_conditional() {
    let stage = Stage::new().await;
    assert_eq!(stage.put(&terms()).await.status, 200);
    let resource = json!({ "type": "Step", "id": "refund/pay" });
    let body = json!({ "action": "refund", "resource": resource, "context": { "cents": 900 } });
    let decided = stage.house.post("/v1/decisions", &stage.house.owner, &body).await;
    assert_eq!(decided.status, 200, "{}", decided.text());
    let demanded = json!([{ "kind": "budget", "policy": "refunds-a-day", "budget": "refunds", "amount": "context.cents",
                            "cost": "output.cents" }]);
    let decision = decided.json();
    assert_eq!((&decision["outcome"], &decision["obligations"]), (&json!("conditional"), &demanded), "{decision}");
    let subject = json!({ "type": "Service", "id": stage.shop_id });
    let body = json!({ "subject": subject, "action": { "name": "refund" }, "resource": resource,
                       "context": { "cents": 900 } });
    let answer = stage.house.post("/access/v1/evaluation", &stage.house.owner, &body).await.json();
    assert_eq!((&answer["decision"], &answer["context"]["access_request"]["obligations"]), (&json!(false), &demanded));
    let budget = stage.house.get("/v1/budgets/refunds", &stage.operator).await.json();
    assert_eq!((&budget["accounts"], &budget["accounts_total"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn what_is_no_budget_is_refused_and_one_that_is_deleted_is_gone() {
    let stage = Stage::new().await;
    for (member, value, why) in [
        ("unit", json!(null), "unit: it is missing"),
        ("per", json!("team"), "`team` is none of `tenant`, `principal`, `definition` and `label:NAME`"),
        ("window", json!("week"), "`week` is no window"),
        ("limit", json!(-1), "u64"),
        ("limits", json!(1), "limits"),
    ] {
        let mut body = terms();
        body[member] = value;
        let refused = stage.put(&body).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert!(refused.text().contains(why), "{}", refused.text());
    }
    let denied = Call::new("PUT", "/v1/budgets/refunds").key(&stage.shop).json(&terms()).send(stage.house.addr).await;
    assert_eq!(denied.status, 403);
    assert_eq!(stage.house.get("/v1/budgets/refunds", &stage.operator).await.status, 404);
    assert_eq!(stage.put(&terms()).await.status, 200);
    let listed = stage.house.get("/v1/budgets", &stage.operator).await.json();
    assert_eq!(listed["items"][0]["name"], json!("refunds"));
    for status in [204, 404] {
        let delete = Call::new("DELETE", "/v1/budgets/refunds").key(&stage.operator);
        assert_eq!(delete.send(stage.house.addr).await.status, status);
    }
    let id = stage.refund(1).await;
    assert_eq!(stage.take("w-1").await, Vec::<Value>::new());
    let result = stage.house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &stage.house.owner).await.json();
    assert!(result["cause"]["error"]["message"].as_str().unwrap().contains("there is no budget `refunds`"), "{result}");
}

#[tokio::test]
async fn who_activates_a_bundle_is_told_of_the_budget_that_it_lacks() {
    let stage = Stage::new().await;
    let bundles = stage.house.get("/v1/bundles", &stage.house.owner).await.json();
    let active = bundles["items"].as_array().unwrap().iter().find(|bundle| bundle["active"] == true).unwrap();
    let path = format!("/v1/bundles/{}/activate", active["digest"].as_str().unwrap());
    let activate = async || stage.house.post(&path, &stage.house.owner, &Value::Null).await.json();
    let warned = activate().await;
    let warning = json!([{
        "path": "obligation `refunds-a-day`",
        "message": "there is no budget `refunds`: what it applies to is denied until there is one",
        "rule": "missing",
    }]);
    assert_eq!(warned["warnings"], warning, "{warned}");
    assert_eq!(stage.put(&terms()).await.status, 200);
    assert_eq!(activate().await.get("warnings"), None);
}
