//! The one thread that writes. It merges all that waits into one database transaction, a savepoint each, and answers
//! once that is durable.

use crate::error;
use crate::sqlite::fault::{CommitFault, WriteError, commit_fault, sql};
use crate::sqlite::wal::Checkpointer;
use crate::sqlite::{Counters, Fatal};
use chancery_base::Kind;
use chancery_base::limits::BATCH_ENTRIES_MAX;
use chancery_shard::batch::{CommitError, StoreError};
use rusqlite::Connection;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

/// Writes that may wait; more wait for a place.
pub(super) const QUEUE_MAX: usize = 256;
/// Writes of one database transaction.
const MERGE_JOBS_MAX: usize = 64;
/// Entries of one database transaction, above which it takes no further batch.
const MERGE_ENTRIES_MAX: usize = 2 * BATCH_ENTRIES_MAX;

const WRITE: &str = "write";

/// What the writer is sent.
pub(super) enum Message {
    /// A write.
    Job(Box<dyn Job>),
    /// Answer what waits, then end.
    Close(oneshot::Sender<()>),
}

/// How the database transaction that a job was in has ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// What the job wrote is durable; what it refused was not written.
    Settled,
    /// Nothing was written.
    Failed(StoreError),
    /// It may have been written.
    Unknown(StoreError),
}

/// What became of a job inside the database transaction.
#[derive(Debug)]
pub(super) enum Applied {
    /// Its writes are to be kept.
    Kept,
    /// Its writes are to be undone, nobody else's.
    Refused,
    /// The whole transaction is to be undone.
    Spoiled(StoreError),
    /// As before, and the process must end.
    Fatal(StoreError),
}

/// A write that waits.
pub(super) trait Job: Send {
    /// How many entries it writes, if it is a batch.
    fn entries(&self) -> Option<usize>;
    /// Writes.
    fn apply(&mut self, conn: &Connection) -> Applied;
    /// Answers.
    fn answer(self: Box<Self>, ending: Ending);
}

/// What a write's errors look like to its caller.
pub(super) trait Failure: Send + 'static {
    /// The write's own error.
    fn own(error: WriteError) -> Self;
    /// Nothing was written.
    fn failed(error: StoreError) -> Self;
    /// It may have been written.
    fn unknown(error: StoreError) -> Self;
}

impl Failure for CommitError {
    fn own(error: WriteError) -> Self {
        error.into_commit()
    }

    fn failed(error: StoreError) -> Self {
        Self::Failed(error)
    }

    fn unknown(error: StoreError) -> Self {
        Self::Unknown(error)
    }
}

impl Failure for StoreError {
    fn own(error: WriteError) -> Self {
        error.into_store()
    }

    fn failed(error: StoreError) -> Self {
        error
    }

    fn unknown(error: StoreError) -> Self {
        error
    }
}

/// A write, its result once it has one, and who waits for it.
struct Pending<T, E, F> {
    entries: Option<usize>,
    write: F,
    result: Option<Result<T, WriteError>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Pending<T, E, F>
where
    T: Send,
    E: Failure,
    F: FnMut(&Connection) -> Result<T, WriteError> + Send,
{
    fn entries(&self) -> Option<usize> {
        self.entries
    }

    fn apply(&mut self, conn: &Connection) -> Applied {
        let result = (self.write)(conn);
        let applied = match &result {
            Ok(_) => Applied::Kept,
            Err(error) => match error.spreads() {
                Some(cause) if error.is_fatal() => Applied::Fatal(cause),
                Some(cause) => Applied::Spoiled(cause),
                None => Applied::Refused,
            },
        };
        self.result = Some(result);
        applied
    }

    fn answer(self: Box<Self>, ending: Ending) {
        let answer = match (ending, self.result) {
            (Ending::Settled, Some(result)) => result.map_err(E::own),
            (Ending::Unknown(error), Some(Ok(_))) => Err(E::unknown(error)),
            // What was refused may have been so because of rows that were undone with the rest.
            (Ending::Unknown(error) | Ending::Failed(error), _) => Err(E::failed(error)),
            (Ending::Settled, None) => Err(E::failed(error(WRITE, Kind::Bug, "it was not tried"))),
        };
        // Nobody may be waiting any more.
        drop(self.reply.send(answer));
    }
}

/// The callers' side.
#[derive(Debug, Clone)]
pub(super) struct Jobs(mpsc::Sender<Message>);

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Job(_) => "Job",
            Self::Close(_) => "Close",
        })
    }
}

impl Jobs {
    /// The callers' side and the writer's.
    pub(super) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        (Self(sender), receiver)
    }

    /// Has a write done. Once it is sent it is done, whether or not the caller still waits.
    pub(super) async fn write<T, E, F>(&self, entries: Option<usize>, write: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: FnMut(&Connection) -> Result<T, WriteError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Message::Job(Box::new(Pending { entries, write, result: None, reply }));
        if self.0.send(job).await.is_err() {
            return Err(E::failed(error(WRITE, Kind::Busy, "the store is closed")));
        }
        answer.await.unwrap_or_else(|_dropped| Err(E::unknown(error(WRITE, Kind::Broken, "the writer has ended"))))
    }

    /// Has the writer end, and waits until it has.
    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.0.send(Message::Close(done)).await.is_ok() {
            // An error is the writer's end, too.
            drop(ended.await);
        }
    }
}

