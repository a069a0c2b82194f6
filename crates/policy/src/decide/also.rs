//! What other bundles said to the same question.

use super::{Decision, Reason};
use crate::obligation::Obligation;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What other bundles said to the question that a decision answers. It stands in the same payload, as `also`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Also {
    /// The bundle that the transaction began under, where the active one and this one have to permit.
    pub pinned: Option<Arc<Decision>>,
    /// A bundle in the shadow, whose answer nobody obeys.
    pub shadow: Option<Arc<Decision>>,
}

impl Also {
    pub(super) fn is_empty(&self) -> bool {
        self.pinned.is_none() && self.shadow.is_none()
    }

    pub(super) fn to_json(&self) -> Value {
        let said = [("pinned", &self.pinned), ("shadow", &self.shadow)];
        said.into_iter().filter_map(|(name, decision)| Some((name, decision.as_ref()?.brief()))).collect()
    }
}

impl Decision {
    /// The same decision with what others said beside it. What the pinned bundle demands is demanded, too.
    ///
    /// PRECONDITION: `also.pinned` permits.
    #[must_use]
    pub fn beside(&self, also: Also) -> Self {
        debug_assert!(also.pinned.as_ref().is_none_or(|pinned| pinned.is_permit()), "it has not permitted");
        let mut decision = self.clone();
        for obligation in also.pinned.iter().flat_map(|pinned| &pinned.obligations) {
            // The same demand of the same policy for another reason is one demand.
            let is_it = |known: &Obligation| known.policy == obligation.policy && known.demand == obligation.demand;
            if !decision.obligations.iter().any(is_it) {
                decision.obligations.push(obligation.clone());
            }
        }
        decision.also = also;
        decision.rewrite(None);
        decision
    }

    /// What it says, without what it rests on.
    fn brief(&self) -> Value {
        let mut brief = Map::new();
        brief.insert("bundle".to_owned(), Value::from(self.bundle.to_string()));
        brief.insert("outcome".to_owned(), Value::from(self.outcome.word()));
        brief.insert("reasons".to_owned(), self.reasons.iter().map(Reason::to_json).collect());
        if !self.obligations.is_empty() {
            let obligations = self.obligations.iter().map(Obligation::to_json).collect();
            brief.insert("obligations".to_owned(), obligations);
        }
        Value::Object(brief)
    }
}
