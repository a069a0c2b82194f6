//! Cron expressions as crontab(5) has them: five fields, names, and `@daily` and its like.

use chancery_base::limits::CRON_BYTES_MAX;
use std::fmt;

/// Local times: minutes, hours, days and months.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// As it was written, with single spaces.
    text: String,
    pub(super) minutes: Set,
    pub(super) hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
}

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct CronError {
    /// The character that it is about, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set {
    bits: u64,
    /// Whether it begins with `*`: then it narrows, and does not add to, what days are meant.
    is_open: bool,
}

/// What a field may hold.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// Names of values, from `first` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", first: 0, last: 59, names: &[] },
    Field { name: "hour", first: 0, last: 23, names: &[] },
    Field { name: "day of the month", first: 1, last: 31, names: &[] },
    Field {
        name: "month",
        first: 1,
        last: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    // 7 is Sunday, too.
    Field { name: "day of the week", first: 0, last: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

const SUNDAY: u32 = 7;
/// The most days that each month has.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const SHORT: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Set {
    pub(super) const fn has(self, value: u32) -> bool {
        value < u64::BITS && self.bits >> value & 1 == 1
    }

    /// Its values, in order.
    pub(super) fn values(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |value| self.has(*value))
    }
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.len() > CRON_BYTES_MAX {
            return Err(wrong(1, format!("it has {} bytes, at most {CRON_BYTES_MAX} are allowed", text.len())));
        }
        let words = words(text);
        match words.as_slice() {
            [(column, word)] if word.starts_with('@') => {
                let known = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(word));
                let names = || SHORT.map(|(short, _)| short).join(", ");
                let (short, long) =
                    known.ok_or_else(|| wrong(*column, format!("there is no `{word}`; there are {}", names())))?;
                Ok(Self { text: (*short).to_owned(), ..Self::parse(long)? })
            }
            [minutes, hours, days, months, weekdays] => {
                let [minute, hour, day, month, weekday] = &FIELDS;
                let mut weekdays = set(weekday, weekdays)?;
                if weekdays.has(SUNDAY) {
                    weekdays.bits = weekdays.bits & !(1 << SUNDAY) | 1;
                }
                let cron = Self {
                    text: words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" "),
                    minutes: set(minute, minutes)?,
                    hours: set(hour, hours)?,
                    days: set(day, days)?,
                    months: set(month, months)?,
                    weekdays,
                };
                if cron.is_never() {
                    return Err(wrong(days.0, "no month of these has such a day".to_owned()));
                }
                Ok(cron)
            }
            _ => {
                let message = "write minute, hour, day of the month, month and day of the week, such as `30 2 * * 1-5`";
                Err(wrong(words.get(5).map_or(1, |(column, _)| *column), message.to_owned()))
            }
        }
    }

    /// Whether it is due on this day. As everywhere, a day of the month and one of the week together mean either, but
    /// where one of them begins with `*` both must hold.
    pub(super) fn is_on(&self, month: u32, day: u32, weekday: u32) -> bool {
        let (by_day, by_weekday) = (self.days.has(day), self.weekdays.has(weekday));
        let both = self.days.is_open || self.weekdays.is_open;
        self.months.has(month) && if both { by_day && by_weekday } else { by_day || by_weekday }
    }

    /// Whether every hour is meant.
    pub(super) fn is_hourly(&self) -> bool {
        (0..24).all(|hour| self.hours.has(hour))
    }

    /// Whether no day of any year is meant.
    fn is_never(&self) -> bool {
        let by_weekday = !self.days.is_open && !self.weekdays.is_open;
        let has_day = |(month, days): (u32, &u32)| {
            self.months.has(month) && self.days.values().any(|day| (1..=*days).contains(&day))
        };
        !by_weekday && !(1..).zip(&MONTH_DAYS).any(has_day)
    }
}

/// As it was written.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn wrong(column: usize, message: String) -> CronError {
    CronError { column, message }
}

/// The words of a text, each with its column.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut column = 1;
    for word in text.split(char::is_whitespace) {
        if !word.is_empty() {
            words.push((column, word));
        }
        column += word.chars().count() + 1;
    }
    words
}

fn set(field: &Field, (column, word): &(usize, &str)) -> Result<Set, CronError> {
    let mut set = Set { bits: 0, is_open: word.starts_with('*') };
    let mut column = *column;
    for item in word.split(',') {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => {
                let at = column + range.chars().count() + 1;
                (
                    range,
                    Some(number(step).filter(|step| (1..=field.last).contains(step)).ok_or_else(|| {
                        wrong(at, format!("`{step}` is no step: write a whole number from 1 to {}", field.last))
                    })?),
                )
            }
        };
        let (first, last) = span(field, range, column, step.is_some())?;
        for value in (first..=last).step_by(usize::try_from(step.unwrap_or(1)).unwrap_or(1)) {
            set.bits |= 1 << value;
        }
        column += item.chars().count() + 1;
    }
    Ok(set)
}

/// `*`, a value, or two and all between. With a step behind it, a single value goes to the field's end.
fn span(field: &Field, range: &str, column: usize, has_step: bool) -> Result<(u32, u32), CronError> {
    // The week's last day is its first one, too.
    let end = if field.last == SUNDAY { field.last - 1 } else { field.last };
    if range == "*" {
        return Ok((field.first, end));
    }
    let Some((first, last)) = range.split_once('-') else {
        let value = value(field, range, column)?;
        return Ok((value, if has_step { end.max(value) } else { value }));
    };
    let at = column + first.chars().count() + 1;
    let from = value(field, first, column)?;
    let to = match value(field, last, at)? {
        0 if field.last == SUNDAY && from > 0 => SUNDAY,
        to => to,
    };
    if to < from {
        return Err(wrong(column, format!("`{range}` goes backwards")));
    }
    Ok((from, to))
}

fn value(field: &Field, word: &str, column: usize) -> Result<u32, CronError> {
    let named = field.names.iter().position(|name| name.eq_ignore_ascii_case(word));
    let named = named.and_then(|place| u32::try_from(place).ok()).map(|place| field.first + place);
    let value = named.or_else(|| number(word)).filter(|value| (field.first..=field.last).contains(value));
    value.ok_or_else(|| {
        let names = if field.names.is_empty() { "" } else { " or a name of three letters" };
        let Field { name, first, last, .. } = field;
        wrong(column, format!("`{word}` is no {name}: write {first} to {last}{names}"))
    })
}

fn number(word: &str) -> Option<u32> {
    word.parse().ok().filter(|_| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()))
}
