//! How many calls are in hand, whose they are, and what their bodies and answers take: nobody takes all of it.
//!
//! Workers' exchanges are counted apart from other calls, so that neither starts nor waits keep workers from answering,
//! and a tenant's exchanges that only wait for tasks leave places for those that report. Above the limits on calls
//! there are places for what lets work end or be stopped. A tenant or principal above its share is told so with `429`;
//! where the node as a whole is full, with `503`.

use crate::failure::Failure;
use crate::options::{CallLimits, Shares};
use axum::body::{Body, Bytes};
use axum::response::Response;
use chancery_api::{Problem, ProblemKind, Route};
use chancery_base::limits::{DOCUMENTS_AT_ONCE, ROOM_BYTES_FREE};
use chancery_base::{PrincipalId, TenantId};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// In how many seconds to come again.
const RETRY_AFTER: u64 = 1;

/// Which places a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Most calls.
    Call,
    /// What lets work end or be stopped, or shows how it goes.
    Ending,
    /// A worker's exchange.
    Exchange,
    /// What a target reports, of whom nothing is known before its body was read: places of its own, so that strangers
    /// take nobody else's.
    Callback,
}

impl Class {
    /// The class of a route's calls.
    pub(crate) fn of(route: &Route) -> Self {
        match route.operation_id {
            "worker_exchange" => Self::Exchange,
            "callback" => Self::Callback,
            "transaction_cancel"
            | "transaction_terminate"
            | "transaction_resolve"
            | "open_outcome"
            | "open_commit"
            | "open_abort"
            | "open_heartbeat"
            | "transaction_pause"
            | "principal_set"
            | "key_revoke"
            | "capability_revoke"
            | "maintenance_set"
            | "stop_set"
            | "stop_lift"
            | "override_revoke"
            | "target_force"
            | "request_answer"
            | "schedule_pause"
            | "schedule_delete"
            | "bundle_activate"
            | "bundle_rollback"
            | "bundle_shadow"
            | "bundle_shadow_end"
            | "metrics" => Self::Ending,
            _ => Self::Call,
        }
    }
}

/// What is in hand.
#[derive(Debug)]
pub(crate) struct Tally {
    limits: CallLimits,
    counts: Mutex<Counts>,
    documents: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Counts {
    calls: Crowd,
    exchanges: Crowd,
    callbacks: Crowd,
    polls: HashMap<TenantId, usize>,
    room: usize,
    rooms: HashMap<TenantId, usize>,
}

#[derive(Debug, Default)]
struct Crowd {
    all: usize,
    tenants: HashMap<TenantId, usize>,
    principals: HashMap<PrincipalId, usize>,
}

/// A call in hand; what it took is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Stay {
    tally: Arc<Tally>,
    tenant: TenantId,
    principal: PrincipalId,
    class: Class,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Bytes of the room.
    bytes: usize,
    is_poll: bool,
    /// While it reads a document.
    document: Option<OwnedSemaphorePermit>,
}

impl Tally {
    pub(crate) fn new(limits: CallLimits) -> Self {
        Self { limits, counts: Mutex::default(), documents: Arc::new(Semaphore::new(DOCUMENTS_AT_ONCE)) }
    }

