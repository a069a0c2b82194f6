//! The entries of a range of time, read one page at a time.

use crate::app::App;
use crate::exports::window;
use crate::tenant::Tenant;
use crate::transactions::damaged;
use crate::{Error, clock};
use chancery_base::Timestamp;
use chancery_base::limits::{EXPORT_STEP, PACK_RANGE_DEFAULT, PAGE_STEP};
use chancery_ledger::Record;
use chancery_shard::row::{EntryRow, PayloadRow};
use std::collections::VecDeque;

/// A range of time that entries are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From this time on: not before the log began.
    pub from: Timestamp,
    /// Until before this time.
    pub to: Timestamp,
}

impl Span {
    /// From a time, else for 90 days, until before a time, else now.
    ///
    /// # Errors
    /// If the range is empty, or the store does not answer.
    pub(crate) async fn of(
        app: &App,
        tenant: &Tenant,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<Self, Error> {
        let to = to.unwrap_or_else(clock::now);
        let from = from.unwrap_or_else(|| to.minus(PACK_RANGE_DEFAULT));
        if from >= to {
            return Err(Error::Invalid(format!("`from` is {from}, which is not before `to`, {to}")));
        }
        let began = page(app, tenant, 0, 1).await?.first().map(|record| record.at);
        // Of the time before the log nothing can be said, so nothing is asked.
        Ok(Self { from: from.max(began.unwrap_or(from)).min(to), to })
    }

    /// Gives each entry of the range that is committed now, in order, with its payload where that is wanted and was not
    /// erased; how many there were.
    ///
    /// # Errors
    /// If the store does not answer, has other entries than it should, or `take` fails.
    pub(crate) async fn each(
        self,
        app: &App,
        tenant: &Tenant,
        wants: fn(&Record) -> bool,
        mut take: impl FnMut(&Record, Option<&PayloadRow>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let size = tenant.head().size;
        let Some((mut next, end)) = window(app, tenant, size, Some(self.from), Some(self.to)).await? else {
            return Ok(0);
        };
        let mut entries = 0;
        while next < end {
            let left = usize::try_from(end - next).unwrap_or(usize::MAX);
            let mut records = page(app, tenant, next, EXPORT_STEP.min(left)).await?;
            let last = records.last().map(|record| record.seq);
            next = 1 + last.ok_or_else(|| damaged("a log")(format!("entries are missing from {next} on")))?;
            // Times may go back where another node took over.
            records.retain(|record| (self.from..self.to).contains(&record.at));
            let wanted: Vec<u64> = records.iter().filter(|record| wants(record)).map(|record| record.seq).collect();
            let mut payloads = VecDeque::new();
            for record in &records {
                let is_wanted = wanted.binary_search(&record.seq).is_ok();
                if is_wanted && payloads.is_empty() {
                    // A few at a time: each may be large.
                    payloads = payloads_from(app, tenant, &wanted, record.seq).await?;
                }
                let row = if is_wanted { payloads.pop_front() } else { None };
                take(record, row.as_ref().and_then(|row: &EntryRow| row.payload.as_ref()))?;
                entries += 1;
            }
        }
        Ok(entries)
    }
}

/// The next few of what is wanted, from one on.
async fn payloads_from(app: &App, tenant: &Tenant, wanted: &[u64], from: u64) -> Result<VecDeque<EntryRow>, Error> {
    // It is never closed; it is given back when this returns.
    let _turn = tenant.pages.acquire().await;
    let numbers: Vec<u64> = wanted.iter().copied().filter(|seq| *seq >= from).take(PAGE_STEP).collect();
    let rows = app.store().entries_at(tenant.log, numbers.clone()).await?;
    let is_whole = rows.iter().map(|row| row.seq).eq(numbers);
    if is_whole { Ok(rows.into()) } else { Err(damaged("a log")(format!("entries are missing from {from} on"))) }
}

async fn page(app: &App, tenant: &Tenant, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
    // It is never closed; it is given back when this returns.
    let _turn = tenant.pages.acquire().await;
    let rows = app.store().entries(tenant.log, from, limit, false).await?;
    let read = |record: &[u8]| Record::parse_of(&tenant.origin, record).map_err(damaged("a record"));
    rows.iter().map(|row| read(&row.record)).collect()
}
