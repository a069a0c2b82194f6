//! Handlers in this process: closures registered under worker names, and the caller of HTTP targets. Both take tasks
//! through the same exchange as remote workers.

mod book;
mod taker;

pub(crate) use book::Book;

use crate::config::Config;
use crate::payloads;
use crate::tasks::Tasks;
use crate::tenant::Tenant;
use chancery_base::Name;
use chancery_engine::StepError;
use chancery_shard::input::{Queue, ReportedOutcome, Task};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use taker::{Offer, Taker};

/// What a closure makes of a task: its output, or an error that says that it took no effect.
pub type Outcome = Result<Value, StepError>;

pub(crate) type Handler = Arc<dyn Fn(Arc<Task>) -> Pin<Box<dyn Future<Output = ReportedOutcome> + Send>> + Send + Sync>;

/// Closures by the worker name that steps call them by.
///
/// A closure that panics or outlives its attempt counts as unknown: it may have taken effect. As with every worker it
/// may be called more than once for a step, each time with the same idempotency key.
#[derive(Clone, Default)]
pub struct Closures {
    handlers: BTreeMap<Name, Handler>,
}

impl fmt::Debug for Closures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}

impl Closures {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These and one more; it takes the place of one of the same name.
    #[must_use]
    pub fn with<F, R>(mut self, name: Name, closure: F) -> Self
    where
        F: Fn(Arc<Task>) -> R + Send + Sync + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |task| {
            let outcome = closure(task);
            Box::pin(async move { payloads::said(outcome.await) })
        });
        self.handlers.insert(name, handler);
        self
    }
}

/// The handlers in this process that work for one tenant.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    tasks: Tasks,
}

impl Loops {
    /// Tells the loops to take no more tasks.
    pub(crate) fn stop_taking(&self) {
        self.tasks.stop();
    }

    /// Waits until every task that was taken is done and reported; says whether all are.
    pub(crate) async fn drained(&self, longest: Duration) -> bool {
        self.tasks.ended(longest).await
    }

    /// Starts a loop for each closure, and one for HTTP calls if any may be made.
    pub(crate) fn start(&self, config: &Config, tenant: &Tenant, closures: &Closures) {
        for (name, handler) in &closures.handlers {
            let offer = Offer::Queue(Queue::Worker(name.clone()), config.local_concurrency);
            self.run(Taker::new(config, tenant, offer, Arc::clone(handler), &self.tasks));
        }
        let offer = Offer::Targets(Arc::clone(&tenant.targets));
        self.run(Taker::new(config, tenant, offer, http_handler(Arc::clone(&tenant.targets)), &self.tasks));
    }

    fn run(&self, taker: Taker) {
        drop(self.tasks.spawn(taker.run()));
    }
}

fn http_handler(book: Arc<Book>) -> Handler {
    Arc::new(move |task| {
        let book = Arc::clone(&book);
        Box::pin(async move { book.call(&task).await })
    })
}
