//! Forks: transactions that begin where a finished one can be taken up again.
//!
//! A fork takes over what its source had done and not undone before a step: its outputs, and the duty to undo it. All
//! else is done anew, under keys of the fork's own. What is taken over stands in the fork's own entries, so that it
//! needs nothing of its source.

use crate::conditions::Conditions;
use crate::definition::Variables;
use crate::event::StepError;
use crate::node::NodeRef;
use crate::status::{Status, StepStatus};
use chancery_base::limits::{FORK_BYTES_MAX, FORK_NODES_MAX};
use chancery_base::{DecisionId, Digest, Document, Kind, Name, Timestamp, TransactionId, json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a fork is of, as its beginning has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// How many entries after its first say what it took over, one a node.
    pub inherits: u32,
    /// Why.
    pub justification: String,
    /// The transaction that it takes over from.
    pub source: TransactionId,
    /// The step from which on everything is done anew.
    pub step: Name,
}

/// Who did what a fork took over. Its undo's expressions see that transaction's id, and its undo names that key:
/// participants know it by these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The idempotency key under which it was done.
    pub key: String,
    /// What it set then: it is not asked again, since the settings may be others by now.
    #[serde(default, skip_serializing_if = "Variables::is_empty", serialize_with = "json::serialize_canonical")]
    pub set: Variables,
    /// The transaction that did it.
    pub transaction: TransactionId,
}

/// What a fork took over at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherited {
    /// Which.
    pub node: NodeRef,
    /// What came of it; of one that fanned out its elements.
    pub document: Option<Arc<Document>>,
    /// It is a step that fanned out, as a whole.
    pub fans_out: bool,
    /// How it stood.
    pub stood: Stood,
}

/// How a node stood that a fork took over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stood {
    /// Attempts handed out.
    pub attempts: u32,
    /// What policy demanded of its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Arc<Conditions>>,
    /// The decision that permitted its last attempt, which its undo cites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Its latest error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// SHA-256 of the canonical input of its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// Who did it.
    pub origin: Origin,
    /// Since when it was ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// Rounds that were done and were not enough.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
    /// When its first attempt was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How it was over.
    pub status: StepStatus,
    /// Whether an attempt may have taken effect without saying so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Inherited {
    /// Bytes of what came of it and of what it set, as canonical JSON.
    pub(crate) fn bytes(&self) -> usize {
        let mut text = String::new();
        self.stood.origin.set.values().for_each(|value| json::write_canonical(value, &mut text));
        text.len() + self.document.as_ref().map_or(0, |document| document.canonical().len())
    }
}

/// Why a transaction can't be forked so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkRefusal {
    /// It is a TCC or open.
    #[error("only a saga can be forked, this is {0}")]
    Kind(&'static str),
    /// Another transaction's step runs it.
    #[error("it is a child of {0}: fork the transaction that nothing runs")]
    Child(TransactionId),
    /// It has not ended.
    #[error("the transaction is {}: only one that has ended can be forked", .0.word())]
    Status(Status),
    /// The definition has no such step.
    #[error("the definition has no step `{0}`")]
    NoStep(String),
    /// What was done and stands comes after what would be done anew.
    #[error(
        "step `{stands}` was done and is not undone, but comes after `{anew}`, which the fork would do anew: fork from \
         `{anew}` or a step before it, so that both are done anew"
    )]
    Stands {
        /// What stands.
        stands: String,
        /// What would be done anew.
        anew: String,
    },
    /// What its child would have to undo.
    #[error(
        "step `{0}` ran a transaction that alone could undo it, and that is final with the one that ran it: fork from \
         `{0}` or a step before it"
    )]
    Recalls(String),
    /// Too much to take over.
    #[error("the fork would take over {0} steps and clones of steps, at most {FORK_NODES_MAX} are allowed")]
    Nodes(usize),
    /// Too many bytes to take over.
    #[error("the outputs that the fork would take over have {0} bytes, at most {FORK_BYTES_MAX} are allowed")]
    Bytes(usize),
}

impl ForkRefusal {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Kind(_) | Self::Child(_) | Self::Status(_) | Self::Stands { .. } | Self::Recalls(_) => Kind::Conflict,
            Self::NoStep(_) => Kind::Invalid,
            Self::Nodes(_) | Self::Bytes(_) => Kind::TooLarge,
        }
    }
}