/// What a database transaction has to keep.
#[derive(Debug, Default)]
struct Kept {
    jobs: usize,
    batches: u64,
    entries: u64,
}

impl Kept {
    fn add(&mut self, entries: Option<usize>) {
        self.jobs += 1;
        if let Some(entries) = entries {
            self.batches += 1;
            self.entries += u64::try_from(entries).unwrap_or(0);
        }
    }
}

/// The writer's side.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) checkpointer: Checkpointer,
    pub(super) counters: Arc<Counters>,
    pub(super) fatal: Arc<Fatal>,
}

impl Writer {
    /// Writes until there is nobody to ask for it.
    pub(super) fn run(mut self) {
        let mut closing = Vec::new();
        while let Some(first) = self.queue.blocking_recv() {
            let jobs = self.gather(first, &mut closing);
            if !jobs.is_empty() {
                self.merge(jobs);
            }
        }
        if self.fatal.raised().is_none() {
            let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(failure) = self.conn.query_row(truncate, [], |_| Ok(())) {
                warn!("failed to empty the write-ahead log at the end: {failure}");
            }
        }
        for done in closing {
            done.send(()).ok();
        }
    }

    /// The first message and all that wait behind it, up to what one database transaction takes.
    fn gather(&mut self, first: Message, closing: &mut Vec<oneshot::Sender<()>>) -> Vec<Box<dyn Job>> {
        let mut jobs = Vec::new();
        let mut entries = 0;
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Job(job) => {
                    entries += job.entries().unwrap_or(0);
                    jobs.push(job);
                }
                Message::Close(done) => {
                    self.queue.close();
                    closing.push(done);
                }
            }
            if jobs.len() < MERGE_JOBS_MAX && entries < MERGE_ENTRIES_MAX {
                next = self.queue.try_recv().ok();
            }
        }
        jobs
    }

    /// Does jobs in one database transaction.
    fn merge(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let ending = self.transact(&mut jobs);
        for job in jobs {
            job.answer(ending.clone());
        }
        self.checkpointer.after_commit();
    }

    fn transact(&self, jobs: &mut [Box<dyn Job>]) -> Ending {
        if let Some(reason) = self.fatal.raised() {
            return Ending::Failed(error(WRITE, Kind::Broken, format!("the store has stopped: {reason}")));
        }
        if let Err(failure) = self.execute("BEGIN IMMEDIATE") {
            return Ending::Failed(sql("begin to write", &failure));
        }
        match self.apply_all(jobs) {
            Ok(kept) if kept.jobs > 0 => self.commit(&kept),
            Ok(_) => self.roll_back(None),
            Err(cause) => self.roll_back(Some(cause)),
        }
    }

    /// Applies each job, and says what there is to keep.
    fn apply_all(&self, jobs: &mut [Box<dyn Job>]) -> Result<Kept, StoreError> {
        // Alone in the transaction, a job is undone by undoing it all; a savepoint would copy every page it touches.
        let alone = jobs.len() == 1;
        let mut kept = Kept::default();
        for job in jobs {
            if !alone {
                self.execute("SAVEPOINT job").map_err(|failure| sql("set a savepoint", &failure))?;
            }
            match job.apply(&self.conn) {
                Applied::Kept => kept.add(job.entries()),
                Applied::Refused if alone => {}
                Applied::Refused => {
                    self.execute("ROLLBACK TO job").map_err(|failure| sql("undo a batch", &failure))?;
                }
                Applied::Spoiled(cause) => return Err(cause),
                Applied::Fatal(cause) => {
                    self.fatal.raise(&cause.to_string());
                    return Err(cause);
                }
            }
            if !alone {
                self.execute("RELEASE job").map_err(|failure| sql("release a savepoint", &failure))?;
            }
        }
        Ok(kept)
    }

    fn commit(&self, kept: &Kept) -> Ending {
        let Err(failure) = self.execute("COMMIT") else {
            self.counters.batches.fetch_add(kept.batches, Ordering::Relaxed);
            self.counters.entries.fetch_add(kept.entries, Ordering::Relaxed);
            return Ending::Settled;
        };
        let cause = sql("commit", &failure);
        match commit_fault(&failure) {
            CommitFault::Lost => self.roll_back(Some(cause)),
            CommitFault::Unknown => {
                self.roll_back(Some(cause.clone()));
                Ending::Unknown(cause)
            }
            CommitFault::Fatal => {
                self.fatal.raise(&cause.to_string());
                Ending::Unknown(cause)
            }
        }
    }

    /// Undoes what was not committed, for `cause` if it was not for want of anything to keep.
    fn roll_back(&self, cause: Option<StoreError>) -> Ending {
        if let Some(cause) = &cause {
            warn!("a database transaction was undone: {cause}");
            // A full disk may have room again once the log begins anew.
            self.checkpointer.nudge();
        }
        // Some errors have undone it already.
        if !self.conn.is_autocommit()
            && let Err(failure) = self.execute("ROLLBACK")
        {
            error!("failed to roll back: {failure}");
            if !self.conn.is_autocommit() {
                self.fatal.raise(&format!("failed to roll back: {failure}"));
            }
        }
        cause.map_or(Ending::Settled, Ending::Failed)
    }

    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(statement)?.execute([]).map(|_| ())
    }
}
