//! Requests to people: the inbox, and what people say.

use crate::app::App;
use crate::operations::check;
use crate::page::{Page, Paged};
use crate::transactions::damaged;
use crate::{Error, past};
use chancery_base::limits::{PAGE_ROWS_MAX, REQUEST_LOOKS_MAX};
use chancery_base::{Name, PrincipalId, RequestId, Timestamp, TransactionId, json};
use chancery_engine::definition::StepIndex;
use chancery_engine::{NodeRef, Person, RequestRefusal};
pub use chancery_engine::{RequestStatus, Say};
use chancery_policy::Grant;
pub use chancery_shard::RequestBody;
use chancery_shard::input::{Command, Refusal, RequestAsk, RequestCommand, Response};
use chancery_shard::row::RequestRow;
use chancery_shard::rows;
pub use chancery_store::RequestStanding;
use chancery_store::{RequestReach, RequestSearch};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where a page of requests ended: they come in the order in which they are due.
pub type Due = (Timestamp, RequestId);

/// Which requests are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Where they stand.
    pub standing: RequestStanding,
    /// The role of those who may answer.
    pub role: Option<Name>,
    /// Whose they are.
    pub transaction: Option<TransactionId>,
    /// Only those that the caller can answer now.
    pub mine: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestView {
    /// Whose it is.
    pub transaction: TransactionId,
    /// What is known of it.
    pub body: RequestBody,
    /// The input that it is about, where one request is looked at; none: it was erased.
    pub input: Option<Value>,
}

/// A page of the tenant's requests, what is due first before what is due later. Where only the caller's own are meant a
/// page may be short, though more follow.
///
/// # Errors
/// If the store does not answer.
pub async fn list(app: &App, grant: &Grant, query: Query, page: Page<Due>) -> Result<Paged<RequestView, Due>, Error> {
    let tenant = app.tenant(grant)?;
    let search = RequestSearch { standing: query.standing, role: query.role, transaction: query.transaction };
    let rows = page.rows();
    if !query.mine {
        let reach = RequestReach { after: page.after, limit: rows + 1 };
        let found = app.store().requests(tenant.log, search, reach).await?;
        let views = found.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        return Ok(Paged::cut(views, rows, due));
    }
    let (control, nobody) = (tenant.control()?, BTreeSet::new());
    let roles = control.directory.principal(&grant.principal()).map_or(&nobody, |principal| &principal.roles);
    let person = Person { id: grant.principal(), roles };
    let (mut items, mut after) = (Vec::new(), page.after);
    for _ in 0..REQUEST_LOOKS_MAX / PAGE_ROWS_MAX {
        let reach = RequestReach { after, limit: PAGE_ROWS_MAX };
        let found = app.store().requests(tenant.log, search.clone(), reach).await?;
        for row in &found {
            if items.len() == rows {
                return Ok(Paged { items, next: after });
            }
            let view = view(row)?;
            after = Some(due(&view));
            if view.body.request.shuts_out_person(person, view.body.requester).is_none() {
                items.push(view);
            }
        }
        if found.len() < PAGE_ROWS_MAX {
            return Ok(Paged { items, next: None });
        }
    }
    Ok(Paged { items, next: after })
}

/// A request, with the input that it is about.
///
/// # Errors
/// If there is no such request.
pub async fn get(app: &App, grant: &Grant, id: RequestId) -> Result<RequestView, Error> {
    let row = row(app, grant, id).await?;
    with_input(app, &row, view(&row)?).await
}

/// Says that the caller has seen a request.
///
/// # Errors
/// If there is no such request, or the caller may not answer it.
pub async fn acknowledge(app: &App, grant: &Grant, id: RequestId) -> Result<RequestView, Error> {
    say(app, grant, id, RequestAsk::Acknowledge).await
}

/// Answers a request: returns when the answer is durable, and what follows from it.
///
/// # Errors
/// If there is no such request, the caller may not answer it, or the justification is too short or too long.
pub async fn answer(
    app: &App,
    grant: &Grant,
    id: RequestId,
    answer: Say,
    justification: String,
) -> Result<RequestView, Error> {
    check(&justification)?;
    say(app, grant, id, RequestAsk::Answer { answer, justification }).await
}

/// Puts a request off: it may be answered until that time.
///
/// # Errors
/// As [`answer`], and if the time is past or too far away.
pub async fn defer(
    app: &App,
    grant: &Grant,
    id: RequestId,
    until: Timestamp,
    justification: String,
) -> Result<RequestView, Error> {
    check(&justification)?;
    say(app, grant, id, RequestAsk::Defer { until, justification }).await
}

/// Hands the caller's say on to another person.
///
/// # Errors
/// As [`answer`], and if that person could not answer it either.
pub async fn delegate(
    app: &App,
    grant: &Grant,
    id: RequestId,
    to: PrincipalId,
    justification: String,
) -> Result<RequestView, Error> {
    check(&justification)?;
    say(app, grant, id, RequestAsk::Delegate { to, justification }).await
}

async fn say(app: &App, grant: &Grant, id: RequestId, ask: RequestAsk) -> Result<RequestView, Error> {
    let row = row(app, grant, id).await?;
    if row.decided_at.is_some() {
        return Err(Refusal::Illegal(RequestRefusal::Closed(row.status).into()).into());
    }
    let tenant = app.tenant(grant)?;
    let command = RequestCommand {
        transaction: row.transaction,
        node: NodeRef { step: StepIndex(row.step), clone: row.clone },
        request: id,
        actor: grant.principal(),
        ask,
    };
    let answer = tenant.pump.ask(Command::Request(Box::new(command))).await.map_err(Error::from);
    match past::or_expired(app, grant, answer).await? {
        Response::Requested(body) => {
            let view = RequestView { transaction: row.transaction, body: *body, input: None };
            with_input(app, &row, view).await
        }
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Exchanged(_)
        | Response::Operated(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Triggered(_)
        | Response::Done { .. } => Err(Error::Bug("what was said to a request was answered as something else")),
    }
}

async fn row(app: &App, grant: &Grant, id: RequestId) -> Result<RequestRow, Error> {
    let row = app.store().request(grant, id).await?;
    row.ok_or_else(|| Error::Missing(format!("request {id}")))
}

fn view(row: &RequestRow) -> Result<RequestView, Error> {
    let body = rows::request(row).map_err(damaged("a request"))?;
    Ok(RequestView { transaction: row.transaction, body, input: None })
}

fn due(view: &RequestView) -> Due {
    (view.body.request.due_at, view.body.request.id)
}

/// What the request is about is in the entry that opened it.
async fn with_input(app: &App, row: &RequestRow, view: RequestView) -> Result<RequestView, Error> {
    let entries = app.store().entries(row.log, view.body.request.opened_seq, 1, true).await?;
    let payload = entries.first().and_then(|entry| entry.payload.as_ref()).and_then(|payload| payload.sealed.open());
    let input = payload.and_then(json::Members::read).and_then(|payload| payload.document("input"));
    Ok(RequestView { input: input.map(|input| input.value().clone()), ..view })
}
