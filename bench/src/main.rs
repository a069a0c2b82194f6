//! The harness: whole workloads on this machine, one JSON object a line.
//!
//! Each workload runs in a process of its own, whose memory and syncs are counted from outside. Beside it, in the
//! same run, goes its floor, the same bytes written without Chancery, and with `--peers` what others make of it.
//! `side-by-side` compares with Restate over more workloads, `core` with the figures that were recorded before.

mod decision;
mod decisions;
mod export;
mod fixture;
mod floor;
mod harness;
mod http;
mod idle;
mod inprocess;
mod load;
mod obliged;
mod observed;
mod open;
mod peers;
mod postgres;
mod recorded;
mod remote;
mod replay;
mod report;
mod scale;
mod side_by_side;
mod steps;
mod verify;

use clap::{Parser, Subcommand};
use report::Figure;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Chancery's workloads.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:\n  \
    chancery-bench --only timers-100k\n  \
    chancery-bench --only saga-remote --clients 32 --peers restate\n  \
    chancery-bench side-by-side --workload saga-10\n  \
    chancery-bench core")]
struct Arguments {
    /// Where the figures are written, one JSON object a line.
    #[arg(long, default_value = "target/bench.jsonl")]
    out: PathBuf,
    /// Seconds that each workload is measured for, after a fifth of that to warm up.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only the workloads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only with so many clients.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// Transactions of `waiting-1m`.
    #[arg(long, default_value_t = 1_000_000)]
    waiting: usize,
    /// Timers of `timers-100k`.
    #[arg(long, default_value_t = 100_000)]
    timers: usize,
    /// Others to run the remote workload on; `scripts/peers.sh` installs them.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<peers::Peer>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What else it measures, and what a child process of the harness does.
#[derive(Debug, Clone, Subcommand)]
enum Role {
    /// Chancery and Restate in turns, in one run: sagas, compensation, fan-out, timers, signals.
    SideBySide(side_by_side::Options),
    /// The core's figures beside those that were recorded before; fails if something got worse.
    Core(recorded::Options),
    /// Runs sagas of three closures in this process and prints the figures.
    #[command(hide = true)]
    Inprocess {
        clients: usize,
        /// The address of an empty PostgreSQL database; else the embedded store.
        database: Option<String>,
    },
    /// The same under obligations.
    #[command(hide = true)]
    Obliged { clients: usize },
    /// Writes what these write, and prints the figures.
    #[command(hide = true)]
    FloorInprocess { clients: usize, database: Option<String> },
    /// Serves a node until standard input ends.
    #[command(hide = true)]
    Server { database: Option<String> },
    /// Works for a node until standard input ends.
    #[command(hide = true)]
    Worker,
    /// Fills a store, opens one again, or has many timers or clones, and prints the figures.
    #[command(flatten)]
    Scale(scale::Scale),
    /// Serves the floor of remote steps until standard input ends.
    #[command(hide = true)]
    FloorServer,
}

/// Clients of `saga-inprocess-3`.
const INPROCESS_CLIENTS: [usize; 2] = [256, 16];
/// Clients of `saga-remote-10`.
const REMOTE_CLIENTS: [usize; 3] = [1, 32, 128];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(err) => return failed(&err.into()),
    };
    let time = Duration::from_secs(arguments.seconds);
    let outcome = match &arguments.role {
        Some(Role::Inprocess { clients, database }) => {
            let database = postgres::database(database.as_deref());
            runtime.block_on(inprocess::child(*clients, time, &database, fixture::Variant::Plain))
        }
        Some(Role::Obliged { clients }) => {
            runtime.block_on(inprocess::child(*clients, time, &postgres::database(None), fixture::Variant::Obliged))
        }
        Some(Role::FloorInprocess { clients, database }) => {
            runtime.block_on(floor::inprocess_child(*clients, time, &postgres::database(database.as_deref())))
        }
        Some(Role::Scale(scale)) => runtime.block_on(scale::child(scale)),
        Some(Role::Server { database }) => runtime.block_on(remote::server(&postgres::database(database.as_deref()))),
        Some(Role::Worker) => runtime.block_on(side_by_side::worker()),
        Some(Role::FloorServer) => runtime.block_on(floor::remote_server()),
        Some(Role::SideBySide(options)) => runtime.block_on(side_by_side(&arguments, options)),
        Some(Role::Core(options)) => runtime.block_on(beside_recorded(&arguments, options, time)),
        None => runtime.block_on(everything(&arguments, time)),
    };
    // A blocking read of standard input would be waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => failed(&err),
    }
}

fn failed(err: &harness::Error) -> ExitCode {
    let written = writeln!(std::io::stderr(), "bench: {err}");
    debug_assert!(written.is_ok());
    ExitCode::FAILURE
}

/// Where figures go: a file for programs, standard output for people.
struct Kept {
    file: std::fs::File,
    lines: Vec<Value>,
}

impl Kept {
    fn new(arguments: &Arguments) -> Result<Self, harness::Error> {
        Ok(Self { file: std::fs::File::create(&arguments.out)?, lines: Vec::new() })
    }

    fn figure(&mut self, figure: &Figure) -> Result<(), harness::Error> {
        let line = figure.to_json();
        writeln!(self.file, "{line}")?;
        self.lines.push(line);
        Ok(figure.print(&mut std::io::stdout())?)
    }

    fn line(&mut self, line: &Value) -> Result<(), harness::Error> {
        writeln!(self.file, "{line}")?;
        self.lines.push(line.clone());
        Ok(writeln!(std::io::stdout(), "{line}")?)
    }
}

async fn side_by_side(arguments: &Arguments, options: &side_by_side::Options) -> Result<(), harness::Error> {
    let mut kept = Kept::new(arguments)?;
    side_by_side::measure(options, |line| kept.line(line)).await
}

