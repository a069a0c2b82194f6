//! Rows of tenants and of what belongs to them as a whole, compared when all logs are read.

use super::difference::{Content, Differs};
use super::{Fault, PAGE, each};
use chancery_base::{
    Digest, EvidenceId, KeyId, Name, OverrideId, PrincipalId, SigningSecretId, StopId, TargetId, TenantId, Timestamp,
    digest, slot,
};
use chancery_ledger::TreeSize;
use chancery_shard::evidence::Evidence;
use chancery_shard::replay::{NotifierSeen, SigningSecretSeen, TenantRows};
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EvidenceContentRow, EvidenceRow, KeyRow, KeyScope,
    LogId, LogRow, MaintenanceRow, OverrideRow, PrincipalRow, QueueRow, RetentionRow, ScheduleRow, SettingsRow,
    StopRow, TargetRow, TenantRow, TrustRow,
};
use chancery_store::Scan;
use chancery_store::scan::{BUNDLE, KeyPlace, PointerRow, SHADOW, SlotRow};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Contents of evidence that are in memory at a time.
const CONTENTS_PAGE: usize = 16;
/// The generation of a log that was never begun anew.
const FIRST_GENERATION: u32 = 1;
/// The version of a range of slots that never moved.
const FIRST_VERSION: u32 = 1;

/// Checks that each log's row agrees with itself, and that whatever is of a log has its row.
pub(super) fn check_logs(store: &impl Scan, rows: &[LogRow]) -> Result<(), Fault> {
    for row in rows {
        let named = (row.origin.tenant(), row.origin.shard(), row.origin.generation());
        if named != (&row.tenant, row.shard, row.generation) {
            let what = format!("its origin `{}` and its tenant, shard and generation disagree", row.origin);
            return Err(Fault::row("logs", row.id.0, what));
        }
    }
    let is_there = |log: LogId| rows.iter().any(|row| row.id == log);
    if let Some(log) = store.entry_logs()?.into_iter().find(|log| !is_there(*log)) {
        return Err(Fault::row("logs", log.0, "it is missing, and there are rows of it in table entries"));
    }
    if let Some((table, log)) = store.tree_logs()?.into_iter().find(|(_, log)| !is_there(*log)) {
        return Err(Fault::row("logs", log.0, format!("it is missing, and there are rows of it in table {table}")));
    }
    Ok(())
}

/// What is known of a tenant before its row is seen.
#[derive(Debug, Default)]
struct Tenant {
    /// From the first entry of its own log.
    opened: Option<TenantRow>,
    /// From the log of `system`.
    made_at: Option<Timestamp>,
    control_epoch: u64,
}

