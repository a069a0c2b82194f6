//! Workers: they take tasks, work, answer, hang, die and lie.

use super::clients::Purpose;
use super::servers::ServerId;
use super::{Event, World};
use crate::faults::Fault;
use crate::material::QUEUES;
use crate::model::Check;
use chancery_base::{Digest, Document, Name, Timestamp};
use chancery_engine::{Phase, StepError};
use chancery_shard::input::{
    Ack, Command, Exchange, Exchanged, Queue, Refusal, Report, ReportedOutcome, Response, Task, Worker,
};
use chancery_shard::{TaskToken, TokenKey};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerId(u64);

/// A worker process at one shard.
#[derive(Debug)]
pub(crate) struct WorkerState {
    place: usize,
    worker: Worker,
    tasks: BTreeMap<TaskToken, Held>,
    /// What it does for targets that accepted a task: until when, and what comes of it. It has no lease on these.
    accepted: BTreeMap<TaskToken, (Timestamp, ReportedOutcome)>,
    /// What it has said, to say it again if it is asked again.
    said: BTreeMap<TaskToken, ReportedOutcome>,
    outbox: Vec<Report>,
    wakes_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Held {
    until: Timestamp,
    outcome: ReportedOutcome,
    /// It does not renew the lease.
    is_hung: bool,
    /// It only says that it was accepted, and what came of it so much later.
    later: Option<Duration>,
}

/// A call that a worker made.
#[derive(Debug)]
pub(crate) struct Sent {
    worker: WorkerId,
    at: Timestamp,
    reports: Vec<Report>,
    forged: BTreeSet<TaskToken>,
    holding: Vec<TaskToken>,
    queues: Vec<(Queue, u32)>,
}

/// The target that the plans' calls go to.
const TARGET: &str = "https://payments.test";

impl World {
    pub(super) fn add_worker(&mut self, place: usize) {
        let Some(tenant) = self.places.get(place).and_then(|(_, tenant)| self.tenants.get(*tenant)) else { return };
        let Some(principal) = tenant.principals.last().map(|principal| principal.id) else { return };
        self.next += 1;
        let id = WorkerId(self.next);
        let worker = Worker { principal, instance: Arc::from(format!("worker-{}", id.0)) };
        let state = WorkerState {
            place,
            worker,
            tasks: BTreeMap::new(),
            accepted: BTreeMap::new(),
            said: BTreeMap::new(),
            outbox: Vec::new(),
            wakes_at: None,
        };
        self.workers.insert(id, state);
        self.wake(id, self.now);
    }

