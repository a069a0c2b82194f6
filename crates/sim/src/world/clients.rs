//! Clients and operators: what they ask for, and what they make of the answers.

use super::drivers::{DriverId, Drove};
use super::forks::Asked;
use super::requests::Said;
use super::servers::ServerId;
use super::{Event, World};
use crate::faults::Fault;
use crate::material;
use crate::model::{Check, StartKey};
use chancery_base::{Document, Entropy, Name, PrincipalId, Slot, StopId, TargetId, Timestamp, TransactionId};
use chancery_engine::{Headers, NodeRef};
use chancery_policy::{Request, ResourceRef};
use chancery_shard::input::{
    Change, Command, ControlChange, Denial, Operation, Question, Refusal, Response, Start, Until,
};
use chancery_shard::settings::Edit;
use chancery_shard::stop::StopOn;
use serde_json::{Map, json};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Clients {
    starts: Vec<StartState>,
    /// Forks that were asked for.
    pub(super) forks: Vec<Asked>,
    /// Starts that will be tried again.
    again: usize,
    /// From when on nothing goes wrong.
    pub(crate) calm_at: Timestamp,
}

#[derive(Debug)]
struct StartState {
    tenant: usize,
    start: Start,
    key: Option<StartKey>,
    tries: u32,
    /// What it was told.
    acknowledged: Option<TransactionId>,
}

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    SetUp(usize),
    Start(usize),
    Fork(Asked),
    Operation(TransactionId, &'static str),
    Signal(TransactionId, Option<String>),
    Request(Said),
    Control { place: usize, fault: Option<Fault> },
    Govern { place: usize, fault: Option<Fault> },
    Ask { place: usize },
    Schedule { place: usize },
    Exchange(u64),
    Drive(DriverId, Drove),
}

impl Clients {
    pub(crate) const fn new() -> Self {
        Self { starts: Vec::new(), forks: Vec::new(), again: 0, calm_at: Timestamp::EPOCH }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.again == 0
    }

    /// What was acknowledged to clients.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = TransactionId> {
        self.starts.iter().filter_map(|start| start.acknowledged)
    }
}

impl World {
    pub(super) fn client(&mut self) -> Check {
        if self.is_calm {
            return Ok(());
        }
        let wait = self.within(900);
        self.after(wait, Event::Client);
        if self.has_waits() {
            self.attend()?;
        }
        if self.has_schedules() {
            self.tend_schedules()?;
        }
        if self.has_forks() && self.rng.permille(300) {
            self.fork()?;
        }
        if self.options.bounds.stops && self.rng.permille(150) {
            self.stop()?;
        }
        if self.has_requests() {
            self.speak()?;
            self.speak()?;
        }
        if self.has_laws() {
            self.govern()?;
            self.govern()?;
        }
        match self.rng.below(100) {
            0..60 => self.start_new(),
            60..70 => self.start_once_more(),
            70..80 => self.operation(),
            80..84 => self.ask(),
            84..87 => self.deny(),
            87..93 => self.activate(),
            93..97 => self.suspend(),
            _ => self.set(),
        }
    }

    fn start_new(&mut self) -> Check {
        if self.options.bounds.starts.is_some_and(|most| self.clients.starts.len() >= most) {
            return Ok(());
        }
        let tenant = self.rng.index(self.tenants.len());
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let (Some(definition), Some(actor)) = (
            self.rng.pick(state.definitions.get(..state.roots).unwrap_or_default()).cloned(),
            self.rng.pick(&state.principals),
        ) else {
            return Ok(());
        };
        let (id, actor) = (state.id.clone(), actor.id);
        let idempotency_key = self.rng.permille(600).then(|| format!("key-{}", self.rng.below(40)));
        let business_key = self.rng.permille(300).then(|| format!("order-{}", self.rng.below(4)));
        let key = idempotency_key.clone().map(|key| (id, business_key.clone(), key));
        let mut entropy = self.entropy();
        let n = self.rng.below(5);
        // With the same input the same, so that whoever repeats a start repeats its labels.
        let labels =
            (0..n).filter(|label| n.is_multiple_of(label + 2)).map(|label| (format!("l{label}"), n.to_string()));
        let start = Start {
            id: TransactionId::draw(self.now, Slot::of_key(&chancery_base::TenantId::system(), ""), &mut entropy),
            actor,
            version_asked: None,
            definition,
            input: Document::shared(json!({ "n": n })),
            idempotency_key,
            business_key,
            labels: labels.collect(),
            // What tells it from others, where it has any.
            headers: Headers::new((n > 2).then(|| ("x-n".to_owned(), n.to_string())))?,
            traceparent: None,
            start_at: None,
            signal: None,
            faults: Vec::new(),
            is_closed: false,
        };
        let start = if self.has_waits() { self.waiting_start(start) } else { start };
        self.clients.starts.push(StartState { tenant, start, key, tries: 0, acknowledged: None });
        self.start(self.clients.starts.len() - 1)
    }

