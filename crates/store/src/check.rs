//! What must hold of a batch before any store looks at it: a batch that fails here is a defect of the shard.

use crate::error;
use chancery_base::{Kind, TenantId, TransactionId};
use chancery_shard::Grant;
use chancery_shard::batch::{Batch, StoreError};
use chancery_shard::expiry::GoneKey;
use chancery_shard::row::{ControlRow, EventRow};

/// Bits of an entry's position that are its number in the log.
pub(crate) const SEQ_BITS: u32 = 40;

/// The most entries that a log can have.
pub(crate) const LOG_ENTRIES_MAX: u64 = 1 << SEQ_BITS;

/// The operation that errors of a commit name.
pub(crate) const COMMIT: &str = "commit a batch";

/// Checks that a batch's parts agree with one another.
pub(crate) fn batch(batch: &Batch) -> Result<(), StoreError> {
    let size = size_after(batch)?;
    if size > LOG_ENTRIES_MAX {
        return Err(error(COMMIT, Kind::Limited, format!("a log has at most {LOG_ENTRIES_MAX} entries")));
    }
    let gap = (batch.size..).zip(&batch.entries).find(|(seq, entry)| *seq != entry.seq);
    if let Some((seq, entry)) = gap {
        return Err(error(COMMIT, Kind::Bug, format!("entry {} stands where {seq} belongs", entry.seq)));
    }
    if let Some(row) = batch.transactions.iter().find(|row| row.log != batch.log) {
        return Err(error(COMMIT, Kind::Bug, format!("{} is on log {}, not {}", row.id, row.log.0, batch.log.0)));
    }
    let ours = |row: &EventRow| row.log == batch.log && (batch.size..size).contains(&row.seq);
    let mut events = batch.events.iter().zip(batch.events.iter().skip(1));
    if !batch.events.iter().all(ours) || events.any(|(row, next)| row.seq >= next.seq) {
        return Err(error(COMMIT, Kind::Bug, "its events are not those of its entries, in order"));
    }
    if let Some(row) = batch.requests.iter().find(|row| row.log != batch.log) {
        return Err(error(COMMIT, Kind::Bug, format!("{} is on log {}, not {}", row.id, row.log.0, batch.log.0)));
    }
    let is_gone = |id: &TransactionId| batch.gone.transactions.contains(id);
    let written = batch.transactions.iter().map(|row| row.id).chain(batch.steps.iter().map(|row| row.transaction));
    let written = written.chain(batch.requests.iter().map(|row| row.transaction));
    if let Some(id) = written.into_iter().filter(|_| !batch.gone.transactions.is_empty()).find(is_gone) {
        return Err(error(COMMIT, Kind::Bug, format!("{id} is both written and removed")));
    }
    let is_written = |gone: &&GoneKey| {
        batch.keys.iter().any(|row| (row.scope, row.slot, row.key) == (gone.scope, gone.slot, gone.key))
    };
    if let Some(key) = batch.gone.keys.iter().find(is_written) {
        return Err(error(COMMIT, Kind::Bug, format!("a key of {} is both written and removed", key.transaction)));
    }
    Ok(())
}

/// How many entries the log has after the batch.
pub(crate) fn size_after(batch: &Batch) -> Result<u64, StoreError> {
    let count = u64::try_from(batch.entries.len()).ok();
    let size = count.and_then(|count| batch.size.checked_add(count));
    size.ok_or_else(|| error(COMMIT, Kind::Bug, "the log's size overflows"))
}

/// Checks that a control row may be written by a log of this tenant.
pub(crate) fn control(tenant: &TenantId, row: &ControlRow) -> Result<(), StoreError> {
    let ControlRow::Tenant(made, origins) = row else { return Ok(()) };
    if *tenant != TenantId::system() {
        return Err(error(COMMIT, Kind::Bug, format!("tenant {tenant} cannot make tenants")));
    }
    shards(COMMIT, made.shards, origins.len())
}

/// Checks that a new tenant has one log a shard.
pub(crate) fn shards(operation: &'static str, shards: u16, origins: usize) -> Result<(), StoreError> {
    if shards == 0 || usize::from(shards) != origins {
        return Err(error(operation, Kind::Bug, format!("{shards} shards need as many logs, not {origins}")));
    }
    Ok(())
}

/// The slots of each shard, first and last: as even as it gets.
pub(crate) fn slot_ranges(shards: u16) -> Vec<(u16, u16)> {
    let count = u32::from(chancery_base::slot::SLOT_COUNT);
    let total = u32::from(shards).max(1);
    let first = |shard: u16| u16::try_from(u32::from(shard) * count / total).unwrap_or(u16::MAX);
    (0..shards).map(|shard| (first(shard), first(shard.saturating_add(1)).saturating_sub(1))).collect()
}

/// Checks that a grant is on the platform itself.
pub(crate) fn platform(grant: &Grant) -> Result<(), StoreError> {
    if *grant.tenant() == TenantId::system() {
        return Ok(());
    }
    Err(error("list tenants", Kind::Denied, format!("a grant on tenant {} is not one on the platform", grant.tenant())))
}
