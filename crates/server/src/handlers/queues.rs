//! Queues that steps wait in for workers.

use crate::convert;
use crate::extract::{Granted, Json, Param};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Empty, Ok200};
use axum::extract::State;
use chancery_api::Page;
use chancery_api::queue::{Queue, QueueSettings};
use chancery_app::queues;
use chancery_base::Name;
use std::sync::Arc;

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
) -> Result<Ok200<Page<Queue>>, Failure> {
    let items = queues::list(&node.app, &grant).await?.into_iter().map(convert::queue).collect();
    Ok(Ok200(Page { items, next: None }))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Ok200<Queue>, Failure> {
    Ok(Ok200(convert::queue(queues::get(&node.app, &grant, &name).await?)))
}

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<QueueSettings>,
) -> Result<Ok200<Queue>, Failure> {
    let settings = convert::queue_settings(&body)?;
    Ok(Ok200(convert::queue(queues::set(&node.app, &grant, &name, settings).await?)))
}

pub(crate) async fn reset(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Empty, Failure> {
    queues::reset(&node.app, &grant, &name).await?;
    Ok(Empty)
}
