//! Decisions of the past under another bundle.

use super::{missing, parse};
use crate::Error;
use crate::app::App;
use crate::page::Page;
use crate::transactions::{Source, damaged, entry_views};
use chancery_base::limits::REPLAY_ENTRIES_MAX;
use chancery_base::{Digest, Timestamp};
use chancery_ledger::Record;
use chancery_policy::replay::{Flip, Tally};
use chancery_policy::{Bundle, Grant};
use serde_json::Value;

/// Entries that are named of those that can't be replayed.
pub const NAMED_MAX: usize = 100;
/// Entries that are read at a time.
const PAGE: usize = 500;

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

impl Report {
    /// Takes an entry, if it is a decision's of the range.
    pub fn take(&mut self, bundle: &Bundle, range: &Range, record: &Record, payload: Option<&Value>) {
        // A record that says by which bundle is a decision's.
        if record.data.get_digest("bundle").is_none() || record.data.get_digest("request").is_none() {
            return;
        }
        let is_within =
            range.since.is_none_or(|since| record.at >= since) && range.until.is_none_or(|until| record.at < until);
        if !is_within {
            return;
        }
        if payload.is_none() && self.erased.len() < NAMED_MAX {
            self.erased.push(record.seq);
        }
        let decision = payload.map(|payload| payload.get("decision").unwrap_or(payload));
        self.flips.extend(self.tally.take(bundle, decision).map(|flip| (record.seq, flip)));
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
        let limit = usize::try_from(last - from).unwrap_or(PAGE).min(PAGE);
        let page = Page { after: from.checked_sub(1), limit };
        let found = entry_views(app, &tenant, Source::Log, page).await?;
        let Some(read) = found.items.last().map(|entry| entry.seq) else { break };
        for entry in found.items.iter().filter(|entry| entry.seq < last) {
            let record = Record::parse(entry.record.as_bytes()).map_err(damaged("a record"))?;
            report.take(&bundle, &range, &record, entry.payload.as_ref());
        }
        from = read.saturating_add(1);
    }
    Ok(Replayed { report, next: (from < end).then_some(from) })
}
