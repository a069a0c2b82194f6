//! What must hold of schedules, said from the outside: each time is dealt with once, in its turn, and what it came to is
//! what the schedule was told.

use super::{Check, Model, ensure};
use crate::material;
use crate::reference::WrongRule;
use crate::reference::schedule::{SchedulePlan, before};
use chancery_base::{PrincipalId, PrincipalKind, TenantId, Timestamp, TransactionId};
use chancery_engine::Beginning;
use chancery_engine::schedule::{Overlap, Terms};
use chancery_ledger::Record;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often times came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Something was started in time.
    pub fired: u64,
    /// Something was started to make up for a time.
    pub made_up_for: u64,
    /// Something was started when what ran before had ended.
    pub waited: u64,
    /// Times were left out because nobody was there.
    pub missed: u64,
    /// Times were left out because something ran.
    pub overlapped: u64,
    /// Policy let nothing start.
    pub denied: u64,
    /// Somebody had it start out of turn.
    pub by_hand: u64,
}

/// Schedules, as their entries tell.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    pub(crate) times: Times,
    /// What schedules may be told.
    plans: Vec<Arc<SchedulePlan>>,
    of: BTreeMap<(TenantId, String), Schedule>,
    /// What was started under a schedule's key, in a batch that has yet to say so.
    unsaid: BTreeMap<TransactionId, String>,
    /// What was to be cancelled in this batch.
    to_cancel: Vec<TransactionId>,
}

#[derive(Debug)]
struct Schedule {
    plan: Arc<SchedulePlan>,
    owner: PrincipalId,
    /// Since when it is paused.
    paused: Option<Timestamp>,
    next: Option<Timestamp>,
    waiting: Vec<Timestamp>,
    /// What it started last.
    transaction: Option<TransactionId>,
}

impl Schedule {
    /// Whether times wait that will start.
    fn is_to_start(&self) -> bool {
        self.paused.is_none() && !self.waiting.is_empty()
    }

    /// Whether it is the turn of this time, of those that wait.
    fn is_first(&self, due: Timestamp) -> bool {
        self.waiting.first() == Some(&due)
    }

    /// Whether a time waits that comes while something runs; if not it is left out. None if it starts all the same.
    fn holds(&self, overlap: Overlap) -> Option<bool> {
        match overlap {
            Overlap::Skip => Some(false),
            Overlap::BufferOne | Overlap::CancelRunning => Some(self.waiting.is_empty()),
            Overlap::BufferAll => Some(self.waiting.len() < 1_000),
            Overlap::Allow | Overlap::TerminateRunning => None,
        }
    }
}

/// What an entry says of a time.
#[derive(Debug, Clone, Copy)]
struct Dealt {
    due: Timestamp,
    at: Timestamp,
    next: Option<Timestamp>,
    by_hand: bool,
}

impl Schedules {
    /// What a schedule may be told from here on.
    pub(crate) fn know(&mut self, plan: Arc<SchedulePlan>) {
        self.plans.push(plan);
    }

    /// Those that are due some time.
    pub(crate) fn active(&self) -> Vec<(TenantId, String)> {
        let is_active = |schedule: &Schedule| schedule.next.is_some() || schedule.is_to_start();
        self.of.iter().filter(|(_, schedule)| is_active(schedule)).map(|(key, _)| key.clone()).collect()
    }

    /// A transaction begins: under a key that only schedules give, one of them says so in the same batch.
    pub(super) fn began(&mut self, beginning: &Beginning) {
        if let Some(key) = beginning.idempotency_key.as_ref().filter(|key| key.starts_with("schedule/")) {
            self.unsaid.insert(beginning.id, key.clone());
        }
    }
}

impl Model {
    /// What a schedule's entry says may be so.
    pub(super) fn follow_schedule(&mut self, record: &Record, payload: &Map<String, Value>) -> Check {
        let name = payload.get("name").and_then(Value::as_str).ok_or("an entry of a schedule without a name")?;
        let key = (record.log.tenant().clone(), name.to_owned());
        self.apply_schedule(&key, record, payload).map_err(|why| format!("reference: schedule {name}: {why}"))
    }

