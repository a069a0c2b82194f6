//! What steps reach, and how it does: origins with their breakers and limits, and workers' queues as far as they can be
//! looked at from here.

use crate::app::App;
use crate::stops::StopOn;
use crate::{Error, clock};
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_base::{TargetId, Timestamp};
use chancery_policy::Grant;
use chancery_shard::input::{Change, Gauges, Queue};
use chancery_shard::target::{Forced, TargetSettings};
pub use chancery_targets::Stage;
use chancery_targets::{HealthView, Limits};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A target as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetView {
    /// Its name.
    pub id: TargetId,
    /// How it does.
    pub health: TargetHealth,
    /// Steps that wait for it.
    pub waiting: usize,
    /// For how long the oldest of them has.
    pub waited: Option<Duration>,
    /// Attempts that are out, handed to workers or called.
    pub out: usize,
    /// What is known of an origin; none of a worker's queue.
    pub origin: Option<OriginView>,
}

/// An origin as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginView {
    /// Its health.
    pub health: HealthView,
    /// How an operator holds its breaker.
    pub forced: Option<Forced>,
    /// What holds for it.
    pub limits: Limits,
    /// What the tenant set for it.
    pub settings: TargetSettings,
    /// Whether steps may call it.
    pub allowed: bool,
    /// Whether steps have waited longer for a place than they should.
    pub saturated: bool,
}

/// How a target does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetHealth {
    /// Its steps get on.
    Healthy,
    /// A few calls are let through to see, or steps have waited long.
    Degraded,
    /// No call is made.
    Unavailable,
    /// Node or tenant do not permit it.
    Forbidden,
    /// A stop is on it.
    Stopped,
}

impl TargetHealth {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
            Self::Forbidden => "forbidden",
            Self::Stopped => "stopped",
        }
    }
}

/// All targets that this node may call, that the tenant said something of, or that steps wait for.
///
/// # Errors
/// If the shard has been given up.
pub async fn list(app: &App, grant: &Grant) -> Result<Vec<TargetView>, Error> {
    let tenant = app.tenant(grant)?;
    let gauges = gauges(app, grant).await?;
    let control = tenant.control()?;
    let mut ids: BTreeSet<TargetId> = tenant.targets.origins().cloned().collect();
    ids.extend(control.targets.keys().filter(|id| !id.is_fallback()).cloned());
    ids.extend(gauges.queues.iter().map(|(queue, ..)| queue).chain(gauges.out.keys()).filter_map(target_of));
    let queues = Queues::of(&gauges);
    ids.into_iter().map(|id| view(app, grant, id, &queues)).collect()
}

/// One target.
///
/// # Errors
/// If it is not known: not one that this node may call, that the tenant said something of, or that steps wait for.
pub async fn get(app: &App, grant: &Grant, id: &TargetId) -> Result<TargetView, Error> {
    let tenant = app.tenant(grant)?;
    let gauges = gauges(app, grant).await?;
    let queues = Queues::of(&gauges);
    let is_known = tenant.targets.origins().any(|known| known == id)
        || tenant.control()?.targets.contains_key(id)
        || queues.of.contains_key(id);
    if is_known { view(app, grant, id.clone(), &queues) } else { Err(Error::Missing(format!("target `{id}`"))) }
}

/// Sets what a target is given, in place of what was set before; in force when this returns.
///
/// # Errors
/// If a number is none that may be set, or there are too many targets.
pub async fn set(app: &App, grant: &Grant, id: &TargetId, settings: TargetSettings) -> Result<TargetView, Error> {
    let change = Change::TargetSet { target: id.clone(), settings: Box::new(settings) };
    let tenant = app.tenant(grant)?;
    tenant.change(grant, change).await?;
    let gauges = gauges(app, grant).await?;
    view(app, grant, id.clone(), &Queues::of(&gauges))
}

/// Holds a target's breaker open or closed, or lets it go; in force when this returns.
///
/// # Errors
/// If it is no origin, no justification is given, or there are too many targets.
pub async fn force(
    app: &App,
    grant: &Grant,
    id: &TargetId,
    forced: Option<Forced>,
    justification: String,
) -> Result<TargetView, Error> {
    if justification.trim().is_empty() || justification.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a justification is needed, of at most {TEXT_BYTES_MAX} bytes")));
    }
    let change = Change::TargetForce { target: id.clone(), forced, justification };
    app.tenant(grant)?.change(grant, change).await?;
    let gauges = gauges(app, grant).await?;
    view(app, grant, id.clone(), &Queues::of(&gauges))
}

async fn gauges(app: &App, grant: &Grant) -> Result<Gauges, Error> {
    let gauges = app.tenant(grant)?.pump.gauges().await;
    gauges.ok_or(Error::Refused(chancery_shard::input::Refusal::Stopping))
}

/// What waits and what is out, by target.
struct Queues {
    of: BTreeMap<TargetId, (usize, Option<Timestamp>, usize)>,
}

impl Queues {
    fn of(gauges: &Gauges) -> Self {
        let mut of = BTreeMap::<TargetId, (usize, Option<Timestamp>, usize)>::new();
        for (queue, waiting, oldest) in &gauges.queues {
            let Some(target) = target_of(queue) else { continue };
            let place = of.entry(target).or_default();
            (place.0, place.1) = (*waiting, *oldest);
        }
        for (queue, out) in &gauges.out {
            let Some(target) = target_of(queue) else { continue };
            of.entry(target).or_default().2 = *out;
        }
        Self { of }
    }
}

fn target_of(queue: &Queue) -> Option<TargetId> {
    match queue {
        Queue::Worker(name) => Some(TargetId::worker(name)),
        Queue::Http(target) => Some(target.clone()),
        Queue::AnyHttp => None,
    }
}

fn view(app: &App, grant: &Grant, id: TargetId, queues: &Queues) -> Result<TargetView, Error> {
    let tenant = app.tenant(grant)?;
    let now = clock::now();
    let (waiting, oldest, out) = queues.of.get(&id).copied().unwrap_or_default();
    let waited = oldest.map(|since| now.since(since));
    let is_stopped = tenant.control()?.stops.on(&StopOn::Target(id.clone())).is_some();
    if id.is_worker() {
        let health = if is_stopped { TargetHealth::Stopped } else { TargetHealth::Healthy };
        return Ok(TargetView { id, health, waiting, waited, out, origin: None });
    }
    let (given, health) = tenant.targets.view(&id, now);
    let saturated = health.room == 0 && waited.is_some_and(|waited| waited > given.limits.wait);
    let word = match (given.forced, health.stage) {
        _ if is_stopped => TargetHealth::Stopped,
        _ if !given.allowed && !id.is_fallback() => TargetHealth::Forbidden,
        (Some(Forced::Open), _) | (None, Stage::Open { .. }) => TargetHealth::Unavailable,
        (None, Stage::HalfOpen) => TargetHealth::Degraded,
        (Some(Forced::Closed), _) | (None, Stage::Closed) if saturated => TargetHealth::Degraded,
        (Some(Forced::Closed), _) | (None, Stage::Closed) => TargetHealth::Healthy,
    };
    let (forced, limits, settings, allowed) = (given.forced, given.limits, given.settings, given.allowed);
    let origin = OriginView { health, forced, limits, settings, allowed, saturated };
    Ok(TargetView { id, health: word, waiting, waited, out, origin: Some(origin) })
}
