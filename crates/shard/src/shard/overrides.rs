//! Overrides, where decisions are taken: stops are looked at before, and where policy denies an override after it.

use super::decisions::Decisions;
use super::work::Work;
use super::{Control, Shard};
use crate::over::{Act, Override, OverrideEvent, Used};
use crate::row::ControlRow;
use chancery_base::{DecisionId, OverrideId, PrincipalId, Timestamp};
use chancery_policy::{Bundle, Decision, Request};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Decisions {
    /// What the bundle says to the request, and where it denies what people answer for. An act may use an override up; a
    /// question has none, and does not.
    pub(super) fn say(
        &mut self,
        bundle: &Bundle,
        request: Request,
        act: Option<&Act>,
        control: &Control,
        work: &Work,
    ) -> Arc<Decision> {
        if control.overrides.is_empty() {
            return self.decide(bundle, &control.directory, request);
        }
        let decision = self.decide(bundle, &control.directory, request.clone());
        if decision.is_permit() {
            return decision;
        }
        // One that this batch has used up is another's act.
        let taken = |id| work.overridden.iter().any(|(used, of)| *used == id && Some(of) != act);
        let now = work.now;
        #[cfg(feature = "sabotage")]
        let now = work.sabotage_time_of_overrides(now);
        match control.overrides.covering(&request, act, now, taken) {
            Some(over) => Arc::new(self.decide_overridden(bundle, &control.directory, &request, &over.in_force())),
            None => decision,
        }
    }
}

/// Something is done by a decision: if an override is why it may be, that is an entry, and one that is for one act has
/// had it. Where two bundles have to permit, one may be why either does.
pub(super) fn used(decision: &Decision, id: DecisionId, act: &Act, control: &Control, work: &mut Work) {
    let pinned = decision.also.pinned.as_ref().and_then(|pinned| pinned.overridden.as_ref());
    let both = decision.overridden.iter().chain(pinned).map(|overridden| overridden.by.id);
    for over in both.collect::<BTreeSet<_>>() {
        used_one(over, id, act, control, work);
    }
}

fn used_one(over: OverrideId, id: DecisionId, act: &Act, control: &Control, work: &mut Work) {
    let Some(before) = control.overrides.get(over) else { return };
    let is_again = work.overridden.iter().any(|(used, _)| *used == before.id);
    let event = OverrideEvent::Used(Used { act: act.clone(), decision: id });
    let now = work.now;
    #[cfg(feature = "sabotage")]
    let now = work.sabotage_time_of_overrides(now);
    match before.clone().after(&event, PrincipalId::SYSTEM, now) {
        Ok(over) if over != *before && !is_again => {
            work.overridden.push((over.id, act.clone()));
            happens(&over, &event, PrincipalId::SYSTEM, work);
        }
        Ok(over) => {
            note(&over, &event, PrincipalId::SYSTEM, work);
        }
        Err(refusal) => debug_assert!(false, "what is not in force was used: {refusal}"),
    }
}

/// Something happens to an override: its entry, its row and a new control epoch.
pub(super) fn happens(over: &Override, event: &OverrideEvent, actor: PrincipalId, work: &mut Work) -> u64 {
    work.control.push(ControlRow::Override(over.row()));
    work.raise();
    note(over, event, actor, work)
}

/// Its entry alone.
fn note(over: &Override, event: &OverrideEvent, actor: PrincipalId, work: &mut Work) -> u64 {
    let (kind, data, payload) = crate::entry::overrides::write(over.id, event);
    work.write_control(kind, actor, data, payload)
}

impl Shard {
    /// When an override expires.
    pub(super) fn next_override(&self) -> Option<Timestamp> {
        #[cfg(feature = "sabotage")]
        if self.breaks(super::Sabotage::UseExpired) {
            return None;
        }
        self.control.as_ref().filter(|_| !self.draining)?.overrides.next_expiry()
    }

    /// Overrides whose time has come.
    pub(super) fn expire_overrides(&self, control: &Control, work: &mut Work) {
        if self.draining || control.overrides.next_expiry().is_none_or(|at| at > work.now) {
            return;
        }
        #[cfg(feature = "sabotage")]
        if self.breaks(super::Sabotage::UseExpired) {
            return;
        }
        for before in control.overrides.expired(work.now) {
            match before.clone().after(&OverrideEvent::Expired, PrincipalId::SYSTEM, work.now) {
                Ok(over) => {
                    happens(&over, &OverrideEvent::Expired, PrincipalId::SYSTEM, work);
                }
                Err(refusal) => debug_assert!(false, "{refusal}"),
            }
        }
    }
}
