//! Signatures of what is sent to others, after Standard Webhooks 1.0.0: `v1` is HMAC-SHA-256 over
//! `<id>.<timestamp>.<body>`, in base64; a message that is signed with several secrets has several, a blank between two.

use crate::secret::constant_time_eq;
use crate::{Digest, Entropy, Secret, Timestamp};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::time::Duration;
use zeroize::Zeroize;

/// The header with the message's id, the same for every attempt to send it.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";
/// How far the time of an attempt may be from the receiver's.
pub const TOLERANCE: Duration = Duration::from_secs(300);

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1";
/// Bytes of a secret: what the specification allows.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Bytes of a secret that is made here.
const DRAWN_BYTES: usize = 32;
/// Signatures of one message that a receiver looks at.
const SIGNATURES_MAX: usize = 16;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A signing secret. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct SigningSecret(Vec<u8>);

/// Why a text is no signing secret. It does not say which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is `whsec_` followed by 24 to 64 bytes in base64")]
pub struct SecretError;

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is missing, or its value is not one.
    #[error("the header `{0}` is missing or is not one")]
    Header(&'static str),
    /// It is too old.
    #[error("the message is older than {} s", TOLERANCE.as_secs())]
    TooOld,
    /// It comes from the future.
    #[error("the message is from more than {} s ahead", TOLERANCE.as_secs())]
    TooNew,
    /// None of its signatures is one that a secret makes.
    #[error("no signature of the message is right")]
    Signature,
}

impl SigningSecret {
    /// A new one.
    pub fn draw(entropy: &mut Entropy) -> Self {
        let mut key = Vec::with_capacity(DRAWN_BYTES);
        while key.len() < DRAWN_BYTES {
            key.extend_from_slice(&entropy.bytes8());
        }
        Self(key)
    }

    /// Reads `whsec_…`; the prefix may be left out.
    ///
    /// # Errors
    /// If the text is not one.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let key = base64_decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok_or(SecretError)?;
        if KEY_BYTES.contains(&key.len()) { Ok(Self(key)) } else { Err(SecretError) }
    }

    /// The secret with these bytes.
    ///
    /// # Errors
    /// If there are too few or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        if KEY_BYTES.contains(&bytes.len()) { Ok(Self(bytes.to_vec())) } else { Err(SecretError) }
    }

    /// `whsec_…`, for the one answer that shows it.
    #[must_use]
    pub fn text(&self) -> Secret {
        Secret::new(format!("{PREFIX}{}", base64(&self.0)))
    }

    /// Its bytes. Each call of this is a place to look at.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// What a record says of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// `v1,<base64>` of a message.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        format!("{VERSION},{}", base64(&self.mac(id, seconds, body)))
    }

    fn mac(&self, id: &str, seconds: i64, body: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.0, &[id.as_bytes(), b".", seconds.to_string().as_bytes(), b".", body])
    }
}

impl Drop for SigningSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for SigningSecret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl Eq for SigningSecret {}

/// What the headers of a message say.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// [`ID`].
    pub id: &'a str,
    /// [`TIMESTAMP`].
    pub timestamp: &'a str,
    /// [`SIGNATURE`].
    pub signature: &'a str,
}

/// Checks that a message was signed with one of these secrets, at about this time. Signatures are compared in constant
/// time; those of other versions are passed over.
///
/// # Errors
/// If the message must not be taken.
pub fn verify(
    secrets: &[SigningSecret],
    headers: Headers<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), WebhookError> {
    if headers.id.is_empty() {
        return Err(WebhookError::Header(ID));
    }
    let seconds: i64 = headers.timestamp.parse().ok().ok_or(WebhookError::Header(TIMESTAMP))?;
    // One text for one number: what is signed is what was parsed.
    if seconds.to_string() != headers.timestamp {
        return Err(WebhookError::Header(TIMESTAMP));
    }
    let now = now.as_micros().div_euclid(1_000_000);
    let tolerance = i64::try_from(TOLERANCE.as_secs()).unwrap_or(i64::MAX);
    if seconds < now.saturating_sub(tolerance) {
        return Err(WebhookError::TooOld);
    }
    if seconds > now.saturating_add(tolerance) {
        return Err(WebhookError::TooNew);
    }
    let expected: Vec<[u8; 32]> = secrets.iter().map(|secret| secret.mac(headers.id, seconds, body)).collect();
    let mut is_right = false;
    for shown in headers.signature.split(' ').take(SIGNATURES_MAX) {
        let Some(shown) = shown.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix(',')) else { continue };
        let Some(shown) = base64_decode(shown) else { continue };
        for expected in &expected {
            is_right |= constant_time_eq(expected, &shown);
        }
    }
    if is_right { Ok(()) } else { Err(WebhookError::Signature) }
}

/// HMAC-SHA-256 (RFC 2104) with a key of 64 bytes at most, of the parts one after the other.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    debug_assert!(key.len() <= 64, "a longer key would have to be hashed first");
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let mut inner = Sha256::new().chain_update(pad(0x36));
    for part in parts {
        inner.update(part);
    }
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// Base64 (RFC 4648, section 4), padded.
fn base64(bytes: &[u8]) -> String {
    let letter = |bits: u32| BASE64.get((bits & 63) as usize).copied().map_or('A', char::from);
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        out.push(letter(bits >> 18));
        out.push(letter(bits >> 12));
        out.push(if chunk.len() > 1 { letter(bits >> 6) } else { '=' });
        out.push(if chunk.len() > 2 { letter(bits) } else { '=' });
    }
    out
}

