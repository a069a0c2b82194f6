//! An entry's inclusion as one text that other people's tools read (C2SP tlog-proof); files end in `.tlog-proof`.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Hash, LeafIndex, leaf_hash};
use crate::note::{Keys, NOTE_BYTES_MAX};
use crate::proof::{PROOF_HASHES_MAX, ProofError, verify_inclusion};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_base::Kind;
use std::fmt;
use std::str::FromStr;

/// Bytes of the extra data at most.
pub const EXTRA_BYTES_MAX: usize = 64 << 10;
/// Bytes of a proof's text at most.
pub const TLOG_PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry is in the tree of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Bytes that travel along and that nobody vouches for; here the record itself, for those who have only the proof.
    pub extra: Option<Vec<u8>>,
    /// Which entry.
    pub index: LeafIndex,
    /// The inclusion proof, from the leaf up.
    pub hashes: Vec<Hash>,
    /// The checkpoint's note, to the letter.
    pub checkpoint: String,
}

/// Why a proof is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// More than [`TLOG_PROOF_BYTES_MAX`] bytes.
    #[error("the proof is too large")]
    TooLarge,
    /// It does not have the form.
    #[error("not a tlog-proof: {0}")]
    Form(&'static str),
    /// The checkpoint is not believed.
    #[error("the proof's checkpoint is not believed")]
    Checkpoint(#[from] CheckpointError),
    /// The hashes do not lead to the checkpoint's root.
    #[error("the proof does not prove the entry")]
    Inclusion(#[from] ProofError),
}

impl TlogProofError {
    /// What it means to the one who sent the proof.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::TooLarge,
            Self::Form(_) => Kind::Invalid,
            Self::Checkpoint(err) => err.kind(),
            Self::Inclusion(err) => err.kind(),
        }
    }
}

impl TlogProof {
    /// Verifies that the record is in the log, and gives the checkpoint that says so.
    ///
    /// # Errors
    /// If the checkpoint is not believed or the hashes do not lead to its root.
    pub fn verify(&self, record: &[u8], keys: &Keys) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, keys)?;
        verify_inclusion(&leaf_hash(record), self.index, checkpoint.size, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        const FORM: fn(&'static str) -> TlogProofError = TlogProofError::Form;
        if text.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLarge);
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(FORM("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(FORM("the first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.and_then(|line| line.strip_prefix("extra ")).map(|encoded| STANDARD.decode(encoded));
        let extra = extra.transpose().ok().ok_or(FORM("the extra data are not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(|index| index.parse().ok());
        let index = LeafIndex(index.ok_or(FORM("no line `index <number>`"))?);
        let hashes: Result<Vec<Hash>, _> = lines.take(PROOF_HASHES_MAX + 1).map(str::parse).collect();
        let hashes = hashes.ok().filter(|hashes| hashes.len() <= PROOF_HASHES_MAX);
        let hashes = hashes.ok_or(FORM("a line is not a hash, or there are too many"))?;
        let proof = Self { extra, index, hashes, checkpoint: checkpoint.to_owned() };
        // `index 01` is read as a number, but is not how a proof writes it.
        if proof.to_string() == text { Ok(proof) } else { Err(FORM("not its one spelling")) }
    }
}
