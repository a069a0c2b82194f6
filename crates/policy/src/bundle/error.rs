//! Why a document is not a bundle.

use crate::scan::ScanError;
use chancery_base::Kind;
use chancery_base::json::JsonError;
use std::fmt;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// `schema`, `entities`, `policies`, or the name of a file of policies.
    pub file: String,
    /// Line and column in that file, from 1.
    pub place: Option<(usize, usize)>,
    /// The policy.
    pub policy: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where Cedar says so.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(policy) = &self.policy {
            write!(f, ": policy `{policy}`")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

/// Why a document is not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is not JSON, or JSON of a kind that is refused.
    #[error("the bundle is not a JSON document: {0}")]
    Json(#[source] JsonError),
    /// A key that must be there is not.
    #[error("the bundle has no `{0}`")]
    Missing(&'static str),
    /// A key that a bundle does not have.
    #[error("a bundle has no key `{0}`")]
    UnknownKey(String),
    /// A key or annotation of a later version.
    #[error("`{0}` is not supported by this version")]
    NotSupported(String),
    /// A key's value is of the wrong form.
    #[error("`{at}` must be {expected}")]
    Form {
        /// Which key.
        at: String,
        /// What it must be.
        expected: String,
    },
    /// A text would cost Cedar too much.
    #[error("{file}: {source}")]
    Scan {
        /// `schema`, `policies`, or the name of a file of policies.
        file: String,
        /// What and where.
        #[source]
        source: ScanError,
    },
    /// The schema or the entities are larger than a limit.
    #[error("{file}: {problem}")]
    Limit {
        /// `schema` or `entities`.
        file: &'static str,
        /// What is too much.
        problem: String,
    },
    /// Cedar finds fault with it; at least one problem, in order of place.
    #[error("the bundle does not validate: {}", list(.0))]
    Problems(Vec<Problem>),
    /// The thread that reads bundles could not be started, or ended without an answer.
    #[error("the bundle could not be read: {0}")]
    Reader(String),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl BundleError {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Json(JsonError::TooLarge { .. } | JsonError::TooMany { .. }) => Kind::TooLarge,
            Self::Json(JsonError::Syntax(_))
            | Self::Missing(_)
            | Self::UnknownKey(_)
            | Self::NotSupported(_)
            | Self::Form { .. }
            | Self::Scan { .. }
            | Self::Limit { .. }
            | Self::Problems(_) => Kind::Invalid,
            Self::Reader(_) => Kind::Broken,
        }
    }

    /// The problems, each with its place, if that is what is wrong.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Problems(problems) => problems,
            Self::Json(_)
            | Self::Missing(_)
            | Self::UnknownKey(_)
            | Self::NotSupported(_)
            | Self::Form { .. }
            | Self::Scan { .. }
            | Self::Limit { .. }
            | Self::Reader(_) => &[],
        }
    }
}
