//! `chancery tx`

mod act;
mod bulk;
mod fork;
mod list;
mod open;
mod signal;
mod start;
mod tree;

pub(crate) use bulk::Summary;
pub(crate) use start::{ended, wait_until};
pub(crate) use tree::Branch;

use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use clap::Subcommand;

/// Start transactions, look at them, wait for them, and act on them.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery tx start create-order --input '{\"sku\": \"chair\", \"quantity\": 2}' --wait 60s
  chancery tx list 'status:failed,parked started<2h'
  chancery tx get txn_…
  chancery tx signal txn_… approved --payload '{\"by\": \"ann\"}'
  chancery tx retry txn_… --justification 'the bank is back'
  chancery tx fork txn_… --from ship --reason 'the carrier is back'")]
pub(crate) enum Command {
    Start(start::StartArgs),
    Get(list::GetArgs),
    List(list::ListArgs),
    Count(list::CountArgs),
    History(list::HistoryArgs),
    Clones(list::ClonesArgs),
    Wait(start::WaitArgs),
    Query(list::QueryArgs),
    Signal(signal::SignalArgs),
    Pause(act::PauseArgs),
    Resume(act::ResumeArgs),
    Cancel(act::CancelArgs),
    Retry(act::RetryArgs),
    Resolve(act::ResolveArgs),
    Terminate(act::TerminateArgs),
    Fork(fork::ForkArgs),
    Bulk(bulk::BulkArgs),
    Begin(open::BeginArgs),
    Step(open::StepArgs),
    Outcome(open::OutcomeArgs),
    Commit(open::CommitArgs),
    Abort(open::AbortArgs),
    TakeOver(open::TakeOverArgs),
    Heartbeat(open::HeartbeatArgs),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Start(args) => start::start(args, session).await,
        Command::Get(args) => list::get(&args, session).await,
        Command::List(args) => list::list(args, session).await,
        Command::Count(args) => list::count(args, session).await,
        Command::History(args) => list::history(args, session).await,
        Command::Clones(args) => list::clones(args, session).await,
        Command::Wait(args) => start::wait(&args, session).await,
        Command::Query(args) => list::query(&args, session).await,
        Command::Signal(args) => signal::signal(args, session).await,
        Command::Pause(args) => act::pause(&args, session).await,
        Command::Resume(args) => act::resume(&args, session).await,
        Command::Cancel(args) => act::cancel(&args, session).await,
        Command::Retry(args) => act::retry(&args, session).await,
        Command::Resolve(args) => act::resolve(args, session).await,
        Command::Terminate(args) => act::terminate(&args, session).await,
        Command::Fork(args) => fork::fork(args, session).await,
        Command::Bulk(args) => bulk::bulk(args, session).await,
        Command::Begin(args) => open::begin(args, session).await,
        Command::Step(args) => Box::pin(open::step(args, session)).await,
        Command::Outcome(args) => open::outcome(args, session).await,
        Command::Commit(args) => open::commit(args, session).await,
        Command::Abort(args) => open::abort(args, session).await,
        Command::TakeOver(args) => open::take_over(&args, session).await,
        Command::Heartbeat(args) => open::heartbeat(&args, session).await,
    }
}
