//! Policy bundles.

use crate::decision::{Obligation, Reason};
use chancery_base::{Digest, Name, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A bundle in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleSummary {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was pushed.
    #[schema(value_type = String, format = DateTime)]
    pub pushed_at: Timestamp,
    /// Whether the tenant's decisions are taken by it.
    pub active: bool,
    /// Whether it is asked beside the active one, and not obeyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

/// A bundle with its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bundle {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was pushed.
    #[schema(value_type = String, format = DateTime)]
    pub pushed_at: Timestamp,
    /// Whether the tenant's decisions are taken by it.
    pub active: bool,
    /// Whether it is asked beside the active one, and not obeyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// The document.
    pub source: Value,
}

/// What a bundle would decide. Nothing of it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Simulated {
    /// Whether a policy permits it, or the bundle's mode does.
    pub permitted: bool,
    /// The policies that determine it.
    pub reasons: Vec<Reason>,
    /// What would have to hold for it to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
    /// The bundle that was asked.
    #[schema(value_type = String)]
    pub bundle: Digest,
}

/// A bundle is active: every decision from now on is taken by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activated {
    /// The bundle.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The entry of the tenant's log that records it; absent where it had been the active one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}
