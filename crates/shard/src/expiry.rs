//! Ended transactions that go: in which order, and what is asked of the store for it.
//!
//! A family goes as a whole, a child with its root: by the ids of the roots, and of a family the deepest first, by their
//! ids, and the root at last. So a family that is larger than one commit leaves nothing whose parent is gone, and what a
//! commit removed is told by two places, the one that it began after and its last.

use crate::row::{KeyScope, LabelRow, TransactionRow};
use chancery_base::{Timestamp, TransactionId};
use chancery_ledger::{Data, Record};
use std::cmp::Reverse;

/// Where a transaction stands in the order in which they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    root: TransactionId,
    depth: Reverse<u32>,
    id: TransactionId,
}

impl Place {
    /// Of one that nothing ran.
    #[must_use]
    pub const fn of_root(root: TransactionId) -> Self {
        Self { root, depth: Reverse(0), id: root }
    }

    /// Of one that stands so many below a root.
    #[must_use]
    pub const fn of_child(root: TransactionId, depth: u32, id: TransactionId) -> Self {
        Self { root, depth: Reverse(depth), id }
    }

    /// The root of its family.
    #[must_use]
    pub const fn root(&self) -> TransactionId {
        self.root
    }

    /// The transaction itself.
    #[must_use]
    pub const fn id(&self) -> TransactionId {
        self.id
    }

    /// Whether it is the last of its family.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.depth.0 == 0
    }
}

/// What is to be found: transactions of families that are final and whose roots ended before a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiring {
    /// Before which time.
    pub ended_before: Timestamp,
    /// After which place; none: from the first on.
    pub after: Option<Place>,
    /// How many at most.
    pub limit: usize,
    /// Rows of their steps together, above which no further one is found; one is found whatever it has.
    pub steps: usize,
    /// Transactions that are looked at for it.
    pub looks: usize,
}

/// What was found, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// The transactions.
    pub transactions: Vec<(Place, TransactionRow)>,
    /// There may be more after this place; none: there are not.
    pub next: Option<Place>,
}

/// What a batch removes. A transaction that has not ended is not removed, nor anything of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Transactions, with their steps.
    pub transactions: Vec<TransactionId>,
    /// Keys of theirs; one that is another's by now stays.
    pub keys: Vec<GoneKey>,
    /// Labels of theirs.
    pub labels: Vec<LabelRow>,
}

/// A key that goes with its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoneKey {
    /// Which kind.
    pub scope: KeyScope,
    /// The slot that it is in.
    pub slot: u16,
    /// The keyed hash.
    pub key: [u8; 32],
    /// The transaction that it stood for.
    pub transaction: TransactionId,
}

/// What an entry says was removed: everything that was final then, whose root had ended before a time, and that stands
/// after one place and not after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Before which time.
    pub ended_before: Timestamp,
    /// After which place; none: from the first on.
    pub after: Option<Place>,
    /// Up to which.
    pub to: Place,
    /// How many transactions that are.
    pub transactions: u64,
}

impl Removed {
    /// What the entry's record holds.
    pub(crate) fn data(&self) -> Data {
        let data = Data::new().int("ended_before", self.ended_before.as_micros()).count("count", self.transactions);
        let data = with_place(data, TO, self.to);
        match self.after {
            Some(after) => with_place(data, AFTER, after),
            None => data,
        }
    }

    /// What a record holds; none if it is not the record of such an entry.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let count = record.data.get_int("count")?;
        Some(Self {
            ended_before: Timestamp::from_micros(record.data.get_int("ended_before")?),
            after: match record.data.get_word(AFTER[0]) {
                Some(_) => Some(place(record, AFTER)?),
                None => None,
            },
            to: place(record, TO)?,
            transactions: u64::try_from(count).ok()?,
        })
    }
}

/// What the parts of a place are called.
type Names = [&'static str; 3];

const AFTER: Names = ["after_root", "after_child", "after_depth"];
const TO: Names = ["to_root", "to_child", "to_depth"];

fn with_place(data: Data, [root, child, depth]: Names, place: Place) -> Data {
    let data = data.word(root, &place.root);
    if place.is_root() { data } else { data.word(child, &place.id).count(depth, u64::from(place.depth.0)) }
}

fn place(record: &Record, [root, child, depth]: Names) -> Option<Place> {
    let root = record.data.get_word(root)?.parse().ok()?;
    match record.data.get_word(child) {
        Some(child) => {
            let depth = u32::try_from(record.data.get_int(depth)?).ok().filter(|depth| *depth > 0)?;
            Some(Place::of_child(root, depth, child.parse().ok()?))
        }
        None => Some(Place::of_root(root)),
    }
}

/// How a shard's newest search for what expires went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryRun {
    /// When it began.
    pub began_at: Timestamp,
    /// When it was over; none: it goes on.
    pub ended_at: Option<Timestamp>,
    /// What ended before this was to go.
    pub ended_before: Timestamp,
    /// How many transactions it has removed.
    pub removed: u64,
    /// Why it stopped before it was through.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::PrincipalId;
    use chancery_ledger::record::Refs;

    fn id(number: u128) -> TransactionId {
        TransactionId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn a_family_goes_together_and_its_root_last() {
        let mut places = [
            Place::of_root(id(5)),
            Place::of_child(id(5), 1, id(9)),
            Place::of_child(id(5), 1, id(1)),
            Place::of_child(id(5), 2, id(7)),
            Place::of_root(id(4)),
        ];
        places.sort_unstable();
        let ids: Vec<_> = places.iter().map(Place::id).collect();
        assert_eq!(ids, [id(4), id(7), id(1), id(9), id(5)]);
    }

    #[test]
    fn what_an_entry_says_reads_back() {
        let log: chancery_ledger::Origin = "main/acme/0/1".parse().unwrap();
        for after in [None, Some(Place::of_root(id(1))), Some(Place::of_child(id(1), 2, id(2)))] {
            for to in [Place::of_root(id(7)), Place::of_child(id(7), 1, id(8))] {
                let removed = Removed { ended_before: Timestamp::from_micros(77), after, to, transactions: 3 };
                let record = Record {
                    actor: PrincipalId::SYSTEM,
                    at: Timestamp::EPOCH,
                    data: removed.data(),
                    epoch: 1,
                    kind: crate::entry::kind::TRANSACTIONS_EXPIRED,
                    log: log.clone(),
                    payload: None,
                    refs: Refs::default(),
                    seq: 0,
                };
                assert_eq!(Removed::of(&Record::parse(&record.to_bytes()).unwrap()), Some(removed));
            }
        }
    }
}
