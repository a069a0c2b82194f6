//! Schedules: what starts by itself.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Empty, Made, Ok200};
use axum::extract::State;
use chancery_api::page::{Page, PageQuery};
use chancery_api::schedule::{Schedule, ScheduleNote, ScheduleTerms, TriggerSchedule, TriggeredSchedule};
use chancery_app::schedules;
use chancery_base::Name;
use std::sync::Arc;

pub(crate) async fn create(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<ScheduleTerms>,
) -> Result<Made<Schedule>, Failure> {
    let (terms, input) = convert::schedule_terms(body)?;
    let made = schedules::create(&node.app, &grant, &name, terms, input).await?;
    Ok(Made { existing: false, body: convert::schedule(made) })
}

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<ScheduleTerms>,
) -> Result<Ok200<Schedule>, Failure> {
    let (terms, input) = convert::schedule_terms(body)?;
    Ok(Ok200(convert::schedule(schedules::set(&node.app, &grant, &name, terms, input).await?)))
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Schedule>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    Ok(Ok200(cursor::wire(schedules::list(&node.app, &grant, page).await?, convert::schedule)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Ok200<Schedule>, Failure> {
    Ok(Ok200(convert::schedule(schedules::get(&node.app, &grant, &name).await?)))
}

pub(crate) async fn pause(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<ScheduleNote>,
) -> Result<Ok200<Schedule>, Failure> {
    Ok(Ok200(convert::schedule(schedules::pause(&node.app, &grant, &name, body.note).await?)))
}

pub(crate) async fn resume(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<ScheduleNote>,
) -> Result<Ok200<Schedule>, Failure> {
    Ok(Ok200(convert::schedule(schedules::resume(&node.app, &grant, &name, body.note).await?)))
}

pub(crate) async fn trigger(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<TriggerSchedule>,
) -> Result<Ok200<TriggeredSchedule>, Failure> {
    let overlap = body.overlap.map(convert::overlap);
    Ok(Ok200(convert::triggered(schedules::trigger(&node.app, &grant, &name, overlap).await?)))
}

pub(crate) async fn delete(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Empty, Failure> {
    schedules::delete(&node.app, &grant, &name).await?;
    Ok(Empty)
}