    fn apply_schedule(&mut self, key: &(TenantId, String), record: &Record, payload: &Map<String, Value>) -> Check {
        let time = |field: &str| record.data.get_int(field).map(Timestamp::from_micros);
        let (at, next) = (record.at, time("next"));
        let kind = record.kind.as_str();
        let wrong = self.wrong_rule;
        if matches!(kind, "schedule.created" | "schedule.changed") {
            return self.told(key, (at, next), payload, kind == "schedule.changed");
        }
        let schedule = self.schedules.of.get_mut(key).ok_or("there is none")?;
        match kind {
            "schedule.paused" => {
                ensure(schedule.paused.is_none(), || "it is paused".to_owned())?;
                (schedule.paused, schedule.next) = (Some(at), None);
                Ok(())
            }
            "schedule.resumed" => {
                let paused = schedule.paused.take().ok_or("it is not paused")?;
                let from = if wrong == Some(WrongRule::CountWhilePaused) { paused } else { at };
                schedule.next = schedule.plan.next(from, wrong);
                ensure(schedule.next == next, || format!("its next time is {:?}, not {next:?}", schedule.next))
            }
            "schedule.deleted" => {
                self.schedules.of.remove(key);
                Ok(())
            }
            _ => {
                let by_hand = record.actor != PrincipalId::SYSTEM;
                let dealt = Dealt { due: time("due").ok_or("no time")?, at, next, by_hand };
                match kind {
                    "schedule.fired" => self.fired(key, dealt, record),
                    "schedule.buffered" => self.buffered(key, dealt),
                    "schedule.skipped" => self.skipped(key, dealt, record),
                    other => Err(format!("{other} is not known")),
                }
            }
        }
    }

    /// It was made, or told something else.
    fn told(
        &mut self,
        key: &(TenantId, String),
        (at, next): (Timestamp, Option<Timestamp>),
        payload: &Map<String, Value>,
        is_change: bool,
    ) -> Check {
        let read = |field: &str| payload.get(field).cloned().unwrap_or_default();
        let terms: Terms = serde_json::from_value(read("terms")).map_err(|err| err.to_string())?;
        let owner: PrincipalId = serde_json::from_value(read("owner")).map_err(|err| err.to_string())?;
        let plan = self.schedules.plans.iter().find(|plan| plan.terms() == terms).ok_or("nobody told it so")?;
        let plan = Arc::clone(plan);
        let expected = plan.next(at, self.wrong_rule);
        ensure(expected.is_some() && expected == next, || format!("its next time is {expected:?}, not {next:?}"))?;
        let old = self.schedules.of.remove(key);
        ensure(old.is_some() == is_change, || format!("it was {old:?}"))?;
        let (paused, waiting, transaction) =
            old.map_or((None, Vec::new(), None), |old| (old.paused, old.waiting, old.transaction));
        let next = next.filter(|_| paused.is_none());
        let new = Schedule { plan, owner, paused, next, waiting, transaction };
        self.schedules.of.insert(key.clone(), new);
        Ok(())
    }

    fn schedule(&self, key: &(TenantId, String)) -> Check<&Schedule> {
        self.schedules.of.get(key).ok_or_else(|| "there is none".to_owned())
    }

    /// Whether what it started last has not ended.
    fn last_runs(&self, schedule: &Schedule) -> bool {
        let last = schedule.transaction.and_then(|id| self.transactions.get(&id));
        last.is_some_and(|last| last.ended.is_none())
    }

    /// A time is dealt with in its turn: it is the next one, or it waited. Gives what is next after it.
    fn in_turn(&self, schedule: &Schedule, dealt: Dealt) -> Check<Option<Timestamp>> {
        if dealt.by_hand {
            return Ok(schedule.next);
        }
        if schedule.is_first(dealt.due) {
            ensure(!self.last_runs(schedule), || "what runs has not ended".to_owned())?;
            ensure(schedule.paused.is_none(), || "it is paused".to_owned())?;
            return Ok(schedule.next);
        }
        let is_next = schedule.next == Some(dealt.due) && schedule.paused.is_none();
        ensure(is_next && dealt.due <= dealt.at, || format!("{} is dealt with, {schedule:?}", dealt.due))?;
        Ok(schedule.plan.next(dealt.due, self.wrong_rule))
    }