/// The rows of all tenants, as the entries have them.
#[derive(Debug, Default)]
pub(super) struct State {
    tenants: BTreeMap<TenantId, Tenant>,
    principals: BTreeMap<(TenantId, PrincipalId), PrincipalRow>,
    credentials: BTreeMap<(TenantId, KeyId), CredentialRow>,
    targets: BTreeMap<(TenantId, TargetId), TargetRow>,
    queues: BTreeMap<(TenantId, Name), QueueRow>,
    settings: BTreeMap<(TenantId, u32), SettingsRow>,
    maintenance: BTreeMap<TenantId, MaintenanceRow>,
    stops: BTreeMap<(TenantId, StopId), StopRow>,
    budgets: BTreeMap<(TenantId, Name), BudgetRow>,
    accounts: BTreeMap<(TenantId, String), AccountRow>,
    evidence: BTreeMap<(TenantId, EvidenceId), EvidenceRow>,
    notifiers: BTreeMap<(TenantId, Name), NotifierSeen>,
    overrides: BTreeMap<(TenantId, OverrideId), OverrideRow>,
    retention: BTreeMap<TenantId, RetentionRow>,
    trust: BTreeMap<TenantId, TrustRow>,
    signing_secrets: BTreeMap<(TenantId, SigningSecretId), SigningSecretSeen>,
    schedules: BTreeMap<(TenantId, Name), ScheduleRow>,
    definitions: BTreeMap<(TenantId, Name, u32), DefinitionRow>,
    bundles: BTreeMap<(TenantId, Name, u32), BundleRow>,
    pointers: BTreeMap<(TenantId, &'static str), Digest>,
    keys: BTreeMap<KeyPlace, KeyRow>,
}

impl State {
    /// Takes what a log gave.
    pub(super) fn add(&mut self, log: &LogRow, rows: TenantRows, size: TreeSize) -> Result<(), Fault> {
        let id = &log.tenant;
        if size != TreeSize::EMPTY && log.shard == 0 && rows.tenant.is_none() {
            return Err(Fault::entry(&log.origin, 0, "it does not open the log of a tenant"));
        }
        for (made, at) in rows.tenants {
            if *id != TenantId::system() {
                return Err(Fault::entry(&log.origin, 0, format!("it makes tenant {made}, and only `system` may")));
            }
            self.tenants.entry(made).or_default().made_at = Some(at);
        }
        let tenant = self.tenants.entry(id.clone()).or_default();
        tenant.opened = rows.tenant.or_else(|| tenant.opened.take());
        tenant.control_epoch += rows.control_epoch;
        let of = || id.clone();
        self.principals.extend(rows.principals.into_iter().map(|(principal, row)| ((of(), principal), row)));
        self.credentials.extend(rows.credentials.into_iter().map(|(key, row)| ((of(), key), row)));
        self.targets.extend(rows.targets.into_iter().map(|(target, row)| ((of(), target), row)));
        self.queues.extend(rows.queues.into_iter().map(|(queue, row)| ((of(), queue), row)));
        self.settings.extend(rows.settings.into_iter().map(|row| ((of(), row.version), row)));
        self.maintenance.extend(rows.maintenance.map(|row| (of(), row)));
        self.budgets.extend(rows.budgets.into_iter().map(|(name, row)| ((of(), name), row)));
        self.accounts.extend(rows.accounts.into_iter().map(|(account, row)| ((of(), account), row)));
        self.stops.extend(rows.stops.into_iter().map(|(stop, row)| ((of(), stop), row)));
        self.evidence.extend(rows.evidence.into_iter().map(|(evidence, row)| ((of(), evidence), row)));
        self.notifiers.extend(rows.notifiers.into_iter().map(|(name, seen)| ((of(), name), seen)));
        self.overrides.extend(rows.overrides.into_iter().map(|(id, row)| ((of(), id), row)));
        self.retention.extend(rows.retention.map(|row| (of(), row)));
        self.trust.extend(rows.trust.map(|row| (of(), row)));
        self.signing_secrets.extend(rows.signing_secrets.into_iter().map(|(secret, row)| ((of(), secret), row)));
        self.schedules.extend(rows.schedules.into_iter().map(|(name, row)| ((of(), name), row)));
        let definitions = rows.definitions.into_iter().map(|row| ((of(), row.name.clone(), row.version), row));
        self.definitions.extend(definitions);
        self.bundles.extend(rows.bundles.into_iter().map(|row| ((of(), row.name.clone(), row.version), row)));
        self.pointers.extend(rows.active_bundle.map(|digest| ((of(), BUNDLE), digest)));
        self.pointers.extend(rows.shadow_bundle.map(|digest| ((of(), SHADOW), digest)));
        self.keys.extend(rows.keys.into_iter().map(|((scope, slot, key), row)| ((of(), scope, slot, key), row)));
        Ok(())
    }

    /// Compares all of it with the store; gives how many rows that were.
    pub(super) fn compare(self, store: &impl Scan, logs: &[LogRow]) -> Result<u64, Fault> {
        let mut rows = compare_tenants(store, &self.tenants)?;
        rows += compare_logs(logs, &self.tenants)?;
        rows += compare_slots(store, &self.tenants)?;
        rows += compare_directory(store, self.principals, self.credentials)?;
        rows += compare_targets(store, self.targets, self.signing_secrets)?;
        rows += compare_queues(store, self.queues)?;
        rows += compare_settings(store, self.settings)?;
        rows += compare_maintenance(store, self.maintenance)?;
        rows += compare_stops(store, self.stops)?;
        rows += compare_budgets(store, self.budgets, self.accounts)?;
        rows += compare_evidence(store, self.evidence)?;
        rows += compare_notifiers(store, self.notifiers)?;
        rows += compare_overrides(store, self.overrides)?;
        rows += compare_retention(store, self.retention)?;
        rows += compare_trust(store, self.trust)?;
        rows += compare_schedules(store, self.schedules)?;
        rows += compare_sources(store, self.definitions, self.bundles, self.pointers)?;
        rows += compare_keys(store, self.keys)?;
        Ok(rows)
    }
}

/// A table that is compared row by row.
struct Table<K, R> {
    name: &'static str,
    expected: BTreeMap<K, R>,
    key: fn(&K) -> String,
    rows: u64,
}

impl<K: Ord, R: Differs> Table<K, R> {
    const fn new(name: &'static str, expected: BTreeMap<K, R>, key: fn(&K) -> String) -> Self {
        Self { name, expected, key, rows: 0 }
    }