    /// Takes a call in, or says that there is no place for it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        class: Class,
        tenant: &TenantId,
        principal: PrincipalId,
    ) -> Result<Stay, Failure> {
        let above = if class == Class::Ending { self.limits.reserved } else { 0 };
        let mut counts = self.lock();
        let (shares, crowd, what) = match class {
            Class::Call | Class::Ending => (&self.limits.calls, &mut counts.calls, "calls"),
            Class::Exchange => (&self.limits.exchanges, &mut counts.exchanges, "exchanges"),
            Class::Callback => (&self.limits.callbacks, &mut counts.callbacks, "callbacks"),
        };
        if crowd.principals.get(&principal).is_some_and(|count| *count >= shares.principal + above) {
            return Err(share("principal", what, shares.principal));
        }
        if crowd.tenants.get(tenant).is_some_and(|count| *count >= shares.tenant + above) {
            return Err(share("tenant", what, shares.tenant));
        }
        if crowd.all >= shares.all + above {
            return Err(full(what));
        }
        crowd.all += 1;
        *crowd.tenants.entry(tenant.clone()).or_default() += 1;
        *crowd.principals.entry(principal).or_default() += 1;
        drop(counts);
        Ok(Stay { tally: Arc::clone(self), tenant: tenant.clone(), principal, class, taken: Mutex::default() })
    }

    /// Calls, exchanges, and bytes of the room.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let counts = self.lock();
        (counts.calls.all, counts.exchanges.all, counts.room)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stay {
    /// Takes as much of the room as what it holds now needs, in place of what it took before.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Failure> {
        self.resize(bytes, false)
    }

    /// The same for an answer: it finds room unless too much of it is taken before, for an answer may be larger than
    /// any share, and would else never be given.
    fn hold_answer(&self, bytes: usize) -> Result<(), Failure> {
        self.resize(bytes, true)
    }

    fn resize(&self, bytes: usize, may_exceed: bool) -> Result<(), Failure> {
        let bytes = if bytes > ROOM_BYTES_FREE { bytes } else { 0 };
        let mut taken = self.lock();
        if bytes == taken.bytes {
            return Ok(());
        }
        let mut counts = self.tally.lock();
        let counts = &mut *counts;
        let others = counts.rooms.get(&self.tenant).map_or(0, |room| room - taken.bytes);
        let all_others = counts.room - taken.bytes;
        if bytes > taken.bytes {
            let Shares { all, tenant, .. } = self.tally.limits.room;
            let more = if may_exceed { 0 } else { bytes };
            if others + more > tenant {
                return Err(share("tenant", "bytes of bodies and answers", tenant));
            }
            if all_others + more > all {
                return Err(full("bodies and answers"));
            }
        }
        taken.bytes = bytes;
        counts.room = all_others + bytes;
        set(&mut counts.rooms, &self.tenant, others + bytes);
        Ok(())
    }

    /// Lets an exchange be held until there is a task.
    pub(crate) fn poll(&self) -> Result<(), Failure> {
        let mut counts = self.tally.lock();
        let polls = counts.polls.get(&self.tenant).copied().unwrap_or_default();
        if polls >= self.tally.limits.polls {
            return Err(share("tenant", "exchanges that wait for tasks", self.tally.limits.polls));
        }
        counts.polls.insert(self.tenant.clone(), polls + 1);
        drop(counts);
        self.lock().is_poll = true;
        Ok(())
    }

    /// Waits for its turn to have a document read, which ends with the call.
    pub(crate) async fn document(&self) {
        // It is never closed.
        let turn = Arc::clone(&self.tally.documents).acquire_owned().await.ok();
        self.lock().document = turn;
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let Taken { bytes, is_poll, document } = std::mem::take(&mut *self.lock());
        drop(document);
        let mut counts = self.tally.lock();
        let counts = &mut *counts;
        let crowd = match self.class {
            Class::Call | Class::Ending => &mut counts.calls,
            Class::Exchange => &mut counts.exchanges,
            Class::Callback => &mut counts.callbacks,
        };
        crowd.all -= 1;
        take(&mut crowd.tenants, &self.tenant, 1);
        take(&mut crowd.principals, &self.principal, 1);
        if is_poll {
            take(&mut counts.polls, &self.tenant, 1);
        }
        counts.room -= bytes;
        take(&mut counts.rooms, &self.tenant, bytes);
    }
}

fn take<K: Eq + Hash + Clone>(counts: &mut HashMap<K, usize>, key: &K, less: usize) {
    let left = counts.get(key).map_or(0, |count| count - less);
    set(counts, key, left);
}

