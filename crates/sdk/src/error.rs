//! What can go wrong when the server is asked.

use chancery_api::Problem;
use chancery_base::Kind;
use std::time::Duration;

/// Why a call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options make no client.
    #[error("`{server}` is no server: {reason}")]
    Server {
        /// What was given.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server said no, and why (RFC 9457).
    #[error("{}: {}", .0.title, .0.detail)]
    Problem(Box<Problem>),
    /// The server answered with something else than Chancery does, such as a proxy's page.
    #[error("the server answered `{operation}` with status {status}, which is no answer of Chancery")]
    Foreign {
        /// What was asked, such as `transaction_start`.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The server could not be reached, or fell silent. A call that changes something may have done so.
    #[error("no answer from {server} to `{operation}`")]
    Unreachable {
        /// What was asked.
        operation: &'static str,
        /// Who.
        server: String,
        /// Why there is none.
        #[source]
        source: reqwest::Error,
    },
    /// The server fell silent in the middle of an answer.
    #[error("{server} fell silent over `{operation}`")]
    Silent {
        /// What was asked.
        operation: &'static str,
        /// Who.
        server: String,
    },
    /// The server's answer is not what this version understands.
    #[error("the answer to `{operation}` is not understood")]
    Answer {
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The request can't be written.
    #[error("{operation}: {reason}")]
    Request {
        /// What was to be asked.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The problem that the server named, if it did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Server { .. }
            | Self::Foreign { .. }
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Answer { .. }
            | Self::Request { .. } => None,
        }
    }

    /// What it means to the caller.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Server { .. } | Self::Request { .. } => Kind::Invalid,
            Self::Problem(problem) => kind_of_status(problem.status),
            Self::Foreign { status, .. } => kind_of_status(*status),
            Self::Unreachable { .. } | Self::Silent { .. } => Kind::Busy,
            Self::Answer { .. } => Kind::Broken,
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } => true,
            Self::Problem(problem) => is_temporary_status(problem.status),
            Self::Foreign { status, .. } => is_temporary_status(*status),
            Self::Server { .. } | Self::Answer { .. } | Self::Request { .. } => false,
        }
    }

    /// How long the server asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.problem().and_then(|problem| problem.retry_after).map(Duration::from_secs)
    }
}

const fn is_temporary_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 502 | 503 | 504)
}

const fn kind_of_status(status: u16) -> Kind {
    match status {
        401 => Kind::Unauthenticated,
        403 => Kind::Denied,
        404 | 410 => Kind::Missing,
        409 => Kind::Conflict,
        413 | 414 | 431 => Kind::TooLarge,
        429 => Kind::Limited,
        408 | 502..=504 => Kind::Busy,
        400..=499 => Kind::Invalid,
        _ => Kind::Broken,
    }
}
