//! `chancery verify`

mod export;
mod log;
mod receipt;

use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use clap::Subcommand;

/// Verify a receipt, an export, or a whole data directory, without a server. Exits 1 if anything does not hold.
///
/// `chancery verify --data DIR` is `chancery verify log --data DIR`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    before_help = "\
Examples:
  chancery receipt txn_…/charge | chancery verify receipt -
  chancery verify receipt charge.receipt --key chancery.pub
  chancery verify export audit.jsonl --key chancery.pub
  chancery verify log --data /var/lib/chancery --checkpoint monday.checkpoint
  chancery verify --data /var/lib/chancery"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    log: Option<log::LogArgs>,
}

#[derive(Debug, Subcommand)]
enum What {
    Receipt(receipt::Args),
    Export(export::Args),
    Log(log::LogArgs),
}

pub(crate) fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    match (args.what, args.log) {
        (Some(What::Receipt(args)), _) => receipt::run(&args, session),
        (Some(What::Export(args)), _) => export::run(&args, session),
        (Some(What::Log(args)), _) | (None, Some(args)) => log::run(&args, session),
        (None, None) => {
            Err(CliError::Usage("name what to verify: `receipt FILE`, `export FILE`, or `--data DIR`".to_owned()))
        }
    }
}
