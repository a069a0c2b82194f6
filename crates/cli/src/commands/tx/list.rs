//! Looking.

use crate::commands::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use crate::show;
use chancery_api::transaction::{Status, TransactionsQuery};
use chancery_base::{Name, TransactionId};

/// Show a transaction and what became of each of its steps.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx get txn_…
  chancery tx get txn_… -o json | jq .status")]
pub(crate) struct GetArgs {
    /// Which.
    id: TransactionId,
}

/// List transactions, newest first.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx list
  chancery tx list --status parked --definition create-order
  chancery tx list --limit 1000 -o json | jq -r '.items[].id'")]
pub(crate) struct ListArgs {
    /// Only those with this status.
    #[arg(long, value_parser = status)]
    status: Option<Status>,
    /// Only those of this definition.
    #[arg(long, value_name = "NAME")]
    definition: Option<Name>,
    #[command(flatten)]
    page: PageArgs,
}

/// List a transaction's entries in the ledger, from its first on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx history txn_…
  chancery tx history txn_… -o json | jq '.items[].payload'")]
pub(crate) struct HistoryArgs {
    /// Whose.
    id: TransactionId,
    #[command(flatten)]
    page: PageArgs,
}

/// List the clones of a step that fanned out.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx clones txn_… --step ship
  chancery tx clones txn_… --step ship -o json | jq '.items[] | select(.status == \"failed\").index'")]
pub(crate) struct ClonesArgs {
    /// Whose.
    id: TransactionId,
    /// Of which step.
    #[arg(long, value_name = "STEP")]
    step: Name,
    #[command(flatten)]
    page: PageArgs,
}

fn status(text: &str) -> Result<Status, String> {
    let words = || Status::ALL.map(Status::word).join(", ");
    Status::ALL.into_iter().find(|status| status.word() == text).ok_or_else(|| format!("use one of {}", words()))
}

pub(crate) async fn get(args: &GetArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.get(args.id).await?;
    session.out.show(&body, |body| show::transaction(&session.out, body))?;
    Ok(Exit::Ok)
}

pub(crate) async fn list(args: ListArgs, session: &Session) -> Result<Exit, CliError> {
    let query = TransactionsQuery { status: args.status, definition: args.definition, limit: None, cursor: None };
    let pages = session.client()?.transactions(&query)?;
    args.page.show(session, pages, |items| show::transactions(&session.out, items)).await
}

pub(crate) async fn history(args: HistoryArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let steps = if session.out.is_table() { show::step_names(&client.get(args.id).await?) } else { Vec::new() };
    let pages = client.history(args.id);
    args.page.show(session, pages, |items| show::history(&session.out, items, &steps)).await
}

pub(crate) async fn clones(args: ClonesArgs, session: &Session) -> Result<Exit, CliError> {
    let pages = session.client()?.clones(args.id, &args.step);
    args.page.show(session, pages, |items| show::steps(&session.out, items)).await
}
