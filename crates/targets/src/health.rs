//! How a target does: its breaker, its places, its rate, and what the last calls were like.

use crate::breaker::{Breaker, Pass, Stage, Verdict};
use crate::limits::Limits;
use chancery_base::{Bucket, Timestamp};
use chancery_shard::target::Forced;
use std::collections::VecDeque;
use std::time::Duration;

/// How many calls' times are kept, for what a usual one takes.
const TIMES_KEPT: usize = 100;

/// The health of one target.
#[derive(Debug, Clone, Default)]
pub struct Health {
    breaker: Breaker,
    bucket: Bucket,
    out: u32,
    calls: u64,
    failed: u64,
    slow: u64,
    times: VecDeque<Duration>,
    failed_at: Option<Timestamp>,
}

/// A call's place. It is given back with what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Ticket {
    pass: Pass,
    since: Timestamp,
}

/// How a target does, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthView {
    /// Where its breaker stands.
    pub stage: Stage,
    /// Calls that are out.
    pub out: u32,
    /// How many more may begin now.
    pub room: u32,
    /// Calls since the node began.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them that were slow.
    pub slow: u64,
    /// Calls that count for the breaker, those of them that failed, and those that were slow.
    pub window: (usize, usize, usize),
    /// What half of the last calls took at most; none before the first.
    pub p50: Option<Duration>,
    /// What 95 of a hundred took at most.
    pub p95: Option<Duration>,
    /// When a call failed last.
    pub failed_at: Option<Timestamp>,
}

impl Ticket {
    /// How long its call has taken by now.
    #[must_use]
    pub fn took(&self, now: Timestamp) -> Duration {
        now.since(self.since)
    }
}

impl Health {
    /// How many calls may begin now.
    #[must_use]
    pub fn room(&self, limits: &Limits, forced: Option<Forced>, now: Timestamp) -> u32 {
        let places = limits.concurrency.saturating_sub(self.out);
        let rate = limits.rate.map_or(u32::MAX, |rate| self.bucket.room(rate, now));
        places.min(rate).min(self.breaker.room(&limits.breaker, forced, now))
    }

    /// When calls may begin that may not now, if time alone brings that about.
    #[must_use]
    pub fn opens_at(&self, limits: &Limits, forced: Option<Forced>, now: Timestamp) -> Option<Timestamp> {
        let of_rate = limits.rate.and_then(|rate| self.bucket.opens_at(rate, now));
        // Both hold it back: the later one counts, and it is asked again then.
        self.breaker.opens_at(forced, now).into_iter().chain(of_rate).max()
    }

    /// A call begins.
    pub fn begin(&mut self, limits: &Limits, now: Timestamp) -> Ticket {
        self.out = self.out.saturating_add(1);
        if let Some(rate) = limits.rate {
            self.bucket.take(rate, now);
        }
        Ticket { pass: self.breaker.begin(now), since: now }
    }

    /// A call ended; none: it was not made, or says nothing of the target.
    pub fn end(&mut self, ticket: Ticket, verdict: Option<Verdict>, limits: &Limits, now: Timestamp) {
        let took = now.since(ticket.since);
        self.out = self.out.saturating_sub(1);
        self.breaker.end(ticket.pass, verdict, took, &limits.breaker, now);
        let Some(verdict) = verdict else { return };
        self.calls += 1;
        self.slow += u64::from(took > limits.breaker.slow);
        if verdict == Verdict::Fails {
            self.failed += 1;
            self.failed_at = Some(now);
        }
        self.times.push_back(took);
        if self.times.len() > TIMES_KEPT {
            self.times.pop_front();
        }
    }

    /// Its numbers.
    #[must_use]
    pub fn view(&self, limits: &Limits, forced: Option<Forced>, now: Timestamp) -> HealthView {
        let mut times: Vec<Duration> = self.times.iter().copied().collect();
        times.sort_unstable();
        let share = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        HealthView {
            stage: self.breaker.stage(now),
            out: self.out,
            room: self.room(limits, forced, now),
            calls: self.calls,
            failed: self.failed,
            slow: self.slow,
            window: self.breaker.counts(),
            p50: share(50),
            p95: share(95),
            failed_at: self.failed_at,
        }
    }
}