    /// Nothing that it was told keeps a time from being started for.
    fn may_start_for(&self, schedule: &Schedule, dealt: Dealt) -> Check<Option<Timestamp>> {
        let next = self.in_turn(schedule, dealt)?;
        if dealt.by_hand {
            return Ok(next);
        }
        let is_owed = schedule.plan.is_owed(dealt.due, dealt.at, self.wrong_rule);
        ensure(schedule.is_first(dealt.due) || is_owed, || format!("{} is missed: {schedule:?}", dealt.due))?;
        let may = !self.last_runs(schedule) || schedule.plan.overlap(self.wrong_rule) == Overlap::Allow;
        ensure(may, || format!("what it started last has not ended: {schedule:?}"))?;
        Ok(next)
    }

    /// Whether its owner may not start anything.
    fn is_denied(&self, tenant: &TenantId, owner: PrincipalId) -> Check<bool> {
        let [_, strict] = material::bundles()?;
        let active = self.tenants.get(tenant).and_then(|tenant| tenant.active);
        let by_policy = active == Some(strict.digest()) && owner.kind() == PrincipalKind::Agent;
        Ok(by_policy || self.is_suspended(tenant, owner))
    }

    fn fired(&mut self, key: &(TenantId, String), dealt: Dealt, record: &Record) -> Check {
        let schedule = self.schedule(key)?;
        let next = self.may_start_for(schedule, dealt)?;
        ensure(next == dealt.next, || format!("its next time is {next:?}, not {:?}", dealt.next))?;
        let transaction = record.data.get_word("transaction").and_then(|word| word.parse().ok());
        let transaction: TransactionId = transaction.ok_or("it started nothing")?;
        let own_key = format!("schedule/{}/{}", key.1, dealt.due);
        let started = self.start_keys.get(&(key.0.clone(), None, own_key.clone()));
        ensure(started == Some(&transaction), || format!("under {own_key} {started:?} was started"))?;
        let is_waiting = schedule.is_first(dealt.due);
        let is_late = dealt.due.plus(Duration::from_secs(60)) < dealt.at;
        let denied = self.is_denied(&key.0, schedule.owner)?;
        let is_new = self.schedules.unsaid.remove(&transaction).is_some();
        // What people ask for at one instant is one time.
        ensure(is_new || dealt.by_hand, || format!("{transaction} was started before"))?;
        ensure(!is_new || !denied, || "its owner may not start it".to_owned())?;
        let times = &mut self.schedules.times;
        let count = match (dealt.by_hand, is_waiting, is_late) {
            (true, ..) => &mut times.by_hand,
            (false, true, _) => &mut times.waited,
            (false, false, true) => &mut times.made_up_for,
            (false, false, false) => &mut times.fired,
        };
        *count += 1;
        self.dealt_with(key, dealt, |schedule| schedule.transaction = Some(transaction))
    }

    fn buffered(&mut self, key: &(TenantId, String), dealt: Dealt) -> Check {
        let schedule = self.schedule(key)?;
        let next = self.in_turn(schedule, dealt)?;
        ensure(next == dealt.next, || format!("its next time is {next:?}, not {:?}", dealt.next))?;
        let overlap = schedule.plan.overlap(self.wrong_rule);
        let waits = self.last_runs(schedule) && schedule.holds(Overlap::BufferAll) == Some(true);
        ensure(waits, || format!("nothing keeps {} from being started for: {schedule:?}", dealt.due))?;
        // Somebody who asks out of turn may say what holds.
        if !dealt.by_hand {
            ensure(schedule.holds(overlap) == Some(true), || format!("it is to {overlap:?}: {schedule:?}"))?;
            let is_owed = schedule.plan.is_owed(dealt.due, dealt.at, self.wrong_rule);
            ensure(is_owed, || format!("{} is missed: {schedule:?}", dealt.due))?;
            let cancelled = schedule.transaction.filter(|_| overlap == Overlap::CancelRunning);
            self.schedules.to_cancel.extend(cancelled);
        }
        self.dealt_with(key, dealt, |schedule| schedule.waiting.push(dealt.due))
    }

