//! What a tenant demands of a bundle before it is put into force, and whose signatures of it count.
//!
//! A signature is a line below a signed note (C2SP signed-note, Ed25519) whose text names the bundle by its digest. So
//! tools that sign and check such notes can sign and check bundles.

use crate::row::{Sealed, TrustRow};
use chancery_base::{Digest, Name, PrincipalId};
pub use chancery_ledger::note::{KeyName, Note, SigningKey, VerifierKey};

use chancery_ledger::note::NoteError;
use chancery_policy::Bundle;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The first line of what is signed: no note of another sort begins so.
const HEAD: &str = "chancery bundle";

/// What is demanded of a bundle before it is put into force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleRules {
    /// Whether somebody else than who pushed it has to.
    pub second_person: bool,
    /// How many of the signers must have signed it.
    pub signatures: u32,
}

/// The rules, and whose signatures count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// What is demanded.
    pub rules: BundleRules,
    /// Whose signatures count, by name; no name and no key twice.
    pub signers: Vec<VerifierKey>,
}

/// What a row holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    rules: BundleRules,
    signers: Vec<String>,
}

/// A bundle, as far as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its version.
    pub version: u64,
    /// Its digest.
    pub digest: Digest,
}

/// What was taken of a note.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The lines of the signatures that count.
    pub lines: String,
    /// Who else signed.
    pub left_out: Vec<KeyName>,
}

/// Why signatures are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no signed note.
    #[error("the signatures are no signed note: {0}")]
    Note(#[from] NoteError),
    /// They are of something else.
    #[error("the signatures are of `{signed}`, and the bundle is `{bundle}`")]
    Subject {
        /// What was signed, in one line.
        signed: String,
        /// What is to be.
        bundle: String,
    },
    /// Another key under a trusted signer's name.
    #[error("`{0}` signed with another key than the one that is trusted under this name")]
    OtherKey(KeyName),
    /// A trusted signer's signature that is wrong.
    #[error("the signature of `{0}` is not one of this bundle by the key that is trusted under this name")]
    Wrong(KeyName),
}

impl<'a> From<&'a Bundle> for Subject<'a> {
    fn from(bundle: &'a Bundle) -> Self {
        Self { name: bundle.name(), version: bundle.version(), digest: bundle.digest() }
    }
}

impl Subject<'_> {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{HEAD}\n{} {}\n{}\n", self.name, self.version, self.digest)
    }
}

/// Signs a bundle.
///
/// # Errors
/// If what is signed is no text of a note; that of a bundle which was read is one.
pub fn sign(subject: Subject<'_>, key: &SigningKey) -> Result<Note, NoteError> {
    Note::sign(subject.text(), &[key])
}

/// The version that a note's bundle has, where it is of one of this name.
#[must_use]
pub fn version_of(note: &Note, name: &str) -> Option<u32> {
    let line = note.text().strip_prefix(HEAD)?.strip_prefix('\n')?.lines().next()?;
    line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()
}

/// The lines below a note's text.
#[must_use]
pub fn lines(note: &Note) -> String {
    note.signatures().iter().map(|signature| format!("{signature}\n")).collect()
}

/// Lines, and those of others that they have not, in their order.
#[must_use]
pub fn united(lines: &str, others: &str) -> Arc<str> {
    let new = others.lines().filter(|line| !lines.lines().any(|known| known == *line));
    let new: String = new.map(|line| format!("{line}\n")).collect();
    Arc::from(format!("{lines}{new}"))
}

/// Lines of signatures of a bundle as the note that they are of; none where there are none.
///
/// # Errors
/// If they are damaged.
pub fn note_of(subject: Subject<'_>, lines: &str) -> Result<Option<Note>, NoteError> {
    if lines.is_empty() {
        return Ok(None);
    }
    Note::parse(&format!("{}\n{lines}", subject.text())).map(Some)
}

impl Trust {
    /// Takes a note as signatures of a bundle: those by trusted signers are right, each; those by others, of which nothing
    /// can be told, are left out.
    ///
    /// # Errors
    /// If one is wrong; nothing of the note counts then.
    pub fn take(&self, note: &str, subject: Subject<'_>) -> Result<Taken, SignatureError> {
        let note = Note::parse(note)?;
        if note.text() != subject.text() {
            let one_line = |text: &str| text.trim_end().replace('\n', ", ");
            return Err(SignatureError::Subject { signed: one_line(note.text()), bundle: one_line(&subject.text()) });
        }
        let mut taken = Taken::default();
        for line in note.signatures() {
            let Some(key) = self.signers.iter().find(|key| *key.name() == line.name) else {
                taken.left_out.push(line.name.clone());
                continue;
            };
            if key.id() != line.id {
                return Err(SignatureError::OtherKey(line.name.clone()));
            }
            if !key.verify(note.text().as_bytes(), &line.signature) {
                return Err(SignatureError::Wrong(line.name.clone()));
            }
            taken.lines = format!("{}{line}\n", taken.lines);
        }
        Ok(taken)
    }

    /// The signers whose right signatures are among a note's, each once.
    #[must_use]
    pub fn signers_of(&self, note: &Note) -> Vec<&VerifierKey> {
        let signed = |key: &&VerifierKey| {
            let mut of_key = note.signatures().iter().filter(|line| line.name == *key.name() && line.id == key.id());
            of_key.any(|line| key.verify(note.text().as_bytes(), &line.signature))
        };
        self.signers.iter().filter(signed).collect()
    }

    /// Whether `actor` may put into force the bundle that `pushed_by` pushed and that has these signatures.
    ///
    /// # Errors
    /// Why not, in words for them: everything that is missing.
    pub fn check(
        &self,
        actor: PrincipalId,
        subject: Subject<'_>,
        (pushed_by, lines): (PrincipalId, &str),
    ) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        if self.rules.second_person && actor == pushed_by {
            reasons.push(format!("{actor} pushed this bundle, and somebody else has to put it into force"));
        }
        let needed = self.rules.signatures;
        // Damaged signatures are none.
        let note = note_of(subject, lines).ok().flatten();
        let signers = note.as_ref().map(|note| self.signers_of(note)).unwrap_or_default();
        if signers.len() < usize::try_from(needed).unwrap_or(usize::MAX) {
            let names: Vec<String> = signers.iter().map(|key| format!("`{}`", key.name())).collect();
            let by = if names.is_empty() { String::new() } else { format!(", by {}", names.join(", ")) };
            let count = names.len();
            reasons.push(format!("it takes signatures of {needed} trusted signers, and this bundle has {count}{by}"));
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a row says; none if it is damaged.
    pub(crate) fn of(row: &TrustRow) -> Option<Self> {
        let body: Body = row.body.read()?;
        let signers = body.signers.iter().map(|key| key.parse().ok()).collect::<Option<Vec<_>>>()?;
        Some(Self { rules: body.rules, signers })
    }

    /// Its row.
    pub(crate) fn row(&self) -> TrustRow {
        let body = Body { rules: self.rules, signers: self.signers.iter().map(ToString::to_string).collect() };
        TrustRow { body: Sealed::json(&body) }
    }
}

#[cfg(test)]
mod tests;
