//! A worker's call: reports in, leases renewed, credit taken.

use super::desk::{Lease, LeaseKey, OpenCall};
use super::dispatch::Standing;
use super::stops::is_queue_stopped;
use super::work::Work;
use super::{Control, Shard, is_suspended};
use crate::input::{Ack, Capability, Exchange, Exchanged, Queue, Refusal, ReplyTo, Report, ReportedOutcome, Task};
use crate::token::TaskToken;
use chancery_base::limits::WORKERS_MAX;
use chancery_base::{Name, PrincipalId, PublicKey};
use chancery_engine::{Answer, Phase};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

impl Shard {
    pub(super) fn exchange(&mut self, reply: ReplyTo, exchange: &Exchange, control: &Control, work: &mut Work) {
        if self.desk.call_count() >= WORKERS_MAX {
            let refusal =
                Refusal::Limited { what: "open worker calls", max: WORKERS_MAX, retry_after: Duration::from_secs(1) };
            return work.reply(reply, Err(refusal));
        }
        let mut answer = Exchanged::default();
        for report in &exchange.done {
            let ack = self.report(exchange, report, control, work);
            // What is recorded already is not written again.
            let is_written = ack == Ack::Recorded && !matches!(report.outcome, ReportedOutcome::Accepted);
            work.rests_on_memory |= !is_written;
            answer.acks.push((report.task, ack));
        }
        self.renew(exchange, control, work, &mut answer);
        // Who was suspended since its call came in may still report.
        let may_take = !is_suspended(control, exchange.worker.principal);
        // It may have been let in again since, on another shard: the guard knows.
        work.rests_on_memory |= !may_take && !exchange.queues.is_empty();
        let is_taking = may_take && !exchange.queues.is_empty();
        // The same of a stop.
        work.rests_on_memory |= exchange.queues.iter().any(|(queue, _)| is_queue_stopped(queue, control));
        if is_taking {
            answer.refused = refused(exchange, control);
        }
        let mut credit = BTreeMap::new();
        for (queue, want) in exchange.queues.iter().filter(|_| is_taking) {
            credit.insert(queue.clone(), *want);
        }
        if is_taking {
            self.send_again(exchange, control, &mut credit, &mut answer);
        }
        let has_something = !answer.tasks.is_empty() || !answer.cancelled.is_empty();
        let call = OpenCall {
            reply,
            worker: exchange.worker.clone(),
            version: exchange.version.clone(),
            key: exchange.key,
            credit,
            answer,
            reports: !exchange.done.is_empty(),
            until: exchange.hold_until,
        };
        let id = self.desk.open(call);
        work.held.calls.push(id);
        if has_something || !is_taking {
            self.desk.ripen(id);
        }
        if is_taking {
            // The instance's taking call before this one is answered with what it has by now.
            work.held.answered.extend(self.desk.take_over(&exchange.worker, id));
        }
    }

    /// Takes a report. The token must be the one that was issued for the attempt; a report on an attempt that is not
    /// out any more changes nothing.
    fn report(&mut self, exchange: &Exchange, report: &Report, control: &Control, work: &mut Work) -> Ack {
        if !self.is_genuine(&report.task, control) {
            return Ack::Refused;
        }
        self.take_report(exchange.worker.principal, report, work)
    }

    /// The same, where the token is known to be genuine.
    pub(super) fn take_report(&mut self, actor: PrincipalId, report: &Report, work: &mut Work) -> Ack {
        let attempt = report.task.attempt;
        #[cfg(feature = "sabotage")]
        let attempt = self.sabotage_attempt(attempt);
        let answer = match &report.outcome {
            ReportedOutcome::Completed(output) => Answer::Completed(Arc::clone(output)),
            ReportedOutcome::Failed(error) => Answer::Failed(error.clone()),
            ReportedOutcome::Unknown(error) => Answer::Unknown(error.clone()),
            ReportedOutcome::Accepted => Answer::Accepted,
        };
        let standing = Standing { actor, decision: None };
        let node = attempt.node();
        let outcome = self.run(attempt.transaction, standing, work, |member, cx| {
            member.answer(node, attempt.phase, attempt.attempt, answer, cx)
        });
        match outcome {
            Ok(true) => Ack::Recorded,
            Ok(false) => Ack::Superseded,
            Err(_) => Ack::Refused,
        }
    }

