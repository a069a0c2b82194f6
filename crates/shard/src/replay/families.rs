//! Families that have ended: what an entry says of those that expire is held against them.

use crate::expiry::{Place, Removed};
use crate::row::KeyScope;
use chancery_base::{Timestamp, TransactionId};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Included, Unbounded};

/// Where the row of a key is.
pub(super) type KeyPlace = (KeyScope, u16, [u8; 32]);

/// A family some of which has not ended.
#[derive(Debug, Default)]
struct Family {
    running: usize,
    /// When its root ended.
    ended_at: Option<Timestamp>,
    /// The children that have, each with how deep it stands.
    ended: Vec<(u32, TransactionId)>,
    /// The keys of its root; children have none.
    keys: Vec<KeyPlace>,
}

/// Something of a family that is final.
#[derive(Debug)]
struct Member {
    /// When its root ended.
    ended_at: Timestamp,
    keys: Box<[KeyPlace]>,
}

#[derive(Debug, Default)]
pub(super) struct Families {
    open: HashMap<TransactionId, Family>,
    /// Of children that have not ended: their root, and how deep they stand below it.
    roots: HashMap<TransactionId, (TransactionId, u32)>,
    /// All that is final and has not expired.
    closed: BTreeMap<Place, Member>,
}

impl Families {
    /// A transaction began.
    pub(super) fn begin(&mut self, id: TransactionId, parent: Option<TransactionId>, keys: Vec<KeyPlace>) {
        let above = parent.map(|parent| self.roots.get(&parent).copied().unwrap_or((parent, 0)));
        let root = above.map_or(id, |(root, _)| root);
        if let Some((root, depth)) = above {
            self.roots.insert(id, (root, depth + 1));
        }
        let family = self.open.entry(root).or_default();
        family.running += 1;
        family.keys.extend(keys);
    }

    /// A transaction ended, and can't be recalled.
    pub(super) fn end(&mut self, id: TransactionId, at: Timestamp) {
        let (root, depth) = self.roots.remove(&id).unwrap_or((id, 0));
        let Some(family) = self.open.get_mut(&root) else { return };
        family.running = family.running.saturating_sub(1);
        if root == id {
            family.ended_at = Some(at);
        } else {
            family.ended.push((depth, id));
        }
        let (0, Some(ended_at)) = (family.running, family.ended_at) else { return };
        let Some(family) = self.open.remove(&root) else { return };
        for (depth, child) in family.ended {
            self.closed.insert(Place::of_child(root, depth, child), Member { ended_at, keys: Box::default() });
        }
        self.closed.insert(Place::of_root(root), Member { ended_at, keys: family.keys.into_boxed_slice() });
    }

    /// What expires: each transaction with its keys.
    pub(super) fn expire(&mut self, removed: &Removed) -> Vec<(TransactionId, Box<[KeyPlace]>)> {
        if removed.after.is_some_and(|after| after >= removed.to) {
            return Vec::new();
        }
        let range = (removed.after.map_or(Unbounded, Excluded), Included(removed.to));
        let of_range = self.closed.range(range).filter(|(_, member)| member.ended_at < removed.ended_before);
        let places: Vec<Place> = of_range.map(|(place, _)| *place).collect();
        let expired = places.into_iter().filter_map(|place| Some((place.id(), self.closed.remove(&place)?.keys)));
        expired.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> TransactionId {
        TransactionId::from_bytes(number.to_be_bytes())
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn expire(families: &mut Families, before: i64, after: Option<Place>, to: Place) -> Vec<TransactionId> {
        let removed = Removed { ended_before: at(before), after, to, transactions: 0 };
        families.expire(&removed).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn a_family_expires_when_all_of_it_has_ended() {
        let mut families = Families::default();
        families.begin(id(1), None, Vec::new());
        families.begin(id(2), Some(id(1)), Vec::new());
        families.begin(id(3), Some(id(2)), Vec::new());
        families.end(id(3), at(10));
        // A parent that is terminated ends before its children.
        families.end(id(1), at(20));
        assert_eq!(expire(&mut families, 99, None, Place::of_root(id(9))), []);
        families.end(id(2), at(20));
        assert_eq!(expire(&mut families, 20, None, Place::of_root(id(9))), [], "its root ended at 20");
        let deepest = Place::of_child(id(1), 2, id(3));
        let half = expire(&mut families, 21, None, deepest);
        assert_eq!(half, [id(3)]);
        let rest = expire(&mut families, 21, Some(deepest), Place::of_root(id(1)));
        assert_eq!(rest, [id(2), id(1)]);
        assert_eq!(expire(&mut families, 99, None, Place::of_root(id(9))), []);
    }

    #[test]
    fn only_what_is_between_the_places_expires() {
        let mut families = Families::default();
        for number in 1..=5 {
            families.begin(id(number), None, Vec::new());
            families.end(id(number), at(i64::try_from(number).unwrap()));
        }
        let found = expire(&mut families, 4, Some(Place::of_root(id(1))), Place::of_root(id(5)));
        assert_eq!(found, [id(2), id(3)]);
        // One that is told backwards says nothing.
        assert_eq!(expire(&mut families, 99, Some(Place::of_root(id(5))), Place::of_root(id(1))), []);
    }
}
