//! How fast a whole store is verified.

use crate::fixture::Node;
use crate::harness::Error;
use crate::inprocess::one;
use chancery_app::data::Database;
use chancery_app::verify;
use chancery_policy::Action;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

/// The workload's name.
pub(crate) const VERIFY: &str = "verify";
/// Entries that the store has at least.
const ENTRIES_MIN: u64 = 500_000;
/// Sagas at once while it is filled.
const CLIENTS: usize = 256;

/// Fills a store with sagas, verifies it, and gives the figures.
pub(crate) async fn measure() -> Result<Value, Error> {
    let dir = tempfile::tempdir()?;
    let node = Arc::new(Node::new(dir.path(), &Database::Embedded).await?);
    let sagas = fill(&node, ENTRIES_MIN).await?;
    node.app.shutdown().await?;
    drop(node);
    let path = dir.path().to_owned();
    let verified = tokio::task::spawn_blocking(move || {
        let mut tenths = 0;
        let mut progress = |progress: verify::Progress| {
            let reached = progress.entries * 10 / progress.total.max(1);
            if reached > tenths {
                tenths = reached;
                let rate = progress.per_second();
                let written = writeln!(std::io::stderr(), "verify: {reached}0 %, {rate} entries/s");
                debug_assert!(written.is_ok());
            }
        };
        verify::run(&path, &verify::Options::default(), &mut progress)
    });
    let report = verified.await.map_err(|err| Error::Failed(err.to_string()))?;
    let report = report.map_err(|err| Error::Failed(format!("the store does not verify: {err}")))?;
    let millis = u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX);
    Ok(json!({
        "name": VERIFY, "entries": report.entries, "rows": report.rows, "sagas": sagas,
        "ms": millis, "per_second": report.per_second(),
    }))
}

/// Runs sagas until so many entries are committed; gives how many sagas that took.
pub(crate) async fn fill(node: &Arc<Node>, entries_min: u64) -> Result<u64, Error> {
    let grant = Arc::new(node.grant(Action::TransactionStart).await?);
    let sagas = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (node, grant, sagas) = (Arc::clone(node), Arc::clone(&grant), Arc::clone(&sagas));
        clients.spawn(async move {
            while node.store.entries_committed() < entries_min {
                one(&node, &grant).await?;
                sagas.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(joined) = clients.join_next().await {
        joined.map_err(|err| Error::Failed(err.to_string()))??;
    }
    Ok(sagas.load(Ordering::Relaxed))
}
