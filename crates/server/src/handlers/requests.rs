//! Requests to people.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::page::Page;
use chancery_api::request::{AnswerRequest, DeferRequest, DelegateRequest, PeopleRequest, RequestsQuery};
use chancery_app::requests;
use chancery_base::RequestId;
use std::sync::Arc;

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<RequestsQuery>,
) -> Result<Ok200<Page<PeopleRequest>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let found = requests::list(&node.app, &grant, convert::request_query(&query)?, page).await?;
    Ok(Ok200(cursor::wire(found, convert::request)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<RequestId>,
) -> Result<Ok200<PeopleRequest>, Failure> {
    Ok(Ok200(convert::request(requests::get(&node.app, &grant, id).await?)))
}

pub(crate) async fn acknowledge(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<RequestId>,
) -> Result<Ok200<PeopleRequest>, Failure> {
    Ok(Ok200(convert::request(requests::acknowledge(&node.app, &grant, id).await?)))
}

pub(crate) async fn answer(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<RequestId>,
    Json(body): Json<AnswerRequest>,
) -> Result<Ok200<PeopleRequest>, Failure> {
    let say = convert::say(body.answer);
    Ok(Ok200(convert::request(requests::answer(&node.app, &grant, id, say, body.justification).await?)))
}

pub(crate) async fn defer(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<RequestId>,
    Json(body): Json<DeferRequest>,
) -> Result<Ok200<PeopleRequest>, Failure> {
    Ok(Ok200(convert::request(requests::defer(&node.app, &grant, id, body.until, body.justification).await?)))
}

pub(crate) async fn delegate(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<RequestId>,
    Json(body): Json<DelegateRequest>,
) -> Result<Ok200<PeopleRequest>, Failure> {
    Ok(Ok200(convert::request(requests::delegate(&node.app, &grant, id, body.to, body.justification).await?)))
}
