//! Overrides: people answer for what policy denies. What was denied, and why, is kept.

use crate::decide::{Effect, Reason};
use chancery_base::OverrideId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Why people answer for what policy denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideKind {
    /// It can't wait until policy is another.
    EmergencyBypass,
    /// Who answers for the whole decides so.
    ExecutiveOverride,
    /// Policy does not hold for a while: the one kind that is for as many acts as come.
    TimeLimitedException,
    /// What policy guards against is known, and taken.
    RiskAccepted,
}

impl OverrideKind {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::EmergencyBypass, Self::ExecutiveOverride, Self::TimeLimitedException, Self::RiskAccepted];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EmergencyBypass => "emergency_bypass",
            Self::ExecutiveOverride => "executive_override",
            Self::TimeLimitedException => "time_limited_exception",
            Self::RiskAccepted => "risk_accepted",
        }
    }

    /// Whether it is for one act only.
    #[must_use]
    pub const fn is_single(self) -> bool {
        match self {
            Self::EmergencyBypass | Self::ExecutiveOverride | Self::RiskAccepted => true,
            Self::TimeLimitedException => false,
        }
    }
}

/// An override that is in force, as a decision takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Its id.
    pub id: OverrideId,
    /// Of what kind it is.
    pub kind: OverrideKind,
    /// Why who granted it did.
    pub justification: String,
}

impl Override {
    /// The one that a decision's payload names.
    pub(crate) fn of_payload(payload: &Value) -> Option<Self> {
        let named = payload.get("overridden")?;
        Some(Self {
            id: named.get("override")?.as_str()?.parse().ok()?,
            kind: OverrideKind::deserialize(named.get("kind")?).ok()?,
            justification: named.get("justification")?.as_str()?.to_owned(),
        })
    }

    /// Why it permits: its id stands where a policy's would.
    pub(crate) fn reason(&self) -> Reason {
        let text = format!("people answer for it ({}): {}", self.kind.word(), self.justification);
        Reason { policy: Some(self.id.to_string()), effect: Some(Effect::Permit), text }
    }
}

/// What an override changed of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overridden {
    /// The override.
    pub by: Override,
    /// Why policy denies it.
    pub reasons: Vec<Reason>,
}

impl Overridden {
    /// What policy said, in the word of the API: an override changes nothing but a deny.
    const ORIGINAL: &str = "denied";

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "justification": self.by.justification,
            "kind": self.by.kind.word(),
            "original": Self::ORIGINAL,
            "override": self.by.id.to_string(),
            "reasons": self.reasons.iter().map(Reason::to_json).collect::<Vec<_>>(),
        })
    }
}
