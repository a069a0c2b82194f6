//! The worker: a function and a name.

pub(crate) mod outcome;
mod run;
mod session;
mod task;

pub use task::{HandlerError, Task};

use crate::{Client, Error};
use chancery_base::limits::{CREDIT_MAX, EXCHANGE_QUEUES_MAX, EXCHANGE_TASKS_MAX, NAME_BYTES_MAX};
use chancery_base::{Kind, Name};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A handler whose types are forgotten.
type Handler = Arc<dyn Fn(Task) -> Handling + Send + Sync>;
type Handling = Pin<Box<dyn Future<Output = Result<Value, HandlerError>> + Send>>;

/// The handler that a call to [`Worker::around`] stands before.
#[derive(Clone)]
pub struct Next(Handler);

impl Next {
    /// Has the task handled.
    ///
    /// # Errors
    /// What the handler says.
    pub async fn run(&self, task: Task) -> Result<Value, HandlerError> {
        (self.0)(task).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// Code that takes tasks: handlers by the names of their queues.
///
/// A handler runs **at least once** per attempt that the server has recorded: make what it does repeatable by passing
/// [`Task::idempotency_key`] on, or by asking the [fence](crate::fence). An undo is a handler under a name of its own.
///
/// ```no_run
/// use chancery_sdk::{Client, ClientOptions, HandlerError, Secret, Task, Worker};
/// use serde_json::json;
///
/// async fn reserve(task: Task) -> Result<serde_json::Value, HandlerError> {
///     #[derive(serde::Deserialize)]
///     struct Input { sku: String, quantity: u32 }
///     let input: Input = task.input()?;
///     if input.quantity > 100 {
///         return Err(HandlerError::refused("OutOfStock", format!("100 of {} are left", input.sku)));
///     }
///     Ok(json!({"reservation": task.idempotency_key}))
/// }
///
/// # async fn run(key: Secret) -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(ClientOptions::new("http://127.0.0.1:7400", key))?;
/// let shutdown = async { drop(tokio::signal::ctrl_c().await) };
/// Worker::new(client, "inventory-1").handle("inventory.reserve", reserve).concurrency(64).run(shutdown).await?;
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    client: Client,
    instance: String,
    version: Option<String>,
    handlers: BTreeMap<String, Handler>,
    concurrency: u32,
    instances: u32,
    hold: Duration,
    grace: Duration,
    #[cfg(feature = "capability")]
    key: Option<crate::capability::WorkerKey>,
}

/// Instances of one worker at most.
const INSTANCES_MAX: u32 = 8;

/// Why a worker stopped.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It can't begin.
    #[error("failed to begin worker `{instance}`: {reason}")]
    Begin {
        /// Which.
        instance: String,
        /// What is wrong.
        reason: String,
    },
    /// The server refuses it, and would again.
    #[error("failed to exchange tasks as worker `{instance}`")]
    Refused {
        /// Which.
        instance: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// It was told to end, and the server was away for longer than the grace period.
    #[error("worker `{instance}` ended with {unreported} outcomes that the server did not acknowledge")]
    Unreported {
        /// Which.
        instance: String,
        /// How many. The server counts these attempts as lapsed and offers the steps again.
        unreported: usize,
    },
}

impl WorkerError {
    /// What it means to the caller.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Begin { .. } => Kind::Invalid,
            Self::Refused { source, .. } => source.kind(),
            Self::Unreported { .. } => Kind::Busy,
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.handlers.keys().collect();
        f.debug_struct("Worker").field("instance", &self.instance).field("handlers", &names).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker without handlers. `instance` names this process among those of the same principal: two that run at the
    /// same time need two names; the same process after a restart may have the same one.
    #[must_use]
    pub fn new(client: Client, instance: impl Into<String>) -> Self {
        Self {
            client,
            instance: instance.into(),
            version: None,
            handlers: BTreeMap::new(),
            concurrency: 64,
            instances: 1,
            hold: Duration::from_secs(4),
            grace: Duration::from_secs(30),
            #[cfg(feature = "capability")]
            key: None,
        }
    }

    /// Handles the tasks of a queue. The future is dropped when its task is cancelled or its deadline passes, so that
    /// what must not be torn apart belongs into a database transaction, or onto a thread of its own.
    #[must_use]
    pub fn handle<F, Fut, T>(mut self, queue: &str, handler: F) -> Self
    where
        F: Fn(Task) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, HandlerError>> + Send + 'static,
        T: Serialize,
    {
        let handler: Handler = Arc::new(move |task| {
            let handling = handler(task);
            Box::pin(async move { handling.await.and_then(|output| outcome::to_value(&output)) })
        });
        self.handlers.insert(queue.to_owned(), handler);
        self
    }

