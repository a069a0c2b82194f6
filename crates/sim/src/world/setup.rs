//! What a run begins with: tenants and their shards, principals, definitions and bundles.

use super::clients::Purpose;
use super::{Event, World, budgets};
use crate::law::BUDGETS;
use crate::material::{self, Planned};
use crate::model::Check;
use crate::reference::{Plan, ROLE};
use chancery_base::{Entropy, Name, PrincipalId, PrincipalKind, TenantId};
use chancery_engine::definition::Definition;
use chancery_policy::{Bundle, Principal};
use chancery_shard::Origin;
use chancery_shard::batch::{Batch, Call, Reply, StoreError};
use chancery_shard::input::{Change, Command, ControlChange};
use chancery_shard::queue::QueueSettings;
use chancery_shard::row::{ControlRow, TenantRow};
use chancery_store::scan::Scan;
use chancery_store::{Answer, Store};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How many laws a run has.
const LAWS: usize = 3;

#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    /// The places of its shards, in order.
    pub(crate) places: Vec<usize>,
    /// Who acts in it: a user, a service, an agent, and at last its workers' principal.
    pub(crate) principals: Vec<Principal>,
    pub(crate) definitions: Vec<Arc<Definition>>,
    /// How many of them are started by clients: the others are what these run.
    pub(crate) roots: usize,
    changes: VecDeque<Change>,
    is_set_up: bool,
}

impl World {
    /// Makes the tenants, and starts a server for each shard.
    pub(super) fn set_up(&mut self) -> Check {
        let system = TenantId::system();
        let row = self.tenant_row(&system, 1);
        let origin = origins(&system, 1)?.pop().ok_or("no origin")?;
        let log = at_once(self.store.bootstrap(row, origin))?;
        let Reply::Owned(Ok(log)) = self.store.answer(Call::Own { log: log.id }, "set-up") else {
            return Err("the log of system can't be owned".to_owned());
        };
        self.bundles = self.bundles_of_run()?;
        let shards: &[(&str, u16)] = match self.rng.below(4) {
            0 => &[("acme", 1)],
            1 => &[("acme", 1), ("zeta", 1)],
            // What is counted, and what people answer for, is so on a tenant's first shard.
            2 if self.has_laws() => &[("acme", 1)],
            _ if self.has_laws() => &[("acme", 1), ("zeta", 1)],
            2 => &[("acme", 2)],
            _ => &[("acme", 2), ("zeta", 1)],
        };
        let mut control = Vec::new();
        for (name, shards) in shards {
            let tenant: TenantId = name.parse().map_err(|err| format!("{err}"))?;
            control.push(ControlRow::Tenant(self.tenant_row(&tenant, *shards), origins(&tenant, *shards)?));
            self.add_tenant(tenant)?;
        }
        let batch = Batch { control, ..Batch::after(&log) };
        let made = self.store.answer(Call::Commit(Box::new(batch)), "set-up");
        if !matches!(made, Reply::Committed(Ok(()))) {
            return Err(format!("the tenants can't be made: {made:?}"));
        }
        for log in Scan::logs(&self.store).map_err(|err| err.to_string())? {
            let Some(index) = self.tenants.iter().position(|tenant| tenant.id == log.tenant) else { continue };
            let place = self.places.len();
            if let Some(tenant) = self.tenants.get_mut(index) {
                tenant.places.push(place);
            }
            self.places.push((log, index));
            self.serve(place);
        }
        for tenant in 0..self.tenants.len() {
            self.after(Duration::ZERO, Event::SetUp(tenant));
        }
        Ok(())
    }

    fn tenant_row(&self, tenant: &TenantId, shards: u16) -> TenantRow {
        TenantRow { tenant: tenant.clone(), shards, hash_key: [3; 32], created_at: self.now }
    }

    fn add_tenant(&mut self, id: TenantId) -> Check {
        let mut entropy = Entropy::from_seed(self.rng.seed());
        let mut principal = |kind, name: &str| Principal::new(PrincipalId::draw(kind, self.now, &mut entropy), name);
        let mut principals = vec![
            principal(PrincipalKind::User, "ada"),
            principal(PrincipalKind::Service, "shop"),
            principal(PrincipalKind::Agent, "buyer"),
            principal(PrincipalKind::Service, "worker"),
        ];
        if self.has_requests() || self.has_laws() {
            let role: Name = ROLE.parse().map_err(|err| format!("{err}"))?;
            let roles = [vec![role.clone()], vec![role], Vec::new()];
            let people = ["ben", "cleo", "dan"].into_iter().zip(roles).map(|(name, roles)| {
                let person = principal(PrincipalKind::User, name);
                Principal { roles: roles.into_iter().collect(), ..person }
            });
            let people: Vec<Principal> = people.collect();
            drop(principals.splice(1..1, people));
        }
        let (definitions, roots) = self.definitions()?;
        let created = principals.iter().cloned().map(Change::PrincipalCreate);
        let registered = definitions.iter().cloned().map(Change::Register);
        let bundles = self.bundles.iter().map(material::push).chain(self.bundles.first().map(material::activate));
        let bundles: Vec<Change> = bundles.collect();
        let limited = self.limited_queues()?;
        let budgets = self.first_budgets()?;
        let changes = created.chain(registered).chain(bundles).chain(limited).chain(budgets).collect();
        self.tenants.push(Tenant { id, places: Vec::new(), principals, definitions, roots, changes, is_set_up: false });
        Ok(())
    }

