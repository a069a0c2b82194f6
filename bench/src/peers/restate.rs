//! Restate: one server, one program with services in Rust, clients at its ingress.

use super::{Tools, free_addresses};
use crate::fixture::{REMOTE_STEPS, payload};
use crate::harness::{Error, rss_mib};
use crate::http::Http;
use crate::inprocess::now;
use crate::load::{Load, Poster};
use crate::report::Figure;
use crate::steps::Steps;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

const DURABILITY: &str = "restate single node, rocksdb wal fsynced";
/// How long server and service may take to be there.
const START_MAX: Duration = Duration::from_secs(60);

/// A server and its services, both processes of this run.
#[derive(Debug)]
pub(crate) struct Restate {
    server: Child,
    pub(crate) steps: Steps,
    pub(crate) ingress: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Restate {
    /// Starts them, and waits until a saga has run. What the services say beside answers goes to `other`.
    pub(crate) async fn start(tools: &Tools, other: impl FnMut(&str) + Send + 'static) -> Result<Self, Error> {
        let dir = tempfile::tempdir()?;
        let [ingress, admin, fabric, service] = free_addresses()?;
        let mut server = Command::new(program(tools)?);
        server.arg("--no-logo").env("RESTATE_BASE_DIR", dir.path());
        server.env("RESTATE_BIND_PORT", fabric.port().to_string());
        server.env("RESTATE_INGRESS__BIND_PORT", ingress.port().to_string());
        server.env("RESTATE_ADMIN__BIND_PORT", admin.port().to_string());
        let server = settings(&mut server).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        let mut steps = Command::new(tools.path("cargo/release/peer-restate")?);
        steps.arg(service.to_string());
        let steps = Steps::start(steps, other)?;
        register(admin, service).await?;
        served(ingress).await?;
        Ok(Self { server, steps, ingress, _dir: dir })
    }

    pub(crate) fn pid(&self) -> Result<u32, Error> {
        self.server.id().ok_or_else(|| Error::Failed("Restate has ended".to_owned()))
    }

    /// Ends both.
    pub(crate) async fn end(mut self) -> Result<(), Error> {
        self.steps.end().await?;
        Ok(self.server.kill().await?)
    }
}

fn program(tools: &Tools) -> Result<PathBuf, Error> {
    tools.path("node_modules/.bin-native/restate-server")
}

/// All that is set beside addresses: nothing of it is about how it keeps what it is given.
fn settings(server: &mut Command) -> &mut Command {
    server
        .env("RESTATE_LISTEN_MODE", "tcp")
        .env("RESTATE_BIND_IP", "127.0.0.1")
        .env("RESTATE_LOG_FILTER", "warn")
        .env("RESTATE_DISABLE_TELEMETRY", "true")
}

/// How it keeps what it is given, as it says itself: its version, and what its configuration has for its log.
pub(crate) async fn durability(tools: &Tools) -> Result<String, Error> {
    let run = async |argument: &str| {
        let output = settings(Command::new(program(tools)?).arg(argument)).kill_on_drop(true).output().await?;
        Ok::<_, Error>(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (version, dump) = (run("--version").await?, run("--dump-config").await?);
    let read = |section: &str, key: &str| {
        let missing = || Error::Failed(format!("Restate's configuration has no `{key}` in `[{section}]`"));
        setting(&dump, section, key).ok_or_else(missing)
    };
    Ok(format!(
        "{}, {} log of {}, log-server rocksdb-disable-wal-fsync = {}",
        version.trim(),
        read("bifrost", "default-provider")?,
        read("", "default-replication")?,
        read("log-server", "rocksdb-disable-wal-fsync")?,
    ))
}

/// A key of a section of a TOML document that has one a line. The section of those before all others has no name.
fn setting<'a>(dump: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut inside = "";
    for line in dump.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name;
        } else if let Some((name, value)) = line.split_once(" = ")
            && inside == section
            && name == key
        {
            return Some(value.trim_matches('"'));
        }
    }
    None
}

pub(super) async fn measure(tools: &Tools, clients: usize, time: Duration) -> Result<Figure, Error> {
    let restate = Restate::start(tools, |_| ()).await?;
    let mut callers = Vec::new();
    for _ in 0..clients {
        callers.push(Poster::connect(restate.ingress, "/Saga/run", order(REMOTE_STEPS)).await?);
    }
    let mut load = Load::warm_up(callers, time).await;
    load.count(time).await;
    let rss_mib = rss_mib(restate.pid()?);
    let figure = load.end(Figure { rss_mib, ..Figure::new("restate-remote-10", clients, DURABILITY) }, None).await?;
    restate.end().await?;
    Ok(figure)
}

/// What a saga of so many steps is started with.
pub(crate) fn order(steps: usize) -> Value {
    json!({ "steps": steps, "payload": payload() })
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
        let ran = async { Http::connect(ingress).await?.post("/Saga/run", serde_json::to_vec(&order(1))?).await };
        match tokio::time::timeout(START_MAX, ran).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(err)) if began.elapsed() > START_MAX => return Err(err),
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(_) => return Err(Error::Failed("Restate runs no saga".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "default-replication = 1\n\n[bifrost]\ndefault-provider = \"replicated\"\n\n\
        [bifrost.local]\nrocksdb-disable-wal-fsync = true\n\n[log-server]\nrocksdb-disable-wal-fsync = false\n";

    fn check(section: &str, key: &str, expected: Option<&str>) {
        assert_eq!(setting(DUMP, section, key), expected);
    }

    #[test]
    fn settings_are_read_from_their_section_alone() {
        check("", "default-replication", Some("1"));
        check("bifrost", "default-provider", Some("replicated"));
        check("log-server", "rocksdb-disable-wal-fsync", Some("false"));
        check("bifrost", "rocksdb-disable-wal-fsync", None);
    }
}
