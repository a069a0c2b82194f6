//! A schedule whose time has come.

use super::Turn;
use crate::control::Control;
use crate::input::{Refusal, Response};
use crate::shard::Shard;
use crate::shard::dispatch::{Standing, refused};
use crate::shard::work::Work;
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_base::{DecisionId, Name, PrincipalId, Timestamp, TransactionId};
use chancery_engine::schedule::{Event, Look, Reason, look};
use chancery_policy::Action;
use std::sync::Arc;
use std::time::Duration;

/// What is done for one look at most: times that were missed, times that collide, and one start.
const STEPS_MAX: usize = 4;

/// When a start that found as many running as may run is tried again.
const ROOM_AFTER: Duration = Duration::from_secs(1);

impl Shard {
    /// Does with a schedule's times what is to be done now. What is left is done after the next batch.
    pub(in crate::shard) fn fire(&mut self, name: &Name, control: &Control, work: &mut Work) {
        self.schedules.queued.remove(name);
        if self.refuses_new().is_some() {
            self.schedules.prepared.remove(&(name.clone(), Turn::Due));
            return;
        }
        for _ in 0..STEPS_MAX {
            let Some(scheduled) = self.schedules.of.get(name) else { break };
            let (owner, head_next) = (scheduled.head.owner, scheduled.head.next);
            let runs = scheduled.head.transaction.is_some_and(|id| self.runs(id));
            let event = match (&scheduled.calendar, head_next) {
                (Ok(calendar), _) => match look(&scheduled.head, calendar, work.now, runs) {
                    Look::Nothing => {
                        self.schedules.place(name, head_next);
                        break;
                    }
                    Look::Start { due, ends, next } => {
                        self.fire_for(name, due, (ends, next), control, work);
                        break;
                    }
                    Look::Buffer { due, cancels, next } => {
                        self.came(name, &Event::Buffered { due, next }, work);
                        self.cancel_for(name, cancels, owner, work);
                        continue;
                    }
                    Look::Skip { due, until, reason, next } => {
                        Event::Skipped { due, until: Some(until), reason, error: None, next }
                    }
                },
                (Err(_), None) => {
                    self.schedules.place(name, None);
                    break;
                }
                (Err(err), Some(due)) => {
                    let error = Some(err.to_string());
                    Event::Skipped { due, until: None, reason: Reason::Failed, error, next: None }
                }
            };
            self.came(name, &event, work);
        }
        self.schedules.prepared.remove(&(name.clone(), Turn::Due));
    }

    fn came(&mut self, name: &Name, event: &Event, work: &mut Work) {
        let happened = self.happens(name, event, None, PrincipalId::SYSTEM, work);
        debug_assert!(happened.is_ok(), "{happened:?}");
    }

