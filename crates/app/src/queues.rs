//! Queues that steps wait in for workers: how many wait, how many are out, who takes them, and what they are given.

use crate::app::App;
use crate::{Error, clock};
use chancery_base::Name;
use chancery_policy::Grant;
use chancery_shard::input::{Change, Gauges, Hold, Queue, Refusal};
use chancery_shard::queue::QueueSettings;
use std::collections::BTreeSet;
use std::time::Duration;

/// A queue as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    /// Its name: that of the worker.
    pub name: Name,
    /// Steps, compensations and confirms that wait in it.
    pub waiting: usize,
    /// For how long the oldest of them has.
    pub waited: Option<Duration>,
    /// Attempts that are out.
    pub out: usize,
    /// Workers' instances that take from it at the moment, or work on a task of it.
    pub workers: usize,
    /// The versions that these say, how many of them say each, and whether its tasks go to them.
    pub versions: Vec<(Option<String>, usize, bool)>,
    /// Which of its limits keeps steps waiting.
    pub held: Option<Hold>,
    /// What the tenant set for it.
    pub settings: QueueSettings,
}

/// All queues that the tenant said something of, that steps wait in, that attempts are out of, or that workers take
/// from.
///
/// # Errors
/// If the shard has been given up.
pub async fn list(app: &App, grant: &Grant) -> Result<Vec<QueueView>, Error> {
    let tenant = app.tenant(grant)?;
    let gauges = tenant.pump.gauges().await.ok_or(Error::Refused(Refusal::Stopping))?;
    let control = tenant.control()?;
    let seen = gauges.queues.iter().map(|(queue, ..)| queue).chain(gauges.out.keys()).chain(gauges.takers.keys());
    let seen = seen.filter_map(|queue| match queue {
        Queue::Worker(name) => Some(name),
        Queue::Http(_) | Queue::AnyHttp => None,
    });
    let names: BTreeSet<&Name> = seen.chain(control.queues.keys()).collect();
    let settings = |name| control.queues.get(name).cloned().unwrap_or_default();
    Ok(names.into_iter().map(|name| view(name, &gauges, settings(name))).collect())
}

/// One queue.
///
/// # Errors
/// If it is not known: nothing was said of it, nothing waits in it or is out of it, and no worker takes from it.
pub async fn get(app: &App, grant: &Grant, name: &Name) -> Result<QueueView, Error> {
    let found = list(app, grant).await?.into_iter().find(|view| view.name == *name);
    found.ok_or_else(|| Error::Missing(format!("queue `{name}`")))
}

/// Sets what a queue is given, in place of what was set before; in force when this returns.
///
/// # Errors
/// If a number is none that may be set, or there are too many queues.
pub async fn set(app: &App, grant: &Grant, name: &Name, settings: QueueSettings) -> Result<QueueView, Error> {
    let tenant = app.tenant(grant)?;
    tenant.change(grant, Change::QueueSet { queue: name.clone(), settings }).await?;
    let gauges = tenant.pump.gauges().await.ok_or(Error::Refused(Refusal::Stopping))?;
    let settings = tenant.control()?.queues.get(name).cloned().unwrap_or_default();
    Ok(view(name, &gauges, settings))
}

/// Forgets what was set for a queue; in force when this returns.
///
/// # Errors
/// If nothing was.
pub async fn reset(app: &App, grant: &Grant, name: &Name) -> Result<(), Error> {
    let tenant = app.tenant(grant)?;
    let settings = QueueSettings::default();
    match tenant.change(grant, Change::QueueSet { queue: name.clone(), settings }).await? {
        Some(_) => Ok(()),
        None => Err(Error::Missing(format!("setting of queue `{name}`"))),
    }
}

fn view(name: &Name, gauges: &Gauges, settings: QueueSettings) -> QueueView {
    let queue = Queue::Worker(name.clone());
    let now = clock::now();
    let versions = gauges.versions.get(&queue).into_iter().flatten().map(|(version, count)| {
        let version = version.as_deref();
        (version.map(str::to_owned), *count, settings.takes(version))
    });
    let versions = versions.collect();
    let ready = gauges.queues.iter().find(|(other, ..)| *other == queue);
    QueueView {
        name: name.clone(),
        waiting: ready.map_or(0, |(_, waiting, _)| *waiting),
        waited: ready.and_then(|(.., oldest)| *oldest).map(|since| now.since(since)),
        out: gauges.out.get(&queue).copied().unwrap_or_default(),
        workers: gauges.takers.get(&queue).copied().unwrap_or_default(),
        versions,
        held: gauges.held.get(name).copied(),
        settings,
    }
}
