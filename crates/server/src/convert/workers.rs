//! The worker exchange. Payloads are shared, never copied.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::worker::{Ack, Acknowledged, Exchange, Exchanged, Phase, RefusedQueue, ReportError, Task};
use chancery_app::exchange::{Answered, Call};
use chancery_engine::StepError;
use chancery_shard::input::{self, Queue, Report, ReportedOutcome};
use chancery_shard::token::TaskToken;
use serde_json::Map;
use std::sync::Arc;
use std::time::Duration;

/// Texts in an exchange that are no tokens at all: they are answered as tokens of others are.
#[derive(Debug, Default)]
pub(crate) struct Misfits {
    /// Among the reports, each with its place.
    done: Vec<(usize, String)>,
    /// Among the tasks held.
    holding: Vec<String>,
}

/// A call as the application takes it.
pub(crate) fn call(body: Exchange, wait: Duration) -> Result<(Call, Misfits), Failure> {
    let mut misfits = Misfits::default();
    let mut done = Vec::with_capacity(body.done.len());
    for (place, report) in body.done.into_iter().enumerate() {
        let outcome = match (report.output, report.error) {
            (Some(output), None) => ReportedOutcome::Completed(output),
            (None, Some(error)) => failed(error),
            (Some(_), Some(_)) | (None, None) => {
                return Err(invalid(&format!("done[{place}]"), "it takes one of `output` and `error`"));
            }
        };
        match report.task.parse() {
            Ok(task) => done.push(Report { task, outcome }),
            Err(_) => misfits.done.push((place, report.task)),
        }
    }
    let mut holding = Vec::with_capacity(body.holding.len());
    for text in body.holding {
        match text.parse() {
            Ok(task) => holding.push(task),
            Err(_) => misfits.holding.push(text),
        }
    }
    let queues = body.queues.into_iter().map(|queue| (queue.name, queue.want)).collect();
    Ok((Call { worker: body.worker, version: body.version, key: body.key, queues, done, holding, wait }, misfits))
}

pub(super) fn failed(error: ReportError) -> ReportedOutcome {
    let is_unknown = error.unknown;
    let error = StepError {
        r#type: error.error_type,
        message: error.message,
        detail: error.detail.map(Box::new),
        is_final: error.is_final,
        injected: false,
    };
    if is_unknown { ReportedOutcome::Unknown(error) } else { ReportedOutcome::Failed(error) }
}

/// The answer as it is sent.
pub(crate) fn exchanged(answered: Answered, misfits: Misfits) -> Exchanged {
    let Answered { exchanged, mut capabilities } = answered;
    let mut acks: Vec<Acknowledged> = exchanged
        .acks
        .into_iter()
        .map(|(task, ack)| Acknowledged { task: task.to_string(), ack: self::ack(ack) })
        .collect();
    for (place, task) in misfits.done {
        acks.insert(place.min(acks.len()), Acknowledged { task, ack: Ack::Refused });
    }
    let cancelled = exchanged.cancelled.iter().map(TaskToken::to_string).chain(misfits.holding).collect();
    let refused = exchanged.refused.into_iter().map(|(queue, versions)| RefusedQueue { queue, versions }).collect();
    let tasks = exchanged.tasks.iter().map(|handed| task(handed, capabilities.remove(&handed.token)));
    Exchanged { tasks: tasks.collect(), acks, cancelled, refused }
}

/// What became of a report.
pub(crate) const fn ack(ack: input::Ack) -> Ack {
    match ack {
        input::Ack::Recorded => Ack::Recorded,
        input::Ack::Superseded => Ack::Superseded,
        input::Ack::Refused => Ack::Refused,
    }
}

fn task(task: &input::Task, capability: Option<String>) -> Task {
    Task {
        task: task.token.to_string(),
        queue: match &task.queue {
            Queue::Worker(name) => name.clone(),
            // INVARIANT: a caller's queues are worker queues, and tasks come from the queues that it named.
            Queue::Http(_) | Queue::AnyHttp => task.step.clone(),
        },
        transaction: task.transaction,
        step: task.step.clone(),
        index: task.index,
        phase: phase(task.phase),
        attempt: task.attempt,
        input: Arc::clone(&task.input),
        limits: Map::clone(&task.limits),
        idempotency_key: task.idempotency_key.clone(),
        forward_key: task.forward_key.clone(),
        forward_unknown: task.forward_unknown,
        decision: task.decision,
        deadline: task.deadline,
        traceparent: task.traceparent.clone(),
        headers: task.headers.as_map().clone(),
        capability,
    }
}

pub(super) const fn phase(phase: chancery_engine::Phase) -> Phase {
    match phase {
        chancery_engine::Phase::Do => Phase::Do,
        chancery_engine::Phase::Undo => Phase::Undo,
        chancery_engine::Phase::Confirm => Phase::Confirm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_api::worker::Report as WireReport;
    use chancery_base::Document;
    use serde_json::{Value, json};

    fn exchange(done: &Value) -> Exchange {
        serde_json::from_value(json!({ "worker": "w", "done": done, "holding": ["nonsense"] })).unwrap()
    }

    #[test]
    fn what_is_no_token_is_refused_in_its_place() {
        let body = exchange(
            &json!([{ "task": "x", "output": null }, { "task": "y", "error": { "type": "E", "message": "m" } }]),
        );
        let (call, misfits) = call(body, Duration::ZERO).unwrap();
        assert!(call.done.is_empty() && call.holding.is_empty());
        let answer = exchanged(Answered::default(), misfits);
        let acks: Vec<_> = answer.acks.iter().map(|ack| (ack.task.as_str(), ack.ack)).collect();
        assert_eq!(acks, [("x", Ack::Refused), ("y", Ack::Refused)]);
        assert_eq!(answer.cancelled, ["nonsense"]);
    }

    #[test]
    fn a_null_output_is_an_output_and_nothing_is_none() {
        assert!(call(exchange(&json!([{ "task": "x" }])), Duration::ZERO).is_err());
        let report: WireReport = serde_json::from_value(json!({ "task": "x", "output": null })).unwrap();
        assert_eq!(report.output, Some(Document::shared(Value::Null)));
    }
}