/// The same read: padded or not, one spelling otherwise.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let bare = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let mut out = Vec::with_capacity(bare.len() / 4 * 3 + 2);
    for chunk in bare.as_bytes().chunks(4) {
        let mut bits: u32 = 0;
        for letter in chunk {
            let value = BASE64.iter().position(|known| known == letter)?;
            bits = (bits << 6) | u32::try_from(value).ok()?;
        }
        let (whole, spare) = match chunk.len() {
            4 => (3, 0),
            3 => (2, 2),
            2 => (1, 4),
            _ => return None,
        };
        if bits & ((1 << spare) - 1) != 0 {
            return None;
        }
        let [_, bytes @ ..] = ((bits >> spare) << (8 * (3 - whole))).to_be_bytes();
        out.extend(bytes.iter().take(usize::try_from(whole).ok()?));
    }
    (bare.len() == text.len() || text.len().is_multiple_of(4)).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// The published example, from the project's own tests.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[track_caller]
    fn check(timestamp: &str, signature: &str, now: i64, expected: Result<(), WebhookError>) {
        let secret = SigningSecret::parse(SECRET).unwrap();
        let headers = Headers { id: MESSAGE, timestamp, signature };
        assert_eq!(verify(std::slice::from_ref(&secret), headers, BODY, at(now)), expected, "{timestamp} {signature}");
    }

    #[test]
    fn the_published_example_signs_and_verifies() {
        assert_eq!(SigningSecret::parse(SECRET).unwrap().sign(MESSAGE, SECONDS, BODY), SIGNED);
        let bare = SigningSecret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(bare.sign(MESSAGE, SECONDS, BODY), SIGNED);
        check("1614265330", SIGNED, SECONDS, Ok(()));
    }

    #[test]
    fn a_message_is_taken_about_when_it_was_signed() {
        check("1614265330", SIGNED, SECONDS + 300, Ok(()));
        check("1614265330", SIGNED, SECONDS - 300, Ok(()));
        check("1614265330", SIGNED, SECONDS + 301, Err(WebhookError::TooOld));
        check("1614265330", SIGNED, SECONDS - 301, Err(WebhookError::TooNew));
        check("01614265330", SIGNED, SECONDS, Err(WebhookError::Header(TIMESTAMP)));
        check("+1614265330", SIGNED, SECONDS, Err(WebhookError::Header(TIMESTAMP)));
        check("soon", SIGNED, SECONDS, Err(WebhookError::Header(TIMESTAMP)));
        check("1614265331", SIGNED, SECONDS, Err(WebhookError::Signature));
    }

    #[test]
    fn one_of_several_signatures_is_enough_and_others_are_passed_over() {
        let several = format!(
            "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= {SIGNED}"
        );
        check("1614265330", &several, SECONDS, Ok(()));
        for wrong in [
            "",
            "v1,",
            "v1",
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O",
            "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ] {
            check("1614265330", wrong, SECONDS, Err(WebhookError::Signature));
        }
        let far = format!("{}{SIGNED}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        check("1614265330", &far, SECONDS, Err(WebhookError::Signature));
    }

    #[test]
    fn while_a_secret_is_rotated_both_are_right() {
        let mut entropy = Entropy::from_seed([3; 32]);
        let (old, new) = (SigningSecret::draw(&mut entropy), SigningSecret::draw(&mut entropy));
        let signature = [&old, &new].map(|secret| secret.sign("m", 7, b"{}")).join(" ");
        let headers = Headers { id: "m", timestamp: "7", signature: &signature };
        for secrets in [vec![old.clone()], vec![new.clone()], vec![new, old]] {
            assert_eq!(verify(&secrets, headers, b"{}", at(7)), Ok(()));
        }
        assert_eq!(verify(&[], headers, b"{}", at(7)), Err(WebhookError::Signature));
        let nameless = Headers { id: "", ..headers };
        assert_eq!(verify(&[], nameless, b"{}", at(7)), Err(WebhookError::Header(ID)));
    }

    #[test]
    fn a_secret_is_read_as_it_is_written_and_never_shown() {
        let secret = SigningSecret::draw(&mut Entropy::from_seed([4; 32]));
        assert_eq!(SigningSecret::parse(secret.text().expose()), Ok(secret.clone()));
        assert_eq!(SigningSecret::from_bytes(secret.expose()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "[redacted]");
        for wrong in ["", "whsec_", "whsec_AAAA", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", &"A".repeat(100)] {
            assert_eq!(SigningSecret::parse(wrong), Err(SecretError), "{wrong}");
        }
    }

    #[test]
    fn base64_is_as_the_standard_says() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(base64_decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        for wrong in ["Z", "Zh==", "Zm9=", "Zg=", "Zm9vY", "Zm9v=", "Z\u{fc}=="] {
            assert_eq!(base64_decode(wrong), None, "{wrong}");
        }
    }

    /// RFC 4231, test cases 1 and 2.
    #[test]
    fn hmac_is_as_the_standard_says() {
        let hex = |key: &[u8], data: &[u8]| crate::digest::hex_encode(&hmac_sha256(key, &[data]));
        assert_eq!(hex(&[0x0b; 20], b"Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        assert_eq!(
            hex(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
