//! What policy demands of what is handed out.

use chancery_base::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What policy demanded of a step when it was handed out. Its compensation and its confirm, which its decision covers,
/// go out under the same, but for what was counted: that is the step's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// What was counted for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// What the worker keeps within, as it is told.
    #[serde(default, skip_serializing_if = "no_limits")]
    pub limits: Arc<Map<String, Value>>,
    /// The fields that the input lacks: dotted paths.
    #[serde(default, skip_serializing_if = "no_mask")]
    pub mask: Arc<BTreeSet<String>>,
}

/// What was counted for an attempt when it was handed out, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// Where it was counted.
    pub account: AccountId,
    /// How much.
    pub amount: u64,
    /// The expression that says how much of it the output says was spent; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// Of a budget: the number of the entry with which its accounts began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<u64>,
    /// Since when the account counts; the epoch where it never begins anew.
    #[serde(default = "epoch", skip_serializing_if = "is_epoch")]
    pub since: Timestamp,
    /// When it begins anew; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An account: of what, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountId {
    /// For whom: a principal, a definition, a label's value; empty for the tenant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub holder: String,
    /// Of what.
    pub of: AccountOf,
}

/// What an account is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountOf {
    /// A budget: what is out is reserved, and settled or returned when it comes in.
    Budget(Name),
    /// The rate that an obligation demands, by its id and its window: what went out stays counted.
    Rate(String),
}

impl Charge {
    /// Whether it is given back where nothing was done: what counts towards a rate is not.
    #[must_use]
    pub const fn is_reserved(&self) -> bool {
        match self.account.of {
            AccountOf::Budget(_) => true,
            AccountOf::Rate(_) => false,
        }
    }
}

impl Conditions {
    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.charges.is_empty() && self.limits.is_empty() && self.mask.is_empty()
    }

    /// What holds of a compensation, a confirm and a fork, too: all but what was counted.
    #[must_use]
    pub fn lasting(conditions: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let conditions = conditions?;
        if conditions.charges.is_empty() {
            return Some(Arc::clone(conditions));
        }
        let Self { charges: _, limits, mask } = &**conditions;
        let lasting = Self { charges: Vec::new(), limits: Arc::clone(limits), mask: Arc::clone(mask) };
        Some(lasting).filter(|lasting| !lasting.is_empty()).map(Arc::new)
    }
}

const fn epoch() -> Timestamp {
    Timestamp::EPOCH
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_epoch(at: &Timestamp) -> bool {
    *at == Timestamp::EPOCH
}

fn no_limits(limits: &Arc<Map<String, Value>>) -> bool {
    limits.is_empty()
}

fn no_mask(mask: &Arc<BTreeSet<String>>) -> bool {
    mask.is_empty()
}
