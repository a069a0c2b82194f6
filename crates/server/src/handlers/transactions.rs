//! Starting transactions and looking at them.

use crate::convert;
use crate::cursor;
use crate::extract::{CallerIs, Granted, IdempotencyKey, Json, Param, Query, StepParam, TraceParent};
use crate::failure::Failure;
use crate::gate::Node;
use crate::handlers::wait;
use crate::reply::{Made, Ok200};
use axum::extract::State;
use chancery_api::ledger::Entry;
use chancery_api::page::{Page, PageQuery};
use chancery_api::transaction::{
    CountQuery, StartTransaction, StartedTransaction, Step, Transaction, TransactionCount, TransactionState,
    TransactionSummary, TransactionsQuery, WaitQuery,
};
use chancery_app::{About, transactions};
use chancery_base::{Name, TransactionId};
use chancery_policy::Action;
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn start(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    IdempotencyKey(key): IdempotencyKey,
    TraceParent(traceparent): TraceParent,
    Json(body): Json<StartTransaction>,
) -> Result<Made<StartedTransaction>, Failure> {
    let hold = wait(body.wait.as_deref())?;
    if body.signal.is_some() {
        node.app.authorize(&caller, Action::TransactionSignal, About::Tenant).await?;
    }
    if !body.faults.is_empty() {
        node.app.authorize(&caller, Action::FaultInject, About::Tenant).await?;
    }
    let start = convert::start(body, key, traceparent)?;
    let (started, result) = transactions::run(&node.app, &grant, start, hold).await?;
    Ok(Made { existing: started.existing, body: convert::started(started.existing, result) })
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { own_only, .. }: CallerIs,
    Query(query): Query<TransactionsQuery>,
) -> Result<Ok200<Page<TransactionSummary>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let search = convert::search(&query, own_only.then(|| grant.principal()))?;
    let found = transactions::list(&node.app, &grant, search, page).await?;
    Ok(Ok200(cursor::wire(found, convert::transaction_summary)))
}

pub(crate) async fn count(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { own_only, .. }: CallerIs,
    Query(query): Query<CountQuery>,
) -> Result<Ok200<TransactionCount>, Failure> {
    let search = convert::searched(query.search.as_deref(), own_only.then(|| grant.principal()))?;
    Ok(Ok200(convert::count(transactions::count(&node.app, &grant, search).await?)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
) -> Result<Ok200<Transaction>, Failure> {
    Ok(Ok200(convert::transaction(transactions::get(&node.app, &grant, id).await?)))
}

pub(crate) async fn query(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
) -> Result<Ok200<TransactionState>, Failure> {
    Ok(Ok200(convert::state(transactions::query(&node.app, &grant, id).await?)))
}

pub(crate) async fn result(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Query(query): Query<WaitQuery>,
) -> Result<Ok200<Transaction>, Failure> {
    let hold = wait(query.wait.as_deref())?.unwrap_or(Duration::ZERO);
    Ok(Ok200(convert::transaction(transactions::wait(&node.app, &grant, id, hold).await?)))
}

pub(crate) async fn history(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Entry>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let found = transactions::history(&node.app, &grant, id, page).await?;
    Ok(Ok200(cursor::wire(found, convert::entry)))
}

pub(crate) async fn clones(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    StepParam(step): StepParam<Name>,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Step>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let found = transactions::clones(&node.app, &grant, id, &step, page).await?;
    Ok(Ok200(cursor::wire(found, convert::step)))
}
