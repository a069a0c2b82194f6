//! Requests to people.

use chancery_base::{Digest, Name, PrincipalId, RequestId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A request to people: what is asked, of whom, and what was said to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeopleRequest {
    /// Its id.
    #[schema(value_type = String, example = "req_0199b4b3c2d17a3c8a4f5e6d7c8b9a01")]
    pub id: RequestId,
    /// `approval` or `escalation`.
    pub kind: String,
    /// `open`, `acknowledged`, `approved`, `denied`, `expired` (which counts as denied) or `withdrawn`.
    pub status: String,
    /// What is asked, in a line.
    pub title: String,
    /// Why it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is escalated, of an escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The transaction.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// The step: `ship`, or `ship[3]` of one that fanned out.
    pub step: String,
    /// The definition's name.
    #[schema(value_type = String)]
    pub definition: Name,
    /// The definition's version.
    pub version: u32,
    /// The definition's digest: the request is bound to it.
    #[schema(value_type = String)]
    pub definition_digest: Digest,
    /// SHA-256 of the canonical input: the request is bound to it.
    #[schema(value_type = String)]
    pub input_digest: Digest,
    /// The input, where one request is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Who started the transaction: they can't answer.
    #[schema(value_type = String)]
    pub requester: PrincipalId,
    /// The role of those who may answer; without it whoever may answer requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub role: Option<Name>,
    /// How many people have to say yes.
    pub approvers: u32,
    /// How many have.
    pub approvals: u32,
    /// The risk, 0 to 100, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<u8>,
    /// How many characters a justification has at least.
    pub justification_min: u32,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// When it was decided, expired or withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Who has seen it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<RequestSeen>,
    /// What was said to it, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<RequestAnswered>,
    /// Who put it off, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferrals: Vec<RequestDeferred>,
    /// Who handed their say on, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegations: Vec<RequestDelegated>,
}

/// That somebody has seen a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestSeen {
    /// Who.
    #[schema(value_type = String)]
    pub by: PrincipalId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// What somebody said to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestAnswered {
    /// `approved` or `denied`.
    pub answer: String,
    /// Who.
    #[schema(value_type = String)]
    pub by: PrincipalId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Why.
    pub justification: String,
}

/// That somebody put a request off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestDeferred {
    /// Who.
    #[schema(value_type = String)]
    pub by: PrincipalId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Until when it may be answered from then on.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why.
    pub justification: String,
}

/// That somebody handed their say on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestDelegated {
    /// Who.
    #[schema(value_type = String)]
    pub by: PrincipalId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// To whom.
    #[schema(value_type = String)]
    pub to: PrincipalId,
    /// Why.
    pub justification: String,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    /// Yes or no.
    pub answer: SayRequest,
    /// Why: 20 characters at least, or as many as the request asks for.
    #[schema(example = "Checked against invoice 4711 and the supplier's account")]
    pub justification: String,
}

/// What a person can say to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SayRequest {
    /// Yes.
    Approved,
    /// No.
    Denied,
}

/// Puts a request off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeferRequest {
    /// Until when it may be answered, 30 days after it was opened at most.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why.
    pub justification: String,
}

/// Hands the caller's say on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegateRequest {
    /// To whom: a person other than the requester, who needs no role that the request names.
    #[schema(value_type = String)]
    pub to: PrincipalId,
    /// Why.
    pub justification: String,
}

/// The query of a page of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsQuery {
    /// `open` (it can be answered, seen or not), which holds without it; `any`; or another status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The role of those who may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whose they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// Only those that the caller can answer now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mine: bool,
    /// How many items at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
