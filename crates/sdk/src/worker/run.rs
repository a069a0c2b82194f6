//! The loop: carries out what the [`Session`] says.

use super::session::{Answer, Call, CallId, Identity, Session};
use super::{Handler, HandlerError, Task, Worker, WorkerError, outcome};
#[cfg(feature = "capability")]
use crate::capability::Capability;
use crate::client::chance;
use crate::{Client, Error};
use chancery_api::worker::{Exchanged, RefusedQueue, Task as Offer};
use chancery_base::{Name, PublicKey, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{debug, info, warn};

type HandlingResult = Result<(Id, Result<Value, HandlerError>), JoinError>;
type CallResult = (CallId, Result<(Exchanged, Option<Timestamp>), Error>);

/// What it holds that its capability tokens are bound to; nothing without the feature `capability`.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    #[cfg(feature = "capability")]
    pub(super) key: Arc<crate::capability::WorkerKey>,
}

impl Holder {
    /// The key that it presents.
    #[cfg(feature = "capability")]
    fn public(&self) -> Option<PublicKey> {
        Some(self.key.public())
    }

    #[cfg(not(feature = "capability"))]
    const fn public(&self) -> Option<PublicKey> {
        None
    }
}

struct Loop {
    client: Client,
    holder: Holder,
    instance: String,
    /// Handlers by queue, with room for as many tasks as it works on at a time. The server never hands out more than
    /// was asked for, but two calls that cross ask for the same room.
    handlers: BTreeMap<String, (Handler, Arc<Semaphore>)>,
    began: Instant,
    session: Session,
    calls: JoinSet<CallResult>,
    handling: JoinSet<Result<Value, HandlerError>>,
    /// Which task token a running handler works on.
    tokens: HashMap<Id, String>,
    aborts: BTreeMap<String, AbortHandle>,
    /// Whether the last call got no answer.
    away: bool,
    /// Queues that go to workers of other versions, as it was told last.
    refused: Vec<RefusedQueue>,
}

/// Something that happened.
enum Event {
    Handled(Option<HandlingResult>),
    Answered(Option<Result<CallResult, JoinError>>),
    Woken,
    Shutdown,
    GraceOver,
}

pub(super) async fn run(
    worker: Worker,
    queues: Vec<(Name, u32)>,
    holder: Holder,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), WorkerError> {
    let grace = worker.grace;
    let mut instances = instances(worker, &queues, &holder);
    match (instances.pop(), instances.is_empty()) {
        (Some(only), true) => only.run(shutdown, grace).await,
        (last, _) => run_all(instances.into_iter().chain(last), shutdown, grace).await,
    }
}

/// The worker's instances: handlers and their room are common, the concurrency is shared out.
fn instances(worker: Worker, queues: &[(Name, u32)], holder: &Holder) -> Vec<Loop> {
    let count = worker.instances;
    let names: Vec<String> = (1..=count).map(|number| worker.instance_name(number)).collect();
    let Worker { client, version, handlers, concurrency, hold, .. } = worker;
    let room = || Arc::new(Semaphore::new(usize::try_from(concurrency).unwrap_or(Semaphore::MAX_PERMITS)));
    let handlers: BTreeMap<_, _> = handlers.into_iter().map(|(queue, handler)| (queue, (handler, room()))).collect();
    let instance = |(number, instance): (u32, String)| {
        let share = |tasks: u32| tasks / count + u32::from(number < tasks % count);
        let queues = queues.iter().map(|(queue, tasks)| (queue.clone(), share(*tasks))).collect();
        let (version, key) = (version.clone(), holder.public());
        let identity = Identity { instance: instance.clone(), version, key, queues, hold };
        Loop {
            client: client.clone(),
            holder: holder.clone(),
            instance,
            handlers: handlers.clone(),
            began: Instant::now(),
            session: Session::new(identity),
            calls: JoinSet::new(),
            handling: JoinSet::new(),
            tokens: HashMap::new(),
            aborts: BTreeMap::new(),
            away: false,
            refused: Vec::new(),
        }
    };
    (0..).zip(names).map(instance).collect()
}

