//! The one place that spawns tasks: what is spawned here, shutdown waits for.

use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a node, and the sign that tells them to end.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a future as a task of its own.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(future)
    }

    /// Tells the tasks to end.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Whether they were told to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Ends when the tasks are told to.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Waits until every task has ended, `longest` at most; says whether all have.
    pub async fn ended(&self, longest: Duration) -> bool {
        tokio::time::timeout(longest, self.tracker.wait()).await.is_ok()
    }
}