    /// Somebody sends a start that was sent before.
    fn start_once_more(&mut self) -> Check {
        match self.rng.index(self.clients.starts.len()) {
            _ if self.clients.starts.is_empty() => Ok(()),
            index => self.start(index),
        }
    }

    pub(super) fn start_again(&mut self, index: usize) -> Check {
        self.clients.again -= 1;
        self.start(index)
    }

    fn start(&mut self, index: usize) -> Check {
        let mut entropy = self.entropy();
        let now = self.now;
        let random = Slot::new(u16::try_from(self.rng.below(4096)).unwrap_or(0));
        let Some(state) = self.clients.starts.get_mut(index) else { return Ok(()) };
        let Some(tenant) = self.tenants.get(state.tenant) else { return Ok(()) };
        let key = state.start.business_key.as_ref().or(state.start.idempotency_key.as_ref());
        let Some(slot) = key.map(|key| Slot::of_key(&tenant.id, key)).or(random) else { return Ok(()) };
        let mut start = state.start.clone();
        start.id = TransactionId::draw(now, slot, &mut entropy);
        state.tries += 1;
        let shard = usize::from(slot.number()) * tenant.places.len() / 4096;
        let place = tenant.places.get(shard).copied().unwrap_or(0);
        match self.server_of(place) {
            Some(server) => self.send(server, Command::Start(Box::new(start)), Purpose::Start(index)),
            None => {
                self.try_again(index);
                Ok(())
            }
        }
    }

    fn try_again(&mut self, index: usize) {
        let tries = self.clients.starts.get(index).map_or(0, |start| start.tries);
        if tries < 20 {
            self.clients.again += 1;
            let wait = self.within(1_500);
            self.after(wait, Event::Again(index));
        }
    }

    pub(super) fn entropy(&mut self) -> Entropy {
        Entropy::from_seed(self.rng.seed())
    }

    fn operation(&mut self) -> Check {
        let ids: Vec<TransactionId> = self.model.open().map(|(id, _)| id).collect();
        let Some(id) = self.rng.pick(&ids).copied() else { return Ok(()) };
        let operation = if self.rng.permille(300) { "terminate" } else { "cancel" };
        self.operate_on(id, operation)
    }

    pub(super) fn operate_on(&mut self, id: TransactionId, name: &'static str) -> Check {
        let Some(transaction) = self.model.transactions.get(&id) else { return Ok(()) };
        let place = self.places.iter().position(|(log, _)| log.id == transaction.log).unwrap_or(0);
        let parked = transaction.parked.flatten().and_then(|node| transaction.step_name(node)).map(str::to_owned);
        let actor = self.places.get(place).and_then(|(_, tenant)| self.tenants.get(*tenant));
        let actor = actor.and_then(|tenant| tenant.principals.first()).map_or(PrincipalId::SYSTEM, |first| first.id);
        let operation = Operation { id, actor, justification: "the simulator says so".to_owned() };
        let command = match name {
            "cancel" => Command::Cancel(operation),
            "terminate" => Command::Terminate(operation),
            "pause" => Command::Pause(operation),
            "resume" => Command::Resume(operation),
            "retry" => Command::Retry(operation),
            _ => Command::Resolve(operation, parked.unwrap_or_default(), Document::shared(json!({ "by": "hand" }))),
        };
        match self.server_of(place) {
            Some(server) => self.send(server, command, Purpose::Operation(id, name)),
            None => Ok(()),
        }
    }

