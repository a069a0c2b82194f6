//! Cerbos: its server, with as many policies as Chancery's bundle has.

use super::{Tools, free_addresses};
use crate::harness::Error;
use crate::http::Http;
use crate::inprocess::now;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The call that asks.
pub(crate) const CHECK: &str = "/api/check/resources";
/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// A server in a child process.
#[derive(Debug)]
pub(crate) struct Cerbos {
    server: Child,
    pub(crate) address: SocketAddr,
    _dir: TempDir,
}

impl Cerbos {
    /// Starts it with so many policies, each about a resource of its own, and waits until it answers as it should.
    pub(crate) async fn start(tools: &Tools, policies: usize) -> Result<Self, Error> {
        let dir = tempfile::tempdir()?;
        let folder = dir.path().join("policies");
        std::fs::create_dir(&folder)?;
        for number in 0..policies {
            std::fs::write(folder.join(format!("kind{number}.yaml")), policy(number))?;
        }
        let [http, grpc] = free_addresses()?;
        let config = json!({
            "server": { "httpListenAddr": http.to_string(), "grpcListenAddr": grpc.to_string(), "logRequestPayloads": false },
            "storage": { "driver": "disk", "disk": { "directory": folder, "watchForChanges": false } },
            "telemetry": { "disabled": true },
            "audit": { "enabled": false },
        });
        let file = dir.path().join("cerbos.yaml");
        // JSON is YAML.
        std::fs::write(&file, config.to_string())?;
        let server = Command::new(tools.path("node_modules/.bin-native/cerbos")?)
            .args(["server", "--log-level=error", "--config"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let cerbos = Self { server, address: http, _dir: dir };
        cerbos.answers().await?;
        Ok(cerbos)
    }

    async fn answers(&self) -> Result<(), Error> {
        let began = now();
        loop {
            let asked =
                async { Http::connect(self.address).await?.post(CHECK, serde_json::to_vec(&question())?).await };
            match asked.await {
                Ok(answer) => {
                    let answer: Value = serde_json::from_slice(&answer)?;
                    let effect = answer.pointer("/results/0/actions/run").and_then(Value::as_str);
                    return match effect {
                        Some("EFFECT_ALLOW") => Ok(()),
                        Some(_) | None => Err(Error::Failed(format!("Cerbos should allow: {answer}"))),
                    };
                }
                Err(err) if began.elapsed() > START_MAX => return Err(err),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.server.id()
    }

    pub(crate) async fn end(mut self) -> Result<(), Error> {
        Ok(self.server.kill().await?)
    }
}

/// The question that it is asked: one action of an owner on a resource of one kind.
pub(crate) fn question() -> Value {
    json!({
        "principal": { "id": "owner", "roles": ["owner"], "attr": { "name": "owner" } },
        "resources": [{ "resource": { "kind": "kind0", "id": "saga-remote-10/s0" }, "actions": ["run"] }],
    })
}

/// A policy of a kind: an owner may run it, if somebody at all.
fn policy(number: usize) -> String {
    let mut text = "apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n".to_owned();
    let written = writeln!(
        text,
        "  resource: kind{number}\n  version: default\n  rules:\n    - actions: [run]\n      effect: EFFECT_ALLOW\n      \
         roles: [owner]\n      condition:\n        match:\n          expr: request.principal.attr.name != \"nobody\""
    );
    debug_assert!(written.is_ok());
    text
}
