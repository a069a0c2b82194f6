//! A rate: so many calls or attempts in so much time, in a bucket that drains evenly (the generic cell rate algorithm
//! of ITU-T I.371).

use crate::Timestamp;
use std::time::Duration;

/// So many in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

/// How full the bucket is, said as the time when it is empty again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    empty_at: Option<Timestamp>,
}

impl Bucket {
    /// One that has room for one at once, and for more as time passes: where it is not known what was taken before.
    #[must_use]
    pub fn with_one(rate: Rate, now: Timestamp) -> Self {
        Self { empty_at: Some(now.plus(rate.per.saturating_sub(cost(rate)))) }
    }

    /// How many may begin now.
    #[must_use]
    pub fn room(&self, rate: Rate, now: Timestamp) -> u32 {
        let free = rate.per.saturating_sub(self.fill(rate, now));
        let calls = free.as_micros() * u128::from(rate.count) / rate.per.as_micros().max(1);
        u32::try_from(calls).unwrap_or(u32::MAX)
    }

    /// When the next may begin, if none may now.
    #[must_use]
    pub fn opens_at(&self, rate: Rate, now: Timestamp) -> Option<Timestamp> {
        if self.room(rate, now) > 0 {
            return None;
        }
        let longest = rate.per.saturating_sub(cost(rate));
        Some(now.plus(self.fill(rate, now).saturating_sub(longest)).plus(Duration::from_micros(1)))
    }

    /// One begins.
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

/// What one takes of the time, rounded up so that there are never more.
fn cost(rate: Rate) -> Duration {
    let micros = rate.per.as_micros().div_ceil(u128::from(rate.count.max(1)));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_micros(1_795_246_020_000_000).plus(Duration::from_millis(ms))
    }

    const FIVE: Rate = Rate { count: 5, per: Duration::from_secs(1) };

    #[test]
    fn where_nothing_is_known_one_may_begin_and_the_others_in_their_time() {
        let mut bucket = Bucket::with_one(FIVE, at(0));
        assert_eq!((bucket.room(FIVE, at(0)), bucket.opens_at(FIVE, at(0))), (1, None));
        bucket.take(FIVE, at(0));
        assert_eq!(bucket.room(FIVE, at(0)), 0);
        let next = bucket.opens_at(FIVE, at(0)).unwrap();
        assert!(at(200) <= next && next <= at(201), "{next}");
        assert_eq!(bucket.room(FIVE, next), 1);
        assert_eq!(bucket.room(FIVE, at(10_000)), 5, "an idle one has room for all");
    }

    #[test]
    fn a_rate_of_one_has_room_for_one() {
        let once = Rate { count: 1, per: Duration::from_secs(3_600) };
        let mut bucket = Bucket::with_one(once, at(0));
        assert_eq!(bucket.room(once, at(0)), 1);
        bucket.take(once, at(0));
        assert_eq!((bucket.room(once, at(3_599_000)), bucket.room(once, at(3_600_000))), (0, 1));
    }
}
