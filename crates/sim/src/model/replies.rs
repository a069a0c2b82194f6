//! What must hold of each answer as it goes out.

use super::{Check, KeyOf, Model, POLLED, StartKey, StepModel, ensure};
use chancery_base::{Document, TenantId, Timestamp, TransactionId};
use chancery_engine::{Phase, Status};
use chancery_shard::input::{Ack, Permit, Task};
use chancery_shard::row::LogId;
use chancery_shard::token::AttemptRef;
use std::sync::Arc;

/// What a driver was told that it did.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drove {
    Committed,
    Aborted,
    TookOver,
}

impl Model {
    /// A start was acknowledged.
    pub(crate) fn start_acknowledged(&self, id: TransactionId, key: Option<&StartKey>) -> Check {
        ensure(self.transactions.contains_key(&id), || format!("{id} was acknowledged before it was durable"))?;
        let stored = key.map(|key| self.start_keys.get(key));
        // One that has expired since has no key any more.
        ensure(stored.is_none_or(|stored| stored == Some(&id)) || self.expired.contains(&id), || {
            format!("{id} was acknowledged for an idempotency key that is of {stored:?}")
        })
    }

    /// An operation was acknowledged: it is in the ledger.
    pub(crate) fn operation_acknowledged(&self, id: TransactionId, operation: &'static str) -> Check {
        let transaction =
            self.transactions.get(&id).ok_or_else(|| format!("{operation} of {id}, which is not there"))?;
        let done = match operation {
            "cancel" => transaction.cancels > 0,
            "terminate" => transaction.ended == Some(Status::Terminated),
            "retry" => transaction.resumed > 0,
            "resolve" => transaction.resolved > 0,
            "pause" => transaction.pauses > 0,
            "resume" => transaction.unpauses > 0,
            _ => false,
        };
        ensure(done, || format!("{operation} of {id} was acknowledged before it was durable"))
    }

    /// A signal was acknowledged: it is in the ledger, or one with its id was before.
    pub(crate) fn signal_acknowledged(&self, to: TransactionId, id: Option<&str>, existing: bool) -> Check {
        let transaction = self.transactions.get(&to).ok_or_else(|| format!("a signal of {to}, which is not there"))?;
        let has_come = id.is_some_and(|id| transaction.saga.has_come(id));
        ensure(if existing { has_come } else { id.is_none() || has_come }, || {
            format!("reference: signal {id:?} of {to} was acknowledged, existing: {existing}, has come: {has_come}")
        })
    }

    /// An answer rests on the entry of this number.
    pub(crate) fn entry_acknowledged(&self, log: LogId, seq: u64) -> Check {
        let size = self.logs.get(&log).map_or(0, |log| log.size);
        ensure(seq < size, || format!("entry {seq} was acknowledged, the log has {size}"))
    }

    /// A task was let out.
    pub(crate) fn delivered(&mut self, task: &Task) -> Check {
        let attempt = task.token.attempt;
        let name = format!("{} attempt {} of {}", task.step, task.attempt, task.transaction);
        self.delivers_governed(task).map_err(|why| format!("reference: law: {name}: {why}"))?;
        let state = self.attempt(&attempt).ok_or_else(|| format!("{name} was let out without a durable permit"))?;
        ensure(state.decision == task.decision, || format!("{name} was let out under another decision"))?;
        ensure(state.deadline == task.deadline, || format!("{name} was let out with another deadline"))?;
        ensure((attempt.attempt, attempt.phase) == (task.attempt, task.phase), || format!("{name} has another token"))?;
        let Some(transaction) = self.transactions.get(&task.transaction) else { return Ok(()) };
        ensure(transaction.headers == task.headers, || format!("{name} carries {:?}", task.headers))?;
        let of_step = transaction.steps.get(&attempt.node()).filter(|_| task.phase == Phase::Do);
        let round = of_step.map_or(0, |step| step.rounds_before(task.attempt));
        // What undoes or confirms a step knows its key, and so does a round after the first.
        let first = (task.transaction, attempt.node(), Phase::Do, 0);
        let is_first = task.phase == Phase::Do && round == 0;
        ensure(task.forward_key.is_none() == is_first, || format!("{name}: its forward key"))?;
        let known =
            self.keys_of_steps.get(&first).filter(|known| task.forward_key.as_ref().is_some_and(|key| key != *known));
        ensure(known.is_none(), || format!("{name}: its forward key is not that of its step, {known:?}"))?;
        let of_origin = transaction.steps.get(&attempt.node()).and_then(StepModel::key_of_origin);
        ensure(of_origin.is_none() || of_origin == task.forward_key.as_deref(), || {
            format!("{name} names {:?} where it was done under {of_origin:?}", task.forward_key)
        })?;
        let step = (task.transaction, attempt.node(), attempt.phase, round);
        let key = (transaction.tenant.clone(), task.idempotency_key.clone());
        let known = self.key_of(key, step);
        ensure(known == step, || format!("{name}: its key {} is also of {known:?}", task.idempotency_key))?;
        let first = self.keys_of_steps.entry(step).or_insert_with(|| task.idempotency_key.clone());
        ensure(*first == task.idempotency_key, || format!("{name}: its attempts have more than one key"))
    }

