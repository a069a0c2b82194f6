//! Transactions that have ended: they never come back, so the store need not be asked for them again.

use chancery_base::TransactionId;
use chancery_base::limits::ENDED_KEPT_MAX;
use std::collections::{HashSet, VecDeque};

/// The newest of them, as far back as [`ENDED_KEPT_MAX`].
#[derive(Debug, Default)]
pub(super) struct Ended {
    ids: HashSet<TransactionId>,
    order: VecDeque<TransactionId>,
}

impl Ended {
    pub(super) fn add(&mut self, id: TransactionId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > ENDED_KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: &TransactionId) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::{Entropy, Slot, Timestamp};

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut draw = |_| TransactionId::draw(Timestamp::EPOCH, Slot::new(7).unwrap(), &mut entropy);
        let ids: Vec<_> = (0..=ENDED_KEPT_MAX).map(&mut draw).collect();
        let mut ended = Ended::default();
        for id in &ids {
            ended.add(*id);
            ended.add(*id);
        }
        assert!(!ended.contains(&ids[0]));
        assert!(ids[1..].iter().all(|id| ended.contains(id)));
        assert_eq!(ended.order.len(), ENDED_KEPT_MAX);
    }
}
