//! A run: servers over one faulty store, clients and workers, on one virtual clock.
//!
//! Everything that happens is an event at a time; chance decides what, and all chance comes from the seed.

mod budgets;
mod clients;
mod drivers;
mod finale;
mod forks;
mod governors;
mod requests;
mod schedules;
mod servers;
mod setup;
mod waits;
mod workers;

use crate::faults::Fault;
use crate::model::{Check, Model};
use crate::reference::{Plan, schedule};
use crate::rng::Rng;
use crate::{Material, Options, Report, Stats};
use chancery_base::Timestamp;
use chancery_policy::Bundle;
use chancery_shard::batch::Batch;
use chancery_shard::input::{Command, Effect, Input, Refusal, ReplyTo, Response};
use chancery_shard::row::LogRow;
use chancery_store::SimStore;
use clients::{Clients, Purpose};
use drivers::{DriverId, DriverState};
use servers::{Server, ServerId};
use setup::Tenant;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use workers::{Sent, WorkerId, WorkerState};

/// When runs begin: a fixed time, so that ids are the same.
const BEGIN: i64 = 1_795_246_020_000_000;
/// How long a hand-out is leased in simulated time.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// How long a run may take to settle once nothing goes wrong any more.
const SETTLE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) enum Event {
    /// A server looks whether there is something to do.
    Poll(ServerId),
    /// The store carries a server's call out.
    CarryOut(ServerId),
    /// The answer to its call reaches a server.
    Answer(ServerId),
    /// A commit whose server is gone, or which was sent twice, arrives.
    Land(Box<Batch>, Fault),
    /// Commits of unknown outcome arrive.
    LandOrphans,
    /// A place has no server: one starts.
    Serve(usize),
    /// Something happens to the servers.
    Disturb,
    /// A client does something.
    Client,
    /// A client tries a start again.
    Again(usize),
    /// A driver does its next thing.
    Drive(DriverId),
    /// A worker looks at what it has.
    Work(WorkerId),
    /// Whoever operates the place looks for what is parked.
    Operate,
    /// The next command of the set-up of a tenant.
    SetUp(usize),
    /// From here on nothing goes wrong.
    Calm,
    /// Has everything settled?
    Settled,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) server: ServerId,
    pub(crate) purpose: Purpose,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) rng: Rng,
    pub(crate) now: Timestamp,
    pub(crate) store: SimStore,
    pub(crate) model: Model,
    pub(crate) stats: Stats,
    pub(crate) tenants: Vec<Tenant>,
    /// What tenants may put into force; the first is in force when they begin.
    pub(crate) bundles: Vec<Arc<Bundle>>,
    /// Every shard's log, and whose it is.
    pub(crate) places: Vec<(LogRow, usize)>,
    pub(crate) servers: BTreeMap<ServerId, Server>,
    pub(crate) workers: BTreeMap<WorkerId, WorkerState>,
    pub(crate) sent: BTreeMap<u64, Sent>,
    pub(crate) clients: Clients,
    pub(crate) drivers: BTreeMap<DriverId, DriverState>,
    pub(crate) waiting: BTreeMap<u64, Waiting>,
    pub(crate) is_calm: bool,
    pub(crate) next: u64,
    /// Faults that this run has, one bit a kind: runs differ in what goes wrong, not only in when.
    enabled: u64,
    events: BTreeMap<(Timestamp, u64), Event>,
    is_done: bool,
}

/// Runs one seed.
pub(crate) fn run(seed: u64, options: &Options) -> Report {
    let mut world = World::new(seed, options);
    let violation = world.live().err();
    let violation = violation.map(|why| format!("at {}: {why}", world.now));
    let stats = Stats { times: world.model.schedules.times, ..world.stats };
    Report { seed, faults: world.model.counts.clone(), digest: world.model.digest, stats, violation }
}

/// What the tenants of a run are made to run.
pub(crate) fn plans_of(seed: u64, options: &Options) -> Vec<Plan> {
    let mut world = World::new(seed, options);
    let made = world.set_up();
    debug_assert!(made.is_ok(), "{made:?}");
    world.model.plans()
}

