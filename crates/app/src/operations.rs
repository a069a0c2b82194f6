//! Operations on a running transaction.

use crate::Error;
use crate::app::App;
use crate::transactions::{self, TransactionView};
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_base::{Document, TransactionId};
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
    operate(app, grant, Command::Cancel(operation(grant, id, justification)?), id).await
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
    let operation = justified(operation(grant, id, justification)?)?;
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
    let operation = justified(operation(grant, id, justification)?)?;
    operate(app, grant, Command::Retry(operation), id).await
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
    let operation = justified(operation(grant, id, resolution.justification)?)?;
    operate(app, grant, Command::Resolve(operation, resolution.step, Document::shared(resolution.output)), id).await
}

fn operation(grant: &Grant, id: TransactionId, justification: String) -> Result<Operation, Error> {
    if justification.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a justification has at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(Operation { id, actor: grant.principal(), justification })
}

fn justified(operation: Operation) -> Result<Operation, Error> {
    if operation.justification.trim().is_empty() {
        return Err(Error::Invalid(String::from("a justification is needed")));
    }
    Ok(operation)
}

async fn operate(app: &App, grant: &Grant, command: Command, id: TransactionId) -> Result<TransactionView, Error> {
    let tenant = app.tenant(grant)?;
    match tenant.pump.ask(command).await? {
        Response::Operated(_) => transactions::get(app, grant, id).await,
        Response::Started { .. } | Response::Exchanged(_) | Response::Decided(_) | Response::Done { .. } => {
            Err(Error::Bug("an operation was answered as something else"))
        }
    }
}
