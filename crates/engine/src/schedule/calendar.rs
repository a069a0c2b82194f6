//! When a schedule is due, its bounds included.

use super::{Timetable, Zone};
use chancery_base::Timestamp;
use std::time::Duration;

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    table: Timetable,
    zone: Zone,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// The instant just before this one.
pub(super) fn before(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() - 1)
}

/// So long before.
pub(super) fn minus(at: Timestamp, duration: Duration) -> Timestamp {
    let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(micros))
}

impl Calendar {
    pub(super) const fn new(table: Timetable, zone: Zone, from: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        Self { table, zone, from, until }
    }

    /// Its time zone.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first time after this one that it is due; none if it never is again.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = self.from.map_or(after, |from| after.max(before(from)));
        self.table.next(after).filter(|next| self.until.is_none_or(|until| *next <= until))
    }

    /// Every time after this one that it is due, in order.
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |last| self.next(*last))
    }

    /// The newest time that it is due from one instant to another, both among them.
    #[must_use]
    pub fn newest(&self, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
        // It looks back twice as far each time, so that few times lie in what it goes through.
        let mut back = Duration::from_secs(2);
        loop {
            let start = minus(to, back).max(from);
            let newest = self.after(before(start)).take_while(|time| *time <= to).last();
            if newest.is_some() || start <= from {
                return newest.filter(|newest| *newest >= from);
            }
            back *= 2;
        }
    }
}
