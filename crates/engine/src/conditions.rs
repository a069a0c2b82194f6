//! What policy demands of what is handed out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What policy demanded of a step when it was handed out. Its compensation and its confirm, which its decision covers,
/// go out under the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// What the worker keeps within, as it is told.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub limits: Map<String, Value>,
    /// The fields that the input lacks: dotted paths.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub mask: BTreeSet<String>,
}

impl Conditions {
    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.mask.is_empty()
    }
}
