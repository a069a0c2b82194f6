//! One log, streamed: its entries through the ledger's verifier and through replay at once.
//!
//! What can be done to an entry by itself (read its record and payload, hash and digest them) is done to a page of
//! them on another core, while this thread puts the pages before in their place and reads those after from the store.

use super::events::Events;
use super::rows::Transactions;
use super::tree::{self, Checkpoints};
use super::{Fault, Meter, PAGE};
use chancery_ledger::{EntryCheck, Kept, Keys, LogReport, LogVerifier, Origin, TreeSize};
use chancery_shard::entry::Recorded;
use chancery_shard::replay::{self, Replay, ReplayError, TenantRows};
use chancery_shard::row::{EntryRow, LogId, LogRow};
use chancery_store::Scan;
use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// Entries of the first page; each page has at most twice as many as the one before, and at most [`PAGE`].
const PAGE_FIRST: usize = 64;

/// About how many bytes a page has: entries with large payloads come in smaller pages.
const PAGE_BYTES: usize = 4 << 20;

/// Pages that are read and not in their place yet, at most: more would only wait for this thread.
const AHEAD_MAX: usize = 8;

/// An entry of which what can be done by itself is done.
struct Prepared {
    check: EntryCheck,
    /// Nothing where its record cannot be read.
    recorded: Option<Result<Recorded, ReplayError>>,
}

/// Verifies a log; gives the rows of its tenant as the entries have them.
pub(super) fn verify<'a>(
    store: &impl Scan,
    row: &LogRow,
    keys: &Keys,
    kept: impl Iterator<Item = &'a str>,
    (transactions, events): (&mut Transactions, &mut Events),
    meter: &mut Meter<'_>,
) -> Result<(LogReport, TenantRows), Fault> {
    let origin = &row.origin;
    let mut verifier = LogVerifier::new(origin.clone()).with_tiles(tree::reader(store, row.id));
    for note in kept {
        verifier.checkpoint(note, keys).map_err(|fault| Fault::log(origin, &fault))?;
    }
    let checkpoints = Checkpoints::new(row, keys);
    let replay = Replay::new(row.id);
    let id = row.id;
    let mut log = Log { store, id, origin, verifier, checkpoints, replay, transactions, events, wrong_row: None };
    // Some more than are worked on, so that neither this thread nor the others stand still.
    let ahead_max = thread::available_parallelism().map_or(1, NonZero::get).saturating_add(2).min(AHEAD_MAX);
    thread::scope(|scope| {
        let mut ahead = VecDeque::with_capacity(ahead_max);
        let (mut from, mut limit) = (Some(0), PAGE_FIRST);
        loop {
            while let Some(begin) = from.filter(|_| ahead.len() < ahead_max) {
                let page = store.entries(row.id, begin, limit)?;
                from = page.last().map(|last| last.seq + 1);
                limit = next_limit(&page);
                ahead.push_back(scope.spawn(move || prepare(origin, &page)));
            }
            let Some(page) = ahead.pop_front() else { return Ok::<_, Fault>(()) };
            let page: Vec<Prepared> = page.join().unwrap_or_else(|panic| resume_unwind(panic));
            log.take(&page)?;
            meter.add(page.len());
        }
    })?;
    log.finish(row)
}

/// How many entries the page after one should have.
fn next_limit(page: &[EntryRow]) -> usize {
    let bytes =
        |entry: &EntryRow| entry.record.len() + entry.payload.as_ref().map_or(0, |payload| payload.sealed.bytes.len());
    let bytes: usize = page.iter().map(bytes).sum();
    (PAGE_BYTES * page.len() / bytes.max(1)).clamp(1, (2 * page.len()).clamp(1, PAGE))
}

fn prepare(origin: &Origin, entries: &[EntryRow]) -> Vec<Prepared> {
    let prepare = |entry: &EntryRow| {
        let check = EntryCheck::new(origin, &entry.record, payload(entry));
        let recorded = check.record().map(|record| replay::read(record, entry));
        Prepared { check, recorded }
    };
    entries.iter().map(prepare).collect()
}

