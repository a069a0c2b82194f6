//! `chancery maintenance`

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::fields;
use crate::session::Session;
use chancery_api::maintenance::{Maintenance, SetMaintenance};
use clap::Subcommand;

/// Take no new transactions for a while: those that run go on. In the tenant `system` it is for the whole platform.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery maintenance on --justification 'the disks are exchanged'
  chancery maintenance show
  chancery maintenance off --justification 'they are'")]
pub(crate) enum Command {
    Show(ShowArgs),
    On(OnArgs),
    Off(OffArgs),
}

/// Show whether new transactions are taken, and why not.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery maintenance show
  chancery maintenance show -o json")]
pub(crate) struct ShowArgs {}

/// Take no new transactions: an entry in the ledger. It stays so over a restart.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery maintenance on --justification 'the disks are exchanged'")]
pub(crate) struct OnArgs {
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Take new transactions again: an entry in the ledger.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery maintenance off --justification 'the disks are exchanged'")]
pub(crate) struct OffArgs {
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let set = |on, justification| SetMaintenance { on, justification };
    let stands = match command {
        Command::Show(ShowArgs {}) => client.maintenance().await?,
        Command::On(args) => client.maintenance_set(&set(true, args.justification)).await?,
        Command::Off(args) => client.maintenance_set(&set(false, args.justification)).await?,
    };
    session.out.show(&stands, table)?;
    Ok(Exit::Ok)
}

fn table(stands: &Maintenance) -> String {
    let word = |on| if on { "on" } else { "off" };
    fields([
        ("maintenance", Some(word(stands.on).to_owned())),
        ("platform", Some(word(stands.platform).to_owned())),
        ("since", stands.since.map(crate::show::time)),
        ("by", stands.by.map(|by| by.to_string())),
        ("justification", stands.justification.clone()),
    ])
}
