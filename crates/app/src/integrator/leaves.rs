//! The leaves of what was just committed, so that it need not be read again to be integrated.

use chancery_ledger::Hash;
use std::collections::VecDeque;

/// Leaves that are kept at most, 32 bytes each; those before them are made of what the store has.
const LEAVES_MAX: usize = 16_384;

/// Leaves of consecutive entries.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    from: u64,
    hashes: VecDeque<Hash>,
}

impl Leaves {
    /// Adds the leaves of entries from `from` on. What does not follow what is kept takes its place.
    pub(crate) fn add(&mut self, from: u64, hashes: Vec<Hash>) {
        if from != self.from + count(self.hashes.len()) {
            self.hashes.clear();
            self.from = from;
        }
        self.hashes.extend(hashes);
        self.forget(self.hashes.len().saturating_sub(LEAVES_MAX));
    }

    /// Takes leaves from `from` on, so many at most; none if the first of them is not here.
    pub(crate) fn take(&mut self, from: u64, limit: usize) -> Vec<Hash> {
        let Some(before) = from.checked_sub(self.from) else { return Vec::new() };
        self.forget(usize::try_from(before).unwrap_or(usize::MAX));
        let taken: Vec<Hash> = self.hashes.drain(..limit.min(self.hashes.len())).collect();
        self.from += count(taken.len());
        taken
    }

    fn forget(&mut self, many: usize) {
        let many = many.min(self.hashes.len());
        self.hashes.drain(..many);
        self.from += count(many);
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_ledger::leaf_hash;

    fn leaves(from: u64, to: u64) -> Vec<Hash> {
        (from..to).map(|seq| leaf_hash(&seq.to_be_bytes())).collect()
    }

    #[test]
    fn what_was_added_is_taken_in_order_and_once() {
        let mut kept = Leaves::default();
        kept.add(0, leaves(0, 3));
        kept.add(3, leaves(3, 5));
        assert_eq!(kept.take(0, 4), leaves(0, 4));
        assert_eq!(kept.take(0, 4), []);
        assert_eq!(kept.take(4, 4), leaves(4, 5));
        assert_eq!(kept.take(5, 4), []);
        kept.add(5, leaves(5, 6));
        assert_eq!(kept.take(5, 4), leaves(5, 6));
    }

    #[test]
    fn there_are_no_gaps() {
        let mut kept = Leaves::default();
        kept.add(7, leaves(7, 9));
        assert_eq!(kept.take(6, 4), [], "its first is not there");
        kept.add(12, leaves(12, 14));
        assert_eq!(kept.take(7, 4), []);
        assert_eq!(kept.take(13, 4), leaves(13, 14));
        kept.add(0, leaves(0, 2));
        assert_eq!(kept.take(20, 4), [], "and what is before is forgotten");
        assert_eq!(kept.take(0, 4), []);
        kept.add(20, leaves(20, 21));
        assert_eq!(kept.take(20, 4), leaves(20, 21));
    }

    #[test]
    fn no_more_are_kept_than_may_be() {
        let mut kept = Leaves::default();
        let all = LEAVES_MAX as u64 + 10;
        kept.add(0, leaves(0, 10));
        kept.add(10, leaves(10, all));
        assert_eq!(kept.take(9, 1), []);
        assert_eq!(kept.take(10, LEAVES_MAX + 1), leaves(10, all));
    }
}