/// Nothing is kept of those who have nothing.
fn set<K: Eq + Hash + Clone>(counts: &mut HashMap<K, usize>, key: &K, count: usize) {
    match (counts.get_mut(key), count) {
        (Some(_), 0) => {
            counts.remove(key);
        }
        (Some(known), _) => *known = count,
        (None, 0) => {}
        (None, _) => {
            counts.insert(key.clone(), count);
        }
    }
}

fn share(whose: &'static str, what: &'static str, max: usize) -> Failure {
    metrics::counter!("chancery_http_refused_total", "whose" => whose, "what" => what).increment(1);
    let detail = format!("this {whose} has as many {what} in hand as it may: {max}");
    Problem { retry_after: Some(RETRY_AFTER), ..Problem::new(ProblemKind::TooMany, detail) }.into()
}

fn full(what: &'static str) -> Failure {
    metrics::counter!("chancery_http_refused_total", "whose" => "node", "what" => what).increment(1);
    let detail = format!("the server has as many {what} in hand as it may");
    Problem { retry_after: Some(RETRY_AFTER), ..Problem::new(ProblemKind::Unavailable, detail) }.into()
}

/// Keeps a call's place until its answer has been sent, if that takes room.
pub(crate) fn keep(response: Response, stay: &Arc<Stay>) -> Result<Response, Failure> {
    let bytes = response.body().size_hint().lower();
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // Whoever takes the answer slowly does not keep others from having their documents read.
    drop(stay.lock().document.take());
    stay.hold_answer(bytes)?;
    if bytes <= ROOM_BYTES_FREE {
        return Ok(response);
    }
    let stay = Arc::clone(stay);
    Ok(response.map(|body| Body::new(Kept { body, stay })))
}

/// A body whose bytes keep the call's place for as long as any of them wait to be sent.
struct Kept {
    body: Body,
    stay: Arc<Stay>,
}

struct KeptBytes {
    bytes: Bytes,
    _stay: Arc<Stay>,
}

