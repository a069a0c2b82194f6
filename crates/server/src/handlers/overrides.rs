//! Overrides.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Made, Ok200};
use axum::extract::State;
use chancery_api::over::{Override, OverridesQuery, RequestOverride};
use chancery_api::page::Page;
use chancery_api::transaction::Justified;
use chancery_app::overrides::{self, OverrideSay};
use chancery_base::OverrideId;
use std::sync::Arc;

pub(crate) async fn request(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<RequestOverride>,
) -> Result<Made<Override>, Failure> {
    let (kind, asked) = (convert::override_kind(body.kind), convert::asked(&body)?);
    let made = overrides::request(&node.app, &grant, kind, asked, body.until, body.justification).await?;
    Ok(Made { existing: false, body: convert::over(made) })
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<OverridesQuery>,
) -> Result<Ok200<Page<Override>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let found = overrides::list(&node.app, &grant, convert::override_query(&query), &page)?;
    Ok(Ok200(cursor::wire(found, convert::over)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<OverrideId>,
) -> Result<Ok200<Override>, Failure> {
    Ok(Ok200(convert::over(overrides::get(&node.app, &grant, id)?)))
}

pub(crate) async fn grant(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<OverrideId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Override>, Failure> {
    let said = overrides::say(&node.app, &grant, id, OverrideSay::Grant, body.justification).await?;
    Ok(Ok200(convert::over(said)))
}

pub(crate) async fn refuse(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<OverrideId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Override>, Failure> {
    let said = overrides::say(&node.app, &grant, id, OverrideSay::Refuse, body.justification).await?;
    Ok(Ok200(convert::over(said)))
}

pub(crate) async fn revoke(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<OverrideId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Override>, Failure> {
    let said = overrides::say(&node.app, &grant, id, OverrideSay::Revoke, body.justification).await?;
    Ok(Ok200(convert::over(said)))
}

pub(crate) async fn review(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<OverrideId>,
    Json(body): Json<Justified>,
) -> Result<Ok200<Override>, Failure> {
    let said = overrides::say(&node.app, &grant, id, OverrideSay::Review, body.justification).await?;
    Ok(Ok200(convert::over(said)))
}
