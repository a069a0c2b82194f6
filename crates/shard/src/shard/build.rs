//! Building a batch: time first, then inputs in their order and hand-outs, as they come, until it is sealed.

use super::desk::LeaseKey;
use super::family::Stood;
use super::work::{Pending, Work};
use super::{Built, Control, Shard, State, Waiting};
use crate::batch::{Batch, Call};
use crate::budget::movements;
use crate::entry::kind;
use crate::input::{Command, Effect, Input, Observation, Operation, Refusal, ReplyTo, Response, Start};
use crate::payload::Payload;
use crate::row::{KeyRow, KeyScope};
use crate::rows;
use crate::shard::dispatch::{KeyOf, Standing};
use crate::shard::schedules::{Turn, asks_to_start, overlap_asked};
use chancery_base::limits::BATCH_INPUTS_MAX;
use chancery_base::{Entropy, PrincipalId, Timestamp, TransactionId, digest};
use chancery_engine::{Answer, Cx, Event, NodeRef, Phase, ShownStatus, Signal, Status, Transaction};
use chancery_ledger::Data;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Shard {
    /// What the inputs of the next batch name and nobody has asked the store for, and what wakes.
    pub(super) fn needs(&mut self, now: Timestamp) -> Option<Call> {
        let mut needs = Needs { transactions: self.wanted_of_families(), ..Needs::default() };
        let due = self.index.due_asleep(now.max(self.latest), BATCH_INPUTS_MAX);
        needs.transactions.extend(due.filter(|id| !self.asked.contains(id)));
        for input in self.queue.iter().take(BATCH_INPUTS_MAX) {
            self.needs_of(input, &mut needs);
        }
        if needs.transactions.is_empty() && needs.keys.is_empty() {
            return None;
        }
        self.asked.extend(&needs.transactions);
        self.keys.extend(needs.keys.iter().map(|key| (*key, None)));
        Some(Call::Load {
            log: self.config.log,
            transactions: needs.transactions.into_iter().collect(),
            keys: needs.keys.into_iter().collect(),
        })
    }

    /// What an input names that is not in memory and was not asked for.
    fn needs_of(&self, input: &Input, needs: &mut Needs) {
        let is_unknown = |id: &TransactionId| !self.members.contains_key(id) && !self.asked.contains(id);
        match &input.command {
            Command::Start(start) => self.needs_of_start(start, needs),
            Command::Fork(fork) => self.needs_of_fork(fork, needs),
            Command::Exchange(exchange) => {
                let reported = exchange.done.iter().map(|report| report.task.attempt.transaction);
                needs.transactions.extend(reported.filter(is_unknown));
                // What is held of a transaction that has ended is cancelled, whatever it was.
                let held = exchange.holding.iter().map(|token| token.attempt.transaction);
                needs.transactions.extend(held.filter(|id| is_unknown(id) && !self.ended.contains(id)));
            }
            Command::Terminate(operation) => {
                needs.transactions.extend(Some(operation.id).filter(is_unknown));
                self.absent_below(operation.id, &mut needs.transactions);
            }
            Command::Cancel(operation)
            | Command::Retry(operation)
            | Command::Resolve(operation, ..)
            | Command::Pause(operation)
            | Command::Resume(operation)
            | Command::Signal(operation, _) => {
                needs.transactions.extend(Some(operation.id).filter(is_unknown));
            }
            Command::Request(command) => needs.transactions.extend(Some(command.transaction).filter(is_unknown)),
            Command::Drive(drive) => needs.transactions.extend(Some(drive.id).filter(is_unknown)),
            Command::Schedule(command) => {
                let (turn, overlap) = (asks_to_start(command), overlap_asked(command));
                self.needs_of_schedule(&command.name, turn, overlap, needs);
            }
            Command::Fire(name) => self.needs_of_schedule(name, Some(Turn::Due), None, needs),
            Command::RevokeCapability(_, attempt) => {
                needs.transactions.extend(Some(attempt.transaction).filter(is_unknown));
            }
            Command::Decide(_) | Command::Deny(_) | Command::Control(_) => {}
        }
    }

    /// The rows of a start's keys, and whose a business key is.
    pub(super) fn needs_of_start(&self, start: &Start, needs: &mut Needs) {
        for key in self.keys_of(start).into_iter().flatten() {
            match self.keys.get(&key) {
                None => {
                    needs.keys.insert(key);
                }
                // Who has an idempotency key need be known only where it is to get a signal.
                Some(Some(KeyRow { scope, transaction, .. }))
                    if (*scope == KeyScope::Business || start.signal.is_some())
                        && !self.members.contains_key(transaction)
                        && !self.asked.contains(transaction) =>
                {
                    needs.transactions.insert(*transaction);
                }
                Some(_) => {}
            }
        }
    }

    /// Takes what waits into the next batch, up to the first input that needs something of the store. `None` if the
    /// log or the control state is not there.
    pub(super) fn absorb(&mut self, now: Timestamp, entropy: &mut Entropy) -> Option<()> {
        let control = self.control.clone()?;
        // A clock that is set back does not take the log's times back.
        let now = now.max(self.latest);
        self.latest = now;
        let mut work = match self.next.take() {
            Some(work) => work,
            None => self.begin(now, entropy.fork(), &control)?,
        };
        // Also of a batch that has gathered for a while: whoever is looked at below is no longer waited for.
        work.now = now;
        self.tell_untold(&mut work);
        if work.takes_more() {
            self.pass_time(&mut work);
            self.expire_overrides(&control, &mut work);
        }
        while work.takes_more()
            && let Some(input) = self.queue.pop_front()
        {
            let mut needs = Needs::default();
            self.needs_of(&input, &mut needs);
            if !needs.is_empty() {
                self.queue.push_front(input);
                break;
            }
            self.handle(&input, &control, &mut work);
            work.held.inputs.push(input);
        }
        if !work.raises() {
            self.hand_out(&control, &mut work);
            self.expire(&control, &mut work);
            self.erase_evidence(&control, &mut work);
        }
        self.next = Some(work);
        Some(())
    }

    /// A new batch, after what is on its way.
    fn begin(&mut self, now: Timestamp, entropy: Entropy, control: &Control) -> Option<Box<Work>> {
        let log = self.log.as_ref()?;
        let size = match &self.state {
            State::Waiting(Waiting::Commit(pending)) => pending.size_after,
            State::Own
            | State::OwnAt(_)
            | State::LoadControl
            | State::Recover(_)
            | State::Asleep(_)
            | State::LoadSchedules(_)
            | State::Open
            | State::Waiting(
                Waiting::Own
                | Waiting::Control
                | Waiting::Recover
                | Waiting::Asleep
                | Waiting::Load
                | Waiting::Bundle(_)
                | Waiting::Definition(..)
                | Waiting::Schedules
                | Waiting::Sources
                | Waiting::Expired,
            )
            | State::Fenced
            | State::Stopped => log.size,
        };
        let mut work = Box::new(Work::new(now, entropy, log.origin.clone(), log.epoch, size));
        #[cfg(feature = "sabotage")]
        {
            work.sabotage = self.config.sabotage;
        }
        if size == 0 {
            self.open_log(&mut work, &control.tenant);
        }
        Some(work)
    }

    /// Closes the batch that is being built.
    pub(super) fn seal(&mut self) -> Option<Built> {
        let (log, control) = (self.log.as_ref()?, self.control.as_ref()?);
        let (epoch, size, control_epoch) = (log.epoch, log.size, control.epoch);
        let mut work = self.next.take()?;
        debug_assert_eq!(work.size, size, "a batch follows what is committed");
        work.held.answered.extend(self.desk.take_ripe(work.now));
        let (transactions, steps) = self.rows(&work.touched);
        if !work.entries.is_empty() {
            let (inputs, entries) = (work.held.inputs.len(), work.entries.len());
            work.observe(Observation::Committed { inputs, entries });
        }
        let pending = Pending {
            size_after: work.seq(),
            raises: work.raises(),
            emits: !work.events.is_empty(),
            rests_on_memory: work.rests_on_memory,
            held: work.held,
            visitors: self.asked.union(&work.touched).copied().collect(),
        };
        let batch = Batch {
            log: self.config.log,
            epoch,
            size,
            control_epoch,
            raises_control_epoch: work.raised,
            entries: work.entries,
            transactions,
            steps,
            keys: work.keys,
            labels: work.labels,
            events: work.events,
            requests: work.requests.into_values().collect(),
            accounts: work.accounts.iter().map(|id| self.accounts.row_of(id)).collect(),
            gone: work.gone,
            control: work.control,
        };
        Some((batch, pending))
    }

    /// The first entry of a log says whose it is, and what its hashes are keyed with.
    fn open_log(&self, work: &mut Work, tenant: &crate::row::TenantRow) {
        let data =
            Data::new().int("created_at", tenant.created_at.as_micros()).count("shards", u64::from(tenant.shards));
        let payload = Payload::new().text("hash_key", &digest::hex_encode(&tenant.hash_key));
        work.write_control(kind::LOG_OPENED, PrincipalId::SYSTEM, data, Some(payload.finish()));
    }

    /// What time has done: deadlines, waits that lasted too long, leases that lapsed.
    fn pass_time(&mut self, work: &mut Work) {
        for id in self.index.due(work.now, BATCH_INPUTS_MAX) {
            // What is due stays so, for the next batch.
            if work.is_full() {
                break;
            }
            let outcome = self.run(id, Standing::system(), work, Transaction::time_out);
            debug_assert!(outcome.is_ok(), "{outcome:?}");
        }
        self.lapse(work);
    }

    /// Ends the leases that lapsed. While the store keeps everybody waiting nobody is answered, and so none renews: none
    /// lapses until it has answered.
    fn lapse(&mut self, work: &mut Work) {
        if self.is_store_away(work.now) {
            return;
        }
        let lapsed_by = work.now;
        #[cfg(feature = "sabotage")]
        let lapsed_by = self.sabotage_lapse(lapsed_by);
        for key in self.desk.lapsed(lapsed_by, BATCH_INPUTS_MAX) {
            let out = self.members.get(&key.transaction).and_then(|member| member.dispatched(key.node, key.phase));
            // INVARIANT: what a target accepted has no lease.
            if let Some((attempt, _)) = out {
                let outcome = self.run(key.transaction, Standing::system(), work, |transaction, cx| {
                    transaction.answer(key.node, key.phase, attempt, Answer::Lapsed, cx)
                });
                debug_assert!(outcome.is_ok(), "{outcome:?}");
            }
            self.desk.drop_lease(key);
        }
    }

    fn handle(&mut self, input: &Input, control: &Control, work: &mut Work) {
        match &input.command {
            Command::Start(start) => self.start(input.reply, start, control, work),
            Command::Fork(fork) => self.fork(input.reply, fork, control, work),
            Command::Exchange(exchange) => self.exchange(input.reply, exchange, control, work),
            Command::Cancel(operation) => {
                let why = operation.justification.clone();
                self.operate(input, operation, work, |transaction, cx| transaction.cancel(why, cx));
            }
            Command::Terminate(operation) => {
                let why = operation.justification.clone();
                self.operate(input, operation, work, |transaction, cx| transaction.terminate(why, cx));
            }
            Command::Retry(operation) => {
                let why = &operation.justification;
                self.operate(input, operation, work, |transaction, cx| transaction.retry(why, cx));
            }
            Command::Resolve(operation, step, output) => {
                let why = operation.justification.clone();
                let output = Arc::clone(output);
                self.operate(input, operation, work, |transaction, cx| transaction.resolve(step, output, why, cx));
            }
            Command::Pause(operation) => {
                let why = operation.justification.clone();
                self.operate(input, operation, work, |transaction, cx| transaction.pause(why, cx));
            }
            Command::Resume(operation) => {
                let why = operation.justification.clone();
                self.operate(input, operation, work, |transaction, cx| transaction.unpause(why, cx));
            }
            Command::Signal(operation, signal) => self.signal(input.reply, operation, signal, work),
            Command::Request(command) => self.request(input.reply, command, control, work),
            Command::Drive(drive) => self.drive(input.reply, drive, control, work),
            Command::Decide(question) => self.decide(input.reply, question, control, work),
            Command::Deny(denial) => Self::deny_call(input.reply, denial, work),
            Command::RevokeCapability(operation, attempt) => self.revoke(input.reply, operation, *attempt, work),
            Command::Control(change) => self.change(input.reply, change, control, work),
            Command::Schedule(command) => self.schedule(input.reply, command, control, work),
            Command::Fire(name) => self.fire(name, control, work),
        }
    }

    fn operate(
        &mut self,
        input: &Input,
        operation: &Operation,
        work: &mut Work,
        f: impl FnOnce(&mut Transaction, &mut Cx<'_>) -> Result<(), chancery_engine::Refusal>,
    ) {
        let standing = Standing { actor: operation.actor, decision: None };
        let answer = match self.run(operation.id, standing, work, f) {
            Ok(()) => match self.members.get(&operation.id) {
                Some(member) => Ok(Response::Operated(Arc::new(member.summary(None)))),
                None => Err(Refusal::Missing(operation.id)),
            },
            Err(refusal) => {
                work.rests_on_memory = true;
                Err(refusal)
            }
        };
        work.reply(input.reply, answer);
    }

    fn signal(&mut self, reply: ReplyTo, operation: &Operation, signal: &Signal, work: &mut Work) {
        let answer = self.send(operation.id, operation.actor, signal.clone(), work);
        work.reply(reply, answer.map(|(existing, status)| Response::Signalled { existing, status }));
    }

    /// Gives a transaction a signal: whether one with its id had come before, and what the transaction does now.
    pub(super) fn send(
        &mut self,
        id: TransactionId,
        actor: PrincipalId,
        signal: Signal,
        work: &mut Work,
    ) -> Result<(bool, ShownStatus), Refusal> {
        let standing = Standing { actor, decision: None };
        let existing = self.run(id, standing, work, |transaction, cx| transaction.signal(signal, cx));
        // That it had come before, or is not taken, is said from memory.
        work.rests_on_memory |= !matches!(existing, Ok(false));
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        Ok((existing?, member.shown()))
    }

    /// Has something done to a transaction, and writes down what came of it.
    pub(super) fn run<R>(
        &mut self,
        id: TransactionId,
        standing: Standing<'_>,
        work: &mut Work,
        f: impl FnOnce(&mut Transaction, &mut Cx<'_>) -> Result<R, chancery_engine::Refusal>,
    ) -> Result<R, Refusal> {
        let Some(mut member) = self.members.remove(&id) else { return Err(Refusal::Missing(id)) };
        let (before, stood) = (member.status(), Stood::of(&member));
        let (clones, steps) = (member.clone_count(), member.touched_count());
        let mut staged = std::mem::take(&mut work.staged);
        let mut cx = Cx { now: work.now, seq: work.seq(), out: &mut staged };
        let outcome = f(&mut member, &mut cx);
        work.staged = staged;
        self.note(&mut member, before, work);
        let is_child = member.parent().is_some();
        let output = work.staged.last().and_then(|staged| staged.event.output().cloned());
        if !work.staged.is_empty() {
            work.write_staged((id, is_child), standing.actor, standing.decision);
            work.touched.insert(id);
        }
        self.clones += member.clone_count() - clones;
        work.steps += member.touched_count() - steps;
        self.index.refresh(&member, work.now);
        self.members.insert(id, member);
        self.carry_over(id, stood, output, work);
        Ok(outcome?)
    }

    /// The leases on which what happened may bear: on all that is out, where the transaction stands otherwise than
    /// before, else on what something happened to.
    fn leases_on(&self, member: &Transaction, before: Status, work: &Work) -> Vec<LeaseKey> {
        let id = member.id();
        if member.status() != before {
            return self.desk.leases_of(id);
        }
        let nodes: BTreeSet<NodeRef> = work.staged.iter().filter_map(|staged| staged.event.node()).collect();
        let of_nodes =
            nodes.into_iter().flat_map(|node| [Phase::Do, Phase::Undo, Phase::Confirm].map(|phase| (node, phase)));
        let keys = of_nodes.map(|(node, phase)| LeaseKey { transaction: id, node, phase });
        keys.filter(|key| self.desk.lease(*key).is_some()).collect()
    }

    /// Counts what happened, tells those who wait, and ends leases on what is no longer out.
    fn note(&mut self, member: &mut Transaction, before: Status, work: &mut Work) {
        let id = member.id();
        for key in self.leases_on(member, before, work) {
            let is_out = member.is_leased(key.node, key.phase);
            if is_out && before == Status::Running && !member.wants(key.phase) {
                self.desk.tell_cancelled(key);
            }
            if !is_out || member.status().is_ended() {
                self.desk.drop_lease(key);
            }
        }
        let after = member.status();
        for event in &work.staged {
            work.held.effects.extend(observed(&event.event).map(Effect::Observed));
            work.events.extend(rows::event_row(self.config.log, event.seq, &event.event));
            let request = rows::request_row(self.config.log, member, &event.event);
            work.requests.extend(request.map(|row| (row.id, row)));
            for movement in movements(member, &event.event) {
                #[cfg(feature = "sabotage")]
                if self.sabotage_forgets(&movement) {
                    continue;
                }
                work.accounts.extend(movement.apply(&mut self.accounts, work.now));
            }
        }
        if after.is_ended() && !before.is_ended() {
            self.schedules.ended(id, work.now);
        }
        if after.is_settled() && !before.is_settled() {
            self.running = self.running.saturating_sub(1);
        }
        if !after.is_settled() && before.is_settled() {
            self.running += 1;
        }
        if after.is_settled() && after != before {
            // What settles a transaction is its last event.
            let output = work.staged.last().and_then(|staged| staged.event.output().cloned());
            work.observe(Observation::Ended {
                definition: member.definition().name.clone(),
                status: after.word(),
                took: work.now.since(member.head().started_at),
            });
            work.held.effects.push(Effect::Settled(id, Arc::new(member.summary(output))));
        }
    }

    fn rows(
        &mut self,
        touched: &BTreeSet<TransactionId>,
    ) -> (Vec<crate::row::TransactionRow>, Vec<crate::row::StepRow>) {
        let mut transactions = Vec::with_capacity(touched.len());
        let mut steps = Vec::new();
        for id in touched {
            let Some(member) = self.members.get_mut(id) else { continue };
            for node in member.take_touched() {
                let state = member.state(node);
                steps.extend(state.map(|state| rows::step_row(member.head(), node, state)));
            }
            transactions.push(rows::transaction_row(self.config.log, member));
        }
        (transactions, steps)
    }
}

/// What inputs need of the store.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) transactions: BTreeSet<TransactionId>,
    pub(super) keys: BTreeSet<KeyOf>,
    /// What it starts has yet to be prepared, which takes a store that answers.
    pub(super) is_unprepared: bool,
}

impl Needs {
    fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.keys.is_empty() && !self.is_unprepared
    }
}

