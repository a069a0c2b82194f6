//! Signals.

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::session::Session;
use crate::show;
use chancery_api::transaction::SendSignal;
use chancery_base::{Name, TransactionId};
use serde_json::Value;

/// Send a transaction a signal: the step that waits for it goes on. One that comes early is kept.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx signal txn_… approved --payload '{\"by\": \"ann\"}'
  chancery tx signal txn_… paid --id payment-17 --payload @payment.json")]
pub(crate) struct SignalArgs {
    /// To which.
    id: TransactionId,
    /// The signal's name, as a step of the definition has it.
    name: Name,
    /// What it says: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// A second signal with this id is taken for the same, and changes nothing.
    #[arg(long = "id", value_name = "ID")]
    signal_id: Option<String>,
}

pub(crate) async fn signal(args: SignalArgs, session: &Session) -> Result<Exit, CliError> {
    let payload = args.payload.as_deref().map(|text| input::json_value("--payload", text)).transpose()?;
    let signal = SendSignal { name: args.name, id: args.signal_id, payload: payload.unwrap_or(Value::Null) };
    let body = session.client()?.signal(args.id, &signal).await?;
    session.out.show(&body, show::signal)?;
    Ok(Exit::Ok)
}
