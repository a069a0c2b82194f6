//! Transactions in memory that only wait. What happens to one of them soon finds it here; above a number the one that
//! has waited longest leaves memory, and is loaded when something happens to it.

use super::Shard;
use chancery_base::TransactionId;
use chancery_base::limits::ENDED_KEPT_MAX;
use chancery_engine::ShownStatus;
use std::collections::hash_map::Entry;

impl Shard {
    /// Whether nothing happens to a transaction in memory until an input or its time comes, and none below it is there.
    fn rests(&self, id: TransactionId) -> bool {
        !self.family.has_children(id)
            && self.members.get(&id).is_some_and(|member| {
                member.shown() == ShownStatus::Waiting && member.wake_at().is_none_or(|at| at > self.latest)
            })
    }

    /// Lets those that have waited longest leave memory, down to as many as may stay.
    pub(super) fn put_to_sleep(&mut self) {
        while let Some(id) = self.resting.pop_above(self.config.resting_max) {
            // What the next batch has touched comes back when that is committed.
            if self.is_touched(id) || !self.rests(id) {
                continue;
            }
            if let Some(member) = self.members.remove(&id) {
                self.clones -= member.clone_count();
                self.index.put_to_sleep(id, member.wake_at());
                self.running = self.running.saturating_sub(1);
                self.family.leave(&member).into_iter().for_each(|parent| self.dismiss(parent));
            }
        }
    }

    /// Whether the next batch has touched it: then it is that one's to forget.
    fn is_touched(&self, id: TransactionId) -> bool {
        self.next.as_ref().is_some_and(|next| next.touched.contains(&id))
    }

    /// Forgets a transaction that is settled, and then those above it that were kept for it alone. One that only waits
    /// may leave memory from here on.
    pub(super) fn dismiss(&mut self, id: TransactionId) {
        let mut next = Some(id);
        while let Some(id) = next.take() {
            if self.is_touched(id) || self.family.has_children(id) {
                return;
            }
            let Entry::Occupied(entry) = self.members.entry(id) else { return };
            if !entry.get().status().is_settled() {
                if self.rests(id) {
                    self.resting.add(id);
                }
                return;
            }
            let member = entry.remove();
            self.clones -= member.clone_count();
            self.index.remove(id);
            // What completed may be recalled by its parent.
            if member.status().is_ended() && !member.may_be_recalled() {
                self.ended.add(id);
                self.ended.pop_above(ENDED_KEPT_MAX);
            }
            next = self.family.leave(&member);
        }
    }
}
