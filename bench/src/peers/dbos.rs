//! DBOS: a script that is clients, workflows and steps in one, over a PostgreSQL of its own.

use super::Tools;
use crate::harness::Error;
use crate::postgres::Server;
use crate::report::Figure;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const DURABILITY: &str = "dbos, postgresql fsync=on synchronous_commit=on";
/// Connections of the pool that DBOS keeps for each client, at most, and some of its own.
const fn connections(clients: usize) -> usize {
    clients * 3 + 50
}

pub(super) async fn measure(tools: &Tools, clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let mut database = Server::start(dir.path(), connections(clients)).await?;
    let address = database.create("dbos").await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/dbos/saga.py");
    let output = Command::new(tools.path("python/bin/python")?)
        .arg(script)
        .arg(address)
        .args([clients.to_string(), time.as_secs().to_string()])
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await;
    database.stop().await?;
    let output = output?;
    if !output.status.success() {
        return Err(Error::Failed("the script on DBOS failed".to_owned()));
    }
    let line: Value = serde_json::from_slice(&output.stdout)?;
    let figure = Figure::of_child("dbos-remote-10", clients, &line, 0, DURABILITY);
    Ok(Figure { syncs_per_unit: None, ..figure })
}
