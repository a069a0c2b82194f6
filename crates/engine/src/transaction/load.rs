//! A transaction from its parts, as the store keeps them.

use super::Transaction;
use super::active::Active;
use super::nodes::{Node, Nodes};
use super::open::{Declared, Open};
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
    /// Its nodes, in order of (step, clone), each with its output if it has one.
    pub nodes: Vec<(NodeRef, StepState, Option<Arc<Document>>)>,
    /// What was declared of the nodes of an open transaction, with their inputs, in their order.
    pub declared: Vec<(Arc<Intent>, Arc<Document>)>,
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
    #[error("step {0} should have an output exactly if it is completed")]
    Output(NodeRef),
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
        let Parts { definition, head, nodes, declared, input } = parts;
        if definition.digest != head.beginning.digest {
            return Err(LoadError::Definition);
        }
        let (expected, found) = (definition.steps.len(), nodes.len());
        let is_open = definition.frame.is_some();
        let expected = if is_open { declared.len() } else { expected };
        let fits = nodes.iter().map(|(node, ..)| *node).eq((0..expected).map(|step| StepIndex::at(step).into()));
        if !fits || is_open != head.open.is_some() {
            return Err(LoadError::Nodes { expected, found });
        }
        if let Some((node, ..)) = nodes.iter().find(|(_, state, output)| state.output_seq.is_some() != output.is_some())
        {
            return Err(LoadError::Output(*node));
        }
        let nodes = nodes.into_iter().map(|(at, state, output)| Node::new(at, state, output));
        let mut nodes: Vec<Node> = nodes.collect();
        if let Some(frame) = &definition.frame {
            for (node, (intent, input)) in nodes.iter_mut().zip(&declared) {
                node.declared = Some(Box::new(Declared::new(Arc::clone(intent), input, frame)));
            }
        }
        let inputs = declared.iter().map(|(_, input)| &**input);
        let open = is_open.then(|| Box::new(Open::of_nodes(nodes.iter().zip(inputs))));
        let mut transaction = Self {
            definition,
            head,
            nodes: Nodes::of_steps(nodes),
            input,
            open,
            active: Active::default(),
            displaced: Vec::new(),
            fresh: Vec::new(),
            touched: BTreeSet::new(),
        };
        transaction.place_all();
        transaction.set_all()?;
        Ok(transaction)
    }

    /// What the steps that are done have set, in the order in which they were done.
    fn set_all(&mut self) -> Result<(), LoadError> {
        let is_set = |node: &NodeRef| self.step_of(*node).is_some_and(|step| !step.set.is_empty());
        let done = self.nodes().filter(|(node, state)| state.status == StepStatus::Completed && is_set(node));
        let mut done: Vec<(Option<u64>, NodeRef)> = done.map(|(node, state)| (state.ended_n, node)).collect();
        done.sort_unstable();
        for (_, node) in done {
            let ended_at = self.state(node).and_then(|state| state.ended_at);
            let output = self.nodes.get(node).and_then(|node| node.output.clone());
            let set = ended_at.zip(output).and_then(|(at, output)| self.evaluate_set(node, &output, at).ok());
            self.nodes.node_mut(node).variables = set.ok_or(LoadError::Variables(node))?;
        }
        Ok(())
    }
}
