//! Instants. Nothing here reads a clock.

use crate::wire::as_text;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

/// An instant in microseconds since 1970-01-01T00:00:00Z; on the wire RFC 3339 in UTC with six decimals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// Why a text is not a [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339 in UTC, such as 2026-11-21T07:27:00.000000Z, from 1970 to 2255-06-05T23:47:34.740992Z")]
pub struct TimestampError;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The last instant of which entries can have the microseconds, since JSON's whole numbers are sure up to 2⁵³:
    /// 2255-06-05T23:47:34.740992Z.
    pub const MAX: Self = Self(crate::json::INTEGER_MAX);

    /// The instant this many microseconds after the epoch; after [`Timestamp::MAX`] it is that, before 1970 the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros > Self::MAX.0 {
            Self::MAX
        } else if micros < 0 {
            Self::EPOCH
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0 / 1_000
    }

    /// This instant and `duration` more, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This instant and `duration` less, at least the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// The beginning of the calendar month, in UTC, that this instant is in, and that of the next one.
    #[must_use]
    pub fn month(self) -> (Self, Self) {
        let (year, month, _) = date_of(self.0 / DAY);
        let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let first_of = |(year, month)| Self::from_micros(days_to(year, month, 1) * DAY);
        (first_of((year, month)), first_of(next))
    }
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// Days from the first of March of the year 0 to the first of January 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

/// The text of a [`Timestamp`], made without the heap: several stand in every entry and row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampText([u8; 27]);

impl Deref for TimestampText {
    type Target = str;

    fn deref(&self) -> &str {
        // INVARIANT: made of ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Timestamp {
    /// Its text.
    #[must_use]
    pub fn text(self) -> TimestampText {
        let digit = |number: i64, place: i64| b'0' + u8::try_from(number / place % 10).unwrap_or(0);
        let (ten, one) = (|number| digit(number, 10), |number| digit(number, 1));
        let (year, month, day) = date_of(self.0 / DAY);
        let micros = self.0 % DAY;
        let (hour, minute, second) = (micros / 3_600_000_000, micros / 60_000_000 % 60, micros / 1_000_000 % 60);
        TimestampText([
            digit(year, 1_000),
            digit(year, 100),
            ten(year),
            one(year),
            b'-',
            ten(month),
            one(month),
            b'-',
            ten(day),
            one(day),
            b'T',
            ten(hour),
            one(hour),
            b':',
            ten(minute),
            one(minute),
            b':',
            ten(second),
            one(second),
            b'.',
            digit(micros, 100_000),
            digit(micros, 10_000),
            digit(micros, 1_000),
            digit(micros, 100),
            ten(micros),
            one(micros),
            b'Z',
        ])
    }

    /// The instant that has this very text, if one has.
    fn of_text(text: &str) -> Option<Self> {
        if text.len() != size_of::<TimestampText>() {
            return None;
        }
        let (date, time) = text.split_at_checked("2026-11-21".len())?;
        let (date, time) = (number_of(date), number_of(time));
        if date > 99_991_231 || time > 235_959_999_999 {
            return None;
        }
        let (hour, minute, second) = (time / 10_000_000_000, time / 100_000_000 % 100, time / 1_000_000 % 100);
        // What is no time gives another one here, whose text differs.
        let days = days_to(date / 10_000, date / 100 % 100, date % 100);
        let instant =
            Self::from_micros(days * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + time % 1_000_000);
        (*instant.text() == *text).then_some(instant)
    }
}

/// The digits of a text, read as one number.
fn number_of(text: &str) -> i64 {
    let digits = text.bytes().filter(u8::is_ascii_digit);
    digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

/// Year, month and day of a day, counted from 1970-01-01. Counted from the first of March the leap day is a year's
/// last.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_BEFORE_1970;
    let (cycle, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (cycle * 400 + year + (month <= 2) as i64, month, day)
}

/// The day, counted from 1970-01-01, of a year, month and day.
const fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (cycle, year) = (year / 400, year % 400);
    let day = (153 * month + 2) / 5 + day - 1;
    cycle * DAYS_OF_400_YEARS + year * 365 + year / 4 - year / 100 + day - DAYS_BEFORE_1970
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        // Nearly every time is one that this wrote.
        if let Some(instant) = Self::of_text(text) {
            return Ok(instant);
        }
        let Ok(instant) = text.parse::<jiff::Timestamp>() else { return Err(TimestampError) };
        let micros = instant.as_microsecond();
        if !(0..=Self::MAX.0).contains(&micros) {
            return Err(TimestampError);
        }
        Ok(Self(micros))
    }
}

as_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_has_six_decimals_and_reads_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_246_020_000_001, "2026-11-21T07:27:00.000001Z"),
            (Timestamp::MAX.0, "2255-06-05T23:47:34.740992Z"),
        ] {
            assert_eq!(Timestamp(micros).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp(micros)));
        }
        assert_eq!("yesterday".parse::<Timestamp>(), Err(TimestampError));
    }

    proptest! {
        #[test]
        fn a_text_is_that_of_the_calendar(micros in 0..=Timestamp::MAX.0) {
            let instant = jiff::Timestamp::from_microsecond(micros).unwrap();
            let text = format!("{instant:.6}");
            prop_assert_eq!(&*Timestamp(micros).text(), &text);
            prop_assert_eq!(Timestamp::of_text(&text), Some(Timestamp(micros)));
        }
    }

    #[test]
    fn every_day_has_its_date() {
        let mut date = jiff::civil::date(1970, 1, 1);
        for days in 0..=Timestamp::MAX.0 / DAY {
            let (year, month, day) = date_of(days);
            let expected = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            assert_eq!((year, month, day), expected);
            assert_eq!(days_to(year, month, day), days);
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn a_month_is_from_its_first_to_that_of_the_next() {
        for (text, first, next) in [
            ("2026-02-28T23:59:59.999999Z", "2026-02-01T00:00:00.000000Z", "2026-03-01T00:00:00.000000Z"),
            ("2024-02-29T00:00:00.000000Z", "2024-02-01T00:00:00.000000Z", "2024-03-01T00:00:00.000000Z"),
            ("2026-12-31T12:00:00.000000Z", "2026-12-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
            ("1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000000Z", "1970-02-01T00:00:00.000000Z"),
        ] {
            let bounds = text.parse::<Timestamp>().unwrap().month();
            assert_eq!((bounds.0.to_string(), bounds.1.to_string()), (first.to_owned(), next.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_read_and_no_date_is_made_up() {
        for (text, instant) in [
            ("2026-11-21T07:27:00Z", Some("2026-11-21T07:27:00.000000Z")),
            ("2026-11-21T08:27:00.000001+01:00", Some("2026-11-21T07:27:00.000001Z")),
            ("2026-02-29T07:27:00.000000Z", None),
            ("2024-02-29T07:27:00.000000Z", Some("2024-02-29T07:27:00.000000Z")),
            ("2026-13-01T07:27:00.000000Z", None),
            ("2026-11-21T24:00:00.000000Z", None),
            ("99999999999999999999999999Z", None),
            ("2255-06-05T23:47:34.740993Z", None),
            ("9999-12-31T00:00:00Z", None),
            ("", None),
        ] {
            let read = text.parse::<Timestamp>().ok().map(|instant| instant.to_string());
            assert_eq!(read.as_deref(), instant, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
    }
}
