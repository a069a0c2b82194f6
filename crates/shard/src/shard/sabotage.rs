//! Breaking one rule on purpose, to prove that the simulator notices.

use super::Shard;
use super::work::Pending;
use crate::token::AttemptRef;
use chancery_base::Timestamp;

/// A rule that a shard breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sabotage {
    /// Effects go out while the commit that they rest on is under way.
    ReplyBeforeCommit,
    /// A hand-out counts as lapsed when half its lease is over.
    OfferBeforeLapse,
    /// A queue lets one attempt more out than it may.
    LetOneMoreOut,
    /// What has ended is removed whenever it ended.
    ExpireTooEarly,
    /// The answer to an attempt that is over is taken for that of the attempt which is out.
    TakeLateAnswer,
}

impl Shard {
    pub(super) fn sabotage_effects(&mut self, pending: &mut Pending) {
        if self.config.sabotage == Some(Sabotage::ReplyBeforeCommit) {
            let held = std::mem::take(&mut pending.held);
            self.effects.extend(held.effects);
            self.effects.extend(held.answered.into_iter().map(|(_, call)| call.into_reply()));
        }
    }

    pub(super) fn sabotage_lapse(&self, now: Timestamp) -> Timestamp {
        match self.config.sabotage {
            Some(Sabotage::OfferBeforeLapse) => now.plus(self.config.lease / 2),
            Some(
                Sabotage::ReplyBeforeCommit
                | Sabotage::LetOneMoreOut
                | Sabotage::ExpireTooEarly
                | Sabotage::TakeLateAnswer,
            )
            | None => now,
        }
    }

    pub(super) fn sabotage_concurrency(&self, most: usize) -> usize {
        most + usize::from(self.config.sabotage == Some(Sabotage::LetOneMoreOut))
    }

    pub(super) fn sabotage_horizon(&self, look: Timestamp, horizon: Timestamp) -> Timestamp {
        if self.config.sabotage == Some(Sabotage::ExpireTooEarly) { look } else { horizon }
    }

    pub(super) fn sabotage_attempt(&self, attempt: AttemptRef) -> AttemptRef {
        if self.config.sabotage != Some(Sabotage::TakeLateAnswer) {
            return attempt;
        }
        let member = self.members.get(&attempt.transaction);
        let out = member.and_then(|member| member.dispatched(attempt.node(), attempt.phase));
        AttemptRef { attempt: out.map_or(attempt.attempt, |(out, _)| out), ..attempt }
    }
}
