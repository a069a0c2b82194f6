//! Definitions.

use crate::Fault;
use chancery_base::{Digest, Name, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A document that was registered or pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Whether the same content had been registered before.
    pub existing: bool,
    /// What is allowed and still worth a look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Fault>,
}

/// A document that was checked and not registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// What is allowed and still worth a look.
    #[serde(default)]
    pub warnings: Vec<Fault>,
}

/// A definition in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionSummary {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
}

/// A definition with its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Definition {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    /// The document.
    pub source: Value,
}

/// Which version of a definition; the newest without it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionQuery {
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}
