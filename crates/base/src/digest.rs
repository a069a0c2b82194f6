//! SHA-256 digests as they stand in records: `sha256:<64 hex digits>`.

use crate::Entropy;
use crate::wire::as_text;
use sha2::{Digest as _, Sha256};
use std::ops::Deref;
use std::str::FromStr;

/// A SHA-256 digest; on the wire `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Why a text is not a [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is `sha256:` followed by 64 lower-case hex digits")]
pub struct DigestError;

impl Digest {
    /// SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// SHA-256 of the parts one after the other, without copying them together.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The digest whose bytes these are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its text, made without the heap.
    #[must_use]
    pub fn text(&self) -> HexText<71> {
        HexText::new(b"sha256:", &self.0)
    }

    /// The 64 hex digits without the `sha256:` before them.
    #[must_use]
    pub fn hex(&self) -> String {
        hex_encode(&self.0)
    }
}

/// A prefix and lower-case hex digits, `N` bytes together: the text of an id or a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HexText<const N: usize>([u8; N]);

impl<const N: usize> HexText<N> {
    /// INVARIANT: of the prefix, which is ASCII, and two digits a byte there are `N`.
    pub(crate) fn new(prefix: &[u8], bytes: &[u8]) -> Self {
        debug_assert!(prefix.is_ascii() && prefix.len() + 2 * bytes.len() == N, "{N} bytes");
        let mut text = [b'0'; N];
        if let Some((head, hex)) = text.split_at_mut_checked(prefix.len()) {
            head.copy_from_slice(prefix);
            for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
                pair.copy_from_slice(&digits(*byte));
            }
        }
        Self(text)
    }
}

impl<const N: usize> Deref for HexText<N> {
    type Target = str;

    fn deref(&self) -> &str {
        // INVARIANT: made of ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex_encode(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| digits(*byte)).map(char::from).collect()
}

fn digits(byte: u8) -> [u8; 2] {
    PAIRS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The two hex digits of each byte.
static PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        // A `const` has no other way to fill an array.
        #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a byte is below 256")]
        {
            pairs[byte] = [digit(byte as u8 >> 4), digit(byte as u8 & 15)];
        }
        byte += 1;
    }
    pairs
};

const fn digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

/// Reads lower-case hex of exactly `N` bytes; upper case is refused, so that a text has one spelling.
#[must_use]
pub fn hex_decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.len() != N * 2 {
        return None;
    }
    let mut out = [0_u8; N];
    let mut all = 0;
    for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let (high, low) = (nibble(*high), nibble(*low));
        all |= high | low;
        *slot = (high << 4) | (low & 15);
    }
    (all < 16).then_some(out)
}

/// What each byte says as a hex digit; what is none says more than 15.
static NIBBLES: [u8; 256] = {
    let mut nibbles = [u8::MAX; 256];
    let mut nibble = 0_u8;
    while nibble < 16 {
        // A `const` has no other way to fill an array.
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
        {
            nibbles[digit(nibble) as usize] = nibble;
        }
        nibble += 1;
    }
    nibbles
};

fn nibble(digit: u8) -> u8 {
    NIBBLES.get(usize::from(digit)).copied().unwrap_or(u8::MAX)
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").ok_or(DigestError)?;
        hex_decode::<32>(hex).map(Self).ok_or(DigestError)
    }
}

as_text!(Digest);

/// The 16 random bytes that go before a payload when it is digested, so that a digest of a guessable payload
/// tells nothing and destroying the salt makes the digest meaningless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// Draws a salt.
    pub fn draw(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes16())
    }

    /// SHA-256(salt ‖ payload): the `payload` of a record.
    #[must_use]
    pub fn digest(&self, payload: &[u8]) -> Digest {
        Digest::of_parts(&[&self.0, payload])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_and_has_one_spelling() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().to_uppercase().parse::<Digest>(), Err(DigestError));
        assert_eq!("sha256:00".parse::<Digest>(), Err(DigestError));
        assert_eq!(Digest::of_parts(&[b"a", b"bc"]), digest);
    }
}
