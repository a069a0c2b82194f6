//! `chancery ledger`

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Cell;
use crate::session::Session;
use crate::show;
use chancery_api::ledger::{EntriesQuery, Log};
use chancery_base::TransactionId;
use chancery_ledger::note::Note;
use chancery_ledger::{Checkpoint, Keys, Origin};
use clap::Subcommand;
use serde::Serialize;

/// Look into the ledger: its logs, entries, newest checkpoint, and the key that verifies it.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery ledger logs
  chancery ledger checkpoint > monday.checkpoint
  chancery ledger entries --transaction txn_…
  chancery ledger key > chancery.pub")]
pub(crate) enum Command {
    Checkpoint(CheckpointArgs),
    Entries(EntriesArgs),
    Logs(LogsArgs),
    Key(KeyArgs),
}

/// Write a log's newest checkpoint, a signed note. Keep one: `verify log --checkpoint` holds the log to it later.
///
/// Where a verifier key is saved, the signature is checked first.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery ledger checkpoint > monday.checkpoint
  chancery ledger checkpoint -o json")]
pub(crate) struct CheckpointArgs {
    /// Which shard's log.
    #[arg(long, default_value_t = 0, value_name = "N")]
    shard: u16,
}

/// List entries.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery ledger entries --from 120 --limit 20
  chancery ledger entries --transaction txn_… -o json")]
pub(crate) struct EntriesArgs {
    /// Only those of this transaction.
    #[arg(long, value_name = "ID")]
    transaction: Option<TransactionId>,
    /// From this number on: in the log, or in the transaction if one is named.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
}

/// List the tenant's logs and how far their newest checkpoints reach.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery ledger logs
  chancery ledger logs -o json")]
pub(crate) struct LogsArgs {}

/// Write the key that verifies checkpoints and receipts. It is public.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery ledger key > chancery.pub
  chancery verify receipt charge.receipt --key chancery.pub")]
pub(crate) struct KeyArgs {}

/// What `checkpoint -o json` writes.
#[derive(Debug, Serialize)]
struct ShownCheckpoint {
    origin: String,
    size: u64,
    root: String,
    note: String,
}

#[derive(Debug, Serialize)]
struct ShownKey {
    key: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Checkpoint(args) => checkpoint(&args, session).await,
        Command::Entries(args) => {
            let query = EntriesQuery { transaction: args.transaction, from: args.from, limit: None, cursor: None };
            let pages = session.client()?.entries(&query)?;
            args.page.show(session, pages, |items| show::entries(&session.out, items)).await
        }
        Command::Logs(LogsArgs {}) => {
            let logs = session.client()?.logs().await?;
            session.out.show(&logs, |logs| table(session, &logs.items))?;
            Ok(Exit::Ok)
        }
        Command::Key(KeyArgs {}) => {
            let key = session.client()?.verifier_key().await?;
            session.out.show(&ShownKey { key }, |shown| shown.key.clone())?;
            Ok(Exit::Ok)
        }
    }
}

async fn checkpoint(args: &CheckpointArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let logs = client.logs().await?;
    let of_shard = logs.items.iter().filter(|log| log.shard == args.shard);
    let Some(log) = of_shard.max_by_key(|log| log.generation) else {
        return Err(CliError::Usage(format!("there is no shard {}: `chancery ledger logs` lists them", args.shard)));
    };
    let origin: Origin = log.origin.parse().map_err(|error| unverified(format!("`{}`: {error}", log.origin)))?;
    let bytes = client.log_file(origin.tenant(), log.shard, log.generation, "checkpoint").await?;
    let text = String::from_utf8(bytes).map_err(|error| unverified(error.to_string()))?;
    let checkpoint = match session.context()?.verifier_key {
        Some(key) => {
            let keys = Keys::one(crate::session::verifier_key(&key)?);
            Checkpoint::open(&text, &keys).map_err(|error| unverified(error.to_string()))?
        }
        None => {
            session.out.say("no verifier key is saved: the signature was not checked");
            let note = Note::parse(&text).map_err(|error| unverified(error.to_string()))?;
            Checkpoint::parse_text(note.text()).map_err(|error| unverified(error.to_string()))?
        }
    };
    let shown = ShownCheckpoint {
        origin: checkpoint.origin.to_string(),
        size: checkpoint.size.0,
        root: checkpoint.root.to_string(),
        note: text,
    };
    session.out.show(&shown, |shown| shown.note.clone())?;
    Ok(Exit::Ok)
}

fn unverified(reason: String) -> CliError {
    CliError::Unverified { what: "the checkpoint".to_owned(), reason }
}

fn table(session: &Session, logs: &[Log]) -> String {
    let mut grid = session.out.grid(&["ORIGIN", "SHARD", "GENERATION", "ENTRIES", "IN CHECKPOINT"]);
    for log in logs {
        grid.row([
            Cell::from(log.origin.as_str()),
            Cell::from(log.shard.to_string()),
            Cell::from(log.generation.to_string()),
            Cell::from(log.size.to_string()),
            Cell::from(log.checkpoint_size.to_string()),
        ]);
    }
    grid.text_or("no logs")
}