    fn skipped(&mut self, key: &(TenantId, String), dealt: Dealt, record: &Record) -> Check {
        let schedule = self.schedule(key)?;
        let until = record.data.get_int("until").map(Timestamp::from_micros);
        let reason = record.data.get_word("reason").unwrap_or_default();
        let wrong = self.wrong_rule;
        let next = match (reason, until) {
            ("denied", None) => {
                ensure(self.is_denied(&key.0, schedule.owner)?, || "its owner may start it".to_owned())?;
                // What ends for it ends only if it is permitted.
                let next = self.in_turn(schedule, dealt)?;
                let is_owed = schedule.plan.is_owed(dealt.due, dealt.at, wrong);
                ensure(schedule.is_first(dealt.due) || is_owed, || format!("{} is missed", dealt.due))?;
                next
            }
            ("missed" | "overlap", Some(until)) => {
                self.in_turn(schedule, dealt)?;
                let last = schedule.plan.last_of((dealt.due, until), wrong).ok_or("nothing is left out")?;
                let holds = if reason == "missed" {
                    !schedule.plan.is_owed(last, dealt.at, wrong)
                } else {
                    schedule.holds(schedule.plan.overlap(wrong)) == Some(false)
                        && last <= dealt.at
                        && self.last_runs(schedule)
                };
                ensure(holds, || format!("{} to {last} are left out as {reason}: {schedule:?}", dealt.due))?;
                schedule.plan.next(before(until), wrong)
            }
            (other, _) => return Err(format!("{other} came of {}", dealt.due)),
        };
        ensure(next == dealt.next, || format!("its next time is {next:?}, not {:?}", dealt.next))?;
        let times = &mut self.schedules.times;
        match reason {
            "denied" => times.denied += 1,
            "missed" => times.missed += 1,
            _ => times.overlapped += 1,
        }
        self.dealt_with(key, dealt, |_| ())
    }

    fn dealt_with(&mut self, key: &(TenantId, String), dealt: Dealt, change: impl FnOnce(&mut Schedule)) -> Check {
        let schedule = self.schedules.of.get_mut(key).ok_or("there is none")?;
        schedule.next = dealt.next;
        schedule.waiting.retain(|waiting| *waiting != dealt.due);
        change(schedule);
        Ok(())
    }

    /// After a batch: what was started is said, and what was to be cancelled for a time is, if it can be.
    pub(super) fn schedules_agree(&mut self) -> Check {
        let unsaid = self.schedules.unsaid.pop_first();
        ensure(unsaid.is_none(), || format!("reference: no schedule says that it started {unsaid:?}"))?;
        for id in std::mem::take(&mut self.schedules.to_cancel) {
            let of = self.transactions.get(&id).ok_or("an unknown transaction")?;
            let stays = of.ended.is_none() && of.saga.is_cancellable();
            ensure(!stays, || format!("reference: {id} was to be cancelled for a schedule: {of}"))?;
        }
        Ok(())
    }

    /// Nothing was due until then, a while ago, that is not dealt with.
    pub(crate) fn nothing_is_owed(&self, until: Timestamp) -> Check {
        for ((_, name), schedule) in &self.schedules.of {
            let is_owed = schedule.next.is_some_and(|next| next <= until);
            ensure(!is_owed, || format!("reference: schedule {name} is not looked at: {schedule:?}"))?;
            let last = schedule.transaction.and_then(|id| self.transactions.get(&id));
            let ended = last.filter(|last| last.ended.is_some()).and_then(|last| last.saga.last_at());
            let waits = schedule.is_to_start() && ended.is_some_and(|ended| ended <= until);
            ensure(!waits, || format!("reference: what schedule {name} waits for has ended: {schedule:?}"))?;
        }
        Ok(())
    }
}
