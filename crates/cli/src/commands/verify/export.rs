//! `chancery verify export`

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::fields;
use crate::progress::Bar;
use crate::session::Session;
use crate::show;
use chancery_app::clock;
use chancery_base::{Digest, PrincipalId, Timestamp, TransactionId};
use chancery_ledger::export::{EXPORT_LINE_BYTES_MAX, ExportReport, ExportVerifier};
use chancery_ledger::{KeyName, Keys};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::PathBuf;

/// Verify an export without a server: every entry, payload and proof, the signatures, that nothing is missing in a
/// range, and that a report shows what it carries. Exits 1 at the first line that is wrong, and names it.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery verify export audit.jsonl
  chancery verify export october.html --key chancery.pub
  chancery verify export - --key chancery.pub -o json < audit.jsonl")]
pub(crate) struct Args {
    /// The export, in any of its forms; - for the standard input.
    file: PathBuf,
    /// A verifier key that is trusted: its text, or a file with it; else the saved one. Can be repeated.
    #[arg(long, value_name = "TEXT|FILE")]
    key: Vec<String>,
}

/// What an export proves.
#[derive(Debug, Serialize)]
struct Proved {
    verified: bool,
    format: &'static str,
    log: String,
    from: u64,
    to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds: Option<String>,
    /// Every entry of the range is in it.
    complete: bool,
    /// It is a transaction from its first entry to its last.
    whole_transaction: bool,
    entries: u64,
    payloads: u64,
    erased: u64,
    skipped: u64,
    actor: PrincipalId,
    at: Timestamp,
    justification: String,
    entry: u64,
    checkpoint_size: u64,
    signers: Vec<String>,
    digest: Digest,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let keys = session.verifier_keys(&args.key)?;
    let read = |source| CliError::Read { path: args.file.clone(), source };
    let report = if args.file.as_os_str() == "-" {
        verify(args, &mut io::stdin().lock(), &keys)?
    } else {
        verify(args, &mut BufReader::new(File::open(&args.file).map_err(read)?), &keys)?
    };
    session.out.show(&proved(report), table)?;
    Ok(Exit::Ok)
}

fn verify(args: &Args, file: &mut impl BufRead, keys: &Keys) -> Result<ExportReport, CliError> {
    let unverified = |reason: String| CliError::Unverified { what: input::name(&args.file), reason };
    let mut verifier = ExportVerifier::new(keys);
    let mut bar = Bar::new("entries", clock::instant());
    let mut line = Vec::new();
    // One byte more says that a line is too long.
    let longest = u64::try_from(EXPORT_LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    loop {
        line.clear();
        let read = file.by_ref().take(longest).read_until(b'\n', &mut line);
        if read.map_err(|source| CliError::Read { path: args.file.clone(), source })? == 0 {
            break;
        }
        verifier.line(&line).map_err(|fault| unverified(fault.to_string()))?;
        let (done, total) = verifier.progress();
        bar.at(done, total);
    }
    verifier.finish().map_err(|fault| unverified(fault.to_string()))
}

fn proved(report: ExportReport) -> Proved {
    let ExportReport { form, manifest, checkpoint, signers, closing, complete, whole_transaction, times: _ } = report;
    Proved {
        verified: true,
        format: form.word(),
        log: manifest.origin.to_string(),
        from: manifest.from,
        to: manifest.to,
        since: manifest.times.0,
        until: manifest.times.1,
        transaction: manifest.filter.transaction,
        kinds: manifest.filter.kinds.map(|kinds| kinds.to_string()),
        complete,
        whole_transaction,
        entries: closing.counts.entries,
        payloads: closing.counts.payloads,
        erased: closing.counts.erased,
        skipped: closing.counts.skipped,
        actor: manifest.actor,
        at: manifest.at,
        justification: manifest.justification,
        entry: manifest.entry,
        checkpoint_size: checkpoint.size.0,
        signers: signers.iter().map(|name: &KeyName| name.as_str().to_owned()).collect(),
        digest: closing.digest,
    }
}

fn table(proved: &Proved) -> String {
    let (last, entries) = (proved.to - 1, proved.entries);
    let times = match (proved.since, proved.until) {
        (None, None) => None,
        (since, until) => Some(format!(
            "from {} until {}",
            since.map_or_else(|| "the beginning".to_owned(), show::time),
            until.map_or_else(|| "then".to_owned(), show::time)
        )),
    };
    let whole = if proved.whole_transaction { ", from its first entry to its last" } else { "" };
    let holds = if proved.complete {
        format!("all {entries} entries from {} to {last}: none is missing", proved.from)
    } else {
        format!("{entries} entries from {} to {last}: filtered, and what is left out is not shown", proved.from)
    };
    fields([
        ("export", Some("verified".to_owned())),
        ("log", Some(format!("{}, checkpoint {}", proved.log, proved.checkpoint_size))),
        ("holds", Some(holds)),
        ("times", times),
        ("transaction", proved.transaction.map(|id| format!("{id}{whole}"))),
        ("kinds", proved.kinds.as_ref().map(|kinds| format!("those that begin with `{kinds}`"))),
        ("payloads", Some(format!("{} verified, {} erased", proved.payloads, proved.erased))),
        ("asked for", Some(format!("by {} at {}", show::actor(proved.actor), show::time(proved.at)))),
        ("because", Some(proved.justification.clone())),
        ("recorded", Some(format!("as entry {}", proved.entry))),
        ("signed by", Some(proved.signers.join(", "))),
        ("digest", Some(proved.digest.to_string())),
    ])
}
