//! The nodes of a transaction: its definition's steps, in their order, then the clones of those that fanned out.

use super::open::Declared;
use crate::definition::{Definition, StepIndex, Variables};
use crate::node::NodeRef;
use crate::state::StepState;
use chancery_base::Document;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: NodeRef,
    pub(super) state: StepState,
    /// What came of it; of a clone it lies with its siblings'.
    output: Option<Arc<Document>>,
    /// What a driver declared of it, where it is not a definition's.
    pub(super) declared: Option<Box<Declared>>,
    /// Whether the active set says of it what its state says.
    pub(super) is_placed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Nodes {
    all: Vec<Node>,
    fans: BTreeMap<StepIndex, Fan>,
    /// What steps set when they were done. Follows from the outputs, and is not kept.
    variables: BTreeMap<StepIndex, Variables>,
    /// Of all outputs together.
    output_bytes: usize,
}

/// The clones of a step: they lie one behind the other.
#[derive(Debug, Clone)]
struct Fan {
    first: usize,
    items: Arc<Document>,
    outputs: Vec<Option<Arc<Document>>>,
}

impl Node {
    pub(super) const fn new(at: NodeRef, state: StepState) -> Self {
        Self { at, state, output: None, declared: None, is_placed: false }
    }

    /// What came of a step as a whole that did not fan out.
    pub(super) fn output(&self) -> Option<&Document> {
        self.output.as_deref()
    }
}

impl Nodes {
    /// A definition's steps, of which nothing has happened to any.
    pub(super) fn of_definition(definition: &Definition) -> Self {
        Self::of_steps(definition.steps.len())
    }

    fn of_steps(steps: usize) -> Self {
        let nodes = (0..steps).map(|step| Node::new(StepIndex::at(step).into(), StepState::new()));
        Self { all: nodes.collect(), fans: BTreeMap::new(), variables: BTreeMap::new(), output_bytes: 0 }
    }

    /// Nodes of so many steps as they were stored, in order of (step, clone), each with its output, or with the
    /// elements over which it fanned out. None if they are not what such a definition can come to.
    pub(super) fn of_stored(
        definition: &Definition,
        steps: usize,
        stored: Vec<(NodeRef, StepState, Option<Arc<Document>>)>,
    ) -> Option<Self> {
        let mut nodes = Self::of_steps(steps);
        let (wholes, clones): (Vec<_>, Vec<_>) = stored.into_iter().partition(|(at, ..)| at.clone == 0);
        if !wholes.iter().map(|(at, ..)| at.step).eq((0..steps).map(StepIndex::at)) {
            return None;
        }
        for (at, state, document) in wholes {
            match (state.clones, document) {
                (Some(count), Some(items)) => {
                    let fans_out = definition.step(at.step).is_some_and(|step| step.each.is_some());
                    let fits = elements(&items).is_some_and(|items| u32::try_from(items.len()) == Ok(count));
                    (fans_out && fits).then(|| nodes.expand(at.step, &items))?;
                }
                (Some(_), None) => return None,
                (None, Some(output)) => nodes.set_output(at, &output),
                (None, None) => {}
            }
            nodes.node_mut(at).state = state;
        }
        let mut left = nodes.all.len() - steps;
        for (at, state, output) in clones {
            let fits = nodes.get(at).is_some() && state.clones.is_none();
            left = left.checked_sub(1).filter(|_| fits)?;
            if let Some(output) = output {
                nodes.set_output(at, &output);
            }
            nodes.node_mut(at).state = state;
        }
        (left == 0).then_some(nodes)
    }

    /// Adds the clones of a step, one for each element; gives how many.
    pub(super) fn expand(&mut self, step: StepIndex, items: &Arc<Document>) -> u32 {
        let first = self.all.len();
        let count = elements(items).map_or(0, <[Value]>::len);
        let clones = (1..).take(count).map(|clone| Node::new(NodeRef { step, clone }, StepState::new()));
        self.all.extend(clones);
        self.fans.insert(step, Fan { first, items: Arc::clone(items), outputs: vec![None; count] });
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many clones there are.
    pub(super) fn clone_count(&self) -> usize {
        self.fans.values().map(|fan| fan.outputs.len()).sum()
    }

    /// The elements over which a step fanned out.
    pub(super) fn items(&self, step: StepIndex) -> Option<&Arc<Document>> {
        self.fans.get(&step).map(|fan| &fan.items)
    }

    /// The element that a clone is of.
    pub(super) fn item(&self, at: NodeRef) -> Option<&Value> {
        elements(&self.fans.get(&at.step)?.items)?.get(index_of(at)?)
    }

    /// The outputs of a step's clones, in their order.
    pub(super) fn outputs(&self, step: StepIndex) -> Option<&[Option<Arc<Document>>]> {
        self.fans.get(&step).map(|fan| fan.outputs.as_slice())
    }

    pub(super) fn output(&self, at: NodeRef) -> Option<&Arc<Document>> {
        match index_of(at) {
            None => self.get(at)?.output.as_ref(),
            Some(index) => self.fans.get(&at.step)?.outputs.get(index)?.as_ref(),
        }
    }

    pub(super) fn set_output(&mut self, at: NodeRef, output: &Arc<Document>) {
        self.output_bytes = self.output_bytes.saturating_add(output.canonical().len());
        let slot = match index_of(at) {
            None => Some(&mut self.node_mut(at).output),
            Some(index) => self.fans.get_mut(&at.step).and_then(|fan| fan.outputs.get_mut(index)),
        };
        if let Some(slot) = slot {
            *slot = Some(Arc::clone(output));
        }
    }

    /// What a step has set.
    pub(super) fn variables(&self, step: StepIndex) -> Option<&Variables> {
        self.variables.get(&step)
    }

    pub(super) fn set_variables(&mut self, step: StepIndex, variables: Variables) {
        if !variables.is_empty() {
            self.variables.insert(step, variables);
        }
    }

    /// How many bytes all outputs have together.
    pub(super) const fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    pub(super) fn get(&self, at: NodeRef) -> Option<&Node> {
        look();
        self.all.get(self.position(at))
    }

    #[expect(clippy::indexing_slicing, reason = "callers have looked at the node, or hold an index of the definition")]
    pub(super) fn node_mut(&mut self, at: NodeRef) -> &mut Node {
        look();
        let position = self.position(at);
        &mut self.all[position]
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

    /// Where a node lies; beyond all where there is none such.
    fn position(&self, at: NodeRef) -> usize {
        let Some(index) = index_of(at) else { return at.step.position() };
        let fan = self.fans.get(&at.step).filter(|fan| index < fan.outputs.len());
        fan.map_or(usize::MAX, |fan| fan.first + index)
    }
}

/// The elements of a fan-out.
fn elements(items: &Document) -> Option<&[Value]> {
    items.value().as_array().map(Vec::as_slice)
}

/// Which clone it is, from 0.
fn index_of(at: NodeRef) -> Option<usize> {
    at.index().and_then(|index| usize::try_from(index).ok())
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
