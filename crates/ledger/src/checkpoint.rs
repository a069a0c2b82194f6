//! Checkpoints: signed tree heads (C2SP tlog-checkpoint).
//!
//! The key that signs a log's checkpoints bears the name of the log's cluster, the first part of the origin: one
//! key serves all logs of an installation, and a key signs for no other installation even where both are trusted.

use crate::hash::{Hash, TreeSize};
use crate::note::{KeyName, Keys, Note, NoteError, SigningKey, VerifierKey};
use crate::record::Origin;
use chancery_base::Kind;
use chancery_base::json::INTEGER_MAX;

/// The head of a log's tree at a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many entries.
    pub size: TreeSize,
    /// The root over them.
    pub root: Hash,
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a note, or not signed by a known key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not a checkpoint's.
    #[error("a checkpoint is three lines, origin, size and root: {0}")]
    Form(&'static str),
    /// A key signed that is not of the log's cluster.
    #[error("key `{key}` does not sign for `{origin}`: its name is not the log's cluster")]
    Signer {
        /// The key's name.
        key: KeyName,
        /// The log.
        origin: Origin,
    },
}

impl CheckpointError {
    /// What it means to the one who sent the checkpoint.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Note(err) => err.kind(),
            Self::Form(_) | Self::Signer { .. } => Kind::Invalid,
        }
    }
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Signs it: the whole note, as it is stored and served.
    ///
    /// # Errors
    /// If the key's name is not the log's cluster.
    pub fn sign(&self, key: &SigningKey) -> Result<String, CheckpointError> {
        self.check_signer(key.name())?;
        Ok(Note::sign(self.text(), &[key])?.to_string())
    }

    /// Reads a note, verifies it and gives what it says. Signatures by unknown keys are skipped.
    ///
    /// # Errors
    /// If it is not a checkpoint, or not signed by a known key of the log's cluster.
    pub fn open(note: &str, keys: &Keys) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        Self::verify(&note, keys).map(|(checkpoint, _)| checkpoint)
    }

    /// As [`Checkpoint::open`], of a note that was read; also the keys that signed.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn verify<'k>(note: &Note, keys: &'k Keys) -> Result<(Self, Vec<&'k VerifierKey>), CheckpointError> {
        let checkpoint = Self::parse_text(note.text())?;
        let signers = note.verify(keys)?;
        for key in &signers {
            checkpoint.check_signer(key.name())?;
        }
        Ok((checkpoint, signers))
    }

    /// What a checkpoint's text says, whoever signed it. Extension lines are refused: nobody audits them.
    ///
    /// # Errors
    /// If it is not a checkpoint's text in its one spelling.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Form("the last line does not end"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form("there are not three"));
        };
        let origin = origin.parse().ok().ok_or(CheckpointError::Form("the origin is not one of ours"))?;
        let size = size.parse().ok().filter(|size| *size <= INTEGER_MAX.unsigned_abs());
        let size = size.map(TreeSize).ok_or(CheckpointError::Form("the size is not a number up to 2^53"))?;
        let root = root.parse().ok().ok_or(CheckpointError::Form("the root is not 32 bytes in base64"))?;
        let checkpoint = Self { origin, size, root };
        if checkpoint.text() == text { Ok(checkpoint) } else { Err(CheckpointError::Form("not its one spelling")) }
    }

    fn check_signer(&self, name: &KeyName) -> Result<(), CheckpointError> {
        if name.as_str() == self.origin.cluster().as_str() {
            return Ok(());
        }
        Err(CheckpointError::Signer { key: name.clone(), origin: self.origin.clone() })
    }
}
