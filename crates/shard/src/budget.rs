//! Budgets: how much may be spent, by whom, in what time. What is handed out is reserved, and settled or returned when
//! it comes in, in the same commit.

mod account;
mod movement;

pub use account::{Account, Accounts, Span};
pub use movement::Movement;
pub(crate) use movement::movements;

use crate::row::{BudgetRow, Sealed};
use chancery_base::json::INTEGER_MAX;
use chancery_base::limits::UNIT_BYTES_MAX;
use chancery_base::{Name, PrincipalId, Timestamp};
use chancery_engine::Beginning;
use chancery_policy::{Per, Window};
use serde::{Deserialize, Serialize};

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Hand-outs, or as many of something as an obligation says.
    Count,
    /// Amounts that an obligation says, in whole units such as cents.
    Amount,
}

/// What a tenant says of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetTerms {
    /// What may be settled and reserved of an account within one window.
    pub limit: u64,
    /// What is counted.
    pub measure: Measure,
    /// For whom: each has an account of its own.
    pub per: Per,
    /// What one of an amount is, such as `EUR cents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The time after which accounts begin anew; none: they never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Who set it last.
    pub by: PrincipalId,
    /// When.
    pub changed_at: Timestamp,
    /// The number of the entry with which its accounts began: another one where something else is counted since.
    pub opened: u64,
    /// What is said of it.
    pub terms: BudgetTerms,
}

impl BudgetTerms {
    /// Says what is none that may be set.
    ///
    /// # Errors
    /// Its name, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if self.limit > INTEGER_MAX.unsigned_abs() {
            return Err(format!("limit: {}, it may be 0 to {INTEGER_MAX}", self.limit));
        }
        match (self.measure, &self.unit) {
            (Measure::Count, Some(_)) => Err("unit: it is of amounts, and the measure is `count`".to_owned()),
            (Measure::Amount, None) => Err("unit: it is missing: say what one is, such as `EUR cents`".to_owned()),
            (Measure::Amount, Some(unit)) if unit.trim().is_empty() || unit.len() > UNIT_BYTES_MAX => {
                Err(format!("unit: it has 1 to {UNIT_BYTES_MAX} bytes"))
            }
            (Measure::Count, None) | (Measure::Amount, Some(_)) => Ok(()),
        }
    }

    /// Whether the same is counted, for the same and in the same time: then accounts go on.
    fn counts_as(&self, other: &Self) -> bool {
        let Self { limit: _, measure, per, unit, window } = self;
        (*measure, per, unit, *window) == (other.measure, &other.per, &other.unit, other.window)
    }
}

impl Budget {
    /// What is set by an entry, after what was set before.
    #[must_use]
    pub fn set(
        before: Option<&Self>,
        terms: BudgetTerms,
        (by, changed_at, seq): (PrincipalId, Timestamp, u64),
    ) -> Self {
        let goes_on = before.filter(|before| before.terms.counts_as(&terms));
        let opened = goes_on.map_or(seq, |before| before.opened);
        Self { by, changed_at, opened, terms }
    }

    /// What a row says; none if it is damaged.
    pub(crate) fn of(row: &BudgetRow) -> Option<Self> {
        row.body.read()
    }

    /// Its row.
    pub(crate) fn row(&self, name: &Name) -> BudgetRow {
        BudgetRow { name: name.clone(), body: Sealed::json(self) }
    }

    /// An amount in words.
    #[must_use]
    pub fn say(&self, amount: u64) -> String {
        match &self.terms.unit {
            Some(unit) => format!("{amount} {unit}"),
            None => amount.to_string(),
        }
    }
}

/// Whose account a transaction's is.
///
/// # Errors
/// If it has no such label.
pub(crate) fn holder(per: &Per, beginning: &Beginning) -> Result<String, String> {
    match per {
        Per::Tenant => Ok(String::new()),
        Per::Principal => Ok(beginning.principal.to_string()),
        Per::Definition => Ok(beginning.definition.to_string()),
        Per::Label(name) => {
            let value = beginning.labels.get(name.as_str());
            value.cloned().ok_or_else(|| format!("it is counted per label `{name}`, which the transaction lacks"))
        }
    }
}

#[cfg(test)]
mod tests;
