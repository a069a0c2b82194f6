//! The node: what it serves, who may call it.

use crate::bundles::ReadBundles;
use crate::config::Config;
use crate::grants::Grants;
use crate::inputs::{Inputs, NodeBytes};
use crate::integrator::Integrator;
use crate::local::{Book, Closures};
use crate::notify::Notifications;
use crate::probe::Probe;
use crate::pump::{self, Pump};
use crate::starters::Starters;
use crate::stops::{Stop, StopOn};
use crate::tasks::Tasks;
use crate::tenant::{KeyIndex, Tenant};
use crate::{Error, clock, past, stops};
use arc_swap::ArcSwap;
use chancery_base::limits::ACTIVE_TRANSACTIONS_MAX;
use chancery_base::{KeyId, PrincipalId, Secret, TenantId, TransactionId};
use chancery_capability::IssuerKeys;
use chancery_identity::{ApiKey, KeyRecord};
use chancery_ledger::SigningKey;
use chancery_policy::{Access, Action, Grant, Principal};
use chancery_shard::input::{Command, Denial};
use chancery_shard::row::LogRow;
use chancery_shard::{Shard, TokenKey};
use chancery_store::Store;
use chancery_targets::{HttpTarget, InformationPoint};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::{error, info, warn};

/// How long the shards have to finish the batch in hand and integrators to cover it.
const STOP_MAX: Duration = Duration::from_secs(30);

/// A node. Cloning shares it.
#[derive(Debug, Clone)]
pub struct App {
    shared: Arc<Shared>,
}

/// The keys of an installation.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs checkpoints. Its name is the cluster's.
    pub log: SigningKey,
    /// What task tokens are made with.
    pub token: TokenKey,
    /// Sign capability tokens.
    pub capability: IssuerKeys,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The tenant as a whole.
    Tenant,
    /// One transaction: who started it may do more with it than others.
    Transaction(TransactionId),
    /// The caller's own transactions, where it may not see all of them.
    Own,
}

/// Who calls: authenticated, not yet authorised.
#[derive(Debug, Clone)]
pub struct Caller {
    tenant: TenantId,
    principal: Principal,
    key: KeyId,
}

impl Caller {
    /// Whose data it may see, if its roles permit.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who it is.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The key that it showed.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }
}

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    keys: Keys,
    store: Arc<dyn Store>,
    probe: Probe,
    grants: Grants,
    closures: Closures,
    http: Arc<HttpTarget>,
    information: Option<Arc<InformationPoint>>,
    tasks: Tasks,
    tenants: ArcSwap<BTreeMap<TenantId, Arc<Tenant>>>,
    key_index: KeyIndex,
    input_bytes: NodeBytes,
    read_bundles: ReadBundles,
    starters: Starters,
    /// Held while a tenant is taken in, so that none is taken in twice.
    adopting: Mutex<()>,
    /// Held while a tenant is made.
    creating: Mutex<()>,
    started_at: Instant,
    is_stopping: AtomicBool,
    /// Whether the platform takes no new transactions, for the shards.
    closed: Arc<AtomicBool>,
}

impl App {
    /// Who may call the API.
    pub(crate) fn access(&self) -> &Access {
        self.shared.grants.access()
    }

    /// Opens a node on a store: owns every shard in it and returns when all of them take inputs.
    ///
    /// # Errors
    /// If the store can't be read, a shard can't be owned or loaded, or what calls over HTTP can't be set up.
    pub async fn open(config: Config, keys: Keys, store: Arc<dyn Store>, closures: Closures) -> Result<Self, Error> {
        let http = HttpTarget::new(config.targets.clone(), config.target_guard.clone())?;
        let information = config.information.as_ref();
        let information =
            information.map(|options| InformationPoint::new(options, config.target_guard.clone())).transpose()?;
        let shared = Shared {
            config: Arc::new(config),
            keys,
            store,
            probe: Probe::default(),
            grants: Grants::new(Access::builtin()?),
            closures,
            http: Arc::new(http),
            information: information.map(Arc::new),
            tasks: Tasks::new(),
            tenants: ArcSwap::default(),
            key_index: KeyIndex::default(),
            input_bytes: NodeBytes::default(),
            read_bundles: ReadBundles::default(),
            starters: Starters::default(),
            adopting: Mutex::new(()),
            creating: Mutex::new(()),
            started_at: clock::instant(),
            is_stopping: AtomicBool::new(false),
            closed: Arc::default(),
        };
        let app = Self { shared: Arc::new(shared) };
        for row in app.store().logs().await? {
            app.take_in(&row);
        }
        for tenant in app.tenants().values() {
            tenant.is_ready().await?;
        }
        info!(node = app.config().node, tenants = app.tenants().len(), "the node takes inputs");
        Ok(app)
    }

