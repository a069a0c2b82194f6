//! `chancery bundle`

mod build;
mod diff;
mod import;
mod lint;
mod named;
mod replay;
mod rules;
mod sign;
mod simulate;
mod test;

use super::PageArgs;
use super::definition::{registered_line, report_faults, warn};
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
use chancery_shard::trust::{self, Note};
use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Check, test, try, compare, sign, push, activate and list policy bundles.
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
    Keygen(sign::KeygenArgs),
    Sign(sign::SignArgs),
    Rules(rules::Args),
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
/// Where the bundle names no version, it gets the one that was signed, or else the number after the newest pushed one,
/// unless that has the same content. Signatures are taken along, and each must be right and by a trusted signer.
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
    /// The file of its signatures; else the one that `bundle sign` wrote beside it, where there is one.
    #[arg(long, value_name = "FILE")]
    signatures: Option<PathBuf>,
    #[command(flatten)]
    accept: AcceptArgs,
}

/// What of the transactions that run a bundle may deny.
#[derive(Debug, clap::Args)]
struct AcceptArgs {
    /// Put it into force though it denies steps of up to N running transactions.
    #[arg(long, value_name = "N")]
    accept: Option<u64>,
}

/// Make a pushed bundle the active one: in force when this returns.
///
/// Steps of running transactions that it would deny, and that are permitted now, are listed, and it is not put into
/// force unless so many transactions are accepted.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle activate sha256:…
  chancery bundle activate sha256:… --accept 3")]
pub(crate) struct ActivateArgs {
    /// Its digest, as `bundle push` and `bundle list` show it.
    #[arg(value_parser = digest)]
    digest: Digest,
    #[command(flatten)]
    accept: AcceptArgs,
}

/// Make the bundle that was active before the active one: in force when this returns. Twice is as it was.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle rollback")]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    accept: AcceptArgs,
}

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
        Command::Keygen(args) => sign::keygen(args, session),
        Command::Sign(args) => sign::sign(&args, session),
        Command::Rules(args) => rules::run(&args, session).await,
        Command::Push(args) => push(args, session).await,
        Command::Activate(args) => {
            let activated = session.client()?.bundle_activate(args.digest, args.accept.accept).await?;
            show_activated(&activated, session)
        }
        Command::Rollback(args) => {
            let activated = session.client()?.bundle_rollback(args.accept.accept).await?;
            show_activated(&activated, session)
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
    let note = signatures(&args.path, args.signatures.as_deref())?;
    let pushed = push_signed(&source, note.as_ref(), &client).await?;
    warn(session, "bundle", &pushed.warnings);
    if !args.activate {
        session.out.show(&pushed, registered_line)?;
        return Ok(Exit::Ok);
    }
    let activated = client.bundle_activate(pushed.digest, args.accept.accept).await?;
    warn(session, "bundle", &activated.warnings);
    session.out.show(&PushedAndActive { pushed, activated }, |body| {
        format!("{}\n{}", registered_line(&body.pushed), activated_line(&body.activated))
    })?;
    Ok(Exit::Ok)
}

/// The signatures that stand beside a bundle, where there are any.
pub(crate) fn signatures_beside(path: &Path) -> Result<Option<Note>, CliError> {
    sign::read(&sign::beside(path))
}

/// The signatures of a file that is named, or of the one beside a bundle.
fn signatures(path: &Path, named: Option<&Path>) -> Result<Option<Note>, CliError> {
    let Some(named) = named else { return signatures_beside(path) };
    sign::read(named)?.map(Some).ok_or_else(|| CliError::Missing(format!("there is no {}", named.display())))
}

/// Checks a bundle here, then pushes it there.
pub(crate) async fn push_source(source: &Source, client: &Client) -> Result<Registered, CliError> {
    push_signed(source, None, client).await
}

/// The same, with signatures.
async fn push_signed(source: &Source, note: Option<&Note>, client: &Client) -> Result<Registered, CliError> {
    source.check_tested(1)?;
    let signed = note.zip(source.name()).and_then(|(note, name)| trust::version_of(note, name));
    let version = match (source.is_unversioned(), signed) {
        (true, Some(version)) => version,
        (true, None) => next_version(source, client).await?,
        (false, _) => 1,
    };
    let mut document = source.document(version);
    if let (Some(note), Some(document)) = (note, document.as_object_mut()) {
        document.insert("signatures".to_owned(), Value::from(note.to_string()));
    }
    Ok(client.bundle_push(&document).await?)
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

fn show_activated(activated: &Activated, session: &Session) -> Result<Exit, CliError> {
    warn(session, "bundle", &activated.warnings);
    session.out.show(activated, activated_line)?;
    Ok(Exit::Ok)
}

fn activated_line(body: &Activated) -> String {
    let denies = body.impact.transactions;
    match body.entry {
        Some(entry) if denies > 0 => {
            format!("{} is active: entry {entry}; it denies steps of {denies} running transactions", body.digest)
        }
        Some(entry) => format!("{} is active: entry {entry}", body.digest),
        None => format!("{} was active already", body.digest),
    }
}

async fn list(args: ListArgs, session: &Session) -> Result<Exit, CliError> {
    let pages = session.client()?.bundles();
    args.page
        .show(session, pages, |items| {
            let mut grid = session.out.grid(&["NAME", "VERSION", "ACTIVE", "PUSHED", "SIGNED BY", "DIGEST"]);
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
                    Cell::from(signers(item)),
                    Cell::from(item.digest.to_string()),
                ]);
            }
            grid.text_or("no bundles")
        })
        .await
}

/// Those who signed a bundle; with a question mark whose signatures do not count now.
fn signers(item: &BundleSummary) -> String {
    let shown = |signature: &chancery_api::bundle::BundleSignature| {
        format!("{}{}", signature.signer, if signature.trusted { "" } else { "?" })
    };
    let names: Vec<String> = item.signatures.iter().map(shown).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}
