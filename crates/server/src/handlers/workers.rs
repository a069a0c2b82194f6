//! Workers, and questions to policy.

use crate::convert;
use crate::extract::{CallerIs, Granted, Json, Staying};
use crate::failure::Failure;
use crate::gate::Node;
use crate::handlers::{may_ask_about, wait};
use crate::reply::Ok200;
use axum::extract::State;
use chancery_api::decision::{Decide, Decision};
use chancery_api::worker::{Exchange, Exchanged};
use chancery_app::{decisions, exchange};
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn exchange(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Staying(stay): Staying,
    Json(body): Json<Exchange>,
) -> Result<Ok200<Exchanged>, Failure> {
    let hold = wait(body.wait.as_deref())?.unwrap_or_default();
    let (mut call, misfits) = convert::call(body, hold)?;
    if call.is_held()
        && let Err(refused) = stay.poll()
    {
        // What it reports is taken all the same, and answered at once.
        if call.done.is_empty() {
            return Err(refused);
        }
        call.wait = Duration::ZERO;
    }
    let answered = exchange::exchange(&node.app, &grant, call).await?;
    Ok(Ok200(convert::exchanged(answered, misfits)))
}

pub(crate) async fn decide(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    Json(body): Json<Decide>,
) -> Result<Ok200<Decision>, Failure> {
    let question = convert::question(body)?;
    may_ask_about(&node, &caller, question.who.principal().into_iter()).await?;
    let decision = decisions::decide(&node.app, &grant, question).await?;
    Ok(Ok200(convert::decision(&decision)))
}
