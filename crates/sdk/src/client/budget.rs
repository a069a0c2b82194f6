//! Budgets.

use super::transport::{Body, Call};
use super::{Client, Pages};
use crate::Error;
use chancery_api::budget::{Budget, BudgetAccounts, SetBudget};
use chancery_base::Name;

impl Client {
    /// The tenant's budgets, by their names.
    #[must_use]
    pub fn budgets(&self) -> Pages<Budget> {
        self.pages("budget_list", &["v1", "budgets"], Vec::new())
    }

    /// Reads a budget and its accounts.
    ///
    /// # Errors
    /// If there is no such budget.
    pub async fn budget_get(&self, name: &Name) -> Result<BudgetAccounts, Error> {
        self.transport.json(Call::get("budget_get", &["v1", "budgets", name.as_str()])).await
    }

    /// Sets a budget, in place of what was set before; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn budget_set(&self, name: &Name, set: &SetBudget) -> Result<Budget, Error> {
        let call = Call::put("budget_set", &["v1", "budgets", name.as_str()]);
        self.transport.json(call.body(Body::json(set)?)).await
    }

    /// Deletes a budget and its accounts; in force when the call returns.
    ///
    /// # Errors
    /// If there is no such budget.
    pub async fn budget_delete(&self, name: &Name) -> Result<(), Error> {
        self.transport.bytes(Call::delete("budget_delete", &["v1", "budgets", name.as_str()])).await.map(drop)
    }
}