    /// A driver was told of a permit: it is durable, and every attempt of a step has one key.
    pub(crate) fn permit_acknowledged(&mut self, id: TransactionId, permit: &Permit) -> Check {
        let attempt = permit.token.attempt;
        let name = format!("attempt {} of step {} of {id}", attempt.attempt, attempt.step);
        let state = self.attempt(&attempt).ok_or_else(|| format!("{name} was let out without a durable permit"))?;
        ensure(state.decision == permit.decision, || format!("{name} was let out under another decision"))?;
        ensure(state.deadline == permit.deadline, || format!("{name} was let out with another deadline"))?;
        let Some(transaction) = self.transactions.get(&id) else { return Ok(()) };
        let step = (id, attempt.node(), Phase::Do, 0);
        let key = (transaction.tenant.clone(), permit.idempotency_key.clone());
        let known = self.key_of(key, step);
        ensure(known == step, || format!("{name}: its key {} is also of {known:?}", permit.idempotency_key))
    }

    /// Whose key it is: from now on this one's, if it is nobody's any more.
    fn key_of(&mut self, key: (TenantId, String), step: KeyOf) -> KeyOf {
        let known = self.step_keys.entry(key).or_insert(step);
        if self.expired.contains(&known.0) {
            *known = step;
        }
        *known
    }

    /// A driver was told that a step is done: this is what came of it.
    pub(crate) fn output_acknowledged(&self, id: TransactionId, name: &str, output: &Arc<Document>) -> Check {
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let step = transaction.steps.values().find(|step| step.name == name);
        let recorded = step.and_then(|step| step.output.as_ref());
        ensure(recorded == Some(output), || format!("step {name} of {id} gave {recorded:?}, a driver got {output:?}"))
    }

    /// A driver was refused because another drives by now.
    pub(crate) fn superseded(&self, id: TransactionId, driver: u32) -> Check {
        let present = self.transactions.get(&id).map(|transaction| transaction.saga.driver());
        ensure(present.is_some_and(|present| present > driver), || {
            format!("driver {driver} of {id} was refused for {present:?}")
        })
    }

    /// What a driver was told was done is in the ledger.
    pub(crate) fn driver_acknowledged(&self, id: TransactionId, driver: u32, done: Drove) -> Check {
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let holds = match done {
            Drove::Committed => transaction.ended == Some(Status::Completed),
            Drove::Aborted => transaction.cancels > 0,
            Drove::TookOver => transaction.saga.driver() >= driver,
        };
        ensure(holds, || format!("{done:?} was acknowledged to driver {driver} of {id} before it was durable"))
    }

    /// A commit was refused: something is in its way, or was before what happened in the same batch.
    pub(crate) fn commit_refused(&self, id: TransactionId) -> Check {
        let may = self.transactions.get(&id).is_some_and(|transaction| transaction.saga.might_have_committed());
        ensure(!may, || format!("reference: {id} may be committed"))
    }

    /// A driver was refused because somebody had paused its transaction; it may go on by now.
    pub(crate) fn was_paused(&self, id: TransactionId) -> Check {
        let was = self.transactions.get(&id).is_some_and(|transaction| transaction.pauses > 0);
        ensure(was, || format!("a driver of {id} was refused, which nobody paused"))
    }

    /// A worker was told that its lease was renewed by a call of this time.
    pub(crate) fn renewed(&mut self, attempt: &AttemptRef, at: Timestamp) {
        if let Some(state) = self.attempt_mut(attempt) {
            state.renewed_at = state.renewed_at.max(Some(at));
        }
    }

    /// A report was acknowledged.
    pub(crate) fn report_acknowledged(&self, attempt: &AttemptRef, ack: Ack, is_forged: bool) -> Check {
        let name = format!("attempt {} of step {} of {}", attempt.attempt, attempt.step, attempt.transaction);
        if is_forged {
            return ensure(ack == Ack::Refused, || format!("a forged token for {name} was taken: {ack:?}"));
        }
        let state = self.attempt(attempt);
        let (outcome, is_accepted) = (state.and_then(|state| state.outcome), state.is_some_and(|it| it.is_accepted));
        match ack {
            // That it was accepted is recorded too, and what came of it later says nothing of that.
            Ack::Recorded if is_accepted => Ok(()),
            Ack::Recorded => {
                let said =
                    outcome.is_some_and(|outcome| matches!(outcome, "completed" | POLLED | "failed" | "unknown"));
                ensure(said, || format!("the report of {name} counts as recorded, its outcome is {outcome:?}"))
            }
            Ack::Superseded => {
                ensure(self.is_over(attempt), || format!("the report of {name} counts as superseded, yet it is out"))
            }
            // Nobody knows it any more.
            Ack::Refused if self.expired.contains(&attempt.transaction) => Ok(()),
            // A token is made of what was handed out, and of the next attempt less may be masked.
            Ack::Refused if self.may_be_masked_otherwise(attempt) => Ok(()),
            Ack::Refused => Err(format!("the report of {name} was refused")),
        }
    }
}
