//! What went wrong in SQLite, and what it means.

use crate::error;
use chancery_base::Kind;
use chancery_shard::batch::{CommitError, StoreError};
use rusqlite::ffi;

/// Why a write did not do what it should.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The batch's guard found the log otherwise.
    Guard(CommitError),
    /// The rows that are there do not allow it.
    Refused(StoreError),
    /// SQLite failed.
    Sql(&'static str, rusqlite::Error),
}

/// What an error of the statement COMMIT says about the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitFault {
    /// It was not written.
    Lost,
    /// It may have been written.
    Unknown,
    /// What was synced is not known any more, now or ever: the process must end and read the files anew.
    Fatal,
}

impl WriteError {
    /// As a commit's answer.
    pub(super) fn into_commit(self) -> CommitError {
        match self {
            Self::Guard(error) => error,
            Self::Refused(error) => CommitError::Failed(error),
            Self::Sql(operation, error) => CommitError::Failed(sql(operation, &error)),
        }
    }

    /// As the answer of any other write.
    pub(super) fn into_store(self) -> StoreError {
        match self {
            Self::Guard(guard) => error(crate::check::COMMIT, Kind::Conflict, guard.to_string()),
            Self::Refused(error) => error,
            Self::Sql(operation, error) => sql(operation, &error),
        }
    }

    /// The error that fails everything else of the same database transaction too, if this is one: all but a guard,
    /// a refusal and a violated constraint.
    pub(super) fn spreads(&self) -> Option<StoreError> {
        match self {
            Self::Guard(_) | Self::Refused(_) => None,
            Self::Sql(operation, error) => {
                let constraint = error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation);
                (!constraint && error.sqlite_error_code().is_some()).then(|| sql(operation, error))
            }
        }
    }

    /// Whether the process must end.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Sql(_, error) if is_sync_failure(extended(error)))
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Names the operation that an error is of.
pub(super) fn during(operation: &'static str) -> impl Fn(rusqlite::Error) -> WriteError {
    move |error| WriteError::Sql(operation, error)
}

/// Names the operation that a read's error is of.
pub(super) fn reading(operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| sql(operation, &error)
}

/// An error of SQLite as the store's.
pub(super) fn sql(operation: &'static str, failure: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    let (kind, message) = match failure.sqlite_error_code() {
        Some(Code::DiskFull) => (Kind::Busy, "the disk is full".to_owned()),
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => (Kind::Busy, format!("the database is locked: {failure}")),
        Some(Code::ConstraintViolation) => (Kind::Conflict, failure.to_string()),
        Some(_) | None => (Kind::Broken, failure.to_string()),
    };
    error(operation, kind, message)
}

/// What an error of COMMIT means. In doubt it is [`CommitFault::Unknown`], which is always safe: the shard owns its
/// log anew and looks.
pub(super) fn commit_fault(failure: &rusqlite::Error) -> CommitFault {
    match extended(failure) {
        code if is_sync_failure(code) => CommitFault::Fatal,
        // The commit frame is the last one written: if the disk was full, it is not there.
        code if primary(code) == ffi::SQLITE_FULL || primary(code) == ffi::SQLITE_BUSY => CommitFault::Lost,
        _ => CommitFault::Unknown,
    }
}

/// Whether an error code says that a sync failed. The kernel may have dropped the pages and may call the next sync a
/// success, so nothing that this process believes about its files holds any more.
pub(super) const fn is_sync_failure(extended: i32) -> bool {
    matches!(extended, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
}

pub(super) fn extended(failure: &rusqlite::Error) -> i32 {
    failure.sqlite_extended_error_code().unwrap_or(ffi::SQLITE_ERROR)
}

const fn primary(extended: i32) -> i32 {
    extended & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_commit_is_lost_unknown_or_fatal() {
        for (code, fault) in [
            (ffi::SQLITE_FULL, CommitFault::Lost),
            (ffi::SQLITE_BUSY, CommitFault::Lost),
            (ffi::SQLITE_BUSY_SNAPSHOT, CommitFault::Lost),
            (ffi::SQLITE_IOERR_WRITE, CommitFault::Unknown),
            (ffi::SQLITE_IOERR_SHMSIZE, CommitFault::Unknown),
            (ffi::SQLITE_NOMEM, CommitFault::Unknown),
            (ffi::SQLITE_IOERR_FSYNC, CommitFault::Fatal),
            (ffi::SQLITE_IOERR_DIR_FSYNC, CommitFault::Fatal),
        ] {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(commit_fault(&failure), fault, "code {code}");
        }
    }

    #[test]
    fn a_constraint_is_one_batch_s_own_and_an_io_error_everybody_s() {
        for (code, spreads, kind) in [
            (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, false, Kind::Conflict),
            (ffi::SQLITE_FULL, true, Kind::Busy),
            (ffi::SQLITE_IOERR_WRITE, true, Kind::Broken),
            (ffi::SQLITE_CORRUPT, true, Kind::Broken),
        ] {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = during("test")(failure);
            assert_eq!(error.spreads().is_some(), spreads, "code {code}");
            assert_eq!(error.into_store().kind, kind, "code {code}");
        }
    }
}
