//! `waiting-1m`, `timers-100k` and `fanout-10k`: very many at once, in a server's own process, on either store. What
//! fills a store and what opens it again are processes of their own, so that memory is what each of them holds.

use crate::fixture::{DURABILITY, Node, name};
use crate::harness::{Error, Times, rate, rss_mib, this_program};
use crate::inprocess::now;
use crate::postgres;
use chancery_app::data::Database;
use chancery_app::signals::{self, SendSignal};
use chancery_app::transactions::{self, Start};
use chancery_base::{Timestamp, TransactionId};
use chancery_policy::{Action, Grant};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;

/// Transactions that wait: one after the other for a signal, and for the end of that.
pub(crate) const WAITING: &str = "waiting-1m";
/// Timers that are due at one instant.
const TIMERS: &str = "timers-100k";
/// Elements of one step.
const FANOUT: &str = "fanout-10k";

/// Clones of `fanout-10k`.
const CLONES: usize = 10_000;
/// Who starts transactions at once.
const CLIENTS: usize = 256;
/// Transactions that get a signal, from the beginning of all to the end.
const SIGNALS: usize = 1_000;
/// Transactions that are started beforehand, to see how long the timers' starts take.
const TRIED: usize = 2_000;
/// What is added to twice that time, until the timers are due.
const LEAD_MIN: Duration = Duration::from_secs(5);
/// How long timers may take after they are due, before the run is given up.
const FIRE_MAX: Duration = Duration::from_secs(300);
/// How long one wide transaction may take.
const WIDE_MAX: Duration = Duration::from_secs(300);

/// The definitions that these workloads start.
pub(crate) fn definitions() -> [Value; 3] {
    let step = |id: &str, run: Value| json!({ "id": id, "run": run });
    let signal = json!({ "signal": { "name": "go", "timeout": "3650d" } });
    let timer = json!({ "wait": "${{ input }}" });
    let each = json!({ "id": "all", "each": "${{ input }}", "run": { "worker": "local.0" }, "with": "${{ item }}",
        "irreversible": true, "concurrency": 256 });
    [
        json!({ "name": WAITING, "version": 1, "steps": [step("go", signal)] }),
        json!({ "name": TIMERS, "version": 1, "steps": [step("at", timer)] }),
        json!({ "name": FANOUT, "version": 1, "concurrency": 1000, "steps": [each] }),
    ]
}

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    Fill,
    Resume,
    Timers,
    Wide,
}

/// A child: what it does with how many, where.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Scale {
    #[command(hide = true)]
    Scale { phase: Phase, count: usize, dir: PathBuf, database: Option<String> },
}

/// Runs those whose name `runs`, on the embedded store and on PostgreSQL.
pub(crate) async fn measure(
    [waiting, timers]: [usize; 2],
    runs: impl Fn(&str) -> bool,
    mut kept: impl FnMut(&Value) -> Result<(), Error>,
) -> Result<(), Error> {
    for on_postgres in [false, true] {
        if runs(WAITING) {
            let run = Run::new(on_postgres).await?;
            let filled = run.child(Phase::Fill, waiting).await?;
            let resumed = run.child(Phase::Resume, waiting).await?;
            kept(&run.figures(WAITING, waiting, &[filled, resumed]))?;
            run.end().await?;
        }
        for (named, phase, count) in [(TIMERS, Phase::Timers, timers), (FANOUT, Phase::Wide, CLONES)] {
            if runs(named) {
                let run = Run::new(on_postgres).await?;
                let figures = run.child(phase, count).await?;
                kept(&run.figures(named, count, &[figures]))?;
                run.end().await?;
            }
        }
    }
    Ok(())
}

/// A directory, and a database if there is one, for one workload.
struct Run {
    dir: tempfile::TempDir,
    server: Option<(tempfile::TempDir, postgres::Server, String)>,
}

