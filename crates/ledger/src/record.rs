//! Records: the canonical bytes that are hashed into the tree, one a ledger entry.
//!
//! A record holds ids, salted digests and small numbers, never a text that a caller chose. Its form is canonical
//! JSON (RFC 8785) in one line with a fixed order of keys, so that a record has exactly one spelling; what is
//! absent has no key.

mod data;
mod origin;
mod parse;
mod word;

pub use data::{DATA_PAIRS_MAX, Data, DataValue};
pub use origin::{Origin, OriginError};
pub use word::{WORD_BYTES_MAX, Word, WordError};

use crate::hash::{Hash, LeafIndex, leaf_hash};
use chancery_base::{DecisionId, Digest, Kind, PrincipalId, Timestamp, TransactionId};
use std::fmt::Write as _;

/// The version of the record's form that is written and read, its `v`.
pub const RECORD_VERSION: u64 = 1;

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who caused it.
    pub actor: PrincipalId,
    /// When it was committed, by the owner's clock.
    pub at: Timestamp,
    /// Digests, ids and small numbers that belong to the kind.
    pub data: Data,
    /// The owner's epoch: raised when a shard changes hands, never lowered.
    pub epoch: u64,
    /// What happened, such as `step.dispatched`.
    pub kind: Word,
    /// The log that the entry is in.
    pub log: Origin,
    /// SHA-256 of salt and payload, if the entry has a payload.
    pub payload: Option<Digest>,
    /// What it is about.
    pub refs: Refs,
    /// Its place in the log, from 0 without gaps.
    pub seq: u64,
}

/// What a record is about. Absent ones have no key on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    /// The attempt of the step or of its compensation, from 1.
    pub attempt: Option<u32>,
    /// 0: the step as a whole; a clone of one that fanned out is one more than its index.
    pub clone: Option<u32>,
    /// The decision that permitted or denied it.
    pub decision: Option<DecisionId>,
    /// Whether it is the last entry of its transaction.
    pub last: bool,
    /// The number of the entry within its transaction, from 0 without gaps.
    pub n: Option<u64>,
    /// The step's place in its definition, from 0.
    pub step: Option<u32>,
    /// The transaction.
    pub transaction: Option<TransactionId>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More than [`chancery_base::limits::RECORD_BYTES_MAX`] bytes.
    #[error("a record has at most 65535 bytes, this one has {0}")]
    TooLarge(usize),
    /// Something else stands where the form wants `expected`.
    #[error("at byte {at} a record has {expected}")]
    Form {
        /// Where, in bytes from 0.
        at: usize,
        /// What stands there in a record.
        expected: &'static str,
    },
    /// A field's text is not what the field holds.
    #[error("`{field}` is wrong: {problem}")]
    Field {
        /// The field's key.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The bytes mean a record, but this is not its one spelling.
    #[error("a record has one spelling, and this is another")]
    Spelling,
}

impl RecordError {
    /// What it means to the one who sent the bytes.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::TooLarge(_) => Kind::TooLarge,
            Self::Form { .. } | Self::Field { .. } | Self::Spelling => Kind::Invalid,
        }
    }
}

impl Record {
    /// The canonical bytes: what is stored, hashed and served.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(512);
        self.write(&mut out);
        out.into_bytes()
    }

    /// Appends the canonical bytes.
    pub fn write(&self, out: &mut String) {
        push(out, &["{\"actor\":\"", &self.actor.text(), "\",\"at\":\"", &self.at.text(), "\",\"data\":{"]);
        self.data.write(out);
        put(out, format_args!("}},\"epoch\":{}", self.epoch));
        push(out, &[",\"kind\":\"", self.kind.as_str(), "\",\"log\":\"", self.log.as_str(), "\","]);
        if let Some(payload) = &self.payload {
            push(out, &["\"payload\":\"", &payload.text(), "\","]);
        }
        out.push_str("\"refs\":{");
        self.refs.write(out);
        put(out, format_args!("}},\"seq\":{},\"v\":{RECORD_VERSION}}}", self.seq));
    }

    /// Reads a record; the bytes must be exactly those that [`Record::to_bytes`] gives.
    ///
    /// # Errors
    /// If they are too many, or are anything but a record in its one spelling.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        parse::parse(bytes, None)
    }

    /// Reads a record as [`Record::parse`] does, of a log whose name is known: its records share that name.
    ///
    /// # Errors
    /// As [`Record::parse`].
    pub fn parse_of(origin: &Origin, bytes: &[u8]) -> Result<Self, RecordError> {
        parse::parse(bytes, Some(origin))
    }

    /// The hash of the record's leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.to_bytes())
    }

    /// Where the record's leaf is in the tree: its `seq`.
    #[must_use]
    pub const fn index(&self) -> LeafIndex {
        LeafIndex(self.seq)
    }
}

impl Refs {
    fn write(&self, out: &mut String) {
        let start = out.len();
        let next = |out: &mut String| {
            if out.len() > start {
                out.push(',');
            }
        };
        if let Some(attempt) = self.attempt {
            put(out, format_args!("\"attempt\":{attempt}"));
        }
        if let Some(clone) = self.clone {
            next(out);
            put(out, format_args!("\"clone\":{clone}"));
        }
        if let Some(decision) = &self.decision {
            next(out);
            push(out, &["\"decision\":\"", &decision.text(), "\""]);
        }
        if self.last {
            next(out);
            out.push_str("\"last\":true");
        }
        if let Some(n) = self.n {
            next(out);
            put(out, format_args!("\"n\":{n}"));
        }
        if let Some(step) = self.step {
            next(out);
            put(out, format_args!("\"step\":{step}"));
        }
        if let Some(transaction) = &self.transaction {
            next(out);
            push(out, &["\"transaction\":\"", &transaction.text(), "\""]);
        }
    }
}

fn push(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
}

fn put(out: &mut String, args: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(args);
    // Writing to a String cannot fail.
    debug_assert!(written.is_ok());
}
