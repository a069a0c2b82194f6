//! Forking what has ended.

use super::start::shown;
use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use chancery_base::{Name, TransactionId, duration};
use chancery_sdk::client::Fork;
use std::time::Duration;

/// Start a transaction that takes over from one that has ended: what that did before the step and did not undo is the
/// fork's, all else is done anew. With --wait, exits as `tx start` does.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx fork txn_… --from ship --reason 'the carrier is back' --wait 60s
  chancery tx fork txn_… --from ship --reason 'it is back' --idempotency-key again-17")]
pub(crate) struct ForkArgs {
    /// Which.
    id: TransactionId,
    /// The step from which on everything is done anew.
    #[arg(long, value_name = "STEP")]
    from: Name,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT", visible_alias = "reason")]
    justification: String,
    /// The same key with the same step and reason gives the same fork, however often it is asked for.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait so long for its end, such as 60s.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,
}

pub(crate) async fn fork(args: ForkArgs, session: &Session) -> Result<Exit, CliError> {
    let mut fork = Fork::new(args.from, args.justification);
    if let Some(key) = args.idempotency_key {
        fork = fork.idempotency_key(key);
    }
    let client = session.client()?;
    let started = client.fork(args.id, &fork).await?;
    // Whoever may fork it and not read it does without.
    if let Ok(source) = client.get(args.id).await
        && !source.left_undone.is_empty()
    {
        let stands = source.left_undone.join(", ");
        session.out.say(&format!("note: of {} this stands, and neither it nor the fork undoes it: {stands}", args.id));
    }
    shown(session, &started, args.wait).await
}
