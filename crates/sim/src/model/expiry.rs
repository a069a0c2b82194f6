//! What must hold of what expires.

use super::{Check, Model, ensure};
use chancery_base::TransactionId;
use chancery_ledger::Record;
use chancery_shard::expiry::{Place, Removed};
use chancery_shard::row::LogRow;

impl Model {
    /// Transactions have no rows from here on: whole families, long after the end of each.
    pub(super) fn expire(&mut self, row: &LogRow, record: &Record) -> Check {
        let removed = Removed::of(record).ok_or("it does not say what it removed")?;
        let kept = record.at.since(removed.ended_before);
        ensure(kept >= self.retention, || format!("what ended {kept:?} ago went, {:?} is to be kept", self.retention))?;
        let of_log = self.transactions.iter().filter(|(id, of)| of.log == row.id && !self.expired.contains(*id));
        let goes: Vec<TransactionId> = of_log.map(|(id, _)| *id).filter(|id| self.is_in(*id, &removed)).collect();
        ensure(u64::try_from(goes.len()) == Ok(removed.transactions), || {
            format!("{} transactions went, and {goes:?} should have", removed.transactions)
        })?;
        for id in goes {
            let runs = self.transactions.get(&id).is_none_or(|transaction| transaction.ended.is_none());
            ensure(!runs, || format!("{id} went, which has not ended"))?;
            self.start_keys.retain(|_, of| *of != id);
            self.expired.insert(id);
            // That it has no rows is looked at.
            self.changed.insert(id);
        }
        Ok(())
    }

    /// Whether an entry removes a transaction.
    fn is_in(&self, id: TransactionId, removed: &Removed) -> bool {
        let (root, depth) = self.root_of(id);
        let place = if root == id { Place::of_root(id) } else { Place::of_child(root, depth, id) };
        let is_between = removed.after.is_none_or(|after| place > after) && place <= removed.to;
        let ended = self.transactions.get(&root).filter(|root| root.ended.is_some());
        let is_old = ended.is_some_and(|root| root.ended_at < removed.ended_before);
        is_between && is_old && !self.open().any(|(open, _)| self.root_of(open).0 == root)
    }

    /// Its root, and how deep it stands below that.
    fn root_of(&self, id: TransactionId) -> (TransactionId, u32) {
        let parent = self.transactions.get(&id).and_then(|transaction| transaction.parent);
        parent.map_or((id, 0), |parent| {
            let (root, depth) = self.root_of(parent);
            (root, depth + 1)
        })
    }
}
