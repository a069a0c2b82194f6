//! Writing the tables in memory: everything is checked before anything is changed.

use super::Sabotage;
use super::state::{Control, State, credential_key, principal_key};
use crate::check::{self, COMMIT};
use crate::scan::{BUNDLE, SHADOW, SlotRow};
use crate::{CheckpointRow, TileRow, error, words};
use chancery_base::{Digest, Kind, TenantId};
use chancery_shard::Origin;
use chancery_shard::batch::{Batch, CommitError, StoreError};
use chancery_shard::row::{AccountRow, ControlRow, KeyScope, LogId, LogRow, TenantRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Applies a batch, or says why not and changes nothing.
pub(super) fn batch(state: &mut State, batch: &Batch, sabotage: Option<Sabotage>) -> Result<(), CommitError> {
    check::batch(batch).map_err(CommitError::Failed)?;
    let tenant = guard(state, batch, sabotage)?;
    let changed = prepare(state, &tenant, batch).map_err(CommitError::Failed)?;

    if let Some((control, logs)) = changed {
        state.control = control;
        state.logs = logs;
    }
    for log in state.logs.values_mut().filter(|log| log.tenant == tenant) {
        log.control_epoch += batch.raises_control_epoch;
        if log.id == batch.log {
            log.size = check::size_after(batch).map_err(CommitError::Failed)?;
        }
    }
    for entry in &batch.entries {
        if let Some((id, n)) = entry.transaction {
            state.histories.insert((id, n), (batch.log, entry.seq));
        }
        state.entries.insert((batch.log, entry.seq), Arc::new(entry.clone()));
    }
    for row in &batch.transactions {
        let stored = state.transactions.entry(row.id).or_insert_with(|| row.clone());
        stored.status = row.status;
        stored.ended_at = row.ended_at;
        stored.wake_at = row.wake_at;
        stored.output_seq = row.output_seq;
        stored.kept.clone_from(&row.kept);
        stored.body = row.body.clone();
    }
    for row in &batch.steps {
        state.steps.insert((row.transaction, row.step, row.clone), row.clone());
    }
    state.labels.extend(batch.labels.iter().cloned());
    state.events.extend(batch.events.iter().map(|row| ((row.log, row.seq), row.clone())));
    state.requests.extend(batch.requests.iter().map(|row| ((row.transaction, row.id), row.clone())));
    for (account, body) in &batch.accounts {
        let key = (tenant.clone(), account.clone());
        match body {
            Some(body) => state.accounts.insert(key, AccountRow { account: account.clone(), body: body.clone() }),
            None => state.accounts.remove(&key),
        };
    }
    for row in &batch.keys {
        state.keys.insert((tenant.clone(), words::scope(row.scope), row.slot, row.key), row.clone());
    }
    remove(state, batch, &tenant);
    Ok(())
}

/// Removes what a batch says, but for what has not ended.
fn remove(state: &mut State, batch: &Batch, tenant: &TenantId) {
    let mut removed = BTreeSet::new();
    for id in &batch.gone.transactions {
        let goes = state.transactions.get(id).is_some_and(|row| row.log == batch.log && row.ended_at.is_some());
        if goes {
            state.transactions.remove(id);
            removed.insert(*id);
        }
    }
    let steps = removed.iter().flat_map(|id| state.steps.range((*id, 0, 0)..=(*id, u32::MAX, u32::MAX)));
    let steps: Vec<_> = steps.map(|(place, _)| *place).collect();
    for place in steps {
        state.steps.remove(&place);
    }
    state.requests.retain(|(transaction, _), _| !removed.contains(transaction));
    for key in batch.gone.keys.iter().filter(|key| removed.contains(&key.transaction)) {
        let place = (tenant.clone(), words::scope(key.scope), key.slot, key.key);
        if state.keys.get(&place).is_some_and(|row| row.transaction == key.transaction) {
            state.keys.remove(&place);
        }
    }
    for label in batch.gone.labels.iter().filter(|label| removed.contains(&label.transaction)) {
        state.labels.remove(label);
    }
}

fn guard(state: &State, batch: &Batch, sabotage: Option<Sabotage>) -> Result<TenantId, CommitError> {
    let missing = || error(COMMIT, Kind::Missing, format!("there is no log {}", batch.log.0));
    let log = state.logs.get(&batch.log).ok_or_else(|| CommitError::Failed(missing()))?;
    let is_skipped = |guard| sabotage == Some(guard);
    let same_epoch = log.epoch == batch.epoch || is_skipped(Sabotage::SkipEpoch);
    let same_size = log.size == batch.size || is_skipped(Sabotage::SkipSize);
    if !same_epoch || !same_size {
        return Err(CommitError::Fenced { log: log.id, epoch: log.epoch, size: log.size });
    }
    if log.control_epoch != batch.control_epoch && !is_skipped(Sabotage::SkipControlEpoch) {
        return Err(CommitError::Control { now: log.control_epoch });
    }
    Ok(log.tenant.clone())
}

type Changed = Option<(Control, BTreeMap<LogId, LogRow>)>;

/// Checks all that a batch's rows meet in the tables, in the order in which they are written, and makes what the
/// control tables are after it.
fn prepare(state: &State, tenant: &TenantId, batch: &Batch) -> Result<Changed, StoreError> {
    let conflict = |what: String| error(COMMIT, Kind::Conflict, format!("{what} is there already"));
    let mut numbers = BTreeSet::new();
    for entry in &batch.entries {
        let number =
            entry.transaction.filter(|number| state.histories.contains_key(number) || !numbers.insert(*number));
        if let Some((id, n)) = number {
            return Err(conflict(format!("entry {n} of {id}")));
        }
    }
    let foreign = |id, log| state.transactions.get(id).is_some_and(|stored| stored.log != log);
    if let Some(row) = batch.transactions.iter().find(|row| foreign(&row.id, row.log)) {
        return Err(error(COMMIT, Kind::Bug, format!("{} is on another log", row.id)));
    }
    let mut keys = BTreeSet::new();
    for row in batch.keys.iter().filter(|row| row.scope != KeyScope::Business) {
        let key = (tenant.clone(), words::scope(row.scope), row.slot, row.key);
        if state.keys.contains_key(&key) || !keys.insert(key) {
            return Err(conflict("the idempotency key".to_owned()));
        }
    }
    if batch.control.is_empty() {
        return Ok(None);
    }
    let (mut control, mut logs) = (state.control.clone(), state.logs.clone());
    for row in &batch.control {
        check::control(tenant, row)?;
        apply_control(&mut control, &mut logs, tenant, row)?;
    }
    Ok(Some((control, logs)))
}

fn apply_control(
    control: &mut Control,
    logs: &mut BTreeMap<LogId, LogRow>,
    tenant: &TenantId,
    row: &ControlRow,
) -> Result<(), StoreError> {
    let conflict = |what: String| Err(error(COMMIT, Kind::Conflict, format!("{what} is there already")));
    match row {
        ControlRow::Tenant(row, origins) => make_tenant(control, logs, row, origins)?,
        ControlRow::Principal(row) => drop(control.principals.insert(principal_key(tenant, row.id), row.clone())),
        ControlRow::Credential(row) => drop(control.credentials.insert(credential_key(tenant, row.id), row.clone())),
        ControlRow::Target(row) => drop(control.targets.insert((tenant.clone(), row.target.clone()), row.clone())),
        ControlRow::Queue(row) => drop(control.queues.insert((tenant.clone(), row.queue.clone()), row.clone())),
        ControlRow::QueueGone(queue) => drop(control.queues.remove(&(tenant.clone(), queue.clone()))),
        ControlRow::Settings(row) => {
            if control.settings.insert((tenant.clone(), row.version), row.clone()).is_some() {
                return conflict(format!("version {} of the settings", row.version));
            }
        }
        ControlRow::Maintenance(row) => drop(control.maintenance.insert(tenant.clone(), row.clone())),
        ControlRow::MaintenanceOver => drop(control.maintenance.remove(tenant)),
        ControlRow::Stop(row) => drop(control.stops.insert((tenant.clone(), row.id), row.clone())),
        ControlRow::StopGone(id) => drop(control.stops.remove(&(tenant.clone(), *id))),
        ControlRow::Budget(row) => drop(control.budgets.insert((tenant.clone(), row.name.clone()), row.clone())),
        ControlRow::BudgetGone(name) => drop(control.budgets.remove(&(tenant.clone(), name.clone()))),
        ControlRow::Evidence(row, content) => {
            control.evidence.insert((tenant.clone(), row.id), row.clone());
            control.evidence_contents.extend(content.iter().map(|row| ((tenant.clone(), row.id), row.clone())));
        }
        ControlRow::Notifier(row) => drop(control.notifiers.insert((tenant.clone(), row.name.clone()), row.clone())),
        ControlRow::NotifierGone(name) => drop(control.notifiers.remove(&(tenant.clone(), name.clone()))),
        ControlRow::Override(row) => drop(control.overrides.insert((tenant.clone(), row.id), row.clone())),
        ControlRow::OverrideGone(id) => drop(control.overrides.remove(&(tenant.clone(), *id))),
        ControlRow::EvidenceGone(id) => {
            control.evidence.remove(&(tenant.clone(), *id));
            control.evidence_contents.remove(&(tenant.clone(), *id));
        }
        ControlRow::Retention(row) => drop(control.retention.insert(tenant.clone(), row.clone())),
        ControlRow::RetentionGone => drop(control.retention.remove(tenant)),
        ControlRow::Trust(row) => drop(control.trust.insert(tenant.clone(), row.clone())),
        ControlRow::TrustGone => drop(control.trust.remove(tenant)),
        ControlRow::SigningSecret(row) => {
            if control.signing_secrets.insert((tenant.clone(), row.id), row.clone()).is_some() {
                return conflict(format!("signing secret {}", row.id));
            }
        }
        ControlRow::SigningSecretGone(id) => drop(control.signing_secrets.remove(&(tenant.clone(), *id))),
        ControlRow::Schedule(row) => drop(control.schedules.insert((tenant.clone(), row.name.clone()), row.clone())),
        ControlRow::ScheduleGone(name) => drop(control.schedules.remove(&(tenant.clone(), name.clone()))),
        ControlRow::Definition(row) => {
            let key = (tenant.clone(), row.name.clone(), row.version);
            if control.definitions.insert(key, row.clone()).is_some() {
                return conflict(format!("version {} of {}", row.version, row.name));
            }
        }
        ControlRow::Bundle(row) => {
            let key = (tenant.clone(), row.name.clone(), row.version);
            if control.bundle(tenant, row.digest).is_some() || control.bundles.insert(key, row.clone()).is_some() {
                return conflict(format!("version {} of bundle {}, or its digest,", row.version, row.name));
            }
        }
        ControlRow::BundleSigned(digest, signatures) => bundle_signed(control, tenant, *digest, signatures)?,
        ControlRow::ActiveBundle(digest) => point(control, tenant, BUNDLE, *digest)?,
        ControlRow::ShadowBundle(Some(digest)) => point(control, tenant, SHADOW, *digest)?,
        ControlRow::ShadowBundle(None) => drop(control.pointers.remove(&(tenant.clone(), SHADOW))),
    }
    Ok(())
}

fn point(control: &mut Control, tenant: &TenantId, kind: &'static str, digest: Digest) -> Result<(), StoreError> {
    if control.bundle(tenant, digest).is_none() {
        return Err(error(COMMIT, Kind::Missing, format!("there is no bundle {digest} to activate")));
    }
    control.pointers.insert((tenant.clone(), kind), digest);
    Ok(())
}

fn bundle_signed(
    control: &mut Control,
    tenant: &TenantId,
    digest: Digest,
    signatures: &Arc<str>,
) -> Result<(), StoreError> {
    let mut bundles = control.bundles.iter_mut().filter(|((owner, ..), _)| owner == tenant);
    let Some((_, row)) = bundles.find(|(_, row)| row.digest == digest) else {
        return Err(error(COMMIT, Kind::Missing, format!("there is no bundle {digest} to sign")));
    };
    row.signatures = Arc::clone(signatures);
    Ok(())
}

fn make_tenant(
    control: &mut Control,
    logs: &mut BTreeMap<LogId, LogRow>,
    row: &TenantRow,
    origins: &[Origin],
) -> Result<(), StoreError> {
    let taken = |origin: &&Origin| logs.values().any(|log| log.origin == **origin);
    let distinct: BTreeSet<String> = origins.iter().map(ToString::to_string).collect();
    if control.tenants.contains_key(&row.tenant) || origins.iter().any(|origin| taken(&origin)) {
        return Err(error(
            "make a tenant",
            Kind::Conflict,
            format!("tenant {} or its log is there already", row.tenant),
        ));
    }
    if distinct.len() != origins.len() {
        return Err(error("make a tenant", Kind::Conflict, "two shards have one origin"));
    }
    control.tenants.insert(row.tenant.clone(), row.clone());
    for (shard, origin) in (0_u16..).zip(origins) {
        let id = LogId(logs.keys().next_back().map_or(1, |last| last.0 + 1));
        let log = LogRow {
            id,
            tenant: row.tenant.clone(),
            shard,
            generation: 1,
            origin: origin.clone(),
            epoch: 0,
            size: 0,
            control_epoch: 0,
            owner: String::new(),
        };
        logs.insert(id, log);
    }
    for (shard, (first, last)) in (0_u16..).zip(check::slot_ranges(row.shards)) {
        let slot = SlotRow { tenant: row.tenant.clone(), first, last, shard, version: 1 };
        control.slots.insert((row.tenant.clone(), first), slot);
    }
    Ok(())
}

/// Makes the first tenant.
pub(super) fn bootstrap(state: &mut State, tenant: &TenantRow, origin: &Origin) -> Result<LogRow, StoreError> {
    let operation = "make the first tenant";
    check::shards(operation, tenant.shards, 1)?;
    if !state.control.tenants.is_empty() {
        return Err(error(operation, Kind::Conflict, "the store has tenants already"));
    }
    make_tenant(&mut state.control, &mut state.logs, tenant, std::slice::from_ref(origin))?;
    state.logs.values().next().cloned().ok_or_else(|| error(operation, Kind::Bug, "the log was not made"))
}

/// Raises the epoch of a log.
pub(super) fn own(state: &mut State, log: LogId, owner: &str) -> Result<LogRow, StoreError> {
    let missing = || error("own a log", Kind::Missing, format!("there is no log {}", log.0));
    let row = state.logs.get_mut(&log).ok_or_else(missing)?;
    row.epoch += 1;
    owner.clone_into(&mut row.owner);
    Ok(row.clone())
}

/// Stores what the integrator made, if the log's owner still is who made it.
pub(super) fn checkpoint_put(
    state: &mut State,
    log: LogId,
    tiles: Vec<TileRow>,
    checkpoint: Option<CheckpointRow>,
    epoch: u64,
) -> bool {
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let owned = state.logs.get(&log).is_some_and(|log| log.epoch == epoch && log.size >= size);
    let newest = state.checkpoint(log, None);
    let newer = checkpoint.is_none() || newest.is_none_or(|newest| newest.size < size);
    if !owned || !newer {
        return false;
    }
    for tile in tiles {
        let stored = state.tiles.entry((log, tile.level, tile.index)).or_insert_with(|| tile.clone());
        // A tile only grows: a shorter one is a late retry.
        if tile.hashes.len() > stored.hashes.len() {
            *stored = tile;
        }
    }
    if let Some(row) = checkpoint {
        state.checkpoints.insert((log, row.size), row);
    }
    true
}