    fn take(&mut self, key: &K, found: &R) -> Result<(), Fault> {
        let expected = self.expected.remove(key).ok_or_else(|| Fault::stray(self.name, (self.key)(key)))?;
        if let Some(column) = expected.differs(found) {
            return Err(Fault::column(self.name, (self.key)(key), column));
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(self) -> Result<u64, Fault> {
        match self.expected.first_key_value() {
            Some((key, _)) => Err(Fault::missing(self.name, (self.key)(key))),
            None => Ok(self.rows),
        }
    }
}

fn shards_of(tenant: &Tenant) -> u16 {
    tenant.opened.as_ref().map_or(1, |row| row.shards)
}

fn compare_tenants(store: &impl Scan, tenants: &BTreeMap<TenantId, Tenant>) -> Result<u64, Fault> {
    const TABLE: &str = "tenants";
    let mut seen = BTreeSet::new();
    let page = |last: Option<&TenantRow>| store.tenants(last.map(|row| &row.tenant), PAGE);
    each(page, |row| {
        let id = &row.tenant;
        let tenant = tenants.get(id).ok_or_else(|| Fault::stray(TABLE, id))?;
        match (&tenant.opened, tenant.made_at) {
            (Some(opened), _) => {
                if let Some(column) = opened.differs(row) {
                    return Err(Fault::column(TABLE, id, column));
                }
            }
            // Its log was not opened yet: its hash key was never used.
            (None, _) if row.shards != shards_of(tenant) => return Err(Fault::column(TABLE, id, "shards")),
            (None, _) => {}
        }
        match tenant.made_at {
            Some(at) if at != row.created_at => return Err(Fault::column(TABLE, id, "created_at")),
            None if *id != TenantId::system() => return Err(Fault::stray(TABLE, id)),
            Some(_) | None => {}
        }
        seen.insert(id.clone());
        Ok(())
    })?;
    match tenants.keys().find(|id| !seen.contains(*id)) {
        Some(missing) => Err(Fault::missing(TABLE, missing)),
        None => Ok(tenants.len() as u64),
    }
}

/// Each tenant has one log a shard, all of them with the tenant's control epoch.
fn compare_logs(logs: &[LogRow], tenants: &BTreeMap<TenantId, Tenant>) -> Result<u64, Fault> {
    const TABLE: &str = "logs";
    for row in logs {
        let tenant = tenants.get(&row.tenant);
        let belongs = |tenant: &&Tenant| row.shard < shards_of(tenant) && row.generation == FIRST_GENERATION;
        let tenant = tenant.filter(belongs).ok_or_else(|| Fault::stray(TABLE, row.id.0))?;
        if row.control_epoch != tenant.control_epoch {
            return Err(Fault::column(TABLE, row.id.0, "control_epoch"));
        }
    }
    for (id, tenant) in tenants {
        for shard in 0..shards_of(tenant) {
            if !logs.iter().any(|row| row.tenant == *id && row.shard == shard) {
                return Err(Fault::missing(TABLE, format!("{id}/{shard}")));
            }
        }
    }
    Ok(logs.len() as u64)
}

/// Each tenant's slots are on its shards, as evenly as it gets.
fn compare_slots(store: &impl Scan, tenants: &BTreeMap<TenantId, Tenant>) -> Result<u64, Fault> {
    let mut expected = BTreeMap::new();
    for (id, tenant) in tenants {
        let shards = shards_of(tenant);
        let border = |shard: u16| u32::from(shard) * u32::from(slot::SLOT_COUNT) / u32::from(shards).max(1);
        for shard in 0..shards {
            let first = u16::try_from(border(shard)).unwrap_or(u16::MAX);
            let last = u16::try_from(border(shard + 1).saturating_sub(1)).unwrap_or(u16::MAX);
            let row = SlotRow { tenant: id.clone(), first, last, shard, version: FIRST_VERSION };
            expected.insert((id.clone(), first), row);
        }
    }
    let mut table = Table::new("slots", expected, |(tenant, first)| format!("{tenant}/{first}"));
    let page = |last: Option<&SlotRow>| store.slots(last.map(|row| (&row.tenant, row.first)), PAGE);
    each(page, |row| table.take(&(row.tenant.clone(), row.first), row))?;
    table.finish()
}

fn compare_directory(
    store: &impl Scan,
    principals: BTreeMap<(TenantId, PrincipalId), PrincipalRow>,
    credentials: BTreeMap<(TenantId, KeyId), CredentialRow>,
) -> Result<u64, Fault> {
    let mut table = Table::new("principals", principals, pair);
    let page =
        |last: Option<&(TenantId, PrincipalRow)>| store.principals(last.map(|(tenant, row)| (tenant, row.id)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.id), row))?;
    let rows = table.finish()?;
    let mut table = Table::new("credentials", credentials, pair);
    let page =
        |last: Option<&(TenantId, CredentialRow)>| store.credentials(last.map(|(tenant, row)| (tenant, row.id)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.id), row))?;
    Ok(rows + table.finish()?)
}

fn compare_targets(
    store: &impl Scan,
    targets: BTreeMap<(TenantId, TargetId), TargetRow>,
    secrets: BTreeMap<(TenantId, SigningSecretId), SigningSecretSeen>,
) -> Result<u64, Fault> {
    let mut table = Table::new("targets", targets, pair);
    let page =
        |last: Option<&(TenantId, TargetRow)>| store.targets(last.map(|(tenant, row)| (tenant, &row.target)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.target.clone()), row))?;
    let rows = table.finish()?;
    let mut table = Table::new("signing_secrets", secrets, pair);
    let page = |last: Option<&(TenantId, SigningSecretSeen)>| {
        store.signing_secrets(last.map(|(tenant, row)| (tenant, row.id)), PAGE)
    };
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.id), row))?;
    Ok(rows + table.finish()?)
}

