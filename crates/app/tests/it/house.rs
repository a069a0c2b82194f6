//! A node in a directory of its own.

use crate::counting::Counting;
use chancery_app::data::DataDir;
use chancery_app::definitions::Format;
use chancery_app::keys::IssuedKey;
use chancery_app::transactions::{self, Start, TransactionView};
use chancery_app::{About, App, Caller, Closures, Config, Error, bootstrap, bundles, definitions};
use chancery_base::{Name, TransactionId};
use chancery_engine::StepError;
use chancery_policy::{Action, Grant};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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
@id(\"never\") @reason(\"forbidden steps are forbidden\")
forbid (principal, action == Action::\"run\", resource == Step::\"order/forbidden\");
";

/// The bundle of a house.
pub(crate) fn bundle() -> Vec<u8> {
    chancery_base::json::canonical(&json!({"name": "shop", "version": 1, "schema": SCHEMA, "policies": POLICIES}))
}

/// A node, the directory that it lives in, and its owner's key.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) store: Arc<Counting>,
    pub(crate) caller: Caller,
    key: IssuedKey,
    dir: TempDir,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// What the closures of a house count.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) reserved: AtomicU32,
    pub(crate) released: AtomicU32,
    pub(crate) charged: AtomicU32,
}

/// Three services in one process. `charge` fails for `{fail: true}` and never ends for `{hang: true}`.
pub(crate) fn services(calls: &Arc<Calls>) -> Closures {
    let (reserve, release, charge) = (Arc::clone(calls), Arc::clone(calls), Arc::clone(calls));
    Closures::new()
        .with(name("reserve"), move |task| {
            let number = reserve.reserved.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok(json!({"id": number, "key": task.idempotency_key})) }
        })
        .with(name("release"), move |_| {
            release.released.fetch_add(1, Ordering::SeqCst);
            async { Ok(json!(null)) }
        })
        .with(name("charge"), move |task| {
            charge.charged.fetch_add(1, Ordering::SeqCst);
            async move {
                if task.input.get("hang") == Some(&Value::Bool(true)) {
                    std::future::pending::<()>().await;
                }
                if task.input.get("panic") == Some(&Value::Bool(true)) {
                    panic!("as the test wants");
                }
                if task.input.get("fail") == Some(&Value::Bool(true)) {
                    return Err(StepError::new("CardDeclined", "no money"));
                }
                Ok(json!({"charged": task.input["total"]}))
            }
        })
}

pub(crate) const ORDER: &str = r#"
name: order
version: 1
steps:
  - id: reserve
    run: {worker: reserve}
    with: {sku: "${{ input.sku }}"}
    compensate: {run: {worker: release}}
  - id: charge
    after: [reserve]
    run: {worker: charge}
    with: "${{ input }}"
    timeout: 60s
    retry: {attempts: 1}
output: {reservation: "${{ steps.reserve.output.id }}", charge: "${{ steps.charge.output }}"}
"#;

impl House {
    /// A new node with the bundle and the definition in place.
    pub(crate) async fn new(closures: Closures) -> Self {
        let house = Self::bare(closures).await;
        house.furnish().await;
        house
    }

    pub(crate) async fn furnish(&self) {
        let bundle = bundle();
        let pushed = bundles::push(&self.app, &self.granted(Action::BundlePush).await, &bundle).await.unwrap();
        let grant = self.granted(Action::BundleActivate).await;
        bundles::activate(&self.app, &grant, pushed.checked.digest, 0).await.unwrap();
        self.register(ORDER).await;
    }

    /// A new node with nothing but its owner.
    pub(crate) async fn bare(closures: Closures) -> Self {
        Self::bare_with(closures, config()).await
    }

    /// As [`House::new`], and it may call this origin.
    pub(crate) async fn calling(closures: Closures, origin: &str) -> Self {
        let house = Self::bare_with(closures, Config { targets: origin.parse().unwrap(), ..config() }).await;
        house.furnish().await;
        house
    }

