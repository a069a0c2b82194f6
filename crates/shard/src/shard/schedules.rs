//! The tenant's schedules: which are due, what they start, and what becomes of their times.
//!
//! A schedule's row, its entries and what it starts are one commit. When a time has come the shard asks itself to look
//! at its schedule, an input as others are: what it starts is prepared first, with what the store has of it, and what
//! the start needs is loaded as that of any other.

mod change;
mod fire;
mod prepare;

pub(super) use change::{asks_to_start, lets_work_end, overlap_asked};

use super::Shard;
use crate::batch::StoreError;
use crate::input::{Command, Input, Observation, Refusal, ReplyTo, Start};
use crate::row::{ControlRow, ScheduleRow};
use crate::schedule;
use crate::shard::work::Work;
use chancery_base::limits::SCHEDULES_AT_ONCE;
use chancery_base::{Document, Name, PrincipalId, Timestamp, TransactionId};
use chancery_engine::definition::Definition;
use chancery_engine::schedule::{Calendar, Event, Head, IllegalEvent, TermsError, apply};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How often a shard that begins nothing new sees whether that is over.
const CLOSED_LOOK: Duration = Duration::from_secs(1);

/// Why a schedule starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Turn {
    /// Its time has come.
    Due,
    /// Somebody asks.
    Hand,
}

/// A schedule in memory.
#[derive(Debug)]
struct Scheduled {
    head: Head,
    /// An error where this build does not know its zone any more.
    calendar: Result<Arc<Calendar>, TermsError>,
}

/// What a schedule would start.
#[derive(Debug)]
struct Prepared {
    due: Timestamp,
    /// Of which terms, and of which version of the definition.
    of: (u64, Option<u32>),
    /// The start, or why there is none.
    start: Result<Box<Start>, String>,
}

#[derive(Debug, Default)]
pub(super) struct Schedules {
    of: BTreeMap<Name, Scheduled>,
    timers: BTreeSet<(Timestamp, Name)>,
    placed: HashMap<Name, Timestamp>,
    /// Transactions whose end lets a time that waits for it start.
    awaited: HashMap<TransactionId, Name>,
    /// Those that are asked to be looked at.
    queued: BTreeSet<Name>,
    prepared: HashMap<(Name, Turn), Prepared>,
    /// Inputs that were loaded, by the numbers of their entries; none where there is none.
    inputs: HashMap<u64, Option<Arc<Document>>>,
    /// Definitions that were loaded, likewise; an error where one can't be read.
    versions: HashMap<(Name, u32), Result<Arc<Definition>, String>>,
}

impl Schedules {
    fn head(&self, name: &Name) -> Option<&Head> {
        self.of.get(name).map(|scheduled| &scheduled.head)
    }

    /// When something is to be done though nothing arrives.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A transaction has ended: what waits for that is looked at now.
    pub(super) fn ended(&mut self, id: TransactionId, now: Timestamp) {
        if let Some(name) = self.awaited.remove(&id) {
            self.place(&name, Some(now));
        }
    }

    /// Schedules whose time has come and that are not asked to be looked at yet.
    fn due(&self, now: Timestamp) -> Vec<Name> {
        let room = SCHEDULES_AT_ONCE.saturating_sub(self.queued.len());
        let due = self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, name)| name);
        due.filter(|name| !self.queued.contains(*name)).take(room).cloned().collect()
    }

    /// Has a schedule looked at then.
    fn place(&mut self, name: &Name, at: Option<Timestamp>) {
        if let Some(before) = self.placed.remove(name) {
            self.timers.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.placed.insert(name.clone(), at);
            self.timers.insert((at, name.clone()));
        }
    }

    fn put(&mut self, name: &Name, head: Head) {
        self.forget_awaited(name);
        if let (Some(_), Some(id)) = (head.waiting.first(), head.transaction) {
            self.awaited.insert(id, name.clone());
        }
        self.place(name, head.next);
        match self.of.get_mut(name) {
            Some(scheduled) if scheduled.head.input_seq == head.input_seq => scheduled.head = head,
            Some(_) | None => {
                let calendar = head.terms.calendar().map(Arc::new);
                self.of.insert(name.clone(), Scheduled { head, calendar });
            }
        }
    }

    fn remove(&mut self, name: &Name) {
        self.forget_awaited(name);
        self.place(name, None);
        self.of.remove(name);
    }

    fn forget_awaited(&mut self, name: &Name) {
        let before = self.of.get(name).and_then(|scheduled| scheduled.head.transaction);
        if let Some(id) = before.filter(|id| self.awaited.get(id) == Some(name)) {
            self.awaited.remove(&id);
        }
    }
}

