//! Picking what expires, which every store does alike: it gives the families, and what goes of them is told here.

use chancery_base::TransactionId;
use chancery_shard::expiry::{Expired, Expiring, Place};
use chancery_shard::row::TransactionRow;

/// The operation that errors of it name.
pub(crate) const OPERATION: &str = "find what expires";

/// One that stands below a root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Below {
    pub(crate) id: TransactionId,
    pub(crate) has_ended: bool,
    /// How many below.
    pub(crate) depth: u32,
}

/// What is picked of the families that are looked at, in the order of their roots.
#[derive(Debug)]
pub(crate) struct Picker {
    expiring: Expiring,
    places: Vec<Place>,
    /// Where to go on; none: everything was looked at.
    next: Option<Place>,
}

impl Picker {
    pub(crate) const fn new(expiring: Expiring) -> Self {
        Self { expiring, places: Vec::new(), next: None }
    }

    /// Roots are looked for from the one after this id on, none: from the first.
    pub(crate) fn after(&self) -> Option<TransactionId> {
        let after = self.expiring.after?;
        if after.is_root() {
            return Some(after.id());
        }
        // Some of its family has yet to go.
        let before = u128::from_be_bytes(*after.root().as_bytes()).checked_sub(1)?;
        Some(TransactionId::from_bytes(before.to_be_bytes()))
    }

    /// And before this one: what began later has not ended before then.
    pub(crate) fn before(&self) -> TransactionId {
        TransactionId::first_of(self.expiring.ended_before)
    }

    /// Is told the last id of a page of those that were looked at, and how many there were.
    pub(crate) fn looked(&mut self, last: Option<TransactionId>, count: usize) {
        self.next = last.filter(|_| count >= self.expiring.looks).map(Place::of_root);
    }

    /// Whether as many are picked as are wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.places.len() >= self.expiring.limit
    }

    /// Picks what goes of a family whose root has ended: what stands below it. While one of those has not, nothing goes.
    pub(crate) fn take(&mut self, root: TransactionId, below: Vec<Below>) {
        if below.iter().any(|child| !child.has_ended) {
            return;
        }
        let of_child = |child: Below| Place::of_child(root, child.depth, child.id);
        let mut family: Vec<Place> = below.into_iter().map(of_child).collect();
        family.sort_unstable();
        family.push(Place::of_root(root));
        let after = self.expiring.after;
        self.places.extend(family.into_iter().filter(|place| after.is_none_or(|after| *place > after)));
    }

    /// The places that are picked: as many as are wanted.
    pub(crate) fn places(&mut self) -> &[Place] {
        if self.places.len() >= self.expiring.limit {
            self.places.truncate(self.expiring.limit);
            self.next = self.places.last().copied().or(self.next);
        }
        &self.places
    }

    /// What was found: the rows of the places, in their order, each with how many steps it has.
    pub(crate) fn finish(self, rows: impl IntoIterator<Item = (TransactionRow, u64)>) -> Expired {
        let Self { expiring, places, mut next } = self;
        let most = u64::try_from(expiring.steps).unwrap_or(u64::MAX);
        let mut steps = 0_u64;
        let mut transactions: Vec<(Place, TransactionRow)> = Vec::with_capacity(places.len());
        for (place, (row, count)) in places.into_iter().zip(rows) {
            debug_assert_eq!(place.id(), row.id, "rows come in the order of their places");
            steps = steps.saturating_add(count);
            if let Some((last, _)) = transactions.last()
                && steps > most
            {
                next = Some(*last);
                break;
            }
            transactions.push((place, row));
        }
        Expired { transactions, next }
    }
}
