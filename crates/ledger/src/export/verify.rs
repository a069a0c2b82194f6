//! Verifies a package, or a report that carries one, line by line. Memory: a line, and one hash a height of the tree.

use super::wire::{self, Line, Signed};
use super::{Closing, Counts, EXPORT_LINE_BYTES_MAX, Form, Manifest, Part};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Hash, TreeSize, leaf_hash};
use crate::note::{KeyName, Keys, NoteError};
use crate::proof::ProofError;
use crate::range::Fold;
use crate::receipt::Shown;
use crate::record::{Origin, Record, RecordError};
use chancery_base::json::JsonError;
use chancery_base::{Digest, Kind, Timestamp};
use std::collections::VecDeque;

/// The first thing that is wrong with an export, and its line, from 1.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ExportFault {
    /// Which line of the file.
    pub line: u64,
    /// What is wrong with it.
    #[source]
    pub problem: Box<ExportProblem>,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum ExportProblem {
    /// It has more than [`EXPORT_LINE_BYTES_MAX`] bytes.
    #[error("it has more than {EXPORT_LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It is no text.
    #[error("it is not UTF-8")]
    Text,
    /// The file begins like no form of an export.
    #[error("this is no export: it begins like none of the forms that there are")]
    Begins,
    /// It is not JSON, or of another form.
    #[error("not a line of an export: {0}")]
    Json(#[source] JsonError),
    /// It does not have the form.
    #[error("not a line of an export: {0}")]
    Form(&'static str),
    /// A report shows something else than its lines say.
    #[error("the report shows something else here than what it carries")]
    Shown,
    /// Its chain is another.
    #[error("it does not go on from the line before: it was changed, or lines are missing, stand twice or were moved")]
    Chain,
    /// The signature is not believed.
    #[error("its signature is not believed: {0}")]
    Signature(#[source] NoteError),
    /// A key signed that is not of the log's cluster.
    #[error("key `{key}` does not sign for `{origin}`: its name is not the log's cluster")]
    Signer {
        /// The key's name.
        key: KeyName,
        /// The log.
        origin: Origin,
    },
    /// The checkpoint is not believed.
    #[error("its checkpoint is not believed: {0}")]
    Checkpoint(#[source] CheckpointError),
    /// The checkpoint does not fit the manifest.
    #[error("its checkpoint is of `{origin}` with {size} entries, which does not cover the range")]
    Covers {
        /// The checkpoint's log.
        origin: Origin,
        /// The checkpoint's size.
        size: TreeSize,
    },
    /// The record is not one.
    #[error("not a record: {0}")]
    Record(#[source] RecordError),
    /// It is of another log.
    #[error("the entry is of the log `{0}`")]
    OtherLog(Origin),
    /// The entry is not the one that comes next.
    #[error("here is entry {found}, and entry {expected} comes next")]
    Seq {
        /// The entry's number, or the first that is left out.
        found: u64,
        /// The one that comes next.
        expected: u64,
    },
    /// The entry is not one of those that were asked for.
    #[error("entry {0} is not one that was asked for")]
    Stray(u64),
    /// Entries are left out that were asked for.
    #[error("entries {from} to {last} are left out, and the range is said to be complete")]
    LeftOut {
        /// The first.
        from: u64,
        /// The last.
        last: u64,
    },
    /// An entry of the transaction is missing.
    #[error("it is number {found} of its transaction, and number {expected} comes next: an entry is missing")]
    Number {
        /// The entry's number within the transaction.
        found: u64,
        /// The one that comes next.
        expected: u64,
    },
    /// The epoch goes back.
    #[error("its epoch {found} is lower than {before} before it")]
    Epoch {
        /// The entry's.
        found: u64,
        /// The one before.
        before: u64,
    },
    /// The payload is another than the one that was recorded.
    #[error("the payload of entry {0} is not the one that was recorded")]
    Payload(u64),
    /// A payload that the record does not name, or that was not asked for.
    #[error("entry {0} has a payload that was not recorded or not asked for")]
    PayloadStray(u64),
    /// Payloads were asked for, and that of this entry is neither there nor said to be erased.
    #[error("the payload of entry {0} is missing, and is not said to be erased")]
    PayloadMissing(u64),
    /// What stands for entries that are left out does not.
    #[error("what stands for the entries that are left out does not: {0}")]
    Skip(#[source] ProofError),
    /// The package ends before the checkpoint does.
    #[error("the package ends at entry {found}, and its checkpoint has {size}")]
    Short {
        /// How far it goes.
        found: u64,
        /// The checkpoint's size.
        size: TreeSize,
    },
    /// The entries do not lead to the checkpoint's root.
    #[error("the entries lead to the root {found}, and signed is {signed}: an entry or a hash is not the log's")]
    Root {
        /// What was signed.
        signed: Hash,
        /// What the entries and hashes give.
        found: Hash,
    },
    /// The closing counts something else.
    #[error("the closing counts {said:?}, and there are {found:?}")]
    Counts {
        /// What it says.
        said: Counts,
        /// What there is.
        found: Counts,
    },
    /// The closing is that of another package.
    #[error("the closing is of the package {said}, and this is {found}")]
    Closing {
        /// What it says.
        said: Digest,
        /// What this is.
        found: Digest,
    },
    /// It stands where no such line may.
    #[error("here is {0}, where none may be")]
    Place(&'static str),
    /// The file ends before its closing.
    #[error("the file ends here, and its closing is missing: it was cut off")]
    Cut,
    /// The last line does not end.
    #[error("the line does not end: the file was cut off")]
    Unended,
}

impl ExportFault {
    /// What it means to the one who asked.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// What a verified export proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// The form that it has.
    pub form: Form,
    /// What it is of.
    pub manifest: Manifest,
    /// The checkpoint that its entries are proven against.
    pub checkpoint: Checkpoint,
    /// The keys that signed it.
    pub signers: Vec<KeyName>,
    /// The digest of the package, and what is in it.
    pub closing: Closing,
    /// Whether every entry of the range is in it.
    pub complete: bool,
    /// Whether it is the history of a transaction from its first entry to its last.
    pub whole_transaction: bool,
    /// The times of its first and last entry.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// Verifies an export: give it every line, then finish.
#[derive(Debug)]
pub struct ExportVerifier<'k> {
    keys: &'k Keys,
    line: u64,
    form: Option<Form>,
    /// Lines that a report still has to show.
    expected: VecDeque<String>,
    chain: Digest,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Begins,
    Open(Box<Open>),
    Closed(Box<ExportReport>),
}

/// A package whose manifest was believed.
#[derive(Debug)]
struct Open {
    manifest: Manifest,
    checkpoint: Checkpoint,
    signers: Vec<KeyName>,
    fold: Fold,
    counts: Counts,
    epoch: u64,
    /// Of an export of a transaction: the first number, and the one that comes next.
    numbers: Option<(u64, u64)>,
    ended: bool,
    times: Option<(Timestamp, Timestamp)>,
    skipped_before: bool,
}

impl<'k> ExportVerifier<'k> {
    /// A verifier that believes these keys.
    #[must_use]
    pub fn new(keys: &'k Keys) -> Self {
        Self { keys, line: 0, form: None, expected: VecDeque::new(), chain: wire::first_chain(), stage: Stage::Begins }
    }

    /// Takes the next line of the file, with its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&mut self, line: &[u8]) -> Result<(), ExportFault> {
        self.line += 1;
        self.take(line).map_err(|problem| ExportFault { line: self.line, problem: Box::new(problem) })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If it ends before its closing.
    pub fn finish(self) -> Result<ExportReport, ExportFault> {
        match (self.stage, self.expected.is_empty()) {
            (Stage::Closed(report), true) => Ok(*report),
            (Stage::Begins | Stage::Open(_) | Stage::Closed(_), _) => {
                Err(ExportFault { line: self.line + 1, problem: Box::new(ExportProblem::Cut) })
            }
        }
    }

    /// How many of how many entries of the log were taken.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match &self.stage {
            Stage::Begins | Stage::Closed(_) => (0, 0),
            Stage::Open(open) => (open.fold.size().0, open.checkpoint.size.0),
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), ExportProblem> {
        if line.len() > EXPORT_LINE_BYTES_MAX {
            return Err(ExportProblem::TooLong);
        }
        let text = std::str::from_utf8(line).ok().ok_or(ExportProblem::Text)?;
        let text = text.strip_suffix('\n').ok_or(ExportProblem::Unended)?;
        let form = match self.form {
            Some(form) => form,
            None => {
                let form = Form::of_first_line(text).ok_or(ExportProblem::Begins)?;
                self.expected.extend(form.prefix().lines().map(str::to_owned));
                *self.form.insert(form)
            }
        };
        if let Some(expected) = self.expected.pop_front() {
            return if expected == text { Ok(()) } else { Err(ExportProblem::Shown) };
        }
        let carried = form.carried(text).ok_or(ExportProblem::Shown)?;
        let shown = self.package_line(&carried, form)?;
        let mut shown = shown.lines();
        // A report shows a line of the package beginning with the line that carries it.
        if shown.next() != Some(text) {
            return Err(ExportProblem::Shown);
        }
        self.expected.extend(shown.map(str::to_owned));
        Ok(())
    }

    /// Takes a line of the package; gives what a report of the form shows of it.
    fn package_line(&mut self, line: &str, form: Form) -> Result<String, ExportProblem> {
        let unchained = wire::unchained(line);
        let (chain, body) = unchained.ok_or(ExportProblem::Form("a line begins with its chain"))?;
        let before = std::mem::replace(&mut self.chain, chain);
        if wire::chain(&before, &body) != chain {
            return Err(ExportProblem::Chain);
        }
        let said = wire::read(&body)?;
        match (&mut self.stage, said) {
            (Stage::Begins, Line::Manifest(manifest)) => {
                let open = Open::begin(manifest, self.keys)?;
                let shown = form.chunk(line, Part::Manifest(&open.manifest));
                self.stage = Stage::Open(Box::new(open));
                Ok(shown)
            }
            (Stage::Open(open), Line::Entry { record, payload }) => {
                let read = open.entry(&record, &payload)?;
                Ok(form.chunk(line, Part::Entry(&read, &payload)))
            }
            (Stage::Open(open), Line::Skip { from, to, hashes }) => {
                open.skip(from, to, &hashes)?;
                Ok(form.chunk(line, Part::Skip(from, to)))
            }
            (Stage::Open(open), Line::Closing(closing)) => {
                let report = open.close(&closing, before, self.keys, form)?;
                self.stage = Stage::Closed(Box::new(report));
                Ok(form.chunk(line, Part::Closing(&closing.value)))
            }
            (Stage::Begins, _) => Err(ExportProblem::Place("a line before the manifest")),
            (Stage::Open(_), Line::Manifest(_)) => Err(ExportProblem::Place("a second manifest")),
            (Stage::Closed(_), _) => Err(ExportProblem::Place("a line after the closing")),
        }
    }
}

impl Open {
    fn begin(signed: Signed<Box<Manifest>>, keys: &Keys) -> Result<Self, ExportProblem> {
        let signers = check_signers(&signed, &signed.value.origin, keys)?;
        let manifest = *signed.value;
        let checkpoint = Checkpoint::open(&manifest.checkpoint, keys).map_err(ExportProblem::Checkpoint)?;
        let covers = manifest.from < manifest.to && manifest.to <= checkpoint.size.0;
        if !covers || checkpoint.origin != manifest.origin {
            let Checkpoint { origin, size, .. } = checkpoint;
            return Err(ExportProblem::Covers { origin, size });
        }
        Ok(Self {
            manifest,
            checkpoint,
            signers,
            fold: Fold::default(),
            counts: Counts::default(),
            epoch: 0,
            numbers: None,
            ended: false,
            times: None,
            skipped_before: false,
        })
    }

    fn entry(&mut self, text: &str, payload: &Shown) -> Result<Record, ExportProblem> {
        let record = Record::parse_of(&self.manifest.origin, text.as_bytes()).map_err(ExportProblem::Record)?;
        if record.log != self.manifest.origin {
            return Err(ExportProblem::OtherLog(record.log));
        }
        let (seq, expected) = (record.seq, self.fold.size().0);
        if seq != expected {
            return Err(ExportProblem::Seq { found: seq, expected });
        }
        if !(self.manifest.from..self.manifest.to).contains(&seq) || !self.manifest.filter.takes(&record) {
            return Err(ExportProblem::Stray(seq));
        }
        if record.epoch < self.epoch {
            return Err(ExportProblem::Epoch { found: record.epoch, before: self.epoch });
        }
        self.check_number(&record)?;
        self.check_payload(&record, payload)?;
        self.epoch = record.epoch;
        self.times = Some((self.times.map_or(record.at, |(first, _)| first), record.at));
        self.fold.leaf(leaf_hash(text.as_bytes()));
        self.counts.count(payload);
        self.skipped_before = false;
        Ok(record)
    }

    /// Of a transaction all entries of the range are there, unless only some kinds were asked for.
    fn check_number(&mut self, record: &Record) -> Result<(), ExportProblem> {
        let filter = &self.manifest.filter;
        let Some(found) = record.refs.n.filter(|_| filter.transaction.is_some() && filter.kinds.is_none()) else {
            return Ok(());
        };
        let (first, expected) = self.numbers.unwrap_or((found, found));
        if found != expected {
            return Err(ExportProblem::Number { found, expected });
        }
        self.numbers = Some((first, expected + 1));
        self.ended = record.refs.last;
        Ok(())
    }

    fn check_payload(&self, record: &Record, payload: &Shown) -> Result<(), ExportProblem> {
        match (payload, record.payload, self.manifest.payloads) {
            (Shown::Nothing, None, _) | (Shown::Nothing, Some(_), false) | (Shown::Redacted, Some(_), true) => Ok(()),
            (Shown::Nothing, Some(_), true) => Err(ExportProblem::PayloadMissing(record.seq)),
            (Shown::Payload { salt, text }, Some(digest), true) if salt.digest(text.as_bytes()) == digest => Ok(()),
            (Shown::Payload { .. }, Some(_), true) => Err(ExportProblem::Payload(record.seq)),
            (Shown::Redacted | Shown::Payload { .. }, _, _) => Err(ExportProblem::PayloadStray(record.seq)),
        }
    }

    fn skip(&mut self, from: u64, to: u64, hashes: &[Hash]) -> Result<(), ExportProblem> {
        let expected = self.fold.size().0;
        if from != expected {
            return Err(ExportProblem::Seq { found: from, expected });
        }
        if to <= from || to > self.checkpoint.size.0 {
            return Err(ExportProblem::Form("what is left out does not end where it may"));
        }
        if std::mem::replace(&mut self.skipped_before, true) {
            return Err(ExportProblem::Form("what is left out stands in one line, not in two"));
        }
        let within = (from.max(self.manifest.from), to.min(self.manifest.to));
        if self.manifest.filter.is_all() && within.0 < within.1 {
            return Err(ExportProblem::LeftOut { from: within.0, last: within.1 - 1 });
        }
        self.counts.skipped += to - from;
        self.fold.range(TreeSize(to), hashes).map_err(ExportProblem::Skip)
    }

    fn close(
        &mut self,
        signed: &Signed<Closing>,
        digest: Digest,
        keys: &Keys,
        form: Form,
    ) -> Result<ExportReport, ExportProblem> {
        check_signers(signed, &self.manifest.origin, keys)?;
        let closing = signed.value;
        if closing.digest != digest {
            return Err(ExportProblem::Closing { said: closing.digest, found: digest });
        }
        let (found, size) = (self.fold.size(), self.checkpoint.size);
        if found != size {
            return Err(ExportProblem::Short { found: found.0, size });
        }
        let root = self.fold.root();
        if root != self.checkpoint.root {
            return Err(ExportProblem::Root { signed: self.checkpoint.root, found: root });
        }
        if closing.counts != self.counts {
            return Err(ExportProblem::Counts { said: closing.counts, found: self.counts });
        }
        Ok(ExportReport {
            form,
            manifest: self.manifest.clone(),
            checkpoint: self.checkpoint.clone(),
            signers: self.signers.clone(),
            closing,
            complete: self.manifest.filter.is_all(),
            whole_transaction: self.ended && self.numbers.is_some_and(|(first, _)| first == 0),
            times: self.times,
        })
    }
}

fn check_signers<T>(signed: &Signed<T>, origin: &Origin, keys: &Keys) -> Result<Vec<KeyName>, ExportProblem> {
    let signers = signed.verify(keys).map_err(ExportProblem::Signature)?;
    let stranger = signers.iter().find(|key| key.name().as_str() != origin.cluster().as_str());
    match stranger {
        Some(key) => Err(ExportProblem::Signer { key: key.name().clone(), origin: origin.clone() }),
        None => Ok(signers.into_iter().map(|key| key.name().clone()).collect()),
    }
}
