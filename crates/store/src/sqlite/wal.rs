//! Moving the write-ahead log into the database, on a thread and a connection of its own.
//!
//! Beside the writer it copies what the log holds each time that [`WAL_BYTES_STEP`] more are in it. The log begins
//! anew only if all of it was copied and nothing was written meanwhile, which under load is never; so at
//! [`WAL_BYTES_MAX`] the writer waits until it has.
//!
//! SQLite syncs the database only once it has copied all of the log, since nothing else may rely on the database
//! before. What was copied until then would be written to the disk at once, in the way of every commit meanwhile; so
//! each copy is synced by itself here.

use crate::sqlite::Fatal;
use crate::sqlite::fault::{extended, is_sync_failure};
use rusqlite::Connection;
use std::error::Error;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tracing::{debug, error, warn};

/// Bytes in the log at which the writer waits for it to begin anew.
pub(super) const WAL_BYTES_MAX: u64 = 64 << 20;
/// Bytes in the log, not copied yet, at which they are.
const WAL_BYTES_STEP: u64 = 512 << 10;
/// Bytes more in the log after which the writer waits again, if a read under way kept the log from beginning anew.
const WAL_BYTES_RETRY: u64 = 16 << 20;
/// Bytes of a page's header in the log.
const FRAME_HEADER_BYTES: u64 = 24;

/// How far the log is, in pages.
#[derive(Debug)]
pub(super) struct Gauge {
    /// Bytes of a page in the log, with its header.
    frame_bytes: u64,
    /// In the log, as of the last commit.
    written: AtomicU64,
    /// Of these, copied into the database.
    copied: AtomicU64,
    /// How often the writer waited for it to begin anew.
    waits: AtomicU64,
}

impl Gauge {
    /// Of a log that is empty, or of which nothing is known yet.
    pub(super) fn new(page_bytes: u64) -> Self {
        Self {
            frame_bytes: page_bytes + FRAME_HEADER_BYTES,
            written: AtomicU64::default(),
            copied: AtomicU64::default(),
            waits: AtomicU64::default(),
        }
    }

    /// Bytes in the log.
    pub(super) fn bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed).saturating_mul(self.frame_bytes)
    }

    /// How often the writer waited for it to begin anew.
    pub(super) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    /// Notes how many pages the log has after a commit.
    pub(super) fn committed(&self, pages: u64) {
        if pages < self.written.swap(pages, Ordering::Relaxed) {
            // It began anew.
            self.copied.store(0, Ordering::Relaxed);
        }
    }

    fn bytes_to_copy(&self) -> u64 {
        self.bytes().saturating_sub(self.copied.load(Ordering::Relaxed).saturating_mul(self.frame_bytes))
    }
}

#[derive(Debug)]
enum Request {
    /// Copy what there is, and disturb nobody.
    Passive,
    /// Copy everything so that the log begins anew; the writer waits for the answer.
    Restart(SyncSender<()>),
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Checkpointer {
    requests: SyncSender<Request>,
    gauge: Arc<Gauge>,
    /// Bytes in the log at which to wait next.
    wait_at: u64,
}

impl Checkpointer {
    /// The writer's side, and what the thread is to run.
    pub(super) fn new(
        conn: Connection,
        database: Arc<File>,
        gauge: Arc<Gauge>,
        fatal: Arc<Fatal>,
    ) -> (Self, impl FnOnce() + Send + 'static) {
        // One that waits is enough: it copies all that there is when its turn comes.
        let (requests, received) = sync_channel(1);
        let side = Self { requests, gauge: Arc::clone(&gauge), wait_at: WAL_BYTES_MAX };
        (side, move || Mover { conn, database, gauge, fatal }.run(&received))
    }