fn compare_queues(store: &impl Scan, queues: BTreeMap<(TenantId, Name), QueueRow>) -> Result<u64, Fault> {
    let mut table = Table::new("queues", queues, pair);
    let page = |last: Option<&(TenantId, QueueRow)>| store.queues(last.map(|(tenant, row)| (tenant, &row.queue)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.queue.clone()), row))?;
    table.finish()
}

fn compare_settings(store: &impl Scan, settings: BTreeMap<(TenantId, u32), SettingsRow>) -> Result<u64, Fault> {
    let mut table = Table::new("settings", settings, pair);
    let page =
        |last: Option<&(TenantId, SettingsRow)>| store.settings(last.map(|(tenant, row)| (tenant, row.version)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.version), row))?;
    table.finish()
}

fn compare_maintenance(store: &impl Scan, maintenance: BTreeMap<TenantId, MaintenanceRow>) -> Result<u64, Fault> {
    let mut table = Table::new("maintenance", maintenance, TenantId::to_string);
    let page = |last: Option<&(TenantId, MaintenanceRow)>| store.maintenance(last.map(|(tenant, _)| tenant), PAGE);
    each(page, |(tenant, row)| table.take(tenant, row))?;
    table.finish()
}

fn compare_stops(store: &impl Scan, stops: BTreeMap<(TenantId, StopId), StopRow>) -> Result<u64, Fault> {
    let mut table = Table::new("stops", stops, pair);
    let page = |last: Option<&(TenantId, StopRow)>| store.stops(last.map(|(tenant, row)| (tenant, row.id)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.id), row))?;
    table.finish()
}

fn compare_budgets(
    store: &impl Scan,
    budgets: BTreeMap<(TenantId, Name), BudgetRow>,
    accounts: BTreeMap<(TenantId, String), AccountRow>,
) -> Result<u64, Fault> {
    let mut table = Table::new("budgets", budgets, pair);
    let page =
        |last: Option<&(TenantId, BudgetRow)>| store.budgets(last.map(|(tenant, row)| (tenant, &row.name)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.name.clone()), row))?;
    let rows = table.finish()?;
    let mut table = Table::new("accounts", accounts, pair);
    let page =
        |last: Option<&(TenantId, AccountRow)>| store.accounts(last.map(|(tenant, row)| (tenant, &*row.account)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.account.clone()), row))?;
    Ok(rows + table.finish()?)
}

/// An artefact is what its entry says, and its content is what has its digest.
fn compare_evidence(store: &impl Scan, evidence: BTreeMap<(TenantId, EvidenceId), EvidenceRow>) -> Result<u64, Fault> {
    let stored = |row: &EvidenceRow| Evidence::of(row).filter(|evidence| evidence.terms.size.is_some());
    let content = |row| stored(row).map(|evidence| Content::with(evidence.terms.digest));
    let contents = evidence.iter().filter_map(|(key, row)| Some((key.clone(), content(row)?))).collect();
    let mut table = Table::new("evidence", evidence, pair);
    let page =
        |last: Option<&(TenantId, EvidenceRow)>| store.evidence(last.map(|(tenant, row)| (tenant, row.id)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.id), row))?;
    let rows = table.finish()?;
    let mut table = Table::new("evidence_contents", contents, pair);
    let page = |last: Option<&(TenantId, EvidenceContentRow)>| {
        store.evidence_contents(last.map(|(tenant, row)| (tenant, row.id)), CONTENTS_PAGE)
    };
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.id), &Content::of(row)))?;
    Ok(rows + table.finish()?)
}

