//! Reports.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, JsonDocument, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::json;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::page::Page;
use chancery_api::report::{
    AccessQuery, AccessRow, DutyPairs, OversightReport, ReportQuery, ResponsibilityReport, SeparationReport,
};
use chancery_app::reports;
use chancery_base::limits::BODY_BYTES_MAX;
use std::sync::Arc;

pub(crate) async fn responsibility(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(range): Query<ReportQuery>,
) -> Result<Ok200<ResponsibilityReport>, Failure> {
    let report = reports::responsibility(&node.app, &grant, (range.from, range.to)).await?;
    Ok(Ok200(convert::responsibility(report)))
}

pub(crate) async fn oversight(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(range): Query<ReportQuery>,
) -> Result<Ok200<OversightReport>, Failure> {
    Ok(Ok200(convert::oversight(reports::oversight(&node.app, &grant, (range.from, range.to)).await?)))
}

pub(crate) async fn access(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<AccessQuery>,
) -> Result<Ok200<Page<AccessRow>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let rows = reports::access(&node.app, &grant, query.denied, &page).await?;
    Ok(Ok200(cursor::wire(rows, convert::access_row)))
}

pub(crate) async fn separation(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(range): Query<ReportQuery>,
) -> Result<Ok200<SeparationReport>, Failure> {
    let pairs = reports::builtin_pairs(&grant)?;
    let report = reports::separation(&node.app, &grant, pairs, (range.from, range.to)).await?;
    Ok(Ok200(convert::separation(report)))
}

pub(crate) async fn separation_of(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(range): Query<ReportQuery>,
    JsonDocument(bytes): JsonDocument,
) -> Result<Ok200<SeparationReport>, Failure> {
    // What is not such a body at all is told so as of every body; the pairs are read with their places.
    json::read::<DutyPairs>(&bytes, BODY_BYTES_MAX)?;
    let pairs = reports::read_pairs(&grant, &bytes)?;
    let report = reports::separation(&node.app, &grant, pairs, (range.from, range.to)).await?;
    Ok(Ok200(convert::separation(report)))
}
