//! What a decision is asked about.

use crate::subject::Subject;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// An entity's type and id, as Cedar writes `Step::"create-order/charge"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityRef {
    /// The type, with its namespace if it has one: `Step`, `Shop::Order`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id.
    pub id: String,
}

impl EntityRef {
    /// The entity of that type and id.
    #[must_use]
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }

    /// The entity that `{"type": …, "id": …}` names, also inside `__entity`.
    pub(crate) fn of_json(json: &Value) -> Option<Self> {
        let json = json.get("__entity").unwrap_or(json);
        Some(Self::new(json.get("type")?.as_str()?, json.get("id")?.as_str()?))
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "type": self.kind, "id": self.id })
    }
}

impl std::fmt::Display for EntityRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{:?}", self.kind, self.id)
    }
}

/// What is acted on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceRef {
    /// Its type and id.
    pub entity: EntityRef,
    /// Attributes that the request asserts. Each must be marked `@asserted` in the bundle's schema.
    pub attributes: Map<String, Value>,
    /// What it is in, for instance a step's definition. The platform says so; never take these from a caller.
    pub parents: Vec<EntityRef>,
}

impl ResourceRef {
    /// A resource of which nothing is asserted.
    #[must_use]
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { entity: EntityRef::new(kind, id), attributes: Map::new(), parents: Vec::new() }
    }
}

/// May this principal do this to that, in these circumstances?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// Who asks.
    pub principal: Subject,
    /// The id of an action that the schema declares outside any namespace: `run` is `Action::"run"`.
    pub action: String,
    /// What is acted on.
    pub resource: ResourceRef,
    /// The context that the schema declares for the action. Numbers are whole and within ±2⁵³; there is no null.
    pub context: Map<String, Value>,
    /// Whether it cannot be undone. The platform says so; never take it from a caller.
    pub irreversible: bool,
}
