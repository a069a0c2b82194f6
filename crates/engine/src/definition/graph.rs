//! The graph of a definition's steps: links, cycles, and which steps are upstream of which.

use super::document::Data;
use super::fields::{Cursor, did_you_mean};
use super::problem::Problems;
use super::{Definition, DefinitionKind, Mode, StepIndex};
use std::collections::{BTreeMap, VecDeque};

/// For each step, the steps that are surely done or skipped before it.
#[derive(Debug)]
pub(crate) struct Upstream {
    rows: Vec<Bits>,
}

#[derive(Debug, Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn set(&mut self, position: usize) {
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    fn has(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

impl Upstream {
    pub(crate) fn has(&self, of: StepIndex, step: StepIndex) -> bool {
        self.rows.get(of.position()).is_some_and(|row| row.has(step.position()))
    }
}

/// Reads every `after` and links the steps; `None` if there is a cycle or an unknown step.
pub(crate) fn link(definition: &mut Definition, root: &Cursor<'_>, problems: &mut Problems) -> Option<Upstream> {
    let ids: BTreeMap<String, StepIndex> =
        definition.indices().zip(&definition.steps).map(|(index, step)| (step.id.to_string(), index)).collect();
    // Participants have no `after`: the mode says which is before which.
    let listed = root.field("steps").filter(|_| definition.kind == DefinitionKind::Saga);
    let items = listed.map(|field| field.items(problems)).unwrap_or_default();
    let mut whole = true;
    let mut links = match definition.mode {
        Mode::Sequence => definition.indices().zip(definition.indices().skip(1)).map(|(a, b)| (b, vec![a])).collect(),
        Mode::Graph | Mode::Layers | Mode::Parallel => Vec::new(),
    };
    for (index, item) in definition.indices().zip(&items) {
        let Some(field) = item.field("after") else { continue };
        let before = field.items(problems);
        whole &= matches!(field.node.data, Data::List(_));
        let mut after = Vec::with_capacity(before.len());
        for name in &before {
            match find(name, &ids, problems) {
                Some(found) if after.contains(&found) => {
                    name.fail(problems, "this step stands here twice");
                    whole = false;
                }
                Some(found) => after.push(found),
                None => whole = false,
            }
        }
        links.push((index, after));
    }
    for (index, mut after) in links {
        after.sort_unstable();
        for before in &after {
            if let Some(step) = definition.steps.get_mut(before.position()) {
                step.dependents.push(index);
            }
        }
        if let Some(step) = definition.steps.get_mut(index.position()) {
            step.after = after;
        }
    }
    for (step, layer) in layers(definition).into_iter().enumerate() {
        if let Some(step) = definition.steps.get_mut(step) {
            step.layer = layer;
        }
    }
    let upstream = upstream(definition);
    if upstream.is_none()
        && let Some(cycle) = cycle(definition)
    {
        report_cycle(definition, &cycle, &items, problems);
    }
    upstream.filter(|_| whole)
}

fn find(name: &Cursor<'_>, ids: &BTreeMap<String, StepIndex>, problems: &mut Problems) -> Option<StepIndex> {
    let text = name.text(problems)?;
    let found = ids.get(text).copied();
    if found.is_none() {
        let hint = did_you_mean(text, ids.keys().map(String::as_str));
        name.fail(problems, format!("there is no step `{text}`{hint}"));
    }
    found
}

/// The steps in an order in which each stands after its `after` (Kahn); fewer than all if there is a cycle.
pub(crate) fn order(definition: &Definition) -> Vec<StepIndex> {
    let mut waiting: Vec<usize> = definition.steps.iter().map(|step| step.after.len()).collect();
    let mut ready: VecDeque<StepIndex> =
        definition.indices().zip(&waiting).filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while let Some(index) = ready.pop_front() {
        ordered.push(index);
        let Some(step) = definition.step(index) else { continue };
        for dependent in &step.dependents {
            let Some(count) = waiting.get_mut(dependent.position()) else { continue };
            *count -= 1;
            if *count == 0 {
                ready.push_back(*dependent);
            }
        }
    }
    ordered
}

/// The layer of each step: 0 without `after`, else one more than the highest of them.
fn layers(definition: &Definition) -> Vec<u32> {
    let mut layers = vec![0; definition.steps.len()];
    for index in order(definition) {
        let Some(step) = definition.step(index) else { continue };
        let above = step.after.iter().filter_map(|before| layers.get(before.position())).max();
        let layer = above.map_or(0, |layer: &u32| layer + 1);
        if let Some(slot) = layers.get_mut(index.position()) {
            *slot = layer;
        }
    }
    layers
}

pub(super) fn upstream(definition: &Definition) -> Option<Upstream> {
    let count = definition.steps.len();
    let ordered = order(definition);
    if ordered.len() < count {
        return None;
    }
    let mut rows = vec![Bits::none(count); count];
    for index in ordered {
        let Some(step) = definition.step(index) else { continue };
        let mut row = Bits::none(count);
        for before in &step.after {
            row.set(before.position());
            if let Some(above) = rows.get(before.position()) {
                row.add(above);
            }
        }
        if definition.mode == Mode::Layers {
            for (position, other) in definition.steps.iter().enumerate() {
                if other.layer < step.layer {
                    row.set(position);
                }
            }
        }
        if let Some(slot) = rows.get_mut(index.position()) {
            *slot = row;
        }
    }
    Some(Upstream { rows })
}

/// One cycle: walking back from a step that never becomes ready, along steps that never do, some step comes again.
fn cycle(definition: &Definition) -> Option<Vec<StepIndex>> {
    let mut stuck = vec![true; definition.steps.len()];
    for index in order(definition) {
        if let Some(slot) = stuck.get_mut(index.position()) {
            *slot = false;
        }
    }
    let is_stuck = |index: &StepIndex| stuck.get(index.position()).copied().unwrap_or(false);
    let mut walked: Vec<StepIndex> = Vec::new();
    let mut at = definition.indices().find(is_stuck)?;
    loop {
        if let Some(start) = walked.iter().position(|seen| *seen == at) {
            let mut cycle = walked.split_off(start);
            cycle.reverse();
            // Told from its first step in the document, whichever it was met at.
            let first = cycle.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(at, _)| at);
            cycle.rotate_left(first);
            return Some(cycle);
        }
        walked.push(at);
        at = definition.step(at)?.after.iter().copied().find(is_stuck)?;
    }
}

fn report_cycle(definition: &Definition, cycle: &[StepIndex], items: &[Cursor<'_>], problems: &mut Problems) {
    let Some(first) = cycle.first() else { return };
    let ids = cycle.iter().chain([first]).filter_map(|index| definition.step(*index));
    let names: Vec<&str> = ids.map(|step| step.id.as_str()).collect();
    if let Some(field) = items.get(first.position()).and_then(|item| item.field("after")) {
        field.fail(problems, format!("the steps wait for one another: {}", names.join(" → ")));
    }
}
