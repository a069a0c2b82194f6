//! DBOS: a script that is clients, workflows and steps in one, over a PostgreSQL of its own.

use super::Tools;
use crate::harness::Error;
use crate::report::Figure;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

const DURABILITY: &str = "dbos, postgresql fsync=on synchronous_commit=on";
/// Tries, a tenth of a second apart, to reach a PostgreSQL that was just started.
const TRIES: usize = 300;

pub(super) async fn measure(tools: &Tools, clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let mut database = Database::start(dir.path(), clients).await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/dbos/saga.py");
    let output = Command::new(tools.path("python/bin/python")?)
        .arg(script)
        .arg(format!("postgresql://bench@/dbos?host={}", dir.path().display()))
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

/// A PostgreSQL that listens on a socket in a folder of its own.
#[derive(Debug)]
struct Database {
    server: Child,
}

impl Database {
    async fn start(dir: &Path, clients: usize) -> Result<Self, Error> {
        let programs = programs()?;
        // The server refuses to run as root, so that its user must be able to write here.
        std::fs::set_permissions(dir, Permissions::from_mode(0o777))?;
        let data = dir.join("data");
        let mut make = as_user(&programs.join("initdb"));
        make.arg("-D").arg(&data).args(["-U", "bench", "-A", "trust", "-E", "UTF8", "-N"]).stdout(Stdio::null());
        if !make.status().await?.success() {
            return Err(Error::Failed("initdb failed".to_owned()));
        }
        let mut serve = as_user(&programs.join("postgres"));
        serve.arg("-D").arg(&data).arg("-k").arg(dir).args(["-c", "listen_addresses="]);
        serve.arg("-c").arg(format!("max_connections={}", clients * 3 + 50));
        let server = serve.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        for _ in 0..TRIES {
            let mut create = Command::new(programs.join("createdb"));
            create.arg("-h").arg(dir).args(["-U", "bench", "dbos"]).stdout(Stdio::null()).stderr(Stdio::null());
            if create.status().await?.success() {
                return Ok(Self { server });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Error::Failed("PostgreSQL does not answer".to_owned()))
    }

    async fn stop(&mut self) -> Result<(), Error> {
        Ok(self.server.kill().await?)
    }
}

/// A program as the user `postgres`, if this is root.
fn as_user(program: &Path) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
    command
}

/// Where the newest PostgreSQL's programs are.
fn programs() -> Result<PathBuf, Error> {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let missing = |_| Error::Failed("PostgreSQL is missing: run scripts/peers.sh".to_owned());
    let newest = versions
        .map_err(missing)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok())
        .max();
    let newest = newest.ok_or_else(|| Error::Failed("PostgreSQL is missing: run scripts/peers.sh".to_owned()))?;
    Ok(Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin"))
}
