//! The ledger: what an entry is, the Merkle tree over entries, and everything that proves something about them.
//!
//! Written so that other people's software can check it: RFC 6962 hashing, C2SP tlog-tiles, signed-note,
//! tlog-checkpoint and tlog-proof, RFC 8785 canonical JSON. Pure: no I/O, no clock, no randomness.
//!
//! | module | what |
//! |---|---|
//! | [`record`] | the canonical bytes of an entry |
//! | [`hash`] | leaf and node hashes |
//! | [`tile`] | where tiles and entry bundles are, and what is in them |
//! | [`tree`] | growing a tree, writing its tiles |
//! | [`proof`] | inclusion and consistency: made from tiles, verified without |
//! | [`range`] | leaves next to one another, or some of them: proven in one pass |
//! | [`note`] | Ed25519 keys and signed notes |
//! | [`checkpoint`] | signed tree heads |
//! | [`tlog_proof`] | an entry's inclusion as one text |
//! | [`receipt`] | that a step was permitted before it was handed out, and what outcome was reported |
//! | [`export`] | a package of entries that proves itself, and reports for people made of it |
//! | [`verify`] | a whole log, streamed; shares no code with the writer beyond hashing and parsing |

pub mod checkpoint;
pub mod export;
pub mod hash;
pub mod note;
pub mod proof;
pub mod range;
pub mod receipt;
pub mod record;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
pub mod verify;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use hash::{Hash, LeafIndex, TreeSize, leaf_hash, node_hash};
pub use note::{KeyName, Keys, SigningKey, VerifierKey};
pub use receipt::{Proven, Receipt, ReceiptError, ReceiptReport, Shown};
pub use record::{Data, DataValue, Origin, Record, RecordError, Refs, Word};
pub use tile::{Resource, TileId};
pub use tree::Tree;
pub use verify::{EntryCheck, Kept, LogReport, LogVerifier};
