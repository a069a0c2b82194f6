//! What two definitions differ in: steps and keys, the order in which steps begin, and what is undone how.

use super::graph::{self, Upstream};
use super::{CompensationPolicy, Definition, OnError, Step, StepIndex};
use chancery_base::Name;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What two definitions differ in.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// Keys of the whole; `version` is not among them.
    pub whole: Vec<Change>,
    /// Steps that only the second has, in its order.
    pub added: Vec<Name>,
    /// Steps that only the first has, in its order.
    pub removed: Vec<Name>,
    /// Steps that both have and that differ, in the order of the second.
    pub changed: Vec<StepChanges>,
    /// Steps that both have and that wait for other ones, directly or not.
    pub order: Vec<OrderChange>,
    /// What it means for compensation, in sentences.
    pub undoing: Vec<String>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where: `with.sku`.
    pub path: String,
    /// What the first has there.
    pub before: Option<Value>,
    /// What the second has there.
    pub after: Option<Value>,
}

/// A step that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct StepChanges {
    /// Which.
    pub step: Name,
    /// Its keys that do.
    pub changes: Vec<Change>,
}

/// A step that waits for other ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderChange {
    /// Which.
    pub step: Name,
    /// What it waits for now.
    pub waits_for: Vec<Name>,
    /// What it no longer waits for.
    pub no_longer: Vec<Name>,
}

impl Diff {
    /// Compares two definitions.
    #[must_use]
    pub fn between(before: &Definition, after: &Definition) -> Self {
        let (old, new) = (before.document(), after.document());
        let mut whole = Vec::new();
        let others = ["steps", "participants", "version"];
        compare_maps(&without(&old, &others), &without(&new, &others), "", &mut whole);
        let (old_steps, new_steps) = (steps_of(&old), steps_of(&new));
        let only = |one: &Definition, other: &Definition| {
            let missing = one.steps.iter().filter(|step| other.find(step.id.as_str()).is_none());
            missing.map(|step| step.id.clone()).collect::<Vec<_>>()
        };
        let changed = after.steps.iter().filter_map(|step| {
            let (old, new) = (old_steps.get(step.id.as_str())?, new_steps.get(step.id.as_str())?);
            let mut changes = Vec::new();
            compare_maps(&without(old, &["id"]), &without(new, &["id"]), "", &mut changes);
            (!changes.is_empty()).then(|| StepChanges { step: step.id.clone(), changes })
        });
        Self {
            whole,
            added: only(after, before),
            removed: only(before, after),
            changed: changed.collect(),
            order: order(before, after),
            undoing: undoing(before, after),
        }
    }

    /// Whether they differ in nothing but their version.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

fn steps_of(document: &Value) -> BTreeMap<&str, &Value> {
    let steps = document.get("steps").or_else(|| document.get("participants"));
    let steps = steps.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    steps.iter().filter_map(|step| Some((step.get("id")?.as_str()?, step))).collect()
}

fn without(value: &Value, keys: &[&str]) -> Map<String, Value> {
    let map = value.as_object().cloned().unwrap_or_default();
    map.into_iter().filter(|(key, _)| !keys.contains(&key.as_str())).collect()
}

fn compare_maps(before: &Map<String, Value>, after: &Map<String, Value>, path: &str, changes: &mut Vec<Change>) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let path = super::fields::join(path, key);
        match (before.get(key), after.get(key)) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => compare_maps(before, after, &path, changes),
            (before, after) if before == after => {}
            (before, after) => changes.push(Change { path, before: before.cloned(), after: after.cloned() }),
        }
    }
}

/// The ids that a step waits for, directly or not.
fn waits_for<'d>(definition: &'d Definition, upstream: &Upstream, step: StepIndex) -> BTreeSet<&'d Name> {
    let steps = definition.indices().zip(&definition.steps);
    steps.filter(|(other, _)| upstream.has(step, *other)).map(|(_, other)| &other.id).collect()
}

fn order(before: &Definition, after: &Definition) -> Vec<OrderChange> {
    let (Some(old), Some(new)) = (graph::upstream(before), graph::upstream(after)) else { return Vec::new() };
    let changes = after.indices().zip(&after.steps).filter_map(|(index, step)| {
        let old = waits_for(before, &old, before.find(step.id.as_str())?);
        let new = waits_for(after, &new, index);
        let names = |names: BTreeSet<&Name>| names.into_iter().cloned().collect::<Vec<_>>();
        let waits_for = names(&new - &old);
        let no_longer = names(&old - &new);
        let differs = !waits_for.is_empty() || !no_longer.is_empty();
        differs.then(|| OrderChange { step: step.id.clone(), waits_for, no_longer })
    });
    changes.collect()
}

fn undoing(before: &Definition, after: &Definition) -> Vec<String> {
    let mut told = Vec::new();
    if before.compensation != after.compensation {
        told.push(format!(
            "steps were undone {}; now {}",
            before.compensation.describe(),
            after.compensation.describe()
        ));
    }
    let (Some(old), Some(new)) = (graph::upstream(before), graph::upstream(after)) else { return told };
    for (index, step) in after.indices().zip(&after.steps) {
        let now = fate(after, &new, index, step);
        let Some(was_at) = before.find(step.id.as_str()) else {
            told.push(format!("`{}` is new: it {now}", step.id));
            continue;
        };
        let Some(was) = before.step(was_at) else { continue };
        let was = fate(before, &old, was_at, was);
        if was != now {
            told.push(format!("`{}` {was}; now it {now}", step.id));
        }
    }
    for (index, step) in before.indices().zip(&before.steps).filter(|(_, step)| after.find(step.id.as_str()).is_none())
    {
        told.push(format!("`{}` is gone: it {}", step.id, fate(before, &old, index, step)));
    }
    told
}

/// What becomes of a step that was done when the transaction fails, in words that follow its name.
fn fate(definition: &Definition, upstream: &Upstream, index: StepIndex, step: &Step) -> String {
    let mut steps = definition.indices().zip(&definition.steps);
    let pivot = steps.find(|(other, step)| step.is_sure_pivot() && upstream.has(index, *other));
    match (&step.compensate, pivot) {
        (_, Some((_, pivot))) => format!("stays done, since it comes after the pivot `{}`", pivot.id),
        (Some(undo), None) => {
            let critical = if undo.critical { ", critical" } else { "" };
            format!("is undone by {}{critical}; if that fails, {}", undo.describe(), undo.on_error.describe())
        }
        (None, None) if step.pivot => "is a pivot: once it is done, nothing is undone".to_owned(),
        (None, None) if step.irreversible => "stays done, being irreversible".to_owned(),
        (None, None) => "stays done".to_owned(),
    }
}

impl CompensationPolicy {
    const fn describe(self) -> &'static str {
        match self {
            Self::StrictSequential => "in reverse order of completion, one at a time, and parked at a failure",
            Self::GroupedParallel => "deepest layer first, a layer together, and parked at a failure",
            Self::RetryWithBackoff => "in reverse order of completion, one at a time, going on after a failure",
            Self::CircuitBreaker => {
                "in reverse order of completion, one at a time, going on after a failure that is not critical"
            }
            Self::BestEffortParallel => "all together, going on after a failure",
        }
    }
}

impl OnError {
    const fn describe(self) -> &'static str {
        match self {
            Self::Continue => "it is left undone",
            Self::Retry => "it is tried without end",
            Self::Fail => "the transaction is parked",
            Self::Skip => "it is left undone at once",
            Self::MarkCompensated => "it counts as done",
        }
    }
}
