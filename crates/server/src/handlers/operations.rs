//! Operations on a transaction.

use crate::convert;
use crate::cursor;
use crate::extract::{CallerIs, Granted, Json, Param};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::Page;
use chancery_api::transaction::{Bulk, BulkResult, Cancel, Justified, Resolve, Transaction};
use chancery_app::{bulk, operations};
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

pub(crate) async fn resolve(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<Resolve>,
) -> Result<Ok200<Transaction>, Failure> {
    let view = operations::resolve(&node.app, &grant, id, convert::resolution(body)).await?;
    Ok(Ok200(convert::transaction(view)))
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
