//! Changes of a tenant's settings.

pub use chancery_engine::Settings;

use serde_json::{Map, Value};

/// What is to be set.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// These, and nothing else.
    Put(Map<String, Value>),
    /// These beside what is set; what is null is taken out.
    Patch(Map<String, Value>),
}

impl Edit {
    /// What comes of it.
    #[must_use]
    pub fn apply(&self, before: &Settings) -> Map<String, Value> {
        match self {
            Self::Put(values) => values.clone(),
            Self::Patch(patch) => before.patched(patch),
        }
    }
}
