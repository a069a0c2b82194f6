//! The Authorization API 1.0 of `OpenID` `AuthZEN`.

use crate::convert::{self, SearchCall};
use crate::extract::{AccessJson, CallerIs, Granted};
use crate::failure::Failure;
use crate::gate::Node;
use crate::handlers::may_ask_about;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::authzen::{
    AccessActionSearch, AccessConfiguration, AccessDecision, AccessDecisions, AccessEvaluation, AccessEvaluations,
    AccessFound, AccessResourceSearch, AccessSubjectSearch,
};
use chancery_app::decisions::{self, Until};
use chancery_app::{About, Caller};
use chancery_policy::{Action, Grant};
use std::sync::Arc;

/// Where the API is.
pub(crate) async fn configuration(State(node): State<Arc<Node>>) -> Ok200<AccessConfiguration> {
    Ok200(convert::access_configuration(&node.base_url))
}

pub(crate) async fn evaluation(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    AccessJson(body): AccessJson<AccessEvaluation>,
) -> Result<Ok200<AccessDecision>, Failure> {
    let question = convert::access_evaluation(body)?;
    may_ask_about(&node, &caller, question.who.principal().into_iter()).await?;
    let evaluated = decisions::evaluate(&node.app, &grant, vec![Ok(question)], Until::End).await?;
    Ok(Ok200(convert::access_decision(evaluated)?))
}

pub(crate) async fn evaluations(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    AccessJson(body): AccessJson<AccessEvaluations>,
) -> Result<Ok200<AccessDecisions>, Failure> {
    let asked = convert::access_evaluations(body)?;
    let named = asked.questions.iter().filter_map(|question| question.as_ref().ok()?.who.principal());
    may_ask_about(&node, &caller, named).await?;
    let evaluated = decisions::evaluate(&node.app, &grant, asked.questions, asked.until).await?;
    Ok(Ok200(convert::access_decisions(evaluated, asked.is_one)?))
}

pub(crate) async fn search_subject(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    AccessJson(body): AccessJson<AccessSubjectSearch>,
) -> Result<Ok200<AccessFound>, Failure> {
    search(&node, &grant, &caller, convert::sought_subjects(body)?).await
}

pub(crate) async fn search_resource(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    AccessJson(body): AccessJson<AccessResourceSearch>,
) -> Result<Ok200<AccessFound>, Failure> {
    search(&node, &grant, &caller, convert::sought_resources(body)?).await
}

pub(crate) async fn search_action(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    AccessJson(body): AccessJson<AccessActionSearch>,
) -> Result<Ok200<AccessFound>, Failure> {
    search(&node, &grant, &caller, convert::sought_actions(body)?).await
}

/// Finding principals tells who there is, which takes the right to list them.
async fn search(node: &Node, grant: &Grant, caller: &Caller, call: SearchCall) -> Result<Ok200<AccessFound>, Failure> {
    if call.lists_principals() {
        node.app.authorize(caller, Action::PrincipalList, About::Tenant).await?;
    }
    may_ask_about(node, caller, call.question.who.principal().into_iter()).await?;
    let page = (call.after.as_deref(), call.limit);
    let found = decisions::search(&node.app, grant, call.question.clone(), call.sought, page).await?;
    Ok(Ok200(convert::access_found(&call, found)))
}
