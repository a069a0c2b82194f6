//! Looking into a store in memory as a whole.

use super::SimStore;
use super::state::{State, credential_key, principal_key};
use crate::scan::{KeyPlace, PointerRow, Scan, SlotRow};
use crate::{CheckpointRow, TileRow, words};
use chancery_base::{
    EvidenceId, KeyId, Name, OverrideId, PrincipalId, RequestId, SigningSecretId, StopId, TargetId, TenantId,
    TransactionId,
};
use chancery_shard::batch::StoreError;
use chancery_shard::replay::{NotifierSeen, SigningSecretSeen};
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceContentRow,
    EvidenceRow, KeyRow, LabelRow, LogId, LogRow, MaintenanceRow, OverrideRow, PrincipalRow, QueueRow, RequestRow,
    RetentionRow, ScheduleRow, SettingsRow, StepRow, StopRow, TargetRow, TenantRow, TransactionRow, TrustRow,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

/// Everything in a store, each table in order of its key, for checks of invariants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// Logs.
    pub logs: Vec<LogRow>,
    /// Each log's entries, in order.
    pub entries: BTreeMap<LogId, Vec<Arc<EntryRow>>>,
    /// Transactions.
    pub transactions: Vec<TransactionRow>,
    /// Steps.
    pub steps: Vec<StepRow>,
    /// Labels.
    pub labels: Vec<LabelRow>,
    /// Events.
    pub events: Vec<EventRow>,
    /// Requests to people.
    pub requests: Vec<RequestRow>,
    /// Keys and whose they are.
    pub keys: Vec<(TenantId, KeyRow)>,
}

pub(super) fn dump(state: &State) -> Dump {
    let mut entries: BTreeMap<LogId, Vec<Arc<EntryRow>>> = state.logs.keys().map(|log| (*log, Vec::new())).collect();
    for ((log, _), entry) in &state.entries {
        entries.entry(*log).or_default().push(Arc::clone(entry));
    }
    Dump {
        logs: state.logs.values().cloned().collect(),
        entries,
        transactions: state.transactions.values().cloned().collect(),
        steps: state.steps.values().cloned().collect(),
        labels: state.labels.iter().cloned().collect(),
        events: state.events.values().cloned().collect(),
        requests: state.requests.values().cloned().collect(),
        keys: state.keys.iter().map(|((tenant, ..), row)| (tenant.clone(), row.clone())).collect(),
    }
}

type Answer<T> = Result<T, StoreError>;

/// A page of a map's values, each made into a row.
fn page<K: Ord + Clone, V, R>(
    map: &BTreeMap<K, V>,
    after: Option<K>,
    limit: usize,
    row: impl FnMut((&K, &V)) -> R,
) -> Answer<Vec<R>> {
    let from = after.map_or(Unbounded, Excluded);
    Ok(map.range((from, Unbounded)).take(limit).map(row).collect())
}

impl Scan for SimStore {
    fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<TenantRow>> {
        page(&self.inner().state.control.tenants, after.cloned(), limit, |(_, row)| row.clone())
    }

    fn logs(&self) -> Answer<Vec<LogRow>> {
        Ok(self.inner().state.logs.values().cloned().collect())
    }

    fn slots(&self, after: Option<(&TenantId, u16)>, limit: usize) -> Answer<Vec<SlotRow>> {
        let after = after.map(|(tenant, first)| (tenant.clone(), first));
        page(&self.inner().state.control.slots, after, limit, |(_, row)| row.clone())
    }

    fn entries(&self, log: LogId, from: u64, limit: usize) -> Answer<Vec<EntryRow>> {
        Ok(self.inner().state.entries(log, from, limit, true))
    }

    fn entry_logs(&self) -> Answer<Vec<LogId>> {
        let logs: BTreeSet<LogId> = self.inner().state.entries.keys().map(|(log, _)| *log).collect();
        Ok(logs.into_iter().collect())
    }

    fn tree_logs(&self) -> Answer<Vec<(&'static str, LogId)>> {
        let inner = self.inner();
        let state = &inner.state;
        let tiles: BTreeSet<LogId> = state.tiles.keys().map(|(log, ..)| *log).collect();
        let checkpoints: BTreeSet<LogId> = state.checkpoints.keys().map(|(log, _)| *log).collect();
        let tiles = tiles.into_iter().map(|log| ("tiles", log));
        Ok(tiles.chain(checkpoints.into_iter().map(|log| ("checkpoints", log))).collect())
    }

