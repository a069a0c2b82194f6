//! Why a use-case did not do what it was asked.

use crate::bundles::Impact;
use crate::clock::EntropyError;
use chancery_base::{Kind, TransactionId};
use chancery_engine::search::SearchError;
use chancery_policy::{BundleError, Reason};
use chancery_shard::batch::StoreError;
use chancery_shard::input::Refusal;
use chancery_targets::{InformationError, SetupError};
use std::time::Duration;

/// When a start that met as many running transactions as there may be should come again: some end meanwhile.
const RUNNING_RETRY_AFTER: Duration = Duration::from_secs(1);
/// When a start that met maintenance should come again: that lasts minutes, not moments.
const MAINTENANCE_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Why a use-case did not do what it was asked. Nothing changed unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential, or none that works. Why is not told to the caller.
    #[error("no valid credential was given")]
    Unauthenticated,
    /// The role bundle does not permit the call. The denial is an entry.
    #[error("`{action}` is not permitted to this principal")]
    Denied {
        /// The wire name of the action.
        action: &'static str,
        /// The determining policies, if any, and what they say.
        reasons: Vec<String>,
    },
    /// Who calls is stopped. The denial is an entry.
    #[error("`{action}` is stopped: {reason}")]
    Stopped {
        /// The wire name of the action.
        action: &'static str,
        /// The stop, and why.
        reason: Reason,
    },
    /// There is no such thing, or not in this tenant.
    #[error("there is no {0}")]
    Missing(String),
    /// There was such a transaction, and it is kept no longer: of what it was its entries are left.
    #[error("transaction {0} ended longer ago than its tenant keeps transactions: its history is left")]
    Expired(TransactionId),
    /// It contradicts what is already so.
    #[error("{0}")]
    Conflict(String),
    /// A bundle would deny what runs, and nobody accepted so much of it.
    #[error("{}", would_deny(_0))]
    WouldDeny(Box<Impact>),
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A search does not read.
    #[error("`search`, {0}")]
    Search(#[from] SearchError),
    /// A document does not validate.
    #[error("the {document} does not validate: {}", first(faults))]
    Faulty {
        /// `definition` or `bundle`.
        document: &'static str,
        /// What is wrong with it, each with its place.
        faults: Vec<Fault>,
    },
    /// The shard refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store did not answer a read.
    #[error("the store did not answer")]
    Store(#[from] StoreError),
    /// What was asked for is not there yet: a checkpoint that covers the entry.
    #[error("{what} is not there yet")]
    NotYet {
        /// What.
        what: &'static str,
        /// When to ask again.
        retry_after: Duration,
    },
    /// Stored bytes do not read as what they must be: `chancery verify` names the place.
    #[error("{what} is damaged: {detail}")]
    Damaged {
        /// What was being read.
        what: &'static str,
        /// What is wrong with it: for the log, not for the caller.
        detail: String,
    },
    /// The operating system gives no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The caller of HTTP targets can't be set up.
    #[error(transparent)]
    Targets(#[from] SetupError),
    /// The policy information point can't be set up.
    #[error(transparent)]
    Information(#[from] InformationError),
    /// The built-in role bundle does not load.
    #[error("the built-in role bundle does not load")]
    Roles(#[from] BundleError),
    /// A defect of ours.
    #[error("{0}")]
    Bug(&'static str),
}

/// One fault of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in the document, such as `steps[2].after[0]`.
    pub path: String,
    /// The line, from 1, where the source has lines.
    pub line: Option<usize>,
    /// The column, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// Of a warning, the rule of the linter.
    pub rule: Option<&'static str>,
}

impl Error {
    /// What it means to the caller.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unauthenticated => Kind::Unauthenticated,
            Self::Denied { .. } | Self::Stopped { .. } => Kind::Denied,
            Self::Missing(_) | Self::Expired(_) => Kind::Missing,
            Self::Conflict(_) | Self::WouldDeny(_) => Kind::Conflict,
            Self::Invalid(_) | Self::Search(_) | Self::Faulty { .. } => Kind::Invalid,
            Self::Refused(refusal) => refusal.kind(),
            Self::Store(error) => error.kind,
            Self::NotYet { .. } => Kind::Busy,
            Self::Damaged { .. } | Self::Entropy(_) | Self::Targets(_) => Kind::Broken,
            Self::Information(error) => error.kind(),
            Self::Roles(_) | Self::Bug(_) => Kind::Bug,
        }
    }

    /// When it is worth asking again, for `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(Refusal::Limited { retry_after, .. }) | Self::NotYet { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::Refused(Refusal::TooManyRunning { .. }) => Some(RUNNING_RETRY_AFTER),
            Self::Refused(Refusal::Maintenance { .. }) => Some(MAINTENANCE_RETRY_AFTER),
            Self::Refused(_)
            | Self::Store(_)
            | Self::Unauthenticated
            | Self::Denied { .. }
            | Self::Stopped { .. }
            | Self::Missing(_)
            | Self::Expired(_)
            | Self::Conflict(_)
            | Self::WouldDeny(_)
            | Self::Invalid(_)
            | Self::Search(_)
            | Self::Faulty { .. }
            | Self::Damaged { .. }
            | Self::Entropy(_)
            | Self::Targets(_)
            | Self::Information(_)
            | Self::Roles(_)
            | Self::Bug(_) => matches!(self.kind(), Kind::Busy | Kind::Limited).then_some(Duration::from_secs(1)),
        }
    }
}

fn would_deny(impact: &Impact) -> String {
    let Impact { transactions, looked_at, more, .. } = impact;
    let at_least = if *more { "at least " } else { "" };
    format!(
        "the bundle would deny steps of {at_least}{transactions} running transactions, of {looked_at} that were looked \
         at: accept {transactions}, or let them end first"
    )
}

fn first(faults: &[Fault]) -> String {
    let Some(fault) = faults.first() else { return String::from("no reason was given") };
    let more = faults.len().saturating_sub(1);
    let rest = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    if fault.path.is_empty() {
        format!("{}{rest}", fault.message)
    } else {
        format!("{}: {}{rest}", fault.path, fault.message)
    }
}
