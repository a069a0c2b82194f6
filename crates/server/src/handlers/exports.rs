//! Exports.

use crate::convert;
use crate::extract::{CallerIs, Granted, Json};
use crate::failure::Failure;
use crate::gate::Node;
use crate::stream;
use axum::extract::State;
use axum::response::Response;
use chancery_api::export::MakeExport;
use chancery_app::{About, exports};
use chancery_policy::Action;
use std::sync::Arc;

/// Payloads take the permission to read them.
pub(crate) async fn make(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    Json(body): Json<MakeExport>,
) -> Result<Response, Failure> {
    if body.payloads {
        node.app.authorize(&caller, Action::LedgerRead, About::Tenant).await?;
    }
    let export = exports::make(&node.app, &grant, convert::export(body)?).await?;
    stream::export(export)
}
