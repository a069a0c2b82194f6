//! Capability tokens: what they are checked with, and that one counts no more.

use chancery_base::PublicKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The public keys that capability tokens are checked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapabilityKeys {
    /// Ed25519 keys, `ed25519/` and 64 hex digits: the first one signs, the others once did.
    #[schema(value_type = Vec<String>)]
    pub keys: Vec<PublicKey>,
}

/// A capability token that was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokedCapability {
    /// Its id.
    pub id: String,
    /// The entry that says so.
    pub seq: u64,
}