    /// Starts for a time, or says why not.
    fn fire_for(
        &mut self,
        name: &Name,
        due: Timestamp,
        (ends, next): (Option<TransactionId>, Option<Timestamp>),
        control: &Control,
        work: &mut Work,
    ) {
        let is_ready = self.schedules.of.get(name).is_some_and(|scheduled| {
            let prepared = self.schedules.prepared.get(&(name.clone(), Turn::Due));
            prepared.is_some_and(|prepared| prepared.due == due && self.is_current(&scheduled.head, prepared))
        });
        if !is_ready {
            // It was not to be started when it was prepared, or something changed since: it is looked at again.
            self.schedules.place(name, Some(work.now));
            return;
        }
        let (reason, error) = match self.start_for(name, (Turn::Due, due), ends, control, work) {
            Ok(transaction) => {
                return self.came(name, &Event::Fired { due, transaction, by_hand: false, next }, work);
            }
            // There is no room now: it waits for some, as callers would.
            Err(Refusal::Limited { retry_after, .. }) => {
                return self.schedules.place(name, Some(work.now.plus(retry_after)));
            }
            Err(Refusal::TooManyRunning { .. } | Refusal::Maintenance { .. }) => {
                return self.schedules.place(name, Some(work.now.plus(ROOM_AFTER)));
            }
            Err(Refusal::Denied(decision) | Refusal::Stopped(decision)) => {
                let reasons = decision.reasons.iter().map(ToString::to_string).collect::<Vec<_>>();
                (Reason::Denied, format!("denied ({}): {}", decision.id, reasons.join("; ")))
            }
            Err(refusal @ (Refusal::KeyReused(_) | Refusal::BusinessKeyTaken(_))) => {
                (Reason::Conflict, refusal.to_string())
            }
            Err(
                refusal @ (Refusal::Missing(_)
                | Refusal::Illegal(_)
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::Forked(_)
                | Refusal::Overlaps(_)
                | Refusal::Override(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::NotFound(_)
                | Refusal::Invalid(_)
                | Refusal::InputRefused { .. }
                | Refusal::Unavailable(_)
                | Refusal::Unknown
                | Refusal::Stopping),
            ) => (Reason::Failed, refusal.to_string()),
        };
        let error = Some(cut(error));
        self.came(name, &Event::Skipped { due, until: None, reason, error, next }, work);
    }

    /// Starts what was prepared, if its owner may; what `ends` names is terminated for it.
    pub(super) fn start_for(
        &mut self,
        name: &Name,
        (turn, due): (Turn, Timestamp),
        ends: Option<TransactionId>,
        control: &Control,
        work: &mut Work,
    ) -> Result<TransactionId, Refusal> {
        let prepared = self.schedules.prepared.remove(&(name.clone(), turn)).filter(|prepared| prepared.due == due);
        let start = prepared.map(|prepared| prepared.start);
        let start = start.unwrap_or_else(|| Err("what it starts is not ready".to_owned())).map_err(Refusal::Invalid)?;
        self.may(start.actor, Action::TransactionStart, control, work)?;
        if ends.is_some() {
            self.may(start.actor, Action::TransactionTerminate, control, work)?;
        }
        let id = match self.try_start(&start, ends, control, work)? {
            Response::Started { id, .. } => id,
            Response::Exchanged(_)
            | Response::Operated(_)
            | Response::Requested(_)
            | Response::Driven(_)
            | Response::Decided(_)
            | Response::Signalled { .. }
            | Response::Triggered(_)
            | Response::Done { .. } => {
                return Err(Refusal::Invalid("a start was answered as something else".to_owned()));
            }
        };
        // It goes only when the other is there: one that is refused replaces nothing.
        if let Some(ended) = ends.filter(|ended| *ended != id) {
            self.terminate_for(name, ended, start.actor, work);
        }
        Ok(id)
    }

    /// Cancels what a time waits for; that it waits is known before, for the end may come at once. What can't be
    /// cancelled any more is waited for all the same.
    pub(super) fn cancel_for(&mut self, name: &Name, id: Option<TransactionId>, owner: PrincipalId, work: &mut Work) {
        let Some(id) = id else { return };
        let standing = Standing { actor: owner, decision: None };
        let cancelled = self.run(id, standing, work, |transaction, cx| transaction.cancel(due_again(name), cx));
        // It may have ended, be past its pivot, or be cancelled already: nothing is to be said of that.
        drop(cancelled);
    }

    fn terminate_for(&mut self, name: &Name, id: TransactionId, owner: PrincipalId, work: &mut Work) {
        let standing = Standing { actor: owner, decision: None };
        drop(self.run(id, standing, work, |transaction, cx| transaction.terminate(due_again(name), cx)));
    }

    /// Whether the roles of a schedule's owner permit it; that they don't is an entry.
    fn may(&self, owner: PrincipalId, action: Action, control: &Control, work: &mut Work) -> Result<(), Refusal> {
        let Some(access) = &self.config.access else { return Ok(()) };
        let denied = match control.directory.principal(&owner) {
            Some(principal) => match access.authorize(principal, &control.tenant.tenant, action, None) {
                Ok(_) => return Ok(()),
                Err(denied) => denied.to_string(),
            },
            None => format!("{owner} is not a principal of the tenant"),
        };
        let id = DecisionId::draw(work.now, &mut work.entropy);
        Err(Refusal::Denied(Arc::new(refused(owner, id, &denied, work))))
    }
}

fn due_again(name: &Name) -> String {
    format!("schedule `{name}` is due again")
}

/// As much of a text as is kept.
fn cut(text: String) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= TEXT_BYTES_MAX).last();
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
