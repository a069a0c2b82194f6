//! Restate: one server, one service in Rust, clients at its ingress.

use super::{Tools, free_addresses};
use crate::fixture::payload;
use crate::harness::{Error, rss_mib};
use crate::http::Http;
use crate::inprocess::now;
use crate::load::{Load, Poster};
use crate::report::Figure;
use serde_json::json;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

const DURABILITY: &str = "restate single node, rocksdb wal fsynced";
/// How long server and service may take to be there.
const START_MAX: Duration = Duration::from_secs(60);

pub(super) async fn measure(tools: &Tools, clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let [ingress, admin, fabric, service] = free_addresses()?;
    let server = Command::new(tools.path("node_modules/.bin-native/restate-server")?)
        .arg("--no-logo")
        .env("RESTATE_BASE_DIR", dir.path())
        .env("RESTATE_LISTEN_MODE", "tcp")
        .env("RESTATE_BIND_IP", "127.0.0.1")
        .env("RESTATE_BIND_PORT", fabric.port().to_string())
        .env("RESTATE_INGRESS__BIND_PORT", ingress.port().to_string())
        .env("RESTATE_ADMIN__BIND_PORT", admin.port().to_string())
        .env("RESTATE_LOG_FILTER", "warn")
        .env("RESTATE_DISABLE_TELEMETRY", "true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let worker =
        Command::new(tools.path("cargo/release/peer-restate")?).arg(service.to_string()).kill_on_drop(true).spawn()?;
    register(admin, service).await?;
    served(ingress).await?;
    let mut callers = Vec::new();
    for _ in 0..clients {
        callers.push(Poster::connect(ingress, "/Saga/run").await?);
    }
    let mut load = Load::warm_up(callers, time).await;
    load.count(time).await;
    let rss_mib = server.id().map_or(0, rss_mib);
    let figure = load.end(Figure { rss_mib, ..Figure::new("restate-remote-10", clients, DURABILITY) }, None).await?;
    end(worker).await?;
    end(server).await?;
    Ok(figure)
}

/// Tells the server where the service is, once both are there.
async fn register(admin: SocketAddr, service: SocketAddr) -> Result<(), Error> {
    let began = now();
    loop {
        let deployment = json!({ "uri": format!("http://{service}") });
        let registered = async {
            // The service refuses HTTP/1.1, so that being connected is all that can be asked of it beforehand.
            drop(tokio::net::TcpStream::connect(service).await?);
            Http::connect(admin).await?.post("/deployments", serde_json::to_vec(&deployment)?).await
        };
        match registered.await {
            Ok(_) => return Ok(()),
            Err(err) if began.elapsed() > START_MAX => return Err(err),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Waits until a saga runs: the ingress learns of a service some time after the server has taken it in.
async fn served(ingress: SocketAddr) -> Result<(), Error> {
    let began = now();
    loop {
        let ran = async { Http::connect(ingress).await?.post("/Saga/run", serde_json::to_vec(&payload())?).await };
        match tokio::time::timeout(START_MAX, ran).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(err)) if began.elapsed() > START_MAX => return Err(err),
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(_) => return Err(Error::Failed("Restate runs no saga".to_owned())),
        }
    }
}

/// Ends a process of ours and waits for it.
async fn end(mut child: Child) -> Result<(), Error> {
    child.kill().await?;
    Ok(())
}
