//! `chancery export`

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::fields;
use crate::progress::Flow;
use crate::session::Session;
use chancery_api::export::{ExportFormat, MakeExport};
use chancery_app::clock;
use chancery_base::{Timestamp, TransactionId};
use chancery_sdk::client::Export;
use clap::ValueEnum;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Export entries of the ledger with proofs and signatures, as one file that `chancery verify export` verifies offline.
///
/// That it was made, of what and why, is recorded in the ledger before anything is sent. Of a range without a filter
/// the file proves that nothing is missing.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery export --out audit.jsonl --justification 'yearly audit'
  chancery export --from 2026-10-01 --to 2026-11-01 --format html --out october.html \\
      --justification 'monthly review'
  chancery export --transaction txn_… --payloads --out 17.jsonl --justification complaint
  chancery export --kinds decision. --format csv --out - --justification review | less")]
pub(crate) struct Args {
    /// From this entry on: its number, or the first of this time or date (UTC) or later.
    #[arg(long, value_name = "N|TIME", value_parser = bound)]
    from: Option<Bound>,
    /// Up to but not including this entry, or the first of this time or date (UTC) or later.
    #[arg(long, value_name = "N|TIME", value_parser = bound)]
    to: Option<Bound>,
    /// Only entries of this transaction.
    #[arg(long, value_name = "ID")]
    transaction: Option<TransactionId>,
    /// Only entries whose kind begins so, such as `decision.`.
    #[arg(long, value_name = "PREFIX")]
    kinds: Option<String>,
    /// With payloads: inputs, outputs, reasons. Those that were erased are named.
    #[arg(long)]
    payloads: bool,
    /// In which form; each carries all that it takes to verify it.
    #[arg(long, value_enum, default_value_t = Form::Json)]
    format: Form,
    /// Where to; it must not exist. - for the standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Why: it is recorded.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Entry(u64),
    Time(Timestamp),
}

impl Bound {
    const fn seq(self) -> Option<u64> {
        match self {
            Self::Entry(seq) => Some(seq),
            Self::Time(_) => None,
        }
    }

    const fn time(self) -> Option<Timestamp> {
        match self {
            Self::Entry(_) => None,
            Self::Time(at) => Some(at),
        }
    }
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The package: JSON Lines.
    Json,
    /// A table for spreadsheets.
    Csv,
    /// A report in Markdown.
    Markdown,
    /// A report as one HTML page.
    Html,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: String,
    bytes: u64,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let ask = MakeExport {
        from: args.from.and_then(Bound::seq),
        to: args.to.and_then(Bound::seq),
        since: args.from.and_then(Bound::time),
        until: args.to.and_then(Bound::time),
        transaction: args.transaction,
        kinds: args.kinds,
        payloads: args.payloads,
        format: match args.format {
            Form::Json => ExportFormat::Json,
            Form::Csv => ExportFormat::Csv,
            Form::Markdown => ExportFormat::Markdown,
            Form::Html => ExportFormat::Html,
        },
        justification: args.justification,
    };
    let client = session.client()?;
    if args.out.as_os_str() == "-" {
        let export = client.export(&ask).await?;
        copy(export, |piece| session.out.bytes(piece)).await?;
        return Ok(Exit::Ok);
    }
    let path = args.out.as_path();
    // Before it is asked for, since each export is recorded.
    let mut file = File::create_new(path).map_err(|source| unwritten(path, source))?;
    let written = match client.export(&ask).await {
        Ok(export) => copy(export, |piece| file.write_all(piece).map_err(|source| unwritten(path, source))).await,
        Err(error) => Err(error.into()),
    };
    let synced = written.and_then(|bytes| file.sync_all().map(|()| bytes).map_err(|source| unwritten(path, source)));
    let bytes = synced.inspect_err(|_error| remove(session, path))?;
    session.out.show(&Written { file: path.display().to_string(), bytes }, table)?;
    Ok(Exit::Ok)
}

/// Has all of it written; gives how many bytes it is.
async fn copy(mut export: Export, mut write: impl FnMut(&[u8]) -> Result<(), CliError>) -> Result<u64, CliError> {
    let mut flow = Flow::new("written", clock::instant());
    let mut bytes = 0_u64;
    while let Some(piece) = export.next().await? {
        write(&piece)?;
        bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        flow.at(bytes);
    }
    Ok(bytes)
}

fn unwritten(path: &Path, source: io::Error) -> CliError {
    CliError::Write { path: path.to_owned(), source }
}

/// A part of an export is not left behind as if it were one.
fn remove(session: &Session, path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        session.out.say(&format!("{} is not whole, and cannot be removed: {error}", path.display()));
    }
}

fn table(written: &Written) -> String {
    fields([
        ("file", Some(written.file.clone())),
        ("bytes", Some(written.bytes.to_string())),
        ("verify", Some(format!("chancery verify export {}", written.file))),
    ])
}

/// An entry's number, a time, or a date, which is its first moment in UTC.
fn bound(text: &str) -> Result<Bound, String> {
    if let Ok(seq) = text.parse() {
        return Ok(Bound::Entry(seq));
    }
    let wrong = |error| format!("it is neither an entry's number nor a time such as 2026-10-01: {error}");
    input::time_or_date(text).map(Bound::Time).map_err(wrong)
}
