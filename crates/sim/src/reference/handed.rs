//! What obligations demand of what is handed out: fields that its input lacks, and less time.

use super::{Saga, WrongRule};
use chancery_base::Timestamp;
use chancery_engine::NodeRef;
use std::time::Duration;

/// What is demanded of a step's attempts together. Its undo and its confirm keep to what its last attempt kept to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Handed {
    /// Dotted paths that its input lacks.
    pub(crate) mask: Vec<&'static str>,
    /// Milliseconds that an attempt may take at most.
    pub(crate) timeout: Option<u64>,
    /// The hosts that all lists have.
    pub(crate) network: Option<Vec<&'static str>>,
}

impl Saga {
    /// The next attempt of a step goes out under this.
    pub(crate) fn hand(&mut self, node: &NodeRef, handed: Handed) {
        self.handed.insert(self.unit(node), handed);
    }

    /// Under what the last attempt of a step went out.
    pub(crate) fn handed(&self, node: &NodeRef) -> Option<&Handed> {
        self.handed.get(&self.unit(node))
    }

    /// The number of the transaction, whether it is in the input of a step, and whether that can't be undone.
    pub(crate) fn deed(&self, node: &NodeRef) -> (u64, bool, bool) {
        let step = self.step(self.unit(node));
        let is_in_input = step.is_some_and(|step| step.input_of.is_none());
        (self.number, is_in_input, step.is_some_and(|step| step.is_irreversible))
    }

    /// Whether its steps are decided under the bundle that is active.
    pub(crate) fn is_latest(&self) -> bool {
        self.plan.is_latest
    }

    /// How often a step was handed out.
    pub(crate) fn tried(&self, node: &NodeRef) -> u64 {
        self.attempts(self.unit(node), chancery_engine::Phase::Do)
    }

    /// Whether a member of a step's input is taken away.
    pub(super) fn is_masked(&self, asked: usize, field: &str) -> bool {
        let is_it = self.handed.get(&asked).is_some_and(|handed| handed.mask.contains(&field));
        is_it && !self.is_told(WrongRule::MaskNothing)
    }

    /// Until when an attempt is out that may take so long.
    pub(super) fn out_until(&self, asked: usize, at: Timestamp, timeout: u64) -> Timestamp {
        let limit = self.handed.get(&asked).and_then(|handed| handed.timeout);
        let limit = limit.filter(|_| !self.is_told(WrongRule::IgnoreLimits));
        at.plus(Duration::from_millis(limit.map_or(timeout, |limit| timeout.min(limit))))
    }
}
