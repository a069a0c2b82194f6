//! Slots: which of the 4,096 parts of a tenant a transaction is in. A slot maps to a shard, so that shards can
//! be added later by moving slots.

use crate::{Digest, TenantId};
use std::fmt;

/// How many slots a tenant has.
pub const SLOT_COUNT: u16 = 4096;

/// A slot, 0 to 4095.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number, if there is one.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < SLOT_COUNT { Some(Self(number)) } else { None }
    }

    /// The slot that a key of a tenant falls into: the first 12 bits of SHA-256(tenant ‖ 0x00 ‖ key).
    #[must_use]
    pub fn of_key(tenant: &TenantId, key: &str) -> Self {
        let digest = Digest::of_parts(&[tenant.as_str().as_bytes(), &[0], key.as_bytes()]);
        let [high, low, ..] = digest.as_bytes();
        Self((u16::from(*high) << 4) | (u16::from(*low) >> 4))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
