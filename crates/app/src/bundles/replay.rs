//! Decisions of the past under another bundle.

use super::missing;
use crate::Error;
use crate::app::App;
use crate::transactions::{self, damaged, member};
use chancery_base::limits::{REPLAY_ENTRIES_MAX, REPLAY_STEP, REPORT_FOLLOWED_MAX};
use chancery_base::{Digest, Timestamp, TransactionId, json};
use chancery_ledger::Record;
use chancery_policy::replay::{self, Flip, Tally, Unreplayable};
use chancery_policy::{Bundle, Grant};
use chancery_shard::row::EntryRow;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Entries that are named of those that can't be replayed.
pub const NAMED_MAX: usize = 100;
/// Decisions that are known by their texts, and bytes that one of these has at most: 16 MiB in all.
const KNOWN_MAX: usize = 2_048;
const KNOWN_BYTES_MAX: usize = 8 << 10;
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
    /// Flips that are not in the sums yet, each with the transaction that it was of.
    found: Vec<Found>,
    /// The definitions of transactions, as far as they were looked for.
    definitions: HashMap<TransactionId, Option<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    entry: u64,
    of: Option<TransactionId>,
    flip: Flip,
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
    /// Takes an entry, if it is a decision's of the range. [`Report::settle`] puts what flips into the sums.
    pub fn take(&mut self, bundle: &Bundle, range: &Range, record: &Record, payload: Option<&Value>) {
        if range.has(record) {
            let decision = payload.map(|payload| payload.get(DECISION).unwrap_or(payload));
            let flip = self.tally.take(bundle, decision);
            self.found(record, flip, decision.is_none());
        }
    }

    fn found(&mut self, record: &Record, flip: Option<Flip>, is_erased: bool) {
        if is_erased && self.erased.len() < NAMED_MAX {
            self.erased.push(record.seq);
        }
        let of = record.refs.transaction;
        self.found.extend(flip.map(|flip| Found { entry: record.seq, of, flip }));
    }

    /// The transactions whose definitions [`Report::settle`] has to be told of first, by [`Report::is_of`]: those of
    /// flips whose resource does not say it.
    #[must_use]
    pub fn unknown(&self) -> BTreeSet<TransactionId> {
        let unknown = self.found.iter().filter(|found| found.flip.asked.definition.is_none());
        unknown.filter_map(|found| found.of).filter(|id| !self.definitions.contains_key(id)).collect()
    }

    /// Says which definition a transaction has, by the payload of its first entry; nothing where that was erased.
    pub fn is_of(&mut self, id: TransactionId, first: Option<&Value>) {
        let definition = first.and_then(|payload| payload.pointer("/beginning/definition")).and_then(Value::as_str);
        self.definitions.insert(id, definition.map(str::to_owned));
    }

    /// Puts what was found into the sums and the list of flips.
    pub fn settle(&mut self) {
        for Found { entry, of, mut flip } in std::mem::take(&mut self.found) {
            let definition = || of.and_then(|id| self.definitions.get(&id).cloned().flatten());
            flip.asked.definition = flip.asked.definition.or_else(definition);
            self.tally.flipped(&flip);
            self.flips.push((entry, flip));
        }
        if self.definitions.len() >= REPORT_FOLLOWED_MAX {
            self.definitions.clear();
        }
    }
}

/// A replay of entries as they are stored. What a step of a definition asks is often the same to the letter, and comes
/// out the same: that is not decided twice.
struct Run {
    bundle: Arc<Bundle>,
    range: Range,
    report: Report,
    known: HashMap<Box<[u8]>, Result<Option<Flip>, Unreplayable>>,
}

impl Run {
    fn take(mut self, rows: &[EntryRow]) -> Result<Self, Error> {
        for row in rows {
            let record = Record::parse(&row.record).map_err(damaged("a record"))?;
            if !self.range.has(&record) {
                continue;
            }
            let flip = match &row.payload {
                None => self.report.tally.take(&self.bundle, None),
                Some(payload) => {
                    let again = self.again(member(&payload.sealed, DECISION)?)?;
                    self.report.tally.count(again)
                }
            };
            self.report.found(&record, flip, row.payload.is_none());
        }
        Ok(self)
    }

    fn again(&mut self, decision: &[u8]) -> Result<Result<Option<Flip>, Unreplayable>, Error> {
        if let Some(known) = self.known.get(decision) {
            return Ok(known.clone());
        }
        let value = json::parse_stored(decision, decision.len()).map_err(damaged("a payload"))?;
        let again = replay::again(&self.bundle, &value);
        if self.known.len() < KNOWN_MAX && decision.len() <= KNOWN_BYTES_MAX {
            self.known.insert(decision.into(), again.clone());
        }
        Ok(again)
    }
}

/// Takes the decisions of a range again under a pushed bundle: at most [`REPLAY_ENTRIES_MAX`] entries, of which `next`
/// goes on. Nothing is recorded.
///
/// # Errors
/// If there is no such bundle, or it no longer loads.
pub async fn replay(app: &App, grant: &Grant, digest: Digest, range: Range) -> Result<Replayed, Error> {
    let row = app.store().bundle(grant, digest).await?.ok_or_else(|| missing(digest))?;
    let bundle = app.read_bundles().of(&row)?;
    let tenant = app.tenant(grant)?;
    let end = range.to.unwrap_or(u64::MAX).min(tenant.head().size);
    let last = end.min(range.from.saturating_add(REPLAY_ENTRIES_MAX));
    let fetch = async |from: u64| {
        let step = usize::try_from(last.saturating_sub(from)).unwrap_or(REPLAY_STEP).min(REPLAY_STEP);
        if step == 0 { Ok(Vec::new()) } else { app.store().entries(tenant.log, from, step, true).await }
    };
    // It is never closed; it is given back when this returns.
    let _turn = tenant.pages.acquire().await;
    let mut run = Run { bundle, range, report: Report::default(), known: HashMap::new() };
    let mut from = range.from;
    let mut rows = fetch(from).await?;
    while let Some(read) = rows.last().map(|row| row.seq) {
        from = read.saturating_add(1);
        // Those that come next are read while these are decided.
        let (next, taken) = tokio::join!(fetch(from), tokio::task::spawn_blocking(move || run.take(&rows)));
        run = taken.map_err(|_error| Error::Bug("a replay ended before it was over"))??;
        rows = next?;
    }
    let mut report = run.report;
    for id in report.unknown() {
        let history = app.store().history(grant, id, 0, 1).await?;
        let first = history.first().and_then(|(_, row)| row.payload.as_ref());
        let first = first.map(|payload| transactions::open(&payload.sealed)).transpose()?;
        report.is_of(id, first.as_ref());
    }
    report.settle();
    Ok(Replayed { report, next: (from < end).then_some(from) })
}
