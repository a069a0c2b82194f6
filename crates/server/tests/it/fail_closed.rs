//! Fail closed, as one table: whatever is wrong, the answer is no, it says why, and it is an entry.
//!
//! That a stale control epoch commits nothing is shown where time and stores can be held still, in the simulation:
//! `a_decision_under_an_older_control_epoch_is_taken_again` and, with the guard left out,
//! `a_skipped_control_epoch_guard_is_caught`.

use crate::house::{House, node_with, options};
use crate::pip::{Pip, Said};
use chancery_app::{Config, InformationOptions};
use serde_json::{Value, json};
use std::time::Duration;

const SCHEMA: &str = "
entity User, Service, Agent = { name: String };
entity Guest = { level: Long };
entity Definition;
entity Step in [Definition] = { @asserted tier?: String };
entity Account = { owner: String };
type Around = { amount?: Long, classes?: Set<String>, purpose?: String };
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
action run, pay appliesTo { principal: [User, Service, Agent, Guest], resource: [Step, Account], context: Around };
";
const POLICIES: &str = "
permit (principal, action, resource);
@id(\"errs\") forbid (principal, action == Action::\"pay\", resource)
  when { context has amount && context.amount * 9223372036854775807 > 0 };
";
const OBLIGATIONS: &str = "
@id(\"demand-errs\") @obligation(\"limits\") @timeout(\"30s\") permit (principal, action == Action::\"run\", resource)
  when { context has amount && context.amount * 9223372036854775807 > 0 };
@id(\"heard\") @obligation(\"notify\") @notifier(\"nobody\") permit (principal, action == Action::\"run\", resource)
  when { context has purpose && context.purpose == \"audit\" };
";

fn bundle() -> Value {
    json!({
        "name": "closed", "version": 1, "schema": SCHEMA, "policies": POLICIES, "obligations": OBLIGATIONS,
        "classes": ["public"], "purposes": ["audit", "billing"],
    })
}

/// Every denial of the log, the newest first, as text.
async fn denials(house: &House) -> Vec<String> {
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let items = entries["items"].as_array().unwrap().iter().rev();
    let is_denial = |entry: &&Value| entry["record"].as_str().unwrap().contains(r#""kind":"decision.denied""#);
    items.filter(is_denial).map(|entry| entry["payload"].to_string()).collect()
}

/// The newest denial says this, and there is one more than before.
async fn is_entered(house: &House, before: usize, case: &str, why: &str) {
    let found = denials(house).await;
    assert_eq!(found.len(), before + 1, "{case}: {found:#?}");
    assert!(found[0].contains(why), "{case}: {}", found[0]);
}

#[tokio::test]
async fn questions_that_can_not_be_answered_are_denied() {
    let house = House::new().await;
    house.decide_by(&bundle()).await;
    let step = json!({ "type": "Step", "id": "a/b" });
    let nobody = "usr_00000000000000000000000000000000";
    let cases = [
        (
            "an erring forbid",
            json!({ "action": "pay", "resource": step, "context": { "amount": 2 } }),
            "this policy failed, and a policy that fails denies",
        ),
        (
            "an erring obligation",
            json!({ "action": "run", "resource": step, "context": { "amount": 2 } }),
            "this obligation failed, and one that fails denies",
        ),
        ("an unknown principal", json!({ "action": "run", "resource": step, "principal": nobody }), "is unknown"),
        (
            "a missing entity",
            json!({ "action": "run", "resource": { "type": "Account", "id": "a-1" } }),
            "`resource.owner` is missing",
        ),
        ("an unknown action", json!({ "action": "fly", "resource": step }), "the bundle's schema has no action `fly`"),
        (
            "an unknown entity type",
            json!({ "action": "run", "resource": { "type": "Plane", "id": "p" } }),
            "no entity type `Plane`",
        ),
        (
            "an unknown class",
            json!({ "action": "run", "resource": step, "context": { "classes": ["secret"] } }),
            "no class of data `secret`",
        ),
        (
            "a notifier that is missing",
            json!({ "action": "run", "resource": step, "context": { "purpose": "audit" } }),
            "obligation `heard` demands notify: there is no notifier `nobody`",
        ),
        (
            "an unknown purpose",
            json!({ "action": "run", "resource": step, "context": { "purpose": "fun" } }),
            "no purpose `fun`",
        ),
    ];
    for (case, question, why) in cases {
        let before = denials(&house).await.len();
        let answer = house.post("/v1/decisions", &house.owner, &question).await.json();
        assert_eq!(answer["permitted"], false, "{case}: {answer}");
        assert!(answer["reasons"].to_string().contains(why), "{case}: {answer}");
        is_entered(&house, before, case, why).await;
    }
    let sound =
        json!({ "action": "run", "resource": step, "context": { "classes": ["public"], "purpose": "billing" } });
    assert_eq!(house.post("/v1/decisions", &house.owner, &sound).await.json()["permitted"], true);
}

/// What would not load never decides: the push is refused, and what was in force is.
#[tokio::test]
async fn a_bundle_that_will_not_load_is_not_taken_and_none_permits_nothing() {
    let house = House::new().await;
    let question = json!({ "action": "run", "resource": { "type": "Step", "id": "a/b" } });
    let answer = house.post("/v1/decisions", &house.owner, &question).await.json();
    let why = "no bundle is active, so nothing is permitted";
    assert!(answer["reasons"].to_string().contains(why), "{answer}");
    is_entered(&house, 0, "no bundle", why).await;
    let digest = house.decide_by(&bundle()).await;
    for (key, value, why) in [
        ("policies", "permit (principal, action, resource) when { context.nothing };", "nothing"),
        ("obligations", "@obligation(\"hope\") permit (principal, action, resource);", "hope"),
        ("obligations", "@obligation(\"limits\") @timeout(\"soon\") permit (principal, action, resource);", "soon"),
        ("schema", "entity User = {", "schema"),
    ] {
        let mut wrong = bundle();
        wrong["version"] = json!(2);
        wrong[key] = json!(value);
        let size = house.log_size().await;
        let refused = house.post("/v1/bundles", &house.owner, &wrong).await;
        assert_eq!(refused.slug(), "400 invalid-document", "{}", refused.text());
        assert!(refused.text().contains(why), "{}", refused.text());
        assert_eq!(house.log_size().await, size, "nothing changed");
    }
    let active = house.post("/v1/decisions", &house.owner, &question).await.json();
    assert_eq!((&active["permitted"], &active["bundle"]), (&json!(true), &json!(digest)));
}

#[tokio::test]
async fn an_information_point_that_is_slow_or_down_denies() {
    let slow = Pip::new(|_| Said::Nothing).await;
    let slow_options = InformationOptions { timeout: Duration::from_millis(50), ..InformationOptions::new(&slow.url) };
    for (case, information, why) in [
        ("slow", slow_options, "it did not answer within 50ms"),
        ("down", InformationOptions::new("http://127.0.0.1:1/"), "no connection"),
    ] {
        let information = Some(information);
        let house = House::on(node_with(|config| Config { information, ..config }).await, options()).await;
        house.decide_by(&bundle()).await;
        let question = json!({ "subject": { "type": "Guest", "id": "g" }, "action": { "name": "run" },
            "resource": { "type": "Step", "id": "a/b" } });
        let answer = house.post("/access/v1/evaluation", &house.owner, &question).await.json();
        assert_eq!(answer["decision"], false, "{case}: {answer}");
        is_entered(&house, 0, case, why).await;
    }
}

/// A step that waits in a queue while something happens to it.
async fn queued(house: &House, keys: &str) -> String {
    house
        .define(&format!(
            "name: one\nversion: 1\nsteps:\n  - id: a\n    run: {{worker: a}}\n    irreversible: true\n{keys}"
        ))
        .await;
    let started = house.post("/v1/transactions", &house.owner, &json!({ "definition": "one" })).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stop_while_a_task_is_queued_denies_it() {
    let house = House::new().await;
    house.decide_by(&bundle()).await;
    let id = queued(&house, "").await;
    let stop = json!({ "on": "definition", "name": "one", "justification": "an incident" });
    assert_eq!(house.post("/v1/stops", &house.owner, &stop).await.status, 201);
    let exchange = json!({ "worker": "w", "queues": [{ "name": "a", "want": 1 }], "wait": "200ms" });
    let tasks = house.post("/v1/workers/exchange", &house.owner, &exchange).await.json();
    assert_eq!(tasks["tasks"], json!([]));
    let result = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json();
    assert_eq!(result["cause"]["error"]["type"], "PolicyDenied", "{result}");
    assert!(result.to_string().contains("an incident"), "{result}");
    is_entered(&house, 0, "a stop", "an incident").await;
}

/// Nobody answered in time: that is a no, an entry of its own, and the step never goes out.
#[tokio::test]
async fn a_request_that_expires_is_a_no() {
    let house = House::new().await;
    house.decide_by(&bundle()).await;
    let id = queued(&house, "    approval: {sla: 1s}\n").await;
    let exchange = json!({ "worker": "w", "queues": [{ "name": "a", "want": 1 }], "wait": "3s" });
    let tasks = house.post("/v1/workers/exchange", &house.owner, &exchange).await.json();
    assert_eq!(tasks["tasks"], json!([]));
    let result = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json();
    assert_eq!(result["status"], "failed", "{result}");
    let history = house.get(&format!("/v1/transactions/{id}/history"), &house.owner).await.text().to_owned();
    assert!(history.contains("request.expired") && history.contains("request_expired"), "{history}");
}

/// Who may ask for an override does not grant one, nor does a machine: both are told no, and nothing is overridden.
#[tokio::test]
async fn an_override_without_the_role_is_none() {
    let house = House::new().await;
    house.shop().await;
    let (_, operator) = house.person("ann", &["operator"]).await;
    let (_, machine) = house.principal("robot", &["approver"]).await;
    let (_, shop) = house.principal("shop", &["service"]).await;
    let id = house.order(&shop).await;
    let path = format!("/v1/overrides/{}/grant", house.over(&operator, &id).await);
    let grant = json!({ "justification": "an incident" });
    for (case, key, slug, why) in [
        ("a person without the role", &operator, "403 denied", "override:answer"),
        ("a machine that has it", &machine, "403 may-not-answer", "is not a person"),
    ] {
        let before = denials(&house).await.len();
        let refused = house.post(&path, key, &grant).await;
        assert_eq!(refused.slug(), slug, "{case}: {}", refused.text());
        is_entered(&house, before, case, why).await;
    }
    let shown = house.get(path.strip_suffix("/grant").unwrap(), &operator).await.json();
    assert_eq!(shown["status"], "requested", "{shown}");
}