    /// Stands before every handler that was added so far, for what concerns all of them: a span, a count, a test that
    /// makes a step fail or be done twice. What it gives is what is reported.
    ///
    /// ```no_run
    /// # fn timed(worker: chancery_sdk::Worker) -> chancery_sdk::Worker {
    /// worker.around(|task, next| async move {
    ///     let queue = task.queue.clone();
    ///     let handled = next.run(task).await;
    ///     tracing::info!(%queue, ok = handled.is_ok(), "handled a task");
    ///     handled
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn around<F, Fut>(mut self, around: F) -> Self
    where
        F: Fn(Task, Next) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, HandlerError>> + Send + 'static,
    {
        let around = Arc::new(around);
        let wrap = |(queue, handler): (String, Handler)| {
            let (around, next) = (Arc::clone(&around), Next(handler));
            let wrapped: Handler = Arc::new(move |task| Box::pin(around(task, next.clone())));
            (queue, wrapped)
        };
        self.handlers = self.handlers.into_iter().map(wrap).collect();
        self
    }

    /// Works on so many tasks of each queue at a time; 64 if nobody says otherwise.
    #[must_use]
    pub const fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Calls the server as so many instances, each with its share of the concurrency; 1 if nobody says otherwise, at
    /// most 8. The second is `orders-7f9c/2` where the first is `orders-7f9c`. While the server writes what one of two
    /// reports, the worker works at what the other took: for workers with much to do. Each waits at the server with a
    /// call of its own.
    #[must_use]
    pub const fn instances(mut self, instances: u32) -> Self {
        self.instances = instances;
        self
    }

    /// The version of the code, as it is shown to operators: 1 to 64 letters, digits and `. _ + -`. A queue may go to
    /// workers of some versions only.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The key that capability tokens of its tasks are bound to; without it one is drawn when it begins.
    #[cfg(feature = "capability")]
    #[must_use]
    pub fn capability_key(mut self, key: crate::capability::WorkerKey) -> Self {
        self.key = Some(key);
        self
    }

    /// How long a call waits at the server for tasks: 4 s, at most 5. It also is how often leases are renewed, so it
    /// must be well below the server's lease.
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold.clamp(Duration::from_millis(10), Duration::from_secs(5));
        self
    }

    /// How long to go on after the shutdown, for tasks to end and outcomes to be acknowledged: 30 s.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Takes and handles tasks until `shutdown` is ready; then takes no more, ends what it has, and returns. While the
    /// server is away it waits, keeps the outcomes, and reports them when it is back.
    ///
    /// # Errors
    /// If the worker can't begin, the server refuses it for good, or outcomes are left when the grace period is over.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), WorkerError> {
        let begin = |reason| WorkerError::Begin { instance: self.instance.clone(), reason };
        let queues = self.queues().map_err(begin)?;
        let holder = self.holder().map_err(begin)?;
        run::run(self, queues, holder, shutdown).await
    }

    /// The key that it presents.
    #[cfg(feature = "capability")]
    fn holder(&self) -> Result<run::Holder, String> {
        let key = self.key.clone().map_or_else(crate::capability::worker_key, Ok);
        key.map(|key| run::Holder { key: Arc::new(key) }).map_err(|error| error.to_string())
    }

    #[cfg(not(feature = "capability"))]
    #[expect(clippy::unnecessary_wraps, reason = "with the feature `capability` a key may be drawn")]
    const fn holder(&self) -> Result<run::Holder, String> {
        Ok(run::Holder {})
    }

    /// The name of an instance, from 1.
    fn instance_name(&self, number: u32) -> String {
        if number == 1 { self.instance.clone() } else { format!("{}/{number}", self.instance) }
    }

    fn queues(&self) -> Result<Vec<(Name, u32)>, String> {
        if self.instances == 0 || self.instances > INSTANCES_MAX.min(self.concurrency) {
            return Err(format!("a worker has 1 to {INSTANCES_MAX} instances, and no more than its concurrency"));
        }
        if self.instance.is_empty() || self.instance_name(self.instances).len() > NAME_BYTES_MAX {
            return Err(format!("an instance's name has 1 to {NAME_BYTES_MAX} bytes"));
        }
        if self.handlers.is_empty() || self.handlers.len() > EXCHANGE_QUEUES_MAX {
            return Err(format!("a worker handles 1 to {EXCHANGE_QUEUES_MAX} queues"));
        }
        let tasks = u64::from(self.concurrency).saturating_mul(u64::try_from(self.handlers.len()).unwrap_or(u64::MAX));
        let tasks_max = u64::try_from(EXCHANGE_TASKS_MAX).unwrap_or(u64::MAX);
        if self.concurrency == 0 || self.concurrency > CREDIT_MAX || tasks > tasks_max {
            return Err(format!("concurrency times queues is 1 to {EXCHANGE_TASKS_MAX}"));
        }
        let parse = |name: &String| match name.parse() {
            Ok(name) => Ok((name, self.concurrency)),
            Err(error) => Err(format!("`{name}`: {error}")),
        };
        self.handlers.keys().map(parse).collect()
    }
}
