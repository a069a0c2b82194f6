//! The keys of an installation: one that signs, and those that once did.

use crate::{CapabilityError, Claims, IssuerKey, KeyError};
use chancery_base::limits::CAPABILITY_KEYS_MAX;
use chancery_base::{Entropy, PublicKey, Secret};

/// The keys of an installation. The first one signs; the others once did, and tokens of theirs are good until they
/// expire.
#[derive(Debug, Clone)]
pub struct IssuerKeys {
    signs: IssuerKey,
    once: Vec<IssuerKey>,
}

impl IssuerKeys {
    /// Draws one key.
    #[must_use]
    pub fn draw(entropy: &mut Entropy) -> Self {
        Self { signs: IssuerKey::draw(entropy), once: Vec::new() }
    }

    /// Reads keys: one a line, the one that signs first.
    ///
    /// # Errors
    /// If a line is none, or there are none or more than `CAPABILITY_KEYS_MAX`.
    pub fn from_secret(text: &Secret) -> Result<Self, KeyError> {
        let lines = text.expose().lines();
        let keys = lines.map(|line| IssuerKey::from_secret(&Secret::new(line.to_owned())));
        let mut keys = keys.take(CAPABILITY_KEYS_MAX + 1).collect::<Result<Vec<_>, _>>()?.into_iter();
        let (signs, once) = (keys.next().ok_or(KeyError)?, keys.collect::<Vec<_>>());
        if once.len() >= CAPABILITY_KEYS_MAX { Err(KeyError) } else { Ok(Self { signs, once }) }
    }

    /// Their text, to be kept.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        let mut text = String::new();
        for key in std::iter::once(&self.signs).chain(&self.once) {
            text.push_str(key.to_secret().expose());
            text.push('\n');
        }
        Secret::new(text)
    }

    /// Their public halves, that of the one that signs first.
    #[must_use]
    pub fn public(&self) -> Vec<PublicKey> {
        std::iter::once(&self.signs).chain(&self.once).map(IssuerKey::public).collect()
    }

    /// Issues a token under the key that signs.
    ///
    /// # Errors
    /// As [`IssuerKey::issue`].
    pub fn issue(&self, claims: &Claims, entropy: &mut Entropy) -> Result<String, CapabilityError> {
        self.signs.issue(claims, entropy)
    }
}
