//! Decisions of the past under another bundle.

use super::{missing, parse};
use crate::Error;
use crate::app::App;
use crate::transactions::{damaged, open_member};
use chancery_base::limits::{PAGE_STEP, REPLAY_ENTRIES_MAX};
use chancery_base::{Digest, Timestamp};
use chancery_ledger::Record;
use chancery_policy::replay::{Flip, Tally};
use chancery_policy::{Bundle, Grant};
use chancery_shard::row::EntryRow;
use serde_json::Value;

/// Entries that are named of those that can't be replayed.
pub const NAMED_MAX: usize = 100;
/// Of a decision's payload, the decision; a decision that belongs to nothing else is the payload itself.
const DECISION: &str = "decision";

/// Which entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// From this entry on.
    pub from: u64,
    /// Up to and without this one; the newest where none is named.
    pub to: Option<u64>,
    /// Only decisions from this time on.
    pub since: Option<Timestamp>,
    /// Only decisions before this time.
    pub until: Option<Timestamp>,
}

/// What it comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Sums.
    pub tally: Tally,
    /// The decisions that come out otherwise, by their entries, unless they were taken out.
    pub flips: Vec<(u64, Flip)>,
    /// The entries of the first [`NAMED_MAX`] decisions whose payloads were erased.
    pub erased: Vec<u64>,
}

/// A part of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// What it comes to.
    pub report: Report,
    /// Where to go on: the first entry of the range that was not looked at.
    pub next: Option<u64>,
}

impl Range {
    /// Whether an entry is a decision's, of its time.
    fn has(&self, record: &Record) -> bool {
        // A record that says by which bundle is a decision's.
        let is_decision = record.data.get_digest("bundle").is_some() && record.data.get_digest("request").is_some();
        is_decision
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
    }
}

impl Report {
    /// Takes an entry, if it is a decision's of the range.
    pub fn take(&mut self, bundle: &Bundle, range: &Range, record: &Record, payload: Option<&Value>) {
        if range.has(record) {
            self.again(bundle, record.seq, payload.map(|payload| payload.get(DECISION).unwrap_or(payload)));
        }
    }

    fn again(&mut self, bundle: &Bundle, entry: u64, decision: Option<&Value>) {
        if decision.is_none() && self.erased.len() < NAMED_MAX {
            self.erased.push(entry);
        }
        self.flips.extend(self.tally.take(bundle, decision).map(|flip| (entry, flip)));
    }

    /// The same with entries as they are stored, of which no more is read than the decisions.
    fn take_rows(&mut self, bundle: &Bundle, range: &Range, rows: &[EntryRow]) -> Result<(), Error> {
        for row in rows {
            let record = Record::parse(&row.record).map_err(damaged("a record"))?;
            if range.has(&record) {
                let payload = row.payload.as_ref();
                let decision = payload.map(|payload| open_member(&payload.sealed, DECISION)).transpose()?;
                self.again(bundle, record.seq, decision.as_ref());
            }
        }
        Ok(())
    }
}

/// Takes the decisions of a range again under a pushed bundle: at most [`REPLAY_ENTRIES_MAX`] entries, of which `next`
/// goes on. Nothing is recorded.
///
/// # Errors
/// If there is no such bundle, or it no longer loads.
pub async fn replay(app: &App, grant: &Grant, digest: Digest, range: Range) -> Result<Replayed, Error> {
    let row = app.store().bundle(grant, digest).await?.ok_or_else(|| missing(digest))?;
    let (bundle, _) = parse(&row.source)?;
    let tenant = app.tenant(grant)?;
    let end = range.to.unwrap_or(u64::MAX).min(tenant.head().size);
    let last = end.min(range.from.saturating_add(REPLAY_ENTRIES_MAX));
    let (mut report, mut from) = (Report::default(), range.from);
    while from < last {
        let step = usize::try_from(last - from).unwrap_or(PAGE_STEP).min(PAGE_STEP);
        // Any of them may be large: it is one page of entries at a time in a tenant. It is never closed.
        let _turn = tenant.pages.acquire().await;
        let rows = app.store().entries(tenant.log, from, step, true).await?;
        let Some(read) = rows.last().map(|row| row.seq) else { break };
        report.take_rows(&bundle, &range, &rows)?;
        from = read.saturating_add(1);
    }
    Ok(Replayed { report, next: (from < end).then_some(from) })
}
