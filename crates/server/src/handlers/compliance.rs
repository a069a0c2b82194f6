//! Compliance packs, and how their controls stand.

use crate::convert;
use crate::extract::{Granted, JsonDocument, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::compliance::{CompliancePack, ComplianceQuery, ComplianceStatus};
use chancery_api::page::Page;
use chancery_app::compliance;
use chancery_base::Name;
use std::sync::Arc;

pub(crate) async fn list(Granted(grant): Granted) -> Result<Ok200<Page<CompliancePack>>, Failure> {
    let items = compliance::list(&grant)?.iter().map(|pack| convert::pack(pack)).collect();
    Ok(Ok200(Page { items, next: None }))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Query(range): Query<ComplianceQuery>,
) -> Result<Ok200<ComplianceStatus>, Failure> {
    let pack = compliance::find(&grant, &name)?;
    let status = compliance::status(&node.app, &grant, pack, (range.from, range.to)).await?;
    Ok(Ok200(convert::pack_status(&status)))
}

pub(crate) async fn status(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(range): Query<ComplianceQuery>,
    JsonDocument(bytes): JsonDocument,
) -> Result<Ok200<ComplianceStatus>, Failure> {
    let pack = compliance::read(&grant, &bytes)?;
    let status = compliance::status(&node.app, &grant, pack, (range.from, range.to)).await?;
    Ok(Ok200(convert::pack_status(&status)))
}
