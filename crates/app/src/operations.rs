//! Operations on a running transaction.

use crate::app::App;
use crate::transactions::{self, TransactionView};
use crate::{Error, past, payloads};
use chancery_base::TransactionId;
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_engine::ShownStatus;
use chancery_policy::Grant;
use chancery_shard::input::{Command, Operation, Response};
use serde_json::Value;

/// How a parked step or compensation is to count.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    /// The step that it is parked at, or the clone of one: `ship[3]`.
    pub step: String,
    /// Why.
    pub justification: String,
    /// It counts as completed with this output.
    pub output: Value,
}

/// Why something is done by hand: not empty, and not too long.
#[derive(Debug, Clone)]
pub(crate) struct Reasoned(String);

impl Reasoned {
    pub(crate) fn new(justification: String) -> Result<Self, Error> {
        check(&justification)?;
        if justification.trim().is_empty() {
            return Err(Error::Invalid(String::from("a justification is needed")));
        }
        Ok(Self(justification))
    }

    /// The reason.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// What is asked of a shard for this reason.
    pub(crate) fn operation(&self, grant: &Grant, id: TransactionId) -> Operation {
        Operation { id, actor: grant.principal(), justification: self.0.clone() }
    }
}

/// Compensates what was done and ends as cancelled. The justification may be empty.
///
/// # Errors
/// If there is no such transaction, or it has ended.
pub async fn cancel(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    justification: String,
) -> Result<TransactionView, Error> {
    check(&justification)?;
    let operation = Operation { id, actor: grant.principal(), justification };
    operate(app, grant, Command::Cancel(operation), id).await
}

/// Ends it at once; nothing is undone.
///
/// # Errors
/// If there is no such transaction, it has ended, or no justification is given.
pub async fn terminate(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    justification: String,
) -> Result<TransactionView, Error> {
    let operation = Reasoned::new(justification)?.operation(grant, id);
    operate(app, grant, Command::Terminate(operation), id).await
}

/// Tries everything again that waits for a person.
///
/// # Errors
/// If there is no such transaction, nothing of it waits for a person, or no justification is given.
pub async fn retry(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    justification: String,
) -> Result<TransactionView, Error> {
    let operation = Reasoned::new(justification)?.operation(grant, id);
    operate(app, grant, Command::Retry(operation), id).await
}

/// Hands nothing of it out until it is resumed; what is out comes in.
///
/// # Errors
/// If there is no such transaction, it has ended, is parked or paused, or no justification is given.
pub async fn pause(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    justification: String,
) -> Result<TransactionView, Error> {
    let operation = Reasoned::new(justification)?.operation(grant, id);
    operate(app, grant, Command::Pause(operation), id).await
}

/// Has it go on; what came due while it was paused fires at once.
///
/// # Errors
/// If there is no such transaction, it is not paused, or no justification is given.
pub async fn resume(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    justification: String,
) -> Result<TransactionView, Error> {
    let operation = Reasoned::new(justification)?.operation(grant, id);
    operate(app, grant, Command::Resume(operation), id).await
}

/// Says by hand how a step or a compensation ended that waits for a person.
///
/// # Errors
/// If there is no such transaction, that step of it does not wait for a person, or no justification is given.
pub async fn resolve(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    resolution: Resolution,
) -> Result<TransactionView, Error> {
    let operation = Reasoned::new(resolution.justification)?.operation(grant, id);
    let output = payloads::taken(resolution.output, "the output")?;
    operate(app, grant, Command::Resolve(operation, resolution.step, output), id).await
}

pub(crate) fn check(justification: &str) -> Result<(), Error> {
    if justification.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a justification has at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}

async fn operate(app: &App, grant: &Grant, command: Command, id: TransactionId) -> Result<TransactionView, Error> {
    let tenant = app.tenant(grant)?;
    operated(&past::or_expired(app, grant, tenant.pump.ask(command).await.map_err(Error::from)).await?)?;
    transactions::get(app, grant, id).await
}

/// What a transaction is doing that was operated on.
pub(crate) fn operated(answer: &Response) -> Result<ShownStatus, Error> {
    match answer {
        Response::Operated(summary) => Ok(summary.status),
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Exchanged(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Triggered(_)
        | Response::Done { .. } => Err(Error::Bug("an operation was answered as something else")),
    }
}
