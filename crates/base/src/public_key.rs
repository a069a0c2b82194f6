//! Ed25519 public keys as they stand on the wire: `ed25519/<64 hex digits>`, as Biscuit writes them.

use crate::digest::{HexText, hex_decode};
use crate::wire::as_text;
use std::str::FromStr;

/// The bytes of an Ed25519 public key (RFC 8032). Whether they are a sound point is for those who check signatures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// Why a text is not a [`PublicKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a public key is `ed25519/` followed by 64 lower-case hex digits")]
pub struct PublicKeyError;

impl PublicKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its text, made without the heap.
    #[must_use]
    pub fn text(&self) -> HexText<72> {
        HexText::new(b"ed25519/", &self.0)
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        text.strip_prefix("ed25519/").and_then(hex_decode).map(Self).ok_or(PublicKeyError)
    }
}

as_text!(PublicKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_spelling() {
        let key = PublicKey::from_bytes([0xab; 32]);
        assert_eq!(key.to_string(), format!("ed25519/{}", "ab".repeat(32)));
        assert_eq!(key.to_string().parse(), Ok(key));
        let long = "ab".repeat(33);
        for bad in
            ["", "ed25519/", &"ab".repeat(32), &format!("ed25519/{}", "AB".repeat(32)), &format!("ed25519/{long}")]
        {
            assert_eq!(bad.parse::<PublicKey>(), Err(PublicKeyError), "{bad}");
        }
    }
}
