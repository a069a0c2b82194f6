//! The targets of one tenant on this node: how each does, how many calls it has room for, and the calls themselves.

use crate::clock;
use crate::measure;
use arc_swap::ArcSwapOption;
use chancery_base::limits::TARGET_CALLS_MAX;
use chancery_base::{Kind, TargetId, TenantId, Timestamp};
use chancery_engine::StepError;
use chancery_engine::definition::{HttpRequest, Method};
use chancery_shard::control::Control;
use chancery_shard::input::{Queue, ReportedOutcome, Task};
use chancery_shard::target::{Forced, TargetSettings};
use chancery_targets::{Call, Callback, Health, HealthView, HttpTarget, Limits, Ticket, Verdict, error_type};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Calls at a time to where nothing may be called: each ends at once, with an error that says so.
const REFUSED_AT_ONCE: u32 = 16;

/// The targets of one tenant.
#[derive(Debug)]
pub(crate) struct Book {
    tenant: TenantId,
    http: Arc<HttpTarget>,
    defaults: Limits,
    /// Where targets report what they only accepted.
    callback: Option<String>,
    control: ArcSwapOption<Control>,
    healths: Mutex<BTreeMap<TargetId, Health>>,
    changed: Notify,
}

/// What holds for a target.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// What the tenant said of it itself.
    pub(crate) settings: TargetSettings,
    /// What follows, with what others said.
    pub(crate) limits: Limits,
    pub(crate) forced: Option<Forced>,
    /// Whether node and tenant permit it.
    pub(crate) allowed: bool,
    /// Whether the tenant forbids it.
    pub(crate) forbidden: bool,
}

impl Book {
    pub(crate) fn new(tenant: TenantId, http: Arc<HttpTarget>, defaults: Limits, public_url: Option<&str>) -> Self {
        let callback = public_url.map(|base| format!("{}/v1/callbacks/{tenant}", base.trim_end_matches('/')));
        Self {
            tenant,
            http,
            defaults,
            callback,
            control: ArcSwapOption::empty(),
            healths: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The control state is another.
    pub(crate) fn controlled(&self, control: &Arc<Control>) {
        self.control.store(Some(Arc::clone(control)));
        self.changed.notify_one();
    }

    /// Returns when a target may have room that had none, or has none that had.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The origins that this node may call, whether or not the tenant permits them.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &TargetId> {
        self.http.allow().iter()
    }

    /// What holds for a target.
    pub(crate) fn given(&self, target: &TargetId) -> Given {
        let control = self.control.load();
        let (own, all, forced) = match control.as_deref() {
            Some(control) => {
                let state = control.targets.get(target).cloned().unwrap_or_default();
                (state.settings, control.settings_of(target), state.forced)
            }
            None => Default::default(),
        };
        let forbidden = all.allowed == Some(false);
        let allowed = !forbidden && self.http.allow().contains(target);
        Given { settings: own, limits: self.defaults.with(&all), forced, allowed, forbidden }
    }

    /// How many tasks each target has room for, while so many are in hand. Each that may be called is named, so that
    /// the credit for others is not for it.
    pub(crate) fn credit(&self, now: Timestamp, in_hand: u32) -> Vec<(Queue, u32)> {
        let healths = self.lock();
        let mut rooms = Vec::new();
        for target in self.origins() {
            let given = self.given(target);
            if !given.allowed {
                continue;
            }
            let room = |health: &Health| health.room(&given.limits, given.forced, now);
            rooms.push((
                Queue::Http(target.clone()),
                healths.get(target).map_or_else(|| room(&Health::default()), room),
            ));
        }
        drop(healths);
        share(&mut rooms, TARGET_CALLS_MAX.saturating_sub(in_hand));
        rooms.push((Queue::AnyHttp, REFUSED_AT_ONCE));
        rooms
    }

    /// When a target that has no room now will have some, by time alone.
    pub(crate) fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let healths = self.lock();
        let times = healths.iter().filter_map(|(target, health)| {
            let given = self.given(target);
            health.opens_at(&given.limits, given.forced, now).filter(|_| given.allowed)
        });
        times.min()
    }

    /// A call begins: where it is one to a target that may be called, it takes a place there.
    pub(crate) fn begin(&self, task: &Task) -> Option<(TargetId, Ticket)> {
        let Queue::Http(target) = &task.queue else { return None };
        let given = self.given(target);
        if !given.allowed {
            return None;
        }
        let ticket = self.lock().entry(target.clone()).or_default().begin(&given.limits, clock::now());
        Some((target.clone(), ticket))
    }

