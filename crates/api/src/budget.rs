//! Budgets: how much may be spent, by whom, in what time, and how much was.

use chancery_base::{Name, PrincipalId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Hand-outs, or as many of something as an obligation says.
    Count,
    /// Amounts that an obligation says, in whole units such as cents.
    Amount,
}

impl Measure {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Amount => "amount",
        }
    }
}

/// Sets a budget, in place of what was set before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetBudget {
    /// What is counted. Where this, `unit`, `per` or `window` becomes another, what was counted is forgotten.
    pub measure: Measure,
    /// What one of an amount is, such as `EUR cents`: needed there, and absent of a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "EUR cents", max_length = 64)]
    pub unit: Option<String>,
    /// Who has an account each: `tenant`, `principal` (who started the transaction), `definition`, or the values of a
    /// label, `label:NAME`.
    #[schema(example = "principal")]
    pub per: String,
    /// The time after which accounts begin anew: `hour`, `day`, `month` (UTC), or a time such as `10m`; absent: they
    /// never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "month")]
    pub window: Option<String>,
    /// What may be settled and reserved of an account within one window.
    pub limit: u64,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Budget {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// What is counted.
    pub measure: Measure,
    /// What one of an amount is; absent of a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Who has an account each: `tenant`, `principal`, `definition`, or `label:NAME`.
    pub per: String,
    /// The time after which accounts begin anew; absent: they never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// What may be settled and reserved of an account within one window.
    pub limit: u64,
    /// Who set it last.
    #[schema(value_type = String)]
    pub set_by: PrincipalId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub set_at: Timestamp,
}

/// A budget with its accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetAccounts {
    /// The budget.
    #[serde(flatten)]
    pub budget: Budget,
    /// Since when accounts count; absent where they never begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// When they begin anew; absent where they never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// The accounts in which something is counted, those with the least left first: 100 at most. Every other one is
    /// untouched.
    pub accounts: Vec<Account>,
    /// How many there are.
    pub accounts_total: usize,
}

/// An account of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Whose it is: a principal's id, a definition's name, a label's value; absent for the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// What was spent.
    pub settled: u64,
    /// What is out with workers.
    pub reserved: u64,
    /// What is left of the limit.
    pub left: u64,
}
