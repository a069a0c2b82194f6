//! Operations on a transaction.

use crate::convert;
use crate::cursor;
use crate::extract::{CallerIs, Granted, IdempotencyKey, Json, Param, TraceParent};
use crate::failure::Failure;
use crate::gate::Node;
use crate::handlers::wait;
use crate::reply::{Made, Ok200};
use axum::extract::State;
use chancery_api::Page;
use chancery_api::transaction::{
    Bulk, BulkResult, Cancel, ForkTransaction, Justified, Resolve, SendSignal, SentSignal, StartedTransaction,
    Transaction,
};
use chancery_app::{bulk, operations, signals, transactions};
use chancery_base::TransactionId;
use std::sync::Arc;

pub(crate) async fn cancel(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<Cancel>,
) -> Result<Ok200<Transaction>, Failure> {
    let view = operations::cancel(&node.app, &grant, id, body.justification).await?;
    Ok(Ok200(convert::transaction(view)))
}

pub(crate) async fn terminate(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Transaction>, Failure> {
    let view = operations::terminate(&node.app, &grant, id, body.justification).await?;
    Ok(Ok200(convert::transaction(view)))
}

pub(crate) async fn retry(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Transaction>, Failure> {
    let view = operations::retry(&node.app, &grant, id, body.justification).await?;
    Ok(Ok200(convert::transaction(view)))
}

pub(crate) async fn pause(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Transaction>, Failure> {
    let view = operations::pause(&node.app, &grant, id, body.justification).await?;
    Ok(Ok200(convert::transaction(view)))
}

pub(crate) async fn resume(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Transaction>, Failure> {
    let view = operations::resume(&node.app, &grant, id, body.justification).await?;
    Ok(Ok200(convert::transaction(view)))
}

pub(crate) async fn signal(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<SendSignal>,
) -> Result<Made<SentSignal>, Failure> {
    let (name, of_caller) = (body.name.clone(), body.id.clone());
    let sent = signals::send(&node.app, &grant, id, convert::signal(body)).await?;
    Ok(Made { existing: sent.existing, body: convert::sent(id, name, of_caller, sent) })
}

pub(crate) async fn resolve(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<Resolve>,
) -> Result<Ok200<Transaction>, Failure> {
    let view = operations::resolve(&node.app, &grant, id, convert::resolution(body)).await?;
    Ok(Ok200(convert::transaction(view)))
}

pub(crate) async fn fork(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    IdempotencyKey(key): IdempotencyKey,
    TraceParent(traceparent): TraceParent,
    Json(body): Json<ForkTransaction>,
) -> Result<Made<StartedTransaction>, Failure> {
    let hold = wait(body.wait.as_deref())?;
    let (started, result) =
        transactions::fork(&node.app, &grant, id, convert::fork(body, key, traceparent), hold).await?;
    Ok(Made { existing: started.existing, body: convert::started(started.existing, result) })
}

pub(crate) async fn bulk(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    Json(body): Json<Bulk>,
) -> Result<Ok200<Page<BulkResult>>, Failure> {
    let page = cursor::page(body.limit, body.cursor.as_deref())?;
    let done = bulk::page(&node.app, &grant, &caller, convert::bulk(body), page).await?;
    Ok(Ok200(cursor::wire(done, convert::operated)))
}
