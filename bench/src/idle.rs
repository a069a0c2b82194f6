//! What a server does that nobody asks anything of, on either store: left alone, or with much that is due much later.

use crate::fixture::{DURABILITY, name};
use crate::harness::{Error, SyncCounter, cpu_time, rss_mib};
use crate::remote::{SAGA, Served, one, work};
use crate::{postgres, scale};
use chancery_sdk::api::schedule::ScheduleTerms;
use chancery_sdk::{Client, Start};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::task::JoinSet;

/// The workload's name.
pub(crate) const IDLE: &str = "idle";

/// Sagas that it ran before, so that there is a log to be idle over.
const SAGAS: usize = 20;
/// Transactions that wait for a signal.
const WAITING: usize = 1_000;
/// Schedules that are due once a year.
const SCHEDULES: usize = 100;
/// How long it is let settle: the last checkpoint, the worker's lease.
const SETTLE: Duration = Duration::from_secs(40);
/// How long it is watched.
const WATCH: Duration = Duration::from_secs(20);

/// What the server is left with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Alone,
    /// Transactions that wait, schedules, and a worker whose calls are open.
    Waiting,
}

impl Left {
    pub(crate) const ALL: [Self; 2] = [Self::Alone, Self::Waiting];

    fn text(self) -> String {
        match self {
            Self::Alone => "nothing".to_owned(),
            Self::Waiting => format!("{WAITING} waiting transactions, {SCHEDULES} schedules, a worker that polls"),
        }
    }
}

/// The statements that a server makes.
enum Statements {
    /// SQLite takes a file lock for every one outside a transaction.
    Locks,
    /// PostgreSQL writes each into its log.
    Logged { log: PathBuf, server: Box<postgres::Server>, url: String },
}

impl Statements {
    async fn new(dir: &std::path::Path, on_postgres: bool) -> Result<Self, Error> {
        if !on_postgres {
            return Ok(Self::Locks);
        }
        let (log, at) = (dir.join("postgres.log"), dir.join("postgres"));
        std::fs::create_dir(&at)?;
        let all = ["log_statement=all", "lc_messages=C"];
        // The database is another user's, who must be able to pass through.
        std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let logged = Stdio::from(File::create(&log)?);
        let server = postgres::Server::start_with(&at, postgres::CONNECTIONS, &all, logged).await?;
        let url = server.create("chancery").await?;
        Ok(Self::Logged { log, server: Box::new(server), url })
    }

    fn role(&self) -> Vec<&str> {
        match self {
            Self::Locks => vec!["server"],
            Self::Logged { url, .. } => vec!["server", url],
        }
    }

    /// How many there were so far.
    fn count(&self, counter: &SyncCounter) -> Result<u64, Error> {
        match self {
            Self::Locks => counter.locks(),
            Self::Logged { log, .. } => {
                let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
                let is_one = |line: &&str| line.contains("LOG:  statement: ") || line.contains("LOG:  execute ");
                Ok(u64::try_from(text.lines().filter(is_one).count()).unwrap_or(u64::MAX))
            }
        }
    }

    fn durability(&self) -> &'static str {
        match self {
            Self::Locks => DURABILITY,
            Self::Logged { .. } => postgres::DURABILITY,
        }
    }

    async fn end(self) -> Result<(), Error> {
        match self {
            Self::Locks => Ok(()),
            Self::Logged { mut server, .. } => server.stop().await,
        }
    }
}

/// Watches an idle server, and gives the figures.
pub(crate) async fn measure(on_postgres: bool, left: Left) -> Result<Value, Error> {
    let dir = tempfile::tempdir()?;
    let counter = SyncCounter::new(dir.path())?;
    let statements = Statements::new(dir.path(), on_postgres).await?;
    let served = Served::start(&statements.role(), Some(&counter)).await?;
    let client = served.client()?;
    let mut worker = JoinSet::new();
    worker.spawn(work(client.clone(), SAGA));
    for _ in 0..SAGAS {
        one(&client, SAGA).await?;
    }
    if statements.count(&counter)? == 0 {
        return Err(Error::Failed("a server that worked made no statement: they are not seen".to_owned()));
    }
    match left {
        Left::Alone => worker.shutdown().await,
        Left::Waiting => leave(&client).await?,
    }
    drop(client);
    tokio::time::sleep(SETTLE).await;
    let pid = served.pid().ok_or_else(|| Error::Failed("the server ended".to_owned()))?;
    let before = (cpu_time(pid)?, statements.count(&counter)?, counter.count()?);
    tokio::time::sleep(WATCH).await;
    let after = (cpu_time(pid)?, statements.count(&counter)?, counter.count()?);
    let rss = rss_mib(pid);
    if worker.try_join_next().is_some() {
        return Err(Error::Failed("the worker ended while the server was watched".to_owned()));
    }
    worker.shutdown().await;
    served.end().await?;
    let (cpu, made) = (after.0.saturating_sub(before.0), after.1 - before.1);
    let figures = json!({
        "name": IDLE, "with": left.text(), "seconds": WATCH.as_secs(),
        "cpu_ms": u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX), "statements": made,
        "syncs": after.2 - before.2, "rss_mib": rss, "met": made == 0 && cpu < WATCH / 100,
        "durability": statements.durability(),
    });
    statements.end().await?;
    Ok(figures)
}

/// Leaves it with what is due much later.
async fn leave(client: &Client) -> Result<(), Error> {
    let waiting = Start::new(name(scale::WAITING)?, Value::Null);
    for _ in 0..WAITING {
        client.start(&waiting).await?;
    }
    let terms = ScheduleTerms {
        definition: name(SAGA)?,
        version: None,
        input: Value::Null,
        labels: BTreeMap::new(),
        headers: BTreeMap::new(),
        cron: Some("@yearly".to_owned()),
        every: None,
        offset: None,
        at: None,
        zone: Some("Europe/Berlin".to_owned()),
        from: None,
        until: None,
        overlap: None,
        catch_up: None,
        catch_up_window: None,
    };
    for number in 0..SCHEDULES {
        client.schedule_create(&name(&format!("yearly-{number}"))?, &terms).await?;
    }
    Ok(())
}