/// Runs several until all have ended, or one is refused for good: then so are the others.
async fn run_all(
    instances: impl Iterator<Item = Loop>,
    shutdown: impl Future<Output = ()> + Send,
    grace: Duration,
) -> Result<(), WorkerError> {
    // Dropped, it tells them all.
    let (going_on, told) = watch::channel(());
    let mut going_on = Some(going_on);
    let mut running = JoinSet::new();
    for instance in instances {
        let mut told = told.clone();
        running.spawn(instance.run(async move { drop(told.changed().await) }, grace));
    }
    tokio::pin!(shutdown);
    let mut left: Option<(String, usize)> = None;
    loop {
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            () = &mut shutdown, if going_on.is_some() => {
                going_on = None;
                continue;
            }
        };
        match ended {
            None => break,
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(WorkerError::Unreported { instance, unreported }))) => {
                let before = left.map_or(0, |(_, before)| before);
                left = Some((instance, before + unreported));
            }
            Some(Ok(Err(error))) => return Err(error),
            Some(Err(error)) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    left.map_or(Ok(()), |(instance, unreported)| Err(WorkerError::Unreported { instance, unreported }))
}

impl Loop {
    /// Takes and handles tasks until the shutdown, then until nothing is left or the grace period is over.
    async fn run(mut self, shutdown: impl Future<Output = ()> + Send, grace: Duration) -> Result<(), WorkerError> {
        tokio::pin!(shutdown);
        let mut gives_up_at: Option<Instant> = None;
        while !self.session.is_over() {
            self.make_calls();
            let event = self.next_event(&mut shutdown, gives_up_at).await;
            match event {
                Event::Handled(Some(ended)) => self.handled(ended),
                Event::Answered(Some(ended)) => self.answered(ended)?,
                Event::Handled(None) | Event::Answered(None) | Event::Woken => {}
                Event::Shutdown => {
                    info!(worker = %self.instance, "ending: taking no more tasks");
                    self.session.drain();
                    gives_up_at = Some(Instant::now() + grace);
                }
                Event::GraceOver => {
                    let unreported = self.session.unreported() + self.tokens.len();
                    return if unreported == 0 {
                        Ok(())
                    } else {
                        Err(WorkerError::Unreported { instance: self.instance, unreported })
                    };
                }
            }
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    async fn next_event(&mut self, shutdown: impl Future<Output = ()>, gives_up_at: Option<Instant>) -> Event {
        let wake_at = self.session.wake_at(self.now()).map(|at| self.began + at);
        tokio::select! {
            ended = self.handling.join_next_with_id(), if !self.handling.is_empty() => Event::Handled(ended),
            ended = self.calls.join_next(), if !self.calls.is_empty() => Event::Answered(ended),
            () = sleep_until(wake_at) => Event::Woken,
            () = shutdown, if gives_up_at.is_none() => Event::Shutdown,
            () = sleep_until(gives_up_at) => Event::GraceOver,
        }
    }

    fn make_calls(&mut self) {
        // What ended in the meantime travels together.
        while let Some(ended) = self.handling.try_join_next_with_id() {
            self.handled(ended);
        }
        while let Some(Call { id, body }) = self.session.next_call(self.now()) {
            let client = self.client.clone();
            self.calls.spawn(async move { (id, client.exchange(&body).await) });
        }
    }

    fn handled(&mut self, ended: HandlingResult) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), Err(crashed(error))),
        };
        let Some(token) = self.tokens.remove(&id) else { return };
        self.aborts.remove(&token);
        let (report, bytes) = outcome::report(token, outcome);
        self.session.finish(report, bytes);
    }

    fn answered(&mut self, ended: Result<CallResult, JoinError>) -> Result<(), WorkerError> {
        let Ok((id, result)) = ended else { return Ok(()) };
        let now = self.now();
        match result {
            Ok((exchanged, date)) => {
                if std::mem::take(&mut self.away) {
                    info!(worker = %self.instance, "the server is back");
                }
                self.tell_refused(&exchanged.refused);
                let answer = self.session.answered(id, exchanged, now);
                self.obey(answer, date);
                Ok(())
            }
            Err(error) if is_passing(&error) => {
                if !std::mem::replace(&mut self.away, true) {
                    warn!(worker = %self.instance, error = %Chain(&error), "the server does not answer; trying again");
                }
                self.session.lost(id, now, chance(), error.retry_after());
                Ok(())
            }
            Err(error) => Err(WorkerError::Refused { instance: self.instance.clone(), source: Box::new(error) }),
        }
    }

    /// Says once of each that it gets nothing of it; a call that takes nothing is told nothing.
    fn tell_refused(&mut self, refused: &[RefusedQueue]) {
        for of in refused.iter().filter(|of| !self.refused.contains(of)) {
            let (queue, versions) = (&of.queue, of.versions.join(" "));
            warn!(worker = %self.instance, %queue, versions, "the queue goes to workers of other versions");
        }
        if !refused.is_empty() {
            self.refused = refused.to_vec();
        }
    }

    fn obey(&mut self, answer: Answer, date: Option<Timestamp>) {
        for token in answer.drop {
            debug!(worker = %self.instance, "dropping a task that is no longer wanted");
            if let Some(handle) = self.aborts.get(&token) {
                handle.abort();
            }
        }
        if answer.superseded + answer.refused > 0 {
            let (superseded, refused) = (answer.superseded, answer.refused);
            warn!(worker = %self.instance, superseded, refused, "outcomes came too late and changed nothing");
        }
        for offer in answer.begin {
            self.begin(offer, date);
        }
    }

    fn begin(&mut self, offer: Offer, date: Option<Timestamp>) {
        let Some((handler, room)) = self.handlers.get(offer.queue.as_str()).cloned() else { return };
        // The server's clock counts, and its `Date` lags it by less than a second, so this is never too early.
        let time = date.map(|date| offer.deadline.since(date));
        let token = offer.task.clone();
        let task = task_of(offer, &self.holder);
        let handling = async move {
            let _permit = room.acquire_owned().await;
            handler(task).await
        };
        let handle = self.handling.spawn(async move {
            match time {
                Some(time) => tokio::time::timeout(time, handling).await.unwrap_or_else(|_elapsed| Err(timed_out())),
                None => handling.await,
            }
        });
        self.tokens.insert(handle.id(), token.clone());
        self.aborts.insert(token, handle);
    }
}

