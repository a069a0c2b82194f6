//! What must hold of stops, said from the outside: from the entry that sets one to the one that lifts it, nothing that
//! it is on begins or goes out.

use super::{Check, Model, TransactionModel, ensure};
use chancery_base::{Name, StopId, TargetId, TenantId, TransactionId};
use chancery_engine::definition::StepIndex;
use chancery_engine::{Beginning, Phase};
use chancery_ledger::Record;
use chancery_shard::stop::StopOn;
use serde_json::{Map, Value};

impl Model {
    /// A stop was set, or lifted.
    pub(super) fn follow_stop(&mut self, record: &Record, payload: &Map<String, Value>) -> Check {
        let id =
            record.data.get_word("stop").and_then(|word| word.parse::<StopId>().ok()).ok_or("a stop without id")?;
        let stops = &mut self.tenants.entry(record.log.tenant().clone()).or_default().stops;
        if record.kind.as_str() == "stop.lifted" {
            return ensure(stops.remove(&id).is_some(), || format!("{id} was not in force"));
        }
        let on = payload.get("on").cloned().unwrap_or_default();
        let on: StopOn = serde_json::from_value(on).map_err(|err| err.to_string())?;
        let is_new = !stops.values().any(|other| *other == on);
        ensure(is_new && stops.insert(id, on).is_none(), || format!("{id} is on what is stopped already"))
    }

    /// The stops of a tenant that are in force.
    pub(crate) fn stops(&self, tenant: &TenantId) -> Vec<StopId> {
        self.tenants.get(tenant).map(|tenant| tenant.stops.keys().copied().collect()).unwrap_or_default()
    }

    /// Nothing stops what begins.
    pub(super) fn begins_unstopped(&self, tenant: &TenantId, beginning: &Beginning) -> Check {
        let own = StopOn::Definition(beginning.definition.clone());
        let of_principal = StopOn::Principal(beginning.principal);
        let above = beginning.parent.as_ref().map(|parent| parent.id);
        self.is_none_of(tenant, [StopOn::Tenant, of_principal, own])?;
        self.acts_unstopped(tenant, Some("start"))?;
        self.stands_unstopped(tenant, above)
    }

    /// Nothing stops a transaction from going forward, by a step that asks for this action, as far as that is known.
    pub(super) fn goes_unstopped(&self, id: TransactionId, action: Option<&str>) -> Check {
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let of_principal = StopOn::Principal(transaction.principal);
        self.is_none_of(&transaction.tenant, [StopOn::Tenant, of_principal])?;
        self.acts_unstopped(&transaction.tenant, action)?;
        self.stands_unstopped(&transaction.tenant, Some(id))
    }

    /// Nothing goes to a target that is stopped, whatever the phase.
    pub(super) fn reaches_unstopped(&self, transaction: &TransactionModel, step: StepIndex, phase: Phase) -> Check {
        ensure(!self.is_target_stopped(transaction, step, phase), || "its target is stopped".to_owned())
    }

    /// Whether the queue of a step, its compensation or its confirm is stopped.
    pub(super) fn is_target_stopped(&self, transaction: &TransactionModel, step: StepIndex, phase: Phase) -> bool {
        let target = transaction.queue(step, phase).map(|queue| StopOn::Target(TargetId::worker(queue)));
        target.is_some_and(|on| self.is_none_of(&transaction.tenant, [on]).is_err())
    }

    /// Whether a stop may be what keeps a compensation from where it goes. Where the driver of an open transaction said
    /// that it goes is not known here.
    pub(super) fn may_be_parked(&self, transaction: &TransactionModel, step: StepIndex, phase: Phase) -> bool {
        let is_target = |on: &StopOn| matches!(on, StopOn::Target(_));
        let stops = self.tenants.get(&transaction.tenant).map(|tenant| &tenant.stops);
        let is_any = || stops.is_some_and(|stops| stops.values().any(is_target));
        let is_known = transaction.definition.step(step).is_some();
        self.is_target_stopped(transaction, step, phase) || !is_known && is_any()
    }

    /// Its definition is not stopped, nor that of one above it.
    fn stands_unstopped(&self, tenant: &TenantId, from: Option<TransactionId>) -> Check {
        let mut next = from.and_then(|id| self.transactions.get(&id));
        while let Some(transaction) = next {
            self.is_none_of(tenant, [StopOn::Definition(transaction.definition.name.clone())])?;
            next = transaction.parent.and_then(|id| self.transactions.get(&id));
        }
        Ok(())
    }

    fn acts_unstopped(&self, tenant: &TenantId, action: Option<&str>) -> Check {
        let action: Option<Name> = action.and_then(|action| action.parse().ok());
        self.is_none_of(tenant, action.map(StopOn::Action))
    }

    fn is_none_of(&self, tenant: &TenantId, things: impl IntoIterator<Item = StopOn>) -> Check {
        let Some(tenant) = self.tenants.get(tenant) else { return Ok(()) };
        for on in things {
            ensure(!tenant.stops.values().any(|other| *other == on), || format!("{on} is stopped"))?;
        }
        Ok(())
    }
}
