//! Targets, signing secrets, callbacks.

use super::workers::failed;
use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::OneTimeKey;
use chancery_api::target::{
    Breaker, Callback, CallbackAck, CalledBack, Calls, Force, IssuedSigningSecret, SigningSecret, Target,
    TargetSettings,
};
use chancery_app::signing::{IssuedSecret, SecretView};
use chancery_app::targets::{OriginView, TargetView};
use chancery_app::{callbacks, targets};
use chancery_base::duration;
use chancery_shard::input::ReportedOutcome;
use chancery_shard::target::Forced;
use chancery_shard::{TaskToken, target};
use std::time::Duration;

pub(crate) fn settings(body: &TargetSettings) -> Result<target::TargetSettings, Failure> {
    let millis = |name: &str, text: Option<&String>| {
        let parsed = text.map(|text| duration::parse(text)).transpose();
        let parsed = parsed.map_err(|error| invalid(name, &error.to_string()))?;
        Ok::<_, Failure>(parsed.map(whole_millis))
    };
    Ok(target::TargetSettings {
        allowed: body.allowed,
        calls_min: body.calls_min,
        concurrency: body.concurrency,
        failure_percent: body.failure_percent,
        open_ms: millis("open", body.open.as_ref())?,
        probes: body.probes,
        rate: body.rate,
        rate_per_ms: millis("rate_per", body.rate_per.as_ref())?,
        slow_ms: millis("slow", body.slow.as_ref())?,
        slow_percent: body.slow_percent,
        timeout_ms: millis("timeout", body.timeout.as_ref())?,
        wait_ms: millis("wait", body.wait.as_ref())?,
        window: body.window,
    })
}

pub(crate) const fn forced(force: Force) -> Option<Forced> {
    match force {
        Force::Open => Some(Forced::Open),
        Force::Closed => Some(Forced::Closed),
        Force::Auto => None,
    }
}

pub(crate) fn target(view: TargetView) -> Target {
    let mut target = Target {
        id: view.id,
        health: view.health.word().to_owned(),
        waiting: view.waiting,
        waited_ms: view.waited.map(whole_millis),
        out: view.out,
        allowed: None,
        saturated: None,
        breaker: None,
        calls: None,
        limits: None,
        settings: None,
    };
    if let Some(origin) = view.origin {
        target.allowed = Some(origin.allowed);
        target.saturated = Some(origin.saturated);
        target.breaker = Some(breaker(&origin));
        target.calls = Some(calls(&origin));
        target.limits = Some(limits(&origin));
        target.settings = Some(own(&origin.settings));
    }
    target
}

fn breaker(origin: &OriginView) -> Breaker {
    let (calls, failed, slow) = origin.health.window;
    let (state, until) = match origin.health.stage {
        targets::Stage::Closed => ("closed", None),
        targets::Stage::Open { until } => ("open", Some(until)),
        targets::Stage::HalfOpen => ("half_open", None),
    };
    Breaker { state: state.to_owned(), forced: Forced::word(origin.forced).to_owned(), until, calls, failed, slow }
}

fn calls(origin: &OriginView) -> Calls {
    let health = &origin.health;
    Calls {
        room: health.room,
        ended: health.calls,
        failed: health.failed,
        slow: health.slow,
        p50_ms: health.p50.map(whole_millis),
        p95_ms: health.p95.map(whole_millis),
        failed_at: health.failed_at,
    }
}

fn limits(origin: &OriginView) -> TargetSettings {
    let limits = &origin.limits;
    let breaker = &limits.breaker;
    TargetSettings {
        allowed: Some(origin.allowed),
        concurrency: Some(limits.concurrency),
        wait: Some(duration::format(limits.wait)),
        timeout: Some(duration::format(limits.timeout)),
        rate: limits.rate.map(|rate| rate.count),
        rate_per: limits.rate.map(|rate| duration::format(rate.per)),
        window: Some(breaker.window),
        calls_min: Some(breaker.calls_min),
        failure_percent: Some(breaker.failure_percent),
        slow_percent: Some(breaker.slow_percent),
        slow: Some(duration::format(breaker.slow)),
        open: Some(duration::format(breaker.open)),
        probes: Some(breaker.probes),
    }
}

fn own(settings: &target::TargetSettings) -> TargetSettings {
    let text = |ms: Option<u64>| ms.map(|ms| duration::format(Duration::from_millis(ms)));
    TargetSettings {
        allowed: settings.allowed,
        concurrency: settings.concurrency,
        wait: text(settings.wait_ms),
        timeout: text(settings.timeout_ms),
        rate: settings.rate,
        rate_per: text(settings.rate_per_ms),
        window: settings.window,
        calls_min: settings.calls_min,
        failure_percent: settings.failure_percent,
        slow_percent: settings.slow_percent,
        slow: text(settings.slow_ms),
        open: text(settings.open_ms),
        probes: settings.probes,
    }
}

pub(crate) fn issued_signing_secret(issued: IssuedSecret) -> IssuedSigningSecret {
    IssuedSigningSecret { id: issued.id, target: issued.target, secret: OneTimeKey::new(issued.secret) }
}

pub(crate) fn signing_secret(view: SecretView) -> SigningSecret {
    SigningSecret { id: view.id, target: view.target, hash: view.hash, issued_at: view.issued_at }
}

/// The token, none if it is no token at all, and what is reported.
pub(crate) fn callback(body: Callback) -> Result<(Option<TaskToken>, Option<ReportedOutcome>), Failure> {
    let outcome = match (body.output, body.error) {
        (Some(output), None) => Some(ReportedOutcome::Completed(output)),
        (None, Some(error)) => Some(failed(error)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(invalid("the body", "it takes one of `output` and `error`")),
    };
    Ok((body.token.parse().ok(), outcome))
}

pub(crate) const fn called_back(ack: callbacks::CallbackAck) -> CalledBack {
    let ack = match ack {
        callbacks::CallbackAck::Recorded => CallbackAck::Recorded,
        callbacks::CallbackAck::Superseded => CallbackAck::Superseded,
        callbacks::CallbackAck::Waiting => CallbackAck::Waiting,
    };
    CalledBack { ack }
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
