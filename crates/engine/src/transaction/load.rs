//! A transaction from its parts, as the store keeps them.

use super::active::Active;
use super::nodes::Nodes;
use super::open::{Declared, Open};
use super::{Given, Transaction};
use crate::definition::{Definition, StepIndex};
use crate::node::NodeRef;
use crate::open::Intent;
use crate::state::{Head, StepState};
use crate::status::StepStatus;
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
    /// What was declared of the nodes of an open transaction, with their inputs, in their order.
    pub declared: Vec<(Arc<Intent>, Arc<Document>)>,
    /// What it was given when it began.
    pub given: Given,
    /// What the signals say that its head keeps, in their order.
    pub kept: Vec<Arc<Document>>,
}

/// Why parts do not make a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The definition is another than the transaction's.
    #[error("the definition's digest is not the transaction's")]
    Definition,
    /// The settings are another version than the transaction's.
    #[error("the settings' version is not the transaction's")]
    Settings,
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
    /// A signal's payload is missing, or there is one too many.
    #[error("{expected} signals are kept, {found} payloads of them are stored")]
    Signals {
        /// How many the head keeps.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// What a step has set can't be computed again.
    #[error("what step {0} has set can't be computed from its output")]
    Variables(NodeRef),
}

impl Transaction {
    /// Puts a transaction together.
    ///
    /// # Errors
    /// If the parts do not fit together.
    pub fn from_parts(parts: Parts) -> Result<Self, LoadError> {
        let Parts { definition, head, nodes, declared, given, kept } = parts;
        if definition.digest != head.beginning.digest {
            return Err(LoadError::Definition);
        }
        if given.settings.version() != head.beginning.settings {
            return Err(LoadError::Settings);
        }
        let misses = |(_, state, document): &&(NodeRef, StepState, Option<Arc<Document>>)| {
            let has_document = state.output_seq.is_some() || state.items_seq.is_some();
            has_document != document.is_some() || state.items_seq.is_some() != state.clones.is_some()
        };
        if let Some((node, ..)) = nodes.iter().find(misses) {
            return Err(LoadError::Output(*node));
        }
        let (expected, found) = (head.signals.len(), kept.len());
        if expected != found {
            return Err(LoadError::Signals { expected, found });
        }
        let (steps, found) = (definition.steps.len(), nodes.len());
        let is_open = definition.frame.is_some();
        let expected = if is_open { declared.len() } else { steps };
        let nodes = Nodes::of_stored(&definition, expected, nodes).filter(|_| is_open == head.open.is_some());
        let mut nodes = nodes.ok_or(LoadError::Nodes { expected, found })?;
        if let Some(frame) = &definition.frame {
            for (step, (intent, input)) in declared.iter().enumerate() {
                let declared = Declared::new(Arc::clone(intent), input, frame);
                nodes.node_mut(StepIndex::at(step).into()).declared = Some(Box::new(declared));
            }
        }
        let inputs = declared.iter().map(|(_, input)| &**input);
        let open = is_open.then(|| Box::new(Open::of_nodes(nodes.iter().zip(inputs))));
        let mut transaction = Self {
            definition,
            head,
            nodes,
            given,
            open,
            kept,
            active: Active::default(),
            displaced: Vec::new(),
            fresh: Vec::new(),
            touched: BTreeSet::new(),
            held_until: None,
        };
        transaction.place_all();
        transaction.set_all()?;
        Ok(transaction)
    }

    /// What the steps that are done have set: of what one sees, nothing is set after it.
    fn set_all(&mut self) -> Result<(), LoadError> {
        let definition = Arc::clone(&self.definition);
        for step in definition.setters() {
            let node = NodeRef::of_step(step);
            let done = self.state(node).filter(|state| state.status == StepStatus::Completed);
            let Some(state) = done else { continue };
            if let Some(origin) = &state.origin {
                let set = origin.set.clone();
                self.nodes.set_variables(step, set);
                continue;
            }
            let set = state.ended_at.and_then(|at| self.evaluate_set(node, None, at).ok());
            self.nodes.set_variables(step, set.ok_or(LoadError::Variables(node))?);
        }
        Ok(())
    }
}
