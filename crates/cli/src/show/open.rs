//! What the driver of an open transaction is told.

use super::time;
use crate::output::{Cell, Output, fields};
use chancery_api::open::{OpenHeard, OpenResumed, OpenStepped, Stepped};
use chancery_api::worker::{Ack, ReportError};
use chancery_base::{Document, TransactionId};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A resumption with the transaction that it is of.
#[derive(Debug, Serialize)]
pub(crate) struct Resumed {
    pub(crate) id: TransactionId,
    #[serde(flatten)]
    pub(crate) resumed: OpenResumed,
}

/// What was said of a step.
#[derive(Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) ack: Ack,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Arc<Document>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ReportError>,
}

pub(crate) fn resumed(out: &Output, body: &Resumed) -> String {
    let head = fields([
        ("transaction", Some(body.id.to_string())),
        ("driver", Some(body.resumed.driver.to_string())),
        ("lost at", Some(time(body.resumed.lost_at))),
    ]);
    let mut grid = out.grid(&["STEP", "STATUS", "ATTEMPTS"]);
    for step in &body.resumed.steps {
        grid.row([
            Cell::from(step.id.as_str()),
            Cell::from(step.status.as_str()),
            Cell::from(step.attempts.to_string()),
        ]);
    }
    format!("{head}\n{}", grid.text_or("no steps"))
}

pub(crate) fn stepped(body: &OpenStepped) -> String {
    let outcome = match body.outcome {
        Stepped::Permitted => "permitted",
        Stepped::Completed => "completed before",
        Stepped::Denied => "denied",
        Stepped::Waits => "waits: ask for it again",
        Stepped::Refused => "refused: it is not done under this id",
    };
    let permit = body.permit.as_ref();
    let reasons = body.denial.as_ref().map(|denial| {
        let texts: Vec<&str> = denial.reasons.iter().map(|reason| reason.text.as_str()).collect();
        texts.join("; ")
    });
    let (wait, refusal) = (body.wait.as_ref(), body.refusal.as_ref());
    let asked = wait.and_then(|wait| wait.request).or(refusal.map(|refusal| refusal.request));
    let until = permit.map(|permit| permit.deadline).or(wait.map(|wait| wait.until));
    fields([
        ("step", Some(outcome.to_owned())),
        ("task", permit.map(|permit| permit.task.clone())),
        ("attempt", permit.map(|permit| permit.attempt.to_string())),
        ("idempotency key", permit.map(|permit| permit.idempotency_key.clone())),
        (
            "limits",
            permit
                .filter(|permit| !permit.limits.is_empty())
                .map(|permit| Value::from(permit.limits.clone()).to_string()),
        ),
        ("request", asked.map(|request| request.to_string())),
        ("until", until.map(time)),
        ("output", body.output.as_ref().map(|output| output.canonical().to_owned())),
        ("because", reasons.or(refusal.map(|refusal| refusal.reason.clone()))),
    ])
}

pub(crate) fn said(body: &Said) -> String {
    let ack = match body.ack {
        Ack::Recorded => "recorded",
        Ack::Superseded => "too late: the attempt was over",
        Ack::Refused => "refused",
    };
    fields([
        ("outcome", Some(ack.to_owned())),
        ("output", body.output.as_ref().map(|output| output.canonical().to_owned())),
        ("error", body.error.as_ref().map(|error| format!("{}: {}", error.error_type, error.message))),
        ("took effect", body.error.as_ref().filter(|error| error.unknown).map(|_| "unknown".to_owned())),
    ])
}

pub(crate) fn heard(body: &OpenHeard) -> String {
    fields([("lost at", Some(time(body.lost_at)))])
}
