//! No change without its entry: each operation of the API that may change something is done here, and the log is looked
//! at for what it wrote.

use crate::capabilities::id_of;
use crate::house::House;
use crate::http::Call;
use chancery_api::routes::{Method, ROUTES, Route};
use chancery_app::clock::now;
use chancery_base::Timestamp;
use chancery_ledger::note::SigningKey;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
action start, run appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };
";
const WHY: &str = "because this is a test of entries";
const KEY: &str = "ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// Asks, works something out or tells it, and changes nothing.
const ASKS: &[&str] = &[
    "access_search_action",
    "access_search_resource",
    "access_search_subject",
    "bundle_check",
    "bundle_replay",
    "bundle_simulate",
    "bundle_simulate_source",
    "compliance_status",
    "definition_check",
    "notifier_test",
    "report_separation_of",
];

struct Walk {
    house: House,
    done: BTreeSet<&'static str>,
}

/// The route of an operation that may change something.
fn route(operation: &str) -> &'static Route {
    ROUTES.iter().find(|route| route.operation_id == operation).unwrap_or_else(|| panic!("there is no {operation}"))
}

impl Walk {
    async fn new() -> Self {
        let house = House::new().await;
        let bundle = json!({ "name": "all", "version": 1, "schema": SCHEMA, "policies": "permit (principal, action, resource);" });
        house.decide_by(&bundle).await;
        Self { house, done: BTreeSet::new() }
    }

