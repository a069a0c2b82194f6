//! Evidence.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Made, Ok200, attachment};
use axum::extract::State;
use axum::response::Response;
use chancery_api::evidence::{AddEvidence, Evidence, EvidenceQuery};
use chancery_api::page::Page;
use chancery_app::evidence::{self, Wanted};
use chancery_base::EvidenceId;
use std::sync::Arc;

pub(crate) async fn add(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<AddEvidence>,
) -> Result<Made<Evidence>, Failure> {
    let added = evidence::add(&node.app, &grant, convert::artefact(body)?).await?;
    Ok(Made { existing: false, body: convert::evidence(added) })
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<EvidenceQuery>,
) -> Result<Ok200<Page<Evidence>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let wanted = Wanted { name: query.name, transaction: query.transaction };
    Ok(Ok200(cursor::wire(evidence::list(&node.app, &grant, &wanted, &page)?, convert::evidence)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<EvidenceId>,
) -> Result<Ok200<Evidence>, Failure> {
    Ok(Ok200(convert::evidence(evidence::get(&node.app, &grant, id)?)))
}

pub(crate) async fn content(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<EvidenceId>,
) -> Result<Response, Failure> {
    let (evidence, bytes) = evidence::content(&node.app, &grant, id).await?;
    attachment(&evidence.terms.media_type, bytes)
}
