//! What a tenant says of its budgets.

use super::Changed;
use crate::budget::{Budget, BudgetTerms};
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::payload::Payload;
use crate::row::ControlRow;
use crate::shard::Shard;
use crate::shard::work::Work;
use chancery_base::limits::BUDGETS_MAX;
use chancery_base::{Name, PrincipalId};
use chancery_ledger::Data;
use std::time::Duration;

/// When who meets the limit should come again: somebody has to delete one.
const RETRY_AFTER: Duration = Duration::from_secs(60);

impl Shard {
    /// Sets a budget; none where the same is said already. Where something else is counted from here on, its accounts
    /// begin anew.
    pub(super) fn budget_set(
        &mut self,
        actor: PrincipalId,
        name: &Name,
        terms: &BudgetTerms,
        control: &Control,
        work: &mut Work,
    ) -> Changed {
        terms.check().map_err(Refusal::Invalid)?;
        let before = control.budgets.get(name);
        if before.is_some_and(|before| before.terms == *terms) {
            return Ok(None);
        }
        if before.is_none() && control.budgets.len() >= BUDGETS_MAX {
            return Err(Refusal::Limited { what: "budgets of a tenant", max: BUDGETS_MAX, retry_after: RETRY_AFTER });
        }
        let budget = Budget::set(before, terms.clone(), (actor, work.now, work.seq()));
        if before.is_some_and(|before| before.opened != budget.opened) {
            work.accounts.extend(self.accounts.close(name));
        }
        work.control.push(ControlRow::Budget(budget.row(name)));
        work.raise();
        let payload = Payload::new().text("budget", name.as_str()).serialize("terms", terms);
        Ok(Some(work.write_control(kind::BUDGET_SET, actor, Data::new(), Some(payload.finish()))))
    }

    /// Deletes one, with its accounts: what it was demanded of is denied from here on.
    pub(super) fn budget_delete(
        &mut self,
        actor: PrincipalId,
        name: &Name,
        control: &Control,
        work: &mut Work,
    ) -> Changed {
        if !control.budgets.contains_key(name) {
            return Err(Refusal::NotFound(format!("budget `{name}`")));
        }
        work.accounts.extend(self.accounts.close(name));
        work.control.push(ControlRow::BudgetGone(name.clone()));
        work.raise();
        let payload = Payload::new().text("budget", name.as_str());
        Ok(Some(work.write_control(kind::BUDGET_DELETED, actor, Data::new(), Some(payload.finish()))))
    }
}
