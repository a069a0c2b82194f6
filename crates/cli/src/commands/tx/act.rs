//! Acting: each of these is an entry in the ledger.

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::session::Session;
use crate::show;
use chancery_api::transaction::{Resolve, Transaction};
use chancery_base::TransactionId;
use serde_json::Value;

/// Undo what was done and end as cancelled.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx cancel txn_…
  chancery tx cancel txn_… --justification 'ordered twice'")]
pub(crate) struct CancelArgs {
    /// Which.
    id: TransactionId,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT", default_value = "")]
    justification: String,
}

/// Try what is parked again.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx retry txn_… --justification 'the bank is back'")]
pub(crate) struct RetryArgs {
    /// Which.
    id: TransactionId,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Say by hand how a parked step is to count: done, with this output.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx resolve txn_… --step charge --result '{\"refund\": \"r-17\"}' \\
      --justification 'refunded by hand'")]
pub(crate) struct ResolveArgs {
    /// Which.
    id: TransactionId,
    /// The step that waits for a person, or whose undo or confirm does; or the clone of one: `ship[3]`.
    #[arg(long, value_name = "STEP")]
    step: String,
    /// The output that it counts as having had: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON")]
    result: Option<String>,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// End a transaction at once; nothing is undone.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx terminate txn_… --justification 'the warehouse burnt down'")]
pub(crate) struct TerminateArgs {
    /// Which.
    id: TransactionId,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Hand nothing of a transaction out until it is resumed; what is out comes in.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx pause txn_… --justification 'the warehouse is being counted'")]
pub(crate) struct PauseArgs {
    /// Which.
    id: TransactionId,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Have a paused transaction go on; what came due meanwhile fires at once.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx resume txn_… --justification 'the warehouse is counted'")]
pub(crate) struct ResumeArgs {
    /// Which.
    id: TransactionId,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

pub(crate) async fn pause(args: &PauseArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.pause(args.id, &args.justification).await?;
    done(session, &body)
}

pub(crate) async fn resume(args: &ResumeArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.resume(args.id, &args.justification).await?;
    done(session, &body)
}

pub(crate) async fn cancel(args: &CancelArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.cancel(args.id, &args.justification).await?;
    done(session, &body)
}

pub(crate) async fn retry(args: &RetryArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.retry(args.id, &args.justification).await?;
    done(session, &body)
}

pub(crate) async fn resolve(args: ResolveArgs, session: &Session) -> Result<Exit, CliError> {
    let output = args.result.as_deref().map(|text| input::json_value("--result", text)).transpose()?;
    let resolve = Resolve { step: args.step, justification: args.justification, output: output.unwrap_or(Value::Null) };
    let body = session.client()?.resolve(args.id, &resolve).await?;
    done(session, &body)
}

pub(crate) async fn terminate(args: &TerminateArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.terminate(args.id, &args.justification).await?;
    done(session, &body)
}

fn done(session: &Session, body: &Transaction) -> Result<Exit, CliError> {
    session.out.show(body, |body| show::transaction(&session.out, body))?;
    Ok(Exit::Ok)
}
