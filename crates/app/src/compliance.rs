//! Compliance packs: what a framework asks for, as questions to the ledger.
//!
//! A pack is data: controls, each with queries that count entries. A control is *supported by N entries*, *not
//! supported*, or *contradicted*. Whether somebody complies, people decide; an entry is evidence that something was
//! done, in the system that keeps this log, and nothing more.

mod pack;
mod tally;

pub use pack::{Control, Expected, Pack, PackError, Query, builtin};
pub use tally::{ControlStatus, QueryStatus, Standing};

use crate::app::App;
use crate::exports::window;
use crate::tenant::Tenant;
use crate::transactions::damaged;
use crate::{Error, Fault, clock};
use chancery_base::limits::{EXPORT_STEP, PACK_RANGE_DEFAULT};
use chancery_base::{Name, Timestamp};
use chancery_ledger::Record;
use chancery_policy::Grant;
use std::sync::Arc;
use tally::Tally;

/// How a pack's controls stand in a range of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackStatus {
    /// The pack.
    pub pack: Arc<Pack>,
    /// From this time on: not before the log began.
    pub from: Timestamp,
    /// Until before this time.
    pub to: Timestamp,
    /// Entries of the range.
    pub entries: u64,
    /// The controls, as the pack has them.
    pub controls: Vec<ControlStatus>,
}

/// The packs that come with Chancery, by name.
///
/// # Errors
/// If one of them is not sound; a test holds that they are.
pub fn list(_: &Grant) -> Result<&'static [Arc<Pack>], Error> {
    builtin().map_err(|_error| Error::Bug("a built-in compliance pack is not sound"))
}

/// One of them.
///
/// # Errors
/// If there is none of this name.
pub fn find(grant: &Grant, name: &Name) -> Result<Arc<Pack>, Error> {
    let found = list(grant)?.iter().find(|pack| pack.name == *name);
    found.cloned().ok_or_else(|| Error::Missing(format!("compliance pack `{name}`")))
}

/// Reads a pack that the caller brings.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(_: &Grant, bytes: &[u8]) -> Result<Arc<Pack>, Error> {
    Pack::parse(bytes).map(Arc::new).map_err(|PackError { path, message }| {
        let fault = Fault { path, line: None, column: None, message, rule: None };
        Error::Faulty { document: "compliance pack", faults: vec![fault] }
    })
}

/// How a pack's controls stand: from a time, else for 90 days, until before a time, else now.
///
/// # Errors
/// If the range is empty, or the store does not answer.
pub async fn status(
    app: &App,
    grant: &Grant,
    pack: Arc<Pack>,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
) -> Result<PackStatus, Error> {
    let tenant = app.tenant(grant)?;
    let to = to.unwrap_or_else(clock::now);
    let from = from.unwrap_or_else(|| to.minus(PACK_RANGE_DEFAULT));
    if from >= to {
        return Err(Error::Invalid(format!("`from` is {from}, which is not before `to`, {to}")));
    }
    let size = tenant.head().size;
    let began = records(app, &tenant, 0, 1).await?.first().map(|record| record.at);
    // Of the time before the log nothing can be said, so nothing is asked.
    let from = from.max(began.unwrap_or(from)).min(to);
    let mut tally = Tally::new(&pack, from, to);
    let mut entries = 0;
    if let Some((mut next, end)) = window(app, &tenant, size, Some(from), Some(to)).await? {
        while next < end {
            let left = usize::try_from(end - next).unwrap_or(usize::MAX);
            let page = records(app, &tenant, next, EXPORT_STEP.min(left)).await?;
            let last = page.last().map(|record| record.seq);
            next = 1 + last.ok_or_else(|| damaged("a log")(format!("entries are missing from {next} on")))?;
            // Times may go back where another node took over.
            for record in page.iter().filter(|record| (from..to).contains(&record.at)) {
                entries += 1;
                tally.take(record);
            }
        }
    }
    let controls = tally.finish();
    Ok(PackStatus { pack, from, to, entries, controls })
}

async fn records(app: &App, tenant: &Tenant, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
    // It is never closed; it is given back when this returns.
    let _turn = tenant.pages.acquire().await;
    let rows = app.store().entries(tenant.log, from, limit, false).await?;
    let read = |record: &[u8]| Record::parse_of(&tenant.origin, record).map_err(damaged("a record"));
    rows.iter().map(|row| read(&row.record)).collect()
}
