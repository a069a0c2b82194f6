//! Settings that expressions see.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::page::{Page, PageQuery};
use chancery_api::settings::{SetSettings, Settings};
use chancery_app::settings::{self, Edit};
use std::sync::Arc;

pub(crate) async fn get(State(node): State<Arc<Node>>, Granted(grant): Granted) -> Result<Ok200<Settings>, Failure> {
    Ok(Ok200(convert::tenant_settings(settings::get(&node.app, &grant).await?)))
}

pub(crate) async fn put(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<SetSettings>,
) -> Result<Ok200<Settings>, Failure> {
    let set = settings::set(&node.app, &grant, Edit::Put(body.values), body.if_version).await?;
    Ok(Ok200(convert::tenant_settings(set)))
}

pub(crate) async fn patch(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<SetSettings>,
) -> Result<Ok200<Settings>, Failure> {
    let set = settings::set(&node.app, &grant, Edit::Patch(body.values), body.if_version).await?;
    Ok(Ok200(convert::tenant_settings(set)))
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Settings>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    Ok(Ok200(cursor::wire(settings::list(&node.app, &grant, page).await?, convert::tenant_settings)))
}