fn observed(event: &Event) -> Option<Observation> {
    match event {
        Event::Completed { phase, .. } => Some(Observation::Attempted { phase: *phase, outcome: "completed" }),
        Event::Polled { .. } => Some(Observation::Attempted { phase: Phase::Do, outcome: "polled" }),
        Event::AttemptFailed { phase, failure, .. } => {
            Some(Observation::Attempted { phase: *phase, outcome: failure.word() })
        }
        Event::Accepted { phase, .. } => Some(Observation::Attempted { phase: *phase, outcome: "accepted" }),
        Event::Started { beginning, .. } => Some(Observation::Started { definition: beginning.definition.clone() }),
        Event::Permitted(permitted) => {
            Some(Observation::Dispatched { phase: Phase::Do, attempt: permitted.attempt, waited: Duration::ZERO })
        }
        Event::CarriedOut(done) => Some(Observation::Attempted { phase: done.phase, outcome: "completed" }),
        Event::Resolved { phase, .. } => Some(Observation::Attempted { phase: *phase, outcome: "resolved" }),
        Event::TimerStarted { .. }
        | Event::TimerFired { .. }
        | Event::SignalAwaited { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::Requested(_)
        | Event::Paused { .. }
        | Event::Unpaused { .. }
        | Event::Dispatched { .. }
        | Event::Denied { .. }
        | Event::Expanded { .. }
        | Event::Skipped { .. }
        | Event::StepDenied { .. }
        | Event::Claimed { .. }
        | Event::DriverResumed { .. }
        | Event::DriverHeard { .. }
        | Event::DriverLost
        | Event::OutputFailed { .. }
        | Event::TimedOut
        | Event::Confirming
        | Event::CancelRequested { .. }
        | Event::Parked { .. }
        | Event::Resumed { .. }
        | Event::ChildStarted(_)
        | Event::ChildRecalled { .. }
        | Event::Recalled
        | Event::Inherited(_)
        | Event::Ended { .. } => None,
    }
}
