//! What a tenant says of its queues.

use crate::row::{QueueRow, Sealed};
use chancery_base::limits::{QUEUE_VERSIONS_MAX, VERSION_BYTES_MAX};
use chancery_base::{Name, Rate, duration};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Attempts that a queue may be let have out at once: more is no limit.
const CONCURRENCY: RangeInclusive<u32> = 1..=100_000;
/// Hand-outs in the time that a rate is meant of.
const RATE: RangeInclusive<u32> = 1..=1_000_000;
/// That time, in milliseconds: up to a day.
const RATE_PER_MS: RangeInclusive<u64> = 1..=86_400_000;
/// The same where nothing is said.
const RATE_PER_MS_DEFAULT: u64 = 1_000;

/// What a tenant says of a queue. What it does not say has no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// Attempts that are out at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Hand-outs in `rate_per_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// The time that `rate` is meant of, in milliseconds; a second where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_ms: Option<u64>,
    /// The versions of workers that get its tasks, such as `2.1.0`, or beginnings of them, such as `2.*`; where nothing
    /// is said, all get them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
}

impl QueueSettings {
    /// Says what is none that may be set.
    ///
    /// # Errors
    /// Its name, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        within("concurrency", self.concurrency, &CONCURRENCY)?;
        within("rate", self.rate, &RATE)?;
        self.check_versions()?;
        match self.rate_per_ms {
            Some(_) if self.rate.is_none() => {
                Err("rate_per: it is the time that a `rate` is meant of, and there is none".to_owned())
            }
            Some(ms) if !RATE_PER_MS.contains(&ms) => {
                let [given, least, most] = [ms, *RATE_PER_MS.start(), *RATE_PER_MS.end()].map(millis);
                Err(format!("rate_per: {given}, it may be {least} to {most}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_versions(&self) -> Result<(), String> {
        let count = self.versions.len();
        if count > QUEUE_VERSIONS_MAX {
            return Err(format!("versions: {count}, at most {QUEUE_VERSIONS_MAX} are allowed"));
        }
        for (index, version) in self.versions.iter().enumerate() {
            let start = version.strip_suffix('*').unwrap_or(version);
            // `*` alone is every version that a worker says, and none is not one.
            let is_one = start.is_empty() && version == "*" || is_version(start);
            if !is_one {
                return Err(format!(
                    "versions[{index}]: {version:?} is no version such as `2.1.0`, nor a beginning such as `2.*`"
                ));
            }
            if self.versions.iter().take(index).any(|other| other == version) {
                return Err(format!("versions[{index}]: `{version}` stands there twice"));
            }
        }
        Ok(())
    }

    /// Whether workers of this version get its tasks; one that says none gets them where nothing is said of versions.
    #[must_use]
    pub fn takes(&self, version: Option<&str>) -> bool {
        let is_it = |asked: &String, version: &str| match asked.strip_suffix('*') {
            Some(start) => version.starts_with(start),
            None => asked == version,
        };
        self.versions.is_empty()
            || version.is_some_and(|version| self.versions.iter().any(|asked| is_it(asked, version)))
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many hand-outs in which time; none: as many as there are workers for.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        let per = Duration::from_millis(self.rate_per_ms.unwrap_or(RATE_PER_MS_DEFAULT));
        self.rate.map(|count| Rate { count: count.max(1), per })
    }

    /// The settings of a row; none if it is damaged.
    pub(crate) fn of(row: &QueueRow) -> Option<Self> {
        row.body.read()
    }

    /// Their row.
    pub(crate) fn row(&self, queue: &Name) -> QueueRow {
        QueueRow { queue: queue.clone(), body: Sealed::json(self) }
    }
}

/// Whether a text may be the version of a worker.
#[must_use]
pub fn is_version(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
    (1..=VERSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_part)
}

fn millis(ms: u64) -> String {
    duration::format(Duration::from_millis(ms))
}

fn within(name: &str, value: Option<u32>, range: &RangeInclusive<u32>) -> Result<(), String> {
    match value {
        Some(value) if !range.contains(&value) => {
            Err(format!("{name}: {value}, it may be {} to {}", range.start(), range.end()))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_may_not_be_set_is_named() {
        let of = |text: &str| serde_json::from_str::<QueueSettings>(text).unwrap().check();
        assert_eq!(of(r#"{"concurrency":100000,"rate":5,"rate_per_ms":60000}"#), Ok(()));
        assert_eq!(of("{}"), Ok(()));
        for (text, why) in [
            (r#"{"concurrency":0}"#, "concurrency: 0, it may be 1 to 100000"),
            (r#"{"rate":0}"#, "rate: 0, it may be 1 to 1000000"),
            (r#"{"rate":1,"rate_per_ms":172800000}"#, "rate_per: 2d, it may be 1ms to 1d"),
            (r#"{"rate":1,"rate_per_ms":0}"#, "rate_per: 0ms, it may be 1ms to 1d"),
            (r#"{"versions":[""]}"#, "versions[0]: \"\" is no version such as `2.1.0`, nor a beginning such as `2.*`"),
            (
                r#"{"versions":["2.1","a b"]}"#,
                "versions[1]: \"a b\" is no version such as `2.1.0`, nor a beginning such as `2.*`",
            ),
            (
                r#"{"versions":["2.**"]}"#,
                "versions[0]: \"2.**\" is no version such as `2.1.0`, nor a beginning such as `2.*`",
            ),
            (r#"{"versions":["2.*","2.*"]}"#, "versions[1]: `2.*` stands there twice"),
            (r#"{"rate_per_ms":5}"#, "rate_per: it is the time that a `rate` is meant of, and there is none"),
        ] {
            assert_eq!(of(text), Err(why.to_owned()));
        }
        assert!(serde_json::from_str::<QueueSettings>(r#"{"speed":1}"#).is_err());
    }

    #[test]
    fn as_many_versions_as_may_be() {
        let of = |count: usize| QueueSettings {
            versions: (0..count).map(|number| format!("1.{number}")).collect(),
            ..QueueSettings::default()
        };
        assert_eq!(of(QUEUE_VERSIONS_MAX).check(), Ok(()));
        assert_eq!(of(QUEUE_VERSIONS_MAX + 1).check(), Err("versions: 17, at most 16 are allowed".to_owned()));
        assert!(is_version(&"1".repeat(VERSION_BYTES_MAX)) && !is_version(&"1".repeat(VERSION_BYTES_MAX + 1)));
    }

    #[test]
    fn a_queue_takes_the_versions_that_are_said() {
        let of = |versions: &[&str], version| {
            let versions = versions.iter().map(|version| (*version).to_owned()).collect();
            QueueSettings { versions, ..QueueSettings::default() }.takes(version)
        };
        for (versions, version, takes) in [
            (&[][..], None, true),
            (&[], Some("1.0"), true),
            (&["1.0"], Some("1.0"), true),
            (&["1.0"], Some("1.0.1"), false),
            (&["1.0"], None, false),
            (&["2.*"], Some("2.1.0"), true),
            (&["2.*"], Some("2"), false),
            (&["2.*"], Some("21.0"), false),
            (&["1.0", "2.*"], Some("2.0"), true),
            (&["*"], Some("2.0"), true),
            (&["*"], None, false),
        ] {
            assert_eq!(of(versions, version), takes, "{versions:?} {version:?}");
        }
    }

    #[test]
    fn a_row_reads_back() {
        let settings =
            QueueSettings { concurrency: Some(2), rate: Some(5), rate_per_ms: None, versions: vec!["2.*".to_owned()] };
        let row = settings.row(&"mail".parse().unwrap());
        assert_eq!(row.body.bytes, br#"{"concurrency":2,"rate":5,"versions":["2.*"]}"#);
        assert_eq!(QueueSettings::of(&row), Some(settings.clone()));
        assert_eq!(settings.rate(), Some(Rate { count: 5, per: Duration::from_secs(1) }));
    }
}