impl World {
    fn new(seed: u64, options: &Options) -> Self {
        let mut rng = Rng::new(seed);
        let enabled = (rng.next() | rng.next()) & options.bounds.faults.unwrap_or(u64::MAX);
        Self {
            options: options.clone(),
            rng,
            now: if options.material == Material::Scheduled {
                schedule::begins(seed)
            } else {
                Timestamp::from_micros(BEGIN)
            },
            store: SimStore::new(),
            model: Model::new(
                LEASE,
                options.bounds.retention.map_or(Duration::MAX, Duration::from_millis),
                options.wrong_rule,
            ),
            stats: Stats::default(),
            tenants: Vec::new(),
            bundles: Vec::new(),
            places: Vec::new(),
            servers: BTreeMap::new(),
            workers: BTreeMap::new(),
            sent: BTreeMap::new(),
            clients: Clients::new(),
            drivers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            is_calm: true,
            next: 0,
            enabled,
            events: BTreeMap::new(),
            is_done: false,
        }
    }

    fn live(&mut self) -> Check {
        if let Some(sabotage) = self.options.store_sabotage {
            self.store.sabotage(sabotage);
        }
        self.set_up()?;
        while let Some(((at, _), event)) = self.events.pop_first() {
            self.now = at;
            self.stats.events += 1;
            self.step(event)?;
            if self.is_done {
                break;
            }
        }
        self.finale()
    }

    fn step(&mut self, event: Event) -> Check {
        match event {
            Event::Poll(id) => self.poll(id),
            Event::CarryOut(id) => self.carry_out(id),
            Event::Answer(id) => self.answer(id),
            Event::Land(batch, fault) => self.land(*batch, fault),
            Event::LandOrphans => self.land_orphans(),
            Event::Serve(place) => {
                self.serve(place);
                Ok(())
            }
            Event::Disturb => self.disturb(),
            Event::Client => self.client(),
            Event::Again(start) => self.start_again(start),
            Event::Drive(id) => self.drive(id),
            Event::Work(id) => self.work(id),
            Event::Operate => self.operate(),
            Event::SetUp(tenant) => self.set_up_next(tenant),
            Event::Calm => {
                self.calm();
                Ok(())
            }
            Event::Settled => self.settled(),
        }
    }

