//! Receipts: one file that proves that a step was permitted before it was handed out, and what outcome was
//! *reported*. It is verified without a server, with the verifier key alone.
//!
//! The file is canonical JSON (RFC 8785) in one line that ends in a newline, and has one spelling: a flipped bit or
//! a moved space anywhere in it is refused.

mod wire;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Hash, TreeSize, leaf_hash};
use crate::note::{KeyName, Keys, Note, NoteError};
use crate::proof::{ProofError, verify_inclusion};
use crate::record::{Record, RecordError};
use chancery_base::json::JsonError;
use chancery_base::limits::BODY_BYTES_MAX;
use chancery_base::{Digest, Kind, Salt};
use std::fmt;

/// Bytes of a receipt at most.
pub const RECEIPT_BYTES_MAX: usize = BODY_BYTES_MAX;

/// A receipt that was made or read, and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The entry of the outcome.
    pub outcome: Proven,
    /// The entry that permitted it: the hand-out of the same attempt, or the transaction's start. An event is its own
    /// permit.
    pub permit: Proven,
    /// Of a compensation or a confirm, the hand-out of the forward step: both are authorised with their step, so its own
    /// hand-out only cites the decision that stands there.
    pub forward: Option<Proven>,
    /// The checkpoint's note, to the letter.
    pub checkpoint: String,
    /// The digest of the bundle under which it was permitted.
    pub bundle: Digest,
}

/// An entry and the proof that it is in the checkpoint's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The record's canonical bytes, to the letter.
    pub record: String,
    /// Its payload.
    pub payload: Shown,
    /// The inclusion proof in the checkpoint's tree, from the leaf up.
    pub proof: Vec<Hash>,
}

/// What a receipt shows of an entry's payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The entry has none.
    Nothing,
    /// It is kept from the reader of this receipt; the record's digest stands for it.
    Redacted,
    /// All of it.
    Payload {
        /// The salt that went before it.
        salt: Salt,
        /// Its canonical bytes, to the letter.
        text: String,
    },
}

/// Which of the receipt's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The entry of the outcome.
    Outcome,
    /// The entry that permitted it.
    Permit,
    /// The entry of the decision that a compensation's or a confirm's permit cites.
    Forward,
}

/// What a verified receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptReport {
    /// The checkpoint that covers the entries.
    pub checkpoint: Checkpoint,
    /// The keys that signed it.
    pub signers: Vec<KeyName>,
    /// The outcome's record.
    pub outcome: Record,
    /// The permit's record.
    pub permit: Record,
    /// Of a compensation or a confirm, the record of the forward step's hand-out, with the decision that the permit cites.
    pub forward: Option<Record>,
    /// The digest of the bundle under which it was permitted.
    pub bundle: Digest,
}

