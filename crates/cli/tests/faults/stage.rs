//! The server: its start on a disk of its own, its sudden end, and who may talk to it.

use crate::disk::Disk;
use crate::postgres_server::Server as PostgresServer;
use chancery_sdk::{Client, ClientOptions, Secret};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A hand-out whose caller died with the server is offered again after so long.
const LEASE: &str = "1s";
/// Looks of 20 ms each until a server must have started.
const START_LOOKS: u32 = 1_500;
/// What the load starts.
const DEFINITIONS: [&str; 7] = [
    include_str!("definitions/kill-saga.yaml"),
    include_str!("definitions/kill-tcc.yaml"),
    include_str!("definitions/kill-fan.yaml"),
    include_str!("definitions/kill-child.yaml"),
    include_str!("definitions/kill-parent.yaml"),
    include_str!("definitions/kill-wait.yaml"),
    include_str!("definitions/kill-open.yaml"),
];
/// What becomes of the outside service's address in a definition.
const OUTSIDE: &str = "http://outside.invalid";

/// A server's data directory, and the server while it is up.
#[derive(Debug)]
pub(crate) struct Stage {
    home: tempfile::TempDir,
    pub(crate) disk: Disk,
    server: Option<Child>,
    port: u16,
    target: String,
    /// Set in the server's environment.
    sabotage: Option<&'static str>,
    /// The store, if it is not in the directory.
    postgres: Option<Postgres>,
    starts: u32,
}

/// Where the server's store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the directory, on a disk that forgets.
    Directory,
    /// In a PostgreSQL that keeps what it commits.
    Postgres,
    /// In one that answers before what it commits is on its disk.
    LazyPostgres,
}

/// A database and its server.
#[derive(Debug)]
struct Postgres {
    server: PostgresServer,
    url: String,
}

impl Postgres {
    fn start(settings: &[&str]) -> Self {
        let server = PostgresServer::start(settings);
        let url = server.url(&server.database("template0"));
        Self { server, url }
    }
}

/// With these it keeps what it commits in its memory for long: nothing has it write but the clock and its WAL writer.
const LAZY: [&str; 7] = [
    "autovacuum=off",
    "shared_buffers=256MB",
    "synchronous_commit=off",
    "wal_writer_delay=10s",
    "wal_writer_flush_after=1GB",
    "wal_buffers=64MB",
    "bgwriter_lru_maxpages=0",
];

/// What a run of the binary said, if it failed.
pub(crate) type Ran = Result<String, String>;

impl Stage {
    /// An initialised directory and a server on it, with a tenant `acme` that may do anything; steps may call `target`.
    pub(crate) async fn set(target: String, place: Place, sabotage: Option<&'static str>) -> Self {
        let home = tempfile::Builder::new().prefix("chancery-faults-").tempdir().unwrap();
        let disk = Disk::new(home.path(), "data");
        let postgres = match place {
            Place::Directory => None,
            Place::Postgres => Some(Postgres::start(&[])),
            Place::LazyPostgres => Some(Postgres::start(&LAZY)),
        };
        // A database that does not sync is refused from the beginning.
        let early = sabotage.filter(|_| place == Place::LazyPostgres);
        let mut stage = Self { home, disk, server: None, port: 0, target, sabotage: early, postgres, starts: 0 };
        stage.run(&["init", "--data", "data", "--key-file", "system.key"]).unwrap();
        stage.start().await.unwrap();
        let system = stage.online("system");
        stage.run(&[&system[..], &words("tenant create acme --key-out acme.key")].concat()).unwrap();
        let acme = stage.online("acme");
        let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/starter");
        stage.run(&[&acme[..], &words("bundle push"), &[bundle.to_owned(), "--activate".to_owned()]].concat()).unwrap();
        for (number, definition) in DEFINITIONS.into_iter().enumerate() {
            let file = format!("kill-{number}.yaml");
            std::fs::write(stage.home.path().join(&file), definition.replace(OUTSIDE, &stage.target)).unwrap();
            stage.run(&[&acme[..], &words(&format!("definition push {file}"))].concat()).unwrap();
        }
        for who in ["worker", "load"] {
            let create = format!("principal create --kind service --name {who} --role service --key-out {who}.key");
            stage.run(&[&acme[..], &words(&create)].concat()).unwrap();
        }
        if sabotage.is_some() {
            // What was set up is on the disk: only what comes now is at stake.
            stage.stop().unwrap();
            stage.sabotage = sabotage;
            if let Some(Postgres { server, .. }) = &stage.postgres {
                server.psql("postgres", "CHECKPOINT").unwrap();
                stop_wal_writer(server);
            }
            stage.start().await.unwrap();
        }
        stage
    }

