//! Evidence: artefacts that show that something was done.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_base::{Digest, EvidenceId, Name, PrincipalId, Timestamp, TransactionId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// Bytes, as base64 with padding (RFC 4648, 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|err| serde::de::Error::custom(format!("this is not base64: {err}")))
    }
}

/// Adds an artefact. One of `content` and `digest` is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddEvidence {
    /// What an obligation calls it, such as `dpia`; several may have the same.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its media type, such as `application/pdf`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Its content, base64, at most 1 MiB before that: it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Byte)]
    pub content: Option<Base64>,
    /// SHA-256 of its content, such as `sha256:…`; beside `content` it must be that of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Where its content is, if it is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// How long it is kept, and counts: such as `365d`, which it is where nothing is said, at most ten years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// The transaction that it belongs to; absent: the tenant as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// The one step of that which it belongs to; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub step: Option<Name>,
}

/// An artefact, until its time is over. It is never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// Its id.
    #[schema(value_type = String)]
    pub id: EvidenceId,
    /// What an obligation calls it.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// SHA-256 of its content.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Bytes of its content; absent where that is not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where its content is, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The transaction that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// The one step of that which it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub step: Option<Name>,
    /// Who added it.
    #[schema(value_type = String)]
    pub by: PrincipalId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub added_at: Timestamp,
    /// Until when it is kept, and counts.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// Which evidence is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceQuery {
    /// Of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Of this transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// How many items at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
