//! Transactions in memory that only wait. What happens to one of them soon finds it here; above a number the one that
//! has waited longest leaves memory, and is loaded when something happens to it.

use chancery_base::TransactionId;
use std::collections::{HashSet, VecDeque};

/// Those that rested when they were last looked at, oldest first.
#[derive(Debug, Default)]
pub(super) struct Resting {
    ids: HashSet<TransactionId>,
    order: VecDeque<TransactionId>,
}

impl Resting {
    pub(super) fn add(&mut self, id: TransactionId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
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
    fn the_one_that_has_waited_longest_leaves_first() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut draw = || TransactionId::draw(Timestamp::EPOCH, Slot::new(7).unwrap(), &mut entropy);
        let (a, b, c) = (draw(), draw(), draw());
        let mut resting = Resting::default();
        for id in [a, b, a, c] {
            resting.add(id);
        }
        assert_eq!(resting.pop_above(3), None);
        assert_eq!(resting.pop_above(2), Some(a));
        resting.add(a);
        assert_eq!([resting.pop_above(0), resting.pop_above(0), resting.pop_above(0)], [Some(b), Some(c), Some(a)]);
        assert_eq!(resting.pop_above(0), None);
    }
}
