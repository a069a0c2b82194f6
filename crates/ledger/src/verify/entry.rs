//! What is verified of an entry by itself, whatever stands before it: several can be done at once.

use crate::hash::{Hash, leaf_hash};
use crate::record::{Origin, Record, RecordError};
use chancery_base::Salt;

/// What is kept of an entry's payload.
#[derive(Debug, Clone, Copy)]
pub enum Kept<'a> {
    /// There is none: an entry whose record names one is then at fault.
    Nothing,
    /// Salt and canonical bytes.
    Bytes(Salt, &'a [u8]),
    /// The verifier was not given payloads; they are counted and not checked.
    Withheld,
}

/// An entry that was read and hashed; [`super::LogVerifier::take`] says what is wrong with it.
#[derive(Debug)]
pub struct EntryCheck {
    pub(super) record: Result<Record, RecordError>,
    pub(super) leaf: Hash,
    pub(super) payload: Digested,
}

/// What came of a payload and what its record says of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Digested {
    /// There is none, as the record says.
    Nothing,
    /// Its digest is the record's.
    Right,
    /// It was not given.
    Withheld,
    /// The record says that there is none.
    Stray,
    /// The record says that there is one.
    Missing,
    /// Its digest is another.
    Wrong,
}

impl EntryCheck {
    /// Reads and hashes an entry that should be of the log `origin`.
    #[must_use]
    pub fn new(origin: &Origin, bytes: &[u8], payload: Kept<'_>) -> Self {
        let record = Record::parse_of(origin, bytes);
        let payload = record.as_ref().map_or(Digested::Nothing, |record| digested(record, payload));
        Self { record, leaf: leaf_hash(bytes), payload }
    }

    /// The record, if the bytes are one.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref().ok()
    }
}

fn digested(record: &Record, payload: Kept<'_>) -> Digested {
    match (record.payload, payload) {
        (None, Kept::Nothing | Kept::Withheld) => Digested::Nothing,
        (None, Kept::Bytes(..)) => Digested::Stray,
        (Some(_), Kept::Nothing) => Digested::Missing,
        (Some(_), Kept::Withheld) => Digested::Withheld,
        (Some(digest), Kept::Bytes(salt, bytes)) if salt.digest(bytes) == digest => Digested::Right,
        (Some(_), Kept::Bytes(..)) => Digested::Wrong,
    }
}
