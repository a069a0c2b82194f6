//! Compliance packs, and how their controls stand.

use chancery_base::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A compliance pack, without its controls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompliancePack {
    /// Its name.
    #[schema(value_type = String, example = "soc2")]
    pub name: Name,
    /// What people call it.
    pub title: String,
    /// Its version.
    pub version: u32,
    /// How many controls it has.
    pub controls: usize,
}

/// In which range of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceQuery {
    /// From this time on; without it 90 days before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until before this time; without it until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// How the controls of a pack stand in a range of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComplianceStatus {
    /// The pack.
    pub pack: CompliancePack,
    /// From this time on: not before the log began.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until before this time.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Entries of the ledger in the range.
    pub entries: u64,
    /// The controls.
    pub controls: Vec<ControlStatus>,
}

/// A control, and what the ledger has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlStatus {
    /// Where in the framework.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// What it asks for.
    pub asks: String,
    /// How it stands.
    pub status: Standing,
    /// The same in words, such as `supported by 12 entries`.
    pub says: String,
    /// Entries that support it; that contradict it where it is contradicted.
    pub entries: u64,
    /// What the ledger was asked.
    pub queries: Vec<ControlQuery>,
}

/// How a control stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ControlStanding)]
pub enum Standing {
    /// There is every entry that is expected, and none that contradicts.
    Supported,
    /// Entries that are expected are missing.
    NotSupported,
    /// There are entries that contradict it.
    Contradicted,
}

/// A query of a control, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlQuery {
    /// What such an entry says of the control.
    pub says: String,
    /// Which kinds of entry are counted.
    pub kinds: Vec<String>,
    /// What is expected, such as `at least 1 every 90d` or `at most 0`.
    pub expected: String,
    /// Whether it was found.
    pub holds: bool,
    /// How many entries were.
    pub found: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FoundEntry>,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<FoundEntry>,
    /// The first part of the range with too few of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacking: Option<LackingPart>,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundEntry {
    /// Its number in the log.
    pub seq: u64,
    /// When it was committed.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A part of a range with too few entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LackingPart {
    /// From this time on.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until before this time.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}