    pub(crate) async fn bare_with(closures: Closures, config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::create(&dir.path().join("data"), &name("test.example")).unwrap();
        bootstrap::system(&data, &name("test.example")).await.unwrap();
        let store = Arc::new(Counting::new(data.store));
        let app = App::open(config, data.keys, Arc::clone(&store) as _, closures).await.unwrap();
        let key = bootstrap::first_owner(&app).await.unwrap();
        let caller = app.authenticate(&key.key).unwrap();
        Self { app, store, caller, key, dir }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn key(&self) -> &IssuedKey {
        &self.key
    }

    /// As [`House::new`], with other settings.
    pub(crate) async fn with(config: Config) -> Self {
        let house = Self::bare_with(Closures::new(), config).await;
        house.furnish().await;
        house
    }

    /// Shuts the node down and opens it again with these settings.
    pub(crate) async fn reopened(self, config: Config) -> Self {
        self.app.shutdown().await.unwrap();
        drop((self.app, self.store));
        Self::opened_with(self.dir, self.key, Closures::new(), config).await
    }

    /// Leaves the node as a killed process leaves it, without its directory's lock, and opens another.
    pub(crate) async fn killed_and_opened(self, closures: Closures) -> Self {
        // A copy is what a disk has at the moment of a kill: the files, and no process.
        let copy = tempfile::tempdir().unwrap();
        copy_dir(&self.data_dir(), &copy.path().join("data"));
        drop(self.app);
        Self::opened(copy, self.key, closures).await
    }

    /// Shuts the node down and opens it again.
    pub(crate) async fn closed_and_opened(self, closures: Closures) -> Self {
        self.app.shutdown().await.unwrap();
        drop((self.app, self.store));
        Self::opened(self.dir, self.key, closures).await
    }

    async fn opened(dir: TempDir, key: IssuedKey, closures: Closures) -> Self {
        Self::opened_with(dir, key, closures, config()).await
    }

    async fn opened_with(dir: TempDir, key: IssuedKey, closures: Closures, config: Config) -> Self {
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let store = Arc::new(Counting::new(data.store));
        let app = App::open(config, data.keys, Arc::clone(&store) as _, closures).await.unwrap();
        let caller = app.authenticate(&key.key).unwrap();
        Self { app, store, caller, key, dir }
    }

    pub(crate) async fn granted(&self, action: Action) -> Grant {
        self.app.authorize(&self.caller, action, About::Tenant).await.unwrap()
    }

    pub(crate) async fn register(&self, source: &str) {
        let grant = self.granted(Action::DefinitionRegister).await;
        definitions::register(&self.app, &grant, source.as_bytes(), Format::Yaml).await.unwrap();
    }

    pub(crate) fn order(input: Value, key: Option<&str>) -> Start {
        Start {
            definition: name("order"),
            version: None,
            input,
            idempotency_key: key.map(str::to_owned),
            labels: Default::default(),
            headers: Default::default(),
            traceparent: None,
            start_at: None,
            signal: None,
            faults: Vec::new(),
        }
    }

    pub(crate) async fn start(&self, input: Value, key: Option<&str>) -> Result<TransactionId, Error> {
        let grant = self.granted(Action::TransactionStart).await;
        transactions::start(&self.app, &grant, Self::order(input, key)).await.map(|started| started.id)
    }

    pub(crate) async fn wait(&self, id: TransactionId) -> TransactionView {
        let grant = self.granted(Action::TransactionRead).await;
        let view = transactions::wait(&self.app, &grant, id, Duration::from_secs(30)).await.unwrap();
        assert!(view.is_settled(), "{id} is still {:?}", view.head.status);
        view
    }

    pub(crate) async fn run(&self, input: Value) -> TransactionView {
        let id = self.start(input, None).await.unwrap();
        self.wait(id).await
    }
}

pub(crate) fn config() -> Config {
    Config {
        drain: Duration::from_millis(200),
        lease: Duration::from_millis(600),
        ..Config::new("test.example", "node")
    }
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
