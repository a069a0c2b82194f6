//! A tenant's settings: what expressions see as `env`.

use chancery_base::{PrincipalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The settings at one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// Their version, from 1; 0 where nothing was ever set.
    pub version: u32,
    /// When they were set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Timestamp>,
    /// Who set them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub changed_by: Option<PrincipalId>,
    /// Their values, by name. They are in the ledger for whoever may read it: no secrets belong here.
    #[schema(value_type = Object)]
    pub values: Map<String, Value>,
}

/// Settings to set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSettings {
    /// Only if this is their version still, 0 where nothing was ever set; whatever it is where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u32>,
    /// Values, by name such as `PAYMENTS_URL`. No secrets: they are in the ledger.
    #[schema(value_type = Object)]
    pub values: Map<String, Value>,
}