/// A log as far as it was read.
struct Log<'a, S> {
    store: &'a S,
    id: LogId,
    origin: &'a Origin,
    verifier: LogVerifier<'a>,
    checkpoints: Checkpoints<'a>,
    replay: Replay,
    transactions: &'a mut Transactions,
    events: &'a mut Events,
    /// A row that is not as the entries give it may be one, or the entries are wrong: then that is the fault.
    wrong_row: Option<Fault>,
}

impl<S: Scan> Log<'_, S> {
    /// Takes the next entries.
    fn take(&mut self, page: &[Prepared]) -> Result<(), Fault> {
        let origin = self.origin;
        let end = self.verifier.size() + u64::try_from(page.len()).unwrap_or(u64::MAX);
        self.checkpoints.give(self.store, &mut self.verifier, end)?;
        let (mut all_ended, mut all_expired, mut emitted) = (Vec::new(), Vec::new(), Vec::new());
        for entry in page {
            self.verifier.take(&entry.check).map_err(|fault| Fault::log(origin, &fault))?;
            let Some((record, recorded)) = entry.check.record().zip(entry.recorded.as_ref()) else { continue };
            if self.wrong_row.is_some() {
                continue;
            }
            let recorded = recorded.as_ref().map_err(|error| Fault::entry(origin, record.seq, error))?;
            let taken = self.replay.take(record, recorded).map_err(|error| Fault::entry(origin, record.seq, error))?;
            all_ended.extend(taken.ended);
            all_expired.extend(taken.expired);
            emitted.extend(replay::event_row(self.id, record, recorded));
        }
        if self.wrong_row.is_none() {
            let compared = self.transactions.compare(self.store, &mut all_ended);
            let compared = compared.and_then(|()| self.transactions.expire(&all_expired));
            self.wrong_row = compared.and_then(|()| self.events.compare(self.store, &emitted)).err();
        }
        Ok(())
    }

    fn finish(mut self, row: &LogRow) -> Result<(LogReport, TenantRows), Fault> {
        let origin = self.origin;
        self.checkpoints.give(self.store, &mut self.verifier, u64::MAX)?;
        let epoch = self.verifier.epoch();
        let report = self.verifier.finish(Some(TreeSize(row.size))).map_err(|fault| Fault::log(origin, &fault))?;
        if row.epoch < epoch {
            return Err(Fault::column("logs", row.id.0, "epoch"));
        }
        if let Some(fault) = self.wrong_row {
            return Err(fault);
        }
        tree::check_rows(self.store, row, &report)?;
        let (mut open, made) = self.replay.finish();
        self.transactions.compare(self.store, &mut open)?;
        Ok((report, made))
    }
}

fn payload(entry: &EntryRow) -> Kept<'_> {
    match &entry.payload {
        None => Kept::Nothing,
        // One under a key that is not here is refused by replay.
        Some(payload) => payload.sealed.open().map_or(Kept::Withheld, |bytes| Kept::Bytes(payload.salt, bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_grows_to_its_limit_and_shrinks_with_large_entries() {
        let page = |count, bytes| {
            let entry = EntryRow { seq: 0, transaction: None, record: vec![0; bytes], payload: None };
            vec![entry; count]
        };
        assert_eq!(next_limit(&page(PAGE_FIRST, 500)), 2 * PAGE_FIRST);
        assert_eq!(next_limit(&page(PAGE, 500)), PAGE);
        assert_eq!(next_limit(&page(PAGE, 1 << 14)), PAGE_BYTES >> 14);
        assert_eq!(next_limit(&page(3, PAGE_BYTES)), 1);
        assert_eq!(next_limit(&page(1, 500)), 2);
        assert_eq!(next_limit(&[]), 1);
    }
}
