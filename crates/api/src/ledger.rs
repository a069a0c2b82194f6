//! The ledger as JSON. Its tiles and checkpoints are served as C2SP tlog-tiles, its receipts byte for byte.

use chancery_base::TransactionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The tenant's logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// One a shard and generation.
    pub items: Vec<Log>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// Its name in checkpoints: `<cluster>/<tenant>/<shard>/<generation>`.
    pub origin: String,
    /// Which shard, from 0.
    pub shard: u16,
    /// Which generation, from 0.
    pub generation: u32,
    /// How many entries it has.
    pub size: u64,
    /// How many of them the newest checkpoint covers.
    pub checkpoint_size: u64,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its number in the log, from 0.
    pub seq: u64,
    /// Its number in its transaction, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Its record, byte for byte: the leaf is SHA-256(0x00 ‖ record).
    pub record: String,
    /// Its payload: absent where there is none, it was erased, or the caller may not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The 16 bytes that go before the payload when it is digested, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesQuery {
    /// Only those of this transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// From this number on: the entry's number in the log, or in the transaction if one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Which inclusion is to be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionQuery {
    /// The entry's number in the log.
    pub entry: u64,
    /// In the tree of this size; without it in that of the newest checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Which consistency is to be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyQuery {
    /// The smaller tree.
    pub from: u64,
    /// The greater one; without it that of the newest checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// An audit path (RFC 6962, 2.1.1): with it the leaf's hash gives the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InclusionProof {
    /// The log.
    pub origin: String,
    /// The entry's number.
    pub entry: u64,
    /// The tree's size.
    pub size: u64,
    /// The hashes, from the leaf's neighbour to the root's child, in base64.
    pub path: Vec<String>,
    /// The checkpoint of that size, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// A consistency proof (RFC 6962, 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyProof {
    /// The log.
    pub origin: String,
    /// The smaller tree's size.
    pub from: u64,
    /// The greater one's.
    pub to: u64,
    /// The hashes, in base64.
    pub path: Vec<String>,
}