/// Why a receipt is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Over [`RECEIPT_BYTES_MAX`], or not JSON, or JSON of another form.
    #[error("not a receipt")]
    Json(#[source] JsonError),
    /// A text of it is not what it should be.
    #[error("not a receipt: {0}")]
    Form(&'static str),
    /// It means a receipt, but this is not its one spelling.
    #[error("a receipt has one spelling, and this is another: it was edited or reformatted")]
    Spelling,
    /// The checkpoint is not believed.
    #[error("the receipt's checkpoint is not believed")]
    Checkpoint(#[source] CheckpointError),
    /// The checkpoint has a signature that no known key made.
    #[error("the receipt's checkpoint has a signature by `{0}`, which is not a known key")]
    Signer(KeyName),
    /// A record is not a record.
    #[error("the {part}'s record is not one")]
    Record {
        /// Whose.
        part: Part,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// An entry is not in the checkpoint's tree.
    #[error("the {part} is not proven to be in the log")]
    Inclusion {
        /// Which.
        part: Part,
        /// Why.
        #[source]
        source: ProofError,
    },
    /// A payload is not the one that was recorded, or is shown where there is none, or hidden without saying so.
    #[error("the {0}'s payload is not the one that was recorded")]
    Payload(Part),
    /// The entries do not belong together as outcome and permit.
    #[error("the permit is not the outcome's: {0}")]
    Pair(&'static str),
    /// The permit was given under another bundle, or names none.
    #[error("the receipt names bundle {named}, and the permit was given under {found}")]
    Bundle {
        /// The receipt's.
        named: Digest,
        /// The permit's.
        found: String,
    },
}

impl ReceiptError {
    /// What it means to the one who sent the receipt.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Json(JsonError::TooLarge { .. } | JsonError::TooMany { .. }) => Kind::TooLarge,
            Self::Checkpoint(err) => err.kind(),
            Self::Record { source, .. } => source.kind(),
            Self::Json(JsonError::Syntax(_))
            | Self::Form(_)
            | Self::Spelling
            | Self::Signer(_)
            | Self::Inclusion { .. }
            | Self::Payload(_)
            | Self::Pair(_)
            | Self::Bundle { .. } => Kind::Invalid,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outcome => "outcome",
            Self::Permit => "permit",
            Self::Forward => "forward step",
        })
    }
}

/// An event that a step or its compensation emitted: the outcome, and its own permit.
const EVENT: &str = "event.emitted";

/// Whether an entry is an event, which came of nothing but its own permit.
#[must_use]
pub fn is_event(entry: &Record) -> bool {
    entry.kind == EVENT
}

/// Whether an event is that of a compensation.
fn is_of_undo(entry: &Record) -> bool {
    is_event(entry) && entry.data.get_word("phase") == Some("undo")
}

/// The kind of entry that permits an outcome of a kind; nothing for kinds that are no outcomes.
#[must_use]
pub fn permit_kind(outcome: &str) -> Option<&'static str> {
    Some(match outcome {
        "step.completed" | "step.polled" | "step.failed" => "step.dispatched",
        "compensation.completed" | "compensation.failed" => "compensation.started",
        "confirm.completed" | "confirm.failed" => "confirm.started",
        EVENT => EVENT,
        "transaction.completed"
        | "transaction.compensated"
        | "transaction.failed"
        | "transaction.cancelled"
        | "transaction.terminated"
        | "transaction.parked" => "transaction.started",
        _ => return None,
    })
}

/// Whether two records are an outcome and its permit.
///
/// # Errors
/// Says why they are not.
pub fn check_pair(outcome: &Record, permit: &Record) -> Result<(), &'static str> {
    let kind = permit_kind(outcome.kind.as_str()).ok_or("the first entry is not an outcome")?;
    if permit.kind != kind {
        return Err("its kind permits no such outcome");
    }
    if permit.log != outcome.log {
        return Err("it is of another log");
    }
    let (about, by) = (&outcome.refs, &permit.refs);
    if about.transaction.is_none() || about.transaction != by.transaction {
        return Err("it is of another transaction");
    }
    if kind != "transaction.started" {
        if about.step.is_none() || about.attempt.is_none() {
            return Err("the outcome names no step and attempt");
        }
        if (about.step, about.clone, about.attempt) != (by.step, by.clone, by.attempt) {
            return Err("it is of another step, clone or attempt");
        }
    }
    if by.decision.is_none() {
        return Err("it names no decision");
    }
    let (Some(outcome_n), Some(permit_n)) = (about.n, by.n) else { return Err("they are not numbered") };
    if is_event(outcome) {
        return if outcome == permit { Ok(()) } else { Err("an event is its own permit, and this is another") };
    }
    if permit.seq >= outcome.seq || permit_n >= outcome_n || permit.epoch > outcome.epoch {
        return Err("it does not come before the outcome");
    }
    Ok(())
}

/// Whether a permit of this kind only cites a decision, so that a receipt also has the entry of the decision.
#[must_use]
pub fn cites_forward(permit: &Record) -> bool {
    permit.kind == "compensation.started" || permit.kind == "confirm.started" || is_of_undo(permit)
}

/// Whether `forward` is the hand-out of the step that `permit` compensates or confirms, with the decision that it cites.
///
/// # Errors
/// Says why it is not.
pub fn check_forward(permit: &Record, forward: &Record) -> Result<(), &'static str> {
    let (about, by) = (&permit.refs, &forward.refs);
    let is_forward = forward.kind == "step.dispatched" || is_event(forward) && !is_of_undo(forward);
    if !cites_forward(permit) || !is_forward {
        return Err("the forward entry is not the hand-out of a compensated or confirmed step");
    }
    if forward.log != permit.log || (about.transaction, about.step, about.clone) != (by.transaction, by.step, by.clone)
    {
        return Err("the forward entry is of another step");
    }
    if about.decision.is_none() || about.decision != by.decision {
        return Err("it cites another decision than that of the forward entry");
    }
    if forward.seq >= permit.seq || by.n >= about.n || forward.epoch > permit.epoch {
        return Err("the forward entry does not come before it");
    }
    Ok(())
}

