//! One thing done to all that a search finds.

use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::Bar;
use crate::session::Session;
use crate::show;
use chancery_api::transaction::{Bulk, BulkOperation, BulkResult, TransactionCount};
use chancery_sdk::Client;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use tokio::time::Instant;

/// Transactions of one call.
const PAGE: usize = 200;

/// Cancel, terminate, retry, pause or resume every transaction that a search finds.
///
/// It works on those that had started when it began, from the newest on; each is an entry with the justification. What
/// is refused, because a transaction has ended meanwhile or is not parked or paused, is counted and left. The exit code
/// is 1 if anything was refused.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx bulk cancel 'status:running definition:create-order started>2h' --dry-run \\
      --justification 'the shop is closed'
  chancery tx bulk retry 'status:parked' --yes --justification 'the bank is back'
  chancery tx bulk resume 'status:paused' --yes --justification 'the audit is over'
  chancery tx bulk terminate 'label.test:yes -status:completed' --justification 'a test'")]
pub(crate) struct BulkArgs {
    /// What to do to each.
    #[arg(value_parser = operation)]
    operation: BulkOperation,
    /// What finds them; see `chancery tx list --help`.
    #[arg(value_name = "SEARCH", allow_hyphen_values = true)]
    search: String,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
    /// Only count them.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

fn operation(text: &str) -> Result<BulkOperation, String> {
    match text {
        "cancel" => Ok(BulkOperation::Cancel),
        "terminate" => Ok(BulkOperation::Terminate),
        "retry" => Ok(BulkOperation::Retry),
        "pause" => Ok(BulkOperation::Pause),
        "resume" => Ok(BulkOperation::Resume),
        _ => Err("use one of cancel, terminate, retry, pause, resume".to_owned()),
    }
}

const fn word(operation: BulkOperation) -> &'static str {
    match operation {
        BulkOperation::Cancel => "cancel",
        BulkOperation::Terminate => "terminate",
        BulkOperation::Retry => "retry",
        BulkOperation::Pause => "pause",
        BulkOperation::Resume => "resume",
    }
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// How many were done.
    pub(crate) done: u64,
    /// How many were refused, by the problem's name.
    pub(crate) refused: BTreeMap<String, u64>,
    /// One of each.
    pub(crate) examples: BTreeMap<String, BulkResult>,
}

impl Summary {
    fn take(&mut self, result: BulkResult) {
        let Some(problem) = &result.problem else {
            self.done += 1;
            return;
        };
        let slug = problem.kind().map_or_else(|| problem.problem_type.to_string(), |kind| kind.slug().to_owned());
        *self.refused.entry(slug.clone()).or_default() += 1;
        self.examples.entry(slug).or_insert(result);
    }

    fn total(&self) -> u64 {
        self.done + self.refused.values().sum::<u64>()
    }
}

pub(crate) async fn bulk(args: BulkArgs, session: &Session) -> Result<Exit, CliError> {
    if args.search.trim().is_empty() {
        let message = "a search is needed: without one it would be every transaction";
        return Err(CliError::Usage(message.to_owned()));
    }
    let client = session.client()?;
    let count = client.transaction_count(Some(args.search.clone())).await?;
    if args.dry_run {
        session.out.show(&count, |count| show::count(*count))?;
        return Ok(Exit::Ok);
    }
    if count.count > 0 && !args.yes && !confirmed(session, args.operation, count)? {
        session.out.say("nothing was done");
        return Ok(Exit::Failed);
    }
    let summary = all(&client, args, count).await?;
    session.out.show(&summary, |summary| show::bulk(&session.out, summary))?;
    Ok(if summary.refused.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// Asks the person at the terminal.
fn confirmed(session: &Session, operation: BulkOperation, count: TransactionCount) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() {
        let text = "nobody is there to confirm it: say --yes, or --dry-run to see how many they are";
        return Err(CliError::Usage(text.to_owned()));
    }
    session.out.say(&format!("{} {} transactions? Write `yes` to go on:", word(operation), show::count(count)));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|source| CliError::Read { path: "the standard input".into(), source })?;
    Ok(answer.trim() == "yes")
}

async fn all(client: &Client, args: BulkArgs, count: TransactionCount) -> Result<Summary, CliError> {
    let BulkArgs { operation, search, justification, .. } = args;
    let mut bulk = Bulk { search, operation, justification, cursor: None, limit: Some(PAGE) };
    let mut summary = Summary::default();
    let mut bar = Bar::new(word(operation), Instant::now());
    loop {
        let page = client.bulk(&bulk).await?;
        page.items.into_iter().for_each(|result| summary.take(result));
        bar.at(summary.total(), count.count.max(summary.total()));
        bulk.cursor = page.next;
        if bulk.cursor.is_none() {
            return Ok(summary);
        }
    }
}
