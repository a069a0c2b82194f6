//! The outside service: what steps reach, by worker and by HTTP. It logs every call that it gets, before anything
//! else, and knows nothing of the server's state.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use chancery_api::open::OpenPermit;
use chancery_api::worker::Phase;
use chancery_base::TransactionId;
use chancery_sdk::{HandlerError, Task};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It was cut off, or is still under way.
    No,
    /// Done.
    Done,
    /// Not done, on purpose.
    Refused,
}

/// A call as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) key: String,
    pub(crate) transaction: String,
    pub(crate) step: String,
    /// Which of the step's clones.
    pub(crate) index: Option<u32>,
    pub(crate) phase: Phase,
    /// The attempt and its decision; HTTP tells neither.
    pub(crate) permit: Option<(u32, String)>,
    pub(crate) answered: Answered,
}

/// What a step's input tells the service to do.
#[derive(Debug, Clone, Deserialize)]
struct Wanted {
    step: String,
    phase: String,
    /// How long it takes.
    ms: u64,
    /// Refuse for good.
    #[serde(default)]
    refuse: bool,
    /// Refuse the first call of a key.
    #[serde(default)]
    flaky: bool,
}

#[derive(Debug, Default)]
struct Log {
    calls: Vec<Call>,
    keys: HashSet<String>,
    under_way: usize,
}

/// The service. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outside(Arc<Mutex<Log>>);

/// A call under way.
struct UnderWay {
    outside: Outside,
    number: usize,
    first: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.outside.lock().under_way -= 1;
    }
}

impl Outside {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap()
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How many calls are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.lock().under_way
    }

    fn begin(&self, call: Call) -> UnderWay {
        let mut log = self.lock();
        let first = log.keys.insert(call.key.clone());
        log.calls.push(call);
        log.under_way += 1;
        UnderWay { outside: self.clone(), number: log.calls.len() - 1, first }
    }

    /// A task of the worker.
    pub(crate) async fn task(self, task: Task) -> Result<Value, HandlerError> {
        let wanted: Wanted = task.input()?;
        let call = Call {
            key: task.idempotency_key.clone(),
            transaction: task.transaction.to_string(),
            step: wanted.step.clone(),
            index: task.index,
            phase: task.phase,
            permit: Some((task.attempt, task.decision.to_string())),
            answered: Answered::No,
        };
        match self.serve(call, &wanted).await {
            Ok(output) => Ok(output),
            Err(true) => Err(HandlerError::refused("Refused", "as the input says")),
            Err(false) => Err(HandlerError::failed("Flaky", "the first call fails")),
        }
    }

    /// A step that the driver of an open transaction does itself.
    pub(crate) async fn driven(&self, id: TransactionId, step: &str, permit: &OpenPermit, ms: u64) -> Value {
        let call = Call {
            key: permit.idempotency_key.clone(),
            transaction: id.to_string(),
            step: step.to_owned(),
            index: None,
            phase: Phase::Do,
            permit: Some((permit.attempt, permit.decision.to_string())),
            answered: Answered::No,
        };
        let under_way = self.begin(call);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.lock().calls[under_way.number].answered = Answered::Done;
        json!({"done": permit.idempotency_key})
    }

    /// Does what is wanted; else says whether it is refused for good.
    async fn serve(&self, call: Call, wanted: &Wanted) -> Result<Value, bool> {
        let key = call.key.clone();
        let under_way = self.begin(call);
        tokio::time::sleep(Duration::from_millis(wanted.ms)).await;
        let refused = wanted.refuse || (wanted.flaky && under_way.first);
        self.lock().calls[under_way.number].answered = if refused { Answered::Refused } else { Answered::Done };
        if refused { Err(wanted.refuse) } else { Ok(json!({"done": key})) }
    }

    /// The same over HTTP.
    pub(crate) fn router(&self) -> Router {
        Router::new().route("/call", post(http)).with_state(self.clone())
    }
}

async fn http(State(outside): State<Outside>, headers: HeaderMap, body: Json<Wanted>) -> (StatusCode, Json<Value>) {
    let Json(wanted) = body;
    let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let phase = match wanted.phase.as_str() {
        "undo" => Phase::Undo,
        "confirm" => Phase::Confirm,
        _ => Phase::Do,
    };
    let call = Call {
        key: text("idempotency-key"),
        transaction: text("x-transactional-id"),
        step: wanted.step.clone(),
        index: None,
        phase,
        permit: None,
        answered: Answered::No,
    };
    match outside.serve(call, &wanted).await {
        Ok(output) => (StatusCode::OK, Json(output)),
        Err(true) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": "refused"}))),
        Err(false) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": "flaky"}))),
    }
}
