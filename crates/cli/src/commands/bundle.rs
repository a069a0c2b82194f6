//! `chancery bundle`

mod build;
mod diff;
mod import;
mod lint;
mod named;
mod replay;
mod simulate;
mod test;

use super::PageArgs;
use super::definition::{registered_line, report_faults};
use crate::bundle_source::{self, Source};
use crate::error::{CliError, Found};
use crate::exit::Exit;
use crate::output::{Cell, Tone, fault_line};
use crate::session::Session;
use crate::show;
use chancery_api::Fault;
use chancery_api::bundle::{Activated, BundleSummary};
use chancery_api::definition::{Checked, Registered};
use chancery_base::Digest;
use chancery_sdk::Client;
use clap::Subcommand;
use serde::Serialize;
use std::path::PathBuf;

/// Check, test, try, compare, push, activate and list policy bundles.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery bundle check policies/
  chancery bundle test policies/
  chancery bundle replay policies/
  chancery bundle push policies/ --activate
  chancery bundle list")]
pub(crate) enum Command {
    Check(CheckArgs),
    Test(test::Args),
    Lint(lint::Args),
    Build(build::Args),
    Diff(diff::Args),
    Simulate(simulate::Args),
    Replay(replay::Args),
    #[command(subcommand)]
    Import(import::Command),
    Push(PushArgs),
    Activate(ActivateArgs),
    Rollback(RollbackArgs),
    Shadow(ShadowArgs),
    List(ListArgs),
}

/// Check a bundle without a server, in Cedar's strict mode and by its own tests; exits 1 if it has faults.
///
/// DIR has a file `bundle.yaml` with the keys `name`, `schema` (a file of Cedar schema text), `policies` (a list of
/// files of Cedar policies), and where wanted `version`, `description`, `obligations` (as policies), `mode`, `modes`,
/// `risk_threshold`, `classes` and `purposes` (lists of the names that it knows), `entities` (a JSON file) and `risk` (a
/// JSON or YAML file of risk tables, whose rows are analysed and whose tests are run). Beside it a folder `tests` may hold YAML or JSON files, each a list of tests.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle check chancery-starter
  chancery bundle check bundle.json -o json")]
pub(crate) struct CheckArgs {
    /// A directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
}

/// Push a bundle. It decides nothing until it is activated.
///
/// Where the bundle names no version, it gets the number after the newest pushed one, unless that has the same content.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle push chancery-starter --activate
  chancery bundle push bundle.json")]
pub(crate) struct PushArgs {
    /// A directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// Make it the active one, too.
    #[arg(long)]
    activate: bool,
}

/// Make a pushed bundle the active one: in force when this returns.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle activate sha256:…")]
pub(crate) struct ActivateArgs {
    /// Its digest, as `bundle push` and `bundle list` show it.
    #[arg(value_parser = digest)]
    digest: Digest,
}

/// Make the bundle that was active before the active one: in force when this returns. Twice is as it was.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle rollback")]
pub(crate) struct RollbackArgs {}

/// Ask a pushed bundle beside the active one, and record what it would have decided. Nobody obeys it.
///
/// Each decision then says what both say; `chancery_shadow_decisions_total` counts how often they agree, and entries have
/// it as `also.shadow` of their decision.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle shadow sha256:…
  chancery bundle shadow --off")]
pub(crate) struct ShadowArgs {
    /// Its digest, as `bundle push` and `bundle list` show it.
    #[arg(value_parser = digest, required_unless_present = "off", conflicts_with = "off")]
    digest: Option<Digest>,
    /// Ask none any more.
    #[arg(long)]
    off: bool,
}

/// List the pushed bundles.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle list
  chancery bundle list -o json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// What `push --activate -o json` writes.
#[derive(Debug, Serialize)]
struct PushedAndActive {
    #[serde(flatten)]
    pushed: Registered,
    activated: Activated,
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_error| "a digest is `sha256:` and 64 hex digits".to_owned())
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Check(args) => check(&args, session),
        Command::Test(args) => test::run(&args, session),
        Command::Build(args) => build::run(&args, session),
        Command::Lint(args) => lint::run(&args, session).await,
        Command::Diff(args) => diff::run(&args, session).await,
        Command::Simulate(args) => simulate::run(args, session).await,
        Command::Replay(args) => replay::run(args, session).await,
        Command::Import(command) => import::run(command, session),
        Command::Push(args) => push(args, session).await,
        Command::Activate(args) => {
            let activated = session.client()?.bundle_activate(args.digest).await?;
            session.out.show(&activated, activated_line)?;
            Ok(Exit::Ok)
        }
        Command::Rollback(RollbackArgs {}) => {
            let activated = session.client()?.bundle_rollback().await?;
            session.out.show(&activated, activated_line)?;
            Ok(Exit::Ok)
        }
        Command::Shadow(args) => shadow(args, session).await,
        Command::List(args) => list(args, session).await,
    }
}

