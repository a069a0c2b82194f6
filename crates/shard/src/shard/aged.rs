//! A set of transactions that knows which of them came first.

use chancery_base::TransactionId;
use std::collections::{HashSet, VecDeque};

/// Oldest first. What is added again stays where it is.
#[derive(Debug, Default)]
pub(super) struct Aged {
    ids: HashSet<TransactionId>,
    order: VecDeque<TransactionId>,
}

impl Aged {
    pub(super) fn add(&mut self, id: TransactionId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
    }

    pub(super) fn contains(&self, id: &TransactionId) -> bool {
        self.ids.contains(id)
    }

    /// Takes out the oldest if there are more than `max`.
    pub(super) fn pop_above(&mut self, max: usize) -> Option<TransactionId> {
        if self.order.len() <= max {
            return None;
        }
        let oldest = self.order.pop_front()?;
        self.ids.remove(&oldest);
        Some(oldest)
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::{Entropy, Slot, Timestamp};

    #[test]
    fn the_oldest_leaves_first() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut draw = || TransactionId::draw(Timestamp::EPOCH, Slot::new(7).unwrap(), &mut entropy);
        let (a, b, c) = (draw(), draw(), draw());
        let mut aged = Aged::default();
        for id in [a, b, a, c] {
            aged.add(id);
        }
        assert_eq!(aged.pop_above(3), None);
        assert_eq!(aged.pop_above(2), Some(a));
        assert_eq!([a, b, c].map(|id| aged.contains(&id)), [false, true, true]);
        aged.add(a);
        assert_eq!([aged.pop_above(0), aged.pop_above(0), aged.pop_above(0)], [Some(b), Some(c), Some(a)]);
        assert_eq!(aged.pop_above(0), None);
        aged.add(b);
        aged.clear();
        assert!(!aged.contains(&b));
        assert_eq!(aged.pop_above(0), None);
    }
}
