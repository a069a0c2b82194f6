//! `chancery stop`

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Cell, fields};
use crate::session::Session;
use chancery_api::stop::{SetStop, Stop, StopKind};
use chancery_base::{Name, PrincipalId, StopId, TargetId};
use clap::Subcommand;

/// Stop a tenant, a principal, an action, a target or a definition at once, and lift that again.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery stop set --principal agt_… --justification 'it orders without end'
  chancery stop set --target worker:payments --justification 'they charge twice'
  chancery stop list
  chancery stop lift stp_… --justification 'the agent was replaced'")]
pub(crate) enum Command {
    Set(SetArgs),
    List(ListArgs),
    Show(ShowArgs),
    Lift(LiftArgs),
}

/// Stop something: in force when the command returns, and an entry in the ledger. What was done is undone; on a target
/// it waits until the stop is lifted.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery stop set --definition create-order --justification 'it ships twice'
  chancery stop set --action payments.refund --justification 'under review'
  chancery stop set --target https://payments.example --justification 'they charge twice'
  chancery stop set --tenant --justification 'a stolen key'")]
pub(crate) struct SetArgs {
    #[command(flatten)]
    on: OnArgs,
    /// Why: it stands in the ledger, and in every denial.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// What is stopped.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct OnArgs {
    /// Everything in the tenant.
    #[arg(long)]
    tenant: bool,
    /// What this principal started, and its own calls.
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<PrincipalId>,
    /// Steps that ask for this action; `start` stops starts.
    #[arg(long, value_name = "ACTION")]
    action: Option<Name>,
    /// What goes to this origin, or to `worker:<queue>`.
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetId>,
    /// Transactions of this definition, and the children that they run.
    #[arg(long, value_name = "NAME")]
    definition: Option<Name>,
}

/// List the stops that are in force, oldest first.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery stop list
  chancery stop list -o json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// Show a stop that is in force.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery stop show stp_…")]
pub(crate) struct ShowArgs {
    /// Which.
    stop: StopId,
}

/// Lift a stop: in force when the command returns, and an entry in the ledger. What waited goes on; compensations that
/// are parked go on with `chancery tx retry`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery stop lift stp_… --justification 'the agent was replaced'")]
pub(crate) struct LiftArgs {
    /// Which.
    stop: StopId,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let stop = match command {
        Command::List(args) => return args.page.show(session, client.stops(), |stops| table(stops, session)).await,
        Command::Set(args) => {
            let (on, name) = on(args.on);
            client.stop_set(&SetStop { on, name, justification: args.justification }).await?
        }
        Command::Show(args) => client.stop_get(args.stop).await?,
        Command::Lift(args) => {
            let lifted = client.stop_lift(args.stop, args.justification).await?;
            session.out.say(&format!("{} is lifted", lifted.id));
            lifted
        }
    };
    session.out.show(&stop, one)?;
    Ok(Exit::Ok)
}

fn on(args: OnArgs) -> (StopKind, Option<String>) {
    // One of them is given: the group says so.
    let OnArgs { tenant: _, principal, action, target, definition } = args;
    let principal = principal.map(|id| (StopKind::Principal, Some(id.to_string())));
    let action = action.map(|name| (StopKind::Action, Some(name.to_string())));
    let target = target.map(|target| (StopKind::Target, Some(target.to_string())));
    let definition = definition.map(|name| (StopKind::Definition, Some(name.to_string())));
    principal.or(action).or(target).or(definition).unwrap_or((StopKind::Tenant, None))
}

fn table(stops: &[Stop], session: &Session) -> String {
    let mut grid = session.out.grid(&["STOP", "ON", "NAME", "SINCE", "BY", "JUSTIFICATION"]);
    for stop in stops {
        grid.row([
            Cell::from(stop.id.to_string()),
            Cell::from(stop.on.word()),
            Cell::from(stop.name.clone()),
            Cell::from(crate::show::time(stop.since)),
            Cell::from(stop.by.to_string()),
            Cell::from(stop.justification.clone()),
        ]);
    }
    grid.text_or("nothing is stopped")
}

fn one(stop: &Stop) -> String {
    fields([
        ("stop", Some(stop.id.to_string())),
        ("on", Some(stop.on.word().to_owned())),
        ("name", stop.name.clone()),
        ("since", Some(crate::show::time(stop.since))),
        ("by", Some(stop.by.to_string())),
        ("justification", Some(stop.justification.clone())),
    ])
}