    /// Somebody looks after what is parked.
    pub(super) fn operate(&mut self) -> Check {
        self.after(Duration::from_secs(1), Event::Operate);
        if self.is_calm {
            self.lift_suspensions()?;
            self.lift_stops()?;
            self.end_waits()?;
            self.end_requests()?;
            self.end_schedules()?;
        }
        let parked: Vec<(TransactionId, Option<NodeRef>)> =
            self.model.open().filter_map(|(id, open)| Some((id, open.parked?))).collect();
        let gives_up = self.is_calm && self.gives_up_asking();
        for (id, step) in parked {
            match self.rng.below(4) {
                // What nobody can say yes to is asked in vain, however often.
                _ if gives_up => self.operate_on(id, "terminate")?,
                0 if !self.is_calm => {}
                0 | 1 => self.operate_on(id, "retry")?,
                // What can't be undone and has no output is tried in vain.
                2 | 3 if self.is_calm && step.is_none() => self.operate_on(id, "terminate")?,
                _ => self.operate_on(id, "resolve")?,
            }
        }
        Ok(())
    }

    /// Without workers nothing settles.
    fn lift_suspensions(&mut self) -> Check {
        for tenant in 0..self.tenants.len() {
            let Some(state) = self.tenants.get_mut(tenant) else { continue };
            let Some(worker) = state.principals.last_mut() else { continue };
            if self.model.is_suspended(&state.id, worker.id) {
                worker.suspended = false;
                let worker = worker.clone();
                self.change(tenant, Change::PrincipalSet(worker), Fault::Suspended)?;
            }
        }
        Ok(())
    }

    /// What is stopped waits, and what is denied never completes.
    fn lift_stops(&mut self) -> Check {
        for tenant in 0..self.tenants.len() {
            let stops = self.tenants.get(tenant).map(|state| self.model.stops(&state.id)).unwrap_or_default();
            for id in stops {
                self.lift(tenant, id)?;
            }
        }
        Ok(())
    }

    /// Stops something, or lifts what was stopped.
    fn stop(&mut self) -> Check {
        let tenant = self.rng.index(self.tenants.len());
        let mut entropy = self.entropy();
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let stops = self.model.stops(&state.id);
        if let Some(id) = self.rng.pick(&stops).copied().filter(|_| self.rng.permille(600)) {
            return self.lift(tenant, id);
        }
        let on = match self.rng.below(10) {
            0 => Some(StopOn::Tenant),
            // The first is who stops things: nobody stops itself.
            1..4 => self.rng.pick(state.principals.get(1..).unwrap_or_default()).map(|who| StopOn::Principal(who.id)),
            4 => "start".parse().ok().map(StopOn::Action),
            5 => "run".parse().ok().map(StopOn::Action),
            6 | 7 => self.rng.pick(&state.definitions).map(|definition| StopOn::Definition(definition.name.clone())),
            _ => {
                let queue = self.rng.pick(&material::QUEUES).and_then(|queue| queue.parse().ok());
                queue.map(|queue: Name| StopOn::Target(TargetId::worker(&queue)))
            }
        };
        let Some(on) = on else { return Ok(()) };
        let (id, justification) = (StopId::draw(self.now, &mut entropy), "the simulator says so".to_owned());
        self.change(tenant, Change::StopSet { id, on, justification }, Fault::Stopped)
    }

    fn lift(&mut self, tenant: usize, id: StopId) -> Check {
        let change = Change::StopLift { id, justification: "the simulator says so".to_owned() };
        self.change(tenant, change, Fault::StopLifted)
    }

    fn ask(&mut self) -> Check {
        let Some((place, actor)) = self.somebody() else { return Ok(()) };
        let request = Request {
            principal: actor.into(),
            action: "start".to_owned(),
            resource: ResourceRef::new("Definition", "anything"),
            context: Map::new(),
            irreversible: false,
        };
        let Some(server) = self.server_of(place) else { return Ok(()) };
        self.send(
            server,
            Command::Decide(Box::new(Question { actor, requests: vec![request], until: Until::End })),
            Purpose::Ask { place },
        )
    }

