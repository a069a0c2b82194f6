//! Policy bundles.

use crate::convert;
use crate::cursor;
use crate::extract::{CallerIs, Granted, Json, JsonDocument, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Empty, Made, Ok200};
use axum::extract::State;
use chancery_api::bundle::{
    AcceptQuery, Activated, Bundle, BundleSummary, ReplayBundle, Replayed, Shadowed, SimulateBundle, Simulated,
};
use chancery_api::decision::Decide;
use chancery_api::definition::{Checked, Registered};
use chancery_api::page::{Page, PageQuery};
use chancery_app::bundles::replay::Range;
use chancery_app::{About, bundles};
use chancery_base::Digest;
use chancery_policy::Action;
use std::sync::Arc;

pub(crate) async fn push(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    JsonDocument(bytes): JsonDocument,
) -> Result<Made<Registered>, Failure> {
    let registered = bundles::push(&node.app, &grant, &bytes).await?;
    Ok(Made { existing: registered.existing, body: convert::registered(registered) })
}

pub(crate) async fn check(Granted(_): Granted, JsonDocument(bytes): JsonDocument) -> Result<Ok200<Checked>, Failure> {
    Ok(Ok200(convert::checked(bundles::check(&bytes)?)))
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<BundleSummary>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let found = bundles::list(&node.app, &grant, page).await?;
    Ok(Ok200(cursor::wire(found, convert::bundle_summary)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(digest): Param<Digest>,
) -> Result<Ok200<Bundle>, Failure> {
    Ok(Ok200(convert::bundle(bundles::get(&node.app, &grant, digest).await?)))
}

pub(crate) async fn activate(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(digest): Param<Digest>,
    Query(query): Query<AcceptQuery>,
) -> Result<Ok200<Activated>, Failure> {
    let activated = bundles::activate(&node.app, &grant, digest, query.accept.unwrap_or(0)).await?;
    Ok(Ok200(convert::activated(activated)))
}

/// Asking for another principal tells what it may do, which takes the right to look at it.
pub(crate) async fn simulate(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    Param(digest): Param<Digest>,
    Json(body): Json<Decide>,
) -> Result<Ok200<Simulated>, Failure> {
    if body.principal.is_some_and(|principal| principal != grant.principal()) {
        node.app.authorize(&caller, Action::PrincipalRead, About::Tenant).await?;
    }
    let decision = bundles::simulate(&node.app, &grant, digest, convert::question(body)?).await?;
    Ok(Ok200(convert::simulated(&decision)))
}

pub(crate) async fn shadow(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(digest): Param<Digest>,
) -> Result<Ok200<Shadowed>, Failure> {
    let entry = bundles::shadow(&node.app, &grant, Some(digest)).await?;
    Ok(Ok200(Shadowed { digest, entry }))
}

pub(crate) async fn shadow_end(State(node): State<Arc<Node>>, Granted(grant): Granted) -> Result<Empty, Failure> {
    bundles::shadow(&node.app, &grant, None).await?;
    Ok(Empty)
}

/// As [`simulate`]. The body is read as a bundle is, of which it may have as many values.
pub(crate) async fn simulate_source(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    JsonDocument(bytes): JsonDocument,
) -> Result<Ok200<Simulated>, Failure> {
    let SimulateBundle { bundle, question } = convert::simulate_bundle(&bytes)?;
    if question.principal.is_some_and(|principal| principal != grant.principal()) {
        node.app.authorize(&caller, Action::PrincipalRead, About::Tenant).await?;
    }
    let question = convert::question(question)?;
    let decision = bundles::simulate_source(&node.app, &grant, &bundle, question).await?;
    Ok(Ok200(convert::simulated(&decision)))
}

pub(crate) async fn replay(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(digest): Param<Digest>,
    Json(body): Json<ReplayBundle>,
) -> Result<Ok200<Replayed>, Failure> {
    let ReplayBundle { from, to, since, until } = body;
    let range = Range { from: from.unwrap_or(0), to, since, until };
    let bundles::replay::Replayed { report, next } = bundles::replay::replay(&node.app, &grant, digest, range).await?;
    Ok(Ok200(Replayed { next, ..convert::replayed(digest, report) }))
}

pub(crate) async fn rollback(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<AcceptQuery>,
) -> Result<Ok200<Activated>, Failure> {
    let activated = bundles::rollback(&node.app, &grant, query.accept.unwrap_or(0)).await?;
    Ok(Ok200(convert::activated(activated)))
}
