//! Schedules: when one is due, looked for minute by minute, and what may become of its times. What a schedule is told
//! is written from a plan; the reference is given the plan, and shares no code with the engine beyond the words.

use super::WrongRule;
use crate::rng::Rng;
use chancery_base::{Name, Timestamp};
use chancery_engine::Headers;
use chancery_engine::schedule::{CatchUp, Overlap, Terms, When};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a schedule is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchedulePlan {
    /// What it starts.
    pub(crate) definition: Name,
    when: WhenPlan,
    zone: ZonePlan,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    overlap: Overlap,
    catch_up: CatchUp,
    /// How many seconds it reaches back.
    window: u64,
}

/// When it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WhenPlan {
    /// So many seconds after a whole number of intervals.
    Every {
        interval: i64,
        offset: i64,
    },
    At(Timestamp),
    /// At these minutes of these hours of a local clock; none: of every hour.
    Cron {
        minutes: MinutesPlan,
        hours: Option<Vec<i64>>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MinutesPlan {
    Step(i64),
    These(Vec<i64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ZonePlan {
    Utc,
    /// Half an hour beside the others.
    Kolkata,
    /// It sets its clocks.
    Berlin,
}

/// Instants between which Berlin has summer time: 2026-03-29T01:00Z and 2026-10-25T01:00Z. Runs begin in that year.
const SUMMER: [i64; 2] = [1_774_746_000, 1_792_890_000];
/// How late a time may be dealt with and be in time.
const LATE: Duration = Duration::from_secs(60);
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

impl ZonePlan {
    const fn name(self) -> &'static str {
        match self {
            Self::Utc => "UTC",
            Self::Kolkata => "Asia/Kolkata",
            Self::Berlin => "Europe/Berlin",
        }
    }

    /// How many minutes its clocks are ahead of UTC.
    const fn ahead(self, seconds: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Kolkata => 330,
            Self::Berlin => {
                let [begins, ends] = SUMMER;
                if begins <= seconds && seconds < ends { 120 } else { 60 }
            }
        }
    }
}

/// When runs with schedules begin: on an ordinary day, and shortly before clocks are set, forward or back.
pub(crate) fn begins(seed: u64) -> Timestamp {
    let ordinary = 1_795_246_020;
    let [summer, winter] = SUMMER;
    let seconds = match seed % 3 {
        0 => ordinary,
        1 => summer - 1_800,
        _ => winter - 1_800,
    };
    Timestamp::from_micros(seconds * SECOND)
}

impl SchedulePlan {
    pub(crate) fn draw(definition: Name, now: Timestamp, rng: &mut Rng) -> Self {
        let small = |number: u64| i64::try_from(number).unwrap_or(0);
        let soon = |rng: &mut Rng| now.plus(Duration::from_millis(rng.between(1, 20_000)));
        let window = rng.pick(&[60, 90, 180]).copied().unwrap_or(60);
        let catch_up = rng.pick(CatchUp::ALL).copied().unwrap_or(CatchUp::Last);
        let when = match rng.below(10) {
            0..6 => {
                let interval = rng.pick(&[1, 2, 3, 5, 7, 20, 60, 900]).copied().unwrap_or(5);
                // As many as are made up for, and no more, fit into a run.
                let interval = if catch_up == CatchUp::All { interval.max(7) } else { interval };
                WhenPlan::Every { interval, offset: small(rng.below(u64::try_from(interval).unwrap_or(1))) }
            }
            6 => WhenPlan::At(soon(rng)),
            _ => {
                let minutes = if rng.permille(500) {
                    MinutesPlan::Step(rng.pick(&[1, 7, 15, 20]).copied().unwrap_or(1))
                } else {
                    let mut minutes: Vec<i64> = (0..rng.between(1, 4)).map(|_| small(rng.below(60))).collect();
                    minutes.sort_unstable();
                    minutes.dedup();
                    MinutesPlan::These(minutes)
                };
                let hours = [None, None, Some(vec![2]), Some(vec![1, 2, 3]), Some(vec![0, 6, 7, 13])];
                WhenPlan::Cron { minutes, hours: rng.pick(&hours).cloned().flatten() }
            }
        };
        let zone = rng.pick(&[ZonePlan::Utc, ZonePlan::Kolkata, ZonePlan::Berlin, ZonePlan::Berlin]);
        let is_at = matches!(when, WhenPlan::At(_));
        let (from, until) = (rng.permille(150).then(|| soon(rng)), rng.permille(150).then(|| soon(rng)));
        let bounds = if is_at || from > until && until.is_some() { (None, None) } else { (from, until) };
        Self {
            definition,
            when,
            zone: zone.copied().unwrap_or(ZonePlan::Utc),
            from: bounds.0,
            until: bounds.1,
            overlap: rng.pick(Overlap::ALL).copied().unwrap_or(Overlap::Skip),
            catch_up,
            window,
        }
    }

    /// What the schedule is told.
    pub(crate) fn terms(&self) -> Terms {
        let millis = |seconds: i64| u64::try_from(seconds).unwrap_or(0) * 1_000;
        let list = |values: &[i64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let when = match &self.when {
            WhenPlan::Every { interval, offset } => {
                When::Every { interval_ms: millis(*interval), offset_ms: millis(*offset) }
            }
            WhenPlan::At(at) => When::At(*at),
            WhenPlan::Cron { minutes, hours } => {
                let minutes = match minutes {
                    MinutesPlan::Step(1) => "*".to_owned(),
                    MinutesPlan::Step(step) => format!("*/{step}"),
                    MinutesPlan::These(minutes) => list(minutes),
                };
                let hours = hours.as_deref().map_or_else(|| "*".to_owned(), list);
                When::Cron(format!("{minutes} {hours} * * *"))
            }
        };
        Terms {
            definition: self.definition.clone(),
            version: None,
            labels: BTreeMap::new(),
            headers: Headers::default(),
            when,
            zone: self.zone.name().to_owned(),
            from: self.from,
            until: self.until,
            overlap: self.overlap,
            catch_up: self.catch_up,
            window_ms: self.window * 1_000,
        }
    }

    pub(crate) fn overlap(&self, wrong: Option<WrongRule>) -> Overlap {
        if wrong == Some(WrongRule::IgnoreOverlap) { Overlap::Allow } else { self.overlap }
    }

    /// The first time after this one that it is due.
    pub(crate) fn next(&self, after: Timestamp, wrong: Option<WrongRule>) -> Option<Timestamp> {
        let after = self.from.map_or(after, |from| after.max(before(from)));
        let next = match &self.when {
            WhenPlan::Every { interval, offset } => {
                let (interval, offset) = (interval * SECOND, offset * SECOND);
                let past = (after.as_micros() - offset).div_euclid(interval);
                Some(Timestamp::from_micros((past + 1) * interval + offset))
            }
            WhenPlan::At(at) => Some(*at).filter(|at| *at > after),
            WhenPlan::Cron { .. } => {
                let first = after.as_micros().div_euclid(MINUTE) + 1;
                let mut minutes = first..first + 4 * 24 * 60;
                minutes.find(|minute| self.is_on(*minute, wrong)).map(|minute| Timestamp::from_micros(minute * MINUTE))
            }
        };
        next.filter(|next| self.until.is_none_or(|until| *next <= until))
    }

    /// The last time that it is due, from one on and before another.
    pub(crate) fn last_of(&self, (from, until): (Timestamp, Timestamp), wrong: Option<WrongRule>) -> Option<Timestamp> {
        let mut last = None;
        let mut next = self.next(before(from), wrong);
        while let Some(time) = next.filter(|time| *time < until) {
            last = Some(time);
            // Even steps are leapt over.
            let leap = match &self.when {
                WhenPlan::Every { interval, .. } => {
                    let left = (until.as_micros() - time.as_micros() - 1) / (interval * SECOND);
                    Timestamp::from_micros(time.as_micros() + (left - 1).max(0) * interval * SECOND)
                }
                WhenPlan::At(_) | WhenPlan::Cron { .. } => time,
            };
            next = self.next(leap, wrong);
        }
        last
    }

    /// Whether a minute since the epoch is a time of its own: what a clock that is set forward leaves out comes when it
    /// is set, and what comes twice comes once; but of every hour all that really pass count.
    fn is_on(&self, minute: i64, wrong: Option<WrongRule>) -> bool {
        let WhenPlan::Cron { minutes, hours } = &self.when else { return false };
        let zone = if wrong == Some(WrongRule::ForgetZone) { ZonePlan::Utc } else { self.zone };
        let ahead = |minute: i64| zone.ahead(minute * 60);
        let shows = |local: i64| {
            let is_minute = match minutes {
                MinutesPlan::Step(step) => local.rem_euclid(60) % step == 0,
                MinutesPlan::These(these) => these.contains(&local.rem_euclid(60)),
            };
            is_minute && hours.as_ref().is_none_or(|hours| hours.contains(&local.div_euclid(60).rem_euclid(24)))
        };
        let local = minute + ahead(minute);
        if hours.is_none() {
            return shows(local);
        }
        let left_out = (minute + ahead(minute - 1))..local;
        let is_second = ahead(minute - 60) == ahead(minute) + 60;
        left_out.into_iter().any(shows) || shows(local) && !is_second
    }

    /// Whether a time may still be started for, or wait, that is dealt with now: it is in time, or made up for. Where it
    /// is not, none before it is.
    pub(crate) fn is_owed(&self, due: Timestamp, now: Timestamp, wrong: Option<WrongRule>) -> bool {
        let reaches = due >= minus(now, Duration::from_secs(self.window));
        let is_late = due < minus(now, LATE);
        let catch_up = match wrong {
            Some(WrongRule::IgnoreCatchUp) => CatchUp::None,
            Some(WrongRule::MakeUpForAll) => CatchUp::All,
            Some(_) | None => self.catch_up,
        };
        let made_up_for = match catch_up {
            CatchUp::None => false,
            CatchUp::All => reaches,
            CatchUp::Last => reaches && self.next(due, wrong).is_none_or(|next| next > now),
        };
        !is_late || made_up_for
    }
}

/// The instant just before this one.
pub(crate) fn before(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() - 1)
}

fn minus(at: Timestamp, duration: Duration) -> Timestamp {
    Timestamp::from_micros(at.as_micros() - i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}