impl AsRef<[u8]> for KeptBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| {
            frame.map_data(|bytes| Bytes::from_owner(KeptBytes { bytes, _stay: Arc::clone(&self.stay) }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::{Entropy, PrincipalKind, Timestamp};

    fn tally() -> Arc<Tally> {
        let shares = Shares { all: 4, tenant: 3, principal: 2 };
        let room = Shares { all: 300_000, tenant: 200_000, principal: 0 };
        Arc::new(Tally::new(CallLimits {
            calls: shares,
            exchanges: shares,
            callbacks: shares,
            room,
            reserved: 1,
            polls: 1,
        }))
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn principal(seed: u8) -> PrincipalId {
        let mut entropy = Entropy::from_seed([seed; 32]);
        PrincipalId::draw(PrincipalKind::Service, Timestamp::from_micros(0), &mut entropy)
    }

    #[track_caller]
    fn check<T>(answer: Result<T, Failure>, expected: &str) {
        let problem = answer.err().map(|failure| failure.problem().clone()).unwrap();
        assert_eq!(format!("{} {}", problem.status, problem.detail), expected);
        assert_eq!(problem.retry_after, Some(1));
    }

    #[test]
    fn nobody_takes_all_places() {
        let tally = tally();
        let (acme, small) = (tenant("acme"), tenant("small"));
        let enter = |tenant, seed| tally.enter(Class::Call, tenant, principal(seed));
        let _first = enter(&acme, 1).unwrap();
        let second = enter(&acme, 1).unwrap();
        check(enter(&acme, 1), "429 this principal has as many calls in hand as it may: 2");
        let _third = enter(&acme, 2).unwrap();
        check(enter(&acme, 3), "429 this tenant has as many calls in hand as it may: 3");
        let _fourth = enter(&small, 4).unwrap();
        check(enter(&small, 4), "503 the server has as many calls in hand as it may");
        // Ending work has a place of its own, and so have the answers of workers.
        let _ending = tally.enter(Class::Ending, &small, principal(4)).unwrap();
        check(tally.enter(Class::Ending, &small, principal(4)), "503 the server has as many calls in hand as it may");
        let _exchange = tally.enter(Class::Exchange, &acme, principal(1)).unwrap();
        drop(second);
        check(enter(&small, 5), "503 the server has as many calls in hand as it may");
        drop(_ending);
        enter(&small, 5).unwrap();
    }

    #[test]
    fn strangers_that_report_take_nobody_elses_places() {
        let tally = tally();
        let enter = |class| tally.enter(class, &TenantId::system(), PrincipalId::SYSTEM);
        let _callbacks = [enter(Class::Callback).unwrap(), enter(Class::Callback).unwrap()];
        check(enter(Class::Callback), "429 this principal has as many callbacks in hand as it may: 2");
        let _others = [enter(Class::Call).unwrap(), enter(Class::Exchange).unwrap()];
    }

    #[test]
    fn exchanges_that_wait_leave_places_for_reports() {
        let tally = tally();
        let acme = tenant("acme");
        let first = tally.enter(Class::Exchange, &acme, principal(1)).unwrap();
        first.poll().unwrap();
        let second = tally.enter(Class::Exchange, &acme, principal(2)).unwrap();
        check(second.poll(), "429 this tenant has as many exchanges that wait for tasks in hand as it may: 1");
        tally.enter(Class::Exchange, &tenant("small"), principal(3)).unwrap().poll().unwrap();
        drop(first);
        second.poll().unwrap();
    }

    #[test]
    fn large_bodies_and_answers_share_the_room() {
        let tally = tally();
        let (acme, small) = (tenant("acme"), tenant("small"));
        let stay = tally.enter(Class::Call, &acme, principal(1)).unwrap();
        stay.hold(ROOM_BYTES_FREE).unwrap();
        assert_eq!(tally.counts().2, 0);
        stay.hold(200_000).unwrap();
        let other = tally.enter(Class::Call, &acme, principal(2)).unwrap();
        check(other.hold(20_000), "429 this tenant has as many bytes of bodies and answers in hand as it may: 200000");
        let theirs = tally.enter(Class::Call, &small, principal(3)).unwrap();
        theirs.hold(100_000).unwrap();
        check(theirs.hold(100_001), "503 the server has as many bodies and answers in hand as it may");
        // What was refused took nothing, and what shrinks gives back.
        stay.hold(50_000).unwrap();
        assert_eq!(tally.counts().2, 150_000);
        // An answer above the share is given, the next one waits.
        stay.hold_answer(500_000).unwrap();
        check(
            other.hold_answer(20_000),
            "429 this tenant has as many bytes of bodies and answers in hand as it may: 200000",
        );
        drop((stay, theirs, other));
        assert_eq!(tally.counts(), (0, 0, 0));
    }

    #[test]
    fn nothing_is_left_of_calls_that_ended() {
        let tally = tally();
        let stay = tally.enter(Class::Exchange, &tenant("acme"), principal(1)).unwrap();
        stay.poll().unwrap();
        stay.hold(50_000).unwrap();
        drop(stay);
        let counts = tally.lock();
        assert!(counts.exchanges.tenants.is_empty() && counts.exchanges.principals.is_empty());
        assert!(counts.polls.is_empty() && counts.rooms.is_empty());
    }

    #[tokio::test]
    async fn documents_are_read_in_turn() {
        let tally = tally();
        let first = tally.enter(Class::Call, &tenant("acme"), principal(1)).unwrap();
        first.document().await;
        let second = tally.enter(Class::Call, &tenant("small"), principal(2)).unwrap();
        let waits = tokio::time::timeout(std::time::Duration::from_millis(20), second.document()).await;
        assert!(waits.is_err());
        drop(first);
        second.document().await;
    }
}
