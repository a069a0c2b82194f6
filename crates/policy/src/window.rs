//! Within what time something is counted, and for whom.

use chancery_base::{Name, Timestamp, duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A window shorter than this would be over before what it counts is done.
const FIXED_MIN: Duration = Duration::from_secs(1);

/// The time within which something is counted: when it is over, counting begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// An hour of the clock.
    Hour,
    /// A day in UTC.
    Day,
    /// A calendar month in UTC.
    Month,
    /// So long: windows follow one another from 1970 on.
    Fixed(Duration),
}

impl Window {
    /// The window that an instant is in: its first instant, and the first of the next.
    #[must_use]
    pub fn around(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let length = match self {
            Self::Month => return now.month(),
            Self::Hour => Duration::from_secs(3_600),
            Self::Day => Duration::from_secs(86_400),
            Self::Fixed(length) => length,
        };
        let into = Duration::from_micros(
            now.as_micros().unsigned_abs() % u64::try_from(length.as_micros()).unwrap_or(u64::MAX).max(1),
        );
        let since = now.minus(into);
        (since, since.plus(length))
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "month" => Ok(Self::Month),
            other => match duration::parse(other) {
                Ok(length) if length >= FIXED_MIN => Ok(Self::Fixed(length)),
                Ok(_) => Err(format!("`{text}` is shorter than {}", duration::format(FIXED_MIN))),
                Err(_) => Err(format!("`{text}` is no window: write `hour`, `day`, `month`, or a time such as `10m`")),
            },
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour => f.write_str("hour"),
            Self::Day => f.write_str("day"),
            Self::Month => f.write_str("month"),
            Self::Fixed(length) => f.write_str(&duration::format(*length)),
        }
    }
}

/// For whom something is counted: each has an account of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Per {
    /// For all of the tenant together.
    Tenant,
    /// For who started the transaction.
    Principal,
    /// For the transaction's definition.
    Definition,
    /// For the value that the transaction's label of this name has.
    Label(Name),
}

impl FromStr for Per {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("label:")) {
            ("tenant", _) => Ok(Self::Tenant),
            ("principal", _) => Ok(Self::Principal),
            ("definition", _) => Ok(Self::Definition),
            (_, Some(name)) => name.parse().map(Self::Label).map_err(|err| format!("the label: {err}")),
            (_, None) => Err(format!("`{text}` is none of `tenant`, `principal`, `definition` and `label:NAME`")),
        }
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Principal => f.write_str("principal"),
            Self::Definition => f.write_str("definition"),
            Self::Label(name) => write!(f, "label:{name}"),
        }
    }
}

macro_rules! by_text {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

by_text!(Window);
by_text!(Per);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn windows_are_those_of_the_clock_and_the_calendar() {
        let now = at("2026-11-29T13:37:42.5Z");
        for (window, since, until) in [
            ("hour", "2026-11-29T13:00:00Z", "2026-11-29T14:00:00Z"),
            ("day", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("month", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("10m", "2026-11-29T13:30:00Z", "2026-11-29T13:40:00Z"),
        ] {
            let read: Window = window.parse().unwrap();
            assert_eq!(read.around(now), (at(since), at(until)), "{window}");
            assert_eq!(read.to_string(), window);
        }
    }

    #[test]
    fn what_is_no_window_and_for_nobody_is_refused() {
        for (text, why) in [("week", "`week` is no window"), ("0s", "shorter than 1s"), ("999ms", "shorter than 1s")] {
            let err = text.parse::<Window>().unwrap_err();
            assert!(err.contains(why), "{text}: {err}");
        }
        for text in ["tenant", "principal", "definition", "label:team"] {
            assert_eq!(text.parse::<Per>().unwrap().to_string(), text);
        }
        assert!("team".parse::<Per>().unwrap_err().contains("`label:NAME`"));
        assert!("label:".parse::<Per>().unwrap_err().starts_with("the label: a name has 1 to"));
    }

    fn window() -> impl Strategy<Value = Window> {
        prop_oneof![
            Just(Window::Hour),
            Just(Window::Day),
            Just(Window::Month),
            (1..100_000_000_u64).prop_map(|secs| Window::Fixed(Duration::from_secs(secs))),
        ]
    }

    proptest! {
        #[test]
        fn an_instant_is_in_its_window_and_windows_follow_one_another(
            window in window(),
            micros in 0..4_000_000_000_000_000_i64,
        ) {
            let now = Timestamp::from_micros(micros);
            let (since, until) = window.around(now);
            prop_assert!(since <= now && now < until);
            prop_assert_eq!(window.around(since), (since, until));
            prop_assert_eq!(window.around(until).0, until);
        }
    }
}
