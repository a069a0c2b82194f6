//! Who governs: budgets are set and deleted, evidence is added, overrides are asked for and answered, by who may as well
//! as by who may not; and the clock is set forward a little.

use super::clients::Purpose;
use super::{World, budgets};
use crate::Material;
use crate::faults::Fault;
use crate::law::{BUDGETS, EVIDENCE};
use crate::model::Check;
use chancery_base::{Digest, EvidenceId, OverrideId, PrincipalId, PrincipalKind, TransactionId};
use chancery_engine::definition::Definition;
use chancery_policy::{EntityRef, OverrideKind};
use chancery_shard::evidence::{BoundTo, Terms};
use chancery_shard::input::{Change, Command, ControlChange, OverrideSay, Refusal, Response};
use chancery_shard::over::OverrideOn;
use std::sync::Arc;
use std::time::Duration;

impl World {
    /// Whether bundles demand something of what is handed out.
    pub(super) const fn has_laws(&self) -> bool {
        matches!(self.options.material, Material::Governed)
    }

    /// Somebody governs.
    pub(super) fn govern(&mut self) -> Check {
        if self.strikes(Fault::ClockSetForward, 10) {
            self.count(Fault::ClockSetForward);
            let by = Duration::from_millis(self.rng.between(500, 30_000));
            self.set_forward(by);
        }
        let tenant = self.rng.index(self.tenants.len());
        match self.rng.below(100) {
            0..18 => self.set_budget(tenant),
            18..22 => self.delete_budget(tenant),
            22..38 => self.add_evidence(tenant),
            38..64 => self.ask_override(tenant),
            64..100 => self.say_override(tenant),
            _ => Ok(()),
        }
    }

    fn set_budget(&mut self, tenant: usize) -> Check {
        let Some(name) = self.rng.pick(&BUDGETS).copied() else { return Ok(()) };
        let change = budgets::set(name, &mut self.rng)?;
        let actor = self.operator(tenant);
        self.change_by(tenant, actor, change, Some(Fault::BudgetSet))
    }

    fn delete_budget(&mut self, tenant: usize) -> Check {
        let Some(name) = self.rng.pick(&BUDGETS).copied() else { return Ok(()) };
        let change = Change::BudgetDelete(name.parse().map_err(|err| format!("{err}"))?);
        let actor = self.operator(tenant);
        self.change_by(tenant, actor, change, Some(Fault::BudgetDeleted))
    }

    fn operator(&self, tenant: usize) -> PrincipalId {
        let first = self.tenants.get(tenant).and_then(|tenant| tenant.principals.first());
        first.map_or(PrincipalId::SYSTEM, |first| first.id)
    }

    fn somebody_of(&mut self, tenant: usize) -> Option<PrincipalId> {
        let principals = self.tenants.get(tenant).map(|tenant| &tenant.principals)?;
        self.rng.pick(principals).map(|principal| principal.id)
    }

    /// Mostly a person.
    fn person_of(&mut self, tenant: usize) -> Option<PrincipalId> {
        let principals = self.tenants.get(tenant).map(|tenant| &tenant.principals)?;
        let ids = principals.iter().map(|principal| principal.id);
        let people: Vec<PrincipalId> = ids.filter(|id| id.kind() == PrincipalKind::User).collect();
        if self.rng.permille(700) { self.rng.pick(&people).copied() } else { self.somebody_of(tenant) }
    }

    /// Evidence of the tenant as a whole, of a transaction, or of a step: of what runs as well as of what has ended.
    fn add_evidence(&mut self, tenant: usize) -> Check {
        let Some(name) = self.rng.pick(&EVIDENCE).copied() else { return Ok(()) };
        let name = name.parse().map_err(|err| format!("{err}"))?;
        let bound = match self.rng.below(3) {
            0 => None,
            other => self.open_of(tenant).map(|transaction| {
                let step = (other == 1).then(|| self.step_of(transaction)).flatten();
                let step = step.and_then(|(_, whole)| whole.parse().ok());
                BoundTo { transaction, step }
            }),
        };
        let until = self.now.plus(Duration::from_millis(self.rng.between(1_500, 40_000)));
        let content: Arc<[u8]> = Arc::from(self.rng.next().to_be_bytes().as_slice());
        let is_stored = self.rng.permille(500);
        let digest = Digest::of(&content);
        let size = is_stored.then(|| u64::try_from(content.len()).unwrap_or(0));
        let media_type = "application/octet-stream".to_owned();
        let terms = Box::new(Terms { name, media_type, digest, size, link: None, bound });
        let mut entropy = self.entropy();
        let id = EvidenceId::draw(self.now, &mut entropy);
        let change = Change::EvidenceAdd { id, terms, until, content: is_stored.then_some(content) };
        let Some(actor) = self.somebody_of(tenant) else { return Ok(()) };
        self.change_by(tenant, actor, change, Some(Fault::EvidenceAdded))
    }

    /// A transaction of a tenant that has not ended.
    fn open_of(&mut self, tenant: usize) -> Option<TransactionId> {
        let id = self.tenants.get(tenant).map(|tenant| &tenant.id)?;
        let open: Vec<TransactionId> =
            self.model.open().filter(|(_, open)| open.tenant == *id).map(|(id, _)| id).collect();
        self.rng.pick(&open).copied()
    }

    /// A step of a transaction, or a clone of one: what it is called, and what its step is.
    fn step_of(&mut self, transaction: TransactionId) -> Option<(String, String)> {
        let names = self.model.transactions.get(&transaction)?.step_names();
        self.rng.pick(&names).cloned()
    }

