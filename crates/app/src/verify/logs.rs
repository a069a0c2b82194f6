//! One log, streamed: its entries through the ledger's verifier and through replay at once.

use super::rows::Transactions;
use super::tree::{self, Checkpoints};
use super::{Fault, Meter, PAGE};
use chancery_ledger::{Kept, Keys, LogReport, LogVerifier, TreeSize};
use chancery_shard::replay::{Replay, TenantRows};
use chancery_shard::row::{EntryRow, LogRow};
use chancery_store::Scan;

/// Verifies a log; gives the rows of its tenant as the entries have them.
pub(super) fn verify<'a>(
    store: &impl Scan,
    row: &LogRow,
    keys: &Keys,
    kept: impl Iterator<Item = &'a str>,
    transactions: &mut Transactions,
    meter: &mut Meter<'_>,
) -> Result<(LogReport, TenantRows), Fault> {
    let origin = &row.origin;
    let mut verifier = LogVerifier::new(origin.clone()).with_tiles(tree::reader(store, row.id));
    for note in kept {
        verifier.checkpoint(note, keys).map_err(|fault| Fault::log(origin, &fault))?;
    }
    let mut checkpoints = Checkpoints::new(row, keys);
    let mut replay = Replay::new(row.id);
    // A row that is not as the entries give it may be one, or the entries are wrong: then that is the fault.
    let mut wrong_row = None;
    let (mut from, mut epoch) = (0, 0);
    loop {
        let page = store.entries(row.id, from, PAGE)?;
        let end = from + u64::try_from(page.len()).unwrap_or(u64::MAX);
        checkpoints.give(store, &mut verifier, if page.is_empty() { u64::MAX } else { end })?;
        if page.is_empty() {
            break;
        }
        for (seq, entry) in (from..).zip(&page) {
            let record = verifier.entry(&entry.record, payload(entry)).map_err(|fault| Fault::log(origin, &fault))?;
            epoch = record.epoch;
            if wrong_row.is_some() {
                continue;
            }
            let ended = replay.record(&record, entry).map_err(|error| Fault::entry(origin, seq, error))?;
            if let Some(ended) = ended {
                wrong_row = transactions.compare(store, &ended).err();
            }
        }
        from = end;
        meter.add(page.len());
    }
    let report = verifier.finish(Some(TreeSize(row.size))).map_err(|fault| Fault::log(origin, &fault))?;
    if row.epoch < epoch {
        return Err(Fault::column("logs", row.id.0, "epoch"));
    }
    if let Some(fault) = wrong_row {
        return Err(fault);
    }
    tree::check_rows(store, row, &report)?;
    let (open, made) = replay.finish();
    for rows in &open {
        transactions.compare(store, rows)?;
    }
    Ok((report, made))
}

fn payload(entry: &EntryRow) -> Kept<'_> {
    match &entry.payload {
        None => Kept::Nothing,
        // One under a key that is not here is refused by replay.
        Some(payload) => payload.sealed.open().map_or(Kept::Withheld, |bytes| Kept::Bytes(payload.salt, bytes)),
    }
}
