//! `chancery evidence`

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{Cell, fields};
use crate::session::Session;
use crate::show;
use chancery_api::evidence::{AddEvidence, Base64, Evidence};
use chancery_base::limits::EVIDENCE_BYTES_MAX;
use chancery_base::{Digest, EvidenceId, Name, TransactionId};
use clap::Subcommand;
use serde::Serialize;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

/// Add and read artefacts that show that something was done. Obligations may demand them.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery evidence add dpia.pdf --name dpia --type application/pdf
  chancery evidence add scan.json --name scan --transaction txn_… --keep 30d
  chancery evidence list --name dpia
  chancery evidence get evd_… --out dpia.pdf")]
pub(crate) enum Command {
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Get(GetArgs),
}

/// Add an artefact: a file, which is stored, or the digest of one that is elsewhere. It is never changed, and counts until
/// its time is over.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery evidence add dpia.pdf --name dpia --type application/pdf
  chancery evidence add report.json --name scan --transaction txn_… --step deploy
  chancery evidence add film.mp4 --digest-only --name tour --link https://dms.example/7
  chancery evidence add --digest sha256:… --name contract --link https://dms.example/8")]
pub(crate) struct AddArgs {
    /// The file; - for the standard input.
    #[arg(value_name = "FILE", required_unless_present = "digest", conflicts_with = "digest")]
    file: Option<PathBuf>,
    /// What an obligation calls it.
    #[arg(long)]
    name: Name,
    /// Its media type.
    #[arg(long = "type", value_name = "TYPE", default_value = "application/octet-stream")]
    media_type: String,
    /// The transaction that it belongs to; else the tenant as a whole.
    #[arg(long, value_name = "ID")]
    transaction: Option<TransactionId>,
    /// The one step of that which it belongs to; else all of them.
    #[arg(long, value_name = "STEP", requires = "transaction")]
    step: Option<Name>,
    /// How long it is kept, and counts: such as 30d; else 365d.
    #[arg(long, value_name = "DURATION")]
    keep: Option<String>,
    /// Where its content is.
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Do not store the file, only its digest.
    #[arg(long)]
    digest_only: bool,
    /// The digest of what is elsewhere.
    #[arg(long, value_name = "DIGEST")]
    digest: Option<Digest>,
}

/// List the evidence whose time is not over, oldest first.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery evidence list
  chancery evidence list --name dpia
  chancery evidence list --transaction txn_… -o json")]
pub(crate) struct ListArgs {
    /// Of this name.
    #[arg(long)]
    name: Option<Name>,
    /// Of this transaction.
    #[arg(long, value_name = "ID")]
    transaction: Option<TransactionId>,
    #[command(flatten)]
    page: PageArgs,
}

/// Show what an artefact is.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery evidence show evd_…")]
pub(crate) struct ShowArgs {
    /// Which.
    id: EvidenceId,
}

/// Get the content of an artefact; what comes has its digest.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery evidence get evd_… --out dpia.pdf
  chancery evidence get evd_… --out - | less")]
pub(crate) struct GetArgs {
    /// Which.
    id: EvidenceId,
    /// Where to; it must not exist. - for the standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: String,
    bytes: u64,
    digest: Digest,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let evidence = match command {
        Command::List(args) => {
            let pages = client.evidence(args.name.as_ref(), args.transaction);
            return args.page.show(session, pages, |items| table(items, session)).await;
        }
        Command::Get(args) => return get(args, session).await,
        Command::Add(args) => client.evidence_add(&artefact(args)?).await?,
        Command::Show(args) => client.evidence_get(args.id).await?,
    };
    session.out.show(&evidence, one)?;
    Ok(Exit::Ok)
}

fn artefact(args: AddArgs) -> Result<AddEvidence, CliError> {
    let (content, digest) = match args.file {
        Some(file) if args.digest_only => (None, Some(input::digest(&file)?)),
        Some(file) => (Some(Base64(input::read(&file, EVIDENCE_BYTES_MAX)?)), None),
        None => (None, args.digest),
    };
    let AddArgs { name, media_type, link, keep, transaction, step, .. } = args;
    Ok(AddEvidence { name, media_type, content, digest, link, keep, transaction, step })
}

async fn get(args: GetArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let evidence = client.evidence_get(args.id).await?;
    let content = client.evidence_content(args.id).await?;
    let digest = Digest::of(&content);
    if digest != evidence.digest {
        let reason = format!("it has the digest {digest}, not {}", evidence.digest);
        return Err(CliError::Unverified { what: format!("the content of {}", args.id), reason });
    }
    if args.out.as_os_str() == "-" {
        session.out.bytes(&content)?;
        return Ok(Exit::Ok);
    }
    let unwritten = |source| CliError::Write { path: args.out.clone(), source };
    let mut file = File::create_new(&args.out).map_err(unwritten)?;
    file.write_all(&content).and_then(|()| file.sync_all()).map_err(unwritten)?;
    let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    session.out.show(&Written { file: args.out.display().to_string(), bytes, digest }, |written| {
        fields([
            ("file", Some(written.file.clone())),
            ("bytes", Some(written.bytes.to_string())),
            ("digest", Some(written.digest.to_string())),
        ])
    })?;
    Ok(Exit::Ok)
}

fn table(items: &[Evidence], session: &Session) -> String {
    let mut grid = session.out.grid(&["EVIDENCE", "NAME", "TYPE", "BYTES", "OF", "UNTIL", "BY"]);
    for evidence in items {
        grid.row([
            Cell::from(evidence.id.to_string()),
            Cell::from(evidence.name.as_str()),
            Cell::from(evidence.media_type.as_str()),
            Cell::from(evidence.size.map(|size| size.to_string())),
            Cell::from(of(evidence)),
            Cell::from(show::time(evidence.until)),
            Cell::from(evidence.by.to_string()),
        ]);
    }
    grid.text_or("no evidence")
}

/// What it belongs to.
fn of(evidence: &Evidence) -> String {
    match (&evidence.transaction, &evidence.step) {
        (Some(transaction), Some(step)) => format!("{transaction} {step}"),
        (Some(transaction), None) => transaction.to_string(),
        (None, _) => "the tenant".to_owned(),
    }
}

fn one(evidence: &Evidence) -> String {
    fields([
        ("evidence", Some(evidence.id.to_string())),
        ("name", Some(evidence.name.to_string())),
        ("type", Some(evidence.media_type.clone())),
        ("digest", Some(evidence.digest.to_string())),
        ("bytes", Some(evidence.size.map_or("not stored".to_owned(), |size| size.to_string()))),
        ("link", evidence.link.clone()),
        ("of", Some(of(evidence))),
        ("added", Some(show::time(evidence.added_at))),
        ("by", Some(evidence.by.to_string())),
        ("until", Some(show::time(evidence.until))),
    ])
}
