//! Capability tokens: issued when a task is delivered, after the commit that permits it; checked by others; revoked here.

use crate::app::App;
use crate::{Error, clock};
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_base::{PublicKey, TenantId};
use chancery_capability::{CapabilityError, Claims, Phase, Resource};
use chancery_policy::Grant;
use chancery_shard::input::{Capability, Command, Operation, Response, Task};
use chancery_shard::token::{CapabilityId, TaskToken};
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::warn;

/// The public keys that tokens are checked with; the first one signs.
#[must_use]
pub fn keys(app: &App) -> Vec<PublicKey> {
    app.keys().capability.public()
}

/// Has the token of an attempt that is out count no more: the attempt ends as unknown, what its worker reports is not
/// taken, and what can be undone is. Gives the number of the entry that says so. Who checks tokens without asking the
/// server takes it until it expires.
///
/// # Errors
/// If no justification is given, there is no such token, or its attempt is not out any more.
pub async fn revoke(app: &App, grant: &Grant, id: CapabilityId, justification: String) -> Result<u64, Error> {
    if justification.trim().is_empty() || justification.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a justification is needed, of at most {TEXT_BYTES_MAX} bytes")));
    }
    let operation = Operation { id: id.0.transaction, actor: grant.principal(), justification };
    match app.tenant(grant)?.pump.ask(Command::RevokeCapability(operation, id.0)).await? {
        Response::Done { seq: Some(seq) } => Ok(seq),
        Response::Done { seq: None }
        | Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Exchanged(_)
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Triggered(_) => Err(Error::Bug("a revocation was answered as something else")),
    }
}

/// Issues the tokens of tasks that have one, by the tasks' own tokens.
pub(crate) async fn issue(
    app: &App,
    tenant: &TenantId,
    tasks: &[Arc<Task>],
) -> Result<BTreeMap<TaskToken, String>, Error> {
    let mut issued = BTreeMap::new();
    for task in tasks {
        let Some(capability) = &task.capability else { continue };
        let mut entropy = clock::entropy()?;
        let claims = claims(tenant, task, capability)?;
        let token = app.keys().capability.issue(&claims, &mut entropy).map_err(|error| unissued(&error))?;
        issued.insert(task.token, token);
        // A signature takes its time, and a call may bring thousands of tasks.
        tokio::task::yield_now().await;
    }
    Ok(issued)
}

/// What a token says is within limits that definitions are held to.
fn unissued(error: &CapabilityError) -> Error {
    warn!("a capability token can't be issued: {error}");
    Error::Bug("a capability token can't be issued")
}

fn claims(tenant: &TenantId, task: &Task, capability: &Capability) -> Result<Claims, Error> {
    let id = CapabilityId(task.token.attempt)
        .to_string()
        .parse()
        .map_err(|_not_one| Error::Bug("an id of a token is no name"))?;
    Ok(Claims {
        id,
        tenant: tenant.clone(),
        principal: capability.principal,
        transaction: task.transaction,
        step: task.step.clone(),
        index: task.index,
        phase: match task.phase {
            chancery_engine::Phase::Do => Phase::Do,
            chancery_engine::Phase::Undo => Phase::Undo,
            chancery_engine::Phase::Confirm => Phase::Confirm,
        },
        attempt: task.attempt,
        input: capability.input,
        decision: task.decision,
        action: capability.action.clone(),
        resource: Resource { resource_type: capability.resource.kind.clone(), id: capability.resource.id.clone() },
        purpose: capability.purpose.clone(),
        budget: capability.budget,
        worker: capability.worker,
        key: capability.key,
        expires_at: capability.expires_at,
    })
}