    /// Renews the leases of what the worker holds, takes over what nobody had since a restart, and says what is no
    /// longer wanted.
    fn renew(&mut self, exchange: &Exchange, control: &Control, work: &Work, answer: &mut Exchanged) {
        for token in &exchange.holding {
            let key = key_of(token);
            let member = self.members.get(&key.transaction);
            let out = member.and_then(|member| member.dispatched(key.node, key.phase));
            let is_out = out.is_some_and(|(attempt, _)| attempt == token.attempt.attempt);
            let is_wanted = member.is_some_and(|member| member.wants(key.phase)) && !self.is_stopped(key, control);
            if !is_out || !is_wanted {
                answer.cancelled.push(*token);
            }
            // An open transaction's driver has until the deadline, and so has a target that accepted: nobody leases what
            // they do.
            let is_driven = member.is_some_and(|member| member.is_driven()) && key.phase == Phase::Do;
            let is_leased = member.is_some_and(|member| member.is_leased(key.node, key.phase)) && !is_driven;
            if !is_out || !is_leased || !self.is_genuine(token, control) {
                continue;
            }
            let before = self.desk.lease(key).cloned();
            if before.as_ref().and_then(|lease| lease.worker.as_ref()).is_some_and(|worker| *worker != exchange.worker)
            {
                continue;
            }
            let lease = Lease {
                worker: Some(exchange.worker.clone()),
                version: exchange.version.clone(),
                until: work.now.plus(self.config.lease),
                token: Some(*token),
                task: before.and_then(|lease| lease.task),
            };
            self.desk.set_lease(key, lease);
        }
    }

    /// What the instance was sent and neither holds nor reports did not arrive: the same attempt goes again, unless the
    /// step says `attempts: once`, or nobody wants it any more: an instance that was told so has dropped it. Then its
    /// lease lapses, and whether it took effect is unknown.
    fn send_again(
        &self,
        exchange: &Exchange,
        control: &Control,
        credit: &mut BTreeMap<Queue, u32>,
        answer: &mut Exchanged,
    ) {
        let reported = exchange.done.iter().map(|report| report.task);
        let known: BTreeSet<TaskToken> = reported.chain(exchange.holding.iter().copied()).collect();
        for key in self.desk.leases_with(&exchange.worker) {
            let Some(Lease { token: Some(token), task: Some(task), .. }) = self.desk.lease(key) else { continue };
            let is_wanted = self.members.get(&key.transaction).is_some_and(|member| member.wants(key.phase))
                && !self.is_stopped(key, control);
            if known.contains(token) || !is_wanted || self.goes_once(key) {
                continue;
            }
            let Some(task) = bound(task, exchange.key) else { continue };
            if let Some(want) = credit.get_mut(&task.queue) {
                *want = want.saturating_sub(1);
            }
            answer.tasks.push(task);
        }
    }

    fn goes_once(&self, key: LeaseKey) -> bool {
        let step = self.members.get(&key.transaction).and_then(|member| member.step_of(key.node));
        step.and_then(|step| step.retry_of(key.phase)).is_some_and(|retry| retry.once)
    }

    pub(super) fn is_genuine(&self, token: &TaskToken, control: &Control) -> bool {
        let state = self.members.get(&token.attempt.transaction);
        let state = state.and_then(|member| member.state(token.attempt.node()));
        let input = state.and_then(|state| match token.attempt.phase {
            Phase::Do => state.input,
            Phase::Undo | Phase::Confirm => state.undo.input,
        });
        input.is_some_and(|input| self.config.token_key.verify(&control.tenant.tenant, token, &input))
    }
}

/// A task that is sent again, its capability token bound to the key that the instance presents now: a process that
/// began anew may have another. None if it presents none and the task needs one.
fn bound(task: &Arc<Task>, key: Option<PublicKey>) -> Option<Arc<Task>> {
    let Some(capability) = &task.capability else { return Some(Arc::clone(task)) };
    let capability = Capability { key: key?, ..(**capability).clone() };
    Some(Arc::new(Task { capability: Some(Box::new(capability)), ..(**task).clone() }))
}

/// The queues whose tasks go to workers of other versions. What it has of them stays with it.
fn refused(exchange: &Exchange, control: &Control) -> Vec<(Name, Vec<String>)> {
    let version = exchange.version.as_deref();
    let of_others = exchange.queues.iter().filter_map(|(queue, _)| {
        let Queue::Worker(name) = queue else { return None };
        let settings = control.queues.get(name).filter(|settings| !settings.takes(version))?;
        Some((name.clone(), settings.versions.clone()))
    });
    of_others.collect()
}

const fn key_of(token: &TaskToken) -> LeaseKey {
    LeaseKey { transaction: token.attempt.transaction, node: token.attempt.node(), phase: token.attempt.phase }
}
