//! How long a tenant keeps what has ended.

use crate::row::{RetentionRow, Sealed};
use chancery_base::limits::{EXPIRED_AT_ONCE, EXPIRY_LOOKS_MAX, RETENTION_DEFAULT, RETENTION_MAX, RETENTION_MIN};
use chancery_base::{Timestamp, duration};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a tenant says of it. What it does not say is as for everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// How long transactions are kept after their end, with their idempotency keys: in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions_ms: Option<u64>,
}

impl Retention {
    /// Says which time is not one that may be set.
    ///
    /// # Errors
    /// Its name, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        match self.transactions() {
            Some(time) if !(RETENTION_MIN..=RETENTION_MAX).contains(&time) => {
                let [given, least, most] = [time, RETENTION_MIN, RETENTION_MAX].map(duration::format);
                Err(format!("transactions: {given}, it may be {least} to {most}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// How long transactions are kept after their end, where the tenant says so.
    #[must_use]
    pub fn transactions(&self) -> Option<Duration> {
        self.transactions_ms.map(Duration::from_millis)
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a row says; none if it is damaged.
    pub(crate) fn of(row: &RetentionRow) -> Option<Self> {
        row.body.read()
    }

    /// Its row.
    pub(crate) fn row(&self) -> RetentionRow {
        RetentionRow { body: Sealed::json(self) }
    }
}

/// When a shard looks for transactions whose time is over, and how much it removes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// From one look to the next.
    pub every: Duration,
    /// When the first of a day's looks is, after midnight UTC.
    pub at: Duration,
    /// How long transactions are kept where their tenant says nothing.
    pub retention: Duration,
    /// Transactions that one commit removes at most.
    pub at_once: usize,
    /// Transactions that are looked at for one commit at most.
    pub looks: usize,
    /// How long everything else has its turn between two commits.
    pub pause: Duration,
}

impl Expiry {
    /// Each night at 02:00 UTC.
    pub const NIGHTLY: Self = Self {
        every: Duration::from_secs(24 * 60 * 60),
        at: Duration::from_secs(2 * 60 * 60),
        retention: RETENTION_DEFAULT,
        at_once: EXPIRED_AT_ONCE,
        looks: EXPIRY_LOOKS_MAX,
        pause: Duration::from_millis(200),
    };

    /// The time of the newest look that is not after `now`.
    #[must_use]
    pub fn newest(&self, now: Timestamp) -> Timestamp {
        let every = i64::try_from(self.every.as_micros()).unwrap_or(i64::MAX).max(1);
        let at = i64::try_from(self.at.as_micros()).unwrap_or(0);
        let since = (now.as_micros() - at).rem_euclid(every);
        now.minus(Duration::from_micros(u64::try_from(since).unwrap_or(0)))
    }

    /// The time of the look after that.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Timestamp {
        self.newest(now).plus(self.every.max(Duration::from_micros(1)))
    }

    /// What ended before this is looked for at a look.
    #[must_use]
    pub fn horizon(&self, look: Timestamp, retention: Option<&Retention>) -> Timestamp {
        look.minus(retention.and_then(Retention::transactions).unwrap_or(self.retention))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_may_not_be_set_is_named() {
        let of = |text: &str| serde_json::from_str::<Retention>(text).unwrap().check();
        for text in ["{}", r#"{"transactions_ms":604800000}"#, r#"{"transactions_ms":315360000000}"#] {
            assert_eq!(of(text), Ok(()));
        }
        for (text, why) in [
            (r#"{"transactions_ms":604799999}"#, "transactions: 604799999ms, it may be 7d to 3650d"),
            (r#"{"transactions_ms":0}"#, "transactions: 0ms, it may be 7d to 3650d"),
            (r#"{"transactions_ms":315360000001}"#, "transactions: 315360000001ms, it may be 7d to 3650d"),
        ] {
            assert_eq!(of(text), Err(why.to_owned()));
        }
        assert!(serde_json::from_str::<Retention>(r#"{"entries_ms":1}"#).is_err());
    }

    #[test]
    fn a_row_reads_back() {
        let retention = Retention { transactions_ms: Some(604_800_000) };
        let row = retention.row();
        assert_eq!(row.body.bytes, br#"{"transactions_ms":604800000}"#);
        assert_eq!(Retention::of(&row), Some(retention));
        assert_eq!(Retention::of(&RetentionRow { body: Sealed::plain(br#"{"transactions_ms":"7d"}"#.to_vec()) }), None);
    }

    #[test]
    fn a_look_is_at_two_each_night() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        for (now, newest, next) in [
            ("2026-11-21T07:27:00Z", "2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z"),
            ("2026-11-21T02:00:00Z", "2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z"),
            ("2026-11-21T01:59:59.999999Z", "2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z"),
        ] {
            let now = time(now);
            assert_eq!((Expiry::NIGHTLY.newest(now), Expiry::NIGHTLY.next(now)), (time(newest), time(next)));
        }
        let look = time("2026-11-21T02:00:00Z");
        assert_eq!(Expiry::NIGHTLY.horizon(look, None), time("2026-08-23T02:00:00Z"));
        let week = Retention { transactions_ms: Some(604_800_000) };
        assert_eq!(Expiry::NIGHTLY.horizon(look, Some(&week)), time("2026-11-14T02:00:00Z"));
    }
}
