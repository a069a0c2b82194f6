//! Local times as instants.

use super::Cron;
use chancery_base::Timestamp;
use chancery_base::limits::NAME_BYTES_MAX;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use std::fmt;
use std::sync::LazyLock;

/// Days that are looked at: 29 February that is a Monday comes once in 28 years, and in 40 where a leap year is left
/// out.
const DAYS_MAX: usize = 41 * 366;
/// Days before the local date at which the search begins: a zone once left out a whole day.
const DAYS_BACK: i64 = 2;
/// How far from a time at which clocks are set one offset can be counted with.
const STEADY: SignedDuration = SignedDuration::from_hours(72);

/// Every zone, as this build knows them.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone of the IANA database that comes with the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// Why a text is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`: write one as the IANA database names it, such as `Europe/Berlin` or `UTC`")]
pub struct ZoneError(String);

impl Zone {
    /// The zone of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(name: &str) -> Result<Self, ZoneError> {
        let cut = || ZoneError(name.chars().take(NAME_BYTES_MAX).collect());
        ZONES.get(name).ok().filter(|zone| !zone.is_unknown()).map(Self).ok_or_else(cut)
    }

    /// Coordinated universal time.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The local time of an instant (RFC 3339), such as `2026-03-29T03:00:00+02:00`.
    #[must_use]
    pub fn show(&self, at: Timestamp) -> String {
        let offset = self.0.to_offset(instant(at));
        let seconds = offset.seconds();
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        format!("{}{sign}{:02}:{:02}", offset.to_datetime(instant(at)), minutes / 60, minutes % 60)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    // INVARIANT: every time of ours is within jiff's range, so the fall-back is never taken.
    jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or(jiff::Timestamp::MAX)
}

/// The first time after this one.
pub(super) fn next(cron: &Cron, zone: &Zone, after: Timestamp) -> Option<Timestamp> {
    if let Some(found) = steady(cron, zone, instant(after)) {
        return Some(found);
    }
    let today = zone.0.to_datetime(instant(after)).date();
    let first = today.saturating_sub(jiff::Span::new().days(DAYS_BACK));
    let days = std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(DAYS_MAX);
    let on = days.filter(|day| is_on(cron, *day));
    // A day's times are not before those of the day before.
    on.filter_map(|day| times(cron, zone, day).filter(|time| *time > after).min()).next()
}

/// The same where clocks are set neither shortly before nor before it, as is nearly always so: one offset holds.
fn steady(cron: &Cron, zone: &Zone, after: jiff::Timestamp) -> Option<Timestamp> {
    let apart = |earlier: jiff::Timestamp, later: jiff::Timestamp| later.duration_since(earlier) > STEADY;
    if zone.0.preceding(after).next().is_some_and(|set| !apart(set.timestamp(), after)) {
        return None;
    }
    let offset = zone.0.to_offset(after);
    let local = offset.to_datetime(after);
    let days = std::iter::successors(Some(local.date()), |day| day.tomorrow().ok()).take(DAYS_MAX);
    let next =
        days.filter(|day| is_on(cron, *day)).flat_map(|day| local_times(cron, day)).find(|time| *time > local)?;
    let next = offset.to_timestamp(next).ok()?;
    let is_set_before = zone.0.following(after).next().is_some_and(|set| !apart(next, set.timestamp()));
    if is_set_before { None } else { time(next) }
}

fn is_on(cron: &Cron, day: Date) -> bool {
    let number = |part: i8| u32::try_from(part).unwrap_or_default();
    cron.is_on(number(day.month()), number(day.day()), number(day.weekday().to_sunday_zero_offset()))
}

/// A day's times, in order.
fn local_times(cron: &Cron, day: Date) -> impl Iterator<Item = DateTime> {
    let small = |part: u32| i8::try_from(part).unwrap_or_default();
    let times = cron.hours.values().flat_map(|hour| cron.minutes.values().map(move |minute| (hour, minute)));
    times.map(move |(hour, minute)| day.at(small(hour), small(minute), 0, 0))
}

/// The instants of a day's times, not always in order.
fn times(cron: &Cron, zone: &Zone, day: Date) -> impl Iterator<Item = Timestamp> {
    local_times(cron, day).flat_map(move |local| instants(zone, local, cron.is_hourly()).into_iter().flatten())
}

/// When a local clock shows this.
fn instants(zone: &Zone, local: DateTime, is_hourly: bool) -> [Option<Timestamp>; 2] {
    let at = |offset: Offset| offset.to_timestamp(local).ok();
    match zone.0.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => [at(offset).and_then(time), None],
        AmbiguousOffset::Gap { .. } if is_hourly => [None, None],
        // Seen from after the gap it is before the clock is set.
        AmbiguousOffset::Gap { after, .. } => {
            let set = at(after).and_then(|before| zone.0.following(before).next());
            [set.and_then(|set| time(set.timestamp())), None]
        }
        AmbiguousOffset::Fold { before, after } => {
            [at(before).and_then(time), at(after).filter(|_| is_hourly).and_then(time)]
        }
    }
}

/// None beyond our calendar.
fn time(at: jiff::Timestamp) -> Option<Timestamp> {
    let time = Timestamp::from_micros(at.as_microsecond());
    (time.as_micros() == at.as_microsecond()).then_some(time)
}
