//! `chancery override`

use super::PageArgs;
use super::decide::entity;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Cell, fields};
use crate::session::Session;
use crate::show::time;
use chancery_api::over::{
    Override, OverrideKind, OverrideResource, OverrideSaid, OverrideStatus, OverridesQuery, RequestOverride,
};
use chancery_app::clock;
use chancery_base::{OverrideId, PrincipalId, TransactionId, duration};
use clap::{Subcommand, ValueEnum};
use std::time::Duration;

/// Answer for what policy denies: one person asks, another grants, a third reviews it.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery override request emergency --transaction txn_… --step ship \\
      --justification 'the warehouse burns, incident 4711'
  chancery override grant ovr_… --justification 'agreed with the head of operations'
  chancery override list --due
  chancery override review ovr_… --note 'it was needed, and used for that alone'")]
pub(crate) enum Command {
    Request(RequestArgs),
    /// Grant an override that another person asked for: in force when the command returns.
    #[command(before_help = "\
Examples:
  chancery override grant ovr_… --justification 'agreed with the head of operations'")]
    Grant(SayArgs),
    /// Refuse an override that another person asked for.
    #[command(before_help = "\
Examples:
  chancery override refuse ovr_… --justification 'it can wait until the policy is mended'")]
    Refuse(SayArgs),
    /// End an override before its time, or take back what you asked for: in force when the command returns.
    #[command(before_help = "\
Examples:
  chancery override revoke ovr_… --justification 'the new bundle permits it by itself'")]
    Revoke(SayArgs),
    Review(ReviewArgs),
    List(ListArgs),
    Show(ShowArgs),
}

/// Ask for an override, with a user's key: it is in force once another person grants it. A step that failed stays
/// failed; one that is to come, or is parked and retried, goes out though policy denies it.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery override request emergency --transaction txn_… --step ship \\
      --justification 'the warehouse burns, incident 4711'
  chancery override request exception --principal agt_… --action refund \\
      --resource Order::17 --for 8h --justification 'the policy is being mended, ticket 12'")]
pub(crate) struct RequestArgs {
    /// Why people answer for it: all but `exception` are for one act and its retries.
    #[arg(value_enum)]
    kind: KindArg,
    /// Whose step it is on.
    #[arg(long, value_name = "ID", requires = "step", conflicts_with = "principal")]
    transaction: Option<TransactionId>,
    /// Which step: `ship`, or `ship[3]` of one that fanned out.
    #[arg(long, value_name = "STEP", requires = "transaction")]
    step: Option<String>,
    /// For whose acts it is, in place of a step.
    #[arg(
        long,
        value_name = "PRINCIPAL",
        requires = "action",
        requires = "resource",
        required_unless_present = "step"
    )]
    principal: Option<PrincipalId>,
    /// Which action; `start` is that of starts.
    #[arg(long, value_name = "ACTION", requires = "principal")]
    action: Option<String>,
    /// To what: the entity type, `::`, and the id.
    #[arg(long, value_name = "TYPE::ID", value_parser = entity, requires = "principal")]
    resource: Option<(String, String)>,
    /// For how long it is in force at most, from now on: 24h at most.
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    lasts: Duration,
    /// Why, in 20 characters at least: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Why people answer for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// It can't wait until policy is another.
    #[value(alias = "emergency_bypass")]
    Emergency,
    /// Who answers for the whole decides so.
    #[value(alias = "executive_override")]
    Executive,
    /// Policy does not hold for a while: for as many acts as come.
    #[value(alias = "time_limited_exception")]
    Exception,
    /// What policy guards against is known, and taken.
    #[value(alias = "risk_accepted")]
    RiskAccepted,
}

