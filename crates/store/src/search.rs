//! A search as statements that both databases take.
//!
//! A search follows an **index**: one of those whose keys end with the transaction's id, so that within one key ids
//! are in order and a page begins where the last one ended. The terms that the index does not answer are looked at
//! row by row, and of those rows a page takes no more than it is told: it ends there and says how far it came.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod statement;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use statement::{Statement, Value, count, floor, page};

use chancery_base::{Name, TransactionId};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use chancery_shard::row::LogId;
use chancery_shard::row::TransactionRow;
use chancery_shard::search::{Condition, Search, Term};

/// A page of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Transactions, newest first.
    pub rows: Vec<TransactionRow>,
    /// Where it stopped looking, if it did: whatever is found above this id is among the rows.
    pub floor: Option<TransactionId>,
}

/// How many transactions a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// So many at least.
    pub count: u64,
    /// Whether there are no more.
    pub is_all: bool,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Below this id.
    pub before: Option<TransactionId>,
    /// How many rows it gives, or counts.
    pub limit: usize,
    /// How many rows it looks at, of each key of its index, where not all of them are found.
    pub looks: usize,
}

/// A key of an index.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    /// A log.
    Log,
    /// A log and a status' word.
    Status(&'static str),
    /// A log and a business key.
    Business(&'a str),
    /// A log and what its transactions are children of.
    Parent(TransactionId),
    /// A log and what a label says.
    Label(&'a Name, &'a str),
    /// An id.
    Id(TransactionId),
}

/// How a search is made.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The keys to follow: what is found has one of them, and no other.
    pub(crate) keys: Vec<Key<'a>>,
    /// What remains to be looked at.
    pub(crate) rest: Vec<&'a Term>,
}

impl Count {
    /// The sum of what was counted in parts, each up to the limit.
    pub(crate) fn of(counts: Vec<u64>, floor: Option<TransactionId>, reach: Reach) -> Self {
        let (count, max) = (counts.into_iter().sum(), u64::try_from(reach.limit).unwrap_or(u64::MAX));
        if count >= max { Self { count: max, is_all: false } } else { Self { count, is_all: floor.is_none() } }
    }
}

impl<'a> Plan<'a> {
    /// Follows the index that has the fewest rows, as far as that can be told from the terms.
    pub(crate) fn of(search: &'a Search) -> Self {
        let rank = |(_, term): &(usize, &Term)| {
            let rank = match &term.condition {
                Condition::Id(_) => 0,
                Condition::Key(_) | Condition::Parent(_) => 1,
                Condition::Label(..) => 2,
                Condition::Status(_) => 3,
                Condition::Definition(_)
                | Condition::Version(_)
                | Condition::Principal(_)
                | Condition::Started(..)
                | Condition::Ended(..) => return None,
            };
            (!term.negated).then_some(rank)
        };
        let terms = search.terms().iter().enumerate();
        let followed = terms.filter(|term| rank(term).is_some()).min_by_key(|term| rank(term));
        let place = followed.map(|(place, _)| place);
        let rest = search.terms().iter().enumerate().filter(|(other, _)| Some(*other) != place);
        let keys = followed.map_or_else(|| vec![Key::Log], |(_, term)| keys(&term.condition));
        Self { keys, rest: rest.map(|(_, term)| term).collect() }
    }
}

/// How many keys one statement follows.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const KEYS_AT_ONCE: usize = 64;

/// As many logs at a time as one statement can search.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn some<'a>(logs: &'a [LogId], plan: &Plan<'_>) -> std::slice::Chunks<'a, LogId> {
    logs.chunks(KEYS_AT_ONCE.checked_div(plan.keys.len()).unwrap_or(1).max(1))
}

fn keys(condition: &Condition) -> Vec<Key<'_>> {
    match condition {
        Condition::Id(ids) => ids.iter().map(|id| Key::Id(*id)).collect(),
        Condition::Parent(ids) => ids.iter().map(|id| Key::Parent(*id)).collect(),
        Condition::Key(keys) => keys.iter().map(|key| Key::Business(key)).collect(),
        Condition::Label(name, values) => values.iter().map(|value| Key::Label(name, value)).collect(),
        Condition::Status(statuses) => statuses.iter().map(|status| Key::Status(status.word())).collect(),
        Condition::Definition(_)
        | Condition::Version(_)
        | Condition::Principal(_)
        | Condition::Started(..)
        | Condition::Ended(..) => vec![Key::Log],
    }
}
