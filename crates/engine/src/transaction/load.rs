//! A transaction from its parts, as the store keeps them.

use super::Transaction;
use crate::definition::Definition;
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
    /// Its steps, in the definition's order.
    pub steps: Vec<StepState>,
    /// Its input.
    pub input: Arc<Document>,
    /// The outputs of the steps that have one, in the definition's order.
    pub outputs: Vec<Option<Arc<Document>>>,
}

/// Why parts do not make a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The definition is another than the transaction's.
    #[error("the definition's digest is not the transaction's")]
    Definition,
    /// The number of steps is not the definition's.
    #[error("the definition has {expected} steps, {found} are stored")]
    Steps {
        /// How many the definition has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// An output is missing, or there is one too many.
    #[error("step {0} should have an output exactly if it is completed")]
    Output(usize),
}

impl Transaction {
    /// Puts a transaction together.
    ///
    /// # Errors
    /// If the parts do not fit together.
    pub fn from_parts(parts: Parts) -> Result<Self, LoadError> {
        let Parts { definition, head, steps, input, outputs } = parts;
        if definition.digest != head.beginning.digest {
            return Err(LoadError::Definition);
        }
        let expected = definition.steps.len();
        for found in [steps.len(), outputs.len()] {
            if found != expected {
                return Err(LoadError::Steps { expected, found });
            }
        }
        let fits =
            |(state, output): (&StepState, &Option<Arc<Document>>)| state.output_seq.is_some() == output.is_some();
        if let Some(at) = steps.iter().zip(&outputs).position(|pair| !fits(pair)) {
            return Err(LoadError::Output(at));
        }
        Ok(Self { definition, head, steps, input, outputs, fresh: Vec::new(), touched: BTreeSet::new() })
    }
}
