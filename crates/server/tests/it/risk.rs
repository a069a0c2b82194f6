//! Risk tables over the API: refused where they are wrong, asked before each decision, recorded with it.

use crate::house::House;
use crate::http::Call;
use chancery_base::Timestamp;
use chancery_policy::{Bundle, Outcome, decide_again};
use serde_json::{Value, json};

const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
entity Order = { @asserted express?: Bool, tier?: String };
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: { risk: Long } };
action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
action pay appliesTo {
  principal: [User, Service, Agent], resource: [Order, Step], context: { amount: Long, risk: Long, list?: Set<Long> }
};
";
const POLICIES: &str = "
@id(\"any\") permit (principal, action, resource);
@id(\"risky\") @reason(\"too risky\")
forbid (principal, action in [Action::\"pay\", Action::\"start\"], resource) when { context.risk >= 60 };
";
const PAY: &str = "
name: pay
version: 1
steps:
  - {id: pay, run: noop, action: pay, context: {amount: '${{ input.amount }}'}, irreversible: true}
";

/// Money, and where: of the definition `forbidden` and of the order `gold`, which the bundle knows.
fn tables() -> Value {
    json!([
        {
            "name": "money", "version": 3, "hit_policy": "first",
            "inputs": [{ "name": "amount", "type": "integer", "expression": "context.?amount", "optional": true }],
            "outputs": [{ "name": "financial", "type": "integer" }],
            "rows": [
                { "id": "much", "when": { "amount": "> 100" }, "then": { "financial": 90 } },
                { "when": { "amount": "< 0" }, "then": { "financial": "1 / (amount - amount)" } },
                { "then": { "financial": 10 } },
            ],
        },
        {
            "name": "place", "version": 1, "hit_policy": "first",
            "inputs": [
                { "name": "id", "type": "string", "expression": "resource.id" },
                { "name": "tier", "type": "string", "expression": "resource.attributes.?tier", "optional": true },
                { "name": "express", "type": "boolean", "expression": "has(resource.attributes.express)" },
            ],
            "outputs": [{ "name": "security", "type": "integer" }],
            "rows": [
                { "id": "forbidden", "when": { "id": "'forbidden'" }, "then": { "security": 95 } },
                { "when": { "tier": "'gold'", "express": true }, "then": { "security": 70 } },
                { "when": { "tier": "'gold'" }, "then": { "security": 40 } },
                { "then": { "security": 20 } },
            ],
        },
    ])
}

fn bundle(tables: &Value) -> Value {
    json!({
        "name": "risky", "version": 1, "schema": SCHEMA, "policies": POLICIES, "risk": { "tables": tables },
        "entities": [{ "uid": { "type": "Order", "id": "gold" }, "attrs": { "tier": "gold" }, "parents": [] }],
    })
}

/// A house whose bundle has these tables.
async fn house(tables: Value) -> (House, Bundle) {
    let house = House::new().await;
    house.shop().await;
    let document = bundle(&tables);
    house.decide_by(&document).await;
    (house, Bundle::parse(&chancery_base::json::canonical(&document)).unwrap())
}

async fn ask(house: &House, id: &str, context: Value) -> Value {
    let question = json!({ "action": "pay", "resource": { "type": "Order", "id": id }, "context": context });
    let answer = house.post("/v1/decisions", &house.owner, &question).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The payloads of the entries that have a decision, the newest first.
async fn decisions(house: &House) -> Vec<Value> {
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let items = entries["items"].as_array().unwrap().iter();
    let mut found: Vec<Value> = items.map(|entry| entry["payload"]["decision"].clone()).collect();
    found.retain(Value::is_object);
    found.reverse();
    found
}

#[tokio::test]
async fn a_decision_says_how_risky_it_is_and_why() {
    let (house, bundle) = house(tables()).await;
    let low = ask(&house, "17", json!({ "amount": 5 })).await;
    assert_eq!(low["permitted"], json!(true), "{low}");
    assert_eq!(
        low["risk"],
        json!({
            "score": 17, "level": "low", "dimensions": { "financial": 10, "security": 20 }, "rows_omitted": 0,
            "rows": [{ "table": "money", "version": 3, "row": 3 }, { "table": "place", "version": 1, "row": 4 }],
        })
    );
    let question = json!({
        "action": "pay", "context": { "amount": 500 },
        "resource": { "type": "Order", "id": "gold", "attributes": { "express": true } },
    });
    let high = house.post("/v1/decisions", &house.owner, &question).await.json();
    assert_eq!((&high["permitted"], &high["reasons"][0]["policy"]), (&json!(false), &json!("risky")), "{high}");
    assert_eq!((&high["risk"]["score"], &high["risk"]["level"]), (&json!(76), &json!("high")));
    let much = json!({ "table": "money", "version": 3, "row": 1, "id": "much" });
    assert_eq!(high["risk"]["rows"], json!([much, { "table": "place", "version": 1, "row": 2 }]));

    // Both are recorded with what they were, and are decided again as they were.
    let recorded = decisions(&house).await;
    for (payload, outcome, score) in [(&recorded[0], Outcome::Deny, 76), (&recorded[1], Outcome::Permit, 17)] {
        assert_eq!((&payload["risk"]["score"], &payload["request"]["context"]["risk"]), (&json!(score), &json!(score)));
        assert_eq!(decide_again(&bundle, payload), outcome);
    }
    let mut other = recorded[0].clone();
    other["request"]["context"]["risk"] = json!(10);
    assert_eq!(decide_again(&bundle, &other), Outcome::Permit, "what was recorded is what it goes by");
}

#[tokio::test]
async fn starts_and_hand_outs_are_decided_by_their_risk() {
    let (house, _) = house(tables()).await;
    let call = Call::new("POST", "/v1/definitions").key(&house.owner);
    assert_eq!(call.body("application/yaml", PAY.as_bytes()).send(house.addr).await.status, 201);
    let refused =
        house.post("/v1/transactions", &house.owner, &json!({ "definition": "forbidden", "input": {} })).await;
    assert_eq!(
        (refused.slug(), refused.problem().reasons[0].text.as_str()),
        ("403 policy-denied".to_owned(), "too risky")
    );
    assert_eq!(refused.problem().risk.unwrap().score, 71);
    let recorded = decisions(&house).await;
    assert_eq!(recorded[0]["risk"]["rows"][1]["id"], json!("forbidden"));
    assert_eq!(recorded[0]["request"]["context"], json!({ "risk": 71 }));

    for (amount, status) in [(5, "completed"), (500, "completed"), (-1, "failed")] {
        let body = json!({ "definition": "pay", "input": { "amount": amount } });
        let started = house.post("/v1/transactions", &house.owner, &body).await;
        assert_eq!(started.status, 201, "{}", started.text());
        let id = started.json()["id"].as_str().unwrap().to_owned();
        let result = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json();
        assert_eq!(result["status"], json!(status), "{result}");
        let recorded = decisions(&house).await;
        match amount {
            -1 => {
                assert_eq!(result["cause"]["error"]["type"], json!("PolicyDenied"), "{result}");
                let why = recorded[0]["reasons"][0]["text"].as_str().unwrap();
                assert_eq!(why, "risk table `money`: row 2, `financial`: division by zero");
            }
            _ => assert_eq!(recorded[0]["risk"]["score"], json!(if amount == 5 { 17 } else { 40 })),
        }
    }
}

/// Who is asked sees the risk that the tables gave, and has as long as it leaves; unless the step's author says more.
#[tokio::test]
async fn how_risky_it_is_says_how_long_people_have() {
    let house = House::new().await;
    let mut document = bundle(&json!([tables()[0]]));
    document["policies"] = json!("permit (principal, action, resource);");
    document["obligations"] = json!(
        "@id(\"eyes\") @obligation(\"approval\") permit (principal, action == Action::\"pay\", resource)
         when { context.amount > 100 };"
    );
    house.decide_by(&document).await;
    house.define(PAY).await;
    let approved = |name: &str, more: &str| {
        let approval = format!("irreversible: true, approval: {{reason: it is dear{more}}}}}");
        PAY.replace("name: pay", &format!("name: {name}")).replace("irreversible: true}", &approval)
    };
    house.define(&approved("asks", "")).await;
    house.define(&approved("knows", ", risk: 20")).await;
    let start = async |definition: &str, amount: u64| {
        let body = json!({ "definition": definition, "input": { "amount": amount } });
        let started = house.post("/v1/transactions", &house.owner, &body).await.json();
        let path = format!("/v1/requests?transaction={}", started["id"].as_str().unwrap());
        let found = house.get(&path, &house.owner).await.json()["items"][0].clone();
        let time = |name: &str| found[name].as_str().unwrap().parse::<Timestamp>().unwrap();
        (found["risk"].clone(), time("due_at").since(time("opened_at")).as_secs() / 3_600)
    };
    assert_eq!(start("pay", 500).await, (json!(90), 2), "what an obligation demands");
    assert_eq!(start("asks", 5).await, (json!(10), 72), "what the step demands");
    assert_eq!(start("knows", 5).await, (json!(20), 72));
}

#[tokio::test]
async fn what_can_not_be_said_denies() {
    let heavy = json!({
        "name": "heavy", "version": 1, "hit_policy": "first",
        "inputs": [{
            "name": "most", "type": "integer",
            "expression": "has(context.list) ? context.list.map(a, context.list.map(b, a + b)).size() : 0",
        }],
        "outputs": [{ "name": "privacy", "type": "integer" }],
        "rows": [{ "when": { "most": "[0..500]" }, "then": { "privacy": "most" } }],
    });
    let (house, bundle) = house(json!([heavy])).await;
    let check = async |context: Value, expected: &str| {
        let answer = ask(&house, "17", context).await;
        let text = answer["reasons"][0]["text"].as_str().unwrap();
        assert_eq!((&answer["permitted"], text), (&json!(false), expected), "{answer}");
        assert_eq!(answer.get("risk"), None);
        assert_eq!(decide_again(&bundle, &decisions(&house).await[0]), Outcome::Deny);
    };
    let numbers = |count: i64| (0..count).collect::<Vec<_>>();
    check(
        json!({ "amount": 1, "risk": 1 }),
        "`context.risk` may not be given: the bundle's risk tables say what it is",
    )
    .await;
    let fuel = "risk table `heavy`: the table takes more work than allowed";
    check(json!({ "amount": 1, "list": numbers(400) }), fuel).await;
    check(
        json!({ "amount": 1, "list": numbers(101) }),
        "risk table `heavy`: row 1, `privacy`: a risk is 0 to 100, not 101",
    )
    .await;
    let permitted = ask(&house, "17", json!({ "amount": 1, "list": numbers(50) })).await;
    assert_eq!((&permitted["permitted"], &permitted["risk"]["score"]), (&json!(true), &json!(50)), "{permitted}");

    let mut sparse = tables()[0].clone();
    sparse["rows"] = json!([{ "when": { "amount": "> 100" }, "then": { "financial": 90 } }]);
    let (house, _) = self::house(json!([sparse])).await;
    let answer = ask(&house, "17", json!({ "amount": 1 })).await;
    let text = &answer["reasons"][0]["text"];
    assert_eq!(
        (&answer["permitted"], text),
        (&json!(false), &json!("no row of the bundle's risk tables fires for it"))
    );
}

#[tokio::test]
async fn a_bundle_whose_tables_are_wrong_is_not_taken() {
    let house = House::new().await;
    let check = async |edit: &dyn Fn(&mut Value), expected: &str| {
        let mut document = bundle(&tables());
        edit(&mut document);
        let refused = house.post("/v1/bundles", &house.owner, &document).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        let errors = refused.problem().errors;
        let lines: Vec<String> = errors.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
        assert!(lines.iter().any(|line| line.contains(expected)), "expected {expected:?} in {lines:?}");
    };
    check(&|document| document["risk"] = json!({}), "risk: it is an object with a list of `tables`").await;
    check(
        &|document| document["risk"]["tables"][0]["rows"][0]["when"]["amount"] = json!("> 'a'"),
        "risk, table `money`: row 1, `amount`: \"a\" is not a whole number",
    )
    .await;
    check(
        &|document| document["risk"]["tables"][0]["hit_policy"] = json!("unique"),
        "risk, table `money`: row 3: it fires together with row 1, for `amount` >= 101",
    )
    .await;
    check(
        &|document| document["risk"]["tables"][1]["rows"].as_array_mut().unwrap().reverse(),
        "risk, table `place`: row 2: it can never fire",
    )
    .await;
    let failing = json!([{ "name": "much", "input": { "context": { "amount": 500 } }, "expect": { "financial": 1 } }]);
    check(
        &|document| document["risk"]["tables"][0]["tests"] = failing.clone(),
        "risk, table `money`: test `much`: expected {\"financial\":1}, got {\"financial\":90} (rows 1 fired)",
    )
    .await;
    check(
        &|document| {
            document["schema"] = json!(SCHEMA.replace("context: { risk: Long }", "context: { risk: String }"));
            document["policies"] = json!("");
        },
        "risk: action `start` declares `context.risk`, but not as a Long",
    )
    .await;
    // A gap may be meant.
    let mut document = bundle(&tables());
    document["risk"]["tables"][0]["rows"].as_array_mut().unwrap().pop();
    let pushed = house.post("/v1/bundles/check", &house.owner, &document).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let warning = &pushed.json()["warnings"][0];
    assert_eq!(warning["path"], json!("risk, table `money`"), "{}", pushed.text());
    assert_eq!(warning["message"], json!("no row fires for `amount` [0..101), null"));
}
