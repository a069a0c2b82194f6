//! What is done where no policy says anything.

use crate::bundle::BundleError;
use serde_json::Value;
use std::collections::BTreeMap;

/// From which risk on [`Mode::Paranoid`] asks for an approval, unless the bundle says otherwise: critical.
const THRESHOLD: u8 = 80;

/// How a bundle answers what its policies leave open. A forbid denies in every mode, and so does a policy that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Only what a policy permits is permitted.
    #[default]
    Strict,
    /// What no policy forbids is permitted, also an action that the schema does not declare, and the decision says that
    /// it would have been denied. Nothing irreversible is.
    Permissive,
    /// As [`Mode::Strict`], and what is irreversible or as risky as the bundle's threshold needs somebody's approval.
    Paranoid,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Permissive, Self::Paranoid];

    /// The word in a bundle and on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Permissive => "permissive",
            Self::Paranoid => "paranoid",
        }
    }

    fn read(at: &str, value: &Value) -> Result<Self, BundleError> {
        let mode = Self::ALL.into_iter().find(|mode| value.as_str() == Some(mode.word()));
        mode.ok_or_else(|| BundleError::Form {
            at: at.to_owned(),
            expected: "`strict`, `permissive` or `paranoid`".to_owned(),
        })
    }
}

/// The modes of a bundle.
#[derive(Debug, Clone)]
pub(crate) struct Modes {
    default: Mode,
    by_action: BTreeMap<String, Mode>,
    threshold: u8,
}

impl Modes {
    /// Reads the bundle's keys `mode`, `modes` and `risk_threshold`.
    pub(crate) fn read(
        mode: Option<&Value>,
        modes: Option<&Value>,
        threshold: Option<&Value>,
    ) -> Result<Self, BundleError> {
        let form = |at: &str, expected: &str| BundleError::Form { at: at.to_owned(), expected: expected.to_owned() };
        let default = mode.map_or(Ok(Mode::default()), |mode| Mode::read("mode", mode))?;
        let mut by_action = BTreeMap::new();
        if let Some(modes) = modes {
            for (action, mode) in modes.as_object().ok_or_else(|| form("modes", "an object of modes by action"))? {
                by_action.insert(action.clone(), Mode::read(&format!("modes.{action}"), mode)?);
            }
        }
        let threshold = match threshold {
            None => THRESHOLD,
            Some(value) => value
                .as_u64()
                .and_then(|risk| u8::try_from(risk).ok())
                .filter(|risk| (1..=100).contains(risk))
                .ok_or_else(|| form("risk_threshold", "a whole number from 1 to 100"))?,
        };
        Ok(Self { default, by_action, threshold })
    }

    /// The actions that have a mode of their own.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &str> {
        self.by_action.keys().map(String::as_str)
    }

    /// The mode of an action.
    pub(crate) fn of(&self, action: &str) -> Mode {
        self.by_action.get(action).copied().unwrap_or(self.default)
    }

    /// From which risk on [`Mode::Paranoid`] asks for an approval.
    pub(crate) const fn threshold(&self) -> u8 {
        self.threshold
    }
}