    /// Begins to serve a tenant that was made meanwhile, if it is not served already; returns when its shard takes
    /// inputs.
    pub(crate) async fn adopt(&self, id: &TenantId) -> Result<Arc<Tenant>, Error> {
        let adopting = self.shared.adopting.lock().await;
        let known = self.tenant_of(id);
        let tenant = match known {
            Some(tenant) => tenant,
            None => {
                let rows = self.store().logs().await?;
                let row = rows.iter().find(|row| row.tenant == *id);
                self.take_in(row.ok_or_else(|| Error::Missing(format!("tenant `{id}`")))?)
            }
        };
        drop(adopting);
        tenant.is_ready().await?;
        Ok(tenant)
    }

    /// Starts what a log needs: a pump for its shard, an integrator, loops for the handlers in this process.
    fn take_in(&self, row: &LogRow) -> Arc<Tenant> {
        let shared = &self.shared;
        let (inlet, outlet) = pump::queue();
        let (limits, public_url) = (shared.config.target_limits, shared.config.public_url.as_deref());
        let targets = Book::new(row.tenant.clone(), Arc::clone(&shared.http), limits, public_url);
        let tenant = Arc::new(Tenant::new(
            row,
            inlet,
            Arc::clone(&shared.key_index),
            Inputs::new(Arc::clone(&shared.input_bytes)),
            targets,
        ));
        let settings = chancery_shard::Config {
            lease: shared.config.lease,
            active_max: shared.config.running_max.min(ACTIVE_TRANSACTIONS_MAX),
            access: Some(Arc::clone(shared.grants.access())),
            expiry: Some(shared.config.expiry),
            ..chancery_shard::Config::new(row.id, shared.keys.token.clone())
        };
        let pump = Pump::new(
            Shard::new(settings),
            outlet,
            Arc::clone(&shared.store),
            Arc::clone(&tenant),
            shared.tasks.clone(),
            (Arc::from(shared.config.node.as_str()), Arc::clone(&shared.closed)),
        );
        let integrator = Integrator {
            store: Arc::clone(&shared.store),
            tenant: Arc::clone(&tenant),
            key: shared.keys.log.clone(),
            config: Arc::clone(&shared.config),
            tasks: shared.tasks.clone(),
        };
        drop(shared.tasks.spawn(pump.run()));
        let notifications = Notifications {
            store: Arc::clone(&shared.store),
            tenant: Arc::clone(&tenant),
            guard: shared.config.target_guard.clone(),
            tasks: shared.tasks.clone(),
        };
        drop(shared.tasks.spawn(notifications.run()));
        drop(shared.tasks.spawn(integrator.run()));
        tenant.local.start(self.config(), &tenant, &shared.closures);
        shared.tenants.rcu(|tenants| {
            let mut tenants = BTreeMap::clone(tenants);
            tenants.insert(tenant.id.clone(), Arc::clone(&tenant));
            tenants
        });
        tenant
    }

    /// Finds out who shows this key.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], whatever the cause.
    pub fn authenticate(&self, presented: &Secret) -> Result<Caller, Error> {
        let key = ApiKey::parse(presented.expose()).ok().ok_or(Error::Unauthenticated)?;
        let tenant = self.tenant_of_key(key.id()).ok_or(Error::Unauthenticated)?;
        let control = tenant.control()?;
        let row = control.credentials.get(&key.id()).ok_or(Error::Unauthenticated)?;
        let record = KeyRecord { hash: row.hash, expires_at: row.expires_at, revoked_at: row.revoked_at };
        key.verify(&record, clock::now()).map_err(|rejection| {
            warn!(tenant = %tenant.id, key.id = %key.id(), "refused key {}: {rejection}", key.id());
            Error::Unauthenticated
        })?;
        let principal = control.directory.principal(&row.principal).filter(|principal| !principal.suspended);
        let principal = principal.cloned().ok_or(Error::Unauthenticated)?;
        Ok(Caller { tenant: tenant.id.clone(), principal, key: key.id() })
    }

