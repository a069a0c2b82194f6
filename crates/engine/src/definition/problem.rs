use super::document::Place;
use chancery_base::Kind;
use std::fmt;

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// Where in the document: `steps[0].with.sku`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Everything that is wrong with a definition, in the order of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// At least one, at most [`DefinitionError::PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
}

impl DefinitionError {
    /// Problems that are told at once.
    pub const PROBLEMS_MAX: usize = 100;

    pub(crate) fn one(place: Place, message: impl Into<String>) -> Self {
        let problem = Problem { line: place.line, column: place.column, path: String::new(), message: message.into() };
        Self { problems: vec![problem] }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl std::error::Error for DefinitionError {}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    pub(crate) fn add(&mut self, place: Place, path: &str, message: impl Into<String>) {
        let (line, column) = (place.line, place.column);
        self.found.push(Problem { line, column, path: path.to_owned(), message: message.into() });
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_error(mut self) -> DefinitionError {
        self.found.sort();
        self.found.dedup();
        self.found.truncate(DefinitionError::PROBLEMS_MAX);
        DefinitionError { problems: self.found }
    }
}
