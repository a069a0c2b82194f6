//! What policy demands of the steps of open transactions, as their drivers see it.

use crate::house::House;
use crate::http::Call;
use serde_json::{Value, json};

const SCHEMA: &str = "
entity User, Service, Agent = { name: String };
entity Definition;
entity Step in [Definition];
entity Account = { @asserted cents?: Long };
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
action run, mail, look appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
action pay appliesTo { principal: [User, Service, Agent], resource: [Account], context: {} };
";
const OBLIGATIONS: &str = "
@id(\"dear\") @obligation(\"approval\") @role(\"finance\") @reason(\"1,000 and more is seen by finance\")
permit (principal, action == Action::\"pay\", resource) when { resource has cents && resource.cents >= 1000 };
@id(\"spent\") @obligation(\"budget\") @budget(\"payments\") @amount(\"resource.cents\") @cost(\"output.cents\")
permit (principal, action == Action::\"pay\", resource);
@id(\"short\") @obligation(\"limits\") @timeout(\"10s\") @network(\"pay.example\")
permit (principal, action == Action::\"pay\", resource);
@id(\"one-mail\") @obligation(\"rate\") @limit(\"1\") @window(\"1h\") @per(\"principal\")
permit (principal, action == Action::\"mail\", resource);
@id(\"unseen\") @obligation(\"mask\") @fields(\"card\")
permit (principal, action == Action::\"look\", resource);
";
const WHY: &str = "checked it against the contract";

struct Stage {
    house: House,
    agent: String,
    finance: String,
    path: String,
}

impl Stage {
    async fn new() -> Self {
        let house = House::new().await;
        let bundle = json!({ "name": "agents", "version": 1, "schema": SCHEMA, "obligations": OBLIGATIONS,
                             "policies": "permit (principal, action, resource);" });
        house.decide_by(&bundle).await;
        house.define("name: errand\nversion: 1\nkind: open\n").await;
        let terms = json!({ "measure": "amount", "unit": "cents", "per": "tenant", "limit": 5000 });
        let set = Call::new("PUT", "/v1/budgets/payments").key(&house.owner).json(&terms).send(house.addr).await;
        assert_eq!(set.status, 200, "{}", set.text());
        let (_, agent) = house.principal("agent", &["agent"]).await;
        let (_, finance) = house.person("ann", &["approver", "finance"]).await;
        let begun = house.post("/v1/transactions", &agent, &json!({ "definition": "errand" })).await.json();
        let path = format!("/v1/transactions/{}", begun["id"].as_str().unwrap());
        Self { house, agent, finance, path }
    }

    async fn step(&self, id: &str, action: &str, more: Value) -> Value {
        let mut body = json!({ "driver": 1, "id": id, "action": action });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.house.post(&format!("{}/steps", self.path), &self.agent, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn pay(&self, id: &str, cents: u64) -> Value {
        let resource = json!({ "type": "Account", "id": "DE12", "attributes": { "cents": cents } });
        self.step(id, "pay", json!({ "resource": resource, "input": { "to": "Ada" } })).await
    }

    async fn done(&self, id: &str, stepped: &Value, output: Value) {
        let body = json!({ "task": stepped["permit"]["task"], "output": output });
        let path = format!("{}/steps/{id}", self.path);
        let ack = Call::new("PUT", &path).key(&self.agent).json(&body).send(self.house.addr).await.json();
        assert_eq!(ack["ack"], "recorded", "{ack}");
    }

    async fn say(&self, stepped: &Value, answer: &str) {
        let request = stepped["wait"]["request"].as_str().unwrap_or_else(|| panic!("{stepped}"));
        let body = json!({ "answer": answer, "justification": WHY });
        let said = self.house.post(&format!("/v1/requests/{request}/answer"), &self.finance, &body).await;
        assert_eq!(said.status, 200, "{}", said.text());
    }

    async fn account(&self) -> Value {
        self.house.get("/v1/budgets/payments", &self.house.owner).await.json()["accounts"][0].clone()
    }

    async fn commit(&self) -> Value {
        self.house.post(&format!("{}/commit", self.path), &self.agent, &json!({ "driver": 1 })).await.json()
    }
}

#[tokio::test]
async fn people_approve_a_step_before_its_driver_may_do_it() {
    let stage = Stage::new().await;
    let asked = stage.pay("pay", 2000).await;
    assert_eq!((&asked["outcome"], &asked["permit"]), (&json!("waits"), &Value::Null), "{asked}");
    assert_eq!(stage.pay("pay", 2000).await, asked, "asked again it waits for the same people");
    let waits = stage.house.get(&stage.path, &stage.agent).await.json();
    let found = waits["waiting_for"].as_array().unwrap();
    let of_kind = |what: &str| found.iter().find(|wait| wait["what"] == what).unwrap_or_else(|| panic!("{waits}"));
    assert_eq!((&of_kind("request")["name"], &waits["status"]), (&asked["wait"]["request"], &json!("waiting")));
    assert_eq!(of_kind("driver")["until"], Value::Null, "while people are asked it is not lost");
    let path = format!("/v1/requests/{}", asked["wait"]["request"].as_str().unwrap());
    let request = stage.house.get(&path, &stage.finance).await.json();
    assert_eq!(request["title"], "May step `pay` of `errand` run?", "{request}");
    assert_eq!((&request["input"], &request["role"]), (&json!({ "to": "Ada" }), &json!("finance")));
    assert_eq!(request["reason"], "1,000 and more is seen by finance");
    let early = stage.commit().await;
    assert_eq!(early["detail"], "can't commit: a step waits for people: `pay`", "{early}");

    stage.say(&asked, "approved").await;
    let permitted = stage.pay("pay", 2000).await;
    assert_eq!(permitted["outcome"], "permitted", "{permitted}");
    assert_eq!(permitted["permit"]["limits"], json!({ "timeout": "10s", "network": ["pay.example"] }));
    assert_eq!((&stage.account().await["reserved"], &stage.account().await["settled"]), (&json!(2000), &json!(0)));
    stage.done("pay", &permitted, json!({ "cents": 1900 })).await;
    assert_eq!((&stage.account().await["reserved"], &stage.account().await["settled"]), (&json!(0), &json!(1900)));
    assert_eq!(stage.pay("pay", 2000).await["outcome"], "completed");
    assert_eq!(stage.commit().await["status"], "completed");
}

#[tokio::test]
async fn a_no_refuses_the_step_and_the_transaction_goes_on() {
    let stage = Stage::new().await;
    let asked = stage.pay("pay", 2000).await;
    stage.say(&asked, "denied").await;
    let refused = stage.pay("pay", 2000).await;
    assert_eq!((&refused["outcome"], &refused["refusal"]["status"]), (&json!("refused"), &json!("denied")));
    assert_eq!(refused["refusal"]["request"], asked["wait"]["request"]);
    let reason = refused["refusal"]["reason"].as_str().unwrap();
    assert!(reason.ends_with(&format!("said no: {WHY}")), "{reason}");
    let less = stage.pay("pay-less", 900).await;
    assert_eq!(less["outcome"], "permitted", "{less}");
    stage.done("pay-less", &less, json!({})).await;
    assert_eq!(stage.account().await["settled"], 900, "what says no cost costs all");
    assert_eq!(stage.commit().await["status"], "completed");
}

#[tokio::test]
async fn a_budget_that_is_spent_denies_and_a_rate_has_it_wait() {
    let stage = Stage::new().await;
    for id in ["a", "b", "c", "d", "e"] {
        let paid = stage.pay(id, 950).await;
        stage.done(id, &paid, json!({ "cents": 950 })).await;
    }
    let denied = stage.pay("f", 950).await;
    let text = denied["denial"]["reasons"].to_string();
    assert!(denied["outcome"] == "denied" && text.contains("budget `payments` has 250 cents left"), "{denied}");

    let first = stage.step("first", "mail", json!({})).await;
    assert_eq!(first["outcome"], "permitted", "{first}");
    stage.done("first", &first, json!({})).await;
    let later = stage.step("second", "mail", json!({})).await;
    assert_eq!((&later["outcome"], &later["wait"]["request"]), (&json!("waits"), &Value::Null), "{later}");
    assert!(later["wait"]["until"].is_string(), "{later}");
    let commit = stage.commit().await;
    assert_eq!(commit["status"], "completed", "what only waits for a rate is not a step yet: {commit}");
}

#[tokio::test]
async fn what_its_driver_has_already_can_t_be_masked() {
    let stage = Stage::new().await;
    let denied = stage.step("look", "look", json!({ "input": { "card": "4711" } })).await;
    let text = denied["denial"]["reasons"].to_string();
    assert!(denied["outcome"] == "denied" && text.contains("its driver has the input already"), "{denied}");
}
