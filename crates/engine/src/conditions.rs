//! What policy demands of what is handed out.

use chancery_base::{Name, Timestamp};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// What policy demanded of a step when it was handed out. Its compensation and its confirm, which its decision covers,
/// go out under the same, but for what was counted: that is the step's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Demanded")]
pub struct Conditions {
    demanded: Demanded,
    /// What is demanded as text: the entry that hands the step out and the step's row both have it.
    text: OnceLock<Box<RawValue>>,
}

/// The parts, in the order of their names, as those of all that is written at each commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Demanded {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    charges: Vec<Charge>,
    #[serde(default, skip_serializing_if = "no_limits")]
    limits: Arc<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "no_mask")]
    mask: Arc<BTreeSet<String>>,
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
    /// These: what was counted, the limits as workers are told, and the dotted paths that are masked.
    #[must_use]
    pub const fn new(charges: Vec<Charge>, limits: Arc<Map<String, Value>>, mask: Arc<BTreeSet<String>>) -> Self {
        Self { demanded: Demanded { charges, limits, mask }, text: OnceLock::new() }
    }

    /// What was counted for it.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.demanded.charges
    }

    /// What the worker keeps within, as it is told.
    #[must_use]
    pub const fn limits(&self) -> &Arc<Map<String, Value>> {
        &self.demanded.limits
    }

    /// The fields that the input lacks: dotted paths.
    #[must_use]
    pub fn mask(&self) -> &BTreeSet<String> {
        &self.demanded.mask
    }

    /// What was counted, by itself.
    #[must_use]
    pub fn into_charges(self) -> Vec<Charge> {
        self.demanded.charges
    }

    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Demanded { charges, limits, mask } = &self.demanded;
        charges.is_empty() && limits.is_empty() && mask.is_empty()
    }

    /// What holds of a compensation, a confirm and a fork, too: all but what was counted.
    #[must_use]
    pub fn lasting(conditions: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let conditions = conditions?;
        if conditions.charges().is_empty() {
            return Some(Arc::clone(conditions));
        }
        let Demanded { charges: _, limits, mask } = &conditions.demanded;
        let lasting = Self::new(Vec::new(), Arc::clone(limits), Arc::clone(mask));
        Some(lasting).filter(|lasting| !lasting.is_empty()).map(Arc::new)
    }
}

impl PartialEq for Conditions {
    fn eq(&self, other: &Self) -> bool {
        self.demanded == other.demanded
    }
}

impl Eq for Conditions {}

impl From<Demanded> for Conditions {
    fn from(demanded: Demanded) -> Self {
        Self { demanded, text: OnceLock::new() }
    }
}

/// As JSON, which is made once.
impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.text.get() {
            return text.serialize(serializer);
        }
        let text = to_raw_value(&self.demanded).map_err(S::Error::custom)?;
        self.text.get_or_init(|| text).serialize(serializer)
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
