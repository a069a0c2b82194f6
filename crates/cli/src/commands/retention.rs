//! `chancery retention`

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::fields;
use crate::session::Session;
use chancery_api::retention::{ExpiryRun, Retention, SetRetention};
use clap::Subcommand;

/// See and say how long transactions are kept after their end. What is kept no longer is removed each night at 02:00
/// UTC; the ledger keeps its entries.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery retention show
  chancery retention set --transactions 30d
  chancery retention reset")]
pub(crate) enum Command {
    Show(ShowArgs),
    Set(SetArgs),
    Reset(ResetArgs),
}

/// Show how long transactions are kept, and how many the last night removed.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery retention show
  chancery retention show -o json")]
pub(crate) struct ShowArgs {}

/// Say how long transactions are kept after their end, with their idempotency keys: an entry in the ledger.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery retention set --transactions 30d
  chancery retention set --transactions 365d")]
pub(crate) struct SetArgs {
    /// How long, such as `30d`: at least `7d`, at most `3650d`.
    #[arg(long, value_name = "TIME")]
    transactions: String,
}

/// Forget what was said: transactions are kept as long as is usual, 90 days.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery retention reset")]
pub(crate) struct ResetArgs {}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let stands = match command {
        Command::Show(ShowArgs {}) => client.retention().await?,
        Command::Set(args) => client.retention_set(&SetRetention { transactions: Some(args.transactions) }).await?,
        Command::Reset(ResetArgs {}) => client.retention_set(&SetRetention::default()).await?,
    };
    session.out.show(&stands, table)?;
    Ok(Exit::Ok)
}

fn table(stands: &Retention) -> String {
    let usual = if stands.is_default { " (as is usual)" } else { "" };
    fields([
        ("transactions", Some(format!("{}{usual}", stands.transactions))),
        ("removes next", Some(crate::show::time(stands.next))),
        ("last", stands.last.as_ref().map(last)),
        ("problem", stands.last.as_ref().and_then(|run| run.problem.clone())),
    ])
}

fn last(run: &ExpiryRun) -> String {
    let (removed, before) = (run.removed, crate::show::time(run.ended_before));
    match run.ended_at {
        Some(at) => format!("{removed} removed that ended before {before}, done at {}", crate::show::time(at)),
        None => format!("{removed} removed so far that ended before {before}"),
    }
}
