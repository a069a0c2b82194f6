//! Why a token is not issued, not narrowed or not accepted.

use chancery_base::Kind;
use chancery_base::limits::{CAPABILITY_BLOCKS_MAX, CAPABILITY_BYTES_MAX};

/// Why a token is not issued, not narrowed or not accepted. It repeats nothing of the token that grants anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// It is longer than any that there is.
    #[error("a capability token has at most {CAPABILITY_BYTES_MAX} bytes")]
    TooLarge,
    /// It was narrowed too often.
    #[error("a capability token is narrowed {CAPABILITY_BLOCKS_MAX} times at most")]
    TooDeep,
    /// It is no token, or none of ours.
    #[error("this is not a capability token: {0}")]
    Form(String),
    /// None of the keys that are trusted is the one that it says it was signed with.
    #[error("the token was not issued under any of the keys that are trusted")]
    Untrusted,
    /// Its signatures do not fit.
    #[error("the signature of the token does not fit")]
    Signature,
    /// Whoever presents it did not prove that it holds the key that the token is bound to.
    #[error("the proof does not fit: it is by another key, for another token, or for another challenge")]
    Proof,
    /// It does not grant this.
    #[error("the token does not grant this: {}", .0.join("; "))]
    Denied(Vec<String>),
    /// What it is to be narrowed to is no narrowing.
    #[error("{0}")]
    Narrowing(&'static str),
}

impl CapabilityError {
    /// What it means to the one who presented the token.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::TooLarge,
            Self::TooDeep | Self::Form(_) | Self::Narrowing(_) => Kind::Invalid,
            Self::Untrusted | Self::Signature | Self::Proof | Self::Denied(_) => Kind::Denied,
        }
    }

    pub(crate) fn form(cause: impl std::fmt::Display) -> Self {
        Self::Form(cause.to_string())
    }
}
