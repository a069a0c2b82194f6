//! Looking.

use super::tree;
use crate::commands::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use crate::show;
use chancery_api::transaction::{Status, TransactionsQuery};
use chancery_api::{Problem, ProblemKind};
use chancery_base::{Name, TransactionId};
use chancery_sdk::Client;

/// Show a transaction and what became of each of its steps.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx get txn_…
  chancery tx get txn_… -o json | jq .status
  chancery tx get txn_… --tree")]
pub(crate) struct GetArgs {
    /// Which.
    id: TransactionId,
    /// It and the transactions that its steps run, as a tree.
    #[arg(long)]
    tree: bool,
}

/// Show what a transaction's expressions see of it: its input, the outputs of its steps, its variables.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx query txn_…
  chancery tx query txn_… -o json | jq .steps.reserve.output")]
pub(crate) struct QueryArgs {
    /// Which.
    id: TransactionId,
}

/// List transactions, newest first.
///
/// A search is terms that must all hold: a field, `:` and values of which one is its. `-` before a term negates it; a
/// value with spaces, commas or quotes stands within "…". Fields: status, definition, version, principal, key (the
/// business key), parent (whose child it is), label.<name>, id; and started and ended, which take `<` or `>` and an age
/// (`started<2h`: within the last two hours) or a time.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx list
  chancery tx list --status parked --definition create-order
  chancery tx list 'status:failed,parked label.region:eu started<2h'
  chancery tx list 'definition:create-order -status:completed started>2026-11-21T07:00:00Z'
  chancery tx list --limit 1000 -o json | jq -r '.items[].id'")]
pub(crate) struct ListArgs {
    /// Only those that this search finds.
    #[arg(value_name = "SEARCH", allow_hyphen_values = true)]
    search: Option<String>,
    /// Only those with this status.
    #[arg(long, value_parser = status)]
    status: Option<Status>,
    /// Only those of this definition.
    #[arg(long, value_name = "NAME")]
    definition: Option<Name>,
    #[command(flatten)]
    page: PageArgs,
}

/// Count transactions, up to 10,000.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx count
  chancery tx count 'status:failed started<1d'
  chancery tx count 'status:parked' -o json | jq .count")]
pub(crate) struct CountArgs {
    /// Only those that this search finds; see `chancery tx list --help`.
    #[arg(value_name = "SEARCH", allow_hyphen_values = true)]
    search: Option<String>,
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
  chancery tx clones txn_… --step ship -o json | jq '.items[].status'")]
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
    if args.tree {
        let root = tree::of(&session.client()?, args.id).await?;
        session.out.show(&root, |root| show::tree(&session.out, root))?;
        return Ok(Exit::Ok);
    }
    let body = session.client()?.get(args.id).await?;
    session.out.show(&body, |body| show::transaction(&session.out, body))?;
    Ok(Exit::Ok)
}

pub(crate) async fn query(args: &QueryArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.query(args.id).await?;
    session.out.show(&body, |body| show::state(&session.out, body))?;
    Ok(Exit::Ok)
}

pub(crate) async fn list(args: ListArgs, session: &Session) -> Result<Exit, CliError> {
    let ListArgs { search, status, definition, page } = args;
    let query = TransactionsQuery { search, status, definition, limit: None, cursor: None };
    let pages = session.client()?.transactions(&query)?;
    page.show(session, pages, |items| show::transactions(&session.out, items)).await
}

pub(crate) async fn count(args: CountArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.transaction_count(args.search).await?;
    session.out.show(&body, |body| show::count(*body))?;
    Ok(Exit::Ok)
}

pub(crate) async fn history(args: HistoryArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let steps = if session.out.is_table() { step_names(&client, args.id).await? } else { Vec::new() };
    let pages = client.history(args.id);
    args.page.show(session, pages, |items| show::history(&session.out, items, &steps)).await
}

/// What the steps of a transaction are called; of one that has expired its entries alone are left, which number them.
async fn step_names(client: &Client, id: TransactionId) -> Result<Vec<String>, CliError> {
    match client.get(id).await {
        Ok(transaction) => Ok(show::step_names(&transaction)),
        Err(err) if err.problem().and_then(Problem::kind) == Some(ProblemKind::Expired) => Ok(Vec::new()),
        Err(err) => Err(err.into()),
    }
}

pub(crate) async fn clones(args: ClonesArgs, session: &Session) -> Result<Exit, CliError> {
    let pages = session.client()?.clones(args.id, &args.step);
    args.page.show(session, pages, |items| show::steps(&session.out, items)).await
}
