//! `chancery verify`

mod receipt;

use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use clap::Subcommand;

/// Verify receipts without a server.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery receipt txn_019312d8a0b07c3e9f2a4b5c6d7e8f90/charge | chancery verify receipt -
  chancery verify receipt charge.receipt --key chancery.pub")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Receipt(receipt::Args),
}

pub(crate) fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    match args.what {
        What::Receipt(args) => receipt::run(&args, session),
    }
}
