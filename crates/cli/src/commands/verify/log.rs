//! `chancery verify log`

use crate::database::DatabaseArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{Cell, Output, fields};
use crate::progress::Bar;
use crate::session::{Session, verifier_key};
use crate::show;
use chancery_app::verify::{Options, Report, VerifyError};
use chancery_app::{clock, verify};
use chancery_base::Kind;
use chancery_ledger::{Keys, LogReport};
use serde::Serialize;
use std::path::PathBuf;

/// Bytes of a checkpoint's note at most.
const NOTE_BYTES_MAX: usize = 1 << 20;

/// Verify a data directory without a server: entries, tree, tiles, checkpoints, signatures, and every row of every
/// table against what the entries amount to. Exits 1 at the first fault and names its place.
///
/// A server may have the store open; what is committed is verified, of a PostgreSQL database one snapshot. Without --key the directory's own key is
/// believed: who can rewrite a store can also replace that, so name the key that you kept, and a checkpoint.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery verify log --data /var/lib/chancery
  chancery verify log --data ./copy --key chancery.pub --checkpoint monday.checkpoint
  chancery verify log --data ./data --database-url-file database.url
  chancery verify log --data ./copy -o json | jq .uncovered")]
pub(crate) struct LogArgs {
    /// The data directory, or a copy of it.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    // Not flattened: clap would no longer see that `verify --data DIR` names a log.
    /// The file, mode 0600, with the URL of the PostgreSQL database that is the store; else `CHANCERY_DATABASE_URL`.
    #[arg(long, value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// A checkpoint that was kept, of this or another day: the log must still have its root. Can be repeated.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A verifier key that is trusted: its text, or a file with it. Can be repeated.
    #[arg(long, value_name = "TEXT|FILE")]
    key: Vec<String>,
}

/// What was verified.
#[derive(Debug, Serialize)]
struct Verified {
    verified: bool,
    logs: Vec<VerifiedLog>,
    entries: u64,
    /// Entries that no checkpoint covers yet.
    uncovered: u64,
    /// Rows of other tables that were computed from the entries and compared.
    rows: u64,
    elapsed_us: u64,
    entries_per_second: u64,
}

#[derive(Debug, Serialize)]
struct VerifiedLog {
    origin: String,
    size: u64,
    root: String,
    checkpoints: u64,
    checkpoint_size: u64,
    tiles: u64,
    payloads_checked: u64,
    payloads_withheld: u64,
    transactions_closed: u64,
    transactions_open: u64,
    clock_set_back: u64,
}

impl From<&LogReport> for VerifiedLog {
    fn from(report: &LogReport) -> Self {
        Self {
            origin: report.origin.to_string(),
            size: report.size.0,
            root: report.root.to_string(),
            checkpoints: report.checkpoints,
            checkpoint_size: report.newest.as_ref().map_or(0, |newest| newest.size.0),
            tiles: report.tiles,
            payloads_checked: report.payloads_checked,
            payloads_withheld: report.payloads_withheld,
            transactions_closed: report.transactions_closed,
            transactions_open: report.transactions_open,
            clock_set_back: report.clock_set_back,
        }
    }
}

impl From<&Report> for Verified {
    fn from(report: &Report) -> Self {
        Self {
            verified: true,
            logs: report.logs.iter().map(VerifiedLog::from).collect(),
            entries: report.entries,
            uncovered: report.uncovered(),
            rows: report.rows,
            elapsed_us: u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX),
            entries_per_second: report.per_second(),
        }
    }
}

pub(crate) fn run(args: &LogArgs, session: &Session) -> Result<Exit, CliError> {
    let keys = args.key.iter().map(|key| verifier_key(key)).collect::<Result<Vec<_>, _>>()?;
    let checkpoints = args.checkpoint.iter().map(|path| {
        let bytes = input::read(path, NOTE_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|_error| CliError::Usage(format!("{} is no checkpoint", path.display())))
    });
    let options = Options {
        keys: Some(keys).filter(|keys| !keys.is_empty()).map(Keys::new),
        checkpoints: checkpoints.collect::<Result<_, _>>()?,
        database: DatabaseArgs::new(args.database_url_file.clone()).read()?,
    };
    let mut bar = Bar::new("entries", clock::instant());
    let report = verify::run(&args.data, &options, &mut |progress| bar.at(progress.entries, progress.total));
    drop(bar);
    let report = report.map_err(|error| failed(args, error))?;
    session.out.show(&Verified::from(&report), |verified| table(&session.out, verified))?;
    Ok(Exit::Ok)
}

/// What cannot be read as a store does not verify; that there is none, or that its key cannot be read, says nothing.
fn failed(args: &LogArgs, error: VerifyError) -> CliError {
    let reason = error.to_string();
    match error {
        VerifyError::Keys(error) => CliError::Data(error),
        VerifyError::Open(error) if error.kind() == Kind::Missing => CliError::Missing(reason),
        VerifyError::Fault(_) | VerifyError::Open(_) | VerifyError::OtherLog(_) | VerifyError::Checkpoint(_) => {
            CliError::Unverified { what: args.data.display().to_string(), reason }
        }
    }
}

fn table(out: &Output, verified: &Verified) -> String {
    let head = fields([
        ("store", Some("verified".to_owned())),
        ("entries", Some(format!("{}, {} not in a checkpoint yet", verified.entries, verified.uncovered))),
        ("rows", Some(format!("{} compared with the entries", verified.rows))),
        ("took", Some(format!("{}, {} entries/s", show::micros(verified.elapsed_us), verified.entries_per_second))),
    ]);
    let mut grid = out.grid(&["LOG", "ENTRIES", "CHECKPOINTS", "TILES", "PAYLOADS", "ENDED", "OPEN", "ROOT"]);
    for log in &verified.logs {
        grid.row([
            Cell::from(log.origin.as_str()),
            Cell::from(log.size.to_string()),
            Cell::from(format!("{} to {}", log.checkpoints, log.checkpoint_size)),
            Cell::from(log.tiles.to_string()),
            Cell::from(log.payloads_checked.to_string()),
            Cell::from(log.transactions_closed.to_string()),
            Cell::from(log.transactions_open.to_string()),
            Cell::from(log.root.as_str()),
        ]);
    }
    format!("{head}\n{}", grid.text_or("no logs"))
}
