//! What a schedule was told: what it starts, when, and what holds where times collide or were missed.

use super::{Calendar, Cron, Timetable, Zone};
use crate::headers::Headers;
use chancery_base::duration::{self, DURATION_MAX};
use chancery_base::limits::{
    LABELS_MAX, NAME_BYTES_MAX, SCHEDULE_CATCH_UP_MAX, SCHEDULE_EVERY_MIN, SCHEDULE_LATE_MAX, SCHEDULE_WINDOW_MAX,
};
use chancery_base::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The label that names the schedule on what it starts.
pub const LABEL: &str = "schedule";

/// What a schedule was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What it starts.
    pub definition: Name,
    /// Which version; none: the newest when it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Labels of what it starts; [`LABEL`] comes by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What each is told beside its input.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// When it is due.
    pub when: When,
    /// The time zone of cron's times, by its IANA name.
    pub zone: String,
    /// It is not due before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// It is not due after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What becomes of a time when what was started last still runs.
    pub overlap: Overlap,
    /// Whether it makes up for times that were missed.
    pub catch_up: CatchUp,
    /// How far back, in milliseconds.
    pub window_ms: u64,
}

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// At local times.
    Cron(String),
    /// In even steps, counted from the epoch.
    Every {
        /// From one to the next, in milliseconds.
        interval_ms: u64,
        /// How long after a whole number of intervals, in milliseconds.
        offset_ms: u64,
    },
    /// Once.
    At(Timestamp),
}

/// What becomes of a time when the transaction that was started last has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is left out.
    Skip,
    /// One time waits for the end, others are left out.
    BufferOne,
    /// Each waits for the end of the one before, others are left out beyond
    /// [`SCHEDULE_WAITING_MAX`](chancery_base::limits::SCHEDULE_WAITING_MAX).
    BufferAll,
    /// It starts all the same.
    Allow,
    /// What runs is cancelled, and the time waits for its end as with `buffer-one`.
    CancelRunning,
    /// What runs is terminated, and the time starts at once.
    TerminateRunning,
}

/// Whether a schedule makes up for times that were missed: no server ran, or a clock was set forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// No.
    None,
    /// For the newest of them.
    Last,
    /// For each of them, oldest first.
    All,
}

/// What is wrong with what a schedule is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {message}")]
pub struct TermsError {
    /// Which part.
    pub part: &'static str,
    /// What is wrong with it.
    pub message: String,
}

macro_rules! words {
    ($type:ident { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $type {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words!(Overlap {
    Skip => "skip",
    BufferOne => "buffer-one",
    BufferAll => "buffer-all",
    Allow => "allow",
    CancelRunning => "cancel-running",
    TerminateRunning => "terminate-running",
});

words!(CatchUp { None => "none", Last => "last", All => "all" });

impl Terms {
    /// How far back it makes up for what it missed.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// Checks them, and says when a schedule of these terms is due.
    ///
    /// # Errors
    /// What is wrong, and with which part.
    pub fn calendar(&self) -> Result<Calendar, TermsError> {
        let wrong = |part, message: String| TermsError { part, message };
        let zone = Zone::find(&self.zone).map_err(|err| wrong("zone", err.to_string()))?;
        let table = match &self.when {
            When::Cron(text) => {
                Timetable::Cron(Cron::parse(text).map_err(|err| wrong("cron", err.to_string()))?, zone.clone())
            }
            When::Every { interval_ms, offset_ms } => every(*interval_ms, *offset_ms)?,
            When::At(at) => Timetable::At(*at),
        };
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until < from
        {
            return Err(wrong("until", format!("{until} is before `from`, {from}")));
        }
        self.check_window()?;
        self.check_labels()?;
        Ok(Calendar::new(table, zone, self.from, self.until))
    }

    fn check_window(&self) -> Result<(), TermsError> {
        let wrong = |message| Err(TermsError { part: "catch_up_window", message });
        let window = self.window();
        if !(SCHEDULE_LATE_MAX..=SCHEDULE_WINDOW_MAX).contains(&window) {
            let bounds = [SCHEDULE_LATE_MAX, SCHEDULE_WINDOW_MAX].map(duration::format).join(" to ");
            return wrong(format!("{}, it may be {bounds}", duration::format(window)));
        }
        if let (CatchUp::All, When::Every { interval_ms, .. }) = (self.catch_up, &self.when) {
            let times = window.as_millis() / u128::from(*interval_ms).max(1);
            if times > SCHEDULE_CATCH_UP_MAX {
                return wrong(format!("it holds {times} times, at most {SCHEDULE_CATCH_UP_MAX} can be made up for"));
            }
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), TermsError> {
        let wrong = |message| Err(TermsError { part: "labels", message });
        if self.labels.len() >= LABELS_MAX {
            return wrong(format!("{}, at most {} are allowed beside `{LABEL}`", self.labels.len(), LABELS_MAX - 1));
        }
        for (label, text) in &self.labels {
            if label == LABEL {
                return wrong(format!("`{LABEL}` names the schedule itself"));
            }
            if let Err(err) = label.parse::<Name>() {
                return wrong(format!("`{label}`: {err}"));
            }
            if text.len() > NAME_BYTES_MAX {
                return wrong(format!("`{label}`: at most {NAME_BYTES_MAX} bytes are allowed"));
            }
        }
        Ok(())
    }
}

fn every(interval_ms: u64, offset_ms: u64) -> Result<Timetable, TermsError> {
    let (interval, offset) = (Duration::from_millis(interval_ms), Duration::from_millis(offset_ms));
    if !(SCHEDULE_EVERY_MIN..=DURATION_MAX).contains(&interval) {
        let bounds = [SCHEDULE_EVERY_MIN, DURATION_MAX].map(duration::format).join(" to ");
        return Err(TermsError {
            part: "every",
            message: format!("{}, it may be {bounds}", duration::format(interval)),
        });
    }
    if offset >= interval {
        let message = format!("{}, it must be shorter than `every`", duration::format(offset));
        return Err(TermsError { part: "offset", message });
    }
    Ok(Timetable::Every { interval, from: Timestamp::EPOCH.plus(offset) })
}
