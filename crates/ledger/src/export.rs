//! Exports: a part of a log as one file that proves itself, without the server and with the verifier key alone.
//!
//! A package is JSON Lines. The first line is the manifest: what was asked for, by whom and why, and the checkpoint
//! that the entries are proven against. Then the log from its first leaf to the checkpoint's last, each entry that was
//! asked for byte for byte, and for the others the hashes that stand for them ([`crate::range`]): the root follows, so
//! nothing was changed, moved, left out or added. The last line is the closing. Every line carries the digest of all
//! before it and of itself, and the log's key signs manifest and closing.
//!
//! | line | members |
//! |---|---|
//! | first | `chain`, `manifest`, `signature` |
//! | an entry | `chain`, `entry`: `record`, and `payload` where it was asked for: `salt` and `text`, or `erased` |
//! | entries that are left out | `chain`, `skip`: `from`, `to`, `hashes` |
//! | last | `chain`, `closing`: counts, and the chain up to it: the digest of the package; `signature` |
//!
//! Reports for people ([`Form`]) are made of the same lines and carry them, so that they verify like the package.

mod form;
mod html;
mod markdown;
mod verify;
mod wire;

pub use form::Form;
pub use verify::{ExportFault, ExportProblem, ExportReport, ExportVerifier};

use crate::hash::Hash;
use crate::note::{NoteError, SigningKey};
use crate::receipt::Shown;
use crate::record::{Origin, Record, Word};
use chancery_base::limits::BODY_BYTES_MAX;
use chancery_base::{Digest, PrincipalId, Timestamp, TransactionId};

/// The version of the form, the first line of what is signed as the manifest.
pub const EXPORT_FORMAT: &str = "chancery-export/1";
/// Bytes of a line at most: a payload is a text in a text.
pub const EXPORT_LINE_BYTES_MAX: usize = 12 * BODY_BYTES_MAX;

/// What a package is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Which log.
    pub origin: Origin,
    /// The first entry of the range.
    pub from: u64,
    /// The first entry after the range.
    pub to: u64,
    /// The times that were asked for, where the range is that of times: from, and until before.
    pub times: (Option<Timestamp>, Option<Timestamp>),
    /// Which entries of the range.
    pub filter: Filter,
    /// Whether payloads were asked for.
    pub payloads: bool,
    /// Who asked.
    pub actor: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub justification: String,
    /// The entry that records that it was made.
    pub entry: u64,
    /// The checkpoint's note, to the letter.
    pub checkpoint: String,
}

/// Which entries of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this transaction.
    pub transaction: Option<TransactionId>,
    /// Only those whose kind begins so.
    pub kinds: Option<Word>,
}

impl Filter {
    /// Whether it takes every entry.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.transaction.is_none() && self.kinds.is_none()
    }

    /// Whether it takes this one.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        let of_kind = |kinds: &Word| record.kind.as_str().starts_with(kinds.as_str());
        self.transaction.is_none_or(|id| record.refs.transaction == Some(id)) && self.kinds.as_ref().is_none_or(of_kind)
    }
}

/// What a package came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The digest of the package: the chain of the line before.
    pub digest: Digest,
    /// What is in it.
    pub counts: Counts,
}

/// What is in a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries.
    pub entries: u64,
    /// Payloads that are shown.
    pub payloads: u64,
    /// Payloads that were asked for and are not here any more.
    pub erased: u64,
    /// Entries of the log that hashes stand for.
    pub skipped: u64,
}

impl Counts {
    fn count(&mut self, payload: &Shown) {
        self.entries += 1;
        match payload {
            Shown::Nothing => {}
            Shown::Redacted => self.erased += 1,
            Shown::Payload { .. } => self.payloads += 1,
        }
    }
}

/// What a line of a package says.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Manifest(&'a Manifest),
    Entry(&'a Record, &'a Shown),
    /// The entries from the first to before the second are left out.
    Skip(u64, u64),
    Closing(&'a Closing),
}

/// Writes a package, or a report that carries it, a piece at a time.
#[derive(Debug)]
pub struct ExportWriter {
    form: Form,
    chain: Digest,
    /// The entry that comes next.
    next: u64,
    counts: Counts,
}

impl ExportWriter {
    /// Begins: the writer, and what comes first.
    ///
    /// # Errors
    /// If the manifest can't be signed.
    pub fn begin(form: Form, manifest: &Manifest, key: &SigningKey) -> Result<(Self, String), NoteError> {
        let mut writer = Self { form, chain: wire::first_chain(), next: 0, counts: Counts::default() };
        let line = writer.line(&wire::write_manifest(manifest, key)?);
        let text = form.prefix().to_owned() + &form.chunk(&line, Part::Manifest(manifest));
        Ok((writer, text))
    }

    /// The entry that comes next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Leaves out the entries up to but not including `to`, for which these hashes stand.
    pub fn skip(&mut self, to: u64, hashes: &[Hash]) -> String {
        let from = self.next;
        self.next = to;
        self.counts.skipped += to - from;
        let line = self.line(&wire::write_skip(from, to, hashes));
        self.form.chunk(&line, Part::Skip(from, to))
    }

    /// Adds the next entry: its record's canonical bytes, the record that they are, and its payload where it is asked for.
    pub fn entry(&mut self, text: &str, record: &Record, payload: &Shown) -> String {
        self.next += 1;
        self.counts.count(payload);
        let line = self.line(&wire::write_entry(text, payload));
        self.form.chunk(&line, Part::Entry(record, payload))
    }

    /// Ends it, when everything up to the checkpoint's size was added or left out.
    ///
    /// # Errors
    /// If the closing can't be signed.
    pub fn close(mut self, key: &SigningKey) -> Result<String, NoteError> {
        let closing = Closing { digest: self.chain, counts: self.counts };
        let line = self.line(&wire::write_closing(&closing, key)?);
        Ok(self.form.chunk(&line, Part::Closing(&closing)))
    }

    fn line(&mut self, body: &str) -> String {
        self.chain = wire::chain(&self.chain, body);
        wire::chained(&self.chain, body)
    }
}
