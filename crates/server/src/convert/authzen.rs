//! The Authorization API.

use super::records::obligation;
use crate::extract::invalid;
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_api::authzen::{
    AccessAction, AccessActionSearch, AccessConfiguration, AccessContext, AccessDecision, AccessDecisions,
    AccessDefaults, AccessEntity, AccessError, AccessEvaluation, AccessEvaluations, AccessFound, AccessNext,
    AccessPage, AccessRequest, AccessResourceSearch, AccessResult, AccessSemantic, AccessSought, AccessSubjectSearch,
};
use chancery_app::decisions::{Evaluated, Found, Question, Sought, Until, Who};
use chancery_base::limits::{EVALUATION_BYTES_MAX, EVALUATIONS_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use chancery_base::{Digest, json};
use chancery_policy::EntityRef;
use chancery_shard::input::DecisionSummary;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The name in the context under which policies see an action's properties.
const ACTION: &str = "action";
/// Bytes of a page's token: it has an id in it, whose length the bundle's author chose.
const TOKEN_BYTES_MAX: usize = 16 << 10;
const PERMITTED: &str = "200";
const DENIED: &str = "403";

/// Several evaluations as the application takes them.
#[derive(Debug)]
pub(crate) struct Evaluations {
    /// What is asked, or what is wrong with it.
    pub(crate) questions: Vec<Result<Question, String>>,
    /// After which the rest is left out.
    pub(crate) until: Until,
    /// Whether the one question is answered as one.
    pub(crate) is_one: bool,
}

/// A search as the application takes it.
#[derive(Debug)]
pub(crate) struct SearchCall {
    /// What policy is asked, but for what is sought.
    pub(crate) question: Question,
    /// What is sought.
    pub(crate) sought: Sought,
    /// Where the page begins.
    pub(crate) after: Option<String>,
    /// How many it has at most.
    pub(crate) limit: usize,
    /// Over all that must be the same for every page.
    digest: Digest,
}

/// What a page's token says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    /// Of which search.
    search: Digest,
    /// The last candidate of the page before.
    after: String,
    /// How many its pages have at most.
    limit: usize,
}

/// Where the API is, at a server that is reached there.
pub(crate) fn access_configuration(base: &str) -> AccessConfiguration {
    AccessConfiguration {
        policy_decision_point: base.to_owned(),
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
        search_subject_endpoint: format!("{base}/access/v1/search/subject"),
        search_resource_endpoint: format!("{base}/access/v1/search/resource"),
        search_action_endpoint: format!("{base}/access/v1/search/action"),
    }
}

/// One question.
pub(crate) fn access_evaluation(body: AccessEvaluation) -> Result<Question, Failure> {
    question(body).map_err(|why| invalid("the evaluation", &why))
}

/// Several questions.
pub(crate) fn access_evaluations(body: AccessEvaluations) -> Result<Evaluations, Failure> {
    let AccessEvaluations { defaults, evaluations, options } = body;
    if evaluations.is_empty() {
        let question = access_evaluation(merged(&defaults, AccessDefaults::default()).map_err(|why| wrong(&why))?)?;
        return Ok(Evaluations { questions: vec![Ok(question)], until: Until::End, is_one: true });
    }
    if evaluations.len() > EVALUATIONS_MAX {
        let what = format!("{} of them, at most {EVALUATIONS_MAX} are allowed", evaluations.len());
        return Err(invalid("evaluations", &what));
    }
    // They are copied into each evaluation.
    let bytes = serde_json::to_vec(&defaults).map_or(usize::MAX, |text| text.len());
    if bytes > EVALUATION_BYTES_MAX {
        let what = format!("{bytes} bytes, at most {EVALUATION_BYTES_MAX} are allowed");
        return Err(invalid("the defaults of evaluations", &what));
    }
    let until = match options.and_then(|options| options.evaluations_semantic).unwrap_or_default() {
        AccessSemantic::ExecuteAll => Until::End,
        AccessSemantic::DenyOnFirstDeny => Until::Deny,
        AccessSemantic::PermitOnFirstPermit => Until::Permit,
    };
    let one = |item: Value| {
        let own: AccessDefaults = serde_json::from_value(item).map_err(|error| error.to_string())?;
        question(merged(&defaults, own)?)
    };
    let questions = evaluations.into_iter().map(one).collect();
    Ok(Evaluations { questions, until, is_one: false })
}

fn wrong(why: &str) -> Failure {
    invalid("the body", why)
}

