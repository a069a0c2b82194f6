//! Servers: a shard each, its one call to the store, and what can happen to both.

use super::{Event, LEASE, World};
use crate::faults::Fault;
use crate::model::Check;
use chancery_base::{Entropy, Timestamp};
use chancery_shard::batch::{Batch, Call, CommitError, Reply};
use chancery_shard::retention::Expiry;
use chancery_shard::{Config, Poll, Shard, Stage, TokenKey};
use chancery_store::sim;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerId(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) place: usize,
    pub(crate) shard: Shard,
    entropy: Entropy,
    call: Option<Call>,
    answer: Option<Reply>,
    /// When it is looked at next without being asked.
    wakes_at: Option<Timestamp>,
}

/// What task tokens are made with, by every server.
pub(crate) const TOKEN_KEY: [u8; 32] = [7; 32];

impl World {
    /// Starts a server for a place.
    pub(super) fn serve(&mut self, place: usize) {
        let Some((log, _)) = self.places.get(place) else { return };
        self.next += 1;
        self.stats.servers += 1;
        let id = ServerId(self.next);
        let mut config = Config::new(log.id, TokenKey::new(TOKEN_KEY));
        config.lease = LEASE;
        // What waits leaves memory at once, soon, or a little later.
        config.resting_max = usize::from(u8::try_from(self.next % 3).unwrap_or(0));
        config.expiry = self.expiry();
        config.sabotage = self.options.shard_sabotage;
        let entropy = Entropy::from_seed(self.rng.seed());
        let mut shard = Shard::new(config);
        // Reading bundles and definitions takes longer than all else: most servers get them as they are.
        if !self.rng.permille(10) {
            self.bundles.iter().for_each(|bundle| shard.know(bundle));
            let tenant = self.places.get(place).and_then(|(_, tenant)| self.tenants.get(*tenant));
            let definitions = tenant.map_or(&[][..], |tenant| &tenant.definitions);
            definitions.iter().for_each(|definition| shard.know_definition(definition));
        }
        self.trace(|world| format!("server {} starts for place {place} of {}", id.0, world.places.len()));
        self.servers.insert(id, Server { place, shard, entropy, call: None, answer: None, wakes_at: None });
        self.after(Duration::ZERO, Event::Poll(id));
    }

    /// When what has ended is removed, and how much at a time: from one server to the next something else.
    fn expiry(&self) -> Option<Expiry> {
        let retention = Duration::from_millis(self.options.bounds.retention?);
        let few = usize::try_from(self.next % 4).unwrap_or(0) + 1;
        Some(Expiry {
            every: Duration::from_millis(700),
            at: Duration::ZERO,
            retention,
            at_once: few,
            looks: 2 * few,
            pause: Duration::from_millis(20),
        })
    }

    /// A server of a place, the newest in most cases.
    pub(crate) fn server_of(&mut self, place: usize) -> Option<ServerId> {
        let serving: Vec<ServerId> =
            self.servers.iter().filter(|(_, server)| server.place == place).map(|(id, _)| *id).collect();
        if self.rng.permille(250) { self.rng.pick(&serving).copied() } else { serving.last().copied() }
    }

    /// Whether nobody has taken its log from a server.
    pub(crate) fn owns(&self, id: ServerId) -> bool {
        let Some(server) = self.servers.get(&id) else { return false };
        let Some((log, _)) = self.places.get(server.place) else { return false };
        self.store.epoch(log.id) == Some(server.shard.epoch())
    }

    pub(super) fn poll(&mut self, id: ServerId) -> Check {
        let Some(server) = self.servers.get_mut(&id) else { return Ok(()) };
        let is_out = server.call.is_some() || server.answer.is_some();
        match server.shard.poll(self.now, &mut server.entropy) {
            Poll::Call(_) if is_out => return Err(format!("server {} makes a call while one is out", id.0)),
            Poll::Call(call) => {
                let is_commit = matches!(call, Call::Commit(_));
                server.call = Some(call);
                let slow = is_commit && self.strikes(Fault::CommitSlow, 20);
                if slow {
                    self.count(Fault::CommitSlow);
                }
                let wait = self.within(if slow { 6_000 } else { 3 });
                self.after(wait, Event::CarryOut(id));
            }
            Poll::Wait(Some(at)) => {
                if server.wakes_at.is_none_or(|wakes_at| wakes_at > at || wakes_at <= self.now) {
                    server.wakes_at = Some(at);
                    self.at(at, Event::Poll(id));
                }
            }
            Poll::Wait(None) => {}
        }
        self.drain(id)
    }

