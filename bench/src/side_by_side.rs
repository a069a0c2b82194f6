//! Chancery and Restate side by side: the same workloads, in turns within one run, each on its own durability.
//!
//! A cell is a workload with a number of clients. For it both are started anew and take turns, in the second round the
//! other way round, so that what the machine does meanwhile falls on both. While one works the other has nothing to do;
//! what processor time that takes is in the figures. Everything is bounded in time: a cell that fails or hangs is said
//! to, and the others are measured.

mod cell;
mod chancery;
mod crew;
mod restate;
mod table;
mod worker;
mod workload;

pub(crate) use worker::run as worker;
pub(crate) use workload::definitions;

use crate::harness::Error;
use crate::inprocess::now;
use crate::peers::Tools;
use cell::{Cell, Turns};
use chancery::Chancery;
use restate::Restate;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;
use table::Compared;
use workload::Workload;

/// How long a cell may take.
const CELL_MAX: Duration = Duration::from_secs(120);
/// A cell that could not be measured in what is left of the time is left out.
const CELL_MIN: Duration = Duration::from_secs(10);

/// What to measure, and for how long.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    chancery-bench side-by-side\n  \
    chancery-bench side-by-side --workload saga-10,signal --clients 1,32\n  \
    chancery-bench side-by-side --seconds 1 --rounds 1 --clients 1   # does everything run?")]
pub(crate) struct Options {
    /// Only these workloads.
    #[arg(long, value_delimiter = ',')]
    workload: Vec<Workload>,
    /// Only with so many clients.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// Seconds of a turn, after one to warm up.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Turns of each.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Minutes that all of it may take; what does not fit is left out.
    #[arg(long, default_value_t = 15)]
    minutes: u64,
}

impl Options {
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for workload in Workload::ALL.into_iter().filter(|it| self.workload.is_empty() || self.workload.contains(it)) {
            let has = |clients: &&usize| self.clients.is_empty() || self.clients.contains(clients);
            cells.extend(workload.clients().iter().filter(has).map(|clients| Cell { workload, clients: *clients }));
        }
        cells
    }
}

/// Measures, shows how far it is, and in the end the table.
pub(crate) async fn measure(options: &Options, mut kept: impl FnMut(&Value) -> Result<(), Error>) -> Result<(), Error> {
    let tools = Tools::find()?;
    let durability = restate::durability(&tools).await?;
    let cells = options.cells();
    let turns = Turns { time: Duration::from_secs(options.seconds), rounds: options.rounds };
    say(&format!("chancery: {}, policy and ledger on\nrestate: {durability}", crate::fixture::DURABILITY))?;
    let (began, limit) = (now(), Duration::from_secs(options.minutes * 60));
    let (mut compared, mut failed) = (Vec::new(), 0);
    for (number, cell) in cells.iter().enumerate() {
        let left = limit.saturating_sub(began.elapsed()).min(CELL_MAX);
        say(&format!("[{}/{}, {} s] {}", number + 1, cells.len(), began.elapsed().as_secs(), cell.title()))?;
        let outcome = if left < CELL_MIN {
            Err(Error::Failed("left out: the time is over".to_owned()))
        } else {
            let measured = tokio::time::timeout(left, Box::pin(one(*cell, turns, &tools, &durability))).await;
            measured.unwrap_or_else(|_| Err(Error::Failed(format!("it took longer than {} s", left.as_secs()))))
        };
        match outcome {
            Ok(one) => {
                kept(&one.to_json())?;
                compared.push(one);
            }
            Err(err) => {
                failed += 1;
                kept(&json!({ "name": cell.name(), "clients": cell.clients, "failed": err.to_string() }))?;
            }
        }
    }
    table::print(&compared, &mut std::io::stdout())?;
    if failed == 0 {
        return Ok(());
    }
    Err(Error::Failed(format!("{failed} of {} cells gave no figures", cells.len())))
}

/// Both, started for one cell.
async fn one(cell: Cell, turns: Turns, tools: &Tools, durability: &str) -> Result<Compared, Error> {
    let chancery = Chancery::start().await?;
    let restate = Restate::start(tools, durability).await?;
    cell.compare(turns, chancery, restate).await
}

fn say(line: &str) -> Result<(), Error> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}