async fn shadow(args: ShadowArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    match args.digest {
        Some(digest) => {
            let shadowed = client.bundle_shadow(digest).await?;
            session.out.show(&shadowed, |body| match body.entry {
                Some(entry) => format!("{} is in the shadow: entry {entry}", body.digest),
                None => format!("{} was in the shadow already", body.digest),
            })?;
        }
        None => {
            client.bundle_shadow_end().await?;
            session.out.say("no bundle is in the shadow");
        }
    }
    Ok(Exit::Ok)
}

fn check(args: &CheckArgs, session: &Session) -> Result<Exit, CliError> {
    let source = match bundle_source::read(&args.path) {
        Ok(source) => source,
        Err(error) => return report_faults(session, error),
    };
    let (bundle, warnings) = match source.check_tested(1) {
        Ok(checked) => checked,
        Err(error) => return report_faults(session, error),
    };
    let version = u32::try_from(bundle.version()).unwrap_or(u32::MAX);
    let checked =
        Checked { name: bundle.name().clone(), version, digest: bundle.digest(), warnings: faults(&warnings) };
    session.out.show(&checked, |checked| {
        let sound = if source.is_unversioned() {
            format!("{} is sound; a push gives it its version", checked.name)
        } else {
            format!("{} {} is sound: {}", checked.name, checked.version, checked.digest)
        };
        let lines = warnings.iter().map(|found| fault_line(&found.file, &found.fault));
        lines.chain([sound]).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::Ok)
}

fn faults(found: &[Found]) -> Vec<Fault> {
    found.iter().map(|found| found.fault.clone()).collect()
}

async fn push(args: PushArgs, session: &Session) -> Result<Exit, CliError> {
    let source = bundle_source::read(&args.path)?;
    let client = session.client()?;
    let pushed = push_source(&source, &client).await?;
    if !args.activate {
        session.out.show(&pushed, registered_line)?;
        return Ok(Exit::Ok);
    }
    let activated = client.bundle_activate(pushed.digest).await?;
    session.out.show(&PushedAndActive { pushed, activated }, |body| {
        format!("{}\n{}", registered_line(&body.pushed), activated_line(&body.activated))
    })?;
    Ok(Exit::Ok)
}

/// Checks a bundle here, then pushes it there.
pub(crate) async fn push_source(source: &Source, client: &Client) -> Result<Registered, CliError> {
    source.check_tested(1)?;
    let version = if source.is_unversioned() { next_version(source, client).await? } else { 1 };
    Ok(client.bundle_push(&source.document(version)).await?)
}

/// The newest version's number if that has the same content, else the one after it.
async fn next_version(source: &Source, client: &Client) -> Result<u32, CliError> {
    let pushed = client.bundles().all().await?;
    let of_name = pushed.iter().filter(|bundle| Some(bundle.name.as_str()) == source.name());
    let Some(newest) = of_name.max_by_key(|bundle: &&BundleSummary| bundle.version) else { return Ok(1) };
    if source.check(newest.version)?.0.digest() == newest.digest {
        return Ok(newest.version);
    }
    newest.version.checked_add(1).ok_or_else(|| CliError::Usage("the versions of this bundle are used up".to_owned()))
}

fn activated_line(body: &Activated) -> String {
    match body.entry {
        Some(entry) => format!("{} is active: entry {entry}", body.digest),
        None => format!("{} was active already", body.digest),
    }
}

async fn list(args: ListArgs, session: &Session) -> Result<Exit, CliError> {
    let pages = session.client()?.bundles();
    args.page
        .show(session, pages, |items| {
            let mut grid = session.out.grid(&["NAME", "VERSION", "ACTIVE", "PUSHED", "DIGEST"]);
            for item in items {
                grid.row([
                    Cell::from(item.name.as_str()),
                    Cell::from(item.version.to_string()),
                    match (item.active, item.shadow) {
                        (true, _) => Cell::toned("active", Tone::Good),
                        (false, true) => Cell::from("shadow"),
                        (false, false) => Cell::from("-"),
                    },
                    Cell::from(show::time(item.pushed_at)),
                    Cell::from(item.digest.to_string()),
                ]);
            }
            grid.text_or("no bundles")
        })
        .await
}
