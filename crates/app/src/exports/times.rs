//! Which entries are of a time. Times never go back within an epoch, but they may from one to the next, when another
//! node's clock is behind: so it is looked for epoch by epoch, by halving.

use crate::Error;
use crate::app::App;
use crate::tenant::Tenant;
use crate::transactions::damaged;
use chancery_base::Timestamp;
use chancery_ledger::Record;

/// The smallest range of the log's first `size` entries with every entry at `since` or later and before `until`; none
/// where there is no such entry.
pub(crate) async fn window(
    app: &App,
    tenant: &Tenant,
    size: u64,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Option<(u64, u64)>, Error> {
    let mut window: Option<(u64, u64)> = None;
    let mut first = 0;
    while first < size {
        let epoch = record(app, tenant, first).await?.epoch;
        let end = halve(app, tenant, (first + 1, size), |record| record.epoch > epoch).await?;
        let from = match since {
            Some(since) => halve(app, tenant, (first, end), |record| record.at >= since).await?,
            None => first,
        };
        let to = match until {
            Some(until) => halve(app, tenant, (from, end), |record| record.at >= until).await?,
            None => end,
        };
        if from < to {
            window = Some((window.map_or(from, |(from, _)| from), to));
        }
        first = end;
    }
    Ok(window)
}

/// The first entry of a range that is meant, where all after one that is are, too; the range's end where none is.
async fn halve(app: &App, tenant: &Tenant, (from, to): (u64, u64), is: impl Fn(&Record) -> bool) -> Result<u64, Error> {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if is(&record(app, tenant, middle).await?) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

async fn record(app: &App, tenant: &Tenant, seq: u64) -> Result<Record, Error> {
    let rows = app.store().entries(tenant.log, seq, 1, false).await?;
    let row = rows.into_iter().find(|row| row.seq == seq);
    let row = row.ok_or_else(|| damaged("a log")(format!("entry {seq} is missing")))?;
    Record::parse_of(&tenant.origin, &row.record).map_err(damaged("a record"))
}
