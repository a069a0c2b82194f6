//! What events are called, and the patterns that they are found by.

use crate::limits::NAME_BYTES_MAX;
use crate::name::text_like;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is no type of event, or no pattern of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventTypeError {
    /// Empty, or longer than [`NAME_BYTES_MAX`] bytes.
    #[error("an event's type has 1 to {NAME_BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    /// A character that no type has.
    #[error("`{0}` is not allowed in an event's type: use a-z, A-Z, 0-9, `-` and `_`, and dots between them")]
    Character(char),
    /// Two dots stand side by side, or one at an end.
    #[error("an event's type has something before and after every dot")]
    Dot,
    /// It begins with what the platform keeps for itself.
    #[error("types that begin with `{RESERVED}` are the platform's own")]
    Reserved,
    /// A star stands beside something else.
    #[error("`*` stands for one part between dots and `**` for any number of them: neither has anything beside it")]
    Star,
}

/// What events of the platform itself are called.
const RESERVED: &str = "chancery.";

/// What an event is called: parts of letters, digits, `-` and `_`, with dots between them, such as `order.shipped`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Arc<str>);

/// Which types of event are meant: `*` stands for one part between dots, `**` for any number of them, none included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventPattern(Arc<str>);

impl EventType {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventPattern {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one type that it means; none where it has a star.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&*self.0)
    }

    /// Whether it means a type. Takes no longer than the product of their parts, whatever it says.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        let (pattern, parts): (Vec<&str>, Vec<&str>) = (self.0.split('.').collect(), event_type.split('.').collect());
        let (mut at, mut part) = (0, 0);
        // Behind the last `**`, and the part that it is tried from next.
        let mut last: Option<(usize, usize)> = None;
        while let Some(found) = parts.get(part) {
            match pattern.get(at) {
                Some(&"**") => {
                    at += 1;
                    last = Some((at, part));
                }
                Some(wanted) if *wanted == "*" || wanted == found => {
                    at += 1;
                    part += 1;
                }
                Some(_) | None => {
                    let Some((behind, from)) = last else { return false };
                    (at, part) = (behind, from + 1);
                    last = Some((behind, from + 1));
                }
            }
        }
        pattern.iter().skip(at).all(|left| *left == "**")
    }
}

fn check(text: &str, takes_stars: bool) -> Result<(), EventTypeError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(EventTypeError::Length(text.len()));
    }
    for part in text.split('.') {
        if part.is_empty() {
            return Err(EventTypeError::Dot);
        }
        if takes_stars && part.contains('*') {
            if part == "*" || part == "**" {
                continue;
            }
            return Err(EventTypeError::Star);
        }
        if let Some(bad) = part.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
            return Err(EventTypeError::Character(bad));
        }
    }
    Ok(())
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        check(text, false)?;
        if text.starts_with(RESERVED) { Err(EventTypeError::Reserved) } else { Ok(Self(Arc::from(text))) }
    }
}

impl FromStr for EventPattern {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        check(text, true)?;
        Ok(Self(Arc::from(text)))
    }
}

text_like!(EventType);

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_say_what_is_wrong_with_them() {
        let read = |text: &str| text.parse::<EventType>().map(drop);
        assert_eq!(read("order.shipped"), Ok(()));
        assert_eq!(read("com.example.Order-2_x"), Ok(()));
        assert_eq!(read(""), Err(EventTypeError::Length(0)));
        assert_eq!(read(&"a".repeat(129)), Err(EventTypeError::Length(129)));
        assert_eq!(read("order shipped"), Err(EventTypeError::Character(' ')));
        assert_eq!(read("order.*"), Err(EventTypeError::Character('*')));
        assert_eq!(read("order..shipped"), Err(EventTypeError::Dot));
        assert_eq!(read(".order"), Err(EventTypeError::Dot));
        assert_eq!(read("chancery.started"), Err(EventTypeError::Reserved));
        assert_eq!(read("chanceryish.started"), Ok(()));
        assert_eq!("ord*.a".parse::<EventPattern>(), Err(EventTypeError::Star));
        assert_eq!("***".parse::<EventPattern>(), Err(EventTypeError::Star));
    }

    #[test]
    fn a_pattern_means_what_it_says() {
        let check = |pattern: &str, means: &[&str], means_not: &[&str]| {
            let read: EventPattern = pattern.parse().unwrap();
            means.iter().for_each(|of| assert!(read.matches(of), "{pattern} means {of}"));
            means_not.iter().for_each(|of| assert!(!read.matches(of), "{pattern} does not mean {of}"));
        };
        check("order.shipped", &["order.shipped"], &["order", "order.shipped.late", "order.shippe"]);
        check("order.*", &["order.shipped"], &["order", "order.a.b", "orders.a"]);
        check("*.shipped", &["order.shipped", "parcel.shipped"], &["shipped", "a.b.shipped"]);
        check("order.**", &["order", "order.a", "order.a.b"], &["orders", "a.order"]);
        check("**.failed", &["failed", "a.failed", "a.b.failed", "failed.failed"], &["failed.a", "afailed"]);
        check("a.**.b.*.c", &["a.b.x.c", "a.x.y.b.z.c", "a.b.b.b.c"], &["a.b.c", "a.x.c", "a.b.x.c.d"]);
        check("**", &["a", "a.b.c"], &[]);
        check("**.**.a", &["a", "x.a", "x.y.a"], &["b"]);
        check("*.**", &["a", "a.b"], &[]);
    }

    #[test]
    fn a_pattern_of_many_stars_costs_no_more_than_its_parts() {
        let pattern: EventPattern = format!("{}b", "**.".repeat(40)).parse().unwrap();
        assert!(!pattern.matches("a.".repeat(63).trim_end_matches('.')));
    }
}