    /// Has the log copied if it is time, and waits for it if it is high time.
    pub(super) fn after_commit(&mut self) {
        let bytes = self.gauge.bytes();
        if bytes < WAL_BYTES_MAX {
            self.wait_at = WAL_BYTES_MAX;
        }
        if bytes >= self.wait_at {
            self.restart();
            self.wait_at = bytes.saturating_add(WAL_BYTES_RETRY);
        } else if self.gauge.bytes_to_copy() >= WAL_BYTES_STEP {
            self.nudge();
        }
    }

    /// Has the log copied soon.
    pub(super) fn nudge(&self) {
        // Full means that a copy is due already; gone means that the process ends.
        drop(self.requests.try_send(Request::Passive));
    }

    fn restart(&self) {
        self.gauge.waits.fetch_add(1, Ordering::Relaxed);
        let (done, wait) = sync_channel(1);
        if self.requests.send(Request::Restart(done)).is_ok() {
            // An error is the thread's end, which it has reported.
            wait.recv().ok();
        }
    }
}

/// The thread's side.
struct Mover {
    conn: Connection,
    /// The file that `conn` writes to.
    database: Arc<File>,
    gauge: Arc<Gauge>,
    fatal: Arc<Fatal>,
}

impl Mover {
    fn run(self, requests: &Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            match request {
                Request::Passive => {
                    self.copy("PRAGMA wal_checkpoint(PASSIVE)");
                    self.sync();
                }
                Request::Restart(done) => {
                    self.copy("PRAGMA wal_checkpoint(RESTART)");
                    done.send(()).ok();
                }
            }
        }
    }

    fn copy(&self, pragma: &str) {
        let answer = self.conn.query_row(pragma, [], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(2)?)));
        match answer {
            Ok((blocked, copied)) => {
                self.gauge.copied.store(u64::try_from(copied).unwrap_or(0), Ordering::Relaxed);
                if blocked {
                    debug!("a read under way keeps the write-ahead log from beginning anew");
                }
            }
            Err(failure) if is_sync_failure(extended(&failure)) => self.not_synced(&failure),
            Err(failure) if failure.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                warn!("the disk is full: the write-ahead log cannot be moved into the database");
            }
            Err(failure) => error!("failed to move the write-ahead log into the database: {failure}"),
        }
    }

    fn sync(&self) {
        if let Err(failure) = self.database.sync_data() {
            self.not_synced(&failure);
        }
    }

    fn not_synced(&self, failure: &dyn Error) {
        self.fatal.raise(&format!("failed to sync the database: {failure}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::sync::{Mutex, OnceLock};

    /// Has what a database's log holds copied; gives what the store says of syncs of that file, once it does.
    fn copied(file: impl FnOnce(&std::path::Path) -> File) -> (u64, Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
        writer.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000))").unwrap();
        let said = Arc::new(Mutex::new(None));
        let hook = {
            let said = Arc::clone(&said);
            move |why: &str| *said.lock().unwrap() = Some(why.to_owned())
        };
        let fatal = Arc::new(Fatal { hook: Arc::new(hook), reason: OnceLock::new() });
        let gauge = Arc::new(Gauge::new(4_096));
        let conn = Connection::open(&path).unwrap();
        let (side, run) = Checkpointer::new(conn, Arc::new(file(&path)), Arc::clone(&gauge), fatal);
        side.nudge();
        drop(side);
        std::thread::spawn(run).join().unwrap();
        let said = said.lock().unwrap().clone();
        (gauge.copied.load(Ordering::Relaxed), said)
    }

    #[test]
    fn what_was_copied_is_synced_or_the_process_ends() {
        let (pages, said) = copied(|path| File::open(path).unwrap());
        assert!(pages > 20 && said.is_none(), "{pages} {said:?}");
        // A pipe cannot be synced.
        let (pages, said) = copied(|_| File::from(OwnedFd::from(std::io::pipe().unwrap().0)));
        assert!(pages > 20, "{pages}");
        assert!(said.is_some_and(|why| why.starts_with("failed to sync the database: ")));
    }
}
