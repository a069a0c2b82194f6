//! Steps that the shard carries out itself, and undos that do so.

use super::{Plan, RunPlan, StepPlan};
use crate::rng::Rng;
use serde_json::{Value, json};

/// What a question asks; what it is told, its step's `context` says.
pub(super) fn question() -> Value {
    json!({ "decide": { "action": "ask", "resource": { "type": "Definition", "id": "asked" } } })
}

/// An event that is called so.
pub(super) fn event(event_type: &str) -> Value {
    json!({ "emit": { "type": event_type, "subject": "${{ input.n }}" } })
}

impl Plan {
    /// The same, of which some steps ask or emit, and some are undone by an event.
    pub(super) fn with_inline(mut self, rng: &mut Rng) -> Self {
        let often = rng.pick(&[0, 0, 250, 500]).copied().unwrap_or(0);
        for step in self.steps.iter_mut().filter(|step| !step.is_passive()) {
            if rng.permille(often) {
                step.run = if rng.permille(500) { RunPlan::Decide } else { RunPlan::Emit };
            }
            if step.run == RunPlan::Decide {
                (step.undo, step.input_of) = (None, None);
                (step.takes_variable, step.takes_setting) = (false, false);
            }
            if let Some(undo) = &mut step.undo {
                undo.is_event = rng.permille(often / 2);
                undo.is_noop &= !undo.is_event;
            }
        }
        self
    }
}

impl StepPlan {
    /// Whether the shard carries it out itself.
    pub(crate) const fn is_inline(&self) -> bool {
        match self.run {
            RunPlan::Decide | RunPlan::Emit => true,
            RunPlan::Noop
            | RunPlan::Http
            | RunPlan::QueueA
            | RunPlan::QueueB
            | RunPlan::Wait(_)
            | RunPlan::Signal(_)
            | RunPlan::Request(_)
            | RunPlan::Child(_) => false,
        }
    }

    /// Whether it changes nothing that could be left.
    pub(crate) fn is_without_effect(&self) -> bool {
        self.is_passive() || self.run == RunPlan::Decide
    }

    /// Whether nothing of it can be left: it has no effect, or does nothing and says no undo.
    pub(crate) fn leaves_nothing(&self) -> bool {
        self.is_without_effect() || self.run == RunPlan::Noop && self.undo.is_none()
    }
}
