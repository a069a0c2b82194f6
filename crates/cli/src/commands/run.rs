//! `chancery run`

use super::definition;
use super::tx::{ended, wait_until};
use crate::error::CliError;
use crate::exit::Exit;
use crate::fault;
use crate::input;
use crate::session::Session;
use chancery_api::transaction::Fault;
use chancery_base::duration;
use chancery_sdk::Start;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Push a definition, start it, wait for its end and show what became of each step.
///
/// Exits 0 if the transaction completed, 1 if it ended otherwise (compensated, failed, cancelled, terminated) or was
/// parked, 6 if it goes on after the timeout.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery run examples/hello.yaml
  chancery run create-order.yaml --input '{\"sku\": \"chair\", \"quantity\": 2}' --timeout 5m
  chancery run create-order.yaml --input @order.json --fault 'charge=error:Declined'
  chancery run create-order.yaml --input @order.json -o json | jq .status")]
pub(crate) struct Args {
    /// The definition, YAML or JSON; - for the standard input.
    file: PathBuf,
    /// The input: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// The same key with the same input gives the same transaction, however often it is run.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Have something go wrong, to test handlers: STEP[/undo|/confirm][@ATTEMPT,…|@all]=FAULT, where FAULT is
    /// error:TYPE, final:TYPE, unknown:TYPE, lose, repeat or delay:5s. Can be repeated. The server must allow it.
    #[arg(long, value_name = "FAULT", value_parser = fault::parse)]
    fault: Vec<Fault>,
    /// How long to wait at most, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let input = args.input.as_deref().map(|text| input::json_value("--input", text)).transpose()?;
    let client = session.client()?;
    let registered = definition::push(&args.file, &client).await?;
    let mut start = Start::new(registered.name, input.unwrap_or(Value::Null)).version(registered.version);
    if let Some(key) = args.idempotency_key {
        start = start.idempotency_key(key);
    }
    for fault in args.fault {
        start = start.fault(fault);
    }
    let started = client.start(&start).await?;
    let body = wait_until(&session.patient_client()?, started.id, args.timeout).await?;
    ended(session, &body, args.timeout)
}
