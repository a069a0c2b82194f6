//! What every workload runs on: a data directory, a bundle of 100 policies, definitions, payloads of 1 KiB.

use crate::harness::Error;
use crate::observed::Observed;
use crate::{inprocess, open, remote, scale, side_by_side};
use chancery_app::data::{DataDir, Database};
use chancery_app::{About, App, Caller, Closures, Config, bootstrap, budgets, bundles, definitions, tenants};
use chancery_base::{Digest, Name, Secret, TenantId};
use chancery_policy::{Action, Grant, Per};
use chancery_shard::budget::{BudgetTerms, Measure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Steps of `saga-inprocess-3`.
pub(crate) const LOCAL_STEPS: usize = 3;
/// Steps of `saga-remote-10`.
pub(crate) const REMOTE_STEPS: usize = 10;
/// What stands beside each figure: SQLite in WAL mode, each commit synced.
pub(crate) const DURABILITY: &str = "sqlite wal synchronous=full";

const CLUSTER: &str = "bench";
/// The file with the key of the tenant's owner.
const KEY: &str = "owner.key";
/// Policies of the bundle.
pub(crate) const POLICIES: usize = 100;
/// Obligations of the bundle that has some.
const OBLIGATIONS: usize = 20;
/// More attempts than a run has.
const BUDGET: u64 = 1 << 40;
const PAYLOAD_BYTES: usize = 1024;

/// Which bundle decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Policies alone.
    Plain,
    /// Obligations beside them: limits and a budget that apply to each step, others to other actions.
    Obliged,
}

/// A node with one tenant that can run the workloads.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) app: App,
    pub(crate) caller: Caller,
    pub(crate) key: Secret,
    pub(crate) store: Arc<Observed>,
}

impl Node {
    /// Makes one in an empty directory, with its store there or in an empty database.
    pub(crate) async fn new(dir: &Path, database: &Database) -> Result<Self, Error> {
        let cluster = name(CLUSTER)?;
        let data = DataDir::create_with(dir, &cluster, database).await?;
        bootstrap::system(&data, &cluster).await?;
        let (app, store) = Self::app(data).await?;
        let operator = bootstrap::first_owner(&app).await?;
        let operator = app.authenticate(&operator.key)?;
        let grant = app.authorize(&operator, Action::TenantCreate, About::Tenant).await?;
        let tenant: TenantId = "bench".parse().map_err(|err| Error::Failed(format!("{err}")))?;
        let owner = tenants::create(&app, &grant, tenant).await?;
        // For whoever opens it again; the directory goes with the run.
        std::fs::write(dir.join(KEY), owner.owner.key.expose())?;
        let caller = app.authenticate(&owner.owner.key)?;
        let node = Self { app, caller, key: owner.owner.key, store };
        node.prepare().await?;
        Ok(node)
    }

    /// Opens one that was shut down.
    pub(crate) async fn open(dir: &Path, database: &Database) -> Result<Self, Error> {
        let key = Secret::new(std::fs::read_to_string(dir.join(KEY))?);
        let (app, store) = Self::app(DataDir::open_with(dir, database).await?).await?;
        let caller = app.authenticate(&key)?;
        Ok(Self { app, caller, key, store })
    }

    async fn app(data: DataDir) -> Result<(App, Arc<Observed>), Error> {
        let mut closures = Closures::new();
        for step in 0..LOCAL_STEPS {
            closures =
                closures.with(name(&format!("local.{step}"))?, |task| async move { Ok(Value::clone(&task.input)) });
        }
        let config = Config::new(CLUSTER, "bench");
        let store = Arc::new(Observed::new(data.store));
        let app = App::open(config, data.keys, Arc::clone(&store) as _, closures).await?;
        Ok((app, store))
    }

    /// The caller's permission for something.
    pub(crate) async fn grant(&self, action: Action) -> Result<Grant, Error> {
        Ok(self.app.authorize(&self.caller, action, About::Tenant).await?)
    }

    /// Has the sagas decided under obligations from now on.
    pub(crate) async fn oblige(&self) -> Result<(), Error> {
        let (measure, per) = (Measure::Count, Per::Tenant);
        let terms = BudgetTerms { limit: BUDGET, measure, per, unit: None, window: None };
        budgets::set(&self.app, &self.grant(Action::BudgetSet).await?, &name("attempts")?, terms).await?;
        self.decide_by(Variant::Obliged).await
    }

    async fn decide_by(&self, variant: Variant) -> Result<(), Error> {
        let digest = self.push(variant).await?;
        bundles::activate(&self.app, &self.grant(Action::BundleActivate).await?, digest, 0).await?;
        Ok(())
    }