impl Run {
    async fn new(on_postgres: bool) -> Result<Self, Error> {
        let dir = tempfile::tempdir()?;
        if !on_postgres {
            return Ok(Self { dir, server: None });
        }
        let at = tempfile::tempdir()?;
        let server = postgres::Server::start(at.path(), postgres::CONNECTIONS).await?;
        let url = server.create("chancery").await?;
        Ok(Self { dir, server: Some((at, server, url)) })
    }

    async fn child(&self, phase: Phase, count: usize) -> Result<Value, Error> {
        let phase = phase.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let mut command = this_program()?;
        command.args(["scale", &phase, &count.to_string()]).arg(self.dir.path()).stderr(Stdio::inherit());
        command.args(self.server.as_ref().map(|(_, _, url)| url));
        let output = command.kill_on_drop(true).output().await?;
        if !output.status.success() {
            return Err(Error::Failed(format!("the child `scale {phase}` failed")));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn figures(&self, named: &str, count: usize, parts: &[Value]) -> Value {
        let durability = if self.server.is_some() { postgres::DURABILITY } else { DURABILITY };
        let mut figures = json!({ "name": named, "count": count, "durability": durability });
        if let Some(figures) = figures.as_object_mut() {
            for part in parts.iter().filter_map(Value::as_object) {
                figures.extend(part.clone());
            }
        }
        figures
    }

    async fn end(mut self) -> Result<(), Error> {
        match &mut self.server {
            Some((_, server, _)) => server.stop().await,
            None => Ok(()),
        }
    }
}

/// The child: measures and prints one line.
pub(crate) async fn child(scale: &Scale) -> Result<(), Error> {
    let Scale::Scale { phase, count, dir, database } = scale;
    let database = postgres::database(database.as_deref());
    let figures = match phase {
        Phase::Fill => fill(*count, dir, &database).await?,
        Phase::Resume => resume(dir, &database).await?,
        Phase::Timers => timers(*count, dir, &database).await?,
        Phase::Wide => wide(*count, dir, &database).await?,
    };
    Ok(writeln!(std::io::stdout(), "{figures}")?)
}

/// Starts `count` transactions that wait, and keeps the ids of some for the process after.
async fn fill(count: usize, dir: &Path, database: &Database) -> Result<Value, Error> {
    let node = Arc::new(Node::new(dir, database).await?);
    let began = now();
    let mut ids = start_all(&node, count, WAITING, Value::Null).await?;
    let took = began.elapsed();
    let rss = rss_mib(std::process::id());
    ids.sort_unstable();
    let some = ids.iter().step_by((count / SIGNALS).max(1)).map(ToString::to_string).collect::<Vec<_>>();
    std::fs::write(dir.join("ids"), some.join("\n"))?;
    node.app.shutdown().await?;
    Ok(json!({ "starts_per_second": rate(count, took).round(), "filled_rss_mib": rss }))
}

/// Opens the store again, and signals some of those that wait.
async fn resume(dir: &Path, database: &Database) -> Result<Value, Error> {
    let ids = std::fs::read_to_string(dir.join("ids"))?;
    let ids: Result<Vec<TransactionId>, _> = ids.lines().map(str::parse).collect();
    let ids = ids.map_err(|err| Error::Failed(format!("{err}")))?;
    let began = now();
    let node = Node::open(dir, database).await?;
    let grant = node.grant(Action::TransactionSignal).await?;
    let (mut times, mut ready) = (Times::default(), Duration::ZERO);
    for (number, id) in ids.into_iter().enumerate() {
        let sent = now();
        signals::send(&node.app, &grant, id, SendSignal { name: name("go")?, id: None, payload: json!(number) })
            .await?;
        // The first is taken when the server is ready.
        if number == 0 {
            ready = began.elapsed();
        } else {
            times.add(sent.elapsed());
        }
    }
    let rss = rss_mib(std::process::id());
    node.app.shutdown().await?;
    Ok(json!({
        "ready_ms": u64::try_from(ready.as_millis()).unwrap_or(u64::MAX), "rss_mib": rss,
        "signal_p50_us": times.percentile(50), "signal_p99_us": times.percentile(99),
    }))
}

/// Starts `count` timers that are due at one instant, and waits until all have fired.
async fn timers(count: usize, dir: &Path, database: &Database) -> Result<Value, Error> {
    let node = Arc::new(Node::new(dir, database).await?);
    let began = now();
    start_all(&node, TRIED, WAITING, Value::Null).await?;
    let lead = began.elapsed().saturating_mul(u32::try_from(2 * count / TRIED).unwrap_or(u32::MAX)) + LEAD_MIN;
    let due = clock().plus(lead);
    start_all(&node, count, TIMERS, json!(due.to_string())).await?;
    let left = due.since(clock());
    if left.is_zero() {
        return Err(Error::Failed(format!("{count} starts took longer than {} s", lead.as_secs())));
    }
    let before = node.store.entries_committed();
    tokio::time::sleep(left).await;
    let began = now();
    // Each timer is two entries: it fires, and its transaction is completed.
    let expected = 2 * u64::try_from(count).unwrap_or(u64::MAX);
    while node.store.entries_committed() - before < expected {
        if began.elapsed() > FIRE_MAX {
            return Err(Error::Failed(format!("not all timers fired within {} s", FIRE_MAX.as_secs())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed();
    let rss = rss_mib(std::process::id());
    // One that fired twice would be an entry more.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let more = node.store.entries_committed() - before - expected;
    node.app.shutdown().await?;
    Ok(
        json!({ "all_fired_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "entries_more": more, "rss_mib": rss }),
    )
}

/// Runs one transaction whose step has `count` clones, and then one more whose time counts.
async fn wide(count: usize, dir: &Path, database: &Database) -> Result<Value, Error> {
    let node = Node::new(dir, database).await?;
    let grant = node.grant(Action::TransactionStart).await?;
    let input = json!((0..count).collect::<Vec<_>>());
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let began = now();
        let started = transactions::start(&node.app, &grant, start(FANOUT, input.clone())?).await?;
        let settled = transactions::settled(&node.app, &grant, started.id, WIDE_MAX).await?;
        took = began.elapsed();
        let status = settled.map(|summary| summary.status.word());
        if status != Some("completed") {
            return Err(Error::Failed(format!("a wide transaction ended as {status:?}")));
        }
    }
    let rss = rss_mib(std::process::id());
    node.app.shutdown().await?;
    Ok(json!({ "clones_per_second": rate(count, took).round(), "rss_mib": rss }))
}

fn start(definition: &str, input: Value) -> Result<Start, Error> {
    Ok(Start {
        definition: name(definition)?,
        version: None,
        input,
        idempotency_key: None,
        labels: BTreeMap::new(),
        headers: BTreeMap::new(),
        traceparent: None,
        start_at: None,
        signal: None,
        faults: Vec::new(),
    })
}

async fn start_all(
    node: &Arc<Node>,
    count: usize,
    definition: &'static str,
    input: Value,
) -> Result<Vec<TransactionId>, Error> {
    let grant = Arc::new(node.grant(Action::TransactionStart).await?);
    let left = Arc::new(AtomicUsize::new(count));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (node, grant, left, input) = (Arc::clone(node), Arc::clone(&grant), Arc::clone(&left), input.clone());
        clients.spawn(async move { start_some(&node, &grant, &left, definition, &input).await });
    }
    let mut ids = Vec::with_capacity(count);
    while let Some(joined) = clients.join_next().await {
        ids.extend(joined.map_err(|err| Error::Failed(err.to_string()))??);
    }
    Ok(ids)
}

async fn start_some(
    node: &Node,
    grant: &Grant,
    left: &AtomicUsize,
    definition: &str,
    input: &Value,
) -> Result<Vec<TransactionId>, Error> {
    let mut ids = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        ids.push(transactions::start(&node.app, grant, start(definition, input.clone())?).await?.id);
    }
    Ok(ids)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