impl Shard {
    /// A page of the tenant's schedules.
    pub(super) fn schedules_loaded(&mut self, rows: &[ScheduleRow], now: Timestamp) {
        for row in rows {
            let head = match schedule::head(row) {
                Ok(head) => head,
                Err(message) => {
                    let err = StoreError {
                        operation: "read a schedule",
                        kind: chancery_base::Kind::Broken,
                        message: format!("schedule `{}`: {message}", row.name),
                    };
                    return self.unavailable(&err, now);
                }
            };
            let waits = !head.waiting.is_empty();
            self.schedules.put(&row.name, head);
            if waits {
                // What it waits for may have ended while nobody looked.
                self.schedules.place(&row.name, Some(now));
            }
        }
        match rows.last().filter(|_| rows.len() >= super::RECOVER_PAGE) {
            Some(last) => self.state = super::State::LoadSchedules(Some(last.name.clone())),
            None => self.open(),
        }
    }

    /// Says whether the platform takes no new transactions, so that schedules start none; of a start its caller says it.
    pub fn close(&mut self, closed: bool) {
        self.closed = closed;
    }

    /// Why nothing new begins; none: it does. Times that come meanwhile are missed, as while nobody is there.
    fn refuses_new(&self) -> Option<Refusal> {
        let of_tenant = self.control.as_ref().is_some_and(|control| control.maintenance.is_some());
        (self.closed || of_tenant).then_some(Refusal::Maintenance { platform: self.closed })
    }

    /// When schedules are looked at next.
    pub(super) fn next_schedule(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.schedules.next_wake().filter(|_| !self.draining)?;
        Some(if self.refuses_new().is_some() { next.max(now.plus(CLOSED_LOOK)) } else { next })
    }

    /// Asks itself to look at the schedules whose time has come.
    pub(super) fn queue_due(&mut self, now: Timestamp) {
        if self.stopping || self.draining || self.refuses_new().is_some() {
            return;
        }
        for name in self.schedules.due(now) {
            self.schedules.queued.insert(name.clone());
            self.queue.push_back(Input { reply: ReplyTo::NOBODY, command: Command::Fire(name) });
        }
    }

    /// Whether a transaction has not ended, as far as is known here.
    fn runs(&self, id: TransactionId) -> bool {
        self.members.get(&id).is_some_and(|member| !member.status().is_ended())
    }

    /// Whether it has to be loaded for that to be known.
    fn is_unknown(&self, id: TransactionId) -> bool {
        !self.members.contains_key(&id) && !self.asked.contains(&id) && !self.ended.contains(&id)
    }

    /// Has something happen to a schedule: its entry, its row and what is in memory of it.
    fn happens(
        &mut self,
        name: &Name,
        event: &Event,
        input: Option<&Document>,
        actor: PrincipalId,
        work: &mut Work,
    ) -> Result<u64, IllegalEvent> {
        let head = apply(self.schedules.head(name).cloned(), event, work.now, work.seq())?;
        let is_same = |row: &ControlRow| match row {
            ControlRow::Schedule(row) => row.name == *name,
            ControlRow::ScheduleGone(gone) => gone == name,
            ControlRow::Tenant(..)
            | ControlRow::Principal(_)
            | ControlRow::Credential(_)
            | ControlRow::Target(_)
            | ControlRow::Queue(_)
            | ControlRow::QueueGone(_)
            | ControlRow::Settings(_)
            | ControlRow::Maintenance(_)
            | ControlRow::MaintenanceOver
            | ControlRow::Stop(_)
            | ControlRow::StopGone(_)
            | ControlRow::Budget(_)
            | ControlRow::BudgetGone(_)
            | ControlRow::Notifier(_)
            | ControlRow::NotifierGone(_)
            | ControlRow::Override(_)
            | ControlRow::OverrideGone(_)
            | ControlRow::Retention(_)
            | ControlRow::RetentionGone
            | ControlRow::SigningSecret(_)
            | ControlRow::SigningSecretGone(_)
            | ControlRow::Definition(_)
            | ControlRow::Bundle(_)
            | ControlRow::Evidence(..)
            | ControlRow::EvidenceGone(_)
            | ControlRow::Trust(_)
            | ControlRow::TrustGone
            | ControlRow::BundleSigned(..)
            | ControlRow::ActiveBundle(_)
            | ControlRow::ShadowBundle(_) => false,
        };
        // Of several rows of one schedule the last one counts.
        work.control.retain(|row| !is_same(row));
        match head {
            Some(head) => {
                work.control.push(ControlRow::Schedule(schedule::row(name, &head)));
                let goes_on =
                    matches!(event, Event::Changed { .. } | Event::Resumed { .. }) && !head.waiting.is_empty();
                self.schedules.put(name, head);
                if goes_on {
                    // What it waits for may have ended while it was paused.
                    self.schedules.place(name, Some(work.now));
                }
            }
            None => {
                work.control.push(ControlRow::ScheduleGone(name.clone()));
                self.schedules.remove(name);
            }
        }
        let came = match event {
            Event::Fired { .. } => Some("fired"),
            Event::Buffered { .. } => Some("buffered"),
            Event::Skipped { reason, .. } => Some(reason.word()),
            Event::Created { .. }
            | Event::Changed { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::Deleted => None,
        };
        if let Some(came) = came {
            work.observe(Observation::Scheduled { came });
        }
        let (kind, data, payload) = crate::entry::schedules::write(name, event, input);
        Ok(work.write_control(kind, actor, data, Some(payload)))
    }
}