    /// Somebody asks that people answer for something, mostly for what is forbidden.
    fn ask_override(&mut self, tenant: usize) -> Check {
        let kind = self.rng.pick(&OverrideKind::ALL).copied().unwrap_or(OverrideKind::EmergencyBypass);
        let on = if self.rng.permille(350) { self.on_step(tenant) } else { self.on_access(tenant) };
        let Some((on, actor)) = on.zip(self.person_of(tenant)) else { return Ok(()) };
        let until = match self.rng.below(20) {
            0 => self.now,
            1 => self.now.plus(Duration::from_secs(25 * 3_600)),
            _ => self.now.plus(Duration::from_millis(self.rng.between(2_000, 45_000))),
        };
        let mut entropy = self.entropy();
        let id = OverrideId::draw(self.now, &mut entropy);
        let justification = self.justification();
        self.change_by(tenant, actor, Change::OverrideRequest { id, kind, on, until, justification }, None)
    }

    fn justification(&mut self) -> String {
        if self.rng.permille(60) { "looks fine" } else { "the figures were checked against the order" }.to_owned()
    }

    fn on_step(&mut self, tenant: usize) -> Option<OverrideOn> {
        let transaction = self.open_of(tenant)?;
        let (step, _) = self.step_of(transaction)?;
        let principal = self.model.transactions.get(&transaction)?.started_by();
        Some(OverrideOn::Step { transaction, step, principal })
    }

    fn on_access(&mut self, tenant: usize) -> Option<OverrideOn> {
        let mut found = None;
        for _ in 0..6 {
            let principal = self.somebody_of(tenant)?;
            let state = self.tenants.get(tenant)?;
            let roots = state.definitions.get(..state.roots).unwrap_or_default();
            let definition: &Definition = self.rng.pick(roots)?;
            let is_start = self.rng.permille(150);
            let step = self.rng.index(definition.steps.len());
            let number = self.rng.below(5);
            let whole = definition.steps.get(step)?;
            let (action, resource) = if is_start {
                ("start", EntityRef::new("Definition", definition.name.as_str()))
            } else {
                ("run", EntityRef::new("Step", format!("{}/{}", definition.name, whole.id)))
            };
            found = Some(OverrideOn::Access { principal, action: action.to_owned(), resource });
            let step = (!is_start).then(|| u64::try_from(step).unwrap_or(0));
            if self.model.is_forbidden(&state.id, principal, step, number) {
                break;
            }
        }
        found
    }

    /// Somebody says something of an override.
    fn say_override(&mut self, tenant: usize) -> Check {
        let known = self.tenants.get(tenant).map(|tenant| self.model.overrides(&tenant.id)).unwrap_or_default();
        // Of the newest most is said.
        let from = if self.rng.permille(700) { known.len().saturating_sub(4) } else { 0 };
        let id = self.rng.pick(known.get(from..).unwrap_or_default()).copied();
        let Some((id, actor)) = id.zip(self.person_of(tenant)) else { return Ok(()) };
        let say = match self.rng.below(100) {
            0..62 => OverrideSay::Grant,
            62..68 => OverrideSay::Refuse,
            68..78 => OverrideSay::Revoke,
            _ => OverrideSay::Review,
        };
        let justification = self.justification();
        self.change_by(tenant, actor, Change::OverrideSay { id, say, justification }, None)
    }

    fn change_by(&mut self, tenant: usize, actor: PrincipalId, change: Change, fault: Option<Fault>) -> Check {
        let place = self.tenants.get(tenant).and_then(|state| state.places.first()).copied().unwrap_or(0);
        let Some(server) = self.server_of(place) else { return Ok(()) };
        let command = Command::Control(Box::new(ControlChange { actor, change }));
        self.send(server, command, Purpose::Govern { place, fault })
    }

    /// Whether it may be said or set the outside record knows once it is in the ledger.
    pub(super) fn heard_governor(
        &mut self,
        place: usize,
        fault: Option<Fault>,
        answer: Result<Response, Refusal>,
    ) -> Check {
        match answer {
            Ok(Response::Done { seq }) => {
                fault.filter(|_| seq.is_some()).into_iter().for_each(|fault| self.count(fault));
                self.heard_entry(place, seq)
            }
            Ok(other) => Err(format!("who governs was answered {other:?}")),
            Err(Refusal::Override(_)) => {
                self.count(Fault::SayRefused);
                Ok(())
            }
            // Its time is nearly over when the shard comes to it.
            Err(Refusal::Invalid(why)) if why.starts_with("keep:") => Ok(()),
            Err(
                Refusal::NotFound(_)
                | Refusal::Limited { .. }
                | Refusal::Unavailable(_)
                | Refusal::Unknown
                | Refusal::Stopping,
            ) => Ok(()),
            Err(
                refusal @ (Refusal::Invalid(_)
                | Refusal::Missing(_)
                | Refusal::Denied(_)
                | Refusal::Stopped(_)
                | Refusal::Illegal(_)
                | Refusal::KeyReused(_)
                | Refusal::BusinessKeyTaken(_)
                | Refusal::Forked(_)
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::InputRefused { .. }
                | Refusal::Overlaps(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::TooManyRunning { .. }
                | Refusal::Maintenance { .. }),
            ) => Err(format!("who governs was refused: {refusal}")),
        }
    }
}
