//! How risky what is asked for is. The tables that say so are the bundle's, and others evaluate them: here is what
//! their answers come to.

use chancery_base::Name;
use chancery_base::limits::RISK_ROWS_MAX;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A kind of harm. Its risk is 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Of systems and what they keep.
    Security,
    /// Of people's data.
    Privacy,
    /// Of law and contract.
    Compliance,
    /// Of what must go on.
    Operational,
    /// Of how one is seen.
    Reputational,
    /// Of money.
    Financial,
}

/// How high a risk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RiskLevel {
    /// Below 30.
    Low,
    /// From 30.
    Medium,
    /// From 60.
    High,
    /// From 80.
    Critical,
}

/// A row of a table that said how high a risk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskRow {
    /// The table.
    pub table: Name,
    /// Its version.
    pub version: u64,
    /// The row, from 1.
    pub row: usize,
    /// The row's own id.
    pub id: Option<Name>,
}

/// How risky it is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// From 1 to 100.
    pub score: u8,
    /// What that is called.
    pub level: RiskLevel,
    /// What each dimension was given that was given any, 0 to 100.
    pub dimensions: BTreeMap<Dimension, u8>,
    /// The rows that gave it, [`RISK_ROWS_MAX`] of them at most.
    pub rows: Vec<RiskRow>,
    /// How many rows more there were.
    pub rows_omitted: usize,
}

impl Risk {
    /// What the dimensions come to: their mean by [`Dimension::weight`], of those that are there, rounded half up and
    /// held within 1 to 100. None where there is no dimension.
    #[must_use]
    pub fn of(dimensions: BTreeMap<Dimension, u8>, mut rows: Vec<RiskRow>) -> Option<Self> {
        let weights: u32 = dimensions.keys().map(|dimension| dimension.weight()).sum();
        let weighted: u32 = dimensions.iter().map(|(dimension, risk)| dimension.weight() * u32::from(*risk)).sum();
        let score = (2 * weighted + weights).checked_div(2 * weights)?.clamp(1, 100);
        let score = u8::try_from(score).unwrap_or(100);
        let rows_omitted = rows.len().saturating_sub(RISK_ROWS_MAX);
        rows.truncate(RISK_ROWS_MAX);
        Some(Self { score, level: RiskLevel::of(score), dimensions, rows, rows_omitted })
    }

    /// As it stands in a decision's payload.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let dimensions = self.dimensions.iter().map(|(dimension, risk)| (dimension.word().to_owned(), json!(risk)));
        let rows = self.rows.iter().map(RiskRow::to_json);
        let mut map = Map::new();
        map.insert("dimensions".to_owned(), Value::Object(dimensions.collect()));
        map.insert("level".to_owned(), Value::from(self.level.word()));
        map.insert("rows".to_owned(), rows.collect());
        if self.rows_omitted > 0 {
            map.insert("rows_omitted".to_owned(), Value::from(self.rows_omitted));
        }
        map.insert("score".to_owned(), Value::from(self.score));
        Value::Object(map)
    }
}

impl RiskRow {
    fn to_json(&self) -> Value {
        let mut json = json!({ "table": self.table.as_str(), "version": self.version, "row": self.row });
        if let (Some(id), Some(map)) = (&self.id, json.as_object_mut()) {
            map.insert("id".to_owned(), Value::from(id.as_str()));
        }
        json
    }
}

impl RiskLevel {
    /// The level of a score.
    #[must_use]
    pub const fn of(score: u8) -> Self {
        match score {
            80.. => Self::Critical,
            60.. => Self::High,
            30.. => Self::Medium,
            0.. => Self::Low,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Dimension {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Security, Self::Privacy, Self::Compliance, Self::Operational, Self::Reputational, Self::Financial];

    /// How much it counts, in hundredths; where all are there.
    #[must_use]
    pub const fn weight(self) -> u32 {
        match self {
            Self::Security => 25,
            Self::Privacy | Self::Compliance => 20,
            Self::Operational => 15,
            Self::Reputational | Self::Financial => 10,
        }
    }

    /// The word on the wire and in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Privacy => "privacy",
            Self::Compliance => "compliance",
            Self::Operational => "operational",
            Self::Reputational => "reputational",
            Self::Financial => "financial",
        }
    }

    /// The dimension of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(dimensions: &[(Dimension, u8)]) -> Option<(u8, &'static str)> {
        Risk::of(dimensions.iter().copied().collect(), Vec::new()).map(|risk| (risk.score, risk.level.word()))
    }

    #[test]
    fn dimensions_are_weighed() {
        use Dimension::*;
        assert_eq!(Dimension::ALL.iter().map(|dimension| dimension.weight()).sum::<u32>(), 100);
        assert_eq!(score(&[]), None);
        assert_eq!(score(&[(Security, 0)]), Some((1, "low")), "there is no risk of none");
        assert_eq!(score(&[(Security, 100)]), Some((100, "critical")), "alone it counts all");
        assert_eq!(score(&[(Security, 90), (Financial, 20)]), Some((70, "high")));
        assert_eq!(score(&[(Privacy, 30), (Operational, 29)]), Some((30, "medium")), "29.57 is 30");
        assert_eq!(score(&Dimension::ALL.map(|dimension| (dimension, 79))), Some((79, "high")));
        assert_eq!(score(&Dimension::ALL.map(|dimension| (dimension, 80))), Some((80, "critical")));
    }

    #[test]
    fn only_so_many_rows_are_told() {
        let row = RiskRow { table: "t".parse().unwrap(), version: 1, row: 1, id: None };
        let risk = Risk::of([(Dimension::Security, 1)].into(), vec![row; RISK_ROWS_MAX + 3]).unwrap();
        assert_eq!((risk.rows.len(), risk.rows_omitted), (RISK_ROWS_MAX, 3));
        assert_eq!(risk.to_json()["rows_omitted"], 3);
    }

    proptest! {
        #[test]
        fn a_score_lies_between_the_least_and_the_most(
            given in prop::collection::btree_map(prop::sample::select(Dimension::ALL.to_vec()), 0..=100_u8, 1..=6),
        ) {
            let (least, most) = (*given.values().min().unwrap(), *given.values().max().unwrap());
            let risk = Risk::of(given, Vec::new()).unwrap();
            prop_assert!((least.max(1)..=most.max(1)).contains(&risk.score), "{:?}", risk);
            prop_assert_eq!(risk.level, RiskLevel::of(risk.score));
        }
    }
}
