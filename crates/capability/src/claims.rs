//! What a token says: facts of its first block.

use chancery_base::{DecisionId, Digest, Name, PrincipalId, PublicKey, TenantId, Timestamp, TransactionId};
use std::fmt;

/// What a token says. All of it is the issuer's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// What it is revoked by: a public name of the attempt.
    pub id: Name,
    /// Whose ledger has the permit.
    pub tenant: TenantId,
    /// For whom it is done: who started the transaction.
    pub principal: PrincipalId,
    /// The transaction.
    pub transaction: TransactionId,
    /// The step's name.
    pub step: Name,
    /// Which clone of it, from 0; none: it does not fan out.
    pub index: Option<u32>,
    /// The step, its compensation or its confirm.
    pub phase: Phase,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// SHA-256 of what it is done with, as canonical JSON.
    pub input: Digest,
    /// The decision that permitted it.
    pub decision: DecisionId,
    /// What policy permitted.
    pub action: String,
    /// On what.
    pub resource: Resource,
    /// What for, in the step's words.
    pub purpose: Option<String>,
    /// How much may be spent on it, in whole units of the step's choice.
    pub budget: Option<u64>,
    /// Who does it.
    pub worker: PrincipalId,
    /// The key that it is bound to.
    pub key: PublicKey,
    /// From this second on it is worth nothing.
    pub expires_at: Timestamp,
}

/// A resource, as policy knows it; as text `Account::acc-1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// Its Cedar entity type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
}

/// The step, its compensation or its confirm. For a participant of a TCC `Do` is the try and `Undo` the cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The step.
    Do,
    /// Its compensation.
    Undo,
    /// Its confirm.
    Confirm,
}

impl Phase {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Undo => "undo",
            Self::Confirm => "confirm",
        }
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Do, Self::Undo, Self::Confirm].into_iter().find(|phase| phase.word() == word)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.resource_type, self.id)
    }
}
