//! What people ask of schedules.

use super::Turn;
use crate::control::Control;
use crate::input::{Refusal, ReplyTo, Response, ScheduleAsk, ScheduleCommand};
use crate::shard::Shard;
use crate::shard::work::Work;
use chancery_base::limits::SCHEDULES_MAX;
use chancery_base::{Document, Name, PrincipalId, Timestamp};
use chancery_engine::schedule::{ByHand, Event, Overlap, Terms, by_hand};
use std::time::Duration;

/// Whether it asks for a start.
pub(in crate::shard) const fn asks_to_start(command: &ScheduleCommand) -> Option<Turn> {
    match command.ask {
        ScheduleAsk::Trigger { .. } => Some(Turn::Hand),
        ScheduleAsk::Create { .. }
        | ScheduleAsk::Set { .. }
        | ScheduleAsk::Pause { .. }
        | ScheduleAsk::Resume { .. }
        | ScheduleAsk::Delete => None,
    }
}

/// The overlap that it asks for instead of the schedule's own.
pub(in crate::shard) const fn overlap_asked(command: &ScheduleCommand) -> Option<Overlap> {
    if let ScheduleAsk::Trigger { overlap } = command.ask { overlap } else { None }
}

/// Whether it keeps work from beginning.
pub(in crate::shard) const fn lets_work_end(command: &ScheduleCommand) -> bool {
    match command.ask {
        ScheduleAsk::Pause { .. } | ScheduleAsk::Delete => true,
        ScheduleAsk::Create { .. }
        | ScheduleAsk::Set { .. }
        | ScheduleAsk::Resume { .. }
        | ScheduleAsk::Trigger { .. } => false,
    }
}

impl Shard {
    pub(in crate::shard) fn schedule(
        &mut self,
        reply: ReplyTo,
        command: &ScheduleCommand,
        control: &Control,
        work: &mut Work,
    ) {
        let answer = self.apply_schedule(command, control, work);
        // That there is one, that there is none, and how it stands is known from memory.
        work.rests_on_memory |= answer.is_err();
        work.reply(reply, answer);
    }

    fn apply_schedule(
        &mut self,
        command: &ScheduleCommand,
        control: &Control,
        work: &mut Work,
    ) -> Result<Response, Refusal> {
        if self.log.as_ref().is_none_or(|log| log.shard != 0) {
            return Err(Refusal::Invalid("only a tenant's shard 0 has schedules".to_owned()));
        }
        let (name, actor) = (&command.name, command.actor);
        self.may_ask(name, matches!(command.ask, ScheduleAsk::Create { .. }))?;
        let mut input: Option<&Document> = None;
        let event = match &command.ask {
            ScheduleAsk::Create { terms, input: given } => {
                input = Some(given);
                Event::Created { terms: terms.clone(), owner: actor, next: Some(first(terms, work.now)?) }
            }
            ScheduleAsk::Set { terms, input: given } => {
                input = Some(given);
                Event::Changed { terms: terms.clone(), owner: actor, next: Some(first(terms, work.now)?) }
            }
            ScheduleAsk::Pause { note } => Event::Paused { note: note.clone() },
            ScheduleAsk::Resume { note } => Event::Resumed { note: note.clone(), next: self.resumes(name, work.now)? },
            ScheduleAsk::Delete => Event::Deleted,
            ScheduleAsk::Trigger { overlap } => return self.trigger((name, actor), *overlap, control, work),
        };
        let seq = self.happens(name, &event, input, actor, work).map_err(Refusal::Schedule)?;
        Ok(Response::Done { seq: Some(seq) })
    }

    /// A name is created once, and is there for all else; and a tenant has so many of them.
    fn may_ask(&self, name: &Name, creates: bool) -> Result<(), Refusal> {
        match (creates, self.schedules.of.contains_key(name)) {
            (true, true) => Err(Refusal::Exists(format!("schedule `{name}`"))),
            (false, false) => Err(Refusal::NotFound(format!("schedule `{name}`"))),
            (true, false) if self.schedules.of.len() >= SCHEDULES_MAX => {
                let retry_after = Duration::from_secs(60);
                Err(Refusal::Limited { what: "schedules of a tenant", max: SCHEDULES_MAX, retry_after })
            }
            (true, false) | (false, true) => Ok(()),
        }
    }

    /// When a schedule is due first that is resumed now.
    fn resumes(&self, name: &Name, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let calendar = self.schedules.of.get(name).map(|scheduled| scheduled.calendar.as_ref());
        match calendar {
            Some(Ok(calendar)) => Ok(calendar.next(now)),
            Some(Err(err)) => Err(Refusal::Invalid(err.to_string())),
            None => Err(Refusal::NotFound(format!("schedule `{name}`"))),
        }
    }

    fn trigger(
        &mut self,
        (name, actor): (&Name, PrincipalId),
        overlap: Option<Overlap>,
        control: &Control,
        work: &mut Work,
    ) -> Result<Response, Refusal> {
        if let Some(refusal) = self.refuses_new() {
            self.schedules.prepared.remove(&(name.clone(), Turn::Hand));
            return Err(refusal);
        }
        let due = self.schedules.prepared.get(&(name.clone(), Turn::Hand)).map_or(work.now, |prepared| prepared.due);
        let Some(head) = self.schedules.head(name) else {
            return Err(Refusal::NotFound(format!("schedule `{name}`")));
        };
        let (owner, next) = (head.owner, head.next);
        let runs = head.transaction.is_some_and(|id| self.runs(id));
        match by_hand(head, overlap, runs) {
            ByHand::Refuse(id) => {
                self.schedules.prepared.remove(&(name.clone(), Turn::Hand));
                Err(Refusal::Overlaps(id))
            }
            ByHand::Buffer(cancels) => {
                self.schedules.prepared.remove(&(name.clone(), Turn::Hand));
                let event = Event::Buffered { due, next };
                self.happens(name, &event, None, actor, work).map_err(Refusal::Schedule)?;
                self.cancel_for(name, cancels, owner, work);
                Ok(Response::Triggered(None))
            }
            ByHand::Start(ends) => {
                let transaction = self.start_for(name, (Turn::Hand, due), ends, control, work)?;
                let event = Event::Fired { due, transaction, by_hand: true, next };
                self.happens(name, &event, None, actor, work).map_err(Refusal::Schedule)?;
                Ok(Response::Triggered(Some(transaction)))
            }
        }
    }
}

/// When a schedule of these terms is due first.
fn first(terms: &Terms, now: Timestamp) -> Result<Timestamp, Refusal> {
    let calendar = terms.calendar().map_err(|err| Refusal::Invalid(err.to_string()))?;
    calendar.next(now).ok_or_else(|| Refusal::Invalid("it would never be due: all its times are past".to_owned()))
}
