//! Whether new transactions are taken.

use crate::convert;
use crate::extract::{Granted, Json};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::maintenance::{Maintenance, SetMaintenance};
use chancery_app::maintenance;
use std::sync::Arc;

pub(crate) async fn get(State(node): State<Arc<Node>>, Granted(grant): Granted) -> Result<Ok200<Maintenance>, Failure> {
    Ok(Ok200(convert::maintenance(maintenance::get(&node.app, &grant)?)))
}

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<SetMaintenance>,
) -> Result<Ok200<Maintenance>, Failure> {
    let view = maintenance::set(&node.app, &grant, body.on, body.justification).await?;
    Ok(Ok200(convert::maintenance(view)))
}
