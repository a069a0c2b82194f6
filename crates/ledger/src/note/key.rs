//! Keys of notes: their names, their texts, signing and verifying.

use super::NoteSignature;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_base::digest::{hex_decode, hex_encode};
use chancery_base::{Digest, Kind, Name, Secret};
use ed25519_dalek::Signer as _;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use zeroize::{Zeroize as _, Zeroizing};

/// The signature type of signed-note: Ed25519.
const ED25519: u8 = 0x01;
/// Bytes of a key's name at most.
const NAME_BYTES_MAX: usize = 256;

/// A key's name: neither spaces nor `+` nor control characters. The key of a log bears the name of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(Arc<str>);

/// The public half: `<name>+<id>+<base64>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: [u8; 4],
    key: ed25519_dalek::VerifyingKey,
}

/// The private half. It never prints; its text comes out through [`SigningKey::to_secret`] only.
#[derive(Clone)]
pub struct SigningKey {
    name: KeyName,
    id: [u8; 4],
    key: ed25519_dalek::SigningKey,
}

/// The keys that a verifier trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<VerifierKey>);

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a name.
    #[error("a key's name has 1 to 256 bytes, no space, no `+`, no control character")]
    Name,
    /// Not a public key.
    #[error("a verifier key is `<name>+<8 hex digits>+<base64>`")]
    Verifier,
    /// Not a private key. Says nothing of what it was.
    #[error("a signing key is `PRIVATE+KEY+<name>+<8 hex digits>+<base64>`")]
    Signer,
    /// The id is not that of this name and key.
    #[error("the id of key `{0}` is not the one of its name and bytes")]
    Id(KeyName),
    /// The bytes are not a point of the curve, or one that anybody can sign for.
    #[error("key `{0}` is not a sound Ed25519 key")]
    Point(KeyName),
}

impl KeyError {
    /// What it means to the one who sent the key.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl KeyName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Name> for KeyName {
    /// A name has none of the characters that a key's name must not have.
    fn from(name: &Name) -> Self {
        Self(Arc::from(name.as_str()))
    }
}

impl FromStr for KeyName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(bad) {
            return Err(KeyError::Name);
        }
        Ok(Self(Arc::from(text)))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), its first four bytes.
fn key_id(name: &KeyName, public: &[u8; 32]) -> [u8; 4] {
    let digest = Digest::of_parts(&[name.as_str().as_bytes(), b"\n", &[ED25519], public]);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

/// `<name>+<id>+<base64 of 0x01 and 32 bytes>`
fn parse_key(text: &str) -> Option<(KeyName, [u8; 4], Zeroizing<[u8; 32]>)> {
    let (name, rest) = text.split_once('+')?;
    let (id, encoded) = rest.split_once('+')?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let (first, key) = bytes.split_first()?;
    if *first != ED25519 {
        return None;
    }
    let key: [u8; 32] = key.try_into().ok()?;
    Some((name.parse().ok()?, hex_decode(id)?, Zeroizing::new(key)))
}

impl VerifierKey {
    /// The key with these 32 bytes (RFC 8032).
    ///
    /// # Errors
    /// If they are not a point of the curve, or one of the few for which anybody can sign.
    pub fn from_bytes(name: KeyName, public: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(public).ok().filter(|key| !key.is_weak());
        match key {
            Some(key) => Ok(Self { id: key_id(&name, public), name, key }),
            None => Err(KeyError::Point(name)),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its id: together with the name it says which key signed.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The 32 bytes of the public key (RFC 8032).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether this key signed the message: the strict form, which refuses every second spelling of a signature.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = [ED25519].into_iter().chain(*self.as_bytes()).collect();
        write!(f, "{}+{}+{}", self.name, hex_encode(&self.id), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, public) = parse_key(text).ok_or(KeyError::Verifier)?;
        let key = Self::from_bytes(name, &public)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id(key.name)) }
    }
}

impl SigningKey {
    /// The key of a seed of 32 random bytes (RFC 8032).
    #[must_use]
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        Self { id: key_id(&name, key.verifying_key().as_bytes()), name, key }
    }

    /// Reads `PRIVATE+KEY+<name>+<id>+<base64>`.
    ///
    /// # Errors
    /// If it is not that, or the id is not the key's.
    pub fn from_secret(text: &Secret) -> Result<Self, KeyError> {
        let rest = text.expose().strip_prefix("PRIVATE+KEY+").ok_or(KeyError::Signer)?;
        let (name, id, seed) = parse_key(rest).ok_or(KeyError::Signer)?;
        let key = Self::from_seed(name, &seed);
        if key.id == id { Ok(key) } else { Err(KeyError::Id(key.name)) }
    }

    /// Writes `PRIVATE+KEY+<name>+<id>+<base64>`, to be kept where only the server can read.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        let mut bytes: Vec<u8> = [ED25519].into_iter().chain(self.key.to_bytes()).collect();
        let mut encoded = STANDARD.encode(&bytes);
        let text = format!("PRIVATE+KEY+{}+{}+{encoded}", self.name, hex_encode(&self.id));
        bytes.zeroize();
        encoded.zeroize();
        Secret::new(text)
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), id: self.id, key: self.key.verifying_key() }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    pub(super) fn sign(&self, text: &[u8]) -> NoteSignature {
        let signature = self.key.sign(text).to_bytes().to_vec();
        NoteSignature { name: self.name.clone(), id: self.id, signature }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Keys {
    /// These keys and no others.
    #[must_use]
    pub const fn new(keys: Vec<VerifierKey>) -> Self {
        Self(keys)
    }

    /// One key.
    #[must_use]
    pub fn one(key: VerifierKey) -> Self {
        Self(vec![key])
    }

    /// The key with this name and id.
    #[must_use]
    pub fn find(&self, name: &KeyName, id: [u8; 4]) -> Option<&VerifierKey> {
        self.0.iter().find(|key| key.name == *name && key.id == id)
    }

    /// The keys in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &VerifierKey> {
        self.0.iter()
    }
}