    pub(crate) async fn push(&self, variant: Variant) -> Result<Digest, Error> {
        let push = self.grant(Action::BundlePush).await?;
        let pushed = bundles::push(&self.app, &push, bundle(variant).to_string().as_bytes()).await?;
        Ok(pushed.checked.digest)
    }

    async fn prepare(&self) -> Result<(), Error> {
        self.decide_by(Variant::Plain).await?;
        let register = self.grant(Action::DefinitionRegister).await?;
        let open = json!({ "name": open::OPEN, "version": 1, "kind": "open", "steps_max": open::STEPS });
        let local = saga(inprocess::SAGA, "local", LOCAL_STEPS);
        let sagas = [local, saga(remote::SAGA, "remote", REMOTE_STEPS), capable(), open];
        for definition in sagas.into_iter().chain(scale::definitions()).chain(side_by_side::definitions()) {
            let source = definition.to_string();
            definitions::register(&self.app, &register, source.as_bytes(), definitions::Format::Json).await?;
        }
        Ok(())
    }
}

/// The saga of remote steps, each with a capability token.
fn capable() -> Value {
    let mut saga = saga(remote::CAPABLE, "capable", REMOTE_STEPS);
    for step in saga.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        step["capability"] = json!(true);
    }
    saga
}

pub(crate) fn name(text: &str) -> Result<Name, Error> {
    text.parse().map_err(|err| Error::Failed(format!("{err}")))
}

/// An input of 1 KiB.
pub(crate) fn payload() -> Value {
    json!({ "filler": "x".repeat(PAYLOAD_BYTES - 13) })
}

/// A saga of sequential steps that each pass the payload on. The worker has a queue for each of ten.
pub(crate) fn saga(name: &str, worker: &str, steps: usize) -> Value {
    let step = |index: usize| {
        let (after, with) = match index.checked_sub(1) {
            Some(before) => (vec![format!("s{before}")], format!("${{{{ steps.s{before}.output }}}}")),
            None => (Vec::new(), "${{ input }}".to_owned()),
        };
        json!({ "id": format!("s{index}"), "run": { "worker": format!("{worker}.{}", index % REMOTE_STEPS) }, "after": after, "with": with,
                "compensate": { "run": "noop" } })
    };
    json!({ "name": name, "version": 1, "steps": (0..steps).map(step).collect::<Vec<_>>() })
}

/// 100 policies: two apply, the others are about other actions, as in a bundle that several teams share.
fn bundle(variant: Variant) -> Value {
    let mut schema = "entity User = { name: String, roles: Set<String> };\nentity Service = { name: String };\n\
        entity Agent = { name: String };\nentity Definition;\nentity Step in [Definition];\n\
        action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };\n\
        action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };\n"
        .to_owned();
    let mut policies = "@id(\"start\")\npermit (principal is User, action == Action::\"start\", resource) \
        when { principal.roles.contains(\"owner\") };\n\
        @id(\"run\")\npermit (principal is User, action == Action::\"run\", resource) \
        when { principal.roles.contains(\"owner\") };\n"
        .to_owned();
    for other in 2..POLICIES {
        let written = writeln!(
            schema,
            "action other{other} appliesTo {{ principal: [User, Service], resource: [Step], context: {{ amount: Long }} }};"
        )
        .and(writeln!(
            policies,
            "@id(\"other{other}\")\npermit (principal, action == Action::\"other{other}\", resource) \
             when {{ context.amount <= {other} && principal.name != \"nobody\" }};"
        ));
        debug_assert!(written.is_ok());
    }
    let mut bundle =
        json!({ "name": "bench", "version": 1, "schema": schema, "policies": { "bench.cedar": policies } });
    match variant {
        Variant::Plain => {}
        Variant::Obliged => {
            if let Some(bundle) = bundle.as_object_mut() {
                bundle.insert("version".to_owned(), json!(2));
                bundle.insert("obligations".to_owned(), json!({ "bench.cedar": obligations() }));
            }
        }
    }
    bundle
}

fn obligations() -> String {
    let mut text = "@id(\"short\") @obligation(\"limits\") @timeout(\"1m\") @memory(\"256Mi\")\n\
        permit (principal, action == Action::\"run\", resource);\n\
        @id(\"counted\") @obligation(\"budget\") @budget(\"attempts\")\n\
        permit (principal, action == Action::\"run\", resource);\n"
        .to_owned();
    for other in 2..OBLIGATIONS {
        let written = writeln!(
            text,
            "@id(\"seen{other}\") @obligation(\"approval\")\n\
             permit (principal, action == Action::\"other{other}\", resource) when {{ context.amount > {other} }};"
        );
        debug_assert!(written.is_ok());
    }
    text
}
