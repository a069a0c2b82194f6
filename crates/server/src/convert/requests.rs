//! Requests to people.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::request::{
    PeopleRequest, RequestAnswered, RequestDeferred, RequestDelegated, RequestSeen, RequestsQuery, SayRequest,
};
use chancery_app::requests::{Query, RequestStanding, RequestStatus, RequestView, Say};

pub(crate) fn request_query(query: &RequestsQuery) -> Result<Query, Failure> {
    let standing = match query.status.as_deref() {
        None | Some("open") => RequestStanding::Open,
        Some("any") => RequestStanding::Any,
        Some(word) => {
            let words = || RequestStatus::ALL.iter().map(|status| status.word()).collect::<Vec<_>>().join("`, `");
            let unknown = || invalid("status", &format!("`{word}` is none; there is `any`, `{}`", words()));
            RequestStanding::Is(RequestStatus::from_word(word).ok_or_else(unknown)?)
        }
    };
    let role = query.role.as_deref().map(str::parse).transpose();
    let transaction = query.transaction.as_deref().map(str::parse).transpose();
    Ok(Query {
        standing,
        role: role.map_err(|error: chancery_base::name::NameError| invalid("role", &error.to_string()))?,
        transaction: transaction
            .map_err(|error: chancery_base::id::IdError| invalid("transaction", &error.to_string()))?,
        mine: query.mine,
    })
}

pub(crate) const fn say(answer: SayRequest) -> Say {
    match answer {
        SayRequest::Approved => Say::Approved,
        SayRequest::Denied => Say::Denied,
    }
}

pub(crate) fn request(view: RequestView) -> PeopleRequest {
    let (body, request) = (view.body.clone(), &view.body.request);
    let terms = &request.terms;
    PeopleRequest {
        id: request.id,
        kind: terms.kind.word().to_owned(),
        status: request.status.word().to_owned(),
        title: terms.title.clone(),
        reason: Some(terms.reason.clone()).filter(|reason| !reason.is_empty()),
        trigger: terms.trigger.map(|trigger| trigger.word().to_owned()),
        transaction: view.transaction,
        step: body.step,
        definition: body.definition,
        version: body.version,
        definition_digest: body.definition_digest,
        input_digest: request.input,
        input: view.input,
        requester: body.requester,
        role: terms.role.clone(),
        approvers: terms.approvers,
        approvals: u32::try_from(request.yes_count()).unwrap_or(u32::MAX),
        risk: terms.risk,
        justification_min: terms.justification_min,
        opened_at: request.opened_at,
        due_at: request.due_at,
        decided_at: request.decided_at,
        acknowledged: request.acknowledged.map(|seen| RequestSeen { by: seen.by, at: seen.at }),
        answers: request.answers.iter().map(answered).collect(),
        deferrals: request.deferrals.iter().map(deferred).collect(),
        delegations: request.delegations.iter().map(delegated).collect(),
    }
}

fn answered(said: &chancery_engine::RequestAnswer) -> RequestAnswered {
    let (answer, justification) = (said.answer.word().to_owned(), said.justification.clone());
    RequestAnswered { answer, by: said.by, at: said.at, justification }
}

fn deferred(deferral: &chancery_engine::Deferral) -> RequestDeferred {
    let justification = deferral.justification.clone();
    RequestDeferred { by: deferral.by, at: deferral.at, until: deferral.until, justification }
}

fn delegated(delegation: &chancery_engine::Delegation) -> RequestDelegated {
    let justification = delegation.justification.clone();
    RequestDelegated { by: delegation.by, at: delegation.at, to: delegation.to, justification }
}