// Without a text of its own: what is said is each command's.
#[derive(Debug, clap::Args)]
pub(crate) struct SayArgs {
    /// Which.
    id: OverrideId,
    /// Why, in 20 characters at least: it stands in the ledger; a grant's in each decision that rests on it, too.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// Review an override that is over: not who asked for it, nor who granted it, nor for whose acts it was.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery override review ovr_… --note 'it was needed, and used for that alone'")]
pub(crate) struct ReviewArgs {
    /// Which.
    id: OverrideId,
    /// What you found, in 20 characters at least: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// List overrides, oldest first.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery override list
  chancery override list --due
  chancery override list --status granted -o json")]
pub(crate) struct ListArgs {
    /// Only those that are granted and not reviewed: each is to be within 30 days.
    #[arg(long)]
    due: bool,
    /// Only those that stand so.
    #[arg(long, value_enum, value_name = "STATUS")]
    status: Option<StatusArg>,
    #[command(flatten)]
    page: PageArgs,
}

/// Where an override stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusArg {
    /// Asked for, and not answered.
    Requested,
    /// Granted.
    Granted,
    /// Granted for one act, and that one was done.
    Used,
    /// Refused.
    Refused,
    /// Ended before its time, or taken back.
    Revoked,
    /// Its time has come.
    Expired,
}

/// Show an override: what it is on, until when, and who said what of it.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery override show ovr_…")]
pub(crate) struct ShowArgs {
    /// Which.
    id: OverrideId,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let over = match command {
        Command::List(args) => {
            let query = OverridesQuery { due: args.due, status: args.status.map(status), ..OverridesQuery::default() };
            return args.page.show(session, client.overrides(&query), |items| table(items, session)).await;
        }
        Command::Request(args) => client.override_request(&asked(args)).await?,
        Command::Grant(args) => client.override_grant(args.id, args.justification).await?,
        Command::Refuse(args) => client.override_refuse(args.id, args.justification).await?,
        Command::Revoke(args) => client.override_revoke(args.id, args.justification).await?,
        Command::Review(args) => client.override_review(args.id, args.note).await?,
        Command::Show(args) => client.override_get(args.id).await?,
    };
    session.out.show(&over, one)?;
    Ok(Exit::Ok)
}

fn asked(args: RequestArgs) -> RequestOverride {
    RequestOverride {
        kind: match args.kind {
            KindArg::Emergency => OverrideKind::EmergencyBypass,
            KindArg::Executive => OverrideKind::ExecutiveOverride,
            KindArg::Exception => OverrideKind::TimeLimitedException,
            KindArg::RiskAccepted => OverrideKind::RiskAccepted,
        },
        principal: args.principal,
        action: args.action,
        resource: args.resource.map(|(entity_type, id)| OverrideResource { entity_type, id }),
        transaction: args.transaction,
        step: args.step,
        until: clock::now().plus(args.lasts),
        justification: args.justification,
    }
}

const fn status(status: StatusArg) -> OverrideStatus {
    match status {
        StatusArg::Requested => OverrideStatus::Requested,
        StatusArg::Granted => OverrideStatus::Granted,
        StatusArg::Used => OverrideStatus::Used,
        StatusArg::Refused => OverrideStatus::Refused,
        StatusArg::Revoked => OverrideStatus::Revoked,
        StatusArg::Expired => OverrideStatus::Expired,
    }
}

fn table(items: &[Override], session: &Session) -> String {
    let mut grid = session.out.grid(&["OVERRIDE", "KIND", "STATUS", "ON", "UNTIL", "REVIEW DUE", "ASKED BY"]);
    for over in items {
        grid.row([
            Cell::from(over.id.to_string()),
            Cell::from(over.kind.word()),
            Cell::from(over.status.word()),
            Cell::from(on(over)),
            Cell::from(time(over.until)),
            Cell::from(over.review_due.map(time)),
            Cell::from(over.requested.by.to_string()),
        ]);
    }
    grid.text_or("no overrides")
}

fn on(over: &Override) -> String {
    match (&over.action, &over.resource, over.transaction, &over.step) {
        (_, _, Some(transaction), Some(step)) => format!("{transaction}/{step}"),
        (Some(action), Some(resource), _, _) => format!("{action} {}::{}", resource.entity_type, resource.id),
        _ => String::new(),
    }
}

fn one(over: &Override) -> String {
    let said = |said: &Option<OverrideSaid>| {
        said.as_ref().map(|said| format!("{} by {}: {}", time(said.at), said.by, said.justification))
    };
    let used = over.used.as_ref().map(|used| match &used.step {
        Some(step) => format!("{}/{step}, {}", used.transaction, used.decision),
        None => format!("the start of {}, {}", used.transaction, used.decision),
    });
    fields([
        ("override", Some(over.id.to_string())),
        ("kind", Some(over.kind.word().to_owned())),
        ("status", Some(over.status.word().to_owned())),
        ("on", Some(on(over))),
        ("acts of", Some(over.principal.to_string())),
        ("until", Some(time(over.until))),
        ("requested", said(&Some(over.requested.clone()))),
        ("granted", said(&over.granted)),
        ("refused", said(&over.refused)),
        ("revoked", said(&over.revoked)),
        ("used", used),
        ("review due", over.review_due.map(time)),
        ("reviewed", said(&over.reviewed)),
    ])
}