    /// Has a worker look at what it has at this time, unless it does so before.
    fn wake(&mut self, id: WorkerId, at: Timestamp) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            worker.wakes_at = Some(at);
            self.at(at, Event::Work(id));
        }
    }

    pub(super) fn work(&mut self, id: WorkerId) -> Check {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        if worker.wakes_at.is_some_and(|wakes_at| wakes_at > now) && !self.is_calm {
            return Ok(());
        }
        worker.wakes_at = None;
        let place = worker.place;
        if self.strikes(Fault::WorkerCrashed, 10) {
            self.count(Fault::WorkerCrashed);
            self.workers.remove(&id);
            self.add_worker(place);
            return Ok(());
        }
        self.finish_tasks(id);
        let Some(server) = self.server_of(place) else {
            self.wake(id, now.plus(Duration::from_millis(500)));
            return Ok(());
        };
        let beat = self.within(1_000);
        let worker = self.workers.get(&id);
        let next = worker.and_then(|worker| {
            let accepted = worker.accepted.values().map(|(until, _)| *until);
            worker.tasks.values().map(|held| held.until).chain(accepted).min()
        });
        self.wake(id, next.map_or(now.plus(beat), |next| next.min(now.plus(beat))));
        self.exchange(id, server)
    }

    /// What is finished goes into the outbox.
    fn finish_tasks(&mut self, id: WorkerId) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let is_done = |held: &Held| held.until <= now || self.is_calm;
        let done: Vec<TaskToken> =
            worker.tasks.iter().filter(|(_, held)| is_done(held)).map(|(token, _)| *token).collect();
        for token in done {
            let Some(held) = worker.tasks.remove(&token) else { continue };
            if let Some(later) = held.later {
                worker.accepted.insert(token, (now.plus(later), held.outcome));
                worker.said.insert(token, ReportedOutcome::Accepted);
                worker.outbox.push(Report { task: token, outcome: ReportedOutcome::Accepted });
                continue;
            }
            worker.said.insert(token, held.outcome.clone());
            worker.outbox.push(Report { task: token, outcome: held.outcome });
        }
        let done = worker.accepted.iter().filter(|(_, (until, _))| *until <= now || self.is_calm);
        let done: Vec<TaskToken> = done.map(|(token, _)| *token).collect();
        for token in done {
            let Some((_, outcome)) = worker.accepted.remove(&token) else { continue };
            worker.said.insert(token, outcome.clone());
            worker.outbox.push(Report { task: token, outcome });
        }
    }

    fn exchange(&mut self, id: WorkerId, server: ServerId) -> Check {
        let now = self.now;
        let wants = self.rng.between(1, 4);
        let is_report_only = self.rng.permille(400);
        let hold = self.within(2_500);
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        let done = std::mem::take(&mut worker.outbox);
        let holding: Vec<TaskToken> =
            worker.tasks.iter().filter(|(_, held)| !held.is_hung).map(|(token, _)| *token).collect();
        let names = QUEUES.iter().filter_map(|name| name.parse::<Name>().ok()).map(Queue::Worker);
        let want = u32::try_from(wants).unwrap_or(1);
        let queues = if is_report_only && !done.is_empty() {
            Vec::new()
        } else {
            // A target that is named with nothing has no room, whatever there is for others.
            let named = self.rng.permille(300).then(|| TARGET.parse().ok()).flatten();
            let named = named.map(|target| (Queue::Http(target), 0));
            names.chain([Queue::AnyHttp]).map(|queue| (queue, want)).chain(named).collect()
        };
        let (worker, place) = (worker.worker.clone(), worker.place);
        for report in &done {
            let attempt = report.task.attempt;
            self.model.report(attempt, report.outcome.clone());
            if self.model.is_over(&attempt) {
                self.count(Fault::AnswerLate);
            }
        }
        let mut reports = done.clone();
        let forged = self.forge(place, &holding);
        reports.extend(forged.iter().map(|token| Report {
            task: *token,
            outcome: ReportedOutcome::Completed(Document::shared(json!("forged"))),
        }));
        let hold_until = if reports.is_empty() { now.plus(hold) } else { now };
        let call = Exchange {
            worker,
            version: None,
            key: None,
            queues: queues.clone(),
            done: reports,
            holding: holding.clone(),
            hold_until,
        };
        self.next += 1;
        let number = self.next;
        self.sent.insert(number, Sent { worker: id, at: now, reports: done, forged, holding, queues });
        self.send(server, Command::Exchange(call), Purpose::Exchange(number))
    }

    /// A token that the platform did not issue.
    fn forge(&mut self, place: usize, holding: &[TaskToken]) -> BTreeSet<TaskToken> {
        let tenant = self.places.get(place).and_then(|(_, tenant)| self.tenants.get(*tenant));
        let (Some(token), Some(tenant)) = (holding.first(), tenant.map(|tenant| tenant.id.clone())) else {
            return BTreeSet::new();
        };
        if !self.strikes(Fault::TokenForged, 30) {
            return BTreeSet::new();
        }
        self.count(Fault::TokenForged);
        BTreeSet::from([TokenKey::new([9; 32]).issue(&tenant, token.attempt, &Digest::of(b"null"))])
    }

    pub(super) fn heard_exchange(&mut self, server: ServerId, number: u64, answer: Result<Response, Refusal>) -> Check {
        let Some(sent) = self.sent.remove(&number) else { return Err("a worker's call was answered twice".to_owned()) };
        let exchanged = match answer {
            Ok(Response::Exchanged(exchanged)) => exchanged,
            Ok(other) => return Err(format!("a worker was answered {other:?}")),
            Err(_) => {
                self.say_again(&sent);
                return Ok(());
            }
        };
        self.check_exchanged(server, &sent, &exchanged)?;
        let has_content = !exchanged.tasks.is_empty() || !exchanged.acks.is_empty();
        if has_content && self.strikes(Fault::WorkerReplyLost, 40) {
            self.count(Fault::WorkerReplyLost);
            self.say_again(&sent);
            return Ok(());
        }
        for (token, ack) in &exchanged.acks {
            if *ack == Ack::Recorded && self.strikes(Fault::AnswerRepeated, 60) {
                self.count(Fault::AnswerRepeated);
                let repeated = sent.reports.iter().find(|report| report.task == *token).cloned();
                if let Some(worker) = self.workers.get_mut(&sent.worker) {
                    worker.outbox.extend(repeated);
                }
            }
        }
        for token in &exchanged.cancelled {
            let obeys = self.rng.permille(500);
            if let Some(worker) = self.workers.get_mut(&sent.worker).filter(|_| obeys) {
                worker.tasks.remove(token);
            }
        }
        for task in &exchanged.tasks {
            self.take(sent.worker, task);
        }
        Ok(())
    }

    /// What was let out must have been allowed to go, whether or not it arrives.
    fn check_exchanged(&mut self, server: ServerId, sent: &Sent, exchanged: &Exchanged) -> Check {
        let mut credit: BTreeMap<&Queue, u32> = sent.queues.iter().map(|(queue, want)| (queue, *want)).collect();
        for task in &exchanged.tasks {
            self.model.delivered(task)?;
            // What did not arrive is sent again, whatever there is room for.
            if self.model.deliver(task.token.attempt) {
                continue;
            }
            let is_other = task.queue.is_http() && !credit.contains_key(&task.queue);
            let left = credit.get_mut(if is_other { &Queue::AnyHttp } else { &task.queue });
            let left = left.filter(|left| **left > 0).ok_or_else(|| format!("{:?} had no credit", task.queue))?;
            *left -= 1;
        }
        let expected = sent.reports.len() + sent.forged.len();
        if !exchanged.acks.is_empty() && exchanged.acks.len() != expected {
            return Err(format!("{} acknowledgements of {expected} reports", exchanged.acks.len()));
        }
        for (token, ack) in &exchanged.acks {
            self.model.report_acknowledged(&token.attempt, *ack, sent.forged.contains(token))?;
        }
        if self.owns(server) {
            for token in sent.holding.iter().filter(|token| !exchanged.cancelled.contains(token)) {
                self.model.renewed(&token.attempt, sent.at);
            }
        }
        Ok(())
    }

    /// The worker does not know whether its reports arrived.
    fn say_again(&mut self, sent: &Sent) {
        let wait = self.within(800);
        if let Some(worker) = self.workers.get_mut(&sent.worker) {
            worker.outbox.extend(sent.reports.iter().cloned());
            let at = self.now.plus(wait);
            self.wake(sent.worker, at);
        }
    }

    fn take(&mut self, id: WorkerId, task: &Task) {
        let held = self.plan(id, task);
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if let Some(said) = worker.said.get(&task.token) {
            worker.outbox.push(Report { task: task.token, outcome: said.clone() });
            return;
        }
        let at = held.until;
        worker.tasks.entry(task.token).or_insert(held);
        self.wake(id, at);
    }

    /// What something cost: a number, nothing, or what is none.
    fn cost(&mut self) -> Option<Value> {
        if !self.has_laws() {
            return None;
        }
        match self.rng.below(8) {
            0 => None,
            1 => Some(json!(-1)),
            2 => Some(json!("dear")),
            3 => Some(json!(1.5)),
            4 => Some(json!(1_000)),
            _ => Some(json!(self.rng.below(6))),
        }
    }

    /// What will come of a task, and when.
    fn plan(&mut self, id: WorkerId, task: &Task) -> Held {
        let now = self.now;
        let mut output = json!({ "attempt": task.attempt, "by": id.0, "step": task.step.as_str() });
        if let Some((cost, output)) = self.cost().zip(output.as_object_mut()) {
            output.insert("cost".to_owned(), cost);
        }
        let done = ReportedOutcome::Completed(Document::shared(output));
        if self.is_calm {
            return Held { until: now, outcome: done, is_hung: false, later: None };
        }
        let soon = now.plus(self.within(1_200));
        let error = if self.rng.permille(300) { "OutOfStock" } else { "Flaky" };
        let error = StepError::new(error, "the simulator let it fail");
        let failures = match task.phase {
            Phase::Do => 150,
            Phase::Undo | Phase::Confirm => 300,
        };
        let roll = self.rng.below(1_000);
        let outcome = if roll < failures {
            ReportedOutcome::Failed(error)
        } else if roll < failures + 60 {
            ReportedOutcome::Unknown(error)
        } else {
            done
        };
        match self.rng.below(100) {
            // Slow, with heartbeats; and hung, without.
            0..6 => Held { until: now.plus(self.within(14_000)), outcome, is_hung: false, later: None },
            6..11 => Held { until: now.plus(self.within(14_000)), outcome, is_hung: true, later: None },
            // Accepted, and done some time later: perhaps after the deadline.
            11..40 if task.queue.is_http() => {
                let later = Some(self.within(20_000));
                Held { until: soon, outcome, is_hung: false, later }
            }
            _ => Held { until: soon, outcome, is_hung: false, later: None },
        }
    }
}
