//! What a bundle's obligations name that the tenant does not have. What they apply to is denied until it is there.

use crate::error::Fault;
use chancery_policy::{Bundle, Demand};
use chancery_shard::control::Control;

/// A warning for each: the budgets and notifiers that are not there.
pub(super) fn of(bundle: &Bundle, control: &Control) -> Vec<Fault> {
    let mut warnings = Vec::new();
    for obligation in bundle.demands() {
        let mut lacks = |what: &str, name: &str| {
            let policy = obligation.policy.as_deref().unwrap_or_default();
            warnings.push(Fault {
                path: format!("obligation `{policy}`"),
                line: None,
                column: None,
                message: format!("there is no {what} `{name}`: what it applies to is denied until there is one"),
                rule: Some("missing"),
            });
        };
        match &obligation.demand {
            Demand::Budget(spending) if !control.budgets.contains_key(&spending.budget) => {
                lacks("budget", spending.budget.as_str());
            }
            Demand::Notify(notifiers) => {
                let missing = notifiers.iter().filter(|notifier| !control.notifiers.contains_key(*notifier));
                missing.for_each(|notifier| lacks("notifier", notifier.as_str()));
            }
            Demand::Budget(_)
            | Demand::Approval(_)
            | Demand::Evidence(_)
            | Demand::Mask(_)
            | Demand::Limits(_)
            | Demand::Rate(_) => {}
        }
    }
    warnings
}
