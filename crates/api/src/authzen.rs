//! The Authorization API 1.0 of `OpenID` `AuthZEN`.
//!
//! As the specification says, requests may have members that are not known here; they are passed over.

use crate::decision::Obligation;
use chancery_base::{DecisionId, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A subject or a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessEntity {
    /// The Cedar entity type, such as `user` or `Shop::Order`.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// The id.
    pub id: String,
    /// Attributes: only those that the bundle's schema marks `@asserted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub properties: Option<Map<String, Value>>,
}

/// A subject or a resource that is sought. An id is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessSought {
    /// The Cedar entity type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// What is asserted of every candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub properties: Option<Map<String, Value>>,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessAction {
    /// The Cedar action's id.
    pub name: String,
    /// What policies see as `context.action`, which the schema must declare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub properties: Option<Map<String, Value>>,
}

/// May this subject do this to that?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessEvaluation {
    /// Who.
    pub subject: AccessEntity,
    /// What.
    pub action: AccessAction,
    /// To what.
    pub resource: AccessEntity,
    /// The context that the schema declares for the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
}

/// What an evaluation leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessDefaults {
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<AccessEntity>,
    /// What.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AccessAction>,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<AccessEntity>,
    /// The context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
}

/// Several evaluations; without `evaluations`, or with none in it, the defaults are the one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessEvaluations {
    /// What an evaluation has that does not say it itself: each is taken whole or not at all.
    #[serde(flatten)]
    pub defaults: AccessDefaults,
    /// At most 100. One that is wrong is answered with `false` and an error, and does not keep the others from being decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<AccessDefaults>)]
    pub evaluations: Vec<Value>,
    /// How they are evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<AccessOptions>,
}

/// How several evaluations are evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessOptions {
    /// After which decision the rest is left out; without it all are decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations_semantic: Option<AccessSemantic>,
}

/// After which decision the rest is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessSemantic {
    /// None: all are decided.
    #[default]
    ExecuteAll,
    /// The first deny, or error.
    DenyOnFirstDeny,
    /// The first permit.
    PermitOnFirstPermit,
}

/// A decision; it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessDecision {
    /// Whether it is permitted.
    pub decision: bool,
    /// Why.
    pub context: AccessContext,
}

/// Why a decision is what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessContext {
    /// The decision's id; absent where the evaluation was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub id: Option<DecisionId>,
    /// The entry that records it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The bundle that it was taken by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub bundle: Option<Digest>,
    /// For who runs policy, by status: the policies that determined it, or what does not fit the schema.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reason_admin: BTreeMap<String, String>,
    /// For the subject, by status: what the determining policies say of themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reason_user: BTreeMap<String, String>,
    /// What is demanded of what policy permits. This API knows no partial yes: with it the decision is `false`, and who
    /// knows how to meet it asks `/v1/decisions`, or has a transaction do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_request: Option<AccessRequest>,
    /// What is wrong with an evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AccessError>,
}

/// What would have to hold for a yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessRequest {
    /// What policy demands.
    pub obligations: Vec<Obligation>,
}

/// What is wrong with one of several evaluations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessError {
    /// The status that it would have had alone.
    pub status: u16,
    /// What is wrong.
    pub message: String,
}

/// The answer to several evaluations: `evaluations`, else the one decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessDecisions {
    /// Decisions in the order in which they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<Vec<AccessDecision>>,
    /// The one decision, where no evaluations were asked for.
    #[serde(flatten)]
    pub one: Option<AccessDecision>,
}

/// Who may do this to that?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessSubjectSearch {
    /// Of which type.
    pub subject: AccessSought,
    /// What.
    pub action: AccessAction,
    /// To what.
    pub resource: AccessEntity,
    /// The context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// Which page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<AccessPage>,
}

/// To what may this subject do this?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessResourceSearch {
    /// Who.
    pub subject: AccessEntity,
    /// What.
    pub action: AccessAction,
    /// Of which type.
    pub resource: AccessSought,
    /// The context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// Which page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<AccessPage>,
}

/// What may this subject do to that?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessActionSearch {
    /// Who.
    pub subject: AccessEntity,
    /// To what.
    pub resource: AccessEntity,
    /// The context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// Which page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<AccessPage>,
}

/// Which page of what is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessPage {
    /// The `next_token` of the page before; everything else must be as it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How many at most: from 1; without it, or above 1,000, 100 and 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessFound {
    /// Which part of the whole this is.
    pub page: AccessNext,
    /// Why nothing was found, where it is for want of information about the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<AccessContext>,
    /// Subjects, resources or actions.
    pub results: Vec<AccessResult>,
}

/// Which part of the whole a page is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessNext {
    /// The `token` of the next page; empty on the last one.
    pub next_token: String,
    /// How many are on this one.
    pub count: usize,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AccessResult {
    /// A subject or resource.
    Entity(AccessEntity),
    /// An action.
    Action(AccessAction),
}

/// Where the Authorization API is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessConfiguration {
    /// The policy decision point's identifier.
    pub policy_decision_point: String,
    /// Decides one question.
    pub access_evaluation_endpoint: String,
    /// Decides several.
    pub access_evaluations_endpoint: String,
    /// Finds subjects.
    pub search_subject_endpoint: String,
    /// Finds resources.
    pub search_resource_endpoint: String,
    /// Finds actions.
    pub search_action_endpoint: String,
}
