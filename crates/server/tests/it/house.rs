//! A server on a node in a directory of its own, with two tenants.

use crate::http::{Answer, Call};
use chancery_app::data::DataDir;
use chancery_app::{App, Closures, Config, bootstrap};
use chancery_base::Name;
use chancery_server::{Server, ServerOptions, serve};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tempfile::TempDir;

const SCHEMA: &str = "
entity User = { name: String };
entity Service = { name: String };
entity Agent = { name: String };
entity Definition;
entity Step in [Definition];
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
";
const POLICIES: &str = "
@id(\"starts\") permit (principal, action == Action::\"start\", resource);
@id(\"runs\") permit (principal, action == Action::\"run\", resource);
@id(\"never\") @reason(\"nobody starts this\")
forbid (principal, action == Action::\"start\", resource == Definition::\"forbidden\");
";
pub(crate) const ORDER: &str = "
name: order
version: 1
steps:
  - id: reserve
    run: {worker: reserve}
    with: {sku: \"${{ input.sku }}\"}
    compensate: {run: noop}
output: {id: \"${{ steps.reserve.output.id }}\"}
";

const ASK: &str = "
name: ask-people
version: 1
steps:
  - {id: ask, run: {request: {title: Is it all right?}}}
";

/// The server and whom it knows.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) server: Server,
    pub(crate) addr: SocketAddr,
    /// Runs the platform.
    pub(crate) platform: String,
    /// Owns the tenant `acme`.
    pub(crate) owner: String,
    _dir: TempDir,
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The defaults, on any free port.
pub(crate) fn options() -> ServerOptions {
    ServerOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        drain: Duration::from_millis(500),
        ..ServerOptions::default()
    }
}

/// A node with nothing but its owner, whose key it gives.
pub(crate) async fn node() -> (App, String, TempDir) {
    node_with(|config| config).await
}

/// The same, with other settings.
pub(crate) async fn node_with(settings: impl FnOnce(Config) -> Config) -> (App, String, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::create(&dir.path().join("data"), &name("test.example")).unwrap();
    bootstrap::system(&data, &name("test.example")).await.unwrap();
    let config = Config { drain: Duration::from_millis(200), ..Config::new("test.example", "node") };
    let app = App::open(settings(config), data.keys, data.store, Closures::new()).await.unwrap();
    let key = bootstrap::first_owner(&app).await.unwrap();
    (app, key.key.expose().to_owned(), dir)
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: ServerOptions) -> Self {
        Self::on(node().await, options).await
    }

    /// On a node that there is.
    pub(crate) async fn on((app, platform, dir): (App, String, TempDir), options: ServerOptions) -> Self {
        let server = serve(app.clone(), options).await.unwrap();
        let addr = server.local_addr();
        let mut house = Self { app, server, addr, platform, owner: String::new(), _dir: dir };
        house.owner = house.tenant("acme").await;
        house
    }

    /// Makes a tenant and gives its owner's key.
    pub(crate) async fn tenant(&self, name: &str) -> String {
        let answer = self.post("/v1/tenants", &self.platform, &json!({ "name": name })).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["key"].as_str().unwrap().to_owned()
    }

    /// Makes a principal of `acme` with these roles and gives its id and key.
    pub(crate) async fn principal(&self, name: &str, roles: &[&str]) -> (String, String) {
        self.somebody("service", name, roles).await
    }

    async fn somebody(&self, kind: &str, name: &str, roles: &[&str]) -> (String, String) {
        let body = json!({ "kind": kind, "name": name, "roles": roles });
        let answer = self.post("/v1/principals", &self.owner, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let answer = self.post(&format!("/v1/principals/{id}/keys"), &self.owner, &json!({})).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        (id, answer.json()["key"].as_str().unwrap().to_owned())
    }

    /// Makes a person of `acme` with these roles and gives their id and key.
    pub(crate) async fn person(&self, name: &str, roles: &[&str]) -> (String, String) {
        self.somebody("user", name, roles).await
    }

    /// Registers a definition.
    pub(crate) async fn define(&self, text: &str) {
        let call = Call::new("POST", "/v1/definitions").key(&self.owner);
        let answer = call.body("application/yaml", text.as_bytes()).send(self.addr).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// Starts a transaction that asks people at once, and gives the request's id.
    pub(crate) async fn ask(&self, key: &str) -> String {
        self.define(ASK).await;
        let started = self.post("/v1/transactions", key, &json!({ "definition": "ask-people" })).await;
        assert_eq!(started.status, 201, "{}", started.text());
        let transaction = started.json()["id"].as_str().unwrap().to_owned();
        let found = self.get(&format!("/v1/requests?transaction={transaction}"), &self.owner).await.json();
        found["items"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Asks for an override of a step of a transaction, and gives its id.
    pub(crate) async fn over(&self, key: &str, transaction: &str) -> String {
        let until = chancery_app::clock::now().plus(Duration::from_secs(3_600)).to_string();
        let asked = json!({
            "kind": "risk_accepted", "transaction": transaction, "step": "reserve", "until": until,
            "justification": "a test of who may say something of it",
        });
        let answer = self.post("/v1/overrides", key, &asked).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Pushes a bundle to `acme` and makes it the active one; gives its digest.
    pub(crate) async fn decide_by(&self, bundle: &Value) -> String {
        let pushed = self.post("/v1/bundles", &self.owner, bundle).await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        let digest = pushed.json()["digest"].as_str().unwrap().to_owned();
        let activate = Call::new("POST", format!("/v1/bundles/{digest}/activate?accept=1000")).key(&self.owner);
        assert_eq!(activate.send(self.addr).await.status, 200);
        digest
    }

    /// Has the shop's bundle permit by these policies alone.
    pub(crate) async fn only(&self, policies: &str) {
        self.decide_by(&json!({ "name": "shop", "version": 2, "schema": SCHEMA, "policies": policies })).await;
    }

    /// Puts the bundle and the definition `order` into force in `acme`; gives the bundle's digest.
    pub(crate) async fn shop(&self) -> String {
        let bundle = json!({ "name": "shop", "version": 1, "schema": SCHEMA, "policies": POLICIES });
        let digest = self.decide_by(&bundle).await;
        for document in [ORDER.to_owned(), ORDER.replace("name: order", "name: forbidden")] {
            let call = Call::new("POST", "/v1/definitions").key(&self.owner);
            let answer = call.body("application/yaml", document.as_bytes()).send(self.addr).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
        digest
    }

    /// Starts `order` and gives the transaction's id.
    pub(crate) async fn order(&self, key: &str) -> String {
        let body = json!({ "definition": "order", "input": { "sku": "a" } });
        let answer = self.post("/v1/transactions", key, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// What an exchange with a worker answers.
    pub(crate) async fn exchange(&self, key: &str, body: Value) -> Value {
        let answer = self.post("/v1/workers/exchange", key, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The task that waits in a queue, for the owner's worker.
    pub(crate) async fn task(&self, queue: &str) -> Value {
        let exchange = json!({ "worker": "w-1", "queues": [{ "name": queue, "want": 1 }], "wait": "5s" });
        let tasks = self.exchange(&self.owner, exchange).await["tasks"].clone();
        assert_eq!(tasks.as_array().map(Vec::len), Some(1), "{queue}: {tasks}");
        tasks[0].clone()
    }

    /// Says that it is done.
    pub(crate) async fn done(&self, task: &Value, output: Value) {
        let done = json!([{ "task": task["task"], "output": output }]);
        let report = json!({ "worker": "w-1", "queues": [], "done": done });
        let answer = self.exchange(&self.owner, report).await;
        assert_eq!(answer["acks"][0]["ack"], "recorded", "{answer}");
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        Call::new("GET", path).key(key).send(self.addr).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        Call::new("POST", path).key(key).json(body).send(self.addr).await
    }

    /// Where the log of `acme` is served: `/tlog/acme/<shard>/<generation>`.
    pub(crate) async fn log(&self) -> String {
        let answer = self.get("/v1/ledger/logs", &self.owner).await.json();
        let origin = answer["items"][0]["origin"].as_str().unwrap();
        origin.replacen("test.example", "/tlog", 1)
    }

    /// How many entries the log of `acme` has.
    pub(crate) async fn log_size(&self) -> u64 {
        let answer = self.get("/v1/ledger/logs", &self.owner).await;
        answer.json()["items"][0]["size"].as_u64().unwrap()
    }
}
