//! Signals that steps wait for.

use serde::{Deserialize, Serialize};

/// A signal that a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalPlan {
    /// Which of the two.
    pub name: SignalName,
    /// How many milliseconds at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// The names of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalName {
    /// The one.
    Paid,
    /// The other.
    Approved,
}

impl SignalName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Paid, Self::Approved];

    /// As a definition has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Approved => "approved",
        }
    }
}
