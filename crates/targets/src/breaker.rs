//! A circuit breaker: it looks at the last calls, and where too many failed or were slow it holds further ones back for
//! a while, then lets a few through to see.

use crate::limits::BreakerLimits;
use chancery_base::Timestamp;
use chancery_shard::target::Forced;
use std::collections::VecDeque;
use std::time::Duration;

/// What a call says of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answers; that may be a refusal.
    Answers,
    /// It did not answer, or that it can't.
    Fails,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Calls are made.
    Closed,
    /// None is made until then.
    Open {
        /// When probes begin.
        until: Timestamp,
    },
    /// A few are made, to see.
    HalfOpen,
}

/// What a call was let through as. It is given back with what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    turn: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Timestamp },
    HalfOpen { out: u32, passed: u32 },
}

/// A breaker. What a call is told of an earlier turn, before it opened or closed, says nothing of this one.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    turn: u64,
    last: VecDeque<Seen>,
    failed: usize,
    slow: usize,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    failed: bool,
    slow: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, turn: 0, last: VecDeque::new(), failed: 0, slow: 0 }
    }
}

impl Breaker {
    /// Where it stands at a time.
    #[must_use]
    pub fn stage(&self, now: Timestamp) -> Stage {
        match self.state {
            State::Closed => Stage::Closed,
            State::Open { until } if now < until => Stage::Open { until },
            State::Open { .. } | State::HalfOpen { .. } => Stage::HalfOpen,
        }
    }

    /// How many calls it lets through at a time.
    #[must_use]
    pub fn room(&self, limits: &BreakerLimits, forced: Option<Forced>, now: Timestamp) -> u32 {
        match (forced, self.state) {
            (Some(Forced::Open), _) => 0,
            (Some(Forced::Closed), _) | (None, State::Closed) => u32::MAX,
            (None, State::Open { until }) if now < until => 0,
            (None, State::Open { .. }) => limits.probes,
            (None, State::HalfOpen { out, passed }) => limits.probes.saturating_sub(out.saturating_add(passed)),
        }
    }

    /// When it will let calls through that it holds back now, if time alone brings that about.
    #[must_use]
    pub fn opens_at(&self, forced: Option<Forced>, now: Timestamp) -> Option<Timestamp> {
        match (forced, self.state) {
            (None, State::Open { until }) if now < until => Some(until),
            (None, State::Open { .. } | State::Closed | State::HalfOpen { .. })
            | (Some(Forced::Open | Forced::Closed), _) => None,
        }
    }

    /// A call begins.
    pub fn begin(&mut self, now: Timestamp) -> Pass {
        match &mut self.state {
            State::Open { until } if *until <= now => {
                self.turn += 1;
                self.state = State::HalfOpen { out: 1, passed: 0 };
            }
            State::HalfOpen { out, .. } => *out = out.saturating_add(1),
            // What had been let through before it opened is made all the same, and says nothing of after.
            State::Open { .. } | State::Closed => {}
        }
        Pass { turn: self.turn }
    }

    /// A call ended; none: it was not made, or says nothing of the target.
    pub fn end(
        &mut self,
        pass: Pass,
        verdict: Option<Verdict>,
        took: Duration,
        limits: &BreakerLimits,
        now: Timestamp,
    ) {
        if pass.turn != self.turn {
            return;
        }
        let is_slow = took > limits.slow;
        match (&mut self.state, verdict) {
            (State::Open { .. }, _) | (State::Closed, None) => {}
            (State::Closed, Some(verdict)) => {
                self.look(Seen { failed: verdict == Verdict::Fails, slow: is_slow }, limits, now)
            }
            (State::HalfOpen { out, .. }, None) => *out = out.saturating_sub(1),
            (State::HalfOpen { out, passed }, Some(Verdict::Answers)) if !is_slow => {
                *out = out.saturating_sub(1);
                *passed = passed.saturating_add(1);
                if *passed >= limits.probes {
                    self.change(State::Closed);
                }
            }
            (State::HalfOpen { .. }, Some(_)) => self.change(State::Open { until: now.plus(limits.open) }),
        }
    }

    /// Of the calls that count: how many there are, how many failed, how many were slow.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.last.len(), self.failed, self.slow)
    }

    fn look(&mut self, seen: Seen, limits: &BreakerLimits, now: Timestamp) {
        self.last.push_back(seen);
        self.failed += usize::from(seen.failed);
        self.slow += usize::from(seen.slow);
        let window = usize::try_from(limits.window).unwrap_or(usize::MAX);
        while self.last.len() > window {
            let Some(gone) = self.last.pop_front() else { break };
            self.failed -= usize::from(gone.failed);
            self.slow -= usize::from(gone.slow);
        }
        let is_enough = self.last.len() >= usize::try_from(limits.calls_min).unwrap_or(usize::MAX);
        let is_over = |count: usize, percent: u32| count * 100 >= self.last.len() * percent as usize;
        if is_enough && (is_over(self.failed, limits.failure_percent) || is_over(self.slow, limits.slow_percent)) {
            self.change(State::Open { until: now.plus(limits.open) });
        }
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.turn += 1;
        self.last.clear();
        (self.failed, self.slow) = (0, 0);
    }
}