    /// From here on nothing goes wrong: what was on its way arrives, and what is left has to settle.
    fn calm(&mut self) {
        self.trace(|_| "calm".to_owned());
        self.is_calm = true;
        self.after(Duration::ZERO, Event::LandOrphans);
        self.after(Duration::from_secs(1), Event::Settled);
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            self.after(Duration::ZERO, Event::Work(id));
        }
    }

    fn settled(&mut self) -> Check {
        let open = self.model.open().next().map(|(id, _)| id);
        let waits = self.waiting.values().any(|waiting| !matches!(waiting.purpose, Purpose::Exchange(_)));
        let is_due = !self.model.schedules.active().is_empty();
        if open.is_none() && !waits && !is_due && self.clients.is_idle() {
            self.is_done = true;
            return Ok(());
        }
        let calm_for = self.now.since(self.clients.calm_at);
        if calm_for > SETTLE {
            let left: Vec<String> = self.model.open().take(3).map(|(id, open)| format!("{id} {open}")).collect();
            let waiting = self.waiting.values().next();
            return Err(format!("not settled after {calm_for:?} of calm: left {left:?}, waiting {waiting:?}"));
        }
        self.after(Duration::from_secs(1), Event::Settled);
        Ok(())
    }

    pub(crate) fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now.plus(wait), event);
    }

    pub(crate) fn at(&mut self, at: Timestamp, event: Event) {
        self.next += 1;
        self.events.insert((at.max(self.now), self.next), event);
    }

    /// A while of so many milliseconds at most.
    pub(crate) fn within(&mut self, millis: u64) -> Duration {
        Duration::from_micros(self.rng.below(millis * 1_000) + 1)
    }

    /// Whether this fault occurs here, which it does so many times in a thousand in runs that have it.
    pub(crate) fn strikes(&mut self, fault: Fault, permille: u64) -> bool {
        let bit = Fault::ALL.iter().position(|other| *other == fault).unwrap_or(0);
        let strikes = self.rng.permille(permille);
        let is_enabled = (self.enabled >> bit) & 1 == 1;
        if !strikes || self.is_calm || !is_enabled {
            return false;
        }
        self.trace(|_| format!("fault: {fault}"));
        true
    }

    /// Whether the next strike of this rate hits, as far as chance goes. Draws nothing.
    pub(crate) fn will_strike(&self, permille: u64) -> bool {
        self.rng.clone().permille(permille)
    }

    /// Counts a fault that came to pass.
    pub(crate) fn count(&mut self, fault: Fault) {
        self.model.counts.add(fault);
    }

    /// Sends an input to a server.
    pub(crate) fn send(&mut self, server: ServerId, command: Command, purpose: Purpose) -> Check {
        self.next += 1;
        let reply = ReplyTo(self.next);
        self.trace(|_| format!("#{} to server {}: {purpose:?}", reply.0, server.0));
        self.waiting.insert(reply.0, Waiting { server, purpose });
        let Some(host) = self.servers.get_mut(&server) else { return self.lost(reply.0) };
        host.shard.push(Input { reply, command });
        let wait = self.within(2);
        self.after(wait, Event::Poll(server));
        self.drain(server)
    }

    /// Takes in what a server lets out.
    pub(crate) fn drain(&mut self, id: ServerId) -> Check {
        let Some(server) = self.servers.get_mut(&id) else { return Ok(()) };
        let effects = server.shard.effects();
        let mut is_fenced = false;
        for effect in effects {
            match effect {
                Effect::Reply(to, answer) => self.replied(id, to, answer)?,
                Effect::Fenced => is_fenced = true,
                Effect::Settled(..)
                | Effect::Grown(..)
                | Effect::Control(_)
                | Effect::Notified(_)
                | Effect::TenantCreated(_)
                | Effect::Expired(_)
                | Effect::Observed(_) => {}
            }
        }
        if is_fenced {
            self.count(Fault::Fenced);
            self.gone(id)?;
        }
        Ok(())
    }

    fn replied(&mut self, server: ServerId, to: ReplyTo, answer: Result<Response, Refusal>) -> Check {
        let Some(waiting) = self.waiting.remove(&to.0) else {
            return Err(format!("#{} was answered, which nobody waits for: {answer:?}", to.0));
        };
        self.trace(|_| match &answer {
            Ok(response) => format!("#{} answered: {}", to.0, brief(response)),
            Err(refusal) => format!("#{} refused: {refusal}", to.0),
        });
        if waiting.server != server {
            return Err(format!("#{} was answered by another server", to.0));
        }
        self.stats.replies += 1;
        self.heard(server, waiting.purpose, answer).map_err(|why| format!("#{}: {why}", to.0))
    }

    /// An answer will never come: its server is gone.
    pub(crate) fn lost(&mut self, reply: u64) -> Check {
        match self.waiting.remove(&reply) {
            Some(waiting) => self.heard(waiting.server, waiting.purpose, Err(Refusal::Unknown)),
            None => Ok(()),
        }
    }

    #[expect(clippy::print_stdout, reason = "a trace is what was asked for")]
    pub(crate) fn trace(&self, line: impl FnOnce(&Self) -> String) {
        if self.options.is_verbose {
            println!("{} {}", self.now, line(self));
        }
    }
}

fn brief(response: &Response) -> impl fmt::Display {
    match response {
        Response::Exchanged(exchanged) => {
            let tasks: Vec<String> = exchanged
                .tasks
                .iter()
                .map(|task| format!("{} {} attempt {} ({:?})", task.transaction, task.step, task.attempt, task.phase))
                .collect();
            format!("tasks {tasks:?} acks {:?}", exchanged.acks.iter().map(|(_, ack)| ack).collect::<Vec<_>>())
        }
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Triggered(_)
        | Response::Done { .. } => {
            let mut text = format!("{response:?}");
            text.truncate(160);
            text
        }
    }
}
