//! Overrides: people answer for what the tenant's policy denies.

use chancery_base::{DecisionId, OverrideId, PrincipalId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why people answer for what policy denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideKind {
    /// It can't wait until policy is another: for one act.
    EmergencyBypass,
    /// Who answers for the whole decides so: for one act.
    ExecutiveOverride,
    /// Policy does not hold for a while: for as many acts as come.
    TimeLimitedException,
    /// What policy guards against is known, and taken: for one act.
    RiskAccepted,
}

impl OverrideKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EmergencyBypass => "emergency_bypass",
            Self::ExecutiveOverride => "executive_override",
            Self::TimeLimitedException => "time_limited_exception",
            Self::RiskAccepted => "risk_accepted",
        }
    }
}

/// Where an override stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OverrideStatus {
    /// Asked for, and not answered.
    Requested,
    /// Granted.
    Granted,
    /// Granted for one act, and that one was done: its retries still are.
    Used,
    /// Refused.
    Refused,
    /// Ended before its time, or taken back.
    Revoked,
    /// Its time has come.
    Expired,
}

impl OverrideStatus {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Granted => "granted",
            Self::Used => "used",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// What is acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideResource {
    /// Its entity type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// Its id.
    pub id: String,
}

/// Asks for an override: of what a principal does to a resource, or of a step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestOverride {
    /// Of what kind.
    pub kind: OverrideKind,
    /// Who acts, with `action` and `resource`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub principal: Option<PrincipalId>,
    /// The Cedar action; `start` is that of starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<OverrideResource>,
    /// Whose step, with `step` and in place of the three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// Which step: `ship`, or `ship[3]` of one that fanned out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Until when it is in force at most: within 24 hours.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why: 20 characters at least.
    #[schema(example = "The warehouse burns, see incident 4711")]
    pub justification: String,
}

/// An override: what was asked for, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Override {
    /// Its id.
    #[schema(value_type = String, example = "ovr_0199b4b3c2d17a3c8a4f5e6d7c8b9a01")]
    pub id: OverrideId,
    /// Of what kind it is.
    pub kind: OverrideKind,
    /// Where it stands.
    pub status: OverrideStatus,
    /// For whose acts it is.
    #[schema(value_type = String)]
    pub principal: PrincipalId,
    /// The action; absent where it is on a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// To what; absent where it is on a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<OverrideResource>,
    /// Whose step it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// Which step it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Until when it is in force at most.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Who asked for it.
    pub requested: OverrideSaid,
    /// Who granted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<OverrideSaid>,
    /// Who refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<OverrideSaid>,
    /// Who ended it before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<OverrideSaid>,
    /// The one act that was done under it; of an exception the ledger has each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<OverrideUsed>,
    /// By when it is to be reviewed; absent where it was not granted, or was reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub review_due: Option<Timestamp>,
    /// Who reviewed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<OverrideSaid>,
}

/// What a person said of an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverrideSaid {
    /// Who.
    #[schema(value_type = String)]
    pub by: PrincipalId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Why.
    pub justification: String,
}

/// What was done under an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverrideUsed {
    /// The transaction.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// The step; absent for the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// By which decision.
    #[schema(value_type = String)]
    pub decision: DecisionId,
}

/// The query of a page of overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverridesQuery {
    /// Only those that are granted and not reviewed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub due: bool,
    /// Only those that stand so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<OverrideStatus>,
    /// How many items at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
