//! `chancery apply`, `chancery diff`

mod act;
mod budget;
mod folder;
mod plan;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{plain, put};
use crate::session::Session;
use plan::{Item, Plan, Sign};
use serde::Serialize;
use std::io::{BufRead as _, IsTerminal as _, stdin};
use std::path::PathBuf;

/// Bring a tenant to what a folder says: definitions, bundles, the policy in force, budgets, targets, queues, schedules,
/// settings.
///
/// The plan is shown first, and it asks before anything is done. Everything is checked here before the first change, and
/// done in the order of the plan; what fails ends it, and the same again goes on. It never deletes: what the folder does
/// not name stays as it is.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery apply -f shop/ --dry-run
  chancery apply -f shop/ --yes")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Show the plan and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Put the policy into force though it denies steps of up to N running transactions.
    #[arg(long, value_name = "N")]
    accept: Option<u64>,
}

/// Show in what a tenant differs from what a folder says; exits 1 if in anything. What `apply` would do.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery diff -f shop/
  chancery diff -f shop/ -o json")]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, clap::Args)]
struct FolderArgs {
    /// The folder, with `definitions/`, `bundles/NAME/`, `policy/`, `budgets/`, `targets/`, `queues/`, `schedules/`,
    /// `settings.yaml`: as many of them as there are.
    #[arg(short = 'f', long = "folder", value_name = "DIR")]
    folder: PathBuf,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
struct Body<'a> {
    plan: Vec<Shown<'a>>,
    applied: bool,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    change: &'static str,
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    details: &'a [String],
}

pub(crate) async fn diff(args: DiffArgs, session: &Session) -> Result<Exit, CliError> {
    let plan = planned(&args.folder, session).await?;
    session.out.show(&body(&plan, false), |_| text(&plan))?;
    Ok(if plan.is_empty() { Exit::Ok } else { Exit::Failed })
}

pub(crate) async fn run(args: ApplyArgs, session: &Session) -> Result<Exit, CliError> {
    let plan = planned(&args.folder, session).await?;
    if args.dry_run || plan.is_empty() {
        session.out.show(&body(&plan, false), |_| text(&plan))?;
        return Ok(Exit::Ok);
    }
    session.out.say(&text(&plan));
    if !args.yes && !is_wanted(session)? {
        session.out.say("nothing was done");
        return Ok(Exit::Failed);
    }
    let client = session.client()?;
    for item in &plan.items {
        if let Some(done) = act::act(item, args.accept, &client).await? {
            session.out.say(&done);
        }
    }
    session.out.show(&body(&plan, true), |_| format!("done: {}", summary(&plan)))?;
    Ok(Exit::Ok)
}

async fn planned(args: &FolderArgs, session: &Session) -> Result<Plan, CliError> {
    let folder = folder::read(&args.folder)?;
    plan::plan(folder, &session.client()?).await
}

/// Asks whoever sits at the terminal.
fn is_wanted(session: &Session) -> Result<bool, CliError> {
    if !stdin().is_terminal() {
        return Err(CliError::Usage("nobody can be asked here: say --yes to do it, or --dry-run".to_owned()));
    }
    session.out.say("Do this? Only `yes` is taken for it.");
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    read.map_err(|source| CliError::Read { path: PathBuf::from("-"), source })?;
    Ok(answer.trim() == "yes")
}

fn body(plan: &Plan, applied: bool) -> Body<'_> {
    Body { plan: plan.items.iter().map(shown).collect(), applied }
}

fn shown(item: &Item) -> Shown<'_> {
    let change = match item.sign {
        Sign::Added => "added",
        Sign::Changed => "changed",
        Sign::Same => "same",
    };
    Shown { change, kind: item.kind, name: &item.name, details: &item.details }
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for item in &plan.items {
        let sign = match item.sign {
            Sign::Added => '+',
            Sign::Changed => '~',
            Sign::Same => '=',
        };
        put(&mut text, format_args!("{sign} {} {}\n", item.kind, plain(&item.name)));
        for line in &item.details {
            put(&mut text, format_args!("    {}\n", plain(line)));
        }
    }
    put(&mut text, format_args!("{}", summary(plan)));
    text
}

fn summary(plan: &Plan) -> String {
    let count = |sign| plan.items.iter().filter(|item| item.sign == sign).count();
    let (added, changed, same) = (count(Sign::Added), count(Sign::Changed), count(Sign::Same));
    if plan.is_empty() {
        return format!("nothing to do: {same} as they are to be");
    }
    format!("{added} added, {changed} changed, {same} as they are to be")
}
