//! API keys: `chk_<id, 32 hex digits>_<secret, 64 hex digits>`.

use chancery_base::digest::{hex_decode, hex_encode};
use chancery_base::{Digest, Entropy, KeyId, Kind, Secret, Timestamp};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, Zeroizing};

/// What every API key begins with, so that scanners of leaked secrets know one.
pub const API_KEY_PREFIX: &str = "chk_";

/// An API key: a public id and a secret of 256 bits, which is wiped when dropped and never shown by `Debug`.
#[derive(Clone)]
pub struct ApiKey {
    id: KeyId,
    secret: [u8; 32],
}

/// Why a text is not an API key. It repeats nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an API key is `chk_`, 32 hex digits, `_` and 64 hex digits")]
pub struct ApiKeyError;

impl ApiKeyError {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Unauthenticated
    }
}

/// What is kept of a key: enough to check it, not enough to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// SHA-256 of the secret's 32 bytes. The secret is random, so no salt or slow hash is needed.
    pub hash: Digest,
    /// From this instant on it does not work.
    pub expires_at: Option<Timestamp>,
    /// From this instant on it does not work.
    pub revoked_at: Option<Timestamp>,
}

/// Why a key is not accepted. The caller is told only that it is not; the cause is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// There is such an id, with another secret.
    #[error("the key's secret is wrong")]
    WrongSecret,
    /// It has expired.
    #[error("the key has expired")]
    Expired,
    /// It was revoked.
    #[error("the key was revoked")]
    Revoked,
}

impl Rejection {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Unauthenticated
    }
}

impl ApiKey {
    /// Draws a new key.
    pub fn draw(now: Timestamp, entropy: &mut Entropy) -> Self {
        let id = KeyId::draw(now, entropy);
        let mut secret = [0_u8; 32];
        let drawn = Zeroizing::new([entropy.bytes16(), entropy.bytes16()]);
        for (to, from) in secret.iter_mut().zip(drawn.iter().flatten()) {
            *to = *from;
        }
        Self { id, secret }
    }

    /// Reads a key. There is one spelling: lower-case hex.
    ///
    /// # Errors
    /// If the text does not have a key's form.
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        let (id, secret) =
            text.strip_prefix(API_KEY_PREFIX).and_then(|rest| rest.split_once('_')).ok_or(ApiKeyError)?;
        let id = hex_decode::<16>(id).map(KeyId::from_bytes).ok_or(ApiKeyError)?;
        let secret = hex_decode::<32>(secret).ok_or(ApiKeyError)?;
        Ok(Self { id, secret })
    }

    /// Its public id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The text that its holder sends.
    #[must_use]
    pub fn text(&self) -> Secret {
        let secret = Zeroizing::new(hex_encode(&self.secret));
        Secret::new(format!("{API_KEY_PREFIX}{}_{}", hex_encode(self.id.as_bytes()), secret.as_str()))
    }

    /// What is kept of it: SHA-256 of the secret's bytes.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(self.secret).into())
    }

    /// Whether the key is the recorded one and works at `now`. At the very instant of expiry it does not.
    ///
    /// The secret is compared first and in constant time, so that a wrong one learns nothing of the record.
    ///
    /// # Errors
    /// Says why it is not accepted.
    pub fn verify(&self, record: &KeyRecord, now: Timestamp) -> Result<(), Rejection> {
        if !bool::from(self.hash().as_bytes().ct_eq(record.hash.as_bytes())) {
            return Err(Rejection::WrongSecret);
        }
        if record.revoked_at.is_some_and(|revoked_at| revoked_at <= now) {
            return Err(Rejection::Revoked);
        }
        if record.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(Rejection::Expired);
        }
        Ok(())
    }
}

impl Drop for ApiKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}
