//! Stops.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Made, Ok200};
use axum::extract::State;
use chancery_api::page::{Page, PageQuery};
use chancery_api::stop::{SetStop, Stop};
use chancery_api::transaction::Justified;
use chancery_app::stops;
use chancery_base::StopId;
use std::sync::Arc;

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<SetStop>,
) -> Result<Made<Stop>, Failure> {
    let on = convert::stop_on(&body)?;
    let set = stops::set(&node.app, &grant, on, body.justification).await?;
    Ok(Made { existing: set.existing, body: convert::stop(set.stop) })
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Stop>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    Ok(Ok200(cursor::wire(stops::list(&node.app, &grant, &page)?, convert::stop)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<StopId>,
) -> Result<Ok200<Stop>, Failure> {
    Ok(Ok200(convert::stop(stops::get(&node.app, &grant, id)?)))
}

pub(crate) async fn lift(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<StopId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Stop>, Failure> {
    Ok(Ok200(convert::stop(stops::lift(&node.app, &grant, id, body.justification).await?)))
}
