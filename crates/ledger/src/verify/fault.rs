//! What is wrong with a log, and where.

use crate::checkpoint::CheckpointError;
use crate::hash::{Hash, LeafIndex, TreeSize};
use crate::record::{Origin, RecordError};
use crate::tile::TileId;
use chancery_base::{Kind, TransactionId};
use std::fmt;

/// What went wrong in a reader that the caller gave.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The first thing that is wrong with a log: `entry 41: …`, `tile 0/3: …`, `checkpoint 812: …`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    #[source]
    pub problem: Box<Problem>,
}

/// Where a log is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An entry.
    Entry(LeafIndex),
    /// A tile.
    Tile(TileId),
    /// The checkpoint of a size.
    Checkpoint(TreeSize),
    /// A checkpoint whose size cannot be read, by its place among those that were given, from 0.
    Note(u64),
}

/// What is wrong there.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The bytes are not a record.
    #[error("not a record: {0}")]
    Record(#[source] RecordError),
    /// It is of another log.
    #[error("it is of the log `{0}`")]
    OtherLog(Origin),
    /// Its number is not its place.
    #[error("its seq is {0}: an entry is missing, stands twice or was moved")]
    Seq(u64),
    /// An owner wrote after it had lost the shard.
    #[error("its epoch {found} is lower than {before} before it")]
    Epoch {
        /// The entry's.
        found: u64,
        /// The one of the entry before.
        before: u64,
    },
    /// `n` and `last` without a transaction, or a transaction without `n`.
    #[error("its refs name a transaction without n, or n or last without a transaction")]
    Refs,
    /// A gap in a transaction.
    #[error("it is n {found} of {transaction}, which comes to n {expected}: an entry of the transaction is missing")]
    Number {
        /// The transaction.
        transaction: TransactionId,
        /// The entry's number.
        found: u64,
        /// The one that comes next.
        expected: u64,
    },
    /// An entry after the last one of its transaction.
    #[error("{0} had its last entry before")]
    AfterLast(TransactionId),
    /// The record names a payload, and there is none.
    #[error("its payload is missing")]
    PayloadMissing,
    /// There is a payload that the record does not name.
    #[error("it has a payload that its record does not name")]
    PayloadStray,
    /// The payload is another than the one that was recorded.
    #[error("its payload or salt was changed: the digest is another")]
    PayloadDigest,
    /// The log ends before an entry that a checkpoint covers.
    #[error("it is missing, and checkpoint {0} covers it")]
    MissingEntry(TreeSize),
    /// The log has another size than the one that stands beside it.
    #[error("there are {size} entries, and there should be {expected}")]
    Size {
        /// What there should be.
        expected: TreeSize,
        /// What there is.
        size: TreeSize,
    },
    /// A tile could not be read.
    #[error("it cannot be read")]
    TileRead(#[source] BoxError),
    /// A tile is not whole hashes.
    #[error("its {0} bytes are not 1 to 256 hashes of 32 bytes")]
    TileForm(usize),
    /// A hash of a tile is another than the one that the entries give.
    #[error("hash {0} of it is not the one that the entries give")]
    TileHash(usize),
    /// A tile covers entries that are not there.
    #[error("it has {found} hashes, and the entries give {given}: entries are missing at the end, or it was changed")]
    TileBeyond {
        /// How many it has.
        found: usize,
        /// How many the entries give.
        given: usize,
    },
    /// A tile has fewer hashes than a checkpoint or the tiles below or after it need.
    #[error("it is missing or has too few hashes: its level has {found}, and {needed} are needed")]
    TileShort {
        /// Hashes of the level in all its tiles.
        found: u64,
        /// How many there should be.
        needed: u64,
    },
    /// A checkpoint is not believed.
    #[error("{0}")]
    Checkpoint(#[source] CheckpointError),
    /// A checkpoint has another root than the entries that it covers.
    #[error("signed is the root {signed}, and the entries give {found}: history was rewritten")]
    Root {
        /// What was signed.
        signed: Hash,
        /// What the entries give.
        found: Hash,
    },
    /// The caller gave a checkpoint after entries that it covers.
    #[error("it was given after entries that it covers; checkpoints come first")]
    TooLate,
}

impl Fault {
    pub(super) fn new(place: Place, problem: Problem) -> Self {
        Self { place, problem: Box::new(problem) }
    }

    /// What it means to the one who asked.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Broken
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::Tile(id) => write!(f, "{id}"),
            Self::Checkpoint(size) => write!(f, "checkpoint {size}"),
            Self::Note(number) => write!(f, "checkpoint note {number}"),
        }
    }
}
