//! One operation on every transaction that a search finds, a page at a time.
//!
//! Nothing is kept between pages: the cursor says when the whole began and how far it is. It goes from the newest to
//! the oldest of those that had started then, so that it ends whatever starts meanwhile, and going on twice from one
//! cursor does no harm, since each operation says itself whether there is still something to do.

use crate::app::{About, App, Caller};
use crate::operations::{self, Reasoned};
use crate::page::{Page, Paged};
use crate::{Error, clock};
use chancery_base::limits::SEARCH_LOOKS_MAX;
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::ShownStatus;
use chancery_engine::search::{Condition, Search, Side};
use chancery_policy::{Action, Grant};
use chancery_shard::input::Command;
use chancery_store::Reach;
use std::time::Duration;

/// What is done to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Undo what was done and end as cancelled.
    Cancel,
    /// End at once.
    Terminate,
    /// Try what is parked again.
    Retry,
    /// Hand nothing out until it is resumed.
    Pause,
    /// Have what is paused go on.
    Resume,
}

/// What is done, to which, and why.
#[derive(Debug, Clone)]
pub struct Bulk {
    /// What finds them.
    pub search: String,
    /// What is done to each.
    pub operation: Operation,
    /// Why: it stands in the entry of each.
    pub justification: String,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the whole began: ages in the search count back from then, and what started later is left alone.
    pub began: Timestamp,
    /// The transaction that it came to last.
    pub last: TransactionId,
}

/// What became of one.
#[derive(Debug)]
pub struct Operated {
    /// Which.
    pub id: TransactionId,
    /// What it is doing, or why nothing was done.
    pub outcome: Result<ShownStatus, Error>,
}

impl Operation {
    const fn action(self) -> Action {
        match self {
            Self::Cancel => Action::TransactionCancel,
            Self::Terminate => Action::TransactionTerminate,
            Self::Retry => Action::TransactionRetry,
            Self::Pause => Action::TransactionPause,
            Self::Resume => Action::TransactionResume,
        }
    }

    const fn command(self, operation: chancery_shard::input::Operation) -> Command {
        match self {
            Self::Cancel => Command::Cancel(operation),
            Self::Terminate => Command::Terminate(operation),
            Self::Retry => Command::Retry(operation),
            Self::Pause => Command::Pause(operation),
            Self::Resume => Command::Resume(operation),
        }
    }
}

/// Does it to a page of them, and says of each what came of it, newest first.
///
/// # Errors
/// If the caller may not do this to any transaction of the tenant, the search does not read, or no justification is
/// given. What is refused for one transaction is in its outcome.
pub async fn page(
    app: &App,
    grant: &Grant,
    caller: &Caller,
    bulk: Bulk,
    page: Page<Place>,
) -> Result<Paged<Operated, Place>, Error> {
    let reasoned = Reasoned::new(bulk.justification)?;
    let began = page.after.map_or_else(clock::now, |place| place.began);
    let search = Search::parse(&bulk.search, began)?;
    if search.terms().is_empty() {
        return Err(Error::Invalid(String::from("a search is needed: without one it would be every transaction")));
    }
    // The instant itself is on neither side of it.
    let after = began.plus(Duration::from_micros(1));
    let search = search.and(Condition::Started(Side::Before, after));
    let each = app.authorize(caller, bulk.operation.action(), About::Tenant).await?;
    let reach = Reach { before: page.after.map(|place| place.last), limit: page.rows() + 1, looks: SEARCH_LOOKS_MAX };
    let found = app.store().transactions(grant, search, reach).await?;
    let ids = found.rows.iter().map(|row| row.id).collect();
    let ids: Paged<TransactionId, TransactionId> = Paged::cut(ids, page.rows(), |id| *id);
    let next = ids.next.or(found.floor).map(|last| Place { began, last });
    Ok(Paged { items: operate(app, &each, bulk.operation, &reasoned, ids.items).await?, next })
}

/// Has all of them done at once, so that they share commits.
async fn operate(
    app: &App,
    grant: &Grant,
    operation: Operation,
    reasoned: &Reasoned,
    ids: Vec<TransactionId>,
) -> Result<Vec<Operated>, Error> {
    let tenant = app.tenant(grant)?;
    let asked = ids.into_iter().map(|id| {
        let command = operation.command(reasoned.operation(grant, id));
        let tenant = std::sync::Arc::clone(&tenant);
        (id, app.tasks().spawn(async move { tenant.pump.ask(command).await }))
    });
    let asked: Vec<_> = asked.collect();
    let mut operated = Vec::with_capacity(asked.len());
    for (id, answer) in asked {
        let answer = answer.await.unwrap_or(Err(chancery_shard::input::Refusal::Stopping));
        let outcome = answer.map_err(Error::from).and_then(|answer| operations::operated(&answer));
        operated.push(Operated { id, outcome });
    }
    Ok(operated)
}
