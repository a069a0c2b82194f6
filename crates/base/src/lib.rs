//! What every Chancery crate shares and nothing more: ids, time, canonical JSON, digests, limits and error kinds.
//!
//! A thing enters this crate when two crates need it. It has no I/O, no clock and no randomness.

pub mod digest;
pub mod document;
pub mod duration;
pub mod entropy;
pub mod event;
pub mod id;
pub mod json;
pub mod kind;
pub mod limits;
pub mod name;
pub mod public_key;
pub mod rate;
pub mod secret;
pub mod slot;
pub mod target;
pub mod time;
pub mod webhook;
mod wire;

pub use digest::{Digest, Salt};
pub use document::Document;
pub use entropy::Entropy;
pub use event::{EventPattern, EventType};
pub use id::{
    DecisionId, EventId, EvidenceId, KeyId, OverrideId, PrincipalId, PrincipalKind, RequestId, SigningSecretId, StopId,
    TransactionId,
};
pub use kind::Kind;
pub use name::{Name, TenantId};
pub use public_key::PublicKey;
pub use rate::{Bucket, Rate};
pub use secret::Secret;
pub use slot::Slot;
pub use target::TargetId;
pub use time::Timestamp;
