//! The tables in memory, and reading them.

use crate::events::Gather;
use crate::expiry::{Below, Picker};
use crate::scan::{BUNDLE, SHADOW, SlotRow};
use crate::search::{Count, Found, Key, Plan, Reach};
use crate::{CheckpointRow, EventReach, EventSearch, EventsFound, RequestReach, RequestSearch, TileRow, error, words};
use chancery_base::{
    Digest, EventPattern, EvidenceId, KeyId, Kind, Name, OverrideId, PrincipalId, RequestId, SigningSecretId, StopId,
    TargetId, TenantId, Timestamp, TransactionId,
};
use chancery_shard::batch::{ControlRows, Loaded, LoadedTransaction, Sources, StoreError};
use chancery_shard::expiry::{Expired, Expiring};
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceContentRow,
    EvidenceRow, KeyRow, KeyScope, LabelRow, LogId, LogRow, MaintenanceRow, NotifierRow, OverrideRow, PrincipalRow,
    QueueRow, RequestRow, RetentionRow, ScheduleRow, SettingsRow, SigningSecretRow, StepRow, StopRow, TargetRow,
    TenantRow, TransactionRow, TrustRow,
};
use chancery_shard::search::{Facts, Search};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

/// Everything that is durable.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) control: Control,
    pub(super) logs: BTreeMap<LogId, LogRow>,
    pub(super) entries: BTreeMap<(LogId, u64), Arc<EntryRow>>,
    /// Where a transaction's entries are, by their numbers within.
    pub(super) histories: BTreeMap<(TransactionId, u64), (LogId, u64)>,
    pub(super) transactions: BTreeMap<TransactionId, TransactionRow>,
    pub(super) steps: BTreeMap<(TransactionId, u32, u32), StepRow>,
    pub(super) labels: BTreeSet<LabelRow>,
    pub(super) events: BTreeMap<(LogId, u64), EventRow>,
    pub(super) requests: BTreeMap<(TransactionId, RequestId), RequestRow>,
    pub(super) accounts: BTreeMap<(TenantId, String), AccountRow>,
    pub(super) keys: BTreeMap<(TenantId, &'static str, u16, [u8; 32]), KeyRow>,
    pub(super) tiles: BTreeMap<(LogId, u8, u64), TileRow>,
    pub(super) checkpoints: BTreeMap<(LogId, u64), CheckpointRow>,
}

/// What changes rarely and is small: a batch that touches it works on a copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Control {
    pub(super) tenants: BTreeMap<TenantId, TenantRow>,
    pub(super) slots: BTreeMap<(TenantId, u16), SlotRow>,
    pub(super) principals: BTreeMap<(TenantId, String), PrincipalRow>,
    pub(super) credentials: BTreeMap<(TenantId, [u8; 16]), CredentialRow>,
    pub(super) targets: BTreeMap<(TenantId, TargetId), TargetRow>,
    pub(super) queues: BTreeMap<(TenantId, Name), QueueRow>,
    pub(super) settings: BTreeMap<(TenantId, u32), SettingsRow>,
    pub(super) maintenance: BTreeMap<TenantId, MaintenanceRow>,
    pub(super) stops: BTreeMap<(TenantId, StopId), StopRow>,
    pub(super) budgets: BTreeMap<(TenantId, Name), BudgetRow>,
    pub(super) evidence: BTreeMap<(TenantId, EvidenceId), EvidenceRow>,
    pub(super) evidence_contents: BTreeMap<(TenantId, EvidenceId), EvidenceContentRow>,
    pub(super) notifiers: BTreeMap<(TenantId, Name), NotifierRow>,
    pub(super) overrides: BTreeMap<(TenantId, OverrideId), OverrideRow>,
    pub(super) retention: BTreeMap<TenantId, RetentionRow>,
    pub(super) trust: BTreeMap<TenantId, TrustRow>,
    pub(super) signing_secrets: BTreeMap<(TenantId, SigningSecretId), SigningSecretRow>,
    pub(super) schedules: BTreeMap<(TenantId, Name), ScheduleRow>,
    pub(super) definitions: BTreeMap<(TenantId, Name, u32), DefinitionRow>,
    pub(super) bundles: BTreeMap<(TenantId, Name, u32), BundleRow>,
    pub(super) pointers: BTreeMap<(TenantId, &'static str), Digest>,
}

