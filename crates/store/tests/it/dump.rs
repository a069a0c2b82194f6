//! Everything in a store, read in pages of two rows, so that every scan's paging is exercised.

use chancery_base::TenantId;
use chancery_shard::StoreError;
use chancery_shard::replay::{NotifierSeen, SigningSecretSeen};
use chancery_shard::row::*;
use chancery_store::scan::{PointerRow, Scan, SlotRow};
use chancery_store::{CheckpointRow, TileRow};
use std::fmt::Debug;

const PAGE: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FullDump {
    pub(crate) tenants: Vec<TenantRow>,
    pub(crate) logs: Vec<LogRow>,
    pub(crate) entry_logs: Vec<LogId>,
    pub(crate) slots: Vec<SlotRow>,
    pub(crate) entries: Vec<(LogId, Vec<EntryRow>)>,
    pub(crate) transactions: Vec<TransactionRow>,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) labels: Vec<LabelRow>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) requests: Vec<RequestRow>,
    pub(crate) keys: Vec<(TenantId, KeyRow)>,
    pub(crate) principals: Vec<(TenantId, PrincipalRow)>,
    pub(crate) credentials: Vec<(TenantId, CredentialRow)>,
    pub(crate) targets: Vec<(TenantId, TargetRow)>,
    pub(crate) queues: Vec<(TenantId, QueueRow)>,
    pub(crate) settings: Vec<(TenantId, SettingsRow)>,
    pub(crate) maintenance: Vec<(TenantId, MaintenanceRow)>,
    pub(crate) stops: Vec<(TenantId, StopRow)>,
    pub(crate) budgets: Vec<(TenantId, BudgetRow)>,
    pub(crate) accounts: Vec<(TenantId, AccountRow)>,
    pub(crate) evidence: Vec<(TenantId, EvidenceRow)>,
    pub(crate) contents: Vec<(TenantId, EvidenceContentRow)>,
    pub(crate) notifiers: Vec<(TenantId, NotifierSeen)>,
    pub(crate) overrides: Vec<(TenantId, OverrideRow)>,
    pub(crate) retention: Vec<(TenantId, RetentionRow)>,
    pub(crate) trust: Vec<(TenantId, TrustRow)>,
    pub(crate) signing_secrets: Vec<(TenantId, SigningSecretSeen)>,
    pub(crate) schedules: Vec<(TenantId, ScheduleRow)>,
    pub(crate) definitions: Vec<(TenantId, DefinitionRow)>,
    pub(crate) bundles: Vec<(TenantId, BundleRow)>,
    pub(crate) pointers: Vec<PointerRow>,
    pub(crate) tiles: Vec<(LogId, Vec<TileRow>)>,
    pub(crate) checkpoints: Vec<(LogId, Vec<CheckpointRow>)>,
}

fn pages<T: Debug>(mut page: impl FnMut(Option<&T>) -> Result<Vec<T>, StoreError>) -> Result<Vec<T>, StoreError> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let next = page(all.last())?;
        assert!(next.len() <= PAGE, "a page is longer than asked: {next:?}");
        if next.is_empty() {
            return Ok(all);
        }
        all.extend(next);
    }
}

/// A table of each log.
fn of_logs<T>(
    logs: &[LogRow],
    rows: impl Fn(LogId) -> Result<Vec<T>, StoreError>,
) -> Result<Vec<(LogId, Vec<T>)>, StoreError> {
    logs.iter().map(|log| Ok((log.id, rows(log.id)?))).collect()
}

pub(crate) fn dump(scan: &dyn Scan) -> FullDump {
    try_dump(scan).unwrap()
}

