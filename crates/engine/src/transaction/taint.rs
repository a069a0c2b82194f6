//! Which classes of data a transaction has come to use. It follows from its state: nothing has to be kept in step.

use super::Transaction;
use crate::definition::Classes;
use crate::event::Event;
use crate::node::NodeRef;
use crate::status::StepStatus;
use chancery_base::Name;

impl Transaction {
    /// The classes of data that it uses or has used: of its input, of what it is a child or a fork of, of each step that
    /// was begun, and of each child that completed.
    #[must_use]
    pub fn taint(&self) -> Classes {
        let mut taint: Classes = &self.definition.classes | &self.head.beginning.taint;
        for (node, state) in self.nodes() {
            let has_begun = state.attempts > 0 || state.status == StepStatus::Completed;
            if let Some(step) = self.step_of(node).filter(|step| has_begun && !step.classes.is_empty()) {
                taint.extend(step.classes.iter().cloned());
            }
            taint.extend(state.taint.iter().cloned());
        }
        taint
    }

    /// The same with what a step uses, begun or not.
    #[must_use]
    pub fn taint_at(&self, node: NodeRef) -> Classes {
        let mut taint = self.taint();
        taint.extend(self.step_of(node).iter().flat_map(|step| step.classes.iter().cloned()));
        taint
    }

    /// Keeps what a child had come to use with the step that ran it.
    pub(super) fn taint_with(&mut self, node: NodeRef, event: &Event) {
        if let Event::Completed { taint, .. } = event
            && !taint.is_empty()
        {
            self.touch(node).taint.clone_from(taint);
        }
    }

    /// What a step is for.
    #[must_use]
    pub fn purpose_of(&self, node: NodeRef) -> Option<&Name> {
        let own = self.step_of(node).and_then(|step| step.purpose.as_ref());
        own.or(self.definition.purpose.as_ref())
    }
}
