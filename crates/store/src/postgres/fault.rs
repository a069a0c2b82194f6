//! What went wrong in PostgreSQL or on the way to it, and what it means.

use crate::check::COMMIT;
use crate::error;
use chancery_base::Kind;
use chancery_shard::batch::{CommitError, StoreError};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// The server's answer, if it is one that says that the statement's transaction was rolled back: an error that ends
/// the statement, not the connection. Whatever else came back, the statement may have been committed or may yet be.
fn rolled_back(failure: &Error) -> Option<&DbError> {
    let answer = failure.as_db_error()?;
    let ends_statement = match answer.parsed_severity() {
        Some(severity) => severity == Severity::Error,
        // A pooler between speaks an older dialect; when it gives up, it says FATAL.
        None => answer.severity() == "ERROR",
    };
    let code = answer.code();
    let doubtful = code.code().starts_with("08")
        || code.code().starts_with("57P")
        || *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
    (ends_statement && !doubtful).then_some(answer)
}

/// What an error of a batch's statement means.
pub(super) fn commit(failure: &Error) -> CommitError {
    match rolled_back(failure) {
        Some(answer) => CommitError::Failed(refusal(COMMIT, answer)),
        None => CommitError::Unknown(store(COMMIT, failure)),
    }
}

/// An error of PostgreSQL as the store's.
pub(super) fn store(operation: &'static str, failure: &Error) -> StoreError {
    match failure.as_db_error() {
        Some(answer) => refusal(operation, answer),
        None => error(operation, Kind::Busy, chain(failure)),
    }
}

/// Whether a row with this key is there already.
pub(super) fn is_conflict(failure: &Error) -> bool {
    failure.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// Whether the connection is of no use any more.
pub(super) fn is_lost(failure: &Error) -> bool {
    rolled_back(failure).is_none()
}

fn refusal(operation: &'static str, answer: &DbError) -> StoreError {
    let code = answer.code();
    // The statement writes a null where what is there does not allow the row.
    let forbidden = match (*code == SqlState::NOT_NULL_VIOLATION, answer.table(), answer.column()) {
        (true, Some("transactions"), Some("log")) => Some((Kind::Bug, "a transaction is on another log")),
        (true, Some("pointers"), Some("digest")) => Some((Kind::Missing, "there is no such bundle to activate")),
        (true, Some("bundles"), Some("name")) => Some((Kind::Missing, "there is no such bundle to sign")),
        (true, Some("tenants"), Some("tenant")) => {
            Some((Kind::Bug, "only the platform makes tenants, with a log a shard"))
        }
        (_, _, _) => None,
    };
    if let Some((kind, message)) = forbidden {
        return error(operation, kind, message);
    }
    // Neither detail nor hint: they quote values of rows.
    let message = match answer.constraint() {
        Some(constraint) => format!("{} ({}, {constraint})", answer.message(), code.code()),
        None => format!("{} ({})", answer.message(), code.code()),
    };
    error(operation, kind(code), message)
}

fn kind(code: &SqlState) -> Kind {
    if *code == SqlState::UNIQUE_VIOLATION {
        return Kind::Conflict;
    }
    // Lost connections, conflicts of concurrency, missing resources, an operator's intervention: these may pass; so
    // does a standby that is not the primary yet.
    let passing = ["08", "40", "53", "55", "57"].iter().any(|class| code.code().starts_with(class));
    if passing || *code == SqlState::READ_ONLY_SQL_TRANSACTION { Kind::Busy } else { Kind::Broken }
}

/// An error with its causes, in one line.
pub(super) fn chain(failure: &dyn std::error::Error) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_busy() {
        for (code, expected) in [
            ("23505", Kind::Conflict),
            ("08006", Kind::Busy),
            ("40001", Kind::Busy),
            ("40P01", Kind::Busy),
            ("53100", Kind::Busy),
            ("53300", Kind::Busy),
            ("57P01", Kind::Busy),
            ("25006", Kind::Busy),
            ("42P01", Kind::Broken),
            ("XX001", Kind::Broken),
        ] {
            assert_eq!(kind(&SqlState::from_code(code)), expected, "{code}");
        }
    }
}
