//! `chancery queue`

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Cell, Tone, fields};
use crate::session::Session;
use crate::show;
use chancery_api::Page;
use chancery_api::queue::{Queue, QueueSettings, QueueVersion};
use chancery_base::{Name, duration};
use clap::Subcommand;
use std::time::Duration;

/// See the queues that steps wait in for workers, and set how many attempts may be out and how fast.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery queue list
  chancery queue show payments.charge
  chancery queue set payments.charge --concurrency 10 --rate 100 --rate-per 1m
  chancery queue set payments.charge --worker-version '2.*'
  chancery queue reset payments.charge")]
pub(crate) enum Command {
    List(ListArgs),
    Show(ShowArgs),
    Set(SetArgs),
    Reset(ResetArgs),
}

/// List the queues that something was set for, that steps wait in, or that workers take from.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery queue list
  chancery queue list -o json")]
pub(crate) struct ListArgs {}

/// Show one queue.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery queue show payments.charge
  chancery queue show payments.charge -o json")]
pub(crate) struct ShowArgs {
    /// Which: the name of the worker.
    queue: Name,
}

/// Set what a queue is given; what is not named stays.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery queue set payments.charge --concurrency 10
  chancery queue set mail.send --rate 100 --rate-per 1m
  chancery queue set mail.send --worker-version 2.1.0 --worker-version '3.*'
  chancery queue set mail.send --any-version")]
pub(crate) struct SetArgs {
    /// Which: the name of the worker.
    queue: Name,
    /// Attempts that are out at once.
    #[arg(long, value_name = "N", required_unless_present_any = ["rate", "rate_per", "worker_version", "any_version"])]
    concurrency: Option<u32>,
    /// Hand-outs in `--rate-per`.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// The time that `--rate` is meant of, else a second.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    rate_per: Option<Duration>,
    /// Only workers of this version get its tasks, or of one that begins so, such as `2.*`. Can be repeated; takes the
    /// place of the versions that were set.
    #[arg(long, value_name = "VERSION", conflicts_with = "any_version")]
    worker_version: Vec<String>,
    /// Workers of any version get its tasks again.
    #[arg(long)]
    any_version: bool,
}

/// Forget what was set for a queue: then nothing limits it but what its workers take.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery queue reset payments.charge")]
pub(crate) struct ResetArgs {
    /// Which: the name of the worker.
    queue: Name,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let queue = match command {
        Command::List(ListArgs {}) => return list(session).await,
        Command::Show(args) => client.queue_get(&args.queue).await?,
        Command::Set(args) => {
            let before = known(session, &args.queue).await?;
            client.queue_set(&args.queue, &settings(&args, before)).await?
        }
        Command::Reset(args) => {
            client.queue_reset(&args.queue).await?;
            session.out.say(&format!("nothing limits `{}` any more but what its workers take", args.queue));
            return Ok(Exit::Ok);
        }
    };
    session.out.show(&queue, one)?;
    Ok(Exit::Ok)
}

/// What was set of a queue before.
async fn known(session: &Session, queue: &Name) -> Result<QueueSettings, CliError> {
    match session.client()?.queue_get(queue).await {
        Ok(found) => Ok(found.settings),
        Err(error) if error.problem().is_some_and(|problem| problem.status == 404) => Ok(QueueSettings::default()),
        Err(error) => Err(error.into()),
    }
}

fn settings(args: &SetArgs, before: QueueSettings) -> QueueSettings {
    QueueSettings {
        concurrency: args.concurrency.or(before.concurrency),
        rate: args.rate.or(before.rate),
        rate_per: args.rate_per.map(duration::format).or(before.rate_per),
        versions: if args.worker_version.is_empty() && !args.any_version {
            before.versions
        } else {
            args.worker_version.clone()
        },
    }
}

async fn list(session: &Session) -> Result<Exit, CliError> {
    let items = session.client()?.queues().all().await?;
    session.out.show(&Page { items, next: None }, |page| {
        let columns = ["QUEUE", "WAITING", "OLDEST", "OUT", "WORKERS", "CONCURRENCY", "RATE", "VERSIONS", "HELD BY"];
        let mut grid = session.out.grid(&columns);
        for queue in &page.items {
            grid.row([
                Cell::from(queue.name.to_string()),
                Cell::from(queue.waiting.to_string()),
                Cell::from(waited(queue)),
                Cell::from(queue.out.to_string()),
                Cell::from(queue.workers.to_string()),
                Cell::from(queue.settings.concurrency.map(|count| count.to_string())),
                Cell::from(rate(&queue.settings)),
                Cell::from(versions(&queue.settings)),
                Cell::toned(queue.held_by.as_deref().unwrap_or_default(), Tone::Busy),
            ]);
        }
        grid.text_or("no queues")
    })?;
    Ok(Exit::Ok)
}

fn waited(queue: &Queue) -> Option<String> {
    queue.waited_ms.map(show::millis)
}

fn rate(settings: &QueueSettings) -> Option<String> {
    settings.rate.map(|rate| format!("{rate} in {}", settings.rate_per.as_deref().unwrap_or("1s")))
}

fn versions(settings: &QueueSettings) -> Option<String> {
    Some(settings.versions.join(" ")).filter(|text| !text.is_empty())
}

/// The versions that workers say, and who gets nothing: `2.1.0 (3), 1.9.0 (2, gets nothing)`.
fn of_workers(queue: &Queue) -> String {
    let one = |of: &QueueVersion| {
        let version = of.version.as_deref().unwrap_or("none said");
        format!("{version} ({}{})", of.workers, if of.takes { "" } else { ", gets nothing" })
    };
    queue.versions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn one(queue: &Queue) -> String {
    fields([
        ("queue", Some(queue.name.to_string())),
        ("waiting", Some(queue.waiting.to_string())),
        ("oldest", waited(queue)),
        ("out", Some(queue.out.to_string())),
        ("workers", Some(queue.workers.to_string())),
        ("held by", queue.held_by.clone()),
        ("concurrency", queue.settings.concurrency.map(|count| count.to_string())),
        ("rate", rate(&queue.settings)),
        ("goes to versions", versions(&queue.settings)),
        ("workers' versions", Some(of_workers(queue)).filter(|text| !text.is_empty())),
    ])
}