    fn deny(&mut self) -> Check {
        let Some((place, actor)) = self.somebody() else { return Ok(()) };
        let denial = Denial { actor, action: "start".to_owned(), reasons: vec!["no role".to_owned()] };
        let Some(server) = self.server_of(place) else { return Ok(()) };
        self.send(server, Command::Deny(denial), Purpose::Ask { place })
    }

    fn somebody(&mut self) -> Option<(usize, PrincipalId)> {
        let place = self.rng.index(self.places.len());
        let tenant = self.places.get(place).and_then(|(_, tenant)| self.tenants.get(*tenant))?;
        Some((place, self.rng.pick(&tenant.principals)?.id))
    }

    fn activate(&mut self) -> Check {
        let Some(bundle) = self.rng.pick(&self.bundles).cloned() else { return Ok(()) };
        let tenant = self.rng.index(self.tenants.len());
        self.change(tenant, material::activate(&bundle), Fault::BundleActivated)
    }

    fn suspend(&mut self) -> Check {
        let tenant = self.rng.index(self.tenants.len());
        let Some(state) = self.tenants.get_mut(tenant) else { return Ok(()) };
        let who = self.rng.index(state.principals.len());
        let Some(principal) = state.principals.get_mut(who) else { return Ok(()) };
        principal.suspended = !principal.suspended;
        let principal = principal.clone();
        self.change(tenant, Change::PrincipalSet(principal), Fault::Suspended)
    }

    /// Sets a tenant's settings to what they were not.
    fn set(&mut self) -> Check {
        let (tenant, generation) = (self.rng.index(self.tenants.len()), self.rng.below(1_000));
        let values = Map::from_iter([("GEN".to_owned(), json!(generation))]);
        self.change(tenant, Change::Settings { edit: Edit::Put(values), expected: None }, Fault::SettingsChanged)
    }

    fn change(&mut self, tenant: usize, change: Change, fault: Fault) -> Check {
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let place = state.places.first().copied().unwrap_or(0);
        let actor = state.principals.first().map_or(PrincipalId::SYSTEM, |first| first.id);
        let Some(server) = self.server_of(place) else { return Ok(()) };
        let command = Command::Control(Box::new(ControlChange { actor, change }));
        self.send(server, command, Purpose::Control { place, fault: Some(fault) })
    }

