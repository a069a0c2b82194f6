//! What a tenant says of its targets.

use crate::row::{Sealed, TargetRow};
use chancery_base::TargetId;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// A day: no time here is longer.
const DAY_MS: u64 = 86_400_000;

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty, $range:expr;)*) => {
        /// What a tenant says of a target. What it does not say, its target `default` says, and else the node.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct TargetSettings {
            /// Whether steps may call it; the node's own list has to permit it too.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub allowed: Option<bool>,
            $($(#[$doc])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $name: Option<$type>,)*
        }

        impl TargetSettings {
            /// Says which number is not one that may be set.
            ///
            /// # Errors
            /// Its name, and what it may be.
            pub fn check(&self) -> Result<(), String> {
                $(check(stringify!($name), self.$name, $range)?;)*
                match (self.calls_min, self.window) {
                    (Some(least), Some(window)) if least > window => {
                        Err(format!("calls_min: {least}, but only the last {window} calls count"))
                    }
                    _ => Ok(()),
                }
            }

            /// These, and what others say where these say nothing.
            #[must_use]
            pub fn or(&self, others: &Self) -> Self {
                Self {
                    allowed: self.allowed.or(others.allowed),
                    $($name: self.$name.or(others.$name),)*
                }
            }
        }
    };
}

settings! {
    /// Calls that have to be seen before the breaker opens.
    calls_min: u32, 1..=1_000;
    /// Calls at a time: the bulkhead.
    concurrency: u32, 1..=1_000;
    /// Failed calls, of a hundred, from which on the breaker opens; above 100: never.
    failure_percent: u32, 1..=101;
    /// How long the breaker stays open, in milliseconds.
    open_ms: u64, 1..=DAY_MS;
    /// Calls that have to succeed before the breaker closes again.
    probes: u32, 1..=100;
    /// Calls in `rate_per_ms`.
    rate: u32, 1..=1_000_000;
    /// The time that `rate` is meant of, in milliseconds; a second where nothing is said.
    rate_per_ms: u64, 1..=DAY_MS;
    /// From how many milliseconds on a call is slow.
    slow_ms: u64, 1..=DAY_MS;
    /// Slow calls, of a hundred, from which on the breaker opens; above 100: never.
    slow_percent: u32, 1..=101;
    /// How long a call may take, in milliseconds, the step's own timeout notwithstanding.
    timeout_ms: u64, 1..=DAY_MS;
    /// How long a step may wait for a place, in milliseconds, before the target is said to be saturated.
    wait_ms: u64, 1..=DAY_MS;
    /// How many of the last calls count.
    window: u32, 1..=1_000;
}

fn check<T>(name: &str, value: Option<T>, range: RangeInclusive<T>) -> Result<(), String>
where
    T: PartialOrd + std::fmt::Display,
{
    match value {
        Some(value) if !range.contains(&value) => {
            // As whoever sets it knows it, who says how long in words.
            let (name, unit) = name.strip_suffix("_ms").map_or((name, ""), |name| (name, " ms"));
            Err(format!("{name}: {value}{unit}, it may be {} to {}{unit}", range.start(), range.end()))
        }
        Some(_) | None => Ok(()),
    }
}

/// How an operator holds a target's breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forced {
    /// No call is made.
    Open,
    /// Every call is made, whatever came of those before.
    Closed,
}

impl Forced {
    /// The word for it, `auto` where nobody holds it.
    #[must_use]
    pub const fn word(forced: Option<Self>) -> &'static str {
        match forced {
            Some(Self::Open) => "open",
            Some(Self::Closed) => "closed",
            None => "auto",
        }
    }
}

/// What is kept of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetState {
    /// How an operator holds its breaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Forced>,
    /// What is set.
    #[serde(default)]
    pub settings: TargetSettings,
}

impl TargetState {
    /// The state of a row; none if it is damaged.
    pub(crate) fn of(row: &TargetRow) -> Option<Self> {
        row.body.read()
    }

    /// Its row.
    pub(crate) fn row(&self, target: &TargetId) -> TargetRow {
        TargetRow { target: target.clone(), body: Sealed::json(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_may_not_be_set_is_named() {
        let of = |text: &str| serde_json::from_str::<TargetSettings>(text).unwrap().check();
        assert_eq!(of(r#"{"concurrency":1000,"rate":5,"window":20,"calls_min":20}"#), Ok(()));
        for (text, why) in [
            (r#"{"concurrency":0}"#, "concurrency: 0, it may be 1 to 1000"),
            (r#"{"failure_percent":102}"#, "failure_percent: 102, it may be 1 to 101"),
            (r#"{"timeout_ms":86400001}"#, "timeout: 86400001 ms, it may be 1 to 86400000 ms"),
            (r#"{"calls_min":21,"window":20}"#, "calls_min: 21, but only the last 20 calls count"),
        ] {
            assert_eq!(of(text), Err(why.to_owned()));
        }
        assert!(serde_json::from_str::<TargetSettings>(r#"{"speed":1}"#).is_err());
    }

    #[test]
    fn a_row_reads_back() {
        let target: TargetId = "https://a.example".parse().unwrap();
        let settings = TargetSettings { rate: Some(5), allowed: Some(false), ..TargetSettings::default() };
        let state = TargetState { forced: Some(Forced::Open), settings };
        let row = state.row(&target);
        assert_eq!(row.body.bytes, br#"{"forced":"open","settings":{"allowed":false,"rate":5}}"#);
        assert_eq!(TargetState::of(&row), Some(state));
        assert_eq!(TargetState::of(&TargetState::default().row(&target)), Some(TargetState::default()));
    }

    #[test]
    fn what_is_not_said_is_said_by_another() {
        let own = TargetSettings { rate: Some(5), ..TargetSettings::default() };
        let others = TargetSettings { rate: Some(9), probes: Some(2), ..TargetSettings::default() };
        let both = own.or(&others);
        assert_eq!((both.rate, both.probes, both.window), (Some(5), Some(2), None));
    }
}
