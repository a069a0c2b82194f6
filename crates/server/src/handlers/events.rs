//! Events that steps emitted.

use crate::convert;
use crate::extract::{Granted, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::handlers::wait;
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::event::{Events, EventsQuery};
use chancery_app::events;
use std::sync::Arc;

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<EventsQuery>,
) -> Result<Ok200<Events>, Failure> {
    let hold = wait(query.wait.as_deref())?.unwrap_or_default();
    let query = convert::event_query(query)?;
    Ok(Ok200(convert::events(events::list(&node.app, &grant, query, hold).await?)))
}