fn compare_notifiers(store: &impl Scan, notifiers: BTreeMap<(TenantId, Name), NotifierSeen>) -> Result<u64, Fault> {
    let mut table = Table::new("notifiers", notifiers, pair);
    let page =
        |last: Option<&(TenantId, NotifierSeen)>| store.notifiers(last.map(|(tenant, row)| (tenant, &row.name)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.name.clone()), row))?;
    table.finish()
}

fn compare_overrides(
    store: &impl Scan,
    overrides: BTreeMap<(TenantId, OverrideId), OverrideRow>,
) -> Result<u64, Fault> {
    let mut table = Table::new("overrides", overrides, pair);
    let page =
        |last: Option<&(TenantId, OverrideRow)>| store.overrides(last.map(|(tenant, row)| (tenant, row.id)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.id), row))?;
    table.finish()
}

fn compare_retention(store: &impl Scan, retention: BTreeMap<TenantId, RetentionRow>) -> Result<u64, Fault> {
    let mut table = Table::new("retention", retention, TenantId::to_string);
    let page = |last: Option<&(TenantId, RetentionRow)>| store.retention(last.map(|(tenant, _)| tenant), PAGE);
    each(page, |(tenant, row)| table.take(tenant, row))?;
    table.finish()
}

fn compare_trust(store: &impl Scan, trust: BTreeMap<TenantId, TrustRow>) -> Result<u64, Fault> {
    let mut table = Table::new("trust", trust, TenantId::to_string);
    let page = |last: Option<&(TenantId, TrustRow)>| store.trust(last.map(|(tenant, _)| tenant), PAGE);
    each(page, |(tenant, row)| table.take(tenant, row))?;
    table.finish()
}

fn compare_schedules(store: &impl Scan, schedules: BTreeMap<(TenantId, Name), ScheduleRow>) -> Result<u64, Fault> {
    let mut table = Table::new("schedules", schedules, pair);
    let page =
        |last: Option<&(TenantId, ScheduleRow)>| store.schedules(last.map(|(tenant, row)| (tenant, &row.name)), PAGE);
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.name.clone()), row))?;
    table.finish()
}

fn compare_sources(
    store: &impl Scan,
    definitions: BTreeMap<(TenantId, Name, u32), DefinitionRow>,
    bundles: BTreeMap<(TenantId, Name, u32), BundleRow>,
    pointers: BTreeMap<(TenantId, &'static str), Digest>,
) -> Result<u64, Fault> {
    let mut table = Table::new("definitions", definitions, versioned);
    let page = |last: Option<&(TenantId, DefinitionRow)>| {
        store.definitions(last.map(|(tenant, row)| (tenant, &row.name, row.version)), PAGE)
    };
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.name.clone(), row.version), row))?;
    let mut rows = table.finish()?;
    let mut table = Table::new("bundles", bundles, versioned);
    let page = |last: Option<&(TenantId, BundleRow)>| {
        store.bundles(last.map(|(tenant, row)| (tenant, &row.name, row.version)), PAGE)
    };
    each(page, |(tenant, row)| table.take(&(tenant.clone(), row.name.clone(), row.version), row))?;
    rows += table.finish()?;
    let mut table = Table::new("pointers", pointers, pair);
    for PointerRow { tenant, kind, digest } in store.pointers()? {
        table.take(&(tenant, kind), &digest)?;
    }
    Ok(rows + table.finish()?)
}

fn compare_keys(store: &impl Scan, keys: BTreeMap<KeyPlace, KeyRow>) -> Result<u64, Fault> {
    let mut table = Table::new("keys", keys, key_place);
    let place = |(tenant, row): &(TenantId, KeyRow)| (tenant.clone(), row.scope, row.slot, row.key);
    let page = |last: Option<&(TenantId, KeyRow)>| store.keys(last.map(place).as_ref(), PAGE);
    each(page, |found| table.take(&place(found), &found.1))?;
    table.finish()
}

fn pair<T: fmt::Display>((tenant, id): &(TenantId, T)) -> String {
    format!("{tenant}/{id}")
}

fn versioned((tenant, name, version): &(TenantId, Name, u32)) -> String {
    format!("{tenant}/{name}/{version}")
}

fn key_place((tenant, scope, slot, key): &(TenantId, KeyScope, u16, [u8; 32])) -> String {
    let scope = match scope {
        KeyScope::Start => "start",
        KeyScope::Business => "business",
        KeyScope::Fork => "fork",
    };
    format!("{tenant}/{scope}/{slot}/{}", digest::hex_encode(key))
}
