//! The shard: one log and the transactions on it.
//!
//! Its life: own the log → load the control state → load what runs → take inputs, a batch at a time. While a batch is
//! on its way to the store the next one is built on it, and is sealed and sent once that is committed. Nothing of a
//! batch is let out before it is committed itself. When a commit fails or its outcome is unknown the shard takes both
//! back, forgets all it knows and begins its life again, so nothing that is let out rests on what may not be.

mod aged;
mod budgets;
mod build;
mod change;
mod config;
mod decisions;
mod demands;
mod desk;
mod dispatch;
mod drive;
mod exchange;
mod expiry;
mod family;
mod fork;
mod gauges;
mod index;
mod judge;
mod limit;
mod line;
mod load;
mod lookup;
mod overrides;
mod request;
mod resting;
mod revoke;
#[cfg(feature = "sabotage")]
mod sabotage;
mod schedules;
mod stops;
mod work;

pub use config::Config;
pub use decisions::decide_as_shard as decide;
pub(crate) use dispatch::{add_built_ins, key_hash, request_hash, resource_of};
pub use fork::fork_hash;
pub(crate) use fork::fork_request;
#[cfg(feature = "sabotage")]
pub use sabotage::Sabotage;

use crate::batch::{Batch, Call, CommitError, ControlRows, Loaded, Reply, StoreError};
use crate::budget::Accounts;
use crate::control::{self, Control};
use crate::input::{Change, Command, Driving, Effect, Input, Refusal, ReplyTo};
use crate::row::{KeyRow, KeyScope, LogRow};
use aged::Aged;
use chancery_base::limits::{BATCH_INPUTS_MAX, SHARD_QUEUE_MAX, SHARD_QUEUE_RESERVED};
use chancery_base::{Digest, Entropy, Name, PrincipalId, Timestamp, TransactionId};
use chancery_engine::definition::Definition;
use chancery_engine::{Settings, Transaction};
use chancery_policy::Bundle;
use decisions::Decisions;
use desk::{CallId, Desk};
use expiry::Expiries;
use family::Family;
use index::Index;
use limit::Limits;
use schedules::Schedules;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use work::{Held, Pending, Work};

/// Transactions of one page of recovery.
const RECOVER_PAGE: usize = 1_000;
/// Of one page of those that are not loaded.
const ASLEEP_PAGE: usize = 50_000;
/// How long a shard waits before it tries again to own a log that it could not.
const OWN_AGAIN: Duration = Duration::from_millis(250);

/// What a shard wants next.
#[derive(Debug)]
pub enum Poll {
    /// Carry this out and give the [`Reply`].
    Call(Call),
    /// Nothing until an input arrives or this time comes.
    Wait(Option<Timestamp>),
}

/// Where a shard stands, as others may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It does not own its log yet, or not any more, and tries to.
    Starting,
    /// It takes inputs.
    Open,
    /// Another owner has its log.
    Fenced,
    /// It was asked to stop and has.
    Stopped,
}

#[derive(Debug)]
enum State {
    Own,
    OwnAt(Timestamp),
    LoadControl,
    Recover(Option<TransactionId>),
    /// When those wake that are not loaded.
    Asleep(Option<TransactionId>),
    LoadSchedules(Option<Name>),
    /// Inputs are taken, what they name may have to be loaded.
    Open,
    Waiting(Waiting),
    Fenced,
    Stopped,
}

#[derive(Debug)]
enum Waiting {
    Own,
    Control,
    Recover,
    Asleep,
    Schedules,
    Sources,
    Expired,
    Load,
    Bundle(Digest),
    Definition(Name, u32),
    Commit(Box<Pending>),
}

