//! Reports: who or what decided, who may do what, who could do two things that are kept apart, how people oversee it.

use chancery_base::{Name, PrincipalId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// In which range of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportQuery {
    /// From this time on; without it 90 days before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until before this time; without it until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// Who or what is responsible for the entries of a range, and at what level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResponsibilityReport {
    /// From this time on: not before the log began.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until before this time.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Entries in the range.
    pub entries: u64,
    /// What is answered for at each level.
    pub levels: Vec<ResponsibilityLevel>,
    /// The same by definition and action.
    pub groups: Vec<ResponsibilityGroup>,
    /// Entries of further definitions and actions than are told apart.
    pub in_other_groups: u64,
}

/// What is answered for at a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResponsibilityLevel {
    /// `machine` (policy alone decided), `person`, `supervisor` (a person decided what another is to do, or it rests on
    /// their approval), `delegated` (the same, by somebody to whom the say was handed) or `override` (against policy).
    pub level: String,
    /// Entries.
    pub entries: u64,
    /// Those of them that hold a decision.
    pub decisions: u64,
    /// How many by which person; of the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<ResponsiblePerson>,
    /// How many by further persons.
    #[serde(default)]
    pub by_others: u64,
    /// The numbers of the first few entries.
    pub examples: Vec<u64>,
}

/// How many entries are a person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResponsiblePerson {
    /// Who.
    #[schema(value_type = String)]
    pub principal: PrincipalId,
    /// How many.
    pub entries: u64,
}

/// Entries of one definition and action, by level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResponsibilityGroup {
    /// The definition; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The action that policy was asked about; of what holds no decision the kind of entry.
    pub action: String,
    /// Entries at each level at which there are any.
    pub levels: BTreeMap<String, u64>,
}

/// How people oversee what is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OversightReport {
    /// From this time on: not before the log began.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until before this time.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Entries in the range.
    pub entries: u64,
    /// Decisions that were taken.
    pub decisions: u64,
    /// Those that denied.
    pub denials: u64,
    /// Entries of overrides, by their kinds.
    pub overrides: BTreeMap<String, u64>,
    /// How often an override was used, by decisions that were taken; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_rate: Option<f64>,
    /// Requests to people that were opened in the range, and what has become of them in it.
    pub requests: OversightRequests,
    /// How long people took to decide them; absent where none was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<OversightAnswers>,
}

/// Requests to people by what has become of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OversightRequests {
    /// All of them.
    pub opened: u64,
    /// Open at the end of the range.
    pub open: u64,
    /// As many said yes as were asked for.
    pub approved: u64,
    /// Somebody said no.
    pub denied: u64,
    /// Nobody answered in time.
    pub expired: u64,
    /// What they were for was not wanted any more.
    pub withdrawn: u64,
    /// How often one was put off.
    pub deferred: u64,
    /// How often a say was handed on.
    pub delegated: u64,
}

/// Milliseconds from when a request was opened to the answer that decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OversightAnswers {
    /// Half were decided within it.
    pub p50_ms: u64,
    /// Nine of ten were.
    pub p90_ms: u64,
    /// All were.
    pub max_ms: u64,
}

/// What a principal may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessRow {
    /// Who.
    #[schema(value_type = String)]
    pub principal: PrincipalId,
    /// What people call them.
    pub name: String,
    /// By what it is decided: `roles`, of a call of the API, or `bundle`.
    pub by: String,
    /// What.
    pub action: String,
    /// To what type of resource.
    pub resource_type: String,
    /// To which; absent: to any of which nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Whether they may.
    pub finding: AccessFinding,
    /// The policies that say so; else why.
    pub reasons: Vec<String>,
}

/// Whether somebody may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessFinding {
    /// They may.
    Permitted,
    /// They may under what obligations demand.
    Conditional,
    /// It depends on what a request says: attributes of the resource, or the context.
    Depends,
    /// They may not.
    Denied,
}

impl AccessFinding {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Conditional => "conditional",
            Self::Depends => "depends",
            Self::Denied => "denied",
        }
    }
}

/// Which part of a review of access is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessQuery {
    /// Also what they may not.
    #[serde(default)]
    pub denied: bool,
    /// How many items at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Pairs of duties that are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DutyPairs {
    /// The pairs.
    pub pairs: Vec<DutyPair>,
}

/// Two duties that are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DutyPair {
    /// What it is called by programs.
    #[schema(value_type = String)]
    pub name: Name,
    /// What it is called by people.
    pub title: String,
    /// The one.
    pub first: Duty,
    /// The other.
    pub second: Duty,
    /// Within what they are kept apart: one `transaction`, one `bundle`, all of one `definition`, or the `tenant`.
    pub within: String,
}

/// A duty: how one may do it, and what shows that one did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// What who does it does.
    pub says: String,
    /// The call of the API that it takes, such as `bundle:push`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The action that policy is asked about, of each definition; takes `within: definition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The kinds of entry that show it, by their beginnings.
    pub kinds: Vec<String>,
}

/// Who could do both of two duties that are kept apart, and who did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeparationReport {
    /// Who did is looked for from this time on: not before the log began.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until before this time.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Entries in the range.
    pub entries: u64,
    /// What was found of each pair.
    pub pairs: Vec<SeparationPair>,
}

/// What was found of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeparationPair {
    /// The pair.
    pub pair: DutyPair,
    /// People who could do both now.
    pub potential: Vec<SeparationPotential>,
    /// Whether there may be more of them.
    pub more_potential: bool,
    /// People who did both.
    pub actual: Vec<SeparationActual>,
    /// Whether there are more of them.
    pub more_actual: bool,
}

/// Somebody who could do both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeparationPotential {
    /// Who.
    #[schema(value_type = String)]
    pub principal: PrincipalId,
    /// What people call them.
    pub name: String,
    /// Of which definitions, where policy is asked about these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub definitions: Vec<Name>,
}

/// Somebody who did both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeparationActual {
    /// Who.
    #[schema(value_type = String)]
    pub principal: PrincipalId,
    /// Within what: a transaction, a bundle, a definition, the tenant.
    pub within: String,
    /// The first entry of the one.
    pub first: u64,
    /// The first entry of the other.
    pub second: u64,
}
