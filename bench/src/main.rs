//! The harness: whole workloads on this machine, one JSON object a line.
//!
//! Each workload runs in a process of its own, whose memory and syncs are counted from outside. Nothing is compared
//! here yet: `floor_ratio` and `peer_ratio` are null until floor and peers are part of the run.

mod fixture;
mod harness;
mod inprocess;
mod remote;
mod report;

use clap::{Parser, Subcommand};
use report::Figure;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measures Chancery's workloads.
#[derive(Debug, Parser)]
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
    #[command(subcommand)]
    role: Option<Role>,
}

/// What a child process of the harness does.
#[derive(Debug, Clone, Subcommand)]
enum Role {
    /// Runs sagas of three closures in this process and prints the figures.
    #[command(hide = true)]
    Inprocess { clients: usize },
    /// Serves a node until standard input ends.
    #[command(hide = true)]
    Server,
}

/// Clients of `saga-inprocess-3`.
const INPROCESS_CLIENTS: usize = 256;
/// Clients of `saga-remote-10`.
const REMOTE_CLIENTS: [usize; 4] = [1, 8, 32, 128];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(err) => return failed(&err.into()),
    };
    let time = Duration::from_secs(arguments.seconds);
    let outcome = match &arguments.role {
        Some(Role::Inprocess { clients }) => runtime.block_on(inprocess::child(*clients, time)),
        Some(Role::Server) => runtime.block_on(remote::server()),
        None => runtime.block_on(all(&arguments, time)),
    };
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

async fn all(arguments: &Arguments, time: Duration) -> Result<(), harness::Error> {
    let mut out = std::fs::File::create(&arguments.out)?;
    report::heading(&mut std::io::stdout())?;
    if "saga-inprocess-3".contains(&arguments.only) {
        keep(&mut out, &inprocess::measure(INPROCESS_CLIENTS, arguments.seconds).await?)?;
    }
    if "saga-remote-10".contains(&arguments.only) {
        for clients in REMOTE_CLIENTS {
            keep(&mut out, &remote::measure(clients, time).await?)?;
        }
    }
    Ok(())
}

fn keep(out: &mut std::fs::File, figure: &Figure) -> Result<(), harness::Error> {
    writeln!(out, "{}", figure.to_json())?;
    figure.print(&mut std::io::stdout())?;
    Ok(())
}