/// A shard.
#[expect(clippy::struct_excessive_bools, reason = "each is told or learnt by itself, and any may be with any other")]
#[derive(Debug)]
pub struct Shard {
    config: Config,
    state: State,
    stopping: bool,
    draining: bool,
    /// The platform takes no new transactions.
    closed: bool,
    log: Option<LogRow>,
    control: Option<Arc<Control>>,
    queue: VecDeque<Input>,
    /// The batch that is being built, after the one that is out if one is.
    next: Option<Box<Work>>,
    /// Transactions in memory: all that run but for those that only wait, and for one batch those that inputs name.
    members: HashMap<TransactionId, Box<Transaction>>,
    /// Members that are not settled.
    running: usize,
    /// Clones of the members' steps.
    clones: usize,
    /// Members that rested when they were last looked at.
    resting: Aged,
    /// Whether everything that runs is in memory, or known to wake.
    is_recovered: bool,
    /// Transactions that have ended, as far back as is kept: they never come back, so the store is not asked for them.
    ended: Aged,
    /// What was asked of the store for the next batch, found or not.
    asked: BTreeSet<TransactionId>,
    keys: HashMap<(KeyScope, u16, [u8; 32]), Option<KeyRow>>,
    definitions: HashMap<Digest, Arc<Definition>>,
    /// The settings that members see, and the newest, by their versions.
    settings: BTreeMap<u32, Arc<Settings>>,
    bundles: judge::Bundles,
    wanted_bundles: BTreeSet<Digest>,
    family: Family,
    index: Index,
    limits: Limits,
    /// What was counted of budgets and rates, also by what is being built and by what is on its way.
    accounts: Accounts,
    came: change::notifiers::Came,
    /// The stops may be others than when workers were told last.
    has_new_stops: bool,
    schedules: Schedules,
    expiry: Expiries,
    desk: Desk,
    decisions: Decisions,
    effects: Vec<Effect>,
    /// Effects of a committed change that wait for the control state that it made.
    after_control: Vec<Effect>,
    /// The time of the newest batch.
    latest: Timestamp,
    /// When the store was asked what it has not answered yet.
    asked_at: Option<Timestamp>,
}

