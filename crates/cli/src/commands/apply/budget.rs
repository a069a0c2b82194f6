//! Budgets of a folder: what they say, written as the server writes it.

use super::plan::{Act, Item, compared, found, item};
use crate::error::CliError;
use chancery_api::budget::{Budget, Measure, SetBudget};
use chancery_base::Name;
use chancery_policy::Window;
use chancery_sdk::Client;
use chancery_shard::budget::{self, BudgetTerms};

/// What may be set, as it is then shown: a window can be written in several ways.
pub(super) fn checked(set: SetBudget) -> Result<SetBudget, String> {
    let window: Option<Window> =
        set.window.map(|window| window.parse()).transpose().map_err(|error: String| format!("window: {error}"))?;
    let terms = BudgetTerms {
        limit: set.limit,
        measure: match set.measure {
            Measure::Count => budget::Measure::Count,
            Measure::Amount => budget::Measure::Amount,
        },
        per: set.per.parse().map_err(|error: String| format!("per: {error}"))?,
        unit: set.unit.clone(),
        window,
    };
    terms.check()?;
    Ok(SetBudget { window: window.map(|window| window.to_string()), ..set })
}

pub(super) async fn planned(name: Name, wanted: SetBudget, client: &Client) -> Result<Item, CliError> {
    let there = found(client.budget_get(&name).await)?.map(|there| set_of(there.budget));
    let (sign, details) = compared(there.as_ref(), &wanted);
    Ok(item((sign, "budget", name.to_string()), details, Act::Budget(name, wanted)))
}

fn set_of(budget: Budget) -> SetBudget {
    let Budget { name: _, measure, unit, per, window, limit, set_by: _, set_at: _ } = budget;
    SetBudget { measure, unit, per, window, limit }
}