    /// Asks the role bundle whether the caller may do this. A denial is recorded before this returns.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub async fn authorize(&self, caller: &Caller, action: Action, about: About) -> Result<Grant, Error> {
        let owner = match about {
            About::Tenant => None,
            About::Own => Some(caller.principal.id),
            About::Transaction(id) => self.owner(caller, id).await?,
        };
        let denied = match self.shared.grants.authorize(&caller.principal, &caller.tenant, action, owner) {
            Ok(grant) => return self.expect_unstopped(caller, action).await.map(|()| grant),
            Err(denied) => denied,
        };
        let mut reasons: Vec<String> = denied.reasons.iter().map(ToString::to_string).collect();
        metrics::counter!("chancery_denials_total", "reason" => "role").increment(1);
        self.record_denial(caller, action, reasons.clone()).await;
        if !denied.roles.is_empty() {
            reasons.push(format!("it takes a role of: {}", denied.roles.join(", ")));
        }
        Err(Error::Denied { action: action.as_str(), reasons })
    }

    /// Whether no stop is on the caller, or it may do this all the same.
    async fn expect_unstopped(&self, caller: &Caller, action: Action) -> Result<(), Error> {
        if stops::lets_through(action) {
            return Ok(());
        }
        let control = self.tenant_of(&caller.tenant).map(|tenant| tenant.control()).transpose()?;
        let stop = control.as_ref().and_then(|control| control.stops.on(&StopOn::Principal(caller.principal.id)));
        let Some(reason) = stop.map(Stop::reason) else { return Ok(()) };
        metrics::counter!("chancery_denials_total", "reason" => "stop").increment(1);
        self.record_denial(caller, action, vec![reason.to_string()]).await;
        Err(Error::Stopped { action: action.as_str(), reason })
    }

    async fn record_denial(&self, caller: &Caller, action: Action, reasons: Vec<String>) {
        let denial = Denial { actor: caller.principal.id, action: action.as_str().to_owned(), reasons };
        if let Some(tenant) = self.tenant_of(&caller.tenant)
            && let Err(refusal) = tenant.pump.ask(Command::Deny(denial)).await
        {
            // The call is denied all the same; that it left no entry is for the operator to know.
            warn!(tenant = %tenant.id, action = action.as_str(), "a denial was not recorded: {refusal}");
        }
    }

    /// Whether [`App::authorize`] would grant it on the whole tenant; asking leaves no entry.
    #[must_use]
    pub fn permits(&self, caller: &Caller, action: Action) -> bool {
        self.shared.grants.authorize(&caller.principal, &caller.tenant, action, None).is_ok()
    }

    /// Whether the roles of who has a grant also permit this, which is to be done later in their name.
    ///
    /// # Errors
    /// [`Error::Denied`], which leaves no entry: nobody calls.
    pub(crate) fn stands_for(&self, grant: &Grant, action: Action) -> Result<(), Error> {
        let control = self.tenant(grant)?.control()?;
        let principal = control.directory.principal(&grant.principal()).ok_or(Error::Unauthenticated)?;
        let Err(denied) = self.shared.grants.authorize(principal, grant.tenant(), action, None) else {
            return Ok(());
        };
        let mut reasons: Vec<String> = denied.reasons.iter().map(ToString::to_string).collect();
        if !denied.roles.is_empty() {
            reasons.push(format!("it takes a role of: {}", denied.roles.join(", ")));
        }
        Err(Error::Denied { action: action.as_str(), reasons })
    }

    /// Who started a transaction; none where there is no such transaction.
    async fn owner(&self, caller: &Caller, id: TransactionId) -> Result<Option<PrincipalId>, Error> {
        if let Some(known) = self.shared.starters.of(&caller.tenant, id) {
            return Ok(Some(known));
        }
        let grant = Grant::system("to find who started a transaction", caller.tenant.clone());
        let loaded = self.store().transaction(&grant, id).await?;
        let starter = match loaded {
            Some(loaded) => Some(loaded.row.principal),
            None => past::beginning(self.store().as_ref(), &grant, id).await?.map(|beginning| beginning.principal),
        };
        if let Some(starter) = starter {
            self.shared.starters.keep(&caller.tenant, id, starter);
        }
        Ok(starter)
    }

    /// Where subjects are looked up that no directory knows.
    pub(crate) fn information(&self) -> Option<&Arc<InformationPoint>> {
        self.shared.information.as_ref()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Is not ready from here on and begins nothing, gives attempts that are out their time to come in, finishes what is
    /// in hand and has a checkpoint cover it; then every call that waits is answered. The store can still be read. Done
    /// once, whoever asks.
    pub async fn retire(&self) {
        if self.shared.is_stopping.swap(true, Ordering::Relaxed) {
            return;
        }
        info!("shutting down: nothing begins any more");
        self.come_in(clock::instant() + self.config().drain).await;
        self.shared.tasks.stop();
        if !self.shared.tasks.ended(STOP_MAX).await {
            error!("the shards did not end within {STOP_MAX:?}");
        }
    }

    /// Waits until every attempt that is out with a worker has come in, or the time is over.
    async fn come_in(&self, until: Instant) {
        let tenants = self.tenants();
        let mut drained = Vec::with_capacity(tenants.len());
        for tenant in tenants.values() {
            tenant.local.stop_taking();
            // What has no place in a full queue waits for one, and no longer than the others.
            drained.push((tenant, tokio::time::timeout_at(until, tenant.pump.drain()).await));
        }
        for (tenant, drained) in drained {
            let came_in = match drained {
                Ok(drained) => tokio::time::timeout_at(until, drained).await.is_ok(),
                Err(_) => false,
            };
            if !came_in {
                let out = tenant.pump.gauges().await.map_or(0, |gauges| gauges.leases);
                let id = &tenant.id;
                warn!(tenant = %id, out, "{out} attempts of `{id}` are out: the next owner gives each a whole lease");
            }
        }
        for tenant in tenants.values() {
            let left = until.saturating_duration_since(clock::instant());
            if !tenant.local.drained(left).await {
                warn!(tenant = %tenant.id, "handlers did not end in time: their attempts are unknown");
            }
        }
    }

    /// As [`App::retire`], and closes the store.
    ///
    /// # Errors
    /// If the store can't be closed.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.retire().await;
        self.store().close().await?;
        Ok(())
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    pub(crate) fn read_bundles(&self) -> &ReadBundles {
        &self.shared.read_bundles
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.shared.tasks
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    pub(crate) fn tenants(&self) -> Arc<BTreeMap<TenantId, Arc<Tenant>>> {
        self.shared.tenants.load_full()
    }

    pub(crate) fn tenant(&self, grant: &Grant) -> Result<Arc<Tenant>, Error> {
        self.tenant_of(grant.tenant()).ok_or_else(|| Error::Missing(format!("tenant `{}`", grant.tenant())))
    }

    pub(crate) fn tenant_of(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.shared.tenants.load().get(id).cloned()
    }

    fn tenant_of_key(&self, key: KeyId) -> Option<Arc<Tenant>> {
        let index = self.shared.key_index.read().unwrap_or_else(PoisonError::into_inner);
        self.tenant_of(index.get(&key)?)
    }

    /// How long the node has run.
    pub(crate) fn uptime(&self) -> Duration {
        self.shared.started_at.elapsed()
    }

    /// Whether the store answered when it was asked last. Does not wait for it.
    pub(crate) fn store_answers(&self) -> bool {
        self.shared.probe.answers(&self.shared.store, &self.tenants(), &self.shared.tasks)
    }

    /// Whether it was told to shut down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    /// Held while a tenant is made: the store refuses a name that is taken, and with it the whole batch, so this node
    /// looks before it asks.
    pub(crate) async fn creating(&self) -> MutexGuard<'_, ()> {
        self.shared.creating.lock().await
    }
}
