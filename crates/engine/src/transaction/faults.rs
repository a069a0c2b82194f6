//! Where the faults that a start asked for take hold: what an attempt is instead of a hand-out, what becomes of its
//! answer, and how much later it is handed out.

use super::Transaction;
use super::command::Answer;
use crate::event::StepError;
use crate::fault::{Fault, FaultKind};
use crate::node::NodeRef;
use crate::state::StepState;
use crate::status::Phase;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How much later than without faults the next attempts at a node may be handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Delays {
    pub(super) forward: Duration,
    pub(super) closing: Duration,
}

impl Transaction {
    /// How an attempt ends that a fault has fail instead of being handed out; none: it is handed out.
    #[must_use]
    pub fn injected(&self, node: NodeRef, phase: Phase, attempt: u32) -> Option<Answer> {
        let error = self.faults_at(node, phase, attempt).into_iter().find_map(|fault| match fault {
            FaultKind::Error { error, unknown } => Some((error, *unknown)),
            FaultKind::LoseAnswer | FaultKind::Repeat | FaultKind::Delay { .. } => None,
        });
        let (error, is_unknown) = error?;
        let error = StepError { injected: true, ..error.clone() };
        Some(if is_unknown { Answer::Unknown(error) } else { Answer::Failed(error) })
    }

    /// An answer as it counts: one that a fault throws away says nothing of what the attempt did.
    pub(super) fn as_heard(&self, node: NodeRef, phase: Phase, attempt: u32, answer: Answer) -> Answer {
        match answer {
            Answer::Completed(_) | Answer::Failed(_) | Answer::Unknown(_) if self.loses(node, phase, attempt) => {
                let message = "the start asked for its answer to be lost; whether the attempt took effect is unknown";
                Answer::Unknown(StepError { injected: true, ..StepError::new(StepError::ANSWER_LOST, message) })
            }
            Answer::Completed(_) | Answer::Failed(_) | Answer::Unknown(_) | Answer::Accepted | Answer::Lapsed => answer,
        }
    }

    /// Whether the answer of an attempt that was handed out is thrown away.
    fn loses(&self, node: NodeRef, phase: Phase, attempt: u32) -> bool {
        let faults = self.faults_at(node, phase, attempt);
        let has = |wanted: fn(&FaultKind) -> bool| faults.iter().any(|fault| wanted(fault));
        has(|fault| matches!(fault, FaultKind::LoseAnswer | FaultKind::Repeat))
            && !has(|fault| matches!(fault, FaultKind::Error { .. }))
    }

    /// A function of what the transaction began with and the node's own state, as all is that the active set is made of.
    pub(super) fn delays(&self, node: NodeRef, state: &StepState) -> Delays {
        let faults = &self.head.beginning.faults;
        // Asked at each change of a node, of transactions that hardly ever have any.
        if faults.is_empty() {
            return Delays::default();
        }
        let Some(step) = self.step_of(node) else { return Delays::default() };
        let name = node.name(&step.id);
        let of = |phase, attempts: u32| {
            Fault::delay_of(faults, (step.id.as_str(), &name), phase, attempts.saturating_add(1))
        };
        Delays { forward: of(Phase::Do, state.attempts), closing: of(self.head.closing(state), state.undo.attempts) }
    }

    /// How many of the attempts at a node since so many do not count, because they were to be repeated.
    pub(super) fn repeats(&self, node: NodeRef, phase: Phase, attempts: RangeInclusive<u32>) -> u32 {
        let named = self.head.beginning.faults.iter().filter(|fault| fault.fault == FaultKind::Repeat);
        let named: BTreeSet<u32> = named.flat_map(|fault| fault.attempts.iter().flatten().copied()).collect();
        let made = named.into_iter().filter(|attempt| attempts.contains(attempt));
        let repeated = made.filter(|attempt| self.faults_at(node, phase, *attempt).contains(&&FaultKind::Repeat));
        u32::try_from(repeated.count()).unwrap_or(u32::MAX)
    }

    fn faults_at(&self, node: NodeRef, phase: Phase, attempt: u32) -> Vec<&FaultKind> {
        let faults = &self.head.beginning.faults;
        let Some(step) = self.step_of(node).filter(|_| !faults.is_empty()) else { return Vec::new() };
        let name = node.name(&step.id);
        let fitting = faults.iter().filter(|fault| fault.fits((step.id.as_str(), &name), phase, attempt));
        fitting.map(|fault| &fault.fault).collect()
    }
}
