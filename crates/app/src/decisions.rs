//! Questions for the tenant's policy.

use crate::Error;
use crate::app::App;
use chancery_base::PrincipalId;
use chancery_policy::{EntityRef, Grant, Request, ResourceRef};
use chancery_shard::input::{Command, DecisionSummary, Question as ShardQuestion, Response};
use serde_json::{Map, Value};
use std::sync::Arc;

/// May this principal do this to that?
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Who; the caller where none is named. Naming another needs a role that may: the grant says.
    pub principal: Option<PrincipalId>,
    /// The Cedar action's id.
    pub action: String,
    /// The Cedar entity type of what it is done to.
    pub resource_type: String,
    /// The id of what it is done to.
    pub resource_id: String,
    /// Asserted attributes of it.
    pub resource_attributes: Map<String, Value>,
    /// Context.
    pub context: Map<String, Value>,
}

/// Decides and records the decision.
///
/// # Errors
/// If the question does not fit the schema, or the shard can't take it now.
pub async fn decide(app: &App, grant: &Grant, question: Question) -> Result<Arc<DecisionSummary>, Error> {
    let request = Request {
        principal: question.principal.unwrap_or_else(|| grant.principal()),
        action: question.action,
        resource: ResourceRef {
            entity: EntityRef::new(question.resource_type, question.resource_id),
            attributes: question.resource_attributes,
            parents: Vec::new(),
        },
        context: question.context,
    };
    let command = Command::Decide(Box::new(ShardQuestion { actor: grant.principal(), request }));
    match app.tenant(grant)?.pump.ask(command).await? {
        Response::Decided(decision) => Ok(decision),
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Exchanged(_)
        | Response::Operated(_)
        | Response::Driven(_)
        | Response::Triggered(_)
        | Response::Done { .. } => Err(Error::Bug("a question was answered as something else")),
    }
}
