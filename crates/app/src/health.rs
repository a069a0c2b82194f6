//! How the node is.

use crate::app::App;
use crate::maintenance::{self, Maintenance};
use crate::tenant::Readiness;
use crate::{Error, clock, measure};
use chancery_base::{TenantId, Timestamp};
use chancery_policy::Grant;
use std::time::Duration;

/// What everyone may know.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own that probes ask")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The process runs.
    pub live: bool,
    /// It takes requests: every shard is owned and loaded, the store answers, no shutdown.
    pub ready: bool,
    /// It has been ready once.
    pub started: bool,
    /// The platform takes no new transactions; it is ready all the same, for what runs goes on.
    pub maintenance: bool,
}

/// What an operator may know.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthDetails {
    /// What everyone may know.
    pub health: Health,
    /// The node's name.
    pub node: String,
    /// The version of this build.
    pub version: &'static str,
    /// How long the process has run.
    pub uptime: Duration,
    /// Whether the store answered, and how long that took.
    pub store: Result<Duration, String>,
    /// The shards.
    pub shards: Vec<ShardHealth>,
}

/// A shard.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardHealth {
    /// Whose.
    pub tenant: TenantId,
    /// Whether it is owned and loaded.
    pub ready: bool,
    /// The owner's epoch.
    pub epoch: u64,
    /// Committed entries.
    pub size: u64,
    /// Entries that the newest checkpoint covers.
    pub checkpoint_size: u64,
    /// When the newest checkpoint was signed.
    pub checkpoint_at: Option<Timestamp>,
    /// Running transactions.
    pub active: usize,
    /// That its tenant is in maintenance, where it is.
    pub maintenance: Option<Maintenance>,
}

/// How the node is, for everyone to know. Does not wait for the store: it has it asked, and tells what it said last.
#[must_use]
pub fn health(app: &App) -> Health {
    let tenants = app.tenants();
    let serving = !tenants.is_empty() && tenants.values().all(|tenant| tenant.readiness() == Readiness::Ready);
    let ready = app.store_answers() && serving && !app.is_stopping();
    Health { live: true, ready, started: true, maintenance: maintenance::of_platform(app) }
}

/// How the node is, in detail: of the grant's tenant, and for the platform of all.
///
/// # Errors
/// None yet; what does not answer is part of the answer.
pub async fn details(app: &App, grant: &Grant) -> Result<HealthDetails, Error> {
    let from = clock::instant();
    let answered = app.store().ping().await;
    let store = answered.map(|()| from.elapsed()).map_err(|error| error.to_string());
    let everything = *grant.tenant() == TenantId::system();
    let mut shards = Vec::new();
    for tenant in app.tenants().values().filter(|tenant| everything || tenant.id == *grant.tenant()) {
        let progress = tenant.integrator.progress();
        let gauges = tenant.pump.gauges().await.unwrap_or_default();
        let head = tenant.head();
        shards.push(ShardHealth {
            tenant: tenant.id.clone(),
            ready: tenant.readiness() == Readiness::Ready,
            epoch: head.epoch,
            size: head.size,
            checkpoint_size: progress.checkpointed,
            checkpoint_at: progress.checkpoint_at,
            active: gauges.active,
            maintenance: tenant.control().ok().and_then(|control| control.maintenance.clone()),
        });
    }
    Ok(HealthDetails {
        health: health(app),
        node: app.config().node.clone(),
        version: env!("CARGO_PKG_VERSION"),
        uptime: app.uptime(),
        store,
        shards,
    })
}

/// Names what there is to measure; once, after an exporter was installed.
pub fn describe_metrics() {
    measure::describe();
}

/// Sets the gauges to what holds now: before they are read, so that an idle node does nothing.
pub async fn measure(app: &App) {
    measure::refresh(app).await;
}
