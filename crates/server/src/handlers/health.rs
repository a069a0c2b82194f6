//! Health, metrics and the `OpenAPI` document.

use crate::extract::Granted;
use crate::failure::Failure;
use crate::gate::{Node, authenticate};
use crate::{convert, reply, telemetry};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use chancery_api::health::{Health, HealthStatus};
use chancery_app::About;
use chancery_app::health::{self, HealthDetails};
use chancery_policy::Action;
use std::sync::Arc;

/// The process runs.
pub(crate) async fn live(State(node): State<Arc<Node>>, headers: HeaderMap) -> Result<Response, Failure> {
    answer(&node, &headers, health::health(&node.app).live).await
}

/// It takes requests.
pub(crate) async fn ready(State(node): State<Arc<Node>>, headers: HeaderMap) -> Result<Response, Failure> {
    answer(&node, &headers, health::health(&node.app).ready).await
}

/// It has taken requests.
pub(crate) async fn startup(State(node): State<Arc<Node>>, headers: HeaderMap) -> Result<Response, Failure> {
    answer(&node, &headers, health::health(&node.app).started).await
}

/// The `OpenAPI` document.
pub(crate) async fn openapi(State(node): State<Arc<Node>>) -> Response {
    reply::typed(StatusCode::OK, "application/json", node.openapi.clone())
}

/// What Prometheus scrapes.
pub(crate) async fn metrics(State(node): State<Arc<Node>>, Granted(_): Granted) -> Response {
    health::measure(&node.app).await;
    telemetry::measure(&node.connections, &node.tally);
    reply::typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", node.metrics.render())
}

async fn answer(node: &Node, headers: &HeaderMap, up: bool) -> Result<Response, Failure> {
    let status = if up { HealthStatus::Up } else { HealthStatus::Down };
    let code = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = match details(node, headers).await? {
        Some(details) => convert::health(status, &details),
        None => {
            let maintenance = health::health(&node.app).maintenance;
            Health { status, version: None, uptime_s: None, node: None, maintenance, checks: Vec::new() }
        }
    };
    Ok(reply::json(code, &body))
}

/// Details are for those who may see them: whoever shows a key that is not good enough is told nothing more than
/// whoever shows none.
async fn details(node: &Node, headers: &HeaderMap) -> Result<Option<HealthDetails>, Failure> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let caller = authenticate(&node.app, headers)?;
    if !node.app.permits(&caller, Action::HealthRead) {
        return Ok(None);
    }
    let grant = node.app.authorize(&caller, Action::HealthRead, About::Tenant).await?;
    Ok(Some(health::details(&node.app, &grant).await?))
}
