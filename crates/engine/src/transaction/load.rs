//! A transaction from its parts, as the store keeps them.

use super::Transaction;
use super::active::Active;
use super::nodes::Nodes;
use crate::definition::Definition;
use crate::node::NodeRef;
use crate::state::{Head, StepState};
use chancery_base::Document;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a transaction is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What it runs.
    pub definition: Arc<Definition>,
    /// Its head.
    pub head: Head,
    /// Its nodes, in order of (step, clone), each with its output if it has one; what fanned out has its elements.
    pub nodes: Vec<(NodeRef, StepState, Option<Arc<Document>>)>,
    /// Its input.
    pub input: Arc<Document>,
}

/// Why parts do not make a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The definition is another than the transaction's.
    #[error("the definition's digest is not the transaction's")]
    Definition,
    /// The nodes are not those of the definition.
    #[error("the definition has {expected} steps, {found} nodes are stored, or others")]
    Nodes {
        /// How many steps the definition has.
        expected: usize,
        /// How many nodes there are.
        found: usize,
    },
    /// An output is missing, or there is one too many.
    #[error("step {0} should have an output exactly if it is completed, and elements if it fanned out")]
    Output(NodeRef),
}

impl Transaction {
    /// Puts a transaction together.
    ///
    /// # Errors
    /// If the parts do not fit together.
    pub fn from_parts(parts: Parts) -> Result<Self, LoadError> {
        let Parts { definition, head, nodes, input } = parts;
        if definition.digest != head.beginning.digest {
            return Err(LoadError::Definition);
        }
        let misses = |(_, state, document): &&(NodeRef, StepState, Option<Arc<Document>>)| {
            (state.output_seq.is_some() || state.items_seq.is_some()) != document.is_some()
        };
        if let Some((node, ..)) = nodes.iter().find(misses) {
            return Err(LoadError::Output(*node));
        }
        let (expected, found) = (definition.steps.len(), nodes.len());
        let nodes = Nodes::of_stored(&definition, nodes).ok_or(LoadError::Nodes { expected, found })?;
        let mut transaction = Self {
            definition,
            head,
            nodes,
            input,
            active: Active::default(),
            displaced: Vec::new(),
            fresh: Vec::new(),
            touched: BTreeSet::new(),
        };
        transaction.place_all();
        Ok(transaction)
    }
}
