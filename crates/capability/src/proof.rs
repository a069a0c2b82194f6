//! The proof that whoever presents a token holds the key that it is bound to.

use crate::{CapabilityError, text};
use chancery_base::digest::{hex_decode, hex_encode};
use chancery_base::limits::CHALLENGE_BYTES_MAX;
use chancery_base::{Digest, Kind, PublicKey};
use ed25519_dalek::{Signature, VerifyingKey};
use std::fmt;
use std::str::FromStr;

/// Keeps what is signed here apart from whatever else the key signs.
const DOMAIN: &[u8] = b"chancery capability proof v1\n";

/// An Ed25519 signature over the SHA-256 of the token and the challenge; 128 hex digits as text. It is good for this
/// token, narrowed no further, and this challenge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof([u8; 64]);

/// Why a text is not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a proof is 128 lower-case hex digits")]
pub struct ProofError;

impl ProofError {
    /// What it means to the one who gave the text.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Proof {
    pub(crate) const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Whether it is by this key, for this token and this challenge.
    pub(crate) fn fits(&self, key: &PublicKey, token: &str, challenge: &[u8]) -> Result<bool, CapabilityError> {
        let message = message(token, challenge)?;
        let Ok(key) = VerifyingKey::from_bytes(key.as_bytes()) else { return Ok(false) };
        Ok(key.verify_strict(&message, &Signature::from_bytes(&self.0)).is_ok())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex_encode(&self.0))
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        hex_decode(text).map(Self).ok_or(ProofError)
    }
}

/// What is signed.
pub(crate) fn message(token: &str, challenge: &[u8]) -> Result<Vec<u8>, CapabilityError> {
    if challenge.is_empty() || challenge.len() > CHALLENGE_BYTES_MAX {
        let has = challenge.len();
        return Err(CapabilityError::Form(format!("a challenge has 1 to {CHALLENGE_BYTES_MAX} bytes, this has {has}")));
    }
    let digest = Digest::of(&text::decode(token)?);
    Ok([DOMAIN, digest.as_bytes(), challenge].concat())
}
