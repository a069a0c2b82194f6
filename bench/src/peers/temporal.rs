//! Temporal: its dev server over a SQLite file, and a program that is worker and clients in one.

use super::{Tools, free_addresses};
use crate::harness::{Error, rss_mib};
use crate::report::Figure;
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const DURABILITY: &str = "temporal dev server, sqlite wal synchronous=full";

pub(super) async fn measure(tools: &Tools, clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let [frontend, http, metrics] = free_addresses()?;
    let mut server = Command::new(tools.path("python/bin/temporal")?)
        .args(["server", "start-dev", "--headless", "--log-level", "never", "--ip", "127.0.0.1"])
        .args(["--port".to_owned(), frontend.port().to_string()])
        .args(["--http-port".to_owned(), http.port().to_string()])
        .args(["--metrics-port".to_owned(), metrics.port().to_string()])
        .arg("--db-filename")
        .arg(dir.path().join("temporal.db"))
        // As durable as a rollback journal, which is its default, with fewer syncs.
        .args(["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=full"])
        // Otherwise it looks for the next tasks 20 times a second, and a single client would measure that.
        .args(["--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000"])
        // Otherwise it asks the outside for newer versions.
        .args(["--dynamic-config-value", "frontend.enableServerVersionCheck=false"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let output = Command::new(tools.path("cargo/release/peer-temporal")?)
        .arg(format!("http://{frontend}"))
        .args([clients.to_string(), time.as_secs().to_string()])
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await;
    let rss_mib = server.id().map_or(0, rss_mib);
    server.kill().await?;
    let output = output?;
    if !output.status.success() {
        return Err(Error::Failed("the program on Temporal failed".to_owned()));
    }
    let line: Value = serde_json::from_slice(&output.stdout)?;
    let figure = Figure::of_child("temporal-remote-10", clients, &line, 0, DURABILITY);
    Ok(Figure { rss_mib, syncs_per_unit: None, ..figure })
}
