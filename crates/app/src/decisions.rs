//! Questions for the tenant's policy.

mod search;

pub use search::{Found, Sought, search};

use crate::Error;
use crate::app::App;
use chancery_base::PrincipalId;
use chancery_base::limits::EVALUATION_BYTES_MAX;
use chancery_policy::{Bundle, EntityRef, External, Grant, Information, Request, ResourceRef, Subject};
pub use chancery_shard::input::Until;
use chancery_shard::input::{Command, DecisionSummary, Question as ShardQuestion, Response};
use metrics::counter;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Who would act.
#[derive(Debug, Clone, PartialEq)]
pub enum Who {
    /// The caller.
    Caller,
    /// A principal of the directory. Naming another than the caller needs a role that may look at it.
    Principal(PrincipalId),
    /// Somebody that the directory does not know, and what is asserted of them.
    External(EntityRef, Map<String, Value>),
}

/// May somebody do this to that?
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Who.
    pub who: Who,
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

/// What came of one of several questions.
#[derive(Debug, Clone)]
pub enum Evaluated {
    /// It was decided, and the decision is recorded.
    Decided(Arc<DecisionSummary>),
    /// It is no question that can be put; why.
    Refused(String),
}

impl Who {
    /// Whom a type and id name: `User`, `Service` and `Agent` come from the directory.
    ///
    /// # Errors
    /// If something is asserted of a principal.
    pub fn named(entity: EntityRef, attributes: Map<String, Value>) -> Result<Self, String> {
        let id = entity.id.parse::<PrincipalId>().ok().filter(|id| id.kind().entity_type() == entity.kind);
        match id {
            Some(id) if attributes.is_empty() => Ok(Self::Principal(id)),
            Some(_) => Err("nothing may be asserted of a principal: its attributes come from the directory".to_owned()),
            // One of these types whose id is no principal's is unknown, which the decision says.
            None => Ok(Self::External(entity, attributes)),
        }
    }

    /// The principal that this asks about, if it is one.
    #[must_use]
    pub const fn principal(&self) -> Option<PrincipalId> {
        match self {
            Self::Principal(id) => Some(*id),
            Self::Caller | Self::External(..) => None,
        }
    }
}

/// Decides and records the decision.
///
/// # Errors
/// If the shard can't take the question now.
pub async fn decide(app: &App, grant: &Grant, question: Question) -> Result<Arc<DecisionSummary>, Error> {
    let decided = decide_all(app, grant, vec![question], Until::End).await?;
    decided.into_iter().next().ok_or(Error::Bug("a question was left without an answer"))
}

/// Decides several questions in their order and in one commit, and records the decisions. What is no question, or none
/// that the bundle in force lets be put, is refused in its place; that counts as a deny.
///
/// # Errors
/// If the shard can't take them now.
pub async fn evaluate(
    app: &App,
    grant: &Grant,
    questions: Vec<Result<Question, String>>,
    until: Until,
) -> Result<Vec<Evaluated>, Error> {
    let control = app.tenant(grant)?.control()?;
    let check = |question: Question| check(control.bundle.as_deref(), &question).map(|()| question);
    let mut checked: Vec<_> = questions.into_iter().map(|question| question.and_then(check)).collect();
    if until == Until::Deny
        && let Some(first) = checked.iter().position(Result::is_err)
    {
        checked.truncate(first + 1);
    }
    let sound = checked.iter().filter_map(|question| question.as_ref().ok()).cloned().collect();
    let mut decided = decide_all(app, grant, sound, until).await?.into_iter();
    let mut evaluated = Vec::with_capacity(checked.len());
    for question in checked {
        match question {
            Err(why) => evaluated.push(Evaluated::Refused(why)),
            Ok(_) => {
                // The shard answered up to the one that ends it.
                let Some(decision) = decided.next() else { break };
                let is_last = until.is_reached(decision.is_unconditional());
                evaluated.push(Evaluated::Decided(decision));
                if is_last {
                    break;
                }
            }
        }
    }
    Ok(evaluated)
}

/// A question as policy is asked it that is put to a bundle without being recorded.
pub(crate) async fn alone(app: &App, grant: &Grant, bundle: &Bundle, question: Question) -> Request {
    let information = inform(app, grant, Some(bundle), std::slice::from_ref(&question)).await;
    request(grant, question, &information)
}

