//! The floor of `saga-inprocess-3`.

use super::group::Group;
use super::template::{Sizes, Template};
use crate::fixture::Node;
use crate::harness::{Error, Times, rate, rss_mib};
use crate::inprocess::{SAGA, in_child, now, one};
use crate::postgres;
use crate::report::Figure;
use chancery_app::data::Database;
use chancery_policy::Action;
use serde_json::json;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Sagas that run before the one that is looked at.
const SAGAS_BEFORE: usize = 20;

/// Runs the floor in a child process.
pub(crate) async fn measure(clients: usize, seconds: u64, database: Option<&str>) -> Result<Figure, Error> {
    in_child(["floor-inprocess-3", postgres::FLOOR], "floor-inprocess", clients, seconds, database).await
}

/// The child: learns what a saga writes, then writes as much as it can, and prints one line.
pub(crate) async fn child(clients: usize, time: Duration, database: &Database) -> Result<(), Error> {
    let template = learn().await?;
    let dir = tempfile::tempdir()?;
    let (group, commits) = Group::open(dir.path(), database, template).await?;
    let (warm, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let (group, warm, stop) = (group.clone(), Arc::clone(&warm), Arc::clone(&stop));
        running.spawn(async move { client(&group, &warm, &stop).await });
    }
    drop(group);
    tokio::time::sleep(time / 5).await;
    let began = now();
    warm.store(true, Ordering::Relaxed);
    tokio::time::sleep(time).await;
    let rss = rss_mib(std::process::id());
    stop.store(true, Ordering::Relaxed);
    let took = began.elapsed();
    let (mut times, mut total) = (Times::default(), 0);
    while let Some(joined) = running.join_next().await {
        let (counted, all) = joined.map_err(|err| Error::Failed(err.to_string()))??;
        times.extend(counted);
        total += all;
    }
    commits.await.map_err(|err| Error::Failed(err.to_string()))??;
    let figures = json!({
        "per_second": rate(times.len(), took), "p50_us": times.percentile(50), "p99_us": times.percentile(99),
        "rss_mib": rss, "units_in_all": total,
    });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

async fn client(group: &Group, warm: &AtomicBool, stop: &AtomicBool) -> Result<(Times, u64), Error> {
    let (mut times, mut total) = (Times::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        let (counts, began) = (warm.load(Ordering::Relaxed), now());
        let mut saga = group.saga()?;
        while group.write(&mut saga).await? {}
        total += 1;
        if counts && !stop.load(Ordering::Relaxed) {
            times.add(began.elapsed());
        }
    }
    Ok((times, total))
}

/// Runs sagas one at a time, and takes the last one's batches.
async fn learn() -> Result<Template, Error> {
    let dir = tempfile::tempdir()?;
    let node = Node::new(dir.path(), &Database::Embedded).await?;
    let grant = node.grant(Action::TransactionStart).await?;
    for _ in 0..SAGAS_BEFORE {
        one(&node, &grant).await?;
    }
    node.store.keep();
    one(&node, &grant).await?;
    let batches = node.store.take_batches();
    node.app.shutdown().await?;
    writeln!(std::io::stderr(), "{SAGA} writes: {}", Sizes::of(&batches).text())?;
    Template::of(&batches)
}