/// The rows of one tenant in a map by (tenant, …).
fn of_tenant<'a, K, R: Clone>(
    rows: &'a BTreeMap<K, R>,
    tenant: &'a TenantId,
    owner: impl Fn(&K) -> &TenantId + 'a,
) -> impl Iterator<Item = (&'a K, R)> {
    rows.iter().filter(move |(key, _)| owner(key) == tenant).map(|(key, row)| (key, row.clone()))
}

impl Control {
    pub(super) fn bundle(&self, tenant: &TenantId, digest: Digest) -> Option<&BundleRow> {
        let mut bundles = self.bundles.iter().filter(|((owner, ..), _)| owner == tenant);
        bundles.find(|(_, row)| row.digest == digest).map(|(_, row)| row)
    }
}

impl State {
    pub(super) fn log(&self, log: LogId) -> Result<&LogRow, StoreError> {
        let missing = || error("read a log", Kind::Missing, format!("there is no log {}", log.0));
        self.logs.get(&log).ok_or_else(missing)
    }

    pub(super) fn control(&self, log: LogId) -> Result<ControlRows, StoreError> {
        let log = self.log(log)?;
        let tenant = &log.tenant;
        let missing = || error("read control rows", Kind::Broken, format!("log {} is of no tenant", log.id.0));
        let mut newest = BTreeMap::new();
        for ((_, name, version), row) in of_tenant(&self.control.definitions, tenant, |(owner, ..)| owner) {
            newest.insert(name.clone(), (*version, row.digest));
        }
        let pointed = |kind: &'static str| {
            let digest = self.control.pointers.get(&(tenant.clone(), kind));
            digest.and_then(|digest| self.control.bundle(tenant, *digest)).cloned()
        };
        Ok(ControlRows {
            control_epoch: log.control_epoch,
            tenant: self.control.tenants.get(tenant).cloned().ok_or_else(missing)?,
            principals: of_tenant(&self.control.principals, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            credentials: of_tenant(&self.control.credentials, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            targets: of_tenant(&self.control.targets, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            queues: of_tenant(&self.control.queues, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            settings: self.settings(tenant, None),
            maintenance: self.control.maintenance.get(tenant).cloned(),
            notifiers: of_tenant(&self.control.notifiers, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            overrides: of_tenant(&self.control.overrides, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            stops: of_tenant(&self.control.stops, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            budgets: of_tenant(&self.control.budgets, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            accounts: of_tenant(&self.accounts, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            evidence: of_tenant(&self.control.evidence, tenant, |(owner, _)| owner).map(|(_, row)| row).collect(),
            retention: self.control.retention.get(tenant).cloned(),
            trust: self.control.trust.get(tenant).cloned(),
            signing_secrets: of_tenant(&self.control.signing_secrets, tenant, |(owner, _)| owner)
                .map(|(_, row)| row)
                .collect(),
            definitions: newest.into_iter().map(|(name, (version, digest))| (name, version, digest)).collect(),
            bundle: pointed(BUNDLE),
            shadow: pointed(SHADOW),
        })
    }

    pub(super) fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Loaded {
        let from = after.map_or(Unbounded, Excluded);
        let live = self.transactions.range((from, Unbounded)).map(|(_, row)| row).filter(|row| row.log == log);
        let live = live.filter(|row| row.ended_at.is_none() && ![words::PARKED, words::WAITING].contains(&row.status));
        self.complete(log, live.take(limit).cloned().collect())
    }

    pub(super) fn asleep(
        &self,
        log: LogId,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Vec<(TransactionId, Timestamp)> {
        let from = after.map_or(Unbounded, Excluded);
        let rows = self.transactions.range((from, Unbounded)).map(|(_, row)| row);
        let rows = rows.filter(|row| row.log == log && row.status == words::WAITING);
        rows.filter_map(|row| Some((row.id, row.wake_at?))).take(limit).collect()
    }

    pub(super) fn expired(&self, log: LogId, expiring: Expiring) -> Expired {
        let mut picker = Picker::new(expiring);
        let range = (picker.after().map_or(Unbounded, Excluded), Excluded(picker.before()));
        let is_sound = picker.after().is_none_or(|after| after < picker.before());
        let rows = is_sound.then(|| self.transactions.range(range)).into_iter().flatten().map(|(_, row)| row);
        let looked: Vec<&TransactionRow> = rows.filter(|row| row.log == log).take(expiring.looks).collect();
        picker.looked(looked.last().map(|row| row.id), looked.len());
        let ended_long_ago =
            |row: &&&TransactionRow| row.parent.is_none() && row.ended_at.is_some_and(|at| at < expiring.ended_before);
        for root in looked.iter().filter(ended_long_ago) {
            if picker.is_full() {
                break;
            }
            picker.take(root.id, self.below(root.id, 1));
        }
        let places = picker.places().to_vec();
        let found = places.iter().filter_map(|place| self.transactions.get(&place.id())).map(|row| {
            let range = (Included((row.id, 0, 0)), Included((row.id, u32::MAX, u32::MAX)));
            (row.clone(), self.steps.range(range).count() as u64)
        });
        picker.finish(found)
    }

    /// All that stands below a transaction, each with whether it has ended.
    fn below(&self, id: TransactionId, depth: u32) -> Vec<Below> {
        let mut below = Vec::new();
        for row in self.transactions.values().filter(|row| row.parent == Some(id)) {
            below.push(Below { id: row.id, has_ended: row.ended_at.is_some(), depth });
            below.extend(self.below(row.id, depth + 1));
        }
        below
    }

    pub(super) fn load(
        &self,
        log: LogId,
        transactions: &[TransactionId],
        keys: &[(KeyScope, u16, [u8; 32])],
    ) -> Loaded {
        let rows = transactions.iter().filter_map(|id| self.transactions.get(id)).filter(|row| row.log == log);
        let mut loaded = self.complete(log, rows.cloned().collect());
        if let Ok(log) = self.log(log) {
            let key = |(scope, slot, key): &(KeyScope, u16, [u8; 32])| {
                self.keys.get(&(log.tenant.clone(), words::scope(*scope), *slot, *key)).cloned()
            };
            loaded.keys = keys.iter().filter_map(key).collect();
        }
        loaded
    }

    pub(super) fn sources(&self, log: LogId, payloads: &[u64], definitions: &[(Name, u32)]) -> Sources {
        let payload = |seq: &u64| {
            let payload = self.entries.get(&(log, *seq))?.payload.clone()?;
            Some((*seq, Arc::new(payload)))
        };
        let tenant = self.log(log).map(|log| &log.tenant).ok();
        let definition = |(name, version): &(Name, u32)| {
            tenant.and_then(|tenant| self.control.definitions.get(&(tenant.clone(), name.clone(), *version)).cloned())
        };
        Sources {
            payloads: payloads.iter().filter_map(payload).collect(),
            definitions: definitions.iter().filter_map(definition).collect(),
        }
    }

    pub(super) fn settings(&self, tenant: &TenantId, version: Option<u32>) -> Option<SettingsRow> {
        let (first, last) = version.map_or((0, u32::MAX), |version| (version, version));
        let range = (Included((tenant.clone(), first)), Included((tenant.clone(), last)));
        self.control.settings.range(range).next_back().map(|(_, row)| row.clone())
    }

    pub(super) fn settings_list(&self, tenant: &TenantId, before: Option<u32>, limit: usize) -> Vec<SettingsRow> {
        let end = before.map_or(Included((tenant.clone(), u32::MAX)), |before| Excluded((tenant.clone(), before)));
        let rows = self.control.settings.range((Included((tenant.clone(), 0)), end));
        rows.rev().take(limit).map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn evidence_content(&self, tenant: &TenantId, id: EvidenceId) -> Option<EvidenceContentRow> {
        self.control.evidence_contents.get(&(tenant.clone(), id)).cloned()
    }

    pub(super) fn schedule(&self, tenant: &TenantId, name: &Name) -> Option<ScheduleRow> {
        self.control.schedules.get(&(tenant.clone(), name.clone())).cloned()
    }

    pub(super) fn schedules(&self, tenant: &TenantId, after: Option<&Name>, limit: usize) -> Vec<ScheduleRow> {
        let rows = of_tenant(&self.control.schedules, tenant, |(owner, _)| owner).map(|(_, row)| row);
        rows.filter(|row| after.is_none_or(|after| row.name > *after)).take(limit).collect()
    }

    pub(super) fn schedules_of(
        &self,
        log: LogId,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleRow>, StoreError> {
        Ok(self.schedules(&self.log(log)?.tenant, after, limit))
    }

    fn complete(&self, log: LogId, rows: Vec<TransactionRow>) -> Loaded {
        let versions: BTreeSet<(Name, u32)> = rows.iter().map(|row| (row.definition.clone(), row.version)).collect();
        let tenant = self.log(log).map(|log| &log.tenant).ok();
        let definition = |(name, version)| {
            tenant.and_then(|tenant| self.control.definitions.get(&(tenant.clone(), name, version)).cloned())
        };
        let definitions = versions.into_iter().filter_map(definition).collect();
        let seen: BTreeSet<u32> = rows.iter().filter_map(|row| row.settings).collect();
        let settings = seen.into_iter().filter_map(|version| self.settings(tenant?, Some(version))).collect();
        let transactions = rows.into_iter().map(|row| self.with_steps(row)).collect();
        Loaded { transactions, keys: Vec::new(), definitions, settings }
    }

    fn with_steps(&self, row: TransactionRow) -> LoadedTransaction {
        let range = (Included((row.id, 0, 0)), Included((row.id, u32::MAX, u32::MAX)));
        let steps: Vec<StepRow> = self.steps.range(range).map(|(_, step)| step.clone()).collect();
        let of_steps = steps.iter().flat_map(|step| [step.output_seq, step.undo_seq, step.intent_seq]).flatten();
        let wanted: BTreeSet<u64> =
            of_steps.chain([row.input_seq]).chain(row.output_seq).chain(row.kept.iter().copied()).collect();
        let payload = |seq: u64| {
            let payload = self.entries.get(&(row.log, seq))?.payload.clone()?;
            Some((seq, Arc::new(payload)))
        };
        let payloads = wanted.into_iter().filter_map(payload).collect();
        LoadedTransaction { row, steps, payloads }
    }

    pub(super) fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Vec<EntryRow> {
        let range = (Included((log, from)), Included((log, u64::MAX)));
        let strip = |entry: &Arc<EntryRow>| EntryRow {
            payload: entry.payload.clone().filter(|_| payloads),
            ..EntryRow::clone(entry)
        };
        self.entries.range(range).take(limit).map(|(_, entry)| strip(entry)).collect()
    }

    pub(super) fn entries_at(&self, log: LogId, numbers: &[u64]) -> Vec<EntryRow> {
        let wanted: BTreeSet<u64> = numbers.iter().copied().collect();
        let entries = wanted.into_iter().filter_map(|seq| self.entries.get(&(log, seq)));
        entries.map(|entry| EntryRow::clone(entry)).collect()
    }

    pub(super) fn events(&self, log: LogId, search: &EventSearch, reach: EventReach) -> EventsFound {
        let mut gather = Gather::new(search, reach);
        while let Some((from, rows)) = gather.wants() {
            let read = self.events.range((log, from)..=(log, u64::MAX)).map(|(_, row)| row);
            // As an index gives them that holds those of one type, or about one subject.
            let read =
                read.filter(|row| search.types.as_ref().and_then(EventPattern::exact).is_none() || search.holds(row));
            let read = read.filter(|row| search.subject.is_none() || row.subject == search.subject);
            gather.take(read.take(rows).cloned().collect(), rows);
        }
        gather.finish()
    }

    pub(super) fn requests(&self, log: LogId, search: &RequestSearch, reach: RequestReach) -> Vec<RequestRow> {
        let place = |row: &&RequestRow| (row.due_at, row.id);
        let is_after = |row: &&RequestRow| reach.after.is_none_or(|after| place(row) > after);
        let found = self.requests.values().filter(|row| row.log == log && search.holds(row)).filter(is_after);
        let mut found: Vec<&RequestRow> = found.collect();
        found.sort_by_key(place);
        found.into_iter().take(reach.limit).cloned().collect()
    }

    pub(super) fn request(&self, tenant: &TenantId, id: RequestId) -> Option<RequestRow> {
        let mut rows = self.requests.values();
        rows.find(|row| row.id == id && self.is_of(row.log, tenant)).cloned()
    }

    pub(super) fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Option<CheckpointRow> {
        let range = (Included((log, 0)), Included((log, at_most.unwrap_or(u64::MAX))));
        self.checkpoints.range(range).next_back().map(|(_, row)| row.clone())
    }

    fn is_of(&self, log: LogId, tenant: &TenantId) -> bool {
        self.logs.get(&log).is_some_and(|log| log.tenant == *tenant)
    }

    pub(super) fn transaction(&self, tenant: &TenantId, id: TransactionId) -> Option<LoadedTransaction> {
        let row = self.transactions.get(&id).filter(|row| self.is_of(row.log, tenant))?;
        Some(self.with_steps(row.clone()))
    }

    pub(super) fn transactions(&self, tenant: &TenantId, search: &Search, reach: Reach) -> Found {
        let (rows, floor) = self.search(tenant, search, reach);
        Found { rows: rows.take(reach.limit).cloned().collect(), floor }
    }

    pub(super) fn transaction_count(&self, tenant: &TenantId, search: &Search, reach: Reach) -> Count {
        let (rows, floor) = self.search(tenant, search, reach);
        Count::of(vec![rows.take(reach.limit).count() as u64], floor, reach)
    }

    /// What is found, newest first, and where it stops looking.
    fn search<'a>(
        &'a self,
        tenant: &'a TenantId,
        search: &'a Search,
        reach: Reach,
    ) -> (impl Iterator<Item = &'a TransactionRow>, Option<TransactionId>) {
        let plan = Plan::of(search);
        let below = move || {
            let to = reach.before.map_or(Unbounded, Excluded);
            self.transactions.range((Unbounded, to)).rev().map(|(_, row)| row)
        };
        let logs = self.logs.values().filter(|log| log.tenant == *tenant && !plan.rest.is_empty());
        let floors = logs.flat_map(|log| plan.keys.iter().map(|key| (log.id, *key))).filter_map(|(log, key)| {
            let mut rows = below().filter(|row| row.log == log && self.has(row, key));
            rows.nth(reach.looks.saturating_sub(1)).map(|row| row.id)
        });
        let floor = floors.max();
        let found = below().filter(move |row| {
            floor.is_none_or(|floor| row.id >= floor)
                && self.is_of(row.log, tenant)
                && search.holds(&facts(row), |name| self.label(row, name))
        });
        (found, floor)
    }

    /// Whether a row has this key of an index.
    fn has(&self, row: &TransactionRow, key: Key<'_>) -> bool {
        match key {
            Key::Log => true,
            Key::Status(status) => row.status == status,
            Key::Parent(parent) => row.parent == Some(parent),
            Key::Business(key) => row.business_key.as_deref() == Some(key),
            Key::Label(name, value) => self.label(row, name) == Some(value),
            Key::Id(id) => row.id == id,
        }
    }

    fn label(&self, row: &TransactionRow, name: &Name) -> Option<&str> {
        let nil = TransactionId::from_bytes([0; 16]);
        let first = LabelRow { log: row.log, name: name.to_string(), value: String::new(), transaction: nil };
        let labels = self.labels.range(first..).take_while(|label| label.log == row.log && label.name == name.as_str());
        labels.filter(|label| label.transaction == row.id).map(|label| label.value.as_str()).next()
    }

    pub(super) fn history(
        &self,
        tenant: &TenantId,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Vec<(LogId, EntryRow)> {
        let range = (Included((id, from)), Included((id, u64::MAX)));
        let places = self.histories.range(range).map(|(_, place)| *place);
        let entry = |(log, seq)| Some((log, EntryRow::clone(self.entries.get(&(log, seq))?)));
        places.filter(|(log, _)| self.is_of(*log, tenant)).filter_map(entry).take(limit).collect()
    }

    pub(super) fn definition(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Option<DefinitionRow> {
        let (first, last) = version.map_or((0, u32::MAX), |version| (version, version));
        let range = (Included((tenant.clone(), name.clone(), first)), Included((tenant.clone(), name.clone(), last)));
        self.control.definitions.range(range).next_back().map(|(_, row)| row.clone())
    }

    pub(super) fn definition_of(
        &self,
        log: LogId,
        name: &Name,
        version: u32,
    ) -> Result<Option<DefinitionRow>, StoreError> {
        let tenant = &self.log(log)?.tenant;
        Ok(self.definition(tenant, name, Some(version)))
    }

    pub(super) fn definitions(
        &self,
        tenant: &TenantId,
        after: Option<&(Name, u32)>,
        limit: usize,
    ) -> Vec<DefinitionRow> {
        let rows = of_tenant(&self.control.definitions, tenant, |(owner, ..)| owner).map(|(_, row)| row);
        let later = rows.filter(|row| after.is_none_or(|after| (&row.name, row.version) > (&after.0, after.1)));
        later.take(limit).collect()
    }

    pub(super) fn bundle(&self, tenant: &TenantId, digest: Digest) -> Option<BundleRow> {
        self.control.bundle(tenant, digest).cloned()
    }

    pub(super) fn bundle_of(&self, log: LogId, digest: Digest) -> Result<Option<BundleRow>, StoreError> {
        let tenant = &self.log(log)?.tenant;
        Ok(self.control.bundle(tenant, digest).cloned())
    }

    pub(super) fn bundles(
        &self,
        tenant: &TenantId,
        after: Option<&(Name, u32)>,
        limit: usize,
    ) -> (Vec<BundleRow>, Option<Digest>) {
        let rows = of_tenant(&self.control.bundles, tenant, |(owner, ..)| owner).map(|(_, row)| row);
        let later = rows.filter(|row| after.is_none_or(|after| (&row.name, row.version) > (&after.0, after.1)));
        (later.take(limit).collect(), self.control.pointers.get(&(tenant.clone(), BUNDLE)).copied())
    }

    pub(super) fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Vec<TenantRow> {
        let from = after.map_or(Unbounded, Excluded);
        self.control.tenants.range((from, Unbounded)).take(limit).map(|(_, row)| row.clone()).collect()
    }
}

fn facts(row: &TransactionRow) -> Facts<'_> {
    Facts {
        id: row.id,
        status: row.status,
        definition: &row.definition,
        version: row.version,
        principal: row.principal,
        key: row.business_key.as_deref(),
        parent: row.parent,
        started_at: row.started_at,
        ended_at: row.ended_at,
    }
}

/// Where principals and credentials stand: as their columns compare.
pub(super) fn principal_key(tenant: &TenantId, id: PrincipalId) -> (TenantId, String) {
    (tenant.clone(), id.to_string())
}

pub(super) fn credential_key(tenant: &TenantId, id: KeyId) -> (TenantId, [u8; 16]) {
    (tenant.clone(), *id.as_bytes())
}
