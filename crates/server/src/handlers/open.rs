//! What the drivers of open transactions call.

use crate::convert;
use crate::extract::{Granted, Json, Param, StepParam};
use crate::failure::Failure;
use crate::gate::Node;
use crate::handlers::duration;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::open::{
    OpenAbort, OpenAcknowledged, OpenCommit, OpenHeard, OpenHeartbeat, OpenOutcome, OpenResume, OpenResumed, OpenStep,
    OpenStepped,
};
use chancery_api::transaction::StartedTransaction;
use chancery_app::driving;
use chancery_base::{Name, TransactionId};
use std::sync::Arc;

pub(crate) async fn step(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<OpenStep>,
) -> Result<Ok200<OpenStepped>, Failure> {
    let step = convert::open_step(body, duration)?;
    Ok(Ok200(convert::open_stepped(driving::step(&node.app, &grant, id, step).await?)))
}

pub(crate) async fn outcome(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    StepParam(step): StepParam<Name>,
    Json(body): Json<OpenOutcome>,
) -> Result<Ok200<OpenAcknowledged>, Failure> {
    let report = convert::open_outcome(body)?;
    let ack = driving::outcome(&node.app, &grant, id, step, report).await?;
    Ok(Ok200(OpenAcknowledged { ack: convert::ack(ack) }))
}

pub(crate) async fn commit(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<OpenCommit>,
) -> Result<Ok200<StartedTransaction>, Failure> {
    let result = driving::commit(&node.app, &grant, id, body.driver, body.output).await?;
    Ok(Ok200(convert::started(false, result)))
}

pub(crate) async fn abort(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<OpenAbort>,
) -> Result<Ok200<StartedTransaction>, Failure> {
    let result = driving::abort(&node.app, &grant, id, body.driver, body.reason).await?;
    Ok(Ok200(convert::started(false, result)))
}

pub(crate) async fn resume(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(OpenResume {}): Json<OpenResume>,
) -> Result<Ok200<OpenResumed>, Failure> {
    Ok(Ok200(convert::open_resumed(driving::resume(&node.app, &grant, id).await?)))
}

pub(crate) async fn heartbeat(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TransactionId>,
    Json(body): Json<OpenHeartbeat>,
) -> Result<Ok200<OpenHeard>, Failure> {
    let heard = driving::heartbeat(&node.app, &grant, id, body.driver).await?;
    Ok(Ok200(OpenHeard { lost_at: heard.lost_at }))
}