impl Shard {
    /// A shard that begins with owning its log.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Own,
            stopping: false,
            draining: false,
            closed: false,
            log: None,
            control: None,
            queue: VecDeque::new(),
            next: None,
            members: HashMap::new(),
            running: 0,
            clones: 0,
            resting: Aged::default(),
            is_recovered: false,
            ended: Aged::default(),
            asked: BTreeSet::new(),
            keys: HashMap::new(),
            definitions: HashMap::new(),
            settings: BTreeMap::new(),
            bundles: HashMap::new(),
            wanted_bundles: BTreeSet::new(),
            family: Family::default(),
            index: Index::default(),
            limits: Limits::default(),
            accounts: Accounts::default(),
            came: BTreeMap::new(),
            has_new_stops: false,
            schedules: Schedules::default(),
            expiry: Expiries::default(),
            desk: Desk::default(),
            decisions: Decisions::default(),
            effects: Vec::new(),
            after_control: Vec::new(),
            latest: Timestamp::EPOCH,
            asked_at: None,
        }
    }

    /// A bundle that was read already: it need not be read again.
    pub fn know(&mut self, bundle: &Arc<Bundle>) {
        self.bundles.insert(bundle.digest(), Some(Arc::clone(bundle)));
    }

    /// A definition that was read already: it need not be read again.
    pub fn know_definition(&mut self, definition: &Arc<Definition>) {
        self.definitions.insert(definition.digest, Arc::clone(definition));
    }

    /// Takes an input in. What is refused at once is answered among the effects.
    pub fn push(&mut self, input: Input) {
        let limit = match input.command {
            Command::Exchange(_)
            | Command::Cancel(_)
            | Command::Terminate(_)
            | Command::RevokeCapability(..)
            | Command::Pause(_) => SHARD_QUEUE_MAX,
            // What a transaction needs to come to its end; a step makes more of it.
            Command::Drive(ref drive) if !matches!(drive.driving, Driving::Step { .. }) => SHARD_QUEUE_MAX,
            Command::Schedule(ref command) if schedules::lets_work_end(command) => SHARD_QUEUE_MAX,
            // It is needed most where everything is full.
            Command::Control(ref control) if matches!(control.change, Change::StopSet { .. }) => SHARD_QUEUE_MAX,
            Command::Start(_)
            | Command::Fork(_)
            | Command::Schedule(_)
            | Command::Fire(_)
            | Command::Drive(_)
            | Command::Signal(..)
            | Command::Request(_)
            | Command::Resume(_)
            | Command::Retry(_)
            | Command::Resolve(..)
            | Command::Decide(_)
            | Command::Deny(_)
            | Command::Control(_) => SHARD_QUEUE_MAX - SHARD_QUEUE_RESERVED,
        };
        let is_over = self.stopping || self.draining && input.command.begins();
        if is_over || matches!(self.state, State::Fenced | State::Stopped) {
            self.refuse(input.reply, Refusal::Stopping);
        } else if self.queue.len() >= limit {
            let refusal = Refusal::Limited { what: "inputs waiting", max: limit, retry_after: Duration::from_secs(1) };
            self.refuse(input.reply, refusal);
        } else {
            self.queue.push_back(input);
        }
    }

    /// Whether it can use further inputs now; what it is given all the same waits in its queue.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.len() < BATCH_INPUTS_MAX
    }

    /// Says what is to be done next. One call is out at a time: asked again before its reply, the shard goes on as far
    /// as it can and waits.
    pub fn poll(&mut self, now: Timestamp, entropy: &mut Entropy) -> Poll {
        let poll = self.go_on(now, entropy);
        if matches!(poll, Poll::Call(_)) {
            self.asked_at = Some(now);
        }
        poll
    }

    fn go_on(&mut self, now: Timestamp, entropy: &mut Entropy) -> Poll {
        loop {
            match &self.state {
                State::Own
                | State::OwnAt(_)
                | State::LoadControl
                | State::Recover(_)
                | State::Asleep(_)
                | State::LoadSchedules(_)
                    if self.stopping =>
                {
                    self.end();
                }
                State::OwnAt(at) if *at > now => return Poll::Wait(Some(*at)),
                State::Own | State::OwnAt(_) => return self.call(Waiting::Own, Call::Own { log: self.config.log }),
                State::LoadControl => {
                    return self.call(Waiting::Control, Call::Control { log: self.config.log });
                }
                State::Recover(after) => {
                    let call = Call::Recover { log: self.config.log, after: *after, limit: RECOVER_PAGE };
                    return self.call(Waiting::Recover, call);
                }
                State::Asleep(after) => {
                    let call = Call::Asleep { log: self.config.log, after: *after, limit: ASLEEP_PAGE };
                    return self.call(Waiting::Asleep, call);
                }
                State::LoadSchedules(after) => {
                    let call = Call::Schedules { log: self.config.log, after: after.clone(), limit: RECOVER_PAGE };
                    return self.call(Waiting::Schedules, call);
                }
                State::Waiting(Waiting::Commit(pending)) => {
                    // What comes after a change of the control state is decided under the new one.
                    if !pending.raises && !self.queue.is_empty() {
                        self.absorb(now, entropy);
                    }
                    return Poll::Wait(None);
                }
                State::Waiting(_) => return Poll::Wait(None),
                State::Fenced | State::Stopped => {
                    self.refuse_all(&Refusal::Stopping);
                    return Poll::Wait(None);
                }
                State::Open => {
                    if let Some(poll) = self.poll_open(now, entropy) {
                        return poll;
                    }
                }
            }
        }
    }

    /// Gives the reply to the call that is out.
    pub fn reply(&mut self, reply: Reply, now: Timestamp) {
        if self.is_store_away(now) {
            let until = now.plus(self.config.lease);
            self.desk.extend_leases(until);
            self.members.values_mut().for_each(|member| member.hold(until));
        }
        self.asked_at = None;
        let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Own) else { return };
        match (waiting, reply) {
            (Waiting::Own, Reply::Owned(Ok(log))) => {
                let was_mine = self.log.as_ref().is_some_and(|before| before.epoch + 1 == log.epoch);
                if !was_mine {
                    // Another may have owned it meanwhile and renewed leases that this one knows nothing of.
                    for key in self.desk.lease_keys() {
                        self.desk.drop_lease(key);
                    }
                }
                self.log = Some(log);
                self.state = State::LoadControl;
            }
            (Waiting::Control, Reply::Control(Ok(rows))) => self.control_loaded(&rows, now),
            (Waiting::Recover, Reply::Loaded(Ok(loaded))) => self.recovered(loaded, now),
            (Waiting::Asleep, Reply::Asleep(Ok(page))) => self.found_asleep(&page),
            (Waiting::Schedules, Reply::Schedules(Ok(rows))) => self.schedules_loaded(&rows, now),
            (Waiting::Sources, Reply::Sources(Ok(sources))) => self.sources_loaded(sources),
            (Waiting::Expired, Reply::Expired(Ok(found))) => self.expired_loaded(&found, now),
            (Waiting::Load, Reply::Loaded(Ok(loaded))) => self.loaded(loaded, now),
            (Waiting::Bundle(digest), Reply::Bundle(Ok(row))) => {
                let bundle = row.and_then(|row| Bundle::parse(&row.source).ok()).map(Arc::new);
                self.bundles.insert(digest, bundle);
                self.state = State::Open;
            }
            (Waiting::Definition(name, version), Reply::Definition(Ok(row))) => {
                self.definition_loaded((name, version), row, now);
            }
            (Waiting::Commit(pending), Reply::Committed(Ok(()))) => self.committed(*pending),
            (Waiting::Commit(pending), Reply::Committed(Err(err))) => self.failed(*pending, err, now),
            (Waiting::Commit(pending), _) => self.failed(*pending, CommitError::Unknown(out_of_turn()), now),
            (
                _,
                Reply::Owned(Err(err))
                | Reply::Control(Err(err))
                | Reply::Loaded(Err(err))
                | Reply::Asleep(Err(err))
                | Reply::Bundle(Err(err))
                | Reply::Definition(Err(err))
                | Reply::Schedules(Err(err))
                | Reply::Sources(Err(err))
                | Reply::Expired(Err(err)),
            ) => self.unavailable(&err, now),
            (_, _) => self.unavailable(&out_of_turn(), now),
        }
    }

    /// Whether the store has kept everybody waiting for a good part of a lease.
    fn is_store_away(&self, now: Timestamp) -> bool {
        self.asked_at.is_some_and(|at| now.since(at) > self.config.lease / 2)
    }

    /// Takes the effects that may go out now.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Somebody has seen the log owned under this epoch. If that is another's, and no call is out that would say so,
    /// the shard ends as it does when a commit finds out.
    pub fn seen(&mut self, epoch: u64) {
        let is_lost = self.log.as_ref().is_some_and(|log| log.epoch < epoch);
        if is_lost && matches!(self.state, State::Open) {
            self.fence();
        }
    }

    fn fence(&mut self) {
        let answers = self.desk.close_all();
        self.effects.extend(answers);
        self.effects.push(Effect::Fenced);
        self.state = State::Fenced;
    }

    /// Begins nothing from here on: no transaction, no step of a driver, no hand-out. What is out comes in.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether no attempt is out with a worker: what a target accepted or a driver does comes in wherever its log is.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.desk.lease_count() == 0
    }

    /// Takes no new work from here on; what is in the queue is finished, then held calls are answered.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Where it stands.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self.state {
            State::Fenced => Stage::Fenced,
            State::Stopped => Stage::Stopped,
            State::Open
            | State::Waiting(
                Waiting::Load
                | Waiting::Sources
                | Waiting::Expired
                | Waiting::Bundle(_)
                | Waiting::Definition(..)
                | Waiting::Commit(_),
            ) => Stage::Open,
            State::Own
            | State::OwnAt(_)
            | State::LoadControl
            | State::Recover(_)
            | State::Asleep(_)
            | State::LoadSchedules(_)
            | State::Waiting(
                Waiting::Own | Waiting::Control | Waiting::Recover | Waiting::Asleep | Waiting::Schedules,
            ) => Stage::Starting,
        }
    }

    /// The epoch under which it owned its log last; 0 before.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.epoch)
    }

    fn call(&mut self, waiting: Waiting, call: Call) -> Poll {
        self.state = State::Waiting(waiting);
        Poll::Call(call)
    }

    fn poll_open(&mut self, now: Timestamp, entropy: &mut Entropy) -> Option<Poll> {
        // INVARIANT: the store is asked for nothing while a batch is being built: what it would say does not know of
        // that batch. What needs something of it waits for the batch after.
        if self.next.is_none() {
            if let Some(digest) = self.wanted_bundles.pop_first() {
                if self.bundles.contains_key(&digest) {
                    return None;
                }
                return Some(self.call(Waiting::Bundle(digest), Call::Bundle { log: self.config.log, digest }));
            }
            if let Some((name, version)) = self.family.next_version() {
                let call = Call::Definition { log: self.config.log, name: name.clone(), version };
                return Some(self.call(Waiting::Definition(name, version), call));
            }
            self.queue_due(now);
            if let Some(call) = self.prepare(now, entropy) {
                return Some(self.call(Waiting::Sources, call));
            }
            if let Some(call) = self.needs(now) {
                return Some(self.call(Waiting::Load, call));
            }
            if let Some(call) = self.seek_expired(now) {
                return Some(self.call(Waiting::Expired, call));
            }
            self.absorb(now, entropy)?;
        }
        let (batch, pending) = self.seal()?;
        #[cfg(feature = "sabotage")]
        let pending = {
            let mut pending = pending;
            self.sabotage_effects(&mut pending);
            pending
        };
        // INVARIANT: an owner that was fenced and does not know it says nothing that it has from its memory: a batch
        // that writes nothing still asks the guard where an answer rests on that.
        if batch.entries.is_empty() && !pending.rests_on_memory {
            self.release(pending);
            return self.rest(now);
        }
        Some(self.call(Waiting::Commit(Box::new(pending)), Call::Commit(Box::new(batch))))
    }

    /// What to do when a batch came out empty: go on with what is queued, or wait.
    fn rest(&mut self, now: Timestamp) -> Option<Poll> {
        if !self.queue.is_empty() || self.family.is_wanting() {
            return None;
        }
        if self.stopping {
            self.end();
            return None;
        }
        let wakes = [self.index.next_wake(), self.desk.next_wake(), self.limits.next_wake(), self.next_schedule(now)];
        let wakes = wakes.into_iter().chain([self.next_override(), self.next_expiry(now), self.next_evidence_end()]);
        let wake = wakes.flatten().min();
        // What is due by now was looked at and came to nothing: not before the next moment.
        Some(Poll::Wait(wake.map(|at| at.max(now.plus(Duration::from_micros(1))))))
    }

    fn end(&mut self) {
        self.effects.append(&mut self.after_control);
        let answers = self.desk.close_all();
        self.effects.extend(answers);
        self.state = State::Stopped;
    }

    fn control_loaded(&mut self, rows: &ControlRows, now: Timestamp) {
        self.decisions.clear();
        let bundles = &mut self.bundles;
        let control = Control::from_rows(rows, |digest, source| {
            if let Some(Some(known)) = bundles.get(&digest) {
                return Ok(Arc::clone(known));
            }
            let bundle = Arc::new(Bundle::parse(source).map_err(|err| err.to_string())?);
            bundles.insert(digest, Some(Arc::clone(&bundle)));
            Ok(bundle)
        });
        match control.and_then(|control| Ok((control, control::accounts(rows)?))) {
            Ok((control, accounts)) => {
                let control = Arc::new(control);
                self.accounts = accounts;
                self.came.clear();
                if let Some(log) = &mut self.log {
                    log.control_epoch = control.epoch;
                }
                self.limits.controlled(&control);
                self.index.resume(Timestamp::MAX);
                self.index.look_again(!control.stops.is_empty());
                self.has_new_stops = !control.stops.is_empty();
                self.keep_settings(&control.settings);
                let dismissed = self.desk.dismiss(|worker| is_suspended(&control, worker.principal));
                self.effects.extend(dismissed);
                self.effects.push(Effect::Control(Arc::clone(&control)));
                self.effects.append(&mut self.after_control);
                self.control = Some(control);
                self.forget_unused();
                self.state = if self.is_recovered { State::Open } else { State::Recover(None) };
            }
            Err(err) => {
                let err = StoreError {
                    operation: "read the control state",
                    kind: chancery_base::Kind::Broken,
                    message: err.to_string(),
                };
                self.unavailable(&err, now);
            }
        }
    }

    fn recovered(&mut self, loaded: Loaded, now: Timestamp) {
        let last = loaded.transactions.last().map(|transaction| transaction.row.id);
        let is_page = loaded.transactions.len() >= RECOVER_PAGE;
        if let Err(err) = self.admit(loaded, now) {
            return self.unavailable(&err, now);
        }
        if is_page && last.is_some() {
            self.state = State::Recover(last);
            return;
        }
        for key in self.desk.lease_keys() {
            let member = self.members.get(&key.transaction);
            if !member.is_some_and(|member| member.is_leased(key.node, key.phase)) {
                self.desk.drop_lease(key);
            }
        }
        // While it was away no worker was heard: those that are left have as long as after a restart.
        self.desk.extend_leases(now.plus(self.config.lease));
        self.state = State::Asleep(None);
    }

    fn found_asleep(&mut self, page: &[(TransactionId, Timestamp)]) {
        for (id, wakes_at) in page {
            self.index.put_to_sleep(*id, Some(*wakes_at));
        }
        if let Some((last, _)) = page.last().filter(|_| page.len() >= ASLEEP_PAGE) {
            self.state = State::Asleep(Some(*last));
            return;
        }
        // A tenant's schedules are on its shard 0, and so is what they start: it has no other.
        if self.log.as_ref().is_some_and(|log| log.shard == 0) {
            self.state = State::LoadSchedules(None);
        } else {
            self.open();
        }
    }

    /// Everything that it has to know is in memory.
    fn open(&mut self) {
        self.is_recovered = true;
        self.state = State::Open;
    }

    fn loaded(&mut self, loaded: Loaded, now: Timestamp) {
        for row in &loaded.keys {
            self.keys.insert((row.scope, row.slot, row.key), Some(row.clone()));
        }
        match self.admit(loaded, now) {
            Ok(()) => self.state = State::Open,
            Err(err) => self.unavailable(&err, now),
        }
    }

    fn committed(&mut self, pending: Pending) {
        if let Some(log) = &mut self.log {
            log.size = pending.size_after;
        }
        self.state = if pending.raises { State::LoadControl } else { State::Open };
        self.effects.push(Effect::Grown(pending.size_after, pending.emits));
        let earlier = std::mem::take(&mut self.effects);
        let raises = pending.raises;
        self.release(pending);
        let released = std::mem::replace(&mut self.effects, earlier);
        // Whoever hears that something was changed finds it changed: answers wait for the control state that they made.
        let to = if raises { &mut self.after_control } else { &mut self.effects };
        to.extend(released);
    }

    /// Lets out what a batch gives, and forgets what only that batch needed.
    fn release(&mut self, pending: Pending) {
        self.effects.extend(pending.held.effects);
        self.effects.extend(pending.held.answered.into_iter().map(|(_, call)| call.into_reply()));
        for id in pending.visitors {
            self.dismiss(id);
        }
        self.asked.clear();
        self.keys.clear();
        self.put_to_sleep();
    }

    /// What was built is not in the log, or may not be: it is taken back, with what was built on it.
    fn failed(&mut self, pending: Pending, err: CommitError, now: Timestamp) {
        let built_on = self.next.take().map(|work| work.held).unwrap_or_default();
        let of_batches: BTreeSet<CallId> = pending.held.calls.iter().chain(&built_on.calls).copied().collect();
        let (inputs, inputs_after) = (self.take_back(pending.held, &of_batches), self.take_back(built_on, &of_batches));
        self.forget();
        match err {
            CommitError::Control { .. } => {
                // Nothing was written and nobody was told: the same inputs are decided again under the new epoch.
                self.requeue(inputs_after);
                self.requeue(inputs);
                self.state = State::LoadControl;
            }
            CommitError::Fenced { .. } => {
                self.refuse_inputs(&inputs, &Refusal::Stopping);
                self.refuse_inputs(&inputs_after, &Refusal::Stopping);
                self.fence();
            }
            CommitError::Failed(err) => {
                self.requeue(inputs_after);
                self.requeue(inputs);
                self.unavailable(&err, now);
            }
            CommitError::Unknown(_) => {
                // What was built on it never left: it is done again.
                self.requeue(inputs_after);
                self.refuse_inputs(&inputs, &Refusal::Unknown);
                self.state = State::Own;
            }
        }
    }

    /// Takes back what a batch did at the desk, and gives its inputs. Calls of earlier batches are answered with
    /// nothing, so that their workers call again; those that its inputs opened go with them.
    fn take_back(&mut self, held: Held, of_batches: &BTreeSet<CallId>) -> Vec<Input> {
        for key in held.leases {
            self.desk.drop_lease(key);
        }
        let ripe = self.desk.take_ripe(Timestamp::EPOCH);
        for (id, call) in held.answered.into_iter().chain(ripe) {
            if !of_batches.contains(&id) {
                self.effects.push(call.into_empty_reply());
            }
        }
        for id in held.calls {
            drop(self.desk.close(id));
        }
        held.inputs
    }

    fn requeue(&mut self, inputs: Vec<Input>) {
        for input in inputs.into_iter().rev() {
            self.queue.push_front(input);
        }
    }

    fn refuse_inputs(&mut self, inputs: &[Input], refusal: &Refusal) {
        for input in inputs {
            self.refuse(input.reply, refusal.clone());
        }
    }

    /// The store does not answer: nothing is known any more, and those who wait are told.
    fn unavailable(&mut self, err: &StoreError, now: Timestamp) {
        let refusal = Refusal::Unavailable(err.to_string());
        self.effects.append(&mut self.after_control);
        self.forget();
        self.refuse_all(&refusal);
        let answers = self.desk.close_all();
        self.effects.extend(answers);
        self.state = State::OwnAt(now.plus(OWN_AGAIN));
    }

    /// Forgets everything that came from the store. Leases stay: they are on attempts that were committed, and
    /// recovery drops those that were not.
    fn forget(&mut self) {
        self.members.clear();
        self.running = 0;
        self.family = Family::default();
        self.clones = 0;
        self.resting.clear();
        self.index = Index::default();
        self.limits.look();
        self.accounts = Accounts::default();
        self.came.clear();
        self.schedules = Schedules::default();
        self.expiry.forget();
        self.asked.clear();
        self.keys.clear();
        self.wanted_bundles.clear();
        self.is_recovered = false;
    }

    fn refuse_all(&mut self, refusal: &Refusal) {
        for input in std::mem::take(&mut self.queue) {
            self.refuse(input.reply, refusal.clone());
        }
    }

    fn refuse(&mut self, reply: ReplyTo, refusal: Refusal) {
        if reply == ReplyTo::NOBODY {
            return;
        }
        self.effects.push(Effect::Reply(reply, Err(refusal)));
    }
}

/// Whether a principal may not act any more.
fn is_suspended(control: &Control, principal: PrincipalId) -> bool {
    control.directory.principal(&principal).is_some_and(|principal| principal.suspended)
}

fn out_of_turn() -> StoreError {
    StoreError {
        operation: "answer a call",
        kind: chancery_base::Kind::Bug,
        message: "the answer is not to the call that is out".to_owned(),
    }
}

/// What a sealed batch is: the batch to commit, and what to do when it is.
type Built = (Batch, Pending);
