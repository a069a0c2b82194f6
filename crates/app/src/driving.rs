//! Open transactions: what their drivers ask for.

use crate::app::App;
use crate::transactions::{self, ResultView};
use crate::{Error, past, payloads};
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_base::{Name, TransactionId};
use chancery_engine::Intent;
use chancery_policy::Grant;
use chancery_shard::input::{Ack, Command, Drive, Driven, Driving, Heard, Permit, Report, Response, Resumed, Stepped};
use serde_json::Value;
use std::sync::Arc;

/// A step that is asked for.
#[derive(Debug, Clone)]
pub struct Step {
    /// The driver's number.
    pub driver: u32,
    /// What is declared of it.
    pub intent: Intent,
    /// Its input.
    pub input: Value,
}

/// Asks for a step: returns when the permit, the denial or the claim is durable.
///
/// # Errors
/// If what is declared is wrong, the transaction is not open or another drives it, or its definition does not allow it.
pub async fn step(app: &App, grant: &Grant, id: TransactionId, step: Step) -> Result<Stepped, Error> {
    step.intent.check().map_err(Error::Invalid)?;
    let input = payloads::taken(step.input, "the input")?;
    let tenant = app.tenant(grant)?;
    let held = tenant.inputs.hold_more(id, &input)?;
    let answer =
        drive(app, grant, id, Driving::Step { driver: step.driver, intent: Arc::new(step.intent), input }).await;
    let is_first = |permit: &Permit| permit.is_new && permit.attempt == 1;
    let is_new = matches!(&answer, Ok(Driven::Stepped(Stepped::Permitted(permit))) if is_first(permit));
    if !is_new {
        tenant.inputs.hold_less(id, held);
    }
    match answer? {
        Driven::Stepped(stepped) => Ok(stepped),
        Driven::Acknowledged(_) | Driven::Settled | Driven::Resumed(_) | Driven::Heard(_) => Err(OTHERWISE),
    }
}

/// Records what came of a step.
///
/// # Errors
/// If there is no such step, or the token is not one of its.
pub async fn outcome(app: &App, grant: &Grant, id: TransactionId, step: Name, report: Report) -> Result<Ack, Error> {
    if report.task.attempt.transaction != id {
        return Err(Error::Missing(format!("task of step `{step}` with this token")));
    }
    match drive(app, grant, id, Driving::Outcome { step, report: payloads::reported(report) }).await? {
        Driven::Acknowledged(ack) => Ok(ack),
        Driven::Stepped(_) | Driven::Settled | Driven::Resumed(_) | Driven::Heard(_) => Err(OTHERWISE),
    }
}

/// Ends it as completed.
///
/// # Errors
/// If a step is out, its outcome is unknown, or it is recorded and this driver has not asked for it.
pub async fn commit(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    driver: u32,
    output: Value,
) -> Result<ResultView, Error> {
    let output = payloads::taken(output, "the output")?;
    settle(app, grant, id, Driving::Commit { driver, output }).await
}

/// Undoes what it did; it ends as cancelled.
///
/// # Errors
/// If it does not go forward, or another drives it.
pub async fn abort(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    driver: u32,
    reason: String,
) -> Result<ResultView, Error> {
    if reason.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a reason has at most {TEXT_BYTES_MAX} bytes")));
    }
    settle(app, grant, id, Driving::Abort { driver, reason }).await
}

/// Makes the caller its driver.
///
/// # Errors
/// If it does not go forward.
pub async fn resume(app: &App, grant: &Grant, id: TransactionId) -> Result<Resumed, Error> {
    match drive(app, grant, id, Driving::Resume).await? {
        Driven::Resumed(resumed) => Ok(resumed),
        Driven::Stepped(_) | Driven::Acknowledged(_) | Driven::Settled | Driven::Heard(_) => Err(OTHERWISE),
    }
}

/// Says that its driver lives.
///
/// # Errors
/// If it does not go forward, or another drives it.
pub async fn heartbeat(app: &App, grant: &Grant, id: TransactionId, driver: u32) -> Result<Heard, Error> {
    match drive(app, grant, id, Driving::Heartbeat { driver }).await? {
        Driven::Heard(heard) => Ok(heard),
        Driven::Stepped(_) | Driven::Acknowledged(_) | Driven::Settled | Driven::Resumed(_) => Err(OTHERWISE),
    }
}

const OTHERWISE: Error = Error::Bug("a driver's call was answered as something else");

async fn settle(app: &App, grant: &Grant, id: TransactionId, driving: Driving) -> Result<ResultView, Error> {
    match drive(app, grant, id, driving).await? {
        Driven::Settled => transactions::get(app, grant, id).await.map(ResultView::from),
        Driven::Stepped(_) | Driven::Acknowledged(_) | Driven::Resumed(_) | Driven::Heard(_) => Err(OTHERWISE),
    }
}

async fn drive(app: &App, grant: &Grant, id: TransactionId, driving: Driving) -> Result<Driven, Error> {
    let command = Command::Drive(Box::new(Drive { id, actor: grant.principal(), driving }));
    let answer = app.tenant(grant)?.pump.ask(command).await.map_err(Error::from);
    match past::or_expired(app, grant, answer).await? {
        Response::Driven(driven) => Ok(*driven),
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Exchanged(_)
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Decided(_)
        | Response::Triggered(_)
        | Response::Done { .. } => Err(OTHERWISE),
    }
}
