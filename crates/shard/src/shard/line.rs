//! Who is next in a queue: the highest priority; of those the keys of fairness take turns; of one key what has waited
//! longest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// What a ready step takes turns by; those that say nothing are one among the keys.
pub(super) type Key = Option<Arc<str>>;

/// Where in its line something waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rank {
    pub(super) priority: i8,
    pub(super) key: Key,
}

/// What waits in one queue; `T` is ordered by how long it has waited.
#[derive(Debug)]
pub(super) struct Line<T> {
    bands: BTreeMap<Reverse<i8>, Band<T>>,
}

/// What waits with one priority.
#[derive(Debug)]
struct Band<T> {
    waiting: BTreeMap<Key, BTreeSet<T>>,
    /// The key that had its turn last.
    last: Option<Key>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { bands: BTreeMap::new() }
    }
}

impl<T: Copy + Ord> Line<T> {
    pub(super) fn insert(&mut self, rank: &Rank, item: T) {
        let none = || Band { waiting: BTreeMap::new(), last: None };
        let band = self.bands.entry(Reverse(rank.priority)).or_insert_with(none);
        match band.waiting.get_mut(&rank.key) {
            Some(items) => {
                items.insert(item);
            }
            None => {
                band.waiting.insert(rank.key.clone(), BTreeSet::from([item]));
            }
        }
    }

    /// Takes something out. Whose turn it was is kept until [`Line::sweep`]: what is taken out may come back at once.
    pub(super) fn remove(&mut self, rank: &Rank, item: T) {
        let Some(band) = self.bands.get_mut(&Reverse(rank.priority)) else { return };
        let Some(items) = band.waiting.get_mut(&rank.key) else { return };
        items.remove(&item);
        if items.is_empty() {
            band.waiting.remove(&rank.key);
        }
    }

    /// Forgets priorities at which nothing waits; whether there is nothing left at all.
    pub(super) fn sweep(&mut self) -> bool {
        self.bands.retain(|_, band| !band.waiting.is_empty());
        self.bands.is_empty()
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<T> {
        let band = self.bands.values().find(|band| !band.waiting.is_empty())?;
        band.next().and_then(|(_, items)| items.first().copied())
    }

    /// The priority of whose turn it is.
    pub(super) fn priority(&self) -> Option<i8> {
        self.bands.iter().find(|(_, band)| !band.waiting.is_empty()).map(|(Reverse(priority), _)| *priority)
    }

    /// Whoever is next has its turn: after it, it is another key's.
    pub(super) fn take_turn(&mut self) {
        let Some(band) = self.bands.values_mut().find(|band| !band.waiting.is_empty()) else { return };
        band.last = band.next().map(|(key, _)| key.clone());
    }

    /// What waits, longest first, whatever its turn.
    pub(super) fn items(&self) -> Vec<T> {
        let mut items: Vec<T> = self.sets().flatten().copied().collect();
        items.sort_unstable();
        items
    }

    /// Whether something waits.
    pub(super) fn contains(&self, item: T) -> bool {
        self.sets().any(|items| items.contains(&item))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.sets().map(BTreeSet::len).sum()
    }

    /// What has waited longest, whatever its turn.
    pub(super) fn oldest(&self) -> Option<T> {
        self.sets().filter_map(|items| items.first().copied()).min()
    }

    fn sets(&self) -> impl Iterator<Item = &BTreeSet<T>> {
        self.bands.values().flat_map(|band| band.waiting.values())
    }
}

impl<T> Band<T> {
    /// The key after the one that had its turn last, and after the last key the first.
    fn next(&self) -> Option<(&Key, &BTreeSet<T>)> {
        let after = self.last.as_ref().and_then(|last| self.waiting.range((Excluded(last), Unbounded)).next());
        after.or_else(|| self.waiting.first_key_value())
    }
}

#[cfg(test)]
mod tests;
