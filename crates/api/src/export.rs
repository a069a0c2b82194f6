//! Exports. Their files are streamed as they are, byte for byte.

use chancery_base::{Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for an export of the tenant's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeExport {
    /// From the entry with this number on; without it, and without `since`, from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Up to but not including the entry with this number; without it, and without `until`, all that is committed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// In place of `from`: from the first entry of this time or later on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// In place of `to`: up to but not including the first entry of this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Only entries of this transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// Only entries whose kind begins so, such as `decision.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "decision.")]
    pub kinds: Option<String>,
    /// Whether with payloads; it takes the permission `ledger:read`, too.
    #[serde(default)]
    pub payloads: bool,
    /// In which form; every one of them carries entries, proofs and signatures.
    #[serde(default)]
    pub format: ExportFormat,
    /// Why: it is recorded.
    #[schema(example = "yearly audit")]
    pub justification: String,
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// The package: JSON Lines.
    #[default]
    Json,
    /// A table for spreadsheets.
    Csv,
    /// A report in Markdown.
    Markdown,
    /// A report as one HTML page.
    Html,
}
