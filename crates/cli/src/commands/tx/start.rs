//! Starting and waiting.

use crate::error::CliError;
use crate::exit::Exit;
use crate::fault;
use crate::input;
use crate::progress;
use crate::session::Session;
use crate::show;
use chancery_api::transaction::{Fault, SendSignal, StartedTransaction, Status, Transaction};
use chancery_base::{Name, Timestamp, TransactionId, duration};
use chancery_sdk::{Client, Start};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Start a transaction. With --wait, exits 0 if it completed, 1 if it ended otherwise or was parked, 6 if it goes on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx start create-order --input '{\"sku\": \"chair\", \"quantity\": 2}' --wait 60s
  chancery tx start create-order --input @order.json --idempotency-key order-17
  chancery tx start create-order --input @order.json --fault 'charge=error:Declined'
  chancery tx start create-order --input @order.json --fault 'charge/undo@2=lose'
  chancery tx start create-order --input @order.json --header x-user=ada
  chancery tx start nightly --at 2026-12-24T22:00:00Z
  chancery tx start cart --idempotency-key cart-9 --signal add --payload '{\"sku\": \"chair\"}'
  echo '{\"sku\": \"chair\"}' | chancery tx start create-order --input - -o json")]
pub(crate) struct StartArgs {
    /// The definition's name.
    definition: Name,
    /// Its version; the newest without it.
    #[arg(long, value_name = "N")]
    version_number: Option<u32>,
    /// The input: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// The same key with the same input gives the same transaction, however often it is started. Where the definition
    /// has a business key, that is so for each of these.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Something to search by. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    label: Vec<(String, String)>,
    /// Something that it is told beside its input: `headers` in expressions, carried by its tasks. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    header: Vec<(String, String)>,
    /// When its first steps begin; without it at once.
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<Timestamp>,
    /// Begin with this signal. If the key is of a transaction that runs, that one gets it instead.
    #[arg(long, value_name = "NAME")]
    signal: Option<Name>,
    /// What the signal says: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON", requires = "signal")]
    payload: Option<String>,
    /// A second signal with this id is taken for the same, and changes nothing.
    #[arg(long, value_name = "ID", requires = "signal")]
    signal_id: Option<String>,
    /// Have something go wrong, to test handlers: STEP[/undo|/confirm][@ATTEMPT,…|@all]=FAULT, where FAULT is
    /// error:TYPE, final:TYPE, unknown:TYPE, lose, repeat or delay:5s. Can be repeated. The server must allow it.
    #[arg(long, value_name = "FAULT", value_parser = fault::parse)]
    fault: Vec<Fault>,
    /// Wait so long for its end, such as 60s.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,
}

/// Wait until a transaction ended or was parked: exits 0 if it completed, 1 if not, 6 if it goes on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx wait txn_…
  chancery tx wait txn_… --timeout 5m -o json")]
pub(crate) struct WaitArgs {
    /// Which.
    id: TransactionId,
    /// How long at most, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
}

pub(crate) async fn start(args: StartArgs, session: &Session) -> Result<Exit, CliError> {
    let input = args.input.as_deref().map(|text| input::json_value("--input", text)).transpose()?;
    let mut start = Start::new(args.definition, input.unwrap_or(Value::Null));
    if let Some(version) = args.version_number {
        start = start.version(version);
    }
    if let Some(key) = args.idempotency_key {
        start = start.idempotency_key(key);
    }
    for (name, value) in input::once("--label", &args.label)? {
        start = start.label(name, value);
    }
    for (name, value) in input::once("--header", &args.header)? {
        start = start.header(name, value);
    }
    if let Some(at) = args.at {
        start = start.at(at);
    }
    for fault in args.fault {
        start = start.fault(fault);
    }
    if let Some(name) = args.signal {
        let payload = args.payload.as_deref().map(|text| input::json_value("--payload", text)).transpose()?;
        start = start.signal(SendSignal { name, id: args.signal_id, payload: payload.unwrap_or(Value::Null) });
    }
    let started = session.client()?.start(&start).await?;
    shown(session, &started, args.wait).await
}

/// Shows what began, or waits so long for its end and shows that.
pub(super) async fn shown(
    session: &Session,
    started: &StartedTransaction,
    wait: Option<Duration>,
) -> Result<Exit, CliError> {
    let Some(timeout) = wait else {
        session.out.show(started, show::started)?;
        return Ok(Exit::Ok);
    };
    let waited = wait_until(&session.patient_client()?, started.id, timeout).await?;
    ended(session, &waited, timeout)
}

pub(crate) async fn wait(args: &WaitArgs, session: &Session) -> Result<Exit, CliError> {
    let waited = wait_until(&session.patient_client()?, args.id, args.timeout).await?;
    ended(session, &waited, args.timeout)
}

/// Waits until a transaction ended or was parked, or the time is over, and gives its state then.
pub(crate) async fn wait_until(client: &Client, id: TransactionId, timeout: Duration) -> Result<Transaction, CliError> {
    let until = Instant::now() + timeout;
    let waiting = async {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let body = client.wait_for(id, left).await?;
            if is_settled(body.status) || Instant::now() >= until {
                return Ok(body);
            }
        }
    };
    progress::spin(&format!("waiting for {id}"), waiting).await
}

/// Shows what was waited for; fails if it goes on.
pub(crate) fn ended(session: &Session, body: &Transaction, timeout: Duration) -> Result<Exit, CliError> {
    session.out.show(body, |body| show::transaction(&session.out, body))?;
    if !is_settled(body.status) {
        return Err(CliError::TimedOut { id: body.id, status: body.status.word(), waited: timeout });
    }
    Ok(if show::is_success(body.status) { Exit::Ok } else { Exit::Failed })
}

fn is_settled(status: Status) -> bool {
    status.is_final() || status == Status::Parked
}