    pub(super) fn carry_out(&mut self, id: ServerId) -> Check {
        let Some(call) = self.servers.get_mut(&id).and_then(|server| server.call.take()) else { return Ok(()) };
        let call = match call {
            Call::Commit(batch) => match self.crash_before(id, batch)? {
                Some(batch) => Call::Commit(batch),
                None => return Ok(()),
            },
            other @ (Call::Own { .. }
            | Call::Control { .. }
            | Call::Recover { .. }
            | Call::Asleep { .. }
            | Call::Load { .. }
            | Call::Bundle { .. }
            | Call::Definition { .. }
            | Call::Schedules { .. }
            | Call::Sources { .. }
            | Call::Expired { .. }) => {
                if self.strikes(Fault::CallFailed, 20) {
                    self.count(Fault::CallFailed);
                    self.store.fail_calls(1);
                }
                other
            }
        };
        let mut repeated = None;
        if let Call::Commit(batch) = &call {
            self.fault_commit();
            // A copy is dear: it is made only where the strike below will want it.
            repeated = self.will_strike(30).then(|| batch.clone());
        }
        let is_commit = matches!(call, Call::Commit(_));
        let reply = self.store.answer(call, &format!("server-{}", id.0));
        self.trace(|_| format!("server {}: {}", id.0, brief(&reply)));
        self.observe()?;
        if let Reply::Committed(Err(CommitError::Control { .. })) = &reply {
            self.count(Fault::ControlConflict);
        }
        if matches!(reply, Reply::Committed(Ok(())))
            && is_commit
            && self.strikes(Fault::CommitRepeated, 30)
            && let Some(batch) = repeated
        {
            let wait = self.within(4_000);
            self.after(wait, Event::Land(batch, Fault::CommitRepeated));
        }
        if matches!(reply, Reply::Committed(Ok(()))) && self.strikes(Fault::CrashAfter, 8) {
            self.count(Fault::CrashAfter);
            return self.crash(id);
        }
        if let Some(server) = self.servers.get_mut(&id) {
            server.answer = Some(reply);
            let is_slow = self.rng.permille(30) && !self.is_calm;
            let wait = self.within(if is_slow { 3_000 } else { 3 });
            self.after(wait, Event::Answer(id));
        }
        Ok(())
    }

    /// Perhaps the server dies before its commit; then that is lost, or arrives by itself.
    fn crash_before(&mut self, id: ServerId, batch: Box<Batch>) -> Check<Option<Box<Batch>>> {
        if self.strikes(Fault::CrashBefore, 6) {
            self.count(Fault::CrashBefore);
            self.crash(id)?;
            return Ok(None);
        }
        if self.strikes(Fault::CrashInFlight, 8) {
            let wait = self.within(2_000);
            self.after(wait, Event::Land(batch, Fault::CrashInFlight));
            self.crash(id)?;
            return Ok(None);
        }
        Ok(Some(batch))
    }

    fn fault_commit(&mut self) {
        let faults = [
            (Fault::CommitFailed, sim::Fault::Fail),
            (Fault::UnknownApplied, sim::Fault::UnknownApplied),
            (Fault::UnknownLost, sim::Fault::UnknownLost),
            (Fault::OrphanLanded, sim::Fault::Orphan),
        ];
        for (fault, injected) in faults {
            if !self.strikes(fault, 12) {
                continue;
            }
            self.store.fault_next(injected);
            match injected {
                // Whether it lands or is shut out is seen when it arrives.
                sim::Fault::Orphan => {
                    let most = if self.rng.permille(500) { 3 } else { 4_000 };
                    let wait = self.within(most);
                    self.after(wait, Event::LandOrphans);
                }
                sim::Fault::Fail | sim::Fault::UnknownApplied | sim::Fault::UnknownLost => self.count(fault),
            }
            return;
        }
    }

    pub(super) fn answer(&mut self, id: ServerId) -> Check {
        let Some(server) = self.servers.get_mut(&id) else { return Ok(()) };
        if let Some(reply) = server.answer.take() {
            server.shard.reply(reply, self.now);
        }
        self.after(Duration::ZERO, Event::Poll(id));
        self.drain(id)
    }

    /// A commit arrives that nobody waits for.
    pub(super) fn land(&mut self, batch: Batch, fault: Fault) -> Check {
        let reply = self.store.answer(Call::Commit(Box::new(batch)), "nobody");
        self.trace(|_| format!("{fault}: {}", brief(&reply)));
        self.count(fault);
        self.observe()
    }

    pub(super) fn land_orphans(&mut self) -> Check {
        let orphans = self.store.orphans();
        let landed = self.store.land_orphans();
        for _ in 0..landed {
            self.count(Fault::OrphanLanded);
        }
        for _ in landed..orphans {
            self.count(Fault::OrphanShutOut);
        }
        self.trace(|_| format!("{landed} of {orphans} orphans land"));
        self.observe()
    }

