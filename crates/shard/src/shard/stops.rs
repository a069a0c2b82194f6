//! What stops do to what is ready and to what is out.
//!
//! A stop on the tenant, a principal, an action or a definition denies what is ready, whether or not a worker asks for
//! it, and has workers told that nobody wants what they have; compensations and confirms go on, for they stand with
//! their step. A stop on a target has what would go there wait, compensations for a person.

use super::desk::LeaseKey;
use super::index::ReadyKey;
use super::work::Work;
use super::{Control, Shard};
use crate::input::{Hold, Queue, Refusal};
use crate::shard::dispatch::{Standing, refused_for};
use crate::stop::{Stop, StopOn};
use chancery_base::{DecisionId, PrincipalId, TargetId};
use chancery_engine::definition::{OnError, Run};
use chancery_engine::{NodeRef, Phase, StepError, Transaction};
use std::sync::Arc;

impl Shard {
    /// The stop that a transaction is under, whatever it does: on the tenant, on who started it, on its definition or
    /// on that of one above it.
    pub(super) fn stop_of<'a>(&self, transaction: &Transaction, control: &'a Control) -> Option<&'a Stop> {
        let stops = &control.stops;
        if stops.is_empty() {
            return None;
        }
        let principal = transaction.head().beginning.principal;
        let whole = stops.on(&StopOn::Tenant).or_else(|| stops.on(&StopOn::Principal(principal)));
        let mut next = Some(transaction).filter(|_| whole.is_none());
        while let Some(member) = next {
            let of_definition = StopOn::Definition(member.head().beginning.definition.clone());
            if let Some(stop) = stops.on(&of_definition) {
                return Some(stop);
            }
            // INVARIANT: whatever is in memory has its parent in memory.
            next = member.parent().and_then(|parent| self.members.get(&parent.id)).map(|parent| &**parent);
        }
        whole
    }

    /// The stop that denies something of a transaction that asks for an action.
    pub(super) fn stop_on<'a>(
        &self,
        transaction: &Transaction,
        action: &str,
        control: &'a Control,
    ) -> Option<&'a Stop> {
        #[cfg(feature = "sabotage")]
        if self.breaks(super::Sabotage::IgnoreStops) {
            return None;
        }
        self.stop_of(transaction, control).or_else(|| control.stops.on_action(action))
    }

    /// What is ready in a queue waits while its target is stopped.
    pub(super) fn holds_target(&mut self, queue: &Queue, control: &Control) -> bool {
        let is_held = is_queue_stopped(queue, control);
        if let (Queue::Worker(name), true) = (queue, is_held) {
            self.limits.hold(name, Hold::Stopped);
        }
        is_held
    }

    /// Whether nobody wants the answer of an attempt that is out any more.
    pub(super) fn is_stopped(&self, key: LeaseKey, control: &Control) -> bool {
        let Some(member) = self.members.get(&key.transaction).filter(|_| !control.stops.is_empty()) else {
            return false;
        };
        let is_denied = || {
            let action = member.step_of(key.node).map_or("", |step| step.action.as_str());
            key.phase == Phase::Do && self.stop_on(member, action, control).is_some()
        };
        // A compensation that would be passed over if it failed comes to its end.
        let is_cut = || goes_on(member, key.node, key.phase).is_none() && target_stop(member, key, control).is_some();
        is_denied() || is_cut()
    }

    /// Tells the workers that have what is stopped, as soon as a stop is in force.
    pub(super) fn tell_stopped(&mut self, control: &Control) {
        if !std::mem::take(&mut self.has_new_stops) {
            return;
        }
        for key in self.desk.lease_keys() {
            if self.is_stopped(key, control) {
                self.desk.tell_cancelled(key);
            }
        }
    }

    /// Denies what became ready since it was last looked and is stopped, for no worker may ever ask for it, and parks
    /// compensations that would go to a stopped target; whether there was any.
    pub(super) fn stop_ready(&mut self, control: &Control, work: &mut Work) -> bool {
        let mut progress = false;
        while !work.is_full()
            && let Some(key) = self.index.next_fresh()
        {
            match self.stop_one(key, control, work) {
                Ok(done) => progress |= done,
                Err(refusal) => {
                    debug_assert!(false, "{refusal}");
                    self.index.remove(key.transaction);
                }
            }
        }
        progress
    }

    fn stop_one(&mut self, key: ReadyKey, control: &Control, work: &mut Work) -> Result<bool, Refusal> {
        let (id, node, phase) = (key.transaction, key.node, key.phase);
        let Some(member) = self.members.get(&id) else { return Ok(false) };
        let Some(step) = member.step_of(node) else { return Ok(false) };
        match phase {
            Phase::Do if self.stop_on(member, step.action.as_str(), control).is_some() => {
                self.hand_out_one(key, None, control, work).map(|()| true)
            }
            Phase::Undo => {
                let lease_key = LeaseKey { transaction: id, node, phase };
                let stop = target_stop(member, lease_key, control).filter(|_| goes_on(member, node, phase).is_none());
                let Some(stop) = stop else { return Ok(false) };
                let message = format!("{}; once the stop is lifted, retry", stop.reason());
                let error = StepError::fatal(StepError::TARGET_STOPPED, message);
                self.run(id, Standing::system(), work, |member, cx| member.refuse(node, phase, error, cx))?;
                Ok(true)
            }
            // A confirm is the way forward: it waits, as steps do.
            Phase::Do | Phase::Confirm => Ok(false),
        }
    }
}

/// Refuses a call that is stopped; that it was is an entry.
pub(super) fn refuse(actor: PrincipalId, stop: &Stop, work: &mut Work) -> Refusal {
    let id = DecisionId::draw(work.now, &mut work.entropy);
    Refusal::Stopped(Arc::new(refused_for(actor, id, stop.reason(), work)))
}

/// How a transaction goes on once a compensation failed; none where it waits for a person, and for what is none.
fn goes_on(member: &Transaction, node: NodeRef, phase: Phase) -> Option<OnError> {
    let undo = member.step_of(node).and_then(|step| step.compensate.as_ref());
    undo.map(|undo| undo.on_error).filter(|on_error| phase == Phase::Undo && !on_error.parks())
}

/// The stop on where something goes.
fn target_stop<'a>(member: &Transaction, key: LeaseKey, control: &'a Control) -> Option<&'a Stop> {
    let target = match member.step_of(key.node)?.run_of(key.phase)? {
        Run::Worker(name) => TargetId::worker(name),
        Run::Http(_) => TargetId::of_url(&member.url(key.node, key.phase)?)?,
        Run::Noop
        | Run::Transaction(_)
        | Run::Decide(_)
        | Run::Emit(_)
        | Run::Wait(_)
        | Run::Signal(_)
        | Run::Request(_) => return None,
    };
    control.stops.on(&StopOn::Target(target))
}

/// Whether a stop is on a queue's target.
pub(super) fn is_queue_stopped(queue: &Queue, control: &Control) -> bool {
    if control.stops.is_empty() {
        return false;
    }
    let target = match queue {
        Queue::Worker(name) => TargetId::worker(name),
        Queue::Http(target) => target.clone(),
        // What has no origin that can be told fails when it is called.
        Queue::AnyHttp => return false,
    };
    control.stops.on(&StopOn::Target(target)).is_some()
}
