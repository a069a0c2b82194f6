//! `saga-postgres-3`: `saga-inprocess-3` with its store in a PostgreSQL that this run starts and stops.

use crate::harness::Error;
use crate::report::Figure;
use crate::{floor, inprocess};
use chancery_app::data::{Database, DatabaseOptions};
use chancery_base::Secret;
use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// The workload's name.
pub(crate) const SAGA: &str = "saga-postgres-3";
/// Its floor's.
pub(crate) const FLOOR: &str = "floor-postgres-3";
/// What stands beside each figure.
pub(crate) const DURABILITY: &str = "postgresql fsync=on synchronous_commit=on";

/// Connections that the database takes.
pub(crate) const CONNECTIONS: usize = 100;
/// Tries, a tenth of a second apart, to reach a PostgreSQL that was just started.
const TRIES: usize = 300;
/// Who owns everything in it.
const USER: &str = "bench";

/// Runs the floor and then the workload, each in a database of its own on one server.
pub(crate) async fn measure(clients: usize, seconds: u64) -> Result<(Figure, Figure), Error> {
    let dir = tempfile::tempdir()?;
    let mut server = Server::start(dir.path(), CONNECTIONS).await?;
    let floor = floor::inprocess(clients, seconds, Some(&server.create("floor").await?)).await?;
    let mut figure = inprocess::measure(clients, seconds, Some(&server.create("chancery").await?)).await?;
    server.stop().await?;
    figure.floor_ratio = figure.over(&floor);
    Ok((floor, figure))
}

/// Where a child's store is. Statements are prepared, since nothing is between.
pub(crate) fn database(url: Option<&str>) -> Database {
    match url {
        None => Database::Embedded,
        Some(url) => {
            let options = DatabaseOptions::new(Secret::new(url.to_owned()));
            Database::Postgres(DatabaseOptions { prepare: true, ..options })
        }
    }
}

/// A PostgreSQL in a folder of its own that listens on a socket in it and on loopback, and asks for no password.
#[derive(Debug)]
pub(crate) struct Server {
    server: Child,
    dir: PathBuf,
    address: SocketAddr,
}

impl Server {
    pub(crate) async fn start(dir: &Path, connections: usize) -> Result<Self, Error> {
        Self::start_with(dir, connections, &[], Stdio::null()).await
    }

    /// With further settings, each `name=value`, and a place for its log.
    pub(crate) async fn start_with(
        dir: &Path,
        connections: usize,
        settings: &[&str],
        log: Stdio,
    ) -> Result<Self, Error> {
        let programs = programs()?;
        // The server refuses to run as root, so that its user must be able to write here.
        std::fs::set_permissions(dir, Permissions::from_mode(0o777))?;
        let data = dir.join("data");
        let mut make = as_user(&programs.join("initdb"));
        make.arg("-D").arg(&data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "-N"]).stdout(Stdio::null());
        if !make.status().await?.success() {
            return Err(Error::Failed("initdb failed".to_owned()));
        }
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut serve = as_user(&programs.join("postgres"));
        serve.arg("-D").arg(&data).arg("-k").arg(dir).args(["-c", "listen_addresses=127.0.0.1"]);
        serve.arg("-c").arg(format!("port={}", address.port()));
        serve.arg("-c").arg(format!("max_connections={connections}"));
        for setting in settings {
            serve.args(["-c", setting]);
        }
        let server = serve.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?;
        Ok(Self { server, dir: dir.to_owned(), address })
    }

    /// Makes a database, once the server answers, and gives its address.
    pub(crate) async fn create(&self, name: &str) -> Result<String, Error> {
        let program = programs()?.join("createdb");
        for _ in 0..TRIES {
            let mut create = Command::new(&program);
            create.arg("-h").arg(&self.dir).arg("-p").arg(self.address.port().to_string()).args(["-U", USER, name]);
            if create.stdout(Stdio::null()).stderr(Stdio::null()).status().await?.success() {
                return Ok(format!("postgresql://{USER}@{}/{name}", self.address));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Error::Failed("PostgreSQL does not answer".to_owned()))
    }

    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
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
