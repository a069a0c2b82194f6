//! The variable `v`, to which steps add when they are done, each after the one before.

use super::{Plan, Saga, WrongRule};
use crate::model::{Check, ensure};
use crate::rng::Rng;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a step's `set` says; the first step has nothing to add to.
pub(super) fn sum(adds: u64, is_first: bool) -> Value {
    let sum = if is_first { adds.to_string() } else { format!("vars.?v.orValue(0) + {adds}") };
    json!({ "v": format!("${{{{ {sum} }}}}") })
}

impl Plan {
    /// The same, of which steps of a row, each after the one before, add to the variable, and later ones take it.
    pub(super) fn with_variable(mut self, rng: &mut Rng) -> Self {
        if !rng.permille(500) {
            return self;
        }
        let mut last = None;
        for step in 0..self.steps.len() {
            let before = self.all_before(step);
            let is_set = self.setters(&before).next().is_some();
            let follows = last.is_none_or(|last| before.contains(&last));
            let (takes, adds) = (rng.permille(500), rng.permille(500).then(|| rng.between(1, 9)));
            if let Some(plan) = self.steps.get_mut(step) {
                // What waits has no input.
                plan.takes_variable = is_set && takes && !plan.is_passive();
                plan.adds = adds.filter(|_| follows);
                last = plan.adds.map_or(last, |_| Some(step));
            }
        }
        self
    }

    /// Those of some steps that add to the variable, and how much.
    fn setters(&self, steps: &BTreeSet<usize>) -> impl Iterator<Item = (usize, u64)> {
        steps.iter().filter_map(move |step| Some((*step, self.steps.get(*step)?.adds?)))
    }

    /// Whether a step comes after none that adds to the variable.
    pub(super) fn is_first_setter(&self, step: usize) -> bool {
        self.setters(&self.all_before(step)).next().is_none()
    }

    /// Every step that must be over before this one.
    fn all_before(&self, step: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::new();
        let mut open = self.before(step);
        while let Some(before) = open.pop() {
            if all.insert(before) {
                open.extend(self.before(before));
            }
        }
        all
    }

    /// The steps that a step is made from: that of its input, and those that set the variable before it.
    pub(super) fn made_from(&self, step: usize) -> BTreeSet<usize> {
        let Some(plan) = self.steps.get(step) else { return BTreeSet::new() };
        let takes = plan.takes_variable || plan.adds.is_some();
        let before = if takes { self.all_before(step) } else { BTreeSet::new() };
        self.setters(&before).map(|(setter, _)| setter).chain(plan.input_of).collect()
    }

    pub(super) fn has_variable(&self) -> bool {
        self.steps.iter().any(|step| step.adds.is_some())
    }
}

impl Saga {
    /// Whether a step, or a clone of it, was handed the variable as it is where the step begins.
    pub(super) fn takes(&self, asked: usize, input: &Value) -> Check {
        let variable = self.variable(&self.plan.all_before(self.step_of(asked)));
        let takes = self.step(asked).is_some_and(|step| step.takes_variable) && !self.is_masked(asked, "v");
        let variable = variable.filter(|_| takes);
        let found = input.get("v").and_then(Value::as_u64);
        ensure(variable == found, || format!("its variable is {found:?}, not {variable:?}"))
    }

    /// The output of one that gives its number, and the variable if it has one.
    pub(super) fn number_output(&self) -> Value {
        let mut output = Map::from_iter([("n".to_owned(), Value::from(self.number))]);
        let variable = self.variable(&(0..self.plan.steps.len()).collect());
        output.extend(variable.map(|variable| ("v".to_owned(), Value::from(variable))));
        Value::Object(output)
    }

    /// What the variable is where these steps are over: each that was done has added to it. None if none was.
    fn variable(&self, over: &BTreeSet<usize>) -> Option<u64> {
        let done = self.plan.setters(over).filter(|(step, _)| self.is_completed(*step));
        let mut done: Vec<u64> = done.map(|(_, adds)| adds).collect();
        if self.is_told(WrongRule::ForgetVariable) {
            done.pop();
        }
        (!done.is_empty()).then(|| done.iter().sum())
    }
}
