//! `chancery target`

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Cell, Tone, fields};
use crate::session::Session;
use chancery_api::Page;
use chancery_api::target::{Force, ForceBreaker, Target, TargetSettings};
use chancery_base::{TargetId, duration};
use clap::{Subcommand, ValueEnum};
use std::time::Duration;

/// See how what steps call does, set what it is given, and hold its breaker.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery target list
  chancery target show https://payments.example
  chancery target set https://payments.example --concurrency 10 --rate 5 --timeout 10s
  chancery target force https://payments.example open --justification 'they are migrating'")]
pub(crate) enum Command {
    List(ListArgs),
    Show(ShowArgs),
    Set(Box<SetArgs>),
    Force(ForceArgs),
}

/// List what steps reach: every origin that the server may call, and every queue that steps wait in.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery target list
  chancery target list -o json")]
pub(crate) struct ListArgs {}

/// Show one target.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery target show https://payments.example
  chancery target show worker:inventory.reserve -o json")]
pub(crate) struct ShowArgs {
    /// Which: an origin, or `worker:<queue>`.
    target: TargetId,
}

/// Set what a target is given; what is not named stays. The target `default` stands for every origin that has no
/// settings of its own.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery target set https://payments.example --concurrency 10 --rate 5
  chancery target set default --allowed false
  chancery target set https://payments.example --allowed true
  chancery target set https://payments.example --reset")]
pub(crate) struct SetArgs {
    /// Which: an origin, or `default`.
    target: TargetId,
    /// Forget what was set before.
    #[arg(long)]
    reset: bool,
    /// Whether steps may call it; the node's own list has to permit it too.
    #[arg(long, value_name = "BOOL")]
    allowed: Option<bool>,
    /// Calls at a time.
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// How long a step may wait for a place before the target is said to be saturated.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// How long a call may take, the step's own timeout notwithstanding.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Calls in `--rate-per`.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// The time that `--rate` is meant of, else a second.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    rate_per: Option<Duration>,
    /// How many of the last calls count for the breaker.
    #[arg(long, value_name = "N")]
    window: Option<u32>,
    /// How many of them there have to be.
    #[arg(long, value_name = "N")]
    calls_min: Option<u32>,
    /// Failed calls, of a hundred, from which on the breaker opens; 101: never.
    #[arg(long, value_name = "PERCENT")]
    failure_percent: Option<u32>,
    /// Slow calls, of a hundred, from which on it opens; 101: never.
    #[arg(long, value_name = "PERCENT")]
    slow_percent: Option<u32>,
    /// What takes longer is slow.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    slow: Option<Duration>,
    /// How long the breaker stays open.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    open: Option<Duration>,
    /// Calls that have to succeed before it closes.
    #[arg(long, value_name = "N")]
    probes: Option<u32>,
}

/// Hold a target's breaker open or closed, or let it go: an entry in the ledger. It stays so over a restart.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery target force https://payments.example open --justification 'they are migrating'
  chancery target force https://payments.example auto --justification 'done'")]
pub(crate) struct ForceArgs {
    /// Which origin.
    target: TargetId,
    /// How.
    #[arg(value_enum)]
    force: How,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// How a breaker is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    /// No call is made.
    Open,
    /// Every call is made.
    Closed,
    /// It does as it thinks.
    Auto,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let target = match command {
        Command::List(ListArgs {}) => return list(session).await,
        Command::Show(args) => client.target_get(&args.target).await?,
        Command::Set(args) => {
            let target = args.target.clone();
            let before = if args.reset { None } else { known(session, &target).await? };
            client.target_set(&target, &settings(&args, before.unwrap_or_default())).await?
        }
        Command::Force(args) => {
            let force = match args.force {
                How::Open => Force::Open,
                How::Closed => Force::Closed,
                How::Auto => Force::Auto,
            };
            client.target_force(&args.target, &ForceBreaker { force, justification: args.justification }).await?
        }
    };
    session.out.show(&target, one)?;
    Ok(Exit::Ok)
}

