//! When something recurs, held against a model that goes from minute to minute.

mod input;
mod looks;

use chancery_base::Timestamp;
use chancery_base::limits::CRON_BYTES_MAX;
use chancery_engine::schedule::{Cron, Timetable, Zone};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const MINUTE: i64 = 60_000_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(text: &str, zone: &str) -> Timetable {
    Timetable::Cron(Cron::parse(text).unwrap(), Zone::find(zone).unwrap())
}

/// The next times, local.
#[track_caller]
fn check(text: &str, zone: &str, after: &str, expected: &[&str]) {
    let named = Zone::find(zone).unwrap();
    let found: Vec<String> =
        cron(text, zone).after(at(after)).take(expected.len()).map(|time| named.show(time)).collect();
    assert_eq!(found, expected, "{text} in {zone}");
}

#[test]
fn fields_are_those_of_crontab() {
    check("30 2 * * *", "UTC", "2026-11-21T02:29:59Z", &["2026-11-21T02:30:00+00:00", "2026-11-22T02:30:00+00:00"]);
    check("30 2 * * *", "UTC", "2026-11-21T02:30:00Z", &["2026-11-22T02:30:00+00:00"]);
    check(
        "*/20 9-17/8 * * *",
        "UTC",
        "2026-11-21T09:40:00Z",
        &["2026-11-21T17:00:00+00:00", "2026-11-21T17:20:00+00:00"],
    );
    check("50/5,3 4 * * *", "UTC", "2026-11-21T00:00:00Z", &["2026-11-21T04:03:00+00:00", "2026-11-21T04:50:00+00:00"]);
    check(
        "0 0 * feb-Mar MON",
        "UTC",
        "2026-02-20T00:00:00Z",
        &["2026-02-23T00:00:00+00:00", "2026-03-02T00:00:00+00:00"],
    );
    // Friday to Sunday, whose number is 0 and 7.
    check(
        "0 0 * * fri-sun",
        "UTC",
        "2026-11-19T00:00:00Z",
        &["2026-11-20T00:00:00+00:00", "2026-11-21T00:00:00+00:00"],
    );
    check("0 0 * * 7", "UTC", "2026-11-19T00:00:00Z", &["2026-11-22T00:00:00+00:00", "2026-11-29T00:00:00+00:00"]);
    // A day of the month or of the week; with a `*` both.
    check("0 0 13 * 5", "UTC", "2026-11-07T00:00:00Z", &["2026-11-13T00:00:00+00:00", "2026-11-20T00:00:00+00:00"]);
    check("0 0 13 * 1", "UTC", "2026-11-10T00:00:00Z", &["2026-11-13T00:00:00+00:00", "2026-11-16T00:00:00+00:00"]);
    check("0 0 */12 * 5", "UTC", "2026-11-02T00:00:00Z", &["2026-11-13T00:00:00+00:00", "2026-12-25T00:00:00+00:00"]);
    check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00+00:00"]);
    check("@weekly", "UTC", "2026-11-21T00:00:00Z", &["2026-11-22T00:00:00+00:00"]);
    check("@Annually", "UTC", "2026-11-21T00:00:00Z", &["2027-01-01T00:00:00+00:00"]);
}

