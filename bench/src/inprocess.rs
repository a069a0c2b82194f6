//! `saga-inprocess-3`: three closures in the server's own process, no HTTP.

use crate::fixture::{DURABILITY, Node, Variant, name, payload};
use crate::harness::{Error, SyncCounter, Times, rate, rss_mib, this_program};
use crate::postgres;
use crate::report::Figure;
use chancery_app::data::Database;
use chancery_app::transactions::{self, Start};
use chancery_policy::{Action, Grant};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long one saga may take before the run is given up.
const SAGA_MAX: Duration = Duration::from_secs(30);

/// The workload's name, and its definition's.
pub(crate) const SAGA: &str = "saga-inprocess-3";

/// Runs the workload in a child process.
pub(crate) async fn measure(clients: usize, seconds: u64, database: Option<&str>) -> Result<Figure, Error> {
    in_child([SAGA, postgres::SAGA], "inprocess", clients, seconds, database).await
}

/// Runs a role in a child process. Of the names the first is with the embedded store, the second with a database, whose
/// syncs are not the child's.
pub(crate) async fn in_child(
    names: [&'static str; 2],
    role: &str,
    clients: usize,
    seconds: u64,
    database: Option<&str>,
) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let syncs = SyncCounter::new(dir.path())?;
    let (seconds, count) = (seconds.to_string(), clients.to_string());
    let mut arguments = vec!["--seconds", &seconds, role, &count];
    arguments.extend(database);
    let line = from_child(&syncs, &arguments).await?;
    let [embedded, elsewhere] = names;
    if database.is_none() {
        return Ok(Figure::of_child(embedded, clients, &line, syncs.count()?, DURABILITY));
    }
    let figure = Figure::of_child(elsewhere, clients, &line, 0, postgres::DURABILITY);
    Ok(Figure { syncs_per_unit: None, ..figure })
}

/// The line of figures that a child process with these arguments prints.
async fn from_child(syncs: &SyncCounter, arguments: &[&str]) -> Result<Value, Error> {
    let mut command = this_program()?;
    command.args(arguments).stderr(Stdio::inherit());
    syncs.watch(&mut command);
    let output = command.kill_on_drop(true).output().await?;
    if !output.status.success() {
        return Err(Error::Failed(format!("the child `{}` failed", arguments.join(" "))));
    }
    serde_json::from_slice(&output.stdout).map_err(|err| Error::Failed(format!("the child's figures: {err}")))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
pub(crate) fn per_unit(syncs: u64, units: u64) -> f64 {
    syncs as f64 / units.max(1) as f64
}

/// The child: measures and prints one line.
pub(crate) async fn child(clients: usize, time: Duration, database: &Database, variant: Variant) -> Result<(), Error> {
    let dir = tempfile::tempdir()?;
    let node = Arc::new(Node::new(dir.path(), database).await?);
    match variant {
        Variant::Plain => {}
        Variant::Obliged => node.oblige().await?,
    }
    let grant = Arc::new(node.grant(Action::TransactionStart).await?);
    let (warm, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut clients_running = JoinSet::new();
    for _ in 0..clients {
        let (node, grant, warm, stop) = (Arc::clone(&node), Arc::clone(&grant), Arc::clone(&warm), Arc::clone(&stop));
        clients_running.spawn(async move { client(&node, &grant, &warm, &stop).await });
    }
    tokio::time::sleep(time / 5).await;
    let began = now();
    warm.store(true, Ordering::Relaxed);
    drop(node.store.take_times());
    tokio::time::sleep(time).await;
    let mut commits = node.store.take_times();
    let rss = rss_mib(std::process::id());
    stop.store(true, Ordering::Relaxed);
    let took = began.elapsed();
    let (mut times, mut total) = (Times::default(), 0);
    while let Some(joined) = clients_running.join_next().await {
        let (counted, all) = joined.map_err(|err| Error::Failed(err.to_string()))??;
        times.extend(counted);
        total += all;
    }
    node.app.shutdown().await?;
    let figures = json!({
        "per_second": rate(times.len(), took), "p50_us": times.percentile(50), "p99_us": times.percentile(99),
        "rss_mib": rss, "units_in_all": total,
        "commit_p50_us": commits.percentile(50), "commit_p99_us": commits.percentile(99),
    });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

async fn client(node: &Node, grant: &Grant, warm: &AtomicBool, stop: &AtomicBool) -> Result<(Times, u64), Error> {
    let (mut times, mut total) = (Times::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        let (counts, began) = (warm.load(Ordering::Relaxed), now());
        one(node, grant).await?;
        total += 1;
        if counts && !stop.load(Ordering::Relaxed) {
            times.add(began.elapsed());
        }
    }
    Ok((times, total))
}

/// One saga from its start to its end.
pub(crate) async fn one(node: &Node, grant: &Grant) -> Result<(), Error> {
    let start = Start {
        definition: name(SAGA)?,
        version: None,
        input: payload(),
        idempotency_key: None,
        labels: BTreeMap::new(),
        headers: BTreeMap::new(),
        traceparent: None,
        start_at: None,
        signal: None,
        faults: Vec::new(),
    };
    let started = transactions::start(&node.app, grant, start).await?;
    let settled = transactions::settled(&node.app, grant, started.id, SAGA_MAX).await?;
    let status = settled.map(|summary| summary.status.word());
    if status == Some("completed") {
        return Ok(());
    }
    Err(Error::Failed(format!("a saga ended as {status:?}")))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
