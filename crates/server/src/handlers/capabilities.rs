//! Capability tokens: the keys that they are checked with, and their revocation.

use crate::extract::{Granted, Json, Param};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::capability::{CapabilityKeys, RevokedCapability};
use chancery_api::transaction::Justified;
use chancery_app::capabilities;
use chancery_shard::token::CapabilityId;
use std::sync::Arc;

pub(crate) async fn keys(
    State(node): State<Arc<Node>>,
    Granted(_grant): Granted,
) -> Result<Ok200<CapabilityKeys>, Failure> {
    Ok(Ok200(CapabilityKeys { keys: capabilities::keys(&node.app) }))
}

pub(crate) async fn revoke(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<CapabilityId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<RevokedCapability>, Failure> {
    let seq = capabilities::revoke(&node.app, &grant, id, body.justification).await?;
    Ok(Ok200(RevokedCapability { id: id.to_string(), seq }))
}
