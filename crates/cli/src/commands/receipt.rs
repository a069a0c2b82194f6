//! `chancery receipt`

use crate::error::CliError;
use crate::exit::Exit;
use crate::progress;
use crate::session::Session;
use clap::ValueEnum;

/// Write the receipt of an entry to the standard output.
///
/// It proves offline that a step was permitted before it was handed out, and what outcome was reported.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery receipt txn_…/charge > charge.receipt
  chancery receipt txn_…/charge | chancery verify receipt -
  chancery receipt txn_…/charge/undo > refund.receipt
  chancery receipt txn_… --format tlog-proof > order.tlog-proof")]
pub(crate) struct Args {
    /// A step's outcome `txn_…/STEP`, its undo's `txn_…/STEP/undo`, its confirm's `txn_…/STEP/confirm`, a transaction's
    /// end `txn_…`, or an entry's number.
    entry: String,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Form::Json)]
    format: Form,
}

/// The forms of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Outcome, permit, proofs and checkpoint: what `verify receipt` takes.
    Json,
    /// The outcome's inclusion alone, for the tools of transparency logs (C2SP tlog-proof).
    TlogProof,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let entry = args.entry.trim_matches('/');
    let what = "waiting for a checkpoint that covers the entry";
    let bytes = match args.format {
        Form::Json => progress::spin(what, client.receipt(entry)).await?,
        Form::TlogProof => progress::spin(what, client.receipt_text(entry)).await?.into_bytes(),
    };
    session.out.bytes(&bytes)?;
    Ok(Exit::Ok)
}
