//! Driving an open transaction from a shell script: begin, step, commit or abort.

mod alive;
mod command;

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::session::Session;
use crate::show;
use alive::alive;
use chancery_api::open::{
    OpenAbort, OpenCommit, OpenHttp, OpenOutcome, OpenResource, OpenStep, OpenStepped, OpenUndo, Stepped,
};
use chancery_api::worker::{Ack, ReportError};
use chancery_base::{Document, Name, TransactionId, duration};
use chancery_sdk::{Client, Start};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long it is until a step that waits is asked for again.
const PAUSE: Duration = Duration::from_secs(2);

/// Begin an open transaction. With --idempotency-key, a script that runs again takes over what it left.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx begin plan-trip --input '{\"to\": \"Lisbon\"}' --idempotency-key trip-17
  chancery tx begin plan-trip -o json")]
pub(crate) struct BeginArgs {
    /// The definition's name; it is of kind `open`.
    definition: Name,
    /// The input: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// The same key with the same input gives the same transaction, however often it is begun.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Ask for a step. With a command behind --, run it if it is permitted and say what came of it.
///
/// The command gets the input on its standard input and `CHANCERY_IDEMPOTENCY_KEY` and `CHANCERY_ATTEMPT` in its
/// environment. What it prints is the output: JSON, or else text. Unless its exit code is 0 or one of --failed-on,
/// nobody knows whether it took effect. A step that was done before is not run again: its output is shown. Exits 1 if
/// the step is denied, refused or failed, 6 if people have yet to answer whether it may be done: ask again.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx step txn_… --driver 1 --id hotel --input '{\"hotel\": \"Alba\"}' \\
      --action hotels.book --undo hotels.cancel -- ./book-hotel
  chancery tx step txn_… --driver 1 --id pay --wait 2h -- ./pay   # people approve it
  chancery tx step txn_… --driver 1 --id hotel -o json     # then: chancery tx outcome")]
pub(crate) struct StepArgs {
    /// Which transaction.
    id: TransactionId,
    /// The driver's number, as begin or take-over gave it.
    #[arg(long, value_name = "N")]
    driver: u32,
    /// What the step is called: the same whenever the script runs.
    #[arg(long = "id", value_name = "STEP")]
    step: Name,
    /// The action that policy is asked about.
    #[arg(long, value_name = "ACTION", default_value = "run")]
    action: Name,
    /// The resource that policy is asked about, such as Account=a-17; without it the step.
    #[arg(long, value_name = "TYPE=ID", value_parser = input::pair)]
    resource: Option<(String, String)>,
    /// Something that is asserted of the resource. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair, requires = "resource")]
    attribute: Vec<(String, String)>,
    /// A class of data that it uses, such as personal. Can be repeated.
    #[arg(long = "class", value_name = "CLASS")]
    classes: Vec<Name>,
    /// What it is for; without it what the definition says.
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<Name>,
    /// The input: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Who undoes it: the name under which workers take that.
    #[arg(long, value_name = "WORKER", conflicts_with = "undo_http")]
    undo: Option<Name>,
    /// Or the address that is called with a POST.
    #[arg(long, value_name = "ADDRESS")]
    undo_http: Option<String>,
    /// With what it is undone: JSON, @FILE; without it with its output.
    #[arg(long, value_name = "JSON")]
    undo_input: Option<String>,
    /// How long it may take, such as 30s, which it is without it.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// How long to wait where people are asked first or a rate has no room, such as 2h; without it not at all.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// An exit code of the command that says that it took no effect. Can be repeated.
    #[arg(long, value_name = "CODE", requires = "command")]
    failed_on: Vec<i32>,
    /// What to run.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Say what came of a step that was permitted.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx outcome txn_… --id hotel --task tsk_… --result '{\"room\": 12}'
  chancery tx outcome txn_… --id hotel --task tsk_… --error NoRoom --message 'all is taken'
  chancery tx outcome txn_… --id hotel --task tsk_… --error CutOff --unknown")]
pub(crate) struct OutcomeArgs {
    /// Which transaction.
    id: TransactionId,
    /// Which step.
    #[arg(long = "id", value_name = "STEP")]
    step: Name,
    /// The permit's task.
    #[arg(long, value_name = "TASK")]
    task: String,
    /// It was done, and this is its output: JSON, @FILE, or -; without it null.
    #[arg(long, value_name = "JSON", conflicts_with = "error")]
    result: Option<String>,
    /// It was not done: of what type the error is.
    #[arg(long, value_name = "TYPE")]
    error: Option<String>,
    /// The error, for people.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "error")]
    message: String,
    /// It may have been done nevertheless.
    #[arg(long, requires = "error")]
    unknown: bool,
}

/// End an open transaction as completed.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx commit txn_… --driver 1 --result '{\"trip\": \"booked\"}'")]
pub(crate) struct CommitArgs {
    /// Which.
    id: TransactionId,
    /// The driver's number, as begin or take-over gave it.
    #[arg(long, value_name = "N")]
    driver: u32,
    /// What it gives: JSON, @FILE, or -; without it null.
    #[arg(long, value_name = "JSON")]
    result: Option<String>,
}

/// Undo what an open transaction did and end it as cancelled.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx abort txn_… --driver 1 --reason 'no flight to be had'")]
pub(crate) struct AbortArgs {
    /// Which.
    id: TransactionId,
    /// The driver's number, as begin or take-over gave it.
    #[arg(long, value_name = "N")]
    driver: u32,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Become the driver of an open transaction; whoever was it before is not any more.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx take-over txn_…
  chancery tx take-over txn_… -o json")]
pub(crate) struct TakeOverArgs {
    /// Which.
    id: TransactionId,
}

/// Say that the driver of an open transaction lives.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tx heartbeat txn_… --driver 1")]
pub(crate) struct HeartbeatArgs {
    /// Which.
    id: TransactionId,
    /// The driver's number, as begin or take-over gave it.
    #[arg(long, value_name = "N")]
    driver: u32,
}

pub(crate) async fn begin(args: BeginArgs, session: &Session) -> Result<Exit, CliError> {
    let input = args.input.as_deref().map(|text| input::json_value("--input", text)).transpose()?;
    let client = session.client()?;
    expect_open(&client, &args.definition).await?;
    let mut start = Start::new(args.definition, input.unwrap_or(Value::Null));
    if let Some(key) = args.idempotency_key {
        start = start.idempotency_key(key);
    }
    let started = client.start(&start).await?;
    if started.driver.is_some() || started.status.is_final() {
        session.out.show(&started, show::started)?;
        return Ok(if started.driver.is_some() || show::is_success(started.status) { Exit::Ok } else { Exit::Failed });
    }
    // It had begun before: the script runs again.
    take_over(&TakeOverArgs { id: started.id }, session).await
}

/// What is not open goes on by itself once it has begun: it is refused before.
async fn expect_open(client: &Client, name: &Name) -> Result<(), CliError> {
    let definition = client.definition_get(name, None).await?;
    let kind = definition.source.get("kind").and_then(Value::as_str).unwrap_or("saga");
    if kind == "open" {
        return Ok(());
    }
    Err(CliError::Usage(format!("`{name}` is a {kind}, which has no driver: start it with `chancery tx start {name}`")))
}

pub(crate) async fn take_over(args: &TakeOverArgs, session: &Session) -> Result<Exit, CliError> {
    let resumed = session.client()?.open_resume(args.id).await?;
    let body = show::Resumed { id: args.id, resumed };
    session.out.show(&body, |body| show::resumed(&session.out, body))?;
    Ok(Exit::Ok)
}

pub(crate) async fn step(args: StepArgs, session: &Session) -> Result<Exit, CliError> {
    let (id, command, failed_on) = (args.id, args.command.clone(), args.failed_on.clone());
    let wait = args.wait.unwrap_or_default();
    let step = asked(args)?;
    let client = session.client()?;
    let stepped = alive(&client, id, step.driver, ask(&client, id, &step, wait)).await?;
    let (Stepped::Permitted, Some(permit), false) = (stepped.outcome, &stepped.permit, command.is_empty()) else {
        session.out.show(&stepped, show::stepped)?;
        return Ok(match stepped.outcome {
            Stepped::Permitted | Stepped::Completed => Exit::Ok,
            Stepped::Denied | Stepped::Refused => Exit::Failed,
            Stepped::Waits => Exit::Unavailable,
        });
    };
    let done = command::run(&command, &step.input, permit, &failed_on);
    let (output, error) = alive(&client, id, step.driver, done).await?;
    let outcome = OpenOutcome { task: permit.task.clone(), output: output.map(Document::shared), error };
    let ack = client.open_outcome(id, &step.id, &outcome).await?.ack;
    said(session, &outcome, ack)
}

/// Asks for a step until it waits no more, or for so long.
async fn ask(client: &Client, id: TransactionId, step: &OpenStep, wait: Duration) -> Result<OpenStepped, CliError> {
    let since = Instant::now();
    loop {
        let stepped = client.open_step(id, step).await?;
        let left = wait.saturating_sub(since.elapsed());
        if stepped.outcome != Stepped::Waits || left.is_zero() {
            return Ok(stepped);
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// What is asked of the server.
fn asked(args: StepArgs) -> Result<OpenStep, CliError> {
    let value = |option, text: Option<&str>| text.map(|text| input::json_value(option, text)).transpose();
    let undo_input = value("--undo-input", args.undo_input.as_deref())?;
    let http = args.undo_http.map(|url| OpenHttp { method: None, url, headers: BTreeMap::new() });
    let undo = match (args.undo, http) {
        (None, None) if undo_input.is_some() => {
            return Err(CliError::Usage("--undo-input takes --undo or --undo-http as well".to_owned()));
        }
        (None, None) => None,
        (worker, http) => {
            Some(OpenUndo { worker, http, input: undo_input.map(Document::shared), ..OpenUndo::default() })
        }
    };
    let attributes = input::attributes("--attribute", &args.attribute)?;
    Ok(OpenStep {
        driver: args.driver,
        id: args.step,
        action: args.action,
        resource: args.resource.map(|(resource_type, id)| OpenResource { resource_type, id, attributes }),
        classes: args.classes.into_iter().collect(),
        purpose: args.purpose,
        input: value("--input", args.input.as_deref())?.unwrap_or(Value::Null),
        undo,
        timeout: args.timeout.map(duration::format),
    })
}

pub(crate) async fn outcome(args: OutcomeArgs, session: &Session) -> Result<Exit, CliError> {
    let result = args.result.as_deref().map(|text| input::json_value("--result", text)).transpose()?;
    let error = args.error.map(|error_type| ReportError {
        error_type,
        message: args.message,
        detail: None,
        unknown: args.unknown,
        is_final: false,
    });
    let output = error.is_none().then(|| Document::shared(result.unwrap_or(Value::Null)));
    let outcome = OpenOutcome { task: args.task, output, error };
    let ack = session.client()?.open_outcome(args.id, &args.step, &outcome).await?.ack;
    said(session, &outcome, ack)
}

/// Shows what was said of a step, and whether it was heard.
fn said(session: &Session, outcome: &OpenOutcome, ack: Ack) -> Result<Exit, CliError> {
    let body = show::Said { ack, output: outcome.output.clone(), error: outcome.error.clone() };
    session.out.show(&body, show::said)?;
    Ok(if ack == Ack::Recorded && outcome.error.is_none() { Exit::Ok } else { Exit::Failed })
}

pub(crate) async fn commit(args: CommitArgs, session: &Session) -> Result<Exit, CliError> {
    let output = args.result.as_deref().map(|text| input::json_value("--result", text)).transpose()?;
    let commit = OpenCommit { driver: args.driver, output: output.unwrap_or(Value::Null) };
    let ended = session.client()?.open_commit(args.id, &commit).await?;
    session.out.show(&ended, show::started)?;
    Ok(Exit::Ok)
}

pub(crate) async fn abort(args: AbortArgs, session: &Session) -> Result<Exit, CliError> {
    let abort = OpenAbort { driver: args.driver, reason: args.reason };
    let turned = session.client()?.open_abort(args.id, &abort).await?;
    session.out.show(&turned, show::started)?;
    Ok(Exit::Ok)
}

pub(crate) async fn heartbeat(args: &HeartbeatArgs, session: &Session) -> Result<Exit, CliError> {
    let heard = session.client()?.open_heartbeat(args.id, args.driver).await?;
    session.out.show(&heard, show::heard)?;
    Ok(Exit::Ok)
}
