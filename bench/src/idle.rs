//! What a server does that nobody asks anything of.

use crate::harness::{Error, SyncCounter, cpu_time, rss_mib};
use crate::remote::{Served, one, work};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// Sagas that it ran before, so that there is a log to be idle over.
const SAGAS: usize = 20;
/// How long it is let settle: the last checkpoint, the worker's lease.
const SETTLE: Duration = Duration::from_secs(40);
/// How long it is watched.
const WATCH: Duration = Duration::from_secs(20);

/// Watches an idle server, and gives the figures.
pub(crate) async fn measure() -> Result<Value, Error> {
    let dir = tempfile::tempdir()?;
    let counter = SyncCounter::new(dir.path())?;
    let served = Served::start(&["server"], Some(&counter)).await?;
    let client = served.client()?;
    let mut worker = JoinSet::new();
    worker.spawn(work(client.clone()));
    for _ in 0..SAGAS {
        one(&client).await?;
    }
    let busy = counter.locks()?;
    if busy == 0 {
        return Err(Error::Failed("a server that worked took no lock: the interposer does not see them".to_owned()));
    }
    worker.shutdown().await;
    drop(client);
    tokio::time::sleep(SETTLE).await;
    let pid = served.pid().ok_or_else(|| Error::Failed("the server ended".to_owned()))?;
    let before = (cpu_time(pid)?, counter.locks()?, counter.count()?);
    tokio::time::sleep(WATCH).await;
    let after = (cpu_time(pid)?, counter.locks()?, counter.count()?);
    let rss = rss_mib(pid);
    served.end().await?;
    let cpu = after.0.saturating_sub(before.0);
    Ok(json!({
        "name": "idle", "seconds": WATCH.as_secs(), "cpu_ms": u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX),
        "statements": after.1 - before.1, "syncs": after.2 - before.2, "rss_mib": rss,
    }))
}