    /// What may be put into force.
    fn bundles_of_run(&mut self) -> Check<Vec<Arc<Bundle>>> {
        if !self.has_laws() {
            return material::bundles().map(Vec::from);
        }
        let mut bundles: Vec<Arc<Bundle>> = Vec::new();
        while bundles.len() < LAWS {
            let (law, bundle) = material::draw_law(&mut self.rng)?;
            if bundles.iter().all(|other| other.digest() != bundle.digest()) {
                self.model.know_law(bundle.digest(), law);
                bundles.push(bundle);
            }
        }
        Ok(bundles)
    }

    /// Budgets that a tenant begins with.
    fn first_budgets(&mut self) -> Check<Vec<Change>> {
        let names = BUDGETS.into_iter().filter(|_| self.has_laws());
        let names: Vec<&str> = names.collect();
        let mut changes = Vec::new();
        for name in names {
            if self.rng.permille(850) {
                changes.push(budgets::set(name, &mut self.rng)?);
            }
        }
        Ok(changes)
    }

    /// What a tenant says of its queues.
    fn limited_queues(&self) -> Check<Vec<Change>> {
        if self.options.bounds.concurrency.is_none() {
            return Ok(Vec::new());
        }
        let settings = QueueSettings { concurrency: self.options.bounds.concurrency, ..QueueSettings::default() };
        let set = |queue: &str| {
            let queue = queue.parse().map_err(|err| format!("{err}"))?;
            Ok(Change::QueueSet { queue, settings: settings.clone() })
        };
        material::QUEUES.into_iter().map(set).collect()
    }

    /// What a tenant runs, and how many of it are nobody's children.
    fn definitions(&mut self) -> Check<(Vec<Arc<Definition>>, usize)> {
        let mut planned: Vec<Planned> = Vec::new();
        for _ in 0..self.rng.between(1, 3) {
            planned.push(material::draw(self.options.material, &mut self.rng)?);
        }
        if let Some(plans) = &self.options.bounds.plans {
            planned = plans.iter().map(|plan| material::read(&Arc::new(plan.clone()))).collect::<Check<_>>()?;
        }
        let children = planned.iter().flat_map(|(_, plan)| plan.children.iter().flat_map(Plan::descent));
        let children = children.map(|plan| material::read(&Arc::new(plan.clone()))).collect::<Check<Vec<_>>>()?;
        let count = planned.len();
        planned.extend(children);
        let mut definitions: Vec<Arc<Definition>> = Vec::new();
        let mut roots = 0;
        for (place, (definition, plan)) in planned.into_iter().enumerate() {
            if !definitions.iter().any(|other| other.digest == definition.digest) {
                self.model.know(&definition, &plan);
                definitions.push(definition);
                roots += usize::from(place < count);
            }
        }
        Ok((definitions, roots))
    }

    /// Sends the next command of a tenant's set-up; when all are done, the run proper begins.
    pub(super) fn set_up_next(&mut self, tenant: usize) -> Check {
        let Some(state) = self.tenants.get_mut(tenant) else { return Ok(()) };
        let Some(change) = state.changes.pop_front() else {
            state.is_set_up = true;
            if self.tenants.iter().all(|tenant| tenant.is_set_up) {
                self.begin();
            }
            return Ok(());
        };
        let place = state.places.first().copied().unwrap_or(0);
        let Some(server) = self.server_of(place) else { return Err("no server during the set-up".to_owned()) };
        let change = ControlChange { actor: PrincipalId::SYSTEM, change };
        self.send(server, Command::Control(Box::new(change)), Purpose::SetUp(tenant))
    }

    fn begin(&mut self) {
        self.is_calm = false;
        self.after(Duration::ZERO, Event::Client);
        self.after(Duration::ZERO, Event::Disturb);
        self.after(Duration::from_secs(1), Event::Operate);
        let lasts = Duration::from_millis(self.rng.between(5_000, 40_000));
        let lasts = self.options.bounds.lasts.map_or(lasts, Duration::from_millis);
        self.clients.calm_at = self.now.plus(lasts);
        self.after(lasts, Event::Calm);
        for place in 0..self.places.len() {
            for _ in 0..self.rng.between(1, 2) {
                self.add_worker(place);
            }
        }
    }
}

fn origins(tenant: &TenantId, shards: u16) -> Check<Vec<Origin>> {
    (0..shards).map(|shard| format!("sim/{tenant}/{shard}/1").parse().map_err(|err| format!("{err}"))).collect()
}

/// The answer of a store that answers at once.
fn at_once<T>(answer: Answer<'_, T, StoreError>) -> Check<T> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.map_err(|err| err.to_string()),
        Poll::Pending => Err("the store in memory did not answer at once".to_owned()),
    }
}