/// An evaluation with what it leaves out: each of its members is its own or the default, whole.
fn merged(defaults: &AccessDefaults, own: AccessDefaults) -> Result<AccessEvaluation, String> {
    let missing = |name: &str| format!("missing field `{name}`");
    Ok(AccessEvaluation {
        subject: own.subject.or_else(|| defaults.subject.clone()).ok_or_else(|| missing("subject"))?,
        action: own.action.or_else(|| defaults.action.clone()).ok_or_else(|| missing("action"))?,
        resource: own.resource.or_else(|| defaults.resource.clone()).ok_or_else(|| missing("resource"))?,
        context: own.context.or_else(|| defaults.context.clone()),
    })
}

fn question(body: AccessEvaluation) -> Result<Question, String> {
    let AccessEvaluation { subject, action, resource, context } = body;
    Ok(Question {
        who: who(subject)?,
        context: with_properties(context, action.properties)?,
        action: action.name,
        resource_type: resource.entity_type,
        resource_id: resource.id,
        resource_attributes: resource.properties.unwrap_or_default(),
    })
}

fn who(subject: AccessEntity) -> Result<Who, String> {
    let entity = EntityRef::new(subject.entity_type, subject.id);
    Who::named(entity, subject.properties.unwrap_or_default()).map_err(|why| format!("`subject.properties`: {why}"))
}

