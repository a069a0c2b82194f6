//! Hit policies: what to make of the rows that fire.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What a table makes of the rows that fire; as in DMN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitPolicy {
    /// One row fires at most; two are an error.
    #[default]
    Unique,
    /// Several may fire and must give the same; else it is an error.
    Any,
    /// The one whose outputs come first in the order that they list; of equals, the first row.
    Priority,
    /// The first row that fires.
    First,
    /// All that fire, in the order of the rows.
    RuleOrder,
    /// All that fire, in the order that their outputs list.
    OutputOrder,
    /// All that fire; in the order of the rows, which means nothing.
    Collect,
    /// The sum of the one output; none where no row fires.
    CollectSum,
    /// The least of the one output; none where no row fires.
    CollectMin,
    /// The greatest of the one output; none where no row fires.
    CollectMax,
    /// How many rows fire.
    CollectCount,
}

/// What a table says.
#[derive(Debug, Clone, PartialEq)]
pub enum Hit {
    /// No row fired.
    None,
    /// The outputs by name.
    One(Map<String, Value>),
    /// The outputs of each row.
    List(Vec<Map<String, Value>>),
}

impl HitPolicy {
    /// Whether it gives a list.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::RuleOrder | Self::OutputOrder | Self::Collect)
    }

    /// Whether a row is to fire whatever the inputs are.
    #[must_use]
    pub const fn wants_a_hit(self) -> bool {
        matches!(self, Self::Unique | Self::Any | Self::Priority | Self::First)
    }

    /// Whether it makes one value of one output.
    #[must_use]
    pub const fn aggregates(self) -> bool {
        self.is_arithmetic() || matches!(self, Self::CollectCount)
    }

    /// Whether the output must be a number.
    #[must_use]
    pub const fn is_arithmetic(self) -> bool {
        matches!(self, Self::CollectSum | Self::CollectMin | Self::CollectMax)
    }

    /// Whether it goes by the order that outputs list.
    #[must_use]
    pub const fn ranks(self) -> bool {
        matches!(self, Self::Priority | Self::OutputOrder)
    }

    /// The word in a document.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Any => "any",
            Self::Priority => "priority",
            Self::First => "first",
            Self::RuleOrder => "rule_order",
            Self::OutputOrder => "output_order",
            Self::Collect => "collect",
            Self::CollectSum => "collect_sum",
            Self::CollectMin => "collect_min",
            Self::CollectMax => "collect_max",
            Self::CollectCount => "collect_count",
        }
    }
}