    /// An answer arrives, or is known never to.
    pub(super) fn heard(&mut self, server: ServerId, purpose: Purpose, answer: Result<Response, Refusal>) -> Check {
        match (purpose, answer) {
            (Purpose::SetUp(tenant), Ok(_)) => {
                self.after(Duration::ZERO, Event::SetUp(tenant));
                Ok(())
            }
            (Purpose::SetUp(_), Err(refusal)) => Err(format!("the set-up was refused: {refusal}")),
            (Purpose::Start(index), answer) => self.heard_start(index, answer),
            (Purpose::Fork(asked), answer) => self.heard_fork(&asked, answer),
            (Purpose::Signal(to, id), Ok(Response::Signalled { existing, .. })) => {
                self.model.signal_acknowledged(to, id.as_deref(), existing)
            }
            (Purpose::Request(said), answer) => self.heard_said(&said, answer),
            (Purpose::Govern { place, fault }, answer) => self.heard_governor(place, fault, answer),
            (Purpose::Operation(id, name), Ok(_)) => self.model.operation_acknowledged(id, name),
            (Purpose::Control { place, fault }, Ok(Response::Done { seq })) => {
                if let Some(fault) = fault.filter(|_| seq.is_some()) {
                    self.count(fault);
                }
                self.heard_entry(place, seq)
            }
            (Purpose::Ask { place }, Ok(Response::Done { seq })) => self.heard_entry(place, seq),
            (Purpose::Ask { place }, Ok(Response::Decided(decided))) => {
                self.heard_entry(place, decided.first().map(|decision| decision.seq))
            }
            (Purpose::Schedule { place }, answer) => self.heard_schedule(place, answer),
            (Purpose::Exchange(sent), answer) => self.heard_exchange(server, sent, answer),
            (Purpose::Drive(driver, asked), answer) => self.heard_driver(driver, &asked, answer),
            (
                Purpose::Operation(..) | Purpose::Signal(..) | Purpose::Control { .. } | Purpose::Ask { .. },
                Err(refusal),
            ) => match refusal {
                Refusal::Invalid(why) => Err(format!("refused as invalid: {why}")),
                Refusal::Missing(_)
                | Refusal::Denied(_)
                | Refusal::Stopped(_)
                | Refusal::KeyReused(_)
                | Refusal::BusinessKeyTaken(_)
                | Refusal::Forked(_)
                | Refusal::Illegal(_)
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::InputRefused { .. }
                | Refusal::Overlaps(_)
                | Refusal::Override(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::NotFound(_)
                | Refusal::Limited { .. }
                | Refusal::TooManyRunning { .. }
                | Refusal::Maintenance { .. }
                | Refusal::Unavailable(_)
                | Refusal::Unknown
                | Refusal::Stopping => Ok(()),
            },
            (Purpose::Signal(..) | Purpose::Control { .. } | Purpose::Ask { .. }, Ok(other)) => {
                Err(format!("another answer: {other:?}"))
            }
        }
    }

    pub(super) fn heard_entry(&self, place: usize, seq: Option<u64>) -> Check {
        match (self.places.get(place), seq) {
            (Some((log, _)), Some(seq)) => self.model.entry_acknowledged(log.id, seq),
            (None, _) | (_, None) => Ok(()),
        }
    }

    fn heard_start(&mut self, index: usize, answer: Result<Response, Refusal>) -> Check {
        let is_lost = answer.is_ok() && self.strikes(Fault::ClientReplyLost, 60);
        let Some(state) = self.clients.starts.get_mut(index) else { return Ok(()) };
        match answer {
            Ok(Response::Started { id, .. }) if state.start.signal.is_some() => {
                // It may have signalled another that has the business key.
                state.acknowledged = Some(id);
                self.model.start_acknowledged(id, None)
            }
            Ok(Response::Started { id, existing, .. }) => {
                self.model.start_acknowledged(id, state.key.as_ref())?;
                if is_lost {
                    self.count(Fault::ClientReplyLost);
                    self.try_again(index);
                    return Ok(());
                }
                let before = state.acknowledged.replace(id);
                // A key is free again when what it stood for has expired.
                let is_over = before.is_some_and(|before| self.model.expired.contains(&before));
                let is_same = state.key.is_none() || is_over || before.is_none_or(|before| before == id);
                if !is_same {
                    return Err(format!("one start gave {before:?} and {id}"));
                }
                self.drive_started(id, existing)
            }
            Ok(other) => Err(format!("a start was answered {other:?}")),
            Err(
                Refusal::Unavailable(_)
                | Refusal::Unknown
                | Refusal::Stopping
                | Refusal::Limited { .. }
                | Refusal::TooManyRunning { .. },
            ) => {
                self.try_again(index);
                Ok(())
            }
            // What has the key goes forward no more, or keeps too many.
            Err(Refusal::Illegal(_)) if state.start.signal.is_some() => Ok(()),
            Err(Refusal::KeyReused(id) | Refusal::BusinessKeyTaken(id)) => self.model.start_acknowledged(id, None),
            Err(Refusal::Denied(decided) | Refusal::Stopped(decided)) => {
                if decided.permitted {
                    Err("denied with a permit".to_owned())
                } else {
                    Ok(())
                }
            }
            Err(
                refusal @ (Refusal::Missing(_)
                | Refusal::Forked(_)
                | Refusal::Illegal(_)
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::InputRefused { .. }
                | Refusal::Overlaps(_)
                | Refusal::Override(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::NotFound(_)
                | Refusal::Maintenance { .. }
                | Refusal::Invalid(_)),
            ) => Err(format!("a start was refused: {refusal}")),
        }
    }
}
