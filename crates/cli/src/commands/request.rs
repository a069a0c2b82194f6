//! `chancery request`

use crate::commands::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use crate::show;
use chancery_api::request::{AnswerRequest, DeferRequest, DelegateRequest, RequestsQuery, SayRequest};
use chancery_base::{PrincipalId, RequestId, Timestamp, TransactionId};
use clap::{Subcommand, ValueEnum};

/// See what people are asked, and answer: with a user's key, not being who started the transaction.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery request list --mine
  chancery request show req_…
  chancery request approve req_… --justification 'checked against invoice 4711'
  chancery request deny req_… --justification 'the supplier is not on the list'")]
pub(crate) enum Command {
    List(ListArgs),
    Show(ShowArgs),
    Ack(AckArgs),
    Answer(AnswerArgs),
    Approve(ApproveArgs),
    Deny(DenyArgs),
    Defer(DeferArgs),
    Delegate(DelegateArgs),
}

/// List requests, what is due first before what is due later.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request list
  chancery request list --mine
  chancery request list --role finance --status any -o json | jq -r '.items[].title'")]
pub(crate) struct ListArgs {
    /// Only those that you can answer now.
    #[arg(long)]
    mine: bool,
    /// `open` (seen or not), `any`, or one of `acknowledged`, `approved`, `denied`, `expired`, `withdrawn`.
    #[arg(long, value_name = "STATUS", default_value = "open")]
    status: String,
    /// The role of those who may answer.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Whose they are.
    #[arg(long, value_name = "ID")]
    transaction: Option<TransactionId>,
    #[command(flatten)]
    page: PageArgs,
}

/// Show a request: what it is about, by when, and what was said to it.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request show req_…
  chancery request show req_… -o json | jq .input")]
pub(crate) struct ShowArgs {
    /// Which.
    id: RequestId,
}

/// Say that you have seen a request.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request ack req_…")]
pub(crate) struct AckArgs {
    /// Which.
    id: RequestId,
}

/// Answer a request with yes or no.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request answer req_… approved --justification 'checked against invoice 4711'
  chancery request answer req_… denied --justification 'the supplier is not on the list'")]
pub(crate) struct AnswerArgs {
    /// Which.
    id: RequestId,
    /// What.
    #[arg(value_enum)]
    answer: SayArg,
    /// Why, in 20 characters at least: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Answer a request with yes.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request approve req_… --justification 'checked against invoice 4711'")]
pub(crate) struct ApproveArgs {
    /// Which.
    id: RequestId,
    /// Why, in 20 characters at least: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Answer a request with no: one no decides it, and its step fails.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request deny req_… --justification 'the supplier is not on the list'")]
pub(crate) struct DenyArgs {
    /// Which.
    id: RequestId,
    /// Why, in 20 characters at least: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Put a request off: it may be answered until that time, 30 days after it was opened at most.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request defer req_… --until 2030-01-07T17:00:00Z \\
      --justification 'the auditor is back on Monday'")]
pub(crate) struct DeferArgs {
    /// Which.
    id: RequestId,
    /// Until when.
    #[arg(long, value_name = "TIME")]
    until: Timestamp,
    /// Why, in 20 characters at least: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Hand your say on: that person answers in your place, whatever role the request names.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery request delegate req_… --to usr_… \\
      --justification 'on leave until Monday, Ann knows it'")]
pub(crate) struct DelegateArgs {
    /// Which.
    id: RequestId,
    /// To whom: not who started the transaction.
    #[arg(long, value_name = "PRINCIPAL")]
    to: PrincipalId,
    /// Why, in 20 characters at least: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SayArg {
    /// Yes.
    #[value(alias = "approve", alias = "yes")]
    Approved,
    /// No.
    #[value(alias = "deny", alias = "no")]
    Denied,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let answer = |answer, justification| AnswerRequest { answer, justification };
    let request = match command {
        Command::List(args) => {
            let query = RequestsQuery {
                status: Some(args.status),
                role: args.role,
                transaction: args.transaction.map(|id| id.to_string()),
                mine: args.mine,
                ..RequestsQuery::default()
            };
            let pages = client.requests(&query);
            return args.page.show(session, pages, |items| show::requests(&session.out, items)).await;
        }
        Command::Show(args) => client.request_get(args.id).await?,
        Command::Ack(args) => client.request_acknowledge(args.id).await?,
        Command::Answer(args) => client.request_answer(args.id, &answer(say(args.answer), args.justification)).await?,
        Command::Approve(args) => {
            client.request_answer(args.id, &answer(SayRequest::Approved, args.justification)).await?
        }
        Command::Deny(args) => client.request_answer(args.id, &answer(SayRequest::Denied, args.justification)).await?,
        Command::Defer(args) => {
            let deferral = DeferRequest { until: args.until, justification: args.justification };
            client.request_defer(args.id, &deferral).await?
        }
        Command::Delegate(args) => {
            let delegation = DelegateRequest { to: args.to, justification: args.justification };
            client.request_delegate(args.id, &delegation).await?
        }
    };
    session.out.show(&request, |request| show::request(&session.out, request))?;
    Ok(Exit::Ok)
}

const fn say(answer: SayArg) -> SayRequest {
    match answer {
        SayArg::Approved => SayRequest::Approved,
        SayArg::Denied => SayRequest::Denied,
    }
}
