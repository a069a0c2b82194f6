//! The nodes of a transaction. The first are its definition's steps, in their order.

use super::open::Declared;
use crate::definition::{Definition, Variables};
use crate::node::NodeRef;
use crate::state::StepState;
use chancery_base::Document;
use std::sync::Arc;

/// A node: where it stands, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: NodeRef,
    pub(super) state: StepState,
    pub(super) output: Option<Arc<Document>>,
    /// What a driver declared of it, where it is not a definition's.
    pub(super) declared: Option<Box<Declared>>,
    /// What it set when it was done. Follows from the outputs, and is not kept.
    pub(super) variables: Variables,
    /// Whether the active set says of it what its state says.
    pub(super) is_placed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Nodes {
    all: Vec<Node>,
}

impl Node {
    pub(super) const fn new(at: NodeRef, state: StepState, output: Option<Arc<Document>>) -> Self {
        Self { at, state, output, declared: None, variables: Variables::new(), is_placed: false }
    }
}

impl Nodes {
    /// A definition's steps, of which nothing has happened to any.
    pub(super) fn of_definition(definition: &Definition) -> Self {
        let nodes = definition.indices().map(|step| Node::new(step.into(), StepState::new(), None));
        Self { all: nodes.collect() }
    }

    /// As they are stored: a definition's steps, in their order.
    pub(super) const fn of_steps(all: Vec<Node>) -> Self {
        Self { all }
    }

    pub(super) fn get(&self, at: NodeRef) -> Option<&Node> {
        look();
        self.all.get(Self::position(at))
    }

    #[expect(clippy::indexing_slicing, reason = "callers have looked at the node, or hold an index of the definition")]
    pub(super) fn node_mut(&mut self, at: NodeRef) -> &mut Node {
        look();
        &mut self.all[Self::position(at)]
    }

    /// Adds the next one.
    pub(super) fn push(&mut self, node: Node) {
        self.all.push(node);
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.all.iter().inspect(|_| look())
    }

    #[cfg(test)]
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.all.iter_mut()
    }

    fn position(at: NodeRef) -> usize {
        if at.clone == 0 { at.step.position() } else { usize::MAX }
    }
}

/// Counts, in tests, how much an event costs: each node and each key of the active set that is looked at.
#[cfg(test)]
pub(super) fn look() {
    LOOKS.with(|looks| looks.set(looks.get() + 1));
}

#[cfg(not(test))]
pub(super) const fn look() {}

#[cfg(test)]
thread_local! {
    pub(super) static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}