/// The context with the action's properties in it: Cedar's actions have no attributes.
fn with_properties(
    context: Option<Map<String, Value>>,
    properties: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, String> {
    let mut context = context.unwrap_or_default();
    if let Some(properties) = properties.filter(|properties| !properties.is_empty())
        && context.insert(ACTION.to_owned(), Value::Object(properties)).is_some()
    {
        return Err(format!("`context.{ACTION}` may not be given: the action's properties are it"));
    }
    Ok(context)
}

/// A search for subjects.
pub(crate) fn sought_subjects(body: AccessSubjectSearch) -> Result<SearchCall, Failure> {
    let digest = digest(&AccessSubjectSearch { page: None, ..body.clone() })?;
    let AccessSubjectSearch { subject: AccessSought { entity_type, properties }, action, resource, context, page } =
        body;
    let entity = EntityRef::new(entity_type, "");
    let properties = properties.unwrap_or_default();
    if entity.is_of_directory() && !properties.is_empty() {
        return Err(invalid("subject.properties", "attributes of principals come from the directory"));
    }
    let question = Question {
        who: Who::External(entity, properties),
        context: with_properties(context, action.properties).map_err(|why| wrong(&why))?,
        action: action.name,
        resource_type: resource.entity_type,
        resource_id: resource.id,
        resource_attributes: resource.properties.unwrap_or_default(),
    };
    call(question, Sought::Subjects, page, digest)
}

/// A search for resources.
pub(crate) fn sought_resources(body: AccessResourceSearch) -> Result<SearchCall, Failure> {
    let digest = digest(&AccessResourceSearch { page: None, ..body.clone() })?;
    let AccessResourceSearch { subject, action, resource, context, page } = body;
    let question = Question {
        who: who(subject).map_err(|why| wrong(&why))?,
        context: with_properties(context, action.properties).map_err(|why| wrong(&why))?,
        action: action.name,
        resource_type: resource.entity_type,
        resource_id: String::new(),
        resource_attributes: resource.properties.unwrap_or_default(),
    };
    call(question, Sought::Resources, page, digest)
}

/// A search for actions.
pub(crate) fn sought_actions(body: AccessActionSearch) -> Result<SearchCall, Failure> {
    let digest = digest(&AccessActionSearch { page: None, ..body.clone() })?;
    let AccessActionSearch { subject, resource, context, page } = body;
    let question = Question {
        who: who(subject).map_err(|why| wrong(&why))?,
        action: String::new(),
        resource_type: resource.entity_type,
        resource_id: resource.id,
        resource_attributes: resource.properties.unwrap_or_default(),
        context: context.unwrap_or_default(),
    };
    call(question, Sought::Actions, page, digest)
}

/// What is sought is part of it: bodies of different searches differ in their members.
fn digest(body: &impl Serialize) -> Result<Digest, Failure> {
    let value = serde_json::to_value(body).map_err(|error| Failure::bug(error.to_string()))?;
    Ok(Digest::of(&json::canonical(&value)))
}

fn call(question: Question, sought: Sought, page: Option<AccessPage>, digest: Digest) -> Result<SearchCall, Failure> {
    let AccessPage { token, limit } = page.unwrap_or_default();
    let token = token.filter(|token| !token.is_empty()).map(|token| read(&token)).transpose()?;
    let changed = |what| invalid("page.token", &format!("it belongs to a search with another {what}"));
    if token.as_ref().is_some_and(|token| token.search != digest) {
        return Err(changed("question"));
    }
    let limit = match (limit, &token) {
        (Some(0), _) => return Err(invalid("page.limit", "it must be at least 1")),
        (Some(limit), Some(token)) if limit.min(PAGE_ROWS_MAX) != token.limit => return Err(changed("limit")),
        (Some(limit), _) => limit.min(PAGE_ROWS_MAX),
        (None, Some(token)) => token.limit,
        (None, None) => PAGE_ROWS_DEFAULT,
    };
    Ok(SearchCall { question, sought, after: token.map(|token| token.after), limit, digest })
}

fn read(token: &str) -> Result<Token, Failure> {
    let read = || {
        let bytes = Some(token).filter(|token| token.len() <= TOKEN_BYTES_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(bytes).ok()?;
        serde_json::from_slice::<Token>(&bytes).ok().filter(|token| (1..=PAGE_ROWS_MAX).contains(&token.limit))
    };
    read().ok_or_else(|| invalid("page.token", "it is not one that a search gave"))
}

impl SearchCall {
    /// Whether it tells which principals there are.
    pub(crate) fn lists_principals(&self) -> bool {
        match (self.sought, &self.question.who) {
            (Sought::Subjects, Who::External(entity, _)) => entity.is_of_directory(),
            (Sought::Subjects | Sought::Actions, _) => false,
            (Sought::Resources, _) => EntityRef::new(&self.question.resource_type, "").is_of_directory(),
        }
    }
}

/// What was found, as it is sent.
pub(crate) fn access_found(call: &SearchCall, found: Found) -> AccessFound {
    let next_token = found.next.map(|after| {
        let token = Token { search: call.digest, after, limit: call.limit };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    });
    let kind = match (call.sought, &call.question.who) {
        (Sought::Subjects, Who::External(entity, _)) => entity.kind.as_str(),
        (Sought::Subjects | Sought::Resources | Sought::Actions, _) => call.question.resource_type.as_str(),
    };
    let result = |id: String| match call.sought {
        Sought::Actions => AccessResult::Action(AccessAction { name: id, properties: None }),
        Sought::Subjects | Sought::Resources => {
            AccessResult::Entity(AccessEntity { entity_type: kind.to_owned(), id, properties: None })
        }
    };
    let context =
        found.missing.map(|why| AccessContext { reason_admin: reason(DENIED, why), ..AccessContext::default() });
    AccessFound {
        page: AccessNext { next_token: next_token.unwrap_or_default(), count: found.ids.len() },
        context,
        results: found.ids.into_iter().map(result).collect(),
    }
}

/// The one decision, as it is sent. What is no question is a bad request, never a deny.
pub(crate) fn access_decision(evaluated: Vec<Evaluated>) -> Result<AccessDecision, Failure> {
    match evaluated.into_iter().next() {
        Some(Evaluated::Decided(decision)) => Ok(decided(&decision)),
        Some(Evaluated::Refused(why)) => Err(wrong(&why)),
        None => Err(Failure::bug(String::from("a question was left without an answer"))),
    }
}

/// Several decisions, as they are sent.
pub(crate) fn access_decisions(evaluated: Vec<Evaluated>, is_one: bool) -> Result<AccessDecisions, Failure> {
    if is_one {
        return Ok(AccessDecisions { one: Some(access_decision(evaluated)?), evaluations: None });
    }
    let each = |evaluated| match evaluated {
        Evaluated::Decided(decision) => decided(&decision),
        Evaluated::Refused(message) => AccessDecision {
            decision: false,
            context: AccessContext { error: Some(AccessError { status: 400, message }), ..AccessContext::default() },
        },
    };
    Ok(AccessDecisions { evaluations: Some(evaluated.into_iter().map(each).collect()), one: None })
}

fn decided(decision: &DecisionSummary) -> AccessDecision {
    let permitted = decision.is_unconditional();
    let status = if permitted { PERMITTED } else { DENIED };
    let all: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
    // The subject learns what policies say of themselves, not how they are called, nor what the schema is like.
    let own = decision.reasons.iter().filter(|reason| reason.policy.is_some()).map(|reason| reason.text.as_str());
    let own: Vec<&str> = own.collect();
    let own = if own.is_empty() { "this is not permitted".to_owned() } else { own.join("; ") };
    // What is demanded first is no yes to somebody who may not know what an obligation is.
    let demanded: Vec<_> = decision.obligations.iter().map(obligation).collect();
    AccessDecision {
        decision: permitted,
        context: AccessContext {
            id: Some(decision.id),
            entry: Some(decision.seq),
            bundle: decision.bundle,
            reason_admin: reason(status, all.join("; ")),
            reason_user: reason(status, own),
            access_request: (!demanded.is_empty()).then_some(AccessRequest { obligations: demanded }),
            error: None,
        },
    }
}

fn reason(status: &str, text: String) -> BTreeMap<String, String> {
    BTreeMap::from([(status.to_owned(), text)])
}
