//! The setting `GEN`, which changes while transactions run, and of which each keeps what it was when its root began.

use super::{Plan, Saga};
use crate::model::{Check, ensure};
use crate::rng::Rng;
use serde_json::Value;

impl Plan {
    /// The same, of which some steps take the setting.
    pub(super) fn with_setting(mut self, number: usize) -> Self {
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0xe4f0_0000);
        let often = rng.pick(&[0, 300, 700]).copied().unwrap_or(0);
        for step in self.steps.iter_mut().filter(|step| !step.is_passive()) {
            step.takes_setting = rng.permille(often);
        }
        self
    }
}

impl Saga {
    /// What the setting is for it; none: it is not set.
    pub(crate) const fn see(&mut self, setting: Option<u64>) {
        self.setting = setting;
    }

    /// What the setting is for it.
    pub(crate) const fn sees(&self) -> Option<u64> {
        self.setting
    }

    /// Whether a step, or a clone of it, was handed the setting as it was when the transaction began.
    pub(super) fn takes_setting(&self, asked: usize, input: &Value) -> Check {
        let takes = self.step(asked).is_some_and(|step| step.takes_setting) && !self.is_masked(asked, "g");
        let expected = self.setting.filter(|_| takes);
        let found = input.get("g").and_then(Value::as_u64);
        ensure(expected == found, || format!("its setting is {found:?}, not {expected:?}"))
    }
}
