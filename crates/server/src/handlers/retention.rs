//! How long what has ended is kept.

use crate::convert;
use crate::extract::{Granted, Json};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::retention::{Retention, SetRetention};
use chancery_app::retention;
use std::sync::Arc;

pub(crate) async fn get(State(node): State<Arc<Node>>, Granted(grant): Granted) -> Result<Ok200<Retention>, Failure> {
    Ok(Ok200(convert::retention(retention::get(&node.app, &grant).await?)))
}

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<SetRetention>,
) -> Result<Ok200<Retention>, Failure> {
    let said = convert::set_retention(&body)?;
    Ok(Ok200(convert::retention(retention::set(&node.app, &grant, said).await?)))
}
