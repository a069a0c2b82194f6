//! Parts of steps, drawn.

use super::{OnErrorPlan, RetryPlan, RunPlan, SignalName, SignalPlan, UndoPlan};
use crate::rng::Rng;

/// What a step that waits waits for.
pub(super) fn waits(rng: &mut Rng) -> RunPlan {
    if rng.permille(500) {
        return RunPlan::Wait(rng.between(50, 6_000));
    }
    let name = if rng.permille(500) { SignalName::Paid } else { SignalName::Approved };
    RunPlan::Signal(SignalPlan { name, timeout: rng.permille(700).then(|| rng.between(200, 8_000)) })
}

pub(super) fn on_error(rng: &mut Rng) -> Option<OnErrorPlan> {
    let actions =
        [OnErrorPlan::Continue, OnErrorPlan::Retry, OnErrorPlan::Fail, OnErrorPlan::Skip, OnErrorPlan::MarkCompensated];
    rng.permille(400).then(|| rng.pick(&actions).copied()).flatten()
}

pub(super) fn undo(rng: &mut Rng, most: u64) -> Option<UndoPlan> {
    if !rng.permille(700) {
        return None;
    }
    let is_noop = rng.permille(100);
    let timeout = rng.between(2_000, 6_000);
    let retry = retry(rng, most);
    Some(UndoPlan { is_noop, is_event: false, retry, timeout, on_error: None, is_critical: false })
}

pub(super) fn retry(rng: &mut Rng, most: u64) -> RetryPlan {
    let backoff = rng.pick(&[0, 50, 400, 1_500]).copied().unwrap_or(0);
    RetryPlan { backoff, attempts: rng.between(1, most), unless: rng.permille(300) }
}
