//! A server with a tenant, and workers whose handlers a test may break.

use crate::breaks::Breaks;
use crate::program::{PATIENCE, Program, repository, shell};
use chancery_sdk::api::principal::{CreatePrincipal, PrincipalKind};
use chancery_sdk::api::transaction::Transaction;
use chancery_sdk::client::Language;
use chancery_sdk::{Client, ClientOptions, Name, Secret, Start, TransactionId, Worker, WorkerError};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A bundle: its schema and its policies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bundle {
    schema: &'static str,
    policies: &'static str,
}

/// What `chancery dev` brings: whoever has a key may run anything.
pub(crate) const STARTER: Bundle =
    Bundle { schema: "examples/starter/schema.cedarschema", policies: "examples/starter/hello.cedar" };
/// That of the order.
pub(crate) const SHOP: Bundle =
    Bundle { schema: "examples/order/bundle/schema.cedarschema", policies: "examples/order/bundle/orders.cedar" };

/// A server that knows one tenant.
#[derive(Debug)]
pub(crate) struct House {
    /// Of a service, that starts and works.
    pub(crate) client: Client,
    /// Of the tenant's owner.
    pub(crate) owner: Client,
    _server: Program,
    _dir: TempDir,
}

/// A worker that runs until it is told to end.
#[derive(Debug)]
pub(crate) struct Running {
    end: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    pub(crate) async fn end(self) {
        assert!(self.end.send(()).is_ok() || self.ended.is_finished());
        tokio::time::timeout(PATIENCE, self.ended).await.expect("it ends").unwrap().unwrap();
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The text of a definition.
pub(crate) fn definition(file: &str) -> String {
    std::fs::read_to_string(repository("examples").join(file)).unwrap()
}

impl House {
    /// A server whose steps may call these origins.
    pub(crate) async fn new(bundle: Bundle, definitions: &[String], targets: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = shell(dir.path(), "chancery init --data data --key-file system.key").output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let allowed: String = targets.iter().map(|origin| format!(" --allow-http-target {origin}")).collect();
        let serve = format!("chancery serve --data data --listen 127.0.0.1:0{allowed}");
        let server = Program::start(dir.path(), &serve, "listening on http://");
        let url = format!("http://{}", server.address("listening on http://"));
        let client = |key: Secret| Client::new(ClientOptions::new(url.clone(), key)).unwrap();
        let key = std::fs::read_to_string(dir.path().join("system.key")).unwrap();
        let system = client(Secret::new(key.trim().to_owned()));
        let owner = client(system.tenant_create("acme".parse().unwrap()).await.unwrap().key.into_secret());
        let shop = CreatePrincipal {
            kind: PrincipalKind::Service,
            name: "shop".to_owned(),
            roles: vec![name("service")],
            attributes: Map::new(),
        };
        let shop = owner.principal_create(&shop).await.unwrap();
        let service = client(owner.key_issue(shop.id, None).await.unwrap().key.into_secret());
        let text = |path: &str| std::fs::read_to_string(repository(path)).unwrap();
        let policies = text(bundle.policies);
        let document = json!({"name": "examples", "version": 1, "schema": text(bundle.schema), "policies": policies});
        let pushed = owner.bundle_push(&document).await.unwrap();
        owner.bundle_activate(pushed.digest, None).await.unwrap();
        for definition in definitions {
            owner.definition_register(Language::Yaml, definition).await.unwrap();
        }
        Self { client: service, owner, _server: server, _dir: dir }
    }

    /// Runs a worker with what a test does to its handlers.
    pub(crate) fn work(&self, breaks: &Breaks, handlers: impl FnOnce(Worker) -> Worker) -> Running {
        // It asks so often that it ends soon when it is told to.
        let worker = Worker::new(self.client.clone(), "worker").hold(Duration::from_millis(100));
        let worker = breaks.around(handlers(worker));
        let (end, told) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
        let ended = tokio::spawn(worker.run(async move { drop(told.await) }));
        Running { end, ended }
    }

    /// Starts a transaction and waits until it ends, or waits for a person.
    pub(crate) async fn run(&self, start: &Start) -> Transaction {
        let started = self.client.start(start).await.unwrap();
        self.ended(started.id).await
    }

    pub(crate) async fn ended(&self, id: TransactionId) -> Transaction {
        tokio::time::timeout(PATIENCE, self.client.wait(id)).await.expect("it ends").unwrap()
    }
}

/// The account's balance, of the bank's books.
pub(crate) fn balance(books: &Value, account: &str) -> i64 {
    let accounts = books["bank"]["accounts"].as_array().unwrap();
    accounts.iter().find(|row| row[0] == json!(account)).unwrap()[1].as_i64().unwrap()
}

/// All money that there is.
pub(crate) fn money(books: &Value) -> i64 {
    books["bank"]["accounts"].as_array().unwrap().iter().map(|row| row[1].as_i64().unwrap()).sum()
}
