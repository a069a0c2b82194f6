//! Budgets, as the entries have them.

use super::{Replay, ReplayError, typed};
use crate::budget::Budget;
use chancery_base::Name;
use chancery_ledger::Record;
use serde_json::{Map, Value};

impl Replay {
    /// Takes an entry's word that a budget was set or deleted.
    pub(super) fn budget(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let name: Name = typed(payload, "budget")?;
        let before = self.rows.budgets.get(&name).map(|row| Budget::of(row).ok_or(ReplayError::Row("terms")));
        let before = before.transpose()?;
        if record.kind.as_str() == "budget.deleted" {
            before.ok_or_else(|| ReplayError::Dangling(format!("budget `{name}`")))?;
            self.accounts.close(&name);
            self.rows.budgets.remove(&name);
            return Ok(());
        }
        let budget = Budget::set(before.as_ref(), typed(payload, "terms")?, (record.actor, record.at, record.seq));
        if before.is_some_and(|before| before.opened != budget.opened) {
            self.accounts.close(&name);
        }
        self.rows.budgets.insert(name.clone(), budget.row(&name));
        Ok(())
    }
}
