//! Cron expressions, in a time zone: `<zone>\n<expression>`, or the expression alone.

use crate::Verdict;
use crate::check::{sure, words};
use chancery_base::Timestamp;
use chancery_base::limits::CRON_BYTES_MAX;
use chancery_engine::schedule::{Cron, Timetable, Zone};

/// A few days before Berlin's clocks are set.
const BEFORE: i64 = 1_774_526_400_000_000;

pub(crate) fn cron(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    let (zone, text) = text.split_once('\n').unwrap_or(("Europe/Berlin", text));
    let zone = match Zone::find(zone) {
        Ok(zone) => zone,
        Err(error) => {
            words(&error.to_string());
            return Verdict::Refused;
        }
    };
    assert_eq!(Zone::find(&zone.to_string()).as_ref(), Ok(&zone), "a zone's name is another's");
    let cron = match Cron::parse(text) {
        Ok(cron) => cron,
        Err(error) => {
            words(&error.message);
            assert!((1..=text.chars().count() + 1).contains(&error.column), "a column outside of the text");
            return Verdict::Refused;
        }
    };
    assert!(text.len() <= CRON_BYTES_MAX, "the limit does not hold");
    assert_eq!(sure(Cron::parse(&cron.to_string()), "an expression reads back"), cron, "it reads back as another");
    let table = Timetable::Cron(cron, zone);
    let mut last = Timestamp::from_micros(BEFORE);
    for time in table.after(last).take(4) {
        assert!(time > last, "a time that is not after the one before");
        // Whoever asks a little later is told the same.
        let between = Timestamp::from_micros(i64::midpoint(last.as_micros(), time.as_micros()));
        assert_eq!(table.next(between), Some(time), "a time that was left out");
        last = time;
    }
    assert!(last > Timestamp::from_micros(BEFORE), "it is never due");
    Verdict::Taken
}
