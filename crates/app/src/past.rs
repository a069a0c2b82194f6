//! What is left of a transaction whose time is over: its entries.

use crate::Error;
use crate::app::App;
use crate::transactions::damaged;
use chancery_base::TransactionId;
use chancery_engine::definition::DefinitionKind;
use chancery_engine::{Beginning, Event, NodeRef};
use chancery_ledger::Record;
use chancery_policy::Grant;
use chancery_shard::entry::Recorded;
use chancery_shard::input::Refusal;
use chancery_shard::replay;
use chancery_shard::row::EntryRow;
use chancery_store::Store;
use std::sync::Arc;

/// Entries that are read at a time: each may have a large payload.
const PAGE: usize = 64;

/// Says of a transaction that is not there that it was, if so.
pub(crate) async fn or_expired<T>(app: &App, grant: &Grant, answer: Result<T, Error>) -> Result<T, Error> {
    match answer {
        Err(Error::Refused(Refusal::Missing(id))) => {
            let was_there = !app.store().history(grant, id, 0, 1).await?.is_empty();
            Err(if was_there { Error::Expired(id) } else { Error::Refused(Refusal::Missing(id)) })
        }
        Ok(_) | Err(_) => answer,
    }
}

/// How a transaction began; none where the tenant has no entry of it.
pub(crate) async fn beginning(
    store: &dyn Store,
    grant: &Grant,
    id: TransactionId,
) -> Result<Option<Arc<Beginning>>, Error> {
    let first = store.history(grant, id, 0, 1).await?;
    let Some((_, row)) = first.first() else { return Ok(None) };
    let Event::Started { beginning, .. } = event(row)? else {
        return Err(damaged("a transaction")(format!("the first entry of {id} is not its start")));
    };
    Ok(Some(beginning))
}

/// The step of a transaction that is called so, or the clone, and whether it polls, as its entries have it.
pub(crate) async fn node(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    step: &str,
) -> Result<Option<(NodeRef, bool)>, Error> {
    let beginning = beginning(app.store().as_ref(), grant, id).await?.ok_or(Error::Refused(Refusal::Missing(id)))?;
    let tenant = app.tenant(grant)?;
    let version = Some(beginning.version);
    let definition = tenant.definitions.resolve(app, grant, &tenant, &beginning.definition, version).await?;
    if definition.kind != DefinitionKind::Open {
        let polls = |node: NodeRef| definition.step(node.step).is_some_and(|step| step.poll.is_some());
        return Ok(definition.find_node(step).map(|node| (node, polls(node))));
    }
    // What the steps of an open one are called, their first entries say.
    let mut from = 0;
    loop {
        let page = app.store().history(grant, id, from, PAGE).await?;
        for (_, row) in &page {
            if let Some((node, intent)) = event(row)?.declares()
                && intent.step.as_str() == step
            {
                return Ok(Some((node, false)));
            }
        }
        let Some((_, last)) = page.last().filter(|_| page.len() == PAGE) else { return Ok(None) };
        from = last.transaction.map_or(from, |(_, n)| n) + 1;
    }
}

fn event(row: &EntryRow) -> Result<Event, Error> {
    let record = Record::parse(&row.record).map_err(damaged("a record"))?;
    match replay::read(&record, row).map_err(damaged("an entry"))? {
        Recorded::Event(event) => Ok(event),
        Recorded::Other(_) => Err(damaged("an entry")(format!("entry {} is of no transaction", row.seq))),
    }
}