#[cfg_attr(not(feature = "capability"), expect(unused_variables, reason = "tokens come with the feature"))]
fn task_of(offer: Offer, holder: &Holder) -> Task {
    Task {
        queue: offer.queue,
        transaction: offer.transaction,
        step: offer.step,
        index: offer.index,
        phase: offer.phase,
        attempt: offer.attempt,
        input: Arc::new(Arc::unwrap_or_clone(offer.input).into_value()),
        limits: offer.limits,
        idempotency_key: offer.idempotency_key,
        forward_key: offer.forward_key,
        forward_unknown: offer.forward_unknown,
        decision: offer.decision,
        deadline: offer.deadline,
        traceparent: offer.traceparent,
        headers: offer.headers,
        #[cfg(feature = "capability")]
        capability: offer.capability.map(|token| Capability::new(token, Arc::clone(&holder.key))),
    }
}

fn timed_out() -> HandlerError {
    HandlerError::unknown("Timeout", "the handler did not end before the task's deadline")
}

/// A handler that panicked, or was dropped because its task is no longer wanted.
fn crashed(error: JoinError) -> HandlerError {
    if error.is_cancelled() {
        return HandlerError::unknown("Cancelled", "the task was no longer wanted, and its handler dropped");
    }
    let text = match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "the handler panicked".to_owned()),
        Err(error) => error.to_string(),
    };
    HandlerError::unknown("Panic", text)
}

/// Whether the server may take the same exchange later. A defect or a damaged part of the server may be repaired, too.
fn is_passing(error: &Error) -> bool {
    error.is_temporary() || matches!(error, Error::Problem(problem) if problem.status >= 500)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// An error and what caused it, on one line.
struct Chain<'a>(&'a Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