async fn decide_all(
    app: &App,
    grant: &Grant,
    questions: Vec<Question>,
    until: Until,
) -> Result<Vec<Arc<DecisionSummary>>, Error> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let tenant = app.tenant(grant)?;
    let control = tenant.control()?;
    let information = inform(app, grant, control.bundle.as_deref(), &questions).await;
    let requests = questions.into_iter().map(|question| request(grant, question, &information)).collect();
    let command = Command::Decide(Box::new(ShardQuestion { actor: grant.principal(), requests, until }));
    match tenant.pump.ask(command).await? {
        Response::Decided(decided) => Ok(decided),
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Exchanged(_)
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Triggered(_)
        | Response::Done { .. } => Err(Error::Bug("a question was answered as something else")),
    }
}

/// Refuses what may not be asserted, and what is too large. Of a type that the schema does not declare nothing can be
/// said here: the decision says it.
fn check(bundle: Option<&Bundle>, question: &Question) -> Result<(), String> {
    let nobody = Map::new();
    let (who, asserted) = match &question.who {
        Who::External(entity, attributes) => (entity.kind.as_str(), attributes),
        Who::Caller | Who::Principal(_) => ("", &nobody),
    };
    let parts = [("subject", who, asserted), ("resource", &question.resource_type, &question.resource_attributes)];
    for (at, kind, asserted) in parts {
        let Some(bundle) = bundle.filter(|bundle| bundle.declares_type(kind)) else { continue };
        if let Some(name) = asserted.keys().find(|name| !bundle.is_asserted(kind, name)) {
            return Err(format!(
                "`{at}.properties.{name}` may not be given: the bundle's schema does not mark it @asserted on {kind}"
            ));
        }
    }
    let maps = [asserted, &question.resource_attributes, &question.context];
    let bytes: usize = maps.into_iter().map(|map| serde_json::to_vec(map).map_or(usize::MAX, |text| text.len())).sum();
    if bytes > EVALUATION_BYTES_MAX {
        return Err(format!("properties and context have {bytes} bytes, at most {EVALUATION_BYTES_MAX} are allowed"));
    }
    Ok(())
}

/// What the policy information point says of those whom neither the directory nor the bundle knows. Where there is none
/// nothing is said.
async fn inform(
    app: &App,
    grant: &Grant,
    bundle: Option<&Bundle>,
    questions: &[Question],
) -> BTreeMap<EntityRef, Information> {
    let Some(point) = app.information() else { return BTreeMap::new() };
    let mut information = BTreeMap::new();
    // All at once, so that several wait no longer than one; they end with the call that asks.
    let mut asking = JoinSet::new();
    for question in questions {
        let Who::External(entity, _) = &question.who else { continue };
        if entity.is_of_directory() || information.contains_key(entity) {
            continue;
        }
        let known = match bundle {
            Some(bundle) if bundle.has_entity(entity) => Information::InBundle,
            Some(bundle) if bundle.declares_type(&entity.kind) => {
                let (point, tenant, entity) = (Arc::clone(point), grant.tenant().clone(), entity.clone());
                asking.spawn(async move {
                    let said = point.ask(&tenant, &entity, crate::clock::instant()).await;
                    (entity, said)
                });
                Information::Missing("the call of the policy information point broke off".to_owned())
            }
            Some(_) | None => Information::Missing(format!("no bundle in force has an entity type `{}`", entity.kind)),
        };
        information.insert(entity.clone(), known);
    }
    while let Some(asked) = asking.join_next().await {
        // What broke off stays without an answer.
        let Ok((entity, said)) = asked else { continue };
        let outcome = if matches!(said, Information::Known { .. }) { "known" } else { "missing" };
        counter!("chancery_information_total", "outcome" => outcome).increment(1);
        information.insert(entity, said);
    }
    information
}

/// The question as policy takes it.
fn request(grant: &Grant, question: Question, information: &BTreeMap<EntityRef, Information>) -> Request {
    let principal = match question.who {
        Who::Caller => Subject::Principal(grant.principal()),
        Who::Principal(id) => Subject::Principal(id),
        Who::External(entity, attributes) => {
            let information = information.get(&entity).cloned().unwrap_or(Information::Unasked);
            External { entity, attributes, information }.into()
        }
    };
    Request {
        principal,
        action: question.action,
        resource: ResourceRef {
            entity: EntityRef::new(question.resource_type, question.resource_id),
            attributes: question.resource_attributes,
            parents: Vec::new(),
        },
        context: question.context,
        irreversible: false,
    }
}