    /// Every entry of a log, by kind, in order.
    async fn kinds(&self, key: &str) -> Vec<String> {
        let entries = self.house.get("/v1/ledger/entries?limit=1000", key).await.json();
        let record = |entry: &Value| serde_json::from_str::<Value>(entry["record"].as_str().unwrap()).unwrap();
        let items = entries["items"].as_array().unwrap();
        items.iter().map(|entry| record(entry)["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// Does an operation as the owner, and finds the entries that it has to write among the new ones.
    async fn does(&mut self, operation: &'static str, path: &str, body: Value, kinds: &[&str]) -> Value {
        let owner = self.house.owner.clone();
        self.does_as(&owner, operation, path, body, kinds).await
    }

    async fn does_as(&mut self, key: &str, operation: &'static str, path: &str, body: Value, kinds: &[&str]) -> Value {
        let route = route(operation);
        let (before_acme, before_system) =
            (self.kinds(&self.house.owner).await, self.kinds(&self.house.platform).await);
        let call = Call::new(route.method.word(), path).key(key);
        let call = match &body {
            Value::Null => call,
            Value::String(text) => call.body("application/yaml", text.as_bytes()),
            Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_) => call.json(&body),
        };
        let answer = call.send(self.house.addr).await;
        assert!((200..300).contains(&answer.status), "{operation}: {} {}", answer.status, answer.text());
        let mut new = self.kinds(&self.house.owner).await.split_off(before_acme.len());
        new.extend(self.kinds(&self.house.platform).await.split_off(before_system.len()));
        for kind in kinds {
            assert!(new.iter().any(|written| written == kind), "{operation} wrote {new:?}, and no {kind}");
        }
        assert_eq!(kinds.is_empty(), ASKS.contains(&operation), "{operation}: what it writes is not said");
        assert!(!ASKS.contains(&operation) || new.is_empty(), "{operation} wrote {new:?}");
        self.done.insert(operation);
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    async fn start(&self, definition: &str) -> String {
        let answer = self.house.post("/v1/transactions", &self.house.owner, &json!({ "definition": definition })).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn directory(&mut self) {
        let platform = self.house.platform.clone();
        self.does_as(&platform, "tenant_create", "/v1/tenants", json!({ "name": "other" }), &["tenant.created"]).await;
        let body = json!({ "kind": "user", "name": "zoe", "roles": ["developer"] });
        let made = self.does("principal_create", "/v1/principals", body, &["principal.created"]).await;
        let path = format!("/v1/principals/{}", made["id"].as_str().unwrap());
        self.does("principal_set", &path, json!({ "suspended": true }), &["principal.changed"]).await;
        let key = self.does("key_issue", &format!("{path}/keys"), json!({}), &["key.issued"]).await;
        let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
        self.does("key_revoke", &path, Value::Null, &["key.revoked"]).await;
    }

    async fn documents(&mut self) {
        let text = "name: plain\nversion: 1\nsteps:\n  - {id: a, run: {worker: a}, irreversible: true}\n";
        self.does("definition_check", "/v1/definitions/check", json!(text), &[]).await;
        self.does("definition_register", "/v1/definitions", json!(text), &["definition.registered"]).await;
        let bundle = json!({ "name": "all", "version": 2, "schema": SCHEMA, "policies": "permit (principal, action, resource); permit (principal, action == Action::\"run\", resource);" });
        self.does("bundle_check", "/v1/bundles/check", bundle.clone(), &[]).await;
        let pushed = self.does("bundle_push", "/v1/bundles", bundle.clone(), &["bundle.pushed"]).await;
        let path = format!("/v1/bundles/{}", pushed["digest"].as_str().unwrap());
        let question = json!({ "action": "run", "resource": { "type": "Step", "id": "plain/a" } });
        self.does("bundle_simulate", &format!("{path}/simulate"), question.clone(), &[]).await;
        let inline = json!({ "bundle": bundle, "question": question });
        self.does("bundle_simulate_source", "/v1/bundles/simulate", inline, &[]).await;
        self.does("bundle_replay", &format!("{path}/replay"), json!({}), &[]).await;
        self.does("bundle_shadow", &format!("{path}/shadow"), Value::Null, &["bundle.shadowed"]).await;
        self.does("bundle_shadow_end", "/v1/bundles/shadow", Value::Null, &["bundle.shadowed"]).await;
        self.does("bundle_activate", &format!("{path}/activate"), Value::Null, &["bundle.activated"]).await;
        self.does("bundle_rollback", "/v1/bundles/rollback", Value::Null, &["bundle.activated"]).await;
        self.does("decision_make", "/v1/decisions", question, &["decision.permitted"]).await;
        let (ann, _) = self.house.person("zed", &["developer"]).await;
        let who = json!({ "type": "User", "id": ann });
        let about =
            json!({ "subject": who, "action": { "name": "run" }, "resource": { "type": "Step", "id": "plain/a" } });
        self.does("access_evaluation", "/access/v1/evaluation", about.clone(), &["decision.permitted"]).await;
        let several = json!({ "evaluations": [about] });
        self.does("access_evaluations", "/access/v1/evaluations", several, &["decision.permitted"]).await;
        let mut about = about;
        for (operation, part) in [
            ("access_search_subject", "subject"),
            ("access_search_resource", "resource"),
            ("access_search_action", "action"),
        ] {
            let mut search = about.clone();
            match part {
                "action" => drop(search.as_object_mut().unwrap().remove("action")),
                part => drop(search[part].as_object_mut().unwrap().remove("id")),
            }
            self.does(operation, &format!("/access/v1/search/{part}"), search, &[]).await;
        }
        about = json!({ "name": "own", "title": "Ours", "version": 1, "controls": [{ "id": "1", "title": "t", "asks": "a",
            "queries": [{ "says": "it began", "kinds": ["transaction.started"], "at_least": 1 }] }] });
        self.does("compliance_status", "/v1/compliance/status", about, &[]).await;
        let export = json!({ "format": "json", "justification": WHY });
        let call = Call::new("POST", "/v1/exports").key(&self.house.owner).json(&export);
        let before = self.kinds(&self.house.owner).await.len();
        assert_eq!(call.send(self.house.addr).await.status, 200);
        assert_eq!(self.kinds(&self.house.owner).await.split_off(before), ["export.made"]);
        self.done.insert("export_make");
    }

    async fn transactions(&mut self) {
        self.house.define("name: waits\nversion: 1\nsteps:\n  - {id: first, run: {worker: first}, irreversible: true}\n  - {id: go, after: [first], run: {signal: {name: go}}}\n").await;
        let started = self
            .does("transaction_start", "/v1/transactions", json!({ "definition": "waits" }), &["transaction.started"])
            .await;
        let path = format!("/v1/transactions/{}", started["id"].as_str().unwrap());
        let why = json!({ "justification": WHY });
        self.does(
            "transaction_signal",
            &format!("{path}/signals"),
            json!({ "name": "go", "payload": 1 }),
            &["signal.received"],
        )
        .await;
        self.does("transaction_pause", &format!("{path}/pause"), why.clone(), &["transaction.paused"]).await;
        self.does("transaction_resume", &format!("{path}/resume"), why.clone(), &["transaction.unpaused"]).await;
        let exchange = json!({ "worker": "w-1", "queues": [{ "name": "first", "want": 1 }], "wait": "5s" });
        self.does("worker_exchange", "/v1/workers/exchange", exchange, &["step.dispatched"]).await;
        let ended = &["transaction.terminated"];
        self.does("transaction_terminate", &format!("{path}/terminate"), why.clone(), ended).await;
        let fork = json!({ "step": "first", "justification": WHY });
        self.does("transaction_fork", &format!("{path}/fork"), fork, &["transaction.started"]).await;
        let path = format!("/v1/transactions/{}", self.start("plain").await);
        self.does("transaction_cancel", &format!("{path}/cancel"), why.clone(), &["transaction.cancel_requested"])
            .await;
        self.start("plain").await;
        let bulk = json!({ "search": "status:running definition:plain", "operation": "cancel", "justification": WHY });
        self.does("transaction_bulk", "/v1/transactions/bulk", bulk, &["transaction.cancel_requested"]).await;
        self.parked(why).await;
    }

    /// What waits for a person, twice: once it is tried again, once settled by hand.
    async fn parked(&mut self, why: Value) {
        self.house.define("name: pivots\nversion: 1\nsteps:\n  - {id: a, run: noop, pivot: true}\n  - {id: b, after: [a], run: {worker: b}, retry: {attempts: 1}, irreversible: true}\n").await;
        let path = format!("/v1/transactions/{}", self.start("pivots").await);
        for (operation, body, kind) in [
            ("transaction_retry", why, "transaction.resumed"),
            ("transaction_resolve", json!({ "step": "b", "output": 1, "justification": WHY }), "step.completed"),
        ] {
            let task = self.house.task("b").await;
            let error = json!({ "type": "Broken", "message": "it broke", "final": true });
            let failed = json!({ "worker": "w-1", "queues": [], "done": [{ "task": task["task"], "error": error }] });
            self.house.post("/v1/workers/exchange", &self.house.owner, &failed).await;
            let verb = operation.strip_prefix("transaction_").unwrap();
            self.does(operation, &format!("{path}/{verb}"), body, &[kind]).await;
        }
    }

    async fn open(&mut self) {
        self.house.define("name: talk\nversion: 1\nkind: open\ndeadline: 1h\n").await;
        let path = format!("/v1/transactions/{}", self.start("talk").await);
        let ask = json!({ "driver": 1, "id": "look", "action": "run", "input": 1 });
        let stepped = self.does("open_step", &format!("{path}/steps"), ask, &["step.dispatched"]).await;
        let outcome = json!({ "task": stepped["permit"]["task"], "output": 2 });
        self.does("open_outcome", &format!("{path}/steps/look"), outcome, &["step.completed"]).await;
        self.does("open_resume", &format!("{path}/drivers"), json!({}), &["driver.resumed"]).await;
        self.does(
            "open_abort",
            &format!("{path}/abort"),
            json!({ "driver": 2, "reason": WHY }),
            &["transaction.cancelled"],
        )
        .await;
        let path = format!("/v1/transactions/{}", self.start("talk").await);
        self.does(
            "open_commit",
            &format!("{path}/commit"),
            json!({ "driver": 1, "output": 1 }),
            &["transaction.completed"],
        )
        .await;
    }

    async fn people(&mut self) {
        let (ann_id, ann) = self.house.person("ann", &["approver"]).await;
        let (_, bob) = self.house.person("bob", &["approver"]).await;
        let request = self.house.ask(&self.house.owner).await;
        let path = format!("/v1/requests/{request}");
        self.does_as(&bob, "request_acknowledge", &format!("{path}/acknowledge"), json!({}), &["request.acknowledged"])
            .await;
        let opened: Timestamp =
            self.house.get(&path, &ann).await.json()["opened_at"].as_str().unwrap().parse().unwrap();
        let until = opened.plus(Duration::from_secs(48 * 3_600));
        let body = json!({ "until": until, "justification": WHY });
        self.does_as(&bob, "request_defer", &format!("{path}/defer"), body, &["request.deferred"]).await;
        let to = json!({ "to": ann_id, "justification": WHY });
        self.does_as(&bob, "request_delegate", &format!("{path}/delegate"), to, &["request.delegated"]).await;
        let answer = json!({ "answer": "approved", "justification": WHY });
        self.does_as(&ann, "request_answer", &format!("{path}/answer"), answer, &["request.answered"]).await;
    }

    async fn operations(&mut self) {
        let on = json!({ "on": true, "justification": WHY });
        self.does("maintenance_set", "/v1/maintenance", on, &["maintenance.began"]).await;
        let off = json!({ "on": false, "justification": WHY });
        self.does("maintenance_set", "/v1/maintenance", off, &["maintenance.ended"]).await;
        let stop = json!({ "on": "action", "name": "fly", "justification": WHY });
        let stop = self.does("stop_set", "/v1/stops", stop, &["stop.set"]).await;
        let path = format!("/v1/stops/{}/lift", stop["id"].as_str().unwrap());
        self.does("stop_lift", &path, json!({ "justification": WHY }), &["stop.lifted"]).await;
        self.does("retention_set", "/v1/retention", json!({ "transactions": "30d" }), &["retention.changed"]).await;
        self.does("queue_set", "/v1/queues/mail", json!({ "concurrency": 3 }), &["queue.changed"]).await;
        self.does("queue_reset", "/v1/queues/mail", Value::Null, &["queue.changed"]).await;
        self.does("settings_put", "/v1/settings", json!({ "values": { "A": 1 } }), &["settings.changed"]).await;
        self.does("settings_patch", "/v1/settings", json!({ "values": { "B": 2 } }), &["settings.changed"]).await;
        self.does("target_set", "/v1/targets/https:mail.example:443", json!({ "rate": 5 }), &["target.changed"]).await;
        let force = json!({ "force": "open", "justification": WHY });
        self.does("target_force", "/v1/targets/https:mail.example:443/breaker", force, &["target.forced"]).await;
        let secret =
            self.does("signing_secret_issue", "/v1/signing-secrets", json!({}), &["signing_secret.issued"]).await;
        let path = format!("/v1/signing-secrets/{}", secret["id"].as_str().unwrap());
        self.does("signing_secret_retire", &path, Value::Null, &["signing_secret.retired"]).await;
    }

    /// What is demanded of bundles and of steps, and what shows that it holds.
    async fn governance(&mut self) {
        let key = SigningKey::from_seed("ann@shop.example".parse().unwrap(), &[1; 32]).verifier().to_string();
        self.does("signer_add", "/v1/signers", json!({ "key": key }), &["signer.added"]).await;
        let rules = json!({ "second_person": true });
        self.does("bundle_rules_set", "/v1/bundle-rules", rules, &["bundle_rules.changed"]).await;
        self.does("signer_remove", "/v1/signers/ann@shop.example", Value::Null, &["signer.removed"]).await;
        let budget = json!({ "measure": "count", "per": "tenant", "limit": 5 });
        self.does("budget_set", "/v1/budgets/mails", budget, &["budget.set"]).await;
        self.does("budget_delete", "/v1/budgets/mails", Value::Null, &["budget.deleted"]).await;
        let artefact = json!({ "name": "dpia", "type": "text/plain", "content": "aGVsbG8=" });
        self.does("evidence_add", "/v1/evidence", artefact, &["evidence.added"]).await;
        let duty = |says: &str, kind: &str| json!({ "says": says, "kinds": [kind] });
        let pair = json!({ "name": "a", "title": "a", "first": duty("a", "bundle.pushed"),
            "second": duty("b", "bundle.activated"), "within": "bundle" });
        self.does("report_separation_of", "/v1/reports/separation", json!({ "pairs": [pair] }), &[]).await;
    }

    /// What people answer for, and who is told so.
    async fn overrides(&mut self) {
        let webhook =
            json!({ "channel": { "kind": "webhook", "url": "https://duty.example/" }, "events": ["request.opened"] });
        self.does("notifier_set", "/v1/notifiers/duty", webhook, &["notifier.set"]).await;
        self.does("notifier_test", "/v1/notifiers/duty/test", Value::Null, &[]).await;
        self.does("notifier_delete", "/v1/notifiers/duty", Value::Null, &["notifier.deleted"]).await;
        let (_, operator) = self.house.person("olga", &["operator"]).await;
        let (_, approver) = self.house.person("pia", &["approver"]).await;
        let (_, reviewer) = self.house.person("rob", &["approver"]).await;
        let body = json!({ "kind": "time_limited_exception", "action": "run", "principal": self.house.principal("robot", &["worker"]).await.0,
            "resource": { "type": "Step", "id": "plain/a" }, "until": now().plus(Duration::from_secs(600)), "justification": WHY });
        let why = json!({ "justification": WHY });
        let asked = ["override.requested"];
        let first = self.does_as(&operator, "override_request", "/v1/overrides", body.clone(), &asked).await;
        let path = format!("/v1/overrides/{}", first["id"].as_str().unwrap());
        self.does_as(&approver, "override_refuse", &format!("{path}/refuse"), why.clone(), &["override.refused"]).await;
        let second = self.does_as(&operator, "override_request", "/v1/overrides", body, &asked).await;
        let path = format!("/v1/overrides/{}", second["id"].as_str().unwrap());
        self.does_as(&approver, "override_grant", &format!("{path}/grant"), why.clone(), &["override.granted"]).await;
        self.does_as(&operator, "override_revoke", &format!("{path}/revoke"), why.clone(), &["override.revoked"]).await;
        self.does_as(&reviewer, "override_review", &format!("{path}/review"), why, &["override.reviewed"]).await;
    }

    async fn schedules(&mut self) {
        let path = "/v1/schedules/nightly";
        let terms = json!({ "definition": "plain", "cron": "30 2 * * *" });
        self.does("schedule_create", path, terms, &["schedule.created"]).await;
        let terms = json!({ "definition": "plain", "every": "24h" });
        self.does("schedule_set", path, terms, &["schedule.changed"]).await;
        self.does("schedule_pause", &format!("{path}/pause"), json!({}), &["schedule.paused"]).await;
        self.does("schedule_resume", &format!("{path}/resume"), json!({}), &["schedule.resumed"]).await;
        let fired = &["schedule.fired", "transaction.started"];
        self.does("schedule_trigger", &format!("{path}/trigger"), json!({}), fired).await;
        self.does("schedule_delete", path, Value::Null, &["schedule.deleted"]).await;
    }

    async fn capabilities(&mut self) {
        self.house.define("name: keyed\nversion: 1\nsteps:\n  - {id: k, run: {worker: k}, capability: true, irreversible: true}\n").await;
        self.start("keyed").await;
        let exchange = json!({ "worker": "k", "key": KEY, "queues": [{ "name": "k", "want": 1 }], "wait": "5s" });
        let tasks = self.house.post("/v1/workers/exchange", &self.house.owner, &exchange).await.json();
        let id = id_of(tasks["tasks"][0]["transaction"].as_str().unwrap());
        let path = format!("/v1/capabilities/{id}/revoke");
        self.does("capability_revoke", &path, json!({ "justification": WHY }), &["capability.revoked"]).await;
    }
}

/// Done elsewhere, for they take what this walk has not: a target that answers later, and a driver that is silent.
const ELSEWHERE: &[(&str, &str)] = &[
    ("callback", "crates/app/tests/it/targets.rs: `step.completed`"),
    ("open_heartbeat", "the driver is heard, which is an entry at most each third of its grace: `driver.heard`"),
];

#[tokio::test]
async fn every_operation_that_changes_something_writes_an_entry() {
    let mut walk = Walk::new().await;
    walk.directory().await;
    walk.documents().await;
    walk.transactions().await;
    walk.open().await;
    walk.people().await;
    walk.operations().await;
    walk.schedules().await;
    walk.capabilities().await;
    walk.governance().await;
    walk.overrides().await;
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(operation, _)| *operation).collect();
    let may_change = ROUTES.iter().filter(|route| route.method != Method::Get).map(|route| route.operation_id);
    let missed: Vec<&str> =
        may_change.filter(|operation| !walk.done.contains(operation) && !elsewhere.contains(operation)).collect();
    assert_eq!(missed, [] as [&str; 0], "what do these write?");
}
