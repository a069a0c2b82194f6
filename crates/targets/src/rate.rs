//! A rate: so many calls in so much time, in a bucket that drains evenly (the generic cell rate algorithm of
//! ITU-T I.371).

use crate::limits::Rate;
use chancery_base::Timestamp;
use std::time::Duration;

/// How full the bucket is, said as the time when it is empty again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    empty_at: Option<Timestamp>,
}

impl Bucket {
    /// How many calls may begin now.
    #[must_use]
    pub fn room(&self, rate: Rate, now: Timestamp) -> u32 {
        let free = rate.per.saturating_sub(self.fill(rate, now));
        let calls = free.as_micros() * u128::from(rate.count) / rate.per.as_micros().max(1);
        u32::try_from(calls).unwrap_or(u32::MAX)
    }

    /// When the next call may begin, if none may now.
    #[must_use]
    pub fn opens_at(&self, rate: Rate, now: Timestamp) -> Option<Timestamp> {
        if self.room(rate, now) > 0 {
            return None;
        }
        let longest = rate.per.saturating_sub(cost(rate));
        Some(now.plus(self.fill(rate, now).saturating_sub(longest)).plus(Duration::from_micros(1)))
    }

    /// A call begins.
    pub fn take(&mut self, rate: Rate, now: Timestamp) {
        let fill = self.fill(rate, now).min(rate.per);
        self.empty_at = Some(now.plus(fill + cost(rate)));
    }

    /// What it holds, as the time that it takes to drain. It is never more than full: the clock may have been set back,
    /// or the rate be another now.
    fn fill(&self, rate: Rate, now: Timestamp) -> Duration {
        self.empty_at.map_or(Duration::ZERO, |at| at.since(now).min(rate.per + cost(rate)))
    }
}

/// What a call takes of the time, rounded up so that there are never more.
fn cost(rate: Rate) -> Duration {
    let micros = rate.per.as_micros().div_ceil(u128::from(rate.count.max(1)));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
