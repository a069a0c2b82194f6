//! Schedules: what starts by itself, at a time, by cron in a time zone, or every so often.
//!
//! Pure: the zones' rules come with the program, so that every machine has the same ones, and time is an argument.
//! What a schedule is comes of its [`Event`]s alone, which say when it is due next: a replay computes no time, and so
//! does not depend on the rules of the zones.
//!
//! # When clocks are set
//! A time that a local clock skips, as 02:30 in the night when summer time begins, is due when the clock has been set:
//! at 03:00. A time that comes twice, as 02:30 when summer time ends, is due the first time. Where the hours are `*`
//! and so every hour is meant, it is the hours that really pass that count: a skipped hour has none, and an hour that
//! comes twice has its times twice.

mod calendar;
mod cron;
mod event;
mod head;
mod input;
mod local;
mod look;
mod terms;

pub use calendar::Calendar;
pub use cron::{Cron, CronError};
pub use event::{Event, Reason};
pub use head::{Came, Failure, Firing, Head, IllegalEvent, apply};
pub use input::{InputError, Moment, check_input, render};
pub use local::{Zone, ZoneError};
pub use look::{ByHand, Look, by_hand, look};
pub use terms::{CatchUp, LABEL, Overlap, Terms, TermsError, When};

use chancery_base::Timestamp;
use chancery_base::limits::SCHEDULE_EVERY_MIN;
use std::time::Duration;

/// What recurs, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timetable {
    /// At local times.
    Cron(Cron, Zone),
    /// In even steps, counted from an instant that is itself due.
    Every {
        /// From one to the next, at least [`SCHEDULE_EVERY_MIN`].
        interval: Duration,
        /// The first one.
        from: Timestamp,
    },
    /// Once.
    At(Timestamp),
}

impl Timetable {
    /// The first time after this one that it is due; none if that is beyond the calendar.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron, zone) => local::next(cron, zone, after),
            Self::Every { interval, from } => every((*interval).max(SCHEDULE_EVERY_MIN), *from, after),
            Self::At(at) => Some(*at).filter(|at| *at > after),
        }
    }

    /// Every time after this one that it is due, in order.
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |last| self.next(*last))
    }
}

fn every(interval: Duration, from: Timestamp, after: Timestamp) -> Option<Timestamp> {
    if after < from {
        return Some(from);
    }
    let steps = after.since(from).as_micros() / interval.as_micros().max(1) + 1;
    let micros = u64::try_from(steps.checked_mul(interval.as_micros())?).ok()?;
    let next = from.plus(Duration::from_micros(micros));
    // At the calendar's end it stands still.
    (next > after && next < Timestamp::MAX).then_some(next)
}
