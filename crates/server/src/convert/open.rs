//! Open transactions.

use super::workers::failed;
use crate::extract::invalid;
use crate::failure::{self, Failure};
use chancery_api::open::{
    OpenDenial, OpenHttp, OpenOutcome, OpenPermit, OpenRecorded, OpenRefusal, OpenResource, OpenResumed, OpenStep,
    OpenStepped, OpenUndo, OpenWait, Stepped,
};
use chancery_app::driving::Step;
use chancery_engine::definition::{Method, OnError, Retry, TIMEOUT_DEFAULT};
use chancery_engine::{Intent, IntentResource, IntentTarget, IntentUndo};
use chancery_shard::input::{self, Report, ReportedOutcome};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Reads a duration that the caller wrote under a name.
type ReadDuration = fn(&str, &str) -> Result<Duration, Failure>;

/// A step as the application takes it.
pub(crate) fn open_step(body: OpenStep, duration: ReadDuration) -> Result<Step, Failure> {
    let intent = Intent {
        action: body.action,
        classes: body.classes,
        purpose: body.purpose,
        resource: body.resource.map(resource),
        step: body.id,
        timeout_ms: millis("timeout", body.timeout.as_deref(), duration)?,
        undo: body.undo.map(|body| undo(body, duration)).transpose()?,
    };
    Ok(Step { driver: body.driver, intent, input: body.input })
}

fn millis(name: &str, text: Option<&str>, duration: ReadDuration) -> Result<u64, Failure> {
    let timeout = text.map(|text| duration(name, text)).transpose()?.unwrap_or(TIMEOUT_DEFAULT);
    Ok(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
}

fn resource(body: OpenResource) -> IntentResource {
    IntentResource { attributes: body.attributes, id: body.id, resource_type: body.resource_type }
}

fn undo(body: OpenUndo, duration: ReadDuration) -> Result<IntentUndo, Failure> {
    let target = match (body.worker, body.http) {
        (Some(worker), None) => IntentTarget::Worker(worker),
        (None, Some(http)) => target(http)?,
        (Some(_), Some(_)) | (None, None) => return Err(invalid("undo", "it takes one of `worker` and `http`")),
    };
    let on_error = body.on_error.as_deref().map(|word| {
        let words = OnError::ALL.map(OnError::word).join("`, `");
        let found = OnError::ALL.into_iter().find(|action| action.word() == word);
        found.ok_or_else(|| invalid("undo.on_error", &format!("it is one of `{words}`")))
    });
    Ok(IntentUndo {
        attempts: body.attempts.unwrap_or(Retry::default().attempts),
        critical: body.critical,
        input: body.input,
        on_error: on_error.transpose()?,
        target,
        timeout_ms: millis("undo.timeout", body.timeout.as_deref(), duration)?,
    })
}

fn target(body: OpenHttp) -> Result<IntentTarget, Failure> {
    let word = body.method.as_deref().unwrap_or(Method::Post.word());
    let method = Method::ALL.into_iter().find(|method| method.word() == word);
    let method = method.ok_or_else(|| {
        invalid("undo.http.method", &format!("it is one of `{}`", Method::ALL.map(Method::word).join("`, `")))
    })?;
    let mut headers = BTreeMap::new();
    for (name, value) in body.headers {
        if headers.insert(name.to_ascii_lowercase(), value).is_some() {
            return Err(invalid("undo.http.headers", &format!("the header `{name}` stands twice")));
        }
    }
    Ok(IntentTarget::Http { headers, method, url: body.url })
}

/// An outcome as the application takes it.
pub(crate) fn open_outcome(body: OpenOutcome) -> Result<Report, Failure> {
    let outcome = match (body.output, body.error) {
        (Some(output), None) => ReportedOutcome::Completed(output),
        (None, Some(error)) => failed(error),
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid("the outcome", "it takes one of `output` and `error`"));
        }
    };
    let task =
        body.task.parse().map_err(|error: chancery_shard::token::TokenError| invalid("task", &error.to_string()))?;
    Ok(Report { task, outcome })
}

/// What a step came to, as it is sent.
pub(crate) fn open_stepped(stepped: input::Stepped) -> OpenStepped {
    let nothing =
        |outcome| OpenStepped { outcome, permit: None, output: None, denial: None, wait: None, refusal: None };
    let waits = |request, until| OpenStepped { wait: Some(OpenWait { request, until }), ..nothing(Stepped::Waits) };
    match stepped {
        input::Stepped::Permitted(permit) => {
            let permit = OpenPermit {
                task: permit.token.to_string(),
                attempt: permit.attempt,
                idempotency_key: permit.idempotency_key,
                unknown: permit.unknown,
                decision: permit.decision,
                deadline: permit.deadline,
                limits: Arc::unwrap_or_clone(permit.limits),
            };
            OpenStepped { permit: Some(permit), ..nothing(Stepped::Permitted) }
        }
        input::Stepped::Completed(output) => OpenStepped { output: Some(output), ..nothing(Stepped::Completed) },
        input::Stepped::Denied(decision) => {
            let reasons = decision.reasons.iter().map(failure::reason).collect();
            OpenStepped { denial: Some(OpenDenial { decision: decision.id, reasons }), ..nothing(Stepped::Denied) }
        }
        input::Stepped::Asked(asking) => waits(Some(asking.id), asking.due_at),
        input::Stepped::Later(until) => waits(None, until),
        input::Stepped::Refused(asking) => {
            let reason = asking.refusal.unwrap_or_default();
            let refusal = OpenRefusal { request: asking.id, status: asking.status.word().to_owned(), reason };
            OpenStepped { refusal: Some(refusal), ..nothing(Stepped::Refused) }
        }
    }
}

/// What a driver that took over is told.
pub(crate) fn open_resumed(resumed: input::Resumed) -> OpenResumed {
    let steps = resumed.steps.into_iter().map(|step| OpenRecorded {
        id: step.step,
        status: step.status.word().to_owned(),
        attempts: step.attempts,
    });
    let heard = resumed.heard;
    let grace = chancery_base::duration::format(heard.grace);
    OpenResumed { driver: heard.driver, lost_at: heard.lost_at, grace, steps: steps.collect() }
}