    fn online(&self, who: &str) -> Vec<String> {
        words(&format!("--server http://127.0.0.1:{} --key-file {who}.key", self.port))
    }

    fn command<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        command.args(args).current_dir(self.home.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        for name in ["CHANCERY_SERVER", "CHANCERY_KEY", "CHANCERY_DATABASE_URL", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("CHANCERY_CONFIG", self.home.path().join("context.json")).env("HOME", self.home.path());
        if let Some(postgres) = &self.postgres {
            command.env("CHANCERY_DATABASE_URL", &postgres.url);
        }
        if let Some(sabotage) = self.sabotage {
            command.env("CHANCERY_SABOTAGE", sabotage);
        }
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ran {
        let output = self.command(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(format!("{}: {}{}", output.status, text(&output.stdout), text(&output.stderr))),
        }
    }

    /// Starts a server on what is there, and waits until it is ready; else what it said.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        loop {
            match self.try_start().await {
                // Another process had the port for a moment, as the end of a connection of its own.
                Err(said) if said.contains("is in use") => tokio::time::sleep(Duration::from_millis(100)).await,
                ended => return ended,
            }
        }
    }

    async fn try_start(&mut self) -> Result<(), String> {
        self.starts += 1;
        let said = self.home.path().join(format!("server-{}.err", self.starts));
        let listen = format!("127.0.0.1:{}", self.port);
        let args =
            ["serve", "--data", "data", "--listen", &listen, "--lease", LEASE, "--allow-http-target", &self.target];
        let mut command = self.command(&args);
        command.stdout(Stdio::null()).stderr(File::create(&said).unwrap());
        self.disk.attach(&mut command);
        let child = self.server.insert(command.spawn().unwrap());
        for _ in 0..START_LOOKS {
            let text = std::fs::read_to_string(&said).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                self.server = None;
                return Err(format!("the server ended with {status}: {text}"));
            }
            if let Some(port) = port_in(&text) {
                self.port = port;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the server does not say where it listens".to_owned())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// The power of what keeps the store is lost: a disk forgets what was not synced, or with a seed all but a random
    /// beginning of it; a database dies, and recovers what it had put on its disk. Gives how many writes a disk forgot.
    pub(crate) fn lose_power(&self, seed: Option<u64>) -> u64 {
        match &self.postgres {
            None => self.disk.lose_power(seed),
            Some(postgres) => {
                postgres.server.restart_immediately();
                0
            }
        }
    }

    /// The server's end, if it ended by itself.
    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        let status = self.server.as_mut()?.try_wait().unwrap();
        if status.is_some() {
            self.server = None;
        }
        status
    }

    /// What the server that was started last has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.home.path().join(format!("server-{}.err", self.starts))).unwrap()
    }

    /// SIGTERM, and its end in order.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let sent = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = server.wait().unwrap();
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}: {}", self.said())) }
    }

    /// `chancery verify`: every entry, the tree, and every row against the replay of the entries.
    pub(crate) fn verify(&self) -> Ran {
        self.run(&["verify", "--data", "data"])
    }

    /// Talks to the server as somebody, through its absences if it has patience.
    pub(crate) fn client(&self, who: &str, patience: Duration) -> Client {
        let key = std::fs::read_to_string(self.home.path().join(format!("{who}.key"))).unwrap();
        let key = Secret::new(key.trim().to_owned());
        let mut options = ClientOptions::new(format!("http://127.0.0.1:{}", self.port), key);
        options.patience = patience;
        options.timeout = Duration::from_secs(20);
        Client::new(options).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("{}", self.said());
        }
    }
}

/// Has a database's WAL writer write nothing until the database is started again. Else it gives each page that is full to
/// the system, and only a loss of power would lose that: the death of the database does not.
fn stop_wal_writer(server: &PostgresServer) {
    let pid = server.psql("postgres", "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").unwrap();
    let sent = Command::new("kill").args(["-STOP", &pid]).status().unwrap();
    assert!(sent.success());
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// The port in `http://127.0.0.1:PORT` of a whole line.
fn port_in(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once("http://127.0.0.1:")?;
    let (line, _) = rest.split_once('\n')?;
    line.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
