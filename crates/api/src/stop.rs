//! Stops: kill switches.

use chancery_base::{PrincipalId, StopId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What sort of thing a stop is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StopKind {
    /// Everything in the tenant.
    Tenant,
    /// What a principal started, and its own calls.
    Principal,
    /// Steps that ask for a Cedar action; `start` is that of starts.
    Action,
    /// Calls of a worker's queue, or of an origin.
    Target,
    /// Transactions of a definition, and the children that they run.
    Definition,
}

impl StopKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Principal => "principal",
            Self::Action => "action",
            Self::Target => "target",
            Self::Definition => "definition",
        }
    }
}

/// Stops something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStop {
    /// What sort of thing.
    pub on: StopKind,
    /// Which: a principal's id, an action, `worker:<queue>`, an origin, a definition; absent for the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    pub justification: String,
}

/// A stop that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stop {
    /// Its id.
    #[schema(value_type = String)]
    pub id: StopId,
    /// What sort of thing it is on.
    pub on: StopKind,
    /// Which; absent for the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who set it.
    #[schema(value_type = String)]
    pub by: PrincipalId,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Why.
    pub justification: String,
}
