//! What obligations demand, where something is about to be done: what it goes out with, and why it can't be done.

use chancery_base::limits::REQUEST_JUSTIFICATION_MIN;
use chancery_base::{Document, duration};
use chancery_engine::{Charge, Conditions, RequestKind};
use chancery_policy::{Decision, Demand, FieldPath, Handed, Obligation};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// A transaction begins.
    Start,
    /// A step runs a transaction, which begins once people have approved it.
    Child,
    /// Nothing: somebody asks whether it may be.
    Asked,
    /// An event is emitted, in the entry that decides it.
    Emitted,
    /// The driver of an open transaction does a step, whose input it has.
    Driven,
}

/// Why what is permitted can't be done: the first obligation that nothing here can meet. One that is passed over would
/// be a permit that policy did not give.
pub(super) fn unmet(decision: &Decision, deed: Deed) -> Option<String> {
    decision.obligations.iter().find_map(|obligation| {
        let why = match (&obligation.demand, deed) {
            (Demand::Mask(_) | Demand::Limits(_), Deed::Asked | Deed::Start | Deed::Child | Deed::Emitted) => {
                return None;
            }
            (Demand::Approval(_), Deed::Child | Deed::Emitted | Deed::Driven) => return None,
            (Demand::Limits(_) | Demand::Budget(_) | Demand::Rate(_), Deed::Driven) => return None,
            (Demand::Budget(_) | Demand::Rate(_), Deed::Asked) => return None,
            // Whether it is there is looked up: see `lookup`.
            (Demand::Evidence(_) | Demand::Notify(_), _) => return None,
            (Demand::Approval(_), Deed::Start) => "a start waits for nobody: demand it of a step",
            (Demand::Approval(_), Deed::Asked) => "nobody has approved it",
            (Demand::Budget(_) | Demand::Rate(_), Deed::Start | Deed::Child) => {
                "nothing is counted of a start: demand it of a step"
            }
            (Demand::Budget(_) | Demand::Rate(_), Deed::Emitted) => "nothing is counted of an event",
            (Demand::Mask(_), Deed::Driven) => "its driver has the input already",
        };
        Some(format!("{} demands {}: {why}", name(obligation), obligation.demand.word()))
    })
}

pub(super) fn name(obligation: &Obligation) -> String {
    match (&obligation.policy, &obligation.reason) {
        (Some(policy), _) => format!("obligation `{policy}`"),
        (None, Some(reason)) => format!("the bundle's mode ({reason})"),
        (None, None) => "the bundle's mode".to_owned(),
    }
}

/// The approvals that obligations demand of a step.
pub(super) fn approvals_of(decision: &Decision) -> impl Iterator<Item = chancery_engine::Demand> + '_ {
    decision.obligations.iter().filter_map(|obligation| match &obligation.demand {
        Demand::Approval(approval) => Some(chancery_engine::Demand {
            kind: RequestKind::Approval,
            approvers: approval.approvers,
            role: approval.role.clone(),
            sla: approval.within,
            reason: obligation.reason.clone().unwrap_or_else(|| format!("{} demands it", name(obligation))),
            risk: risk_of(decision),
            justification_min: REQUEST_JUSTIFICATION_MIN,
        }),
        Demand::Evidence(_)
        | Demand::Mask(_)
        | Demand::Limits(_)
        | Demand::Budget(_)
        | Demand::Rate(_)
        | Demand::Notify(_) => None,
    })
}

/// The risk, 0 to 100, where the bundle has tables that say so.
pub(super) fn risk_of(decision: &Decision) -> Option<u8> {
    decision.risk.as_ref().map(|risk| risk.score)
}

/// What obligations demand of what goes out, and what was counted for it; none where they demand nothing.
pub(super) fn conditions_of(decision: &Decision, charges: Vec<Charge>) -> Option<Arc<Conditions>> {
    if decision.obligations.is_empty() {
        return None;
    }
    let Handed { mask, limits } = decision.handed().clone();
    Some(Conditions { charges, limits, mask }).filter(|conditions| !conditions.is_empty()).map(Arc::new)
}

/// The input without what the conditions mask.
pub(super) fn masked(input: &Arc<Document>, conditions: Option<&Conditions>) -> Arc<Document> {
    let Some(conditions) = conditions.filter(|conditions| !conditions.mask.is_empty()) else {
        return Arc::clone(input);
    };
    let mut value = input.value().clone();
    for path in conditions.mask.iter() {
        FieldPath::from_text(path).remove(&mut value);
    }
    Document::shared(value)
}

/// How long an attempt may take under the conditions.
pub(super) fn timeout(own: Duration, conditions: Option<&Conditions>) -> Duration {
    let limit = conditions.and_then(|conditions| conditions.limits.get("timeout")).and_then(Value::as_str);
    // What cannot be read is none that a bundle's reader took.
    limit.and_then(|text| duration::parse(text).ok()).map_or(own, |limit| own.min(limit))
}