pub(crate) fn try_dump(scan: &dyn Scan) -> Result<FullDump, StoreError> {
    let logs = scan.logs()?;
    Ok(FullDump {
        tenants: pages(|last| scan.tenants(last.map(|row: &TenantRow| &row.tenant), PAGE))?,
        slots: pages(|last| scan.slots(last.map(|row: &SlotRow| (&row.tenant, row.first)), PAGE))?,
        entry_logs: scan.entry_logs()?,
        entries: of_logs(&logs, |log| {
            pages(|last: Option<&EntryRow>| scan.entries(log, last.map_or(0, |row| row.seq + 1), PAGE))
        })?,
        transactions: pages(|last| scan.transactions(last.map(|row: &TransactionRow| row.id), PAGE))?,
        steps: pages(|last| scan.steps(last.map(|row: &StepRow| (row.transaction, row.step, row.clone)), PAGE))?,
        labels: pages(|last| scan.labels(last, PAGE))?,
        events: pages(|last| scan.events(last.map(|row: &EventRow| (row.log, row.seq)), PAGE))?,
        requests: pages(|last| scan.requests(last.map(|row: &RequestRow| (row.transaction, row.id)), PAGE))?,
        keys: pages(|last: Option<&(TenantId, KeyRow)>| {
            let place = last.map(|(tenant, row)| (tenant.clone(), row.scope, row.slot, row.key));
            scan.keys(place.as_ref(), PAGE)
        })?,
        principals: pages(|last| scan.principals(last.map(|(t, row): &(_, PrincipalRow)| (t, row.id)), PAGE))?,
        credentials: pages(|last| scan.credentials(last.map(|(t, row): &(_, CredentialRow)| (t, row.id)), PAGE))?,
        targets: pages(|last| scan.targets(last.map(|(t, row): &(_, TargetRow)| (t, &row.target)), PAGE))?,
        queues: pages(|last| scan.queues(last.map(|(t, row): &(_, QueueRow)| (t, &row.queue)), PAGE))?,
        settings: pages(|last| scan.settings(last.map(|(t, row): &(_, SettingsRow)| (t, row.version)), PAGE))?,
        maintenance: pages(|last| scan.maintenance(last.map(|(t, _): &(_, MaintenanceRow)| t), PAGE))?,
        notifiers: pages(|last| scan.notifiers(last.map(|(t, row): &(_, NotifierSeen)| (t, &row.name)), PAGE))?,
        overrides: pages(|last| scan.overrides(last.map(|(t, row): &(_, OverrideRow)| (t, row.id)), PAGE))?,
        stops: pages(|last| scan.stops(last.map(|(t, row): &(_, StopRow)| (t, row.id)), PAGE))?,
        budgets: pages(|last| scan.budgets(last.map(|(t, row): &(_, BudgetRow)| (t, &row.name)), PAGE))?,
        accounts: pages(|last| scan.accounts(last.map(|(t, row): &(_, AccountRow)| (t, &*row.account)), PAGE))?,
        evidence: pages(|last| scan.evidence(last.map(|(t, row): &(_, EvidenceRow)| (t, row.id)), PAGE))?,
        contents: pages(|last| {
            scan.evidence_contents(last.map(|(t, row): &(_, EvidenceContentRow)| (t, row.id)), PAGE)
        })?,
        retention: pages(|last| scan.retention(last.map(|(t, _): &(_, RetentionRow)| t), PAGE))?,
        trust: pages(|last| scan.trust(last.map(|(t, _): &(_, TrustRow)| t), PAGE))?,
        signing_secrets: pages(|last| {
            scan.signing_secrets(last.map(|(t, row): &(_, SigningSecretSeen)| (t, row.id)), PAGE)
        })?,
        schedules: pages(|last| scan.schedules(last.map(|(t, row): &(_, ScheduleRow)| (t, &row.name)), PAGE))?,
        definitions: pages(|last| {
            scan.definitions(last.map(|(t, row): &(_, DefinitionRow)| (t, &row.name, row.version)), PAGE)
        })?,
        bundles: pages(|last| scan.bundles(last.map(|(t, row): &(_, BundleRow)| (t, &row.name, row.version)), PAGE))?,
        pointers: scan.pointers()?,
        tiles: of_logs(&logs, |log| {
            pages(|last| scan.tiles(log, last.map(|row: &TileRow| (row.level, row.index)), PAGE))
        })?,
        checkpoints: of_logs(&logs, |log| {
            pages(|last| scan.checkpoints(log, last.map(|row: &CheckpointRow| row.size), PAGE))
        })?,
        logs,
    })
}