impl Receipt {
    /// The file: one line of canonical JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        wire::write(self)
    }

    /// Reads a file; it must be exactly what [`Receipt::to_text`] gives.
    ///
    /// # Errors
    /// If it is too large, not a receipt, or not in its one spelling.
    pub fn parse(text: &[u8]) -> Result<Self, ReceiptError> {
        let receipt = wire::read(text)?;
        if receipt.to_text().as_bytes() == text { Ok(receipt) } else { Err(ReceiptError::Spelling) }
    }

    /// Verifies everything that a receipt claims: signature, inclusions, payloads, that the permit is the outcome's
    /// and comes before it, decision and bundle.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, keys: &Keys) -> Result<ReceiptReport, ReceiptError> {
        let (checkpoint, signers) = self.open_checkpoint(keys)?;
        let outcome = self.outcome.verify(Part::Outcome, &checkpoint)?;
        let permit = self.permit.verify(Part::Permit, &checkpoint)?;
        check_pair(&outcome, &permit).map_err(ReceiptError::Pair)?;
        let forward = self.verify_forward(&permit, &checkpoint)?;
        let found = forward.as_ref().unwrap_or(&permit).data.get_digest("bundle");
        if found != Some(self.bundle) {
            let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
            return Err(ReceiptError::Bundle { named: self.bundle, found });
        }
        Ok(ReceiptReport { checkpoint, signers, outcome, permit, forward, bundle: self.bundle })
    }

    fn verify_forward(&self, permit: &Record, checkpoint: &Checkpoint) -> Result<Option<Record>, ReceiptError> {
        match (cites_forward(permit), &self.forward) {
            (false, None) => Ok(None),
            (false, Some(_)) => Err(ReceiptError::Pair("it has a decision of its own and cites no forward entry")),
            (true, None) => Err(ReceiptError::Pair("it cites a decision, and the forward entry is missing")),
            (true, Some(forward)) => {
                let forward = forward.verify(Part::Forward, checkpoint)?;
                check_forward(permit, &forward).map_err(ReceiptError::Pair)?;
                Ok(Some(forward))
            }
        }
    }

    /// Unlike a note at large, a receipt has no signature that cannot be checked: else its bits could be changed.
    fn open_checkpoint(&self, keys: &Keys) -> Result<(Checkpoint, Vec<KeyName>), ReceiptError> {
        let broken = |err: NoteError| ReceiptError::Checkpoint(err.into());
        let note = Note::parse(&self.checkpoint).map_err(broken)?;
        let (checkpoint, signers) = Checkpoint::verify(&note, keys).map_err(ReceiptError::Checkpoint)?;
        let unknown = note.signatures().iter().find(|line| keys.find(&line.name, line.id).is_none());
        if let Some(unknown) = unknown {
            return Err(ReceiptError::Signer(unknown.name.clone()));
        }
        Ok((checkpoint, signers.into_iter().map(|key| key.name().clone()).collect()))
    }

    /// The size of the tree that the inclusion proofs are for, before anything is verified.
    ///
    /// # Errors
    /// If the checkpoint is not one.
    pub fn claimed_size(&self) -> Result<TreeSize, ReceiptError> {
        let note = Note::parse(&self.checkpoint).map_err(|err| ReceiptError::Checkpoint(err.into()))?;
        Checkpoint::parse_text(note.text()).map(|claimed| claimed.size).map_err(ReceiptError::Checkpoint)
    }
}

impl Proven {
    fn verify(&self, part: Part, checkpoint: &Checkpoint) -> Result<Record, ReceiptError> {
        let record = Record::parse(self.record.as_bytes()).map_err(|source| ReceiptError::Record { part, source })?;
        if record.log != checkpoint.origin {
            return Err(ReceiptError::Pair("an entry is of another log than the checkpoint"));
        }
        let leaf = leaf_hash(self.record.as_bytes());
        verify_inclusion(&leaf, record.index(), checkpoint.size, &self.proof, &checkpoint.root)
            .map_err(|source| ReceiptError::Inclusion { part, source })?;
        let holds = match (&self.payload, record.payload) {
            (Shown::Nothing, None) | (Shown::Redacted, Some(_)) => true,
            (Shown::Payload { salt, text }, Some(digest)) => salt.digest(text.as_bytes()) == digest,
            (Shown::Nothing, Some(_)) | (Shown::Redacted | Shown::Payload { .. }, None) => false,
        };
        if holds { Ok(record) } else { Err(ReceiptError::Payload(part)) }
    }
}
