//! What steps reach, what their calls are signed with, and what they report later.

use crate::convert;
use crate::extract::{Granted, Json, Param};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Empty, Made, Ok200};
use axum::extract::State;
use chancery_api::Page;
use chancery_api::target::{
    Callback, CalledBack, ForceBreaker, IssueSigningSecret, IssuedSigningSecret, SigningSecret, Target, TargetSettings,
};
use chancery_app::{Error, callbacks, signing, targets};
use chancery_base::{SigningSecretId, TargetId, TenantId};
use std::sync::Arc;

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
) -> Result<Ok200<Page<Target>>, Failure> {
    let items = targets::list(&node.app, &grant).await?.into_iter().map(convert::target).collect();
    Ok(Ok200(Page { items, next: None }))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TargetId>,
) -> Result<Ok200<Target>, Failure> {
    Ok(Ok200(convert::target(targets::get(&node.app, &grant, &id).await?)))
}

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TargetId>,
    Json(body): Json<TargetSettings>,
) -> Result<Ok200<Target>, Failure> {
    let settings = convert::settings(&body)?;
    Ok(Ok200(convert::target(targets::set(&node.app, &grant, &id, settings).await?)))
}

pub(crate) async fn force(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<TargetId>,
    Json(body): Json<ForceBreaker>,
) -> Result<Ok200<Target>, Failure> {
    let forced = convert::forced(body.force);
    Ok(Ok200(convert::target(targets::force(&node.app, &grant, &id, forced, body.justification).await?)))
}

pub(crate) async fn secret_issue(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<IssueSigningSecret>,
) -> Result<Made<IssuedSigningSecret>, Failure> {
    let issued = signing::issue(&node.app, &grant, body.target).await?;
    Ok(Made { existing: false, body: convert::issued_signing_secret(issued) })
}

pub(crate) async fn secret_list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
) -> Result<Ok200<Page<SigningSecret>>, Failure> {
    let items = signing::list(&node.app, &grant)?.into_iter().map(convert::signing_secret).collect();
    Ok(Ok200(Page { items, next: None }))
}

pub(crate) async fn secret_retire(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<SigningSecretId>,
) -> Result<Empty, Failure> {
    signing::retire(&node.app, &grant, id).await?;
    Ok(Empty)
}

/// Whoever has the token may report. What is wrong with a tenant or a token is not told.
pub(crate) async fn callback(
    State(node): State<Arc<Node>>,
    Param(tenant): Param<String>,
    Json(body): Json<Callback>,
) -> Result<Ok200<CalledBack>, Failure> {
    let (token, outcome) = convert::callback(body)?;
    let tenant = tenant.parse::<TenantId>().ok().ok_or(Error::Unauthenticated)?;
    let token = token.ok_or(Error::Unauthenticated)?;
    Ok(Ok200(convert::called_back(callbacks::report(&node.app, &tenant, token, outcome).await?)))
}
