//! A few threads, each with a connection that cannot write, that take reads from one queue.

use crate::error;
use chancery_base::Kind;
use chancery_shard::batch::StoreError;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Reads that may wait; more wait for a place.
const QUEUE_MAX: usize = 1_024;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The callers' side.
#[derive(Debug)]
pub(super) struct Readers {
    reads: mpsc::Sender<Read>,
}

/// What the threads share.
pub(super) type Queue = Arc<Mutex<mpsc::Receiver<Read>>>;

impl Readers {
    /// The callers' side, and the queue that threads take from.
    pub(super) fn new() -> (Self, Queue) {
        let (reads, queue) = mpsc::channel(QUEUE_MAX);
        (Self { reads }, Arc::new(Mutex::new(queue)))
    }

    /// Has a read done.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let ended = |_| error("read", Kind::Broken, "the threads that read have ended");
        let (reply, answer) = oneshot::channel();
        // Nobody may be waiting for the answer any more.
        let job: Read = Box::new(move |conn| drop(reply.send(read(conn))));
        self.reads.send(job).await.map_err(|_closed| ended(()))?;
        answer.await.unwrap_or_else(|_dropped| Err(ended(())))
    }
}

/// Takes reads until there is nobody to ask for one.
pub(super) fn run(conn: &Connection, queue: &Queue) {
    loop {
        // One thread waits for the next read, the others for their turn to wait.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(read) = next else { return };
        read(conn);
    }
}
