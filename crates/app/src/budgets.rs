//! Budgets: how much may be spent, by whom, in what time, and how much was.

use crate::app::App;
use crate::page::{Page, Paged};
use crate::transactions::damaged;
use crate::{Error, clock};
use chancery_base::{Name, Timestamp};
use chancery_engine::AccountOf;
use chancery_policy::Grant;
pub use chancery_policy::{Per, Window};
use chancery_shard::budget::{Account, Span};
pub use chancery_shard::budget::{Budget, BudgetTerms, Measure};
use chancery_shard::control;
use chancery_shard::input::Change;

/// Accounts of a budget that are shown: those with the least left.
pub const ACCOUNTS_SHOWN: usize = 100;

/// A budget as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedBudget {
    /// Its name.
    pub name: Name,
    /// What is said of it.
    pub budget: Budget,
}

/// A budget with its accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetView {
    /// The budget.
    pub budget: NamedBudget,
    /// The time that accounts count in now: since when, and until when.
    pub window: Option<(Timestamp, Timestamp)>,
    /// The accounts in which something is counted, those with the least left first: [`ACCOUNTS_SHOWN`] at most.
    pub accounts: Vec<AccountView>,
    /// How many there are.
    pub accounts_total: usize,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Whose it is; empty for the tenant.
    pub holder: String,
    /// What was spent.
    pub settled: u64,
    /// What is out.
    pub reserved: u64,
    /// What is left of the limit.
    pub left: u64,
}

/// Sets a budget, in place of what was set before; in force when this returns.
///
/// # Errors
/// If it is none that may be set, or there are too many.
pub async fn set(app: &App, grant: &Grant, name: &Name, terms: BudgetTerms) -> Result<NamedBudget, Error> {
    let tenant = app.tenant(grant)?;
    tenant.change(grant, Change::BudgetSet { budget: name.clone(), terms: Box::new(terms) }).await?;
    let budget = tenant.control()?.budgets.get(name).cloned();
    // Deleted by another since: it is not in force.
    let budget = budget.ok_or_else(|| Error::Conflict(format!("budget `{name}` was deleted meanwhile")))?;
    Ok(NamedBudget { name: name.clone(), budget })
}

/// Deletes a budget, with its accounts; what it is demanded of is denied when this returns.
///
/// # Errors
/// If there is none of this name.
pub async fn delete(app: &App, grant: &Grant, name: &Name) -> Result<(), Error> {
    app.tenant(grant)?.change(grant, Change::BudgetDelete(name.clone())).await.map(drop)
}

/// A page of the tenant's budgets, by their names.
///
/// # Errors
/// If the tenant is not served here.
pub fn list(app: &App, grant: &Grant, page: &Page<Name>) -> Result<Paged<NamedBudget, Name>, Error> {
    let control = app.tenant(grant)?.control()?;
    let later = |name: &Name| page.after.as_ref().is_none_or(|after| name > after);
    let found = control.budgets.iter().filter(|(name, _)| later(name)).take(page.rows() + 1);
    let named = found.map(|(name, budget)| NamedBudget { name: name.clone(), budget: budget.clone() });
    Ok(Paged::cut(named.collect(), page.rows(), |budget| budget.name.clone()))
}

/// A budget with its accounts, as they were committed last: nothing that is on its way is counted.
///
/// # Errors
/// If there is none of this name, or the store does not answer.
pub async fn get(app: &App, grant: &Grant, name: &Name) -> Result<BudgetView, Error> {
    let rows = app.store().control(app.tenant(grant)?.log).await?;
    let found = control::budgets(&rows).map_err(damaged("budgets"))?.remove(name);
    let budget = found.ok_or_else(|| Error::Missing(format!("budget `{name}`")))?;
    let accounts = control::accounts(&rows).map_err(damaged("accounts"))?;
    let (span, limit) = (Span::around(Some(budget.opened), budget.terms.window, clock::now()), budget.terms.limit);
    let is_of = |account: &&Account| matches!(&account.id.of, AccountOf::Budget(of) if of == name);
    let counting = accounts.iter().filter(is_of).filter(|account| account.span >= span);
    let mut accounts: Vec<AccountView> = counting.map(|account| view(account, limit)).collect();
    accounts.sort_by(|one, other| (one.left, &one.holder).cmp(&(other.left, &other.holder)));
    let accounts_total = accounts.len();
    accounts.truncate(ACCOUNTS_SHOWN);
    let window = span.until.map(|until| (span.since, until));
    Ok(BudgetView { budget: NamedBudget { name: name.clone(), budget }, window, accounts, accounts_total })
}

fn view(account: &Account, limit: u64) -> AccountView {
    let Account { id, reserved, settled, span: _ } = account;
    let left = limit.saturating_sub(account.used());
    AccountView { holder: id.holder.clone(), settled: *settled, reserved: *reserved, left }
}
