//! Searching transactions: `status:failed,parked definition:create-order label.region:eu started>2h`.
//!
//! Terms stand beside one another and all must hold; `-` before one negates it. A value with spaces, commas or quotes
//! is written within `"…"`, where `\"` and `\\` stand for `"` and `\`.

mod read;

use crate::status::ShownStatus;
use chancery_base::{Name, PrincipalId, Timestamp, TransactionId};
use std::fmt;

/// What transactions are searched by; without terms it is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    terms: Vec<Term>,
}

/// One term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Whether the condition must not hold.
    pub negated: bool,
    /// The condition.
    pub condition: Condition,
}

/// What a term says of a transaction. Lists have at least one value, are in order, and hold if one of them does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// What it is doing, as callers see it.
    Status(Vec<ShownStatus>),
    /// What it runs.
    Definition(Vec<Name>),
    /// Which version of it.
    Version(Vec<u32>),
    /// Who started it.
    Principal(Vec<PrincipalId>),
    /// Its business key; none is none of them.
    Key(Vec<String>),
    /// What it is a child of; what is no child is none of these.
    Parent(Vec<TransactionId>),
    /// What a label says; it holds for none that lacks the label.
    Label(Name, Vec<String>),
    /// Which.
    Id(Vec<TransactionId>),
    /// When it began.
    Started(Side, Timestamp),
    /// When it ended; it holds for none that has not.
    Ended(Side, Timestamp),
}

/// On which side of an instant; the instant itself is on neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Earlier.
    Before,
    /// Later.
    After,
}

/// Why a text is no search.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SearchError {
    /// The character that it is about, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// What a search may ask of a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its id.
    pub id: TransactionId,
    /// Its status' word.
    pub status: &'a str,
    /// Its definition.
    pub definition: &'a Name,
    /// The definition's version.
    pub version: u32,
    /// Who started it.
    pub principal: PrincipalId,
    /// Its business key.
    pub key: Option<&'a str>,
    /// What it is a child of.
    pub parent: Option<TransactionId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Search {
    /// Reads a search. Ages such as `2h` count back from `now`.
    ///
    /// # Errors
    /// Says what is wrong, and where.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, SearchError> {
        read::search(text, now)
    }

    /// The terms; all must hold.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The same search, narrowed to what this holds of, too.
    #[must_use]
    pub fn and(mut self, condition: Condition) -> Self {
        self.terms.push(Term { negated: false, condition });
        self
    }

    /// Whether a transaction is one of those that are searched. `label` gives the value of one of its labels.
    pub fn holds<'a>(&self, facts: &Facts<'_>, label: impl Fn(&Name) -> Option<&'a str>) -> bool {
        self.terms.iter().all(|term| term.condition.holds(facts, &label) != term.negated)
    }
}

impl Condition {
    /// Whether it holds of a transaction.
    fn holds<'a>(&self, facts: &Facts<'_>, label: impl Fn(&Name) -> Option<&'a str>) -> bool {
        match self {
            Self::Status(values) => values.iter().any(|status| status.word() == facts.status),
            Self::Definition(values) => values.contains(facts.definition),
            Self::Version(values) => values.contains(&facts.version),
            Self::Principal(values) => values.contains(&facts.principal),
            Self::Key(values) => facts.key.is_some_and(|key| values.iter().any(|value| value == key)),
            Self::Parent(values) => facts.parent.is_some_and(|parent| values.contains(&parent)),
            Self::Label(name, values) => label(name).is_some_and(|found| values.iter().any(|value| value == found)),
            Self::Id(values) => values.contains(&facts.id),
            Self::Started(side, at) => side.holds(facts.started_at, *at),
            Self::Ended(side, at) => facts.ended_at.is_some_and(|ended_at| side.holds(ended_at, *at)),
        }
    }
}

impl Side {
    fn holds(self, time: Timestamp, at: Timestamp) -> bool {
        match self {
            Self::Before => time < at,
            Self::After => time > at,
        }
    }

    const fn sign(self) -> char {
        match self {
            Self::Before => '<',
            Self::After => '>',
        }
    }
}

/// As [`Search::parse`] reads it; ages are instants.
impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let (space, sign) = (if index == 0 { "" } else { " " }, if term.negated { "-" } else { "" });
            write!(f, "{space}{sign}{}", term.condition)?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(values) => list(f, "status", values.iter().map(|status| status.word())),
            Self::Definition(values) => list(f, "definition", values),
            Self::Version(values) => list(f, "version", values),
            Self::Principal(values) => list(f, "principal", values),
            Self::Key(values) => list(f, "key", values.iter().map(|value| Quoted(value))),
            Self::Label(name, values) => list(f, &format!("label.{name}"), values.iter().map(|value| Quoted(value))),
            Self::Parent(values) => list(f, "parent", values),
            Self::Id(values) => list(f, "id", values),
            Self::Started(side, at) => write!(f, "started{}{at}", side.sign()),
            Self::Ended(side, at) => write!(f, "ended{}{at}", side.sign()),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, field: &str, values: impl IntoIterator<Item: fmt::Display>) -> fmt::Result {
    for (index, value) in values.into_iter().enumerate() {
        let before = if index == 0 { format!("{field}:") } else { ",".to_owned() };
        write!(f, "{before}{value}")?;
    }
    Ok(())
}

/// A text that may have any character.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(read::is_bare) {
            return f.write_str(self.0);
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}
