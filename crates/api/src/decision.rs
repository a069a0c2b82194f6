//! Questions to the tenant's policy.

use crate::bundle::Simulated;
use crate::over::OverrideKind;
use chancery_base::{DecisionId, Digest, EvidenceId, Name, OverrideId, PrincipalId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A question: may this principal do this to that?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Who would act; without it and without `subject` the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub principal: Option<PrincipalId>,
    /// Who would act, in place of `principal`: somebody that the directory does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<DecideSubject>,
    /// What it would do: an action of the bundle's schema.
    pub action: String,
    /// To what.
    pub resource: Resource,
    /// What else the policies look at.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub context: Map<String, Value>,
}

/// Somebody who would act, of an entity type of the bundle's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideSubject {
    /// The entity type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// The id.
    pub id: String,
    /// Attributes: only those that the bundle's schema marks `@asserted`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
}

/// A resource, as Cedar takes it to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its entity type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// Its id.
    pub id: String,
    /// Its attributes: only those that the bundle's schema marks `@asserted`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
}

/// A decision; it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Its id.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Whether it may be done now.
    pub permitted: bool,
    /// The same, and why not yet or under what.
    pub outcome: Outcome,
    /// The policies that determined it.
    pub reasons: Vec<Reason>,
    /// What must hold for it to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
    /// No policy permits it: only the bundle's mode `permissive` does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub would_deny: bool,
    /// Policy denies it, and people answer for it; absent where that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<DecisionOverridden>,
    /// How risky it is; absent where the bundle has no risk tables, or they could not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// What the bundle in the shadow says, which counts for nothing; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Simulated>,
    /// The bundle that it was taken by; absent where none is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub bundle: Option<Digest>,
    /// The entry that records it.
    pub entry: u64,
}

/// What an override changed of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionOverridden {
    /// The override.
    #[serde(rename = "override")]
    #[schema(value_type = String)]
    pub by: OverrideId,
    /// Of what kind it is.
    pub kind: OverrideKind,
    /// What policy said.
    pub original: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// The outcomes of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It may be done.
    Approved,
    /// It may not.
    Denied,
    /// It may once people have approved it, or once evidence that is lacking was added.
    Escalated,
    /// It may under what its obligations demand.
    Conditional,
}

/// What must hold for what is permitted to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Obligation {
    /// The policy that demands it; absent where the bundle's mode does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// For people: what that policy says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it demands.
    #[serde(flatten)]
    pub demand: Demand,
}

/// What an obligation demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Demand {
    /// That people approve.
    Approval {
        /// How many distinct people.
        approvers: u32,
        /// The role that each must have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        role: Option<Name>,
        /// Within what time from when it is asked, such as `2h`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<String>,
    },
    /// That an artefact is there.
    Evidence {
        /// What it is called.
        #[schema(value_type = String)]
        name: Name,
        /// What it has to belong to: the `transaction`, or the `tenant` as a whole.
        #[serde(rename = "for")]
        scope: String,
        /// The one that is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        evidence: Option<EvidenceId>,
        /// SHA-256 of its content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        digest: Option<Digest>,
    },
    /// That what is handed out lacks some fields.
    Mask {
        /// Dotted paths into the input.
        fields: Vec<String>,
    },
    /// That what is handed out keeps within limits.
    Limits {
        /// Of `timeout`, `paths`, `commands`, `network`, `cpu` and `memory` those that are limited.
        #[schema(value_type = Object)]
        limits: Map<String, Value>,
    },
    /// That a budget has room for it when it is handed out.
    Budget {
        /// Which.
        #[schema(value_type = String)]
        budget: Name,
        /// The expression that says how much is reserved; absent: 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<String>,
        /// The expression that says how much of that its output says was spent; absent: all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<String>,
    },
    /// That it waits where so much was handed out already.
    Rate {
        /// How many hand-outs.
        limit: u64,
        /// In what time, such as `1m`.
        window: String,
        /// For whom they are counted, such as `principal`.
        per: String,
    },
    /// That notifiers tell of it once it is done.
    Notify {
        /// Which.
        #[schema(value_type = Vec<String>)]
        notifiers: Vec<Name>,
    },
}

/// Why a decision is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The policy's id; absent where none determined it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What that policy does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// For people: what the policy says of itself, or what was wrong with the question.
    pub text: String,
}

/// How risky something is, by the risk tables of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Risk {
    /// From 1 to 100: the weighted mean of the dimensions.
    pub score: u8,
    /// What that is called.
    pub level: RiskLevel,
    /// What each dimension was given that was given any, 0 to 100: `security`, `privacy`, `compliance`,
    /// `operational`, `reputational`, `financial`.
    pub dimensions: BTreeMap<String, u8>,
    /// The rows that gave it.
    pub rows: Vec<RiskRow>,
    /// How many rows more there were than are shown.
    #[serde(default)]
    pub rows_omitted: u64,
}

/// A row of a risk table that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RiskRow {
    /// The table.
    pub table: String,
    /// Its version.
    pub version: u64,
    /// The row, from 1.
    pub row: u64,
    /// The row's own id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// How high a risk is: from 80 `critical`, from 60 `high`, from 30 `medium`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RiskLevel {
    /// Below 30.
    Low,
    /// From 30.
    Medium,
    /// From 60.
    High,
    /// From 80.
    Critical,
}

/// What a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, whatever others permit.
    Forbid,
}
