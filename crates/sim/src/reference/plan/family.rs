//! Sagas of which some steps run sagas, or TCCs, of their own.

use super::{Plan, PolicyPlan, RunPlan, StepPlan, on_error, vary, waits, wide_step};
use crate::reference::OutputPlan;
use crate::rng::Rng;

/// How far down there are children.
const DEPTH_MAX: usize = 2;

impl Plan {
    /// One with children, and children of these.
    pub(crate) fn family(number: usize) -> Self {
        kin(format!("family-{number}"), (number + 1) << 8, 0)
    }

    /// The child that has this number.
    pub(crate) fn child(&self, number: usize) -> Option<&Self> {
        let name = child_name(number);
        self.children.iter().find(|child| child.name == name)
    }

    /// Whether it is the child of another.
    pub(crate) fn is_child(&self) -> bool {
        self.name.starts_with(CHILD)
    }

    /// All that stand below it, and then it: each after what it runs.
    pub(crate) fn descent(&self) -> Vec<&Self> {
        let mut all: Vec<&Self> = self.children.iter().flat_map(Self::descent).collect();
        all.push(self);
        all
    }

    /// Whether one that completed can undo what it did.
    pub(crate) fn can_be_recalled(&self) -> bool {
        self.tcc.is_none() && self.open.is_none() && !self.steps.iter().any(|step| step.is_pivot)
    }
}

/// What the names of children begin with.
const CHILD: &str = "child-";

/// What the definition of a child is called.
pub(super) fn child_name(number: usize) -> String {
    format!("{CHILD}{number}")
}

fn kin(name: String, number: usize, depth: usize) -> Plan {
    let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0xc41d_0000);
    let count = usize::try_from(rng.between(1, if depth == 0 { 5 } else { 3 })).unwrap_or(1);
    let density = rng.pick(&[0, 150, 400, 800]).copied().unwrap_or(150);
    let policies = [PolicyPlan::StrictSequential, PolicyPlan::GroupedParallel, PolicyPlan::BestEffortParallel];
    let policy = rng.pick(&policies).copied();
    let pivots = rng.pick(&[0, 0, 0, 200]).copied().unwrap_or(0);
    let mut steps: Vec<StepPlan> = (0..count).map(|index| wide_step(index, density, &mut rng)).collect();
    let mut children = Vec::new();
    // A source of its own, so that the other children are what they were.
    let mut tccs = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0x7cc_c41d);
    for step in &mut steps {
        vary(step, policy, pivots, &mut rng);
        if depth < DEPTH_MAX && rng.permille(if depth == 0 { 600 } else { 300 }) {
            // Four bits for each depth, so that no two have the same number.
            let child = number | ((children.len() + 1) << (4 * (1 - depth)));
            let is_tcc = tccs.permille(250);
            let plan = if is_tcc { Plan::tcc(child) } else { kin(String::new(), child, depth + 1) };
            children.push(Plan { name: child_name(child), ..plan });
            (step.run, step.input_of) = (RunPlan::Child(child), None);
            // Nothing recalls a TCC: mostly its step says what undoes it.
            if rng.permille(750) && !is_tcc {
                step.undo = None;
            }
        } else if rng.permille(100) {
            (step.run, step.undo, step.input_of) = (waits(&mut rng), None, None);
        }
    }
    let concurrency = rng.permille(300).then(|| rng.between(1, 4));
    let output = if rng.permille(500) { OutputPlan::Number } else { OutputPlan::Nothing };
    let lasts = rng.permille(150).then(|| rng.between(500, 30_000));
    let on_error = on_error(&mut rng);
    let plan = Plan { steps, concurrency, output, lasts, policy, on_error, children, ..Plan::empty(name) };
    plan.with_setting(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_children_and_some_grandchildren_are_tccs() {
        let families: Vec<Plan> = (0..200).map(Plan::family).collect();
        let children = || families.iter().flat_map(|family| &family.children);
        assert!(children().any(|child| child.tcc.is_some()));
        assert!(children().flat_map(|child| &child.children).any(|grandchild| grandchild.tcc.is_some()));
        assert!(children().any(|child| child.tcc.is_none() && !child.children.is_empty()));
    }
}
