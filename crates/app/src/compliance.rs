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
use crate::span::Span;
use crate::{Error, Fault};
use chancery_base::{Name, Timestamp};
use chancery_ledger::Record;
use chancery_policy::Grant;
use chancery_shard::row::PayloadRow;
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
    range: (Option<Timestamp>, Option<Timestamp>),
) -> Result<PackStatus, Error> {
    let tenant = app.tenant(grant)?;
    let span = Span::of(app, &tenant, range).await?;
    let mut tally = Tally::new(&pack, span.from, span.to);
    let take = |record: &Record, _: Option<&PayloadRow>| {
        tally.take(record);
        Ok(())
    };
    let entries = span.each(app, &tenant, |_| false, take).await?;
    let controls = tally.finish();
    Ok(PackStatus { pack, from: span.from, to: span.to, entries, controls })
}