/// What was set of a target before.
async fn known(session: &Session, target: &TargetId) -> Result<Option<TargetSettings>, CliError> {
    match session.client()?.target_get(target).await {
        Ok(found) => Ok(found.settings),
        Err(error) if error.problem().is_some_and(|problem| problem.status == 404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn settings(args: &SetArgs, before: TargetSettings) -> TargetSettings {
    TargetSettings {
        allowed: args.allowed.or(before.allowed),
        concurrency: args.concurrency.or(before.concurrency),
        wait: args.wait.map(duration::format).or(before.wait),
        timeout: args.timeout.map(duration::format).or(before.timeout),
        rate: args.rate.or(before.rate),
        rate_per: args.rate_per.map(duration::format).or(before.rate_per),
        window: args.window.or(before.window),
        calls_min: args.calls_min.or(before.calls_min),
        failure_percent: args.failure_percent.or(before.failure_percent),
        slow_percent: args.slow_percent.or(before.slow_percent),
        slow: args.slow.map(duration::format).or(before.slow),
        open: args.open.map(duration::format).or(before.open),
        probes: args.probes.or(before.probes),
    }
}

async fn list(session: &Session) -> Result<Exit, CliError> {
    let items = session.client()?.targets().all().await?;
    session.out.show(&Page { items, next: None }, |page| {
        let mut grid = session.out.grid(&["TARGET", "HEALTH", "BREAKER", "WAITING", "OUT", "CALLS", "FAILED", "P95"]);
        for target in &page.items {
            let calls = target.calls.as_ref();
            grid.row([
                Cell::from(target.id.to_string()),
                Cell::toned(&target.health, tone(&target.health)),
                Cell::from(target.breaker.as_ref().map(breaker)),
                Cell::from(target.waiting.to_string()),
                Cell::from(target.out.to_string()),
                Cell::from(calls.map(|calls| calls.ended.to_string())),
                Cell::from(calls.map(|calls| calls.failed.to_string())),
                Cell::from(calls.and_then(|calls| calls.p95_ms).map(|ms| format!("{ms} ms"))),
            ]);
        }
        grid.text_or("no targets")
    })?;
    Ok(Exit::Ok)
}

fn tone(health: &str) -> Tone {
    match health {
        "healthy" => Tone::Good,
        "degraded" => Tone::Busy,
        "unavailable" | "stopped" => Tone::Bad,
        _ => Tone::Plain,
    }
}

fn breaker(breaker: &chancery_api::target::Breaker) -> String {
    match breaker.forced.as_str() {
        "auto" => breaker.state.clone(),
        forced => format!("{forced}, held"),
    }
}

/// A share of calls from which on the breaker opens.
fn percent(share: u32) -> String {
    if share > 100 { "never opens it".to_owned() } else { format!("{share} %") }
}

fn one(target: &Target) -> String {
    let calls = target.calls.as_ref();
    let of_calls = |calls: &chancery_api::target::Calls| {
        format!("{} ended, {} failed, {} slow; room for {}", calls.ended, calls.failed, calls.slow, calls.room)
    };
    let limits = target.limits.clone().unwrap_or_default();
    let rate = limits.rate.map(|rate| format!("{rate} in {}", limits.rate_per.as_deref().unwrap_or("1s")));
    fields([
        ("target", Some(target.id.to_string())),
        ("health", Some(target.health.clone())),
        ("breaker", target.breaker.as_ref().map(breaker)),
        ("until", target.breaker.as_ref().and_then(|breaker| breaker.until).map(crate::show::time)),
        ("waiting", Some(target.waiting.to_string())),
        ("out", Some(target.out.to_string())),
        ("calls", calls.map(of_calls)),
        ("p50", calls.and_then(|calls| calls.p50_ms).map(|ms| format!("{ms} ms"))),
        ("p95", calls.and_then(|calls| calls.p95_ms).map(|ms| format!("{ms} ms"))),
        ("concurrency", limits.concurrency.map(|count| count.to_string())),
        ("timeout", limits.timeout),
        ("rate", rate),
        ("wait", limits.wait),
        ("window", limits.window.map(|calls| format!("the last {calls} calls"))),
        ("calls-min", limits.calls_min.map(|calls| calls.to_string())),
        ("failure", limits.failure_percent.map(percent)),
        ("slow", limits.slow_percent.map(percent)),
        ("slower than", limits.slow),
        ("open for", limits.open),
        ("probes", limits.probes.map(|calls| calls.to_string())),
    ])
}
