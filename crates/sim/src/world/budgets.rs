//! What operators say of budgets.

use crate::model::Check;
use crate::rng::Rng;
use chancery_policy::{Per, Window};
use chancery_shard::budget::{BudgetTerms, Measure};
use chancery_shard::input::Change;

/// Sets a budget: to more or less than it was, or to count something else.
pub(super) fn set(name: &str, rng: &mut Rng) -> Check<Change> {
    let limit = match rng.below(10) {
        0 => 0,
        1..5 => rng.between(3, 12),
        _ => rng.between(13, 60),
    };
    let measure = if rng.permille(300) { Measure::Count } else { Measure::Amount };
    let unit = (measure == Measure::Amount).then(|| "EUR cents".to_owned());
    // What is said often goes on, so that most changes are of the limit alone.
    let per = match rng.below(10) {
        0..4 => "tenant",
        4..8 => "principal",
        8 => "definition",
        _ => "label:l0",
    };
    let per: Per = per.parse()?;
    let window: Option<Window> = match rng.below(10) {
        0..4 => None,
        4..7 => Some("5s".parse()?),
        7 | 8 => Some("20s".parse()?),
        _ => Some("hour".parse()?),
    };
    let terms = Box::new(BudgetTerms { limit, measure, per, unit, window });
    Ok(Change::BudgetSet { budget: name.parse().map_err(|err| format!("{err}"))?, terms })
}