    /// Looks at what has become durable.
    pub(super) fn observe(&mut self) -> Check {
        self.model.look(&self.store)
    }

    /// Something happens to a server that has no call out, or a second one starts beside it.
    pub(super) fn disturb(&mut self) -> Check {
        if self.is_calm {
            return Ok(());
        }
        let wait = self.within(3_000);
        self.after(wait, Event::Disturb);
        let serving: Vec<ServerId> = self.servers.keys().copied().collect();
        let Some(id) = self.rng.pick(&serving).copied() else { return Ok(()) };
        let Some(server) = self.servers.get(&id) else { return Ok(()) };
        let (place, is_idle) = (server.place, server.call.is_none() && server.answer.is_none());
        if is_idle && self.strikes(Fault::CrashIdle, 100) {
            self.count(Fault::CrashIdle);
            return self.crash(id);
        }
        let is_open = self.servers.get(&id).is_some_and(|server| server.shard.stage() == Stage::Open);
        if is_open && self.strikes(Fault::StaleOwner, 120) {
            self.count(Fault::StaleOwner);
            self.serve(place);
        }
        Ok(())
    }

    fn crash(&mut self, id: ServerId) -> Check {
        self.trace(|_| format!("server {} crashes", id.0));
        self.gone(id)
    }

    /// A server is no more: who waits for it hears nothing, and another starts if there is none.
    pub(super) fn gone(&mut self, id: ServerId) -> Check {
        let Some(server) = self.servers.remove(&id) else { return Ok(()) };
        let waiting: Vec<u64> =
            self.waiting.iter().filter(|(_, waiting)| waiting.server == id).map(|(reply, _)| *reply).collect();
        for reply in waiting {
            self.lost(reply)?;
        }
        // A stale owner with nothing to write never learns that it is one: it is no reason not to start another.
        let of_place = self.servers.iter().filter(|(_, other)| other.place == server.place);
        let ids: Vec<ServerId> = of_place.map(|(id, _)| *id).collect();
        if !ids.into_iter().any(|other| self.owns(other)) {
            let wait = self.within(1_500);
            self.after(wait, Event::Serve(server.place));
        }
        Ok(())
    }

    /// Ends every server as a shutdown does, and sees that it says so to all who wait.
    pub(super) fn shut_down(&mut self) -> Check {
        for id in self.servers.keys().copied().collect::<Vec<_>>() {
            if let Some(server) = self.servers.get_mut(&id) {
                server.shard.stop();
            }
            for _ in 0..1_000 {
                self.poll(id)?;
                if self.servers.get(&id).is_none_or(|server| server.shard.stage() == Stage::Stopped) {
                    break;
                }
                self.carry_out(id)?;
                self.answer(id)?;
            }
            let stage = self.servers.get(&id).map(|server| server.shard.stage());
            if stage.is_some_and(|stage| stage != Stage::Stopped) {
                return Err(format!("server {} did not stop: {stage:?}", id.0));
            }
            self.drain(id)?;
        }
        Ok(())
    }
}

fn brief(reply: &Reply) -> String {
    match reply {
        Reply::Owned(Ok(log)) => format!("owns {} at epoch {}, size {}", log.origin, log.epoch, log.size),
        Reply::Control(Ok(rows)) => format!("control epoch {}", rows.control_epoch),
        Reply::Loaded(Ok(loaded)) => format!("{} transactions, {} keys", loaded.transactions.len(), loaded.keys.len()),
        Reply::Asleep(Ok(page)) => format!("{} asleep", page.len()),
        Reply::Bundle(Ok(row)) => format!("bundle {}", row.is_some()),
        Reply::Definition(Ok(row)) => format!("definition {}", row.is_some()),
        Reply::Schedules(Ok(rows)) => format!("{} schedules", rows.len()),
        Reply::Sources(Ok(sources)) => {
            format!("{} inputs, {} definitions", sources.payloads.len(), sources.definitions.len())
        }
        Reply::Expired(Ok(found)) => format!("{} expire", found.transactions.len()),
        Reply::Committed(Ok(())) => "committed".to_owned(),
        Reply::Committed(Err(err)) => err.to_string(),
        Reply::Owned(Err(err))
        | Reply::Control(Err(err))
        | Reply::Loaded(Err(err))
        | Reply::Asleep(Err(err))
        | Reply::Bundle(Err(err))
        | Reply::Definition(Err(err))
        | Reply::Schedules(Err(err))
        | Reply::Sources(Err(err))
        | Reply::Expired(Err(err)) => err.to_string(),
    }
}