    /// A call ended.
    pub(crate) fn end(&self, (target, ticket): (TargetId, Ticket), verdict: Option<Verdict>) {
        let now = clock::now();
        let limits = self.given(&target).limits;
        let took = ticket.took(now);
        self.lock().entry(target.clone()).or_default().end(ticket, verdict, &limits, now);
        if let Some(verdict) = verdict {
            measure::called(&self.tenant, &target, verdict, took);
        }
        self.changed.notify_one();
    }

    /// How a target does.
    pub(crate) fn view(&self, target: &TargetId, now: Timestamp) -> (Given, HealthView) {
        let given = self.given(target);
        let health = self.lock().get(target).cloned().unwrap_or_default();
        let view = health.view(&given.limits, given.forced, now);
        (given, view)
    }

    /// Makes the call of a task.
    pub(crate) async fn call(&self, task: &Task) -> ReportedOutcome {
        let Some(http) = &task.http else {
            let message = format!("a task for HTTP without a call ({:?})", Kind::Bug);
            return ReportedOutcome::Failed(StepError::fatal(error_type::BAD_REQUEST, message));
        };
        let now = clock::now();
        let target = TargetId::of_url(&http.url);
        let given = target.as_ref().map(|target| self.given(target));
        if given.as_ref().is_some_and(|given| given.forbidden) {
            let message = "the tenant's settings do not permit calls of this target";
            return ReportedOutcome::Failed(StepError::fatal(error_type::TARGET_NOT_ALLOWED, message));
        }
        let control = self.control.load_full();
        let signing = match (&target, &control) {
            (Some(target), Some(control)) => control.signing_secrets_of(target),
            (None, _) | (_, None) => Vec::new(),
        };
        let limits = given.map_or(self.defaults, |given| given.limits);
        let (transaction, token) = (task.transaction.to_string(), task.token.to_string());
        let call = Call {
            http,
            body: &task.input,
            idempotency_key: &task.idempotency_key,
            forward_key: task.forward_key.as_deref(),
            forward_unknown: task.forward_unknown,
            limits: &task.limits,
            traceparent: task.traceparent.as_deref(),
            transaction: &transaction,
            timeout: limits.timeout.min(task.deadline.since(now)),
            signing: &signing,
            now,
            callback: self.callback.as_deref().map(|url| Callback { url, token: &token }),
        };
        self.http.call(call).await
    }

    /// POSTs a message under the rules of targets, once and signed; what failed is said in words.
    pub(crate) async fn post(&self, url: &str, body: &Value, id: &str, timeout: Duration) -> Result<(), String> {
        let target = TargetId::of_url(url).ok_or("the URL has no origin")?;
        let given = self.given(&target);
        if given.forbidden {
            return Err("the tenant's settings do not permit calls of this target".to_owned());
        }
        let control = self.control.load_full();
        let signing = control.map(|control| control.signing_secrets_of(&target)).unwrap_or_default();
        let (method, url) = (Method::Post, url.to_owned());
        let call = Call {
            http: &HttpRequest { method, url, headers: Vec::new(), keep: Vec::new() },
            body,
            idempotency_key: id,
            forward_key: None,
            forward_unknown: false,
            limits: &Map::new(),
            traceparent: None,
            transaction: "",
            timeout: given.limits.timeout.min(timeout),
            signing: &signing,
            now: clock::now(),
            callback: None,
        };
        match self.http.call(call).await {
            ReportedOutcome::Completed(_) | ReportedOutcome::Accepted => Ok(()),
            ReportedOutcome::Failed(error) | ReportedOutcome::Unknown(error) => Err(error.message),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetId, Health>> {
        self.healths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts rooms so that they are no more than `free` together: whoever wants little gets it, the others get the same.
fn share(rooms: &mut [(Queue, u32)], mut free: u32) {
    let mut order: Vec<&mut u32> = rooms.iter_mut().map(|(_, room)| room).filter(|room| **room > 0).collect();
    order.sort_unstable();
    let mut left = u32::try_from(order.len()).unwrap_or(u32::MAX);
    for room in order {
        *room = (*room).min(free.div_ceil(left.max(1)));
        free -= *room;
        left = left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rooms: &[u32], free: u32, expected: &[u32]) {
        let mut rooms: Vec<(Queue, u32)> = rooms.iter().map(|room| (Queue::AnyHttp, *room)).collect();
        share(&mut rooms, free);
        let shared: Vec<u32> = rooms.iter().map(|(_, room)| *room).collect();
        assert_eq!(shared, expected);
    }

    #[test]
    fn places_are_shared_and_never_more_than_there_are() {
        check(&[50, 50], 400, &[50, 50]);
        check(&[50, 0, 2], 10, &[8, 0, 2]);
        check(&[50, 50, 50], 10, &[4, 3, 3]);
        check(&[50, 50, 50], 2, &[1, 1, 0]);
        check(&[50, 1_000], 0, &[0, 0]);
        check(&[], 5, &[]);
    }
}
