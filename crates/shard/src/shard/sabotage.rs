//! Breaking one rule on purpose, to prove that the simulator notices.

use super::Shard;
use super::work::{Pending, Work};
use crate::budget::{Movement, Span};
use crate::over::{Override, OverrideEvent, OverrideRefusal};
use crate::token::AttemptRef;
use chancery_base::{Document, PrincipalId, Timestamp};
use chancery_engine::{AccountId, Offer};
use chancery_policy::Decision;
use std::sync::Arc;

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
    /// Nothing is reserved of a budget with what is handed out.
    ReserveNothing,
    /// What was reserved for an attempt that failed is not returned.
    ReturnNothing,
    /// What a budget or a rate counts goes on when its window is over.
    KeepWindow,
    /// What is masked is handed out.
    ShowMasked,
    /// An attempt has all the time that its step says, whatever its limits.
    IgnoreTimeLimit,
    /// What goes out need not have the evidence that is demanded.
    PassWithoutEvidence,
    /// Policy is not told that something can't be undone.
    HideIrreversible,
    /// An override is good after its time.
    UseExpired,
    /// Who asks for an override may grant it.
    GrantOwn,
    /// Hand-outs are not held by stops.
    IgnoreStops,
}

impl Shard {
    pub(super) fn sabotage_effects(&mut self, pending: &mut Pending) {
        if self.breaks(Sabotage::ReplyBeforeCommit) {
            let held = std::mem::take(&mut pending.held);
            self.effects.extend(held.effects);
            self.effects.extend(held.answered.into_iter().map(|(_, call)| call.into_reply()));
        }
    }

    pub(super) fn sabotage_lapse(&self, now: Timestamp) -> Timestamp {
        if self.breaks(Sabotage::OfferBeforeLapse) { now.plus(self.config.lease / 2) } else { now }
    }

    pub(super) fn breaks(&self, rule: Sabotage) -> bool {
        self.config.sabotage == Some(rule)
    }

    /// Whether something that was counted is forgotten.
    pub(super) fn sabotage_forgets(&self, movement: &Movement) -> bool {
        match movement {
            Movement::Taken(_) => self.breaks(Sabotage::ReserveNothing),
            Movement::Returned(_) => self.breaks(Sabotage::ReturnNothing),
            Movement::Settled(..) => false,
        }
    }

    pub(super) fn sabotage_span(&self, id: &AccountId, span: Span) -> Span {
        let known = self.accounts.get(id).map(|account| account.span);
        let known = known.filter(|known| self.breaks(Sabotage::KeepWindow) && known.opened == span.opened);
        known.unwrap_or(span)
    }

    pub(super) fn sabotage_input(&self, masked: Arc<Document>, offer: &Offer) -> Arc<Document> {
        if self.breaks(Sabotage::ShowMasked) { Arc::clone(&offer.input) } else { masked }
    }

    pub(super) fn sabotage_deadline(&self, deadline: Timestamp, offer: &Offer, now: Timestamp) -> Timestamp {
        if self.breaks(Sabotage::IgnoreTimeLimit) { now.plus(offer.timeout) } else { deadline }
    }

    pub(super) fn sabotage_held(&self, held: Arc<Decision>, judged: &Arc<Decision>) -> Arc<Decision> {
        if self.breaks(Sabotage::PassWithoutEvidence) { Arc::clone(judged) } else { held }
    }

    pub(super) fn sabotage_concurrency(&self, most: usize) -> usize {
        most + usize::from(self.breaks(Sabotage::LetOneMoreOut))
    }

    pub(super) fn sabotage_horizon(&self, look: Timestamp, horizon: Timestamp) -> Timestamp {
        if self.breaks(Sabotage::ExpireTooEarly) { look } else { horizon }
    }

    pub(super) fn sabotage_attempt(&self, attempt: AttemptRef) -> AttemptRef {
        if !self.breaks(Sabotage::TakeLateAnswer) {
            return attempt;
        }
        let member = self.members.get(&attempt.transaction);
        let out = member.and_then(|member| member.dispatched(attempt.node(), attempt.phase));
        AttemptRef { attempt: out.map_or(attempt.attempt, |(out, _)| out), ..attempt }
    }
}

impl Work {
    /// The time that overrides are looked at for.
    pub(super) fn sabotage_time_of_overrides(&self, now: Timestamp) -> Timestamp {
        if self.sabotage == Some(Sabotage::UseExpired) { Timestamp::EPOCH } else { now }
    }

    /// What becomes of an override of which its requester says something.
    pub(super) fn sabotage_said(
        &self,
        said: Result<Override, OverrideRefusal>,
        before: &Override,
        (event, by): (&OverrideEvent, PrincipalId),
    ) -> Result<Override, OverrideRefusal> {
        let is_own = matches!(said, Err(OverrideRefusal::Requester(_)));
        if self.sabotage != Some(Sabotage::GrantOwn) || !is_own {
            return said;
        }
        let mut of_another = before.clone();
        of_another.requested.by = PrincipalId::SYSTEM;
        let over = of_another.after(event, by, self.now)?;
        Ok(Override { requested: before.requested.clone(), ..over })
    }
}
