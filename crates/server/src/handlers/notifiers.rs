//! Notifiers.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Empty, Ok200};
use axum::extract::State;
use chancery_api::notifier::{Notifier, NotifierTested, SetNotifier};
use chancery_api::page::{Page, PageQuery};
use chancery_app::notifiers;
use chancery_base::Name;
use std::sync::Arc;

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Notifier>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    Ok(Ok200(cursor::wire(notifiers::list(&node.app, &grant, &page)?, convert::notifier)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Ok200<Notifier>, Failure> {
    Ok(Ok200(convert::notifier(notifiers::get(&node.app, &grant, &name)?)))
}

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<SetNotifier>,
) -> Result<Ok200<Notifier>, Failure> {
    let (settings, password) = convert::set_notifier(body);
    Ok(Ok200(convert::notifier(notifiers::set(&node.app, &grant, name, settings, password).await?)))
}

pub(crate) async fn delete(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Empty, Failure> {
    notifiers::delete(&node.app, &grant, &name).await?;
    Ok(Empty)
}

pub(crate) async fn test(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Ok200<NotifierTested>, Failure> {
    Ok(Ok200(convert::notifier_tested(notifiers::test(&node.app, &grant, &name).await?)))
}