/// Measures the core, and shows it beside what was recorded.
async fn beside_recorded(
    arguments: &Arguments,
    options: &recorded::Options,
    time: Duration,
) -> Result<(), harness::Error> {
    let mut kept = Kept::new(arguments)?;
    let runs = |name: &str| recorded::is_core(name) && name.contains(&options.only);
    workloads(arguments, time, runs, &mut kept).await?;
    let chosen = |figure: &Value| {
        let clients = figure.get("clients").and_then(Value::as_u64).and_then(|clients| usize::try_from(clients).ok());
        figure.get("name").and_then(Value::as_str).is_some_and(runs)
            && clients.is_none_or(|clients| arguments.clients.is_empty() || arguments.clients.contains(&clients))
    };
    let table = recorded::compare(options, &kept.lines, chosen)?;
    Ok(writeln!(std::io::stdout(), "\n{table}")?)
}

async fn everything(arguments: &Arguments, time: Duration) -> Result<(), harness::Error> {
    let mut kept = Kept::new(arguments)?;
    let runs = |name: &str| name.contains(&arguments.only);
    workloads(arguments, time, runs, &mut kept).await?;
    let counts = [arguments.waiting, arguments.timers];
    scale::measure(counts, runs, |figures| kept.line(figures)).await?;
    if runs(idle::IDLE) {
        for on_postgres in [false, true] {
            for left in idle::Left::ALL {
                kept.line(&idle::measure(on_postgres, left).await?)?;
            }
        }
    }
    Ok(())
}

/// Those whose name `runs`.
async fn workloads(
    arguments: &Arguments,
    time: Duration,
    runs: impl Fn(&str) -> bool,
    kept: &mut Kept,
) -> Result<(), harness::Error> {
    let has = |clients: &usize| arguments.clients.is_empty() || arguments.clients.contains(clients);
    report::heading(&mut std::io::stdout())?;
    if runs(inprocess::SAGA) {
        for clients in INPROCESS_CLIENTS.into_iter().filter(has) {
            let floor = floor::inprocess(clients, arguments.seconds, None).await?;
            kept.figure(&floor)?;
            let mut figure = inprocess::measure(clients, arguments.seconds, None).await?;
            figure.floor_ratio = figure.over(&floor);
            kept.figure(&figure)?;
        }
    }
    if runs(postgres::SAGA) {
        for clients in INPROCESS_CLIENTS.into_iter().filter(has) {
            let (floor, figure) = postgres::measure(clients, arguments.seconds).await?;
            kept.figure(&floor)?;
            kept.figure(&figure)?;
        }
    }
    if runs(remote::SAGA) {
        for clients in REMOTE_CLIENTS.into_iter().filter(has) {
            remote_with(clients, &arguments.peers, time, kept).await?;
        }
    }
    if runs(remote::CAPABLE) {
        for clients in REMOTE_CLIENTS.into_iter().filter(has) {
            for figure in remote::measure_capable(clients, time).await? {
                kept.figure(&figure)?;
            }
        }
    }
    if runs(decision::DECISION) {
        for policies in decision::SIZES {
            for layout in decision::Layout::ALL {
                kept.line(&decision::measure(policies, layout, time / 5)?)?;
            }
        }
    }
    if runs(decisions::DECISIONS) {
        for clients in decisions::CLIENTS.into_iter().filter(has) {
            let cerbos = decisions::measure_cerbos(clients, time).await?;
            kept.figure(&cerbos)?;
            let mut figure = decisions::measure(clients, time).await?;
            figure.peer_ratio = figure.over(&cerbos);
            kept.figure(&figure)?;
        }
    }
    if runs(open::OPEN) {
        for on_postgres in [false, true] {
            kept.line(&open::measure(on_postgres).await?)?;
        }
    }
    if runs(obliged::OBLIGED) {
        for clients in INPROCESS_CLIENTS.into_iter().filter(has) {
            for figure in obliged::measure(clients, arguments.seconds).await? {
                kept.figure(&figure)?;
            }
        }
    }
    of_the_ledger(runs, kept).await
}

/// Those that read what sagas wrote.
async fn of_the_ledger(runs: impl Fn(&str) -> bool, kept: &mut Kept) -> Result<(), harness::Error> {
    if runs(replay::REPLAY) {
        for figures in replay::measure().await? {
            kept.line(&figures)?;
        }
    }
    if runs(export::EXPORT) {
        for figures in export::measure().await? {
            kept.line(&figures)?;
        }
    }
    if runs(verify::VERIFY) {
        kept.line(&verify::measure().await?)?;
    }
    Ok(())
}

/// The remote workload beside its floor and the peers. The ratio is to the first of these.
async fn remote_with(
    clients: usize,
    peers: &[peers::Peer],
    time: Duration,
    kept: &mut Kept,
) -> Result<(), harness::Error> {
    let floor = floor::remote(clients, time).await?;
    kept.figure(&floor)?;
    let mut first = None;
    for peer in peers {
        match peers::measure(*peer, clients, time).await {
            Ok(figure) => {
                kept.figure(&figure)?;
                if peers.first() == Some(peer) {
                    first = Some(figure);
                }
            }
            // Of some a saga takes longer than a short run: that is said, and the others are measured all the same.
            Err(err) => {
                kept.line(&json!({ "peer": format!("{peer:?}"), "clients": clients, "failed": err.to_string() }))?
            }
        }
    }
    let mut figure = remote::measure(remote::SAGA, clients, time).await?;
    figure.floor_ratio = figure.over(&floor);
    figure.peer_ratio = first.and_then(|peer| figure.over(&peer));
    kept.figure(&figure)
}
