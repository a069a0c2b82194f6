//! What is wrong with a table, and where.

use chancery_base::Kind;
use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The table is wrong: rows contradict one another, or one can never fire.
    Error,
    /// It may be meant so: no row fires for some values.
    Warning,
    /// What the analysis could not see.
    Note,
}

/// Something about a table that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The row, from 1; none where it is about no single row.
    pub row: Option<usize>,
    /// The input or output.
    pub column: Option<String>,
    /// What it is, in words.
    pub message: String,
}

impl Finding {
    pub(crate) fn error(row: Option<usize>, column: Option<&str>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, row, column: column.map(str::to_owned), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row, &self.column) {
            (Some(row), Some(column)) => write!(f, "row {row}, `{column}`: {}", self.message),
            (Some(row), None) => write!(f, "row {row}: {}", self.message),
            (None, Some(column)) => write!(f, "`{column}`: {}", self.message),
            (None, None) => f.write_str(&self.message),
        }
    }
}

/// Why a document is not a table: everything that is wrong with it, with its places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the table can't be read: {}", list(.0))]
pub struct TableError(pub Vec<Finding>);

impl TableError {
    pub(crate) fn one(message: impl Into<String>) -> Self {
        Self(vec![Finding::error(None, None, message)])
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
