//! Budgets.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::budget::{Account, Budget, BudgetAccounts, Measure, SetBudget};
use chancery_app::budgets::{self, AccountView, BudgetTerms, BudgetView, NamedBudget};

pub(crate) fn budget_terms(body: SetBudget) -> Result<BudgetTerms, Failure> {
    let window = body.window.map(|window| window.parse()).transpose();
    Ok(BudgetTerms {
        limit: body.limit,
        measure: match body.measure {
            Measure::Count => budgets::Measure::Count,
            Measure::Amount => budgets::Measure::Amount,
        },
        per: body.per.parse().map_err(|problem: String| invalid("per", &problem))?,
        unit: body.unit,
        window: window.map_err(|problem: String| invalid("window", &problem))?,
    })
}

pub(crate) fn budget(named: NamedBudget) -> Budget {
    let NamedBudget { name, budget } = named;
    let BudgetTerms { limit, measure, per, unit, window } = budget.terms;
    Budget {
        name,
        measure: match measure {
            budgets::Measure::Count => Measure::Count,
            budgets::Measure::Amount => Measure::Amount,
        },
        unit,
        per: per.to_string(),
        window: window.map(|window| window.to_string()),
        limit,
        set_by: budget.by,
        set_at: budget.changed_at,
    }
}

pub(crate) fn budget_accounts(view: BudgetView) -> BudgetAccounts {
    let (since, until) = view.window.unzip();
    BudgetAccounts {
        budget: budget(view.budget),
        since,
        until,
        accounts: view.accounts.into_iter().map(account).collect(),
        accounts_total: view.accounts_total,
    }
}

fn account(view: AccountView) -> Account {
    let AccountView { holder, settled, reserved, left } = view;
    Account { holder: Some(holder).filter(|holder| !holder.is_empty()), settled, reserved, left }
}
