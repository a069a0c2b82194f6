//! Keys: the issuer's, which tokens are signed with, and the worker's, which they are bound to.

use crate::CapabilityError;
use crate::proof::Proof;
use biscuit_auth::{Algorithm, KeyPair, PrivateKey};
use chancery_base::digest::{hex_decode, hex_encode};
use chancery_base::{Digest, Entropy, Kind, PublicKey, Secret};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use zeroize::Zeroizing;

/// What a private key's text begins with, as Biscuit writes it.
const PRIVATE: &str = "ed25519-private/";

/// Why a text is not a private key. It repeats nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a private key is `ed25519-private/` followed by 64 lower-case hex digits")]
pub struct KeyError;

impl KeyError {
    /// What it means to the one who gave the text.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// The key that a node signs tokens with. It never prints.
#[derive(Clone)]
pub struct IssuerKey {
    seed: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

/// A worker's key, which its tokens are bound to. It never prints.
#[derive(Clone)]
pub struct WorkerKey {
    key: SigningKey,
}

/// By what number a token names the key that it was issued under: the first four bytes of the SHA-256 of it.
#[must_use]
pub fn key_id(key: &PublicKey) -> u32 {
    let [a, b, c, d, ..] = *Digest::of(key.as_bytes()).as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Whether a key is a point of the curve, and none that anybody can sign for.
#[must_use]
pub fn is_sound(key: &PublicKey) -> bool {
    VerifyingKey::from_bytes(key.as_bytes()).is_ok_and(|key| !key.is_weak())
}

impl IssuerKey {
    /// Draws a key.
    #[must_use]
    pub fn draw(entropy: &mut Entropy) -> Self {
        Self::from_seed(&seed(entropy))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// If the text is none.
    pub fn from_secret(text: &Secret) -> Result<Self, KeyError> {
        Ok(Self::from_seed(&*private(text)?))
    }

    /// Its text, to be kept.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        private_text(&self.seed)
    }

    /// Its public half, which others check tokens with.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn pair(&self) -> Result<KeyPair, CapabilityError> {
        pair(&self.seed)
    }

    fn from_seed(seed: &[u8; 32]) -> Self {
        let public = PublicKey::from_bytes(SigningKey::from_bytes(seed).verifying_key().to_bytes());
        Self { seed: Zeroizing::new(*seed), public }
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl WorkerKey {
    /// Draws a key.
    #[must_use]
    pub fn draw(entropy: &mut Entropy) -> Self {
        Self { key: SigningKey::from_bytes(&seed(entropy)) }
    }

    /// Reads a key.
    ///
    /// # Errors
    /// If the text is none.
    pub fn from_secret(text: &Secret) -> Result<Self, KeyError> {
        Ok(Self { key: SigningKey::from_bytes(&*private(text)?) })
    }

    /// Its text, to be kept.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        private_text(&Zeroizing::new(self.key.to_bytes()))
    }

    /// Its public half, which the worker presents when it asks for tasks.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.key.verifying_key().to_bytes())
    }

    /// Proves to whoever drew the challenge that the one who presents this token holds this key.
    ///
    /// # Errors
    /// If it is no token, or the challenge is longer than `CHALLENGE_BYTES_MAX` or empty.
    pub fn prove(&self, token: &str, challenge: &[u8]) -> Result<Proof, CapabilityError> {
        let message = crate::proof::message(token, challenge)?;
        Ok(Proof::from_bytes(self.key.sign(&message).to_bytes()))
    }
}

impl PartialEq for WorkerKey {
    fn eq(&self, other: &Self) -> bool {
        self.public() == other.public()
    }
}

impl Eq for WorkerKey {}

impl fmt::Debug for WorkerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// The pair of a seed.
pub(crate) fn pair(seed: &[u8; 32]) -> Result<KeyPair, CapabilityError> {
    let private = PrivateKey::from_bytes(seed, Algorithm::Ed25519).map_err(CapabilityError::form)?;
    Ok(KeyPair::from(&private))
}

/// 32 bytes of entropy.
pub(crate) fn seed(entropy: &mut Entropy) -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    let drawn = Zeroizing::new([entropy.bytes16(), entropy.bytes16()]);
    for (to, from) in seed.iter_mut().zip(drawn.iter().flatten()) {
        *to = *from;
    }
    seed
}

fn private(text: &Secret) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let hex = text.expose().strip_prefix(PRIVATE).ok_or(KeyError)?;
    hex_decode::<32>(hex).map(Zeroizing::new).ok_or(KeyError)
}

fn private_text(seed: &[u8; 32]) -> Secret {
    let hex = Zeroizing::new(hex_encode(seed));
    Secret::new(format!("{PRIVATE}{}", hex.as_str()))
}