    fn transaction_count(&self) -> Answer<u64> {
        Ok(self.inner().state.transactions.len() as u64)
    }

    fn step_count(&self) -> Answer<u64> {
        Ok(self.inner().state.steps.len() as u64)
    }

    fn transactions(&self, after: Option<TransactionId>, limit: usize) -> Answer<Vec<TransactionRow>> {
        page(&self.inner().state.transactions, after, limit, |(_, row)| row.clone())
    }

    fn steps(&self, after: Option<(TransactionId, u32, u32)>, limit: usize) -> Answer<Vec<StepRow>> {
        page(&self.inner().state.steps, after, limit, |(_, row)| row.clone())
    }

    fn label_count(&self) -> Answer<u64> {
        Ok(self.inner().state.labels.len() as u64)
    }

    fn labels(&self, after: Option<&LabelRow>, limit: usize) -> Answer<Vec<LabelRow>> {
        let from = after.map_or(Unbounded, Excluded);
        Ok(self.inner().state.labels.range((from, Unbounded)).take(limit).cloned().collect())
    }

    fn events(&self, after: Option<(LogId, u64)>, limit: usize) -> Answer<Vec<EventRow>> {
        let from = after.map_or(Unbounded, Excluded);
        Ok(self.inner().state.events.range((from, Unbounded)).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn request_count(&self) -> Answer<u64> {
        Ok(self.inner().state.requests.len() as u64)
    }

    fn requests(&self, after: Option<(TransactionId, RequestId)>, limit: usize) -> Answer<Vec<RequestRow>> {
        page(&self.inner().state.requests, after, limit, |(_, row)| row.clone())
    }

    fn keys(&self, after: Option<&KeyPlace>, limit: usize) -> Answer<Vec<(TenantId, KeyRow)>> {
        let after = after.map(|(tenant, scope, slot, key)| (tenant.clone(), words::scope(*scope), *slot, *key));
        page(&self.inner().state.keys, after, limit, |((tenant, ..), row)| (tenant.clone(), row.clone()))
    }

    fn principals(
        &self,
        after: Option<(&TenantId, PrincipalId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, PrincipalRow)>> {
        let after = after.map(|(tenant, id)| principal_key(tenant, id));
        page(&self.inner().state.control.principals, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn credentials(&self, after: Option<(&TenantId, KeyId)>, limit: usize) -> Answer<Vec<(TenantId, CredentialRow)>> {
        let after = after.map(|(tenant, id)| credential_key(tenant, id));
        page(&self.inner().state.control.credentials, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn targets(&self, after: Option<(&TenantId, &TargetId)>, limit: usize) -> Answer<Vec<(TenantId, TargetRow)>> {
        let after = after.map(|(tenant, target)| (tenant.clone(), target.clone()));
        page(&self.inner().state.control.targets, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn queues(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, QueueRow)>> {
        let after = after.map(|(tenant, queue)| (tenant.clone(), queue.clone()));
        page(&self.inner().state.control.queues, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn settings(&self, after: Option<(&TenantId, u32)>, limit: usize) -> Answer<Vec<(TenantId, SettingsRow)>> {
        let after = after.map(|(tenant, version)| (tenant.clone(), version));
        let rows = &self.inner().state.control.settings;
        page(rows, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn maintenance(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, MaintenanceRow)>> {
        let rows = &self.inner().state.control.maintenance;
        page(rows, after.cloned(), limit, |(tenant, row)| (tenant.clone(), row.clone()))
    }

    fn notifiers(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, NotifierSeen)>> {
        let after = after.map(|(tenant, name)| (tenant.clone(), name.clone()));
        let rows = &self.inner().state.control.notifiers;
        page(rows, after, limit, |((tenant, _), row)| (tenant.clone(), NotifierSeen::of(row)))
    }

    fn overrides(&self, after: Option<(&TenantId, OverrideId)>, limit: usize) -> Answer<Vec<(TenantId, OverrideRow)>> {
        let after = after.map(|(tenant, id)| (tenant.clone(), id));
        page(&self.inner().state.control.overrides, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn stops(&self, after: Option<(&TenantId, StopId)>, limit: usize) -> Answer<Vec<(TenantId, StopRow)>> {
        let after = after.map(|(tenant, id)| (tenant.clone(), id));
        page(&self.inner().state.control.stops, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn budgets(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, BudgetRow)>> {
        let after = after.map(|(tenant, name)| (tenant.clone(), name.clone()));
        page(&self.inner().state.control.budgets, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn accounts(&self, after: Option<(&TenantId, &str)>, limit: usize) -> Answer<Vec<(TenantId, AccountRow)>> {
        let after = after.map(|(tenant, account)| (tenant.clone(), account.to_owned()));
        page(&self.inner().state.accounts, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn evidence(&self, after: Option<(&TenantId, EvidenceId)>, limit: usize) -> Answer<Vec<(TenantId, EvidenceRow)>> {
        let after = after.map(|(tenant, id)| (tenant.clone(), id));
        page(&self.inner().state.control.evidence, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn evidence_contents(
        &self,
        after: Option<(&TenantId, EvidenceId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, EvidenceContentRow)>> {
        let after = after.map(|(tenant, id)| (tenant.clone(), id));
        let rows = &self.inner().state.control.evidence_contents;
        page(rows, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn retention(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, RetentionRow)>> {
        let rows = &self.inner().state.control.retention;
        page(rows, after.cloned(), limit, |(tenant, row)| (tenant.clone(), row.clone()))
    }

    fn trust(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, TrustRow)>> {
        let rows = &self.inner().state.control.trust;
        page(rows, after.cloned(), limit, |(tenant, row)| (tenant.clone(), row.clone()))
    }

    fn schedules(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, ScheduleRow)>> {
        let after = after.map(|(tenant, name)| (tenant.clone(), name.clone()));
        page(&self.inner().state.control.schedules, after, limit, |((tenant, _), row)| (tenant.clone(), row.clone()))
    }

    fn signing_secrets(
        &self,
        after: Option<(&TenantId, SigningSecretId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, SigningSecretSeen)>> {
        let after = after.map(|(tenant, id)| (tenant.clone(), id));
        let rows = &self.inner().state.control.signing_secrets;
        page(rows, after, limit, |((tenant, _), row)| (tenant.clone(), SigningSecretSeen::of(row)))
    }

    fn definitions(
        &self,
        after: Option<(&TenantId, &Name, u32)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, DefinitionRow)>> {
        let after = after.map(|(tenant, name, version)| (tenant.clone(), name.clone(), version));
        let rows = &self.inner().state.control.definitions;
        page(rows, after, limit, |((tenant, ..), row)| (tenant.clone(), row.clone()))
    }

    fn bundles(&self, after: Option<(&TenantId, &Name, u32)>, limit: usize) -> Answer<Vec<(TenantId, BundleRow)>> {
        let after = after.map(|(tenant, name, version)| (tenant.clone(), name.clone(), version));
        let rows = &self.inner().state.control.bundles;
        page(rows, after, limit, |((tenant, ..), row)| (tenant.clone(), row.clone()))
    }

    fn pointers(&self) -> Answer<Vec<PointerRow>> {
        let inner = self.inner();
        let pointers = inner.state.control.pointers.iter();
        Ok(pointers
            .map(|((tenant, kind), digest)| PointerRow { tenant: tenant.clone(), kind, digest: *digest })
            .collect())
    }

    fn tiles(&self, log: LogId, after: Option<(u8, u64)>, limit: usize) -> Answer<Vec<TileRow>> {
        let from = after.map_or(Included((log, 0, 0)), |(level, index)| Excluded((log, level, index)));
        let range = (from, Included((log, u8::MAX, u64::MAX)));
        Ok(self.inner().state.tiles.range(range).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn checkpoints(&self, log: LogId, after: Option<u64>, limit: usize) -> Answer<Vec<CheckpointRow>> {
        let from = after.map_or(Included((log, 0)), |size| Excluded((log, size)));
        let range = (from, Included((log, u64::MAX)));
        Ok(self.inner().state.checkpoints.range(range).take(limit).map(|(_, row)| row.clone()).collect())
    }
}
