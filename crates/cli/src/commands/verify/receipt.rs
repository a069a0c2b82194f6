//! `chancery verify receipt`

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::fields;
use crate::session::Session;
use crate::show;
use chancery_base::{DecisionId, Digest, PrincipalId, Timestamp, TransactionId};
use chancery_ledger::receipt::RECEIPT_BYTES_MAX;
use chancery_ledger::tlog_proof::TlogProof;
use chancery_ledger::{Checkpoint, KeyName, Keys, Receipt, ReceiptReport, Record};
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;

/// Verify a receipt without a server: the signature, that permit and outcome are in the log, and that they belong
/// together. Exits 1 if anything does not hold.
///
/// A `tlog-proof` is taken, too; it proves one entry alone.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery receipt txn_…/charge | chancery verify receipt -
  chancery verify receipt charge.receipt --key chancery.pub
  chancery verify receipt charge.receipt --key 'acme+1f2e3d4c+ATqv…' -o json")]
pub(crate) struct Args {
    /// The receipt; - for the standard input.
    file: PathBuf,
    /// A verifier key that is trusted: its text, or a file with it; else the saved one. Can be repeated.
    #[arg(long, value_name = "TEXT|FILE")]
    key: Vec<String>,
}

/// What a receipt proves.
#[derive(Debug, Serialize)]
struct Proved {
    verified: bool,
    log: String,
    checkpoint_size: u64,
    signers: Vec<String>,
    outcome: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    permit: Option<Shown>,
    /// Of an undo or a confirm: the hand-out of the step, whose decision permits it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<Digest>,
}

/// What is shown of an entry.
#[derive(Debug, Serialize)]
struct Shown {
    seq: u64,
    kind: String,
    at: Timestamp,
    actor: PrincipalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    /// Which clone of a step that fanned out, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionId>,
}

impl Shown {
    fn of(record: &Record) -> Self {
        Self {
            seq: record.seq,
            kind: record.kind.to_string(),
            at: record.at,
            actor: record.actor,
            transaction: record.refs.transaction,
            step: record.refs.step,
            index: record.refs.clone.and_then(|clone| clone.checked_sub(1)),
            attempt: record.refs.attempt,
            decision: record.refs.decision,
        }
    }

    fn line(&self) -> String {
        format!("entry {}: {} at {} by {}", self.seq, self.kind, show::time(self.at), show::actor(self.actor))
    }
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let bytes = input::read(&args.file, RECEIPT_BYTES_MAX)?;
    let keys = session.verifier_keys(&args.key)?;
    let proved = match std::str::from_utf8(&bytes) {
        Ok(text) if text.starts_with("c2sp.org/tlog-proof@") => verify_proof(text, &keys)?,
        Ok(_) | Err(_) => verify_receipt(&bytes, &keys)?,
    };
    session.out.show(&proved, table)?;
    Ok(Exit::Ok)
}

fn verify_receipt(bytes: &[u8], keys: &Keys) -> Result<Proved, CliError> {
    let receipt = Receipt::parse(bytes).map_err(|error| unverified(&error))?;
    let ReceiptReport { checkpoint, signers, outcome, permit, forward, bundle } =
        receipt.verify(keys).map_err(|error| unverified(&error))?;
    Ok(Proved {
        verified: true,
        log: checkpoint.origin.to_string(),
        checkpoint_size: checkpoint.size.0,
        signers: signers.iter().map(|name: &KeyName| name.as_str().to_owned()).collect(),
        outcome: Shown::of(&outcome),
        permit: Some(Shown::of(&permit)),
        forward: forward.as_ref().map(Shown::of),
        bundle: Some(bundle),
    })
}

/// The record travels in the proof's extra data, which nobody vouches for: its hash is what is proved.
fn verify_proof(text: &str, keys: &Keys) -> Result<Proved, CliError> {
    let proof: TlogProof = text.parse().map_err(|error| unverified(&error))?;
    let Some(bytes) = &proof.extra else {
        let reason = "the proof does not carry the record that it proves".to_owned();
        return Err(CliError::Unverified { what: "the receipt".to_owned(), reason });
    };
    let checkpoint: Checkpoint = proof.verify(bytes, keys).map_err(|error| unverified(&error))?;
    let record = Record::parse(bytes).map_err(|error| unverified(&error))?;
    if record.log != checkpoint.origin || record.index() != proof.index {
        let reason = "the record names another place than the one that is proved".to_owned();
        return Err(CliError::Unverified { what: "the receipt".to_owned(), reason });
    }
    Ok(Proved {
        verified: true,
        log: checkpoint.origin.to_string(),
        checkpoint_size: checkpoint.size.0,
        signers: vec![checkpoint.origin.cluster().to_string()],
        outcome: Shown::of(&record),
        permit: None,
        forward: None,
        bundle: None,
    })
}

fn unverified(error: &dyn Error) -> CliError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        reason = format!("{reason}: {source}");
        cause = source.source();
    }
    CliError::Unverified { what: "the receipt".to_owned(), reason }
}

fn table(proved: &Proved) -> String {
    let permit = proved.permit.as_ref();
    fields([
        ("receipt", Some("verified".to_owned())),
        ("transaction", proved.outcome.transaction.map(|id| id.to_string())),
        ("with its step", proved.forward.as_ref().map(Shown::line)),
        ("permitted", permit.map(Shown::line)),
        ("decision", permit.and_then(|permit| permit.decision).map(|decision| decision.to_string())),
        ("bundle", proved.bundle.map(|digest| digest.to_string())),
        ("reported", Some(proved.outcome.line())),
        ("log", Some(format!("{}, checkpoint {}", proved.log, proved.checkpoint_size))),
        ("signed by", Some(proved.signers.join(", "))),
    ])
}
