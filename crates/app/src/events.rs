//! Events that steps emitted: an entry each, read in the order of the log that they are on.

use crate::app::App;
use crate::tenant::Tenant;
use crate::transactions::{damaged, open};
use crate::{Error, clock};
use chancery_base::limits::{EVENT_LOOKS_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX, PAGE_STEP};
use chancery_base::{EventId, EventPattern, Name, Timestamp, TransactionId, json};
use chancery_engine::definition::Classes;
use chancery_engine::{Emission, Phase};
use chancery_ledger::{Origin, Record};
use chancery_policy::Grant;
use chancery_shard::row::{EntryRow, EventRow};
use chancery_store::{EventReach, EventSearch};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// What they are called; none: anything.
    pub types: Option<EventPattern>,
    /// What they are about; none: anything.
    pub subject: Option<String>,
    /// Where the page before ended; none: before the first event.
    pub after: Option<Position>,
    /// How many: 1 to [`PAGE_ROWS_MAX`]; what is beyond is cut.
    pub limit: usize,
}

/// How far a reader is: for each of the tenant's logs from which entry on it has yet to read. Between logs there is no
/// order, so nothing less says that nothing is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position(pub BTreeMap<(u16, u32), u64>);

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// The log that it is on.
    pub origin: Origin,
    /// What it is called.
    pub event_type: String,
    /// What it is about.
    pub subject: Option<String>,
    /// When it was emitted.
    pub time: Timestamp,
    /// The transaction whose step emitted it.
    pub transaction: TransactionId,
    /// The step or its compensation.
    pub phase: Phase,
    /// What emitted it, and what it says: none where the payload was erased.
    pub content: Option<Content>,
}

/// What is in an event's payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The transaction's definition.
    pub definition: Name,
    /// The step, or the clone of one: `ship[3]`.
    pub step: String,
    /// The classes of data that the transaction had come to use.
    pub taint: Classes,
    /// What it says.
    pub data: Value,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsView {
    /// Them, in order.
    pub items: Vec<EventView>,
    /// Where the next page begins, now or later.
    pub next: Position,
    /// There were no more.
    pub is_end: bool,
}

/// A page of the tenant's events. Where there is none it waits for one, for `hold` at most (and at most the configured
/// maximum). A page may have fewer than it could, or none, though more follow: it says where to go on.
///
/// # Errors
/// If the position is past the end of a log or of none of the tenant's, or the store does not answer.
pub async fn list(app: &App, grant: &Grant, query: Query, hold: Duration) -> Result<EventsView, Error> {
    let tenant = app.tenant(grant)?;
    let until = clock::instant() + hold.min(app.config().wait_max);
    let mut emitted = tenant.watch_events();
    let mut query = query;
    loop {
        // What comes after the look is seen.
        emitted.borrow_and_update();
        let page = look(app, &tenant, &query).await?;
        if !page.items.is_empty() || !page.is_end {
            return Ok(page);
        }
        query.after = Some(page.next.clone());
        tokio::select! {
            more = tokio::time::timeout_at(until, emitted.changed()) => {
                if !matches!(more, Ok(Ok(()))) {
                    return Ok(page);
                }
            }
            () = tenant.over() => return Ok(page),
        }
    }
}

/// What there is now.
async fn look(app: &App, tenant: &Tenant, query: &Query) -> Result<EventsView, Error> {
    // A tenant has one log on a node: what is said of several is that none is left out.
    let log = (tenant.origin.shard(), tenant.origin.generation());
    let mut next = query.after.clone().unwrap_or_default();
    check(&next, tenant)?;
    let from = next.0.get(&log).copied().unwrap_or(0);
    let search = EventSearch { types: query.types.clone(), subject: query.subject.clone() };
    let reach = EventReach { from, limit: query.limit.clamp(1, PAGE_ROWS_MAX), looks: EVENT_LOOKS_MAX };
    let found = app.store().events(tenant.log, search, reach).await?;
    let (items, cut) = read(app, tenant, &found.rows).await?;
    let is_end = found.is_end && cut.is_none();
    next.0.insert(log, cut.unwrap_or(found.next));
    Ok(EventsView { items, next, is_end })
}

/// A reader that is further than the log would miss what comes until the log has caught up with it.
fn check(position: &Position, tenant: &Tenant) -> Result<(), Error> {
    let log = (tenant.origin.shard(), tenant.origin.generation());
    let size = tenant.head().size;
    if position.0.keys().any(|of| *of != log) {
        return Err(Error::Invalid("`after` is of a log that the tenant does not have".to_owned()));
    }
    match position.0.get(&log) {
        Some(from) if *from > size => Err(Error::Invalid(format!(
            "`after` is at entry {from}, and the log ends at {size}: it is of another time of this log, before a restore; \
             begin anew without `after`"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Reads what events say: as many as a page may have bytes, but not less than one. They are fetched a few at a time, for
/// any of them may be large. Gives the entry of the first that was left out.
async fn read(app: &App, tenant: &Tenant, rows: &[EventRow]) -> Result<(Vec<EventView>, Option<u64>), Error> {
    // It is never closed; it is given back when this returns.
    let _turn = tenant.pages.acquire().await;
    let (mut items, mut bytes) = (Vec::with_capacity(rows.len()), 0_usize);
    for some in rows.chunks(PAGE_STEP) {
        let numbers = some.iter().map(|row| row.seq).collect();
        let entries = app.store().entries_at(tenant.log, numbers).await?;
        for row in some {
            if bytes > PAGE_BYTES_MAX {
                return Ok((items, Some(row.seq)));
            }
            let entry = entries.iter().find(|entry| entry.seq == row.seq);
            let missing = || damaged("an event")(format!("its entry {} is missing", row.seq));
            let view = view(&tenant.origin, row, entry.ok_or_else(missing)?)?;
            bytes += view.content.as_ref().map_or(0, |content| json::memory(&content.data));
            items.push(view);
        }
    }
    Ok((items, None))
}

fn view(origin: &Origin, row: &EventRow, entry: &EntryRow) -> Result<EventView, Error> {
    let broken = |part: &str| damaged("an event")(format!("entry {}: it has no proper `{part}`", entry.seq));
    let record = Record::parse(&entry.record).map_err(damaged("a record"))?;
    let id = record.data.get_word("event").and_then(|id| id.parse().ok());
    let phase = record.data.get_word("phase").and_then(Phase::from_word);
    let content = match &entry.payload {
        None => None,
        Some(payload) => {
            let mut payload = open(&payload.sealed)?;
            let emission = payload.get_mut("event").map(Value::take).unwrap_or_default();
            let emission: Emission = serde_json::from_value(emission).map_err(damaged("an event"))?;
            let data = payload.get_mut("input").map(Value::take).ok_or_else(|| broken("input"))?;
            let Emission { definition, step, taint, .. } = emission;
            Some(Content { definition, step, taint, data })
        }
    };
    Ok(EventView {
        id: id.ok_or_else(|| broken("event"))?,
        origin: origin.clone(),
        event_type: row.event_type.clone(),
        subject: row.subject.clone(),
        time: record.at,
        transaction: record.refs.transaction.ok_or_else(|| broken("transaction"))?,
        phase: phase.ok_or_else(|| broken("phase"))?,
        content,
    })
}
