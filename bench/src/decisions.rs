//! `decisions-http`: each client asks for one decision after another over HTTP. Chancery's is in the ledger and synced
//! when it is answered. Beside it Cerbos, which keeps nothing, with as many policies and the same load.

use crate::fixture::{DURABILITY, POLICIES};
use crate::harness::{Error, SyncCounter, rss_mib};
use crate::load::{Load, Poster};
use crate::peers::cerbos::Cerbos;
use crate::peers::{Tools, cerbos};
use crate::remote::Served;
use crate::report::Figure;
use serde_json::{Value, json};
use std::time::Duration;

/// The workload's name.
pub(crate) const DECISIONS: &str = "decisions-http";
/// Numbers of clients that are measured. All ask as one principal, who may have
/// `PRINCIPAL_CALLS_MAX` calls in hand.
pub(crate) const CLIENTS: [usize; 3] = [1, 64, 192];
/// A call asks for one decision.
const A_CALL: usize = 1;

/// Chancery with so many clients.
pub(crate) async fn measure(clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let syncs = SyncCounter::new(dir.path())?;
    let mut served = Served::start(&["server"], Some(&syncs)).await?;
    let (address, key) = served.address()?;
    let mut callers = Vec::new();
    for _ in 0..clients {
        callers.push(Poster::connect(address, "/v1/decisions", question()).await?.with_key(&key)?);
    }
    let mut load = Load::warm_up(callers, time).await;
    served.count_anew().await?;
    let syncs_before = syncs.count()?;
    load.count(time).await;
    let (rss_mib, synced) = (served.pid().map_or(0, rss_mib), syncs.count()? - syncs_before);
    let figure = Figure { rss_mib, ..Figure::new(DECISIONS, clients, DURABILITY) };
    let figure = load.end_of(A_CALL, figure, Some(synced)).await?;
    let commits = served.end().await?;
    Ok(Figure { commit_p99_us: commits.get("commit_p99_us").and_then(Value::as_u64), ..figure })
}

/// Cerbos with so many clients.
pub(crate) async fn measure_cerbos(clients: usize, time: Duration) -> Result<Figure, Error> {
    let cerbos = Cerbos::start(&Tools::find()?, POLICIES).await?;
    let mut callers = Vec::new();
    for _ in 0..clients {
        callers.push(Poster::connect(cerbos.address, cerbos::CHECK, cerbos::question()).await?);
    }
    let mut load = Load::warm_up(callers, time).await;
    load.count(time).await;
    let rss_mib = cerbos.pid().map_or(0, rss_mib);
    let figure = Figure { rss_mib, ..Figure::new("cerbos-http", clients, "keeps nothing") };
    let figure = load.end_of(A_CALL, figure, None).await?;
    cerbos.end().await?;
    Ok(figure)
}

/// May the owner run this step? One policy of a hundred says so.
fn question() -> Value {
    json!({ "action": "run", "resource": { "type": "Step", "id": "saga-remote-10/s0" } })
}