#[test]
fn a_skipped_time_is_due_when_the_clock_was_set() {
    let before = "2026-03-28T12:00:00Z";
    check("30 2 * * *", "Europe/Berlin", before, &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    // Both are, and the third hour's own: one time.
    check("0,30 2-3 * * *", "Europe/Berlin", before, &["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]);
    // Every hour that passes.
    check(
        "30 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:00:00Z",
        &["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"],
    );
    // Clocks were set at midnight, by half an hour, and by a day.
    check("15 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", &["2018-11-04T01:00:00-02:00"]);
    check("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", &["2026-10-04T02:30:00+11:00"]);
    check(
        "0 12 * * *",
        "Pacific/Apia",
        "2011-12-30T00:00:00Z",
        &["2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"],
    );
}

#[test]
fn a_time_that_comes_twice_is_due_the_first_time() {
    let before = "2026-10-24T12:00:00Z";
    check("30 2 * * *", "Europe/Berlin", before, &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
    check("0,30 2-3 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", &["2026-10-25T03:00:00+01:00"]);
    let twice = ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"];
    check("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", &twice);
}

#[test]
fn steps_are_even_whatever_clocks_show() {
    let from = at("2026-11-21T07:27:00Z");
    let table = Timetable::Every { interval: Duration::from_secs(90 * 60), from };
    assert_eq!(table.next(Timestamp::EPOCH), Some(from));
    let next: Vec<String> = table.after(from).take(2).map(|time| time.to_string()).collect();
    assert_eq!(next, ["2026-11-21T08:57:00.000000Z", "2026-11-21T10:27:00.000000Z"]);
    assert_eq!(table.next(at("2026-11-21T08:56:59Z")), Some(at("2026-11-21T08:57:00Z")));
    assert_eq!(table.next(Timestamp::MAX), None);
    let short = Timetable::Every { interval: Duration::ZERO, from };
    assert_eq!(short.next(from), Some(from.plus(Duration::from_secs(1))));
}

/// Where clocks are not set for long, one offset is counted with; the model says that it is the right one.
#[test]
fn far_from_a_change_times_are_the_same_as_near_one() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-06-15T12:00:00Z",
        &["2026-06-16T02:30:00+02:00", "2026-06-17T02:30:00+02:00"],
    );
    check("30 2 * * *", "Europe/Berlin", "2026-12-15T12:00:00Z", &["2026-12-16T02:30:00+01:00"]);
    check("0 12 1 * *", "Europe/Berlin", "2026-03-02T12:00:00Z", &["2026-04-01T12:00:00+02:00"]);
    check("@yearly", "America/New_York", "2026-06-15T12:00:00Z", &["2027-01-01T00:00:00-05:00"]);
}

#[test]
fn once_is_once() {
    let at = at("2026-11-21T07:27:00Z");
    let table = Timetable::At(at);
    assert_eq!(table.next(Timestamp::EPOCH), Some(at));
    assert_eq!(table.next(at), None);
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(Cron::parse(text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn a_refusal_says_what_and_where() {
    let form = "write minute, hour, day of the month, month and day of the week, such as `30 2 * * 1-5`";
    refused("", &format!("column 1: {form}"));
    refused("* * * *", &format!("column 1: {form}"));
    refused("0  0 * * * *", &format!("column 12: {form}"));
    refused("60 * * * *", "column 1: `60` is no minute: write 0 to 59");
    refused("0 24 * * *", "column 3: `24` is no hour: write 0 to 23");
    refused("0 1,,2 * * *", "column 5: `` is no hour: write 0 to 23");
    refused("0 0 0 * *", "column 5: `0` is no day of the month: write 1 to 31");
    refused("0 0 L * *", "column 5: `L` is no day of the month: write 1 to 31");
    refused("0 0 1 13 *", "column 7: `13` is no month: write 1 to 12 or a name of three letters");
    refused("0 0 1 1 1-8", "column 11: `8` is no day of the week: write 0 to 7 or a name of three letters");
    refused("0 17-9 * * *", "column 3: `17-9` goes backwards");
    refused("*/0 * * * *", "column 3: `0` is no step: write a whole number from 1 to 59");
    refused("0 é/x * * *", "column 5: `x` is no step: write a whole number from 1 to 23");
    refused("0 0 30,31 2 *", "column 5: no month of these has such a day");
    refused(
        "@reboot",
        "column 1: there is no `@reboot`; there are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly",
    );
    let long = format!("{} * * * *", vec!["1"; CRON_BYTES_MAX / 2].join(","));
    refused(&long, "column 1: it has 263 bytes, at most 256 are allowed");
    assert_eq!(
        Zone::find("Europe/Atlantis").unwrap_err().to_string(),
        "there is no time zone `Europe/Atlantis`: write one as the IANA database names it, such as `Europe/Berlin` or `UTC`"
    );
    assert!(Zone::find("Etc/Unknown").is_err() && Zone::find("").is_err());
    assert_eq!(Zone::find("europe/berlin").unwrap().to_string(), "Europe/Berlin");
}

/// Which local times are meant, as a list of what each field allows.
#[derive(Debug, Clone)]
struct Plan {
    fields: [Vec<i8>; 5],
    /// Whether the field of the day, of the weekday, is written with a `*`.
    open: (bool, bool),
    text: String,
}

fn field(range: std::ops::RangeInclusive<i8>) -> impl Strategy<Value = (Vec<i8>, String)> {
    let all: Vec<i8> = range.collect();
    let few = prop::sample::subsequence(all.clone(), 1..4);
    let listed = few.prop_map(|values| {
        let text = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        (values, text)
    });
    let any = all.clone();
    // A step beyond the field is refused.
    let steps = 2..=all.len().min(19);
    prop_oneof![
        3 => Just((any, "*".to_owned())),
        2 => steps.prop_map(move |step| (all.iter().copied().step_by(step).collect(), format!("*/{step}"))),
        4 => listed,
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (field(0..=59), field(0..=23), field(1..=31), field(1..=12), field(0..=6)).prop_map(|(a, b, c, d, e)| {
        let text = [&a.1, &b.1, &c.1, &d.1, &e.1].map(String::as_str).join(" ");
        let open = (c.1.starts_with('*'), e.1.starts_with('*'));
        Plan { fields: [a.0, b.0, c.0, d.0, e.0], open, text }
    })
}

impl Plan {
    fn means(&self, local: DateTime) -> bool {
        let [minutes, hours, days, months, weekdays] = &self.fields;
        let by_day = days.contains(&local.day());
        let by_weekday = weekdays.contains(&local.weekday().to_sunday_zero_offset());
        let on = match self.open {
            (false, false) => by_day || by_weekday,
            (true, _) | (_, true) => by_day && by_weekday,
        };
        on && months.contains(&local.month()) && minutes.contains(&local.minute()) && hours.contains(&local.hour())
    }

    /// What is due from one instant to another, found by looking at a clock on the wall once a minute.
    fn model(&self, zone: &TimeZone, from: Timestamp, minutes: i64) -> BTreeSet<Timestamp> {
        // The longest fold is an hour.
        let first = -120;
        let shown: Vec<DateTime> = (first..=minutes)
            .map(|minute| jiff::Timestamp::from_microsecond(from.as_micros() + minute * MINUTE).unwrap())
            .map(|instant| zone.to_datetime(instant))
            .collect();
        let hourly = self.fields[1].len() == 24;
        let mut due = BTreeSet::new();
        for minute in 1..=minutes {
            let place = usize::try_from(minute - first).unwrap();
            let (before, now) = (shown[place - 1], shown[place]);
            let again = shown[place - 120..place].contains(&now);
            let mut skipped = before.checked_add(jiff::Span::new().minutes(1)).unwrap();
            let mut is_due = self.means(now) && (hourly || !again);
            while skipped < now && !hourly {
                is_due |= self.means(skipped);
                skipped = skipped.checked_add(jiff::Span::new().minutes(1)).unwrap();
            }
            if is_due {
                due.insert(Timestamp::from_micros(from.as_micros() + minute * MINUTE));
            }
        }
        due
    }
}

/// A day or so before clocks are set, or nothing is.
const MOMENTS: [(&str, &str); 11] = [
    ("Europe/Berlin", "2026-03-28T12:00:00Z"),
    ("Europe/Berlin", "2026-10-24T12:00:00Z"),
    ("America/New_York", "2026-03-07T22:00:00Z"),
    ("America/New_York", "2026-10-31T22:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T03:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T03:00:00Z"),
    ("America/Sao_Paulo", "2018-11-03T15:00:00Z"),
    ("America/Sao_Paulo", "2019-02-16T12:00:00Z"),
    ("Pacific/Apia", "2011-12-30T00:00:00Z"),
    ("Asia/Kathmandu", "2026-12-31T06:00:00Z"),
    ("UTC", "2028-02-28T12:00:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn it_is_due_when_the_model_says(plan in plan(), moment in prop::sample::select(&MOMENTS[..]), late in 0..600_i64) {
        let (name, from) = moment;
        let from = Timestamp::from_micros(at(from).as_micros() + late * MINUTE);
        let (zone, minutes) = (jiff::tz::TimeZoneDatabase::bundled().get(name).unwrap(), 36 * 60);
        let Ok(parsed) = Cron::parse(&plan.text) else {
            // A day that no month has.
            prop_assert!(plan.model(&zone, from, minutes).is_empty());
            return Ok(());
        };
        let table = Timetable::Cron(parsed, Zone::find(name).unwrap());
        let end = Timestamp::from_micros(from.as_micros() + minutes * MINUTE);
        let found: Vec<Timestamp> = table.after(from).take_while(|time| *time <= end).collect();
        let expected: Vec<Timestamp> = plan.model(&zone, from, minutes).into_iter().collect();
        prop_assert_eq!(found, expected, "{} in {} after {}", plan.text, name, from);
    }
}
