//! Definitions.

use crate::convert;
use crate::cursor;
use crate::extract::{Document, Granted, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{self, Made, Ok200};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chancery_api::definition::{Checked, Definition, DefinitionSummary, Registered, VersionQuery};
use chancery_api::page::{Page, PageQuery};
use chancery_app::definitions::{self, Format};
use chancery_base::Name;
use chancery_engine::definition::SCHEMA;
use std::sync::Arc;

pub(crate) async fn register(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    document: Document,
) -> Result<Made<Registered>, Failure> {
    let registered = definitions::register(&node.app, &grant, &document.bytes, format(&document)).await?;
    Ok(Made { existing: registered.existing, body: convert::registered(registered) })
}

pub(crate) async fn check(Granted(_): Granted, document: Document) -> Result<Ok200<Checked>, Failure> {
    Ok(Ok200(convert::checked(definitions::check(&document.bytes, format(&document))?)))
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<DefinitionSummary>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    let found = definitions::list(&node.app, &grant, page).await?;
    Ok(Ok200(cursor::wire(found, convert::definition_summary)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Query(query): Query<VersionQuery>,
) -> Result<Ok200<Definition>, Failure> {
    Ok(Ok200(convert::definition(definitions::get(&node.app, &grant, &name, query.version).await?)))
}

pub(crate) async fn schema(Granted(_): Granted) -> Response {
    reply::typed(StatusCode::OK, "application/schema+json", SCHEMA)
}

fn format(document: &Document) -> Format {
    if document.is_json { Format::Json } else { Format::Yaml }
}
