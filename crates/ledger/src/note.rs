//! Signed notes and the keys that sign them (C2SP signed-note, signature type 0x01: Ed25519).

mod key;

pub use key::{KeyError, KeyName, Keys, SigningKey, VerifierKey};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_base::Kind;
use std::fmt;

/// Bytes of a note at most: room for the 16 signatures of 5 kB that every reader must take.
pub const NOTE_BYTES_MAX: usize = 128 << 10;
/// Signatures of a note at most.
pub const SIGNATURES_MAX: usize = 64;

/// A text and its signatures. Nothing of it is to be believed before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, which ends in a newline.
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One line below the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: KeyName,
    /// The first bytes of the key's digest.
    pub id: [u8; 4],
    /// The signature, whose form is the key's matter.
    pub signature: Vec<u8>,
}

/// Why a note is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More than [`NOTE_BYTES_MAX`] bytes or [`SIGNATURES_MAX`] signatures.
    #[error("the note is too large")]
    TooLarge,
    /// It does not have a note's form.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// A key that is known did not sign this.
    #[error("the signature of `{0}` does not fit the text")]
    Signature(KeyName),
    /// No key that is known signed it.
    #[error("signed by {0}, none of which is a known key")]
    Unknown(String),
}

impl NoteError {
    /// What it means to the one who sent the note.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::TooLarge,
            Self::Form(_) | Self::Signature(_) | Self::Unknown(_) => Kind::Invalid,
        }
    }
}

impl Note {
    /// Signs a text with each of the keys.
    ///
    /// # Errors
    /// If the text does not end in a newline or has control characters.
    pub fn sign(text: String, keys: &[&SigningKey]) -> Result<Self, NoteError> {
        check_text(&text)?;
        let signatures = keys.iter().map(|key| key.sign(text.as_bytes())).collect();
        Ok(Self { text, signatures })
    }

    /// Reads a note without believing it.
    ///
    /// # Errors
    /// If it is not a note in its one spelling.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Form("no blank line before the signatures"))?;
        let (text, rest) = note.split_at_checked(end + 1).ok_or(NoteError::Form("no text"))?;
        check_text(text)?;
        let lines = rest.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n'));
        let lines = lines.ok_or(NoteError::Form("it does not end in a newline"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::TooLarge);
            }
            signatures.push(parse_signature(line)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, to be believed after [`Note::verify`] only.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, known and unknown.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Verifies the signatures of all keys that are known and skips the others, as signed-note demands; gives
    /// the keys that signed.
    ///
    /// # Errors
    /// If a known key's signature is wrong, or no known key signed.
    pub fn verify<'k>(&self, keys: &'k Keys) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signers = Vec::new();
        for line in &self.signatures {
            let Some(key) = keys.find(&line.name, line.id) else { continue };
            if !key.verify(self.text.as_bytes(), &line.signature) {
                return Err(NoteError::Signature(line.name.clone()));
            }
            signers.push(key);
        }
        if signers.is_empty() {
            let names: Vec<_> = self.signatures.iter().map(|line| format!("`{}`", line.name)).collect();
            return Err(NoteError::Unknown(names.join(", ")));
        }
        Ok(signers)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = self.id.iter().chain(&self.signature).copied().collect();
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Form("the text does not end in a newline"));
    }
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Form("it has control characters"));
    }
    Ok(())
}

fn parse_signature(line: &str) -> Result<NoteSignature, NoteError> {
    const FORM: NoteError = NoteError::Form("a signature is `— <key name> <base64>`");
    let (name, encoded) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(FORM)?;
    let name = name.parse().ok().ok_or(FORM)?;
    // The engine refuses white space, absent padding and stray trailing bits: one signature, one spelling.
    let bytes = STANDARD.decode(encoded).ok().ok_or(FORM)?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(FORM)?;
    Ok(NoteSignature { name, id: *id, signature: signature.to_vec() })
}
