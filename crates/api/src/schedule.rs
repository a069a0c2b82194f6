//! Schedules: what starts by itself.

use chancery_base::{Name, PrincipalId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a schedule is told. It takes one of `cron`, `every` and `at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleTerms {
    /// What it starts.
    #[schema(value_type = String, example = "nightly-report")]
    pub definition: Name,
    /// Which version; without it the newest when it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The input of what it starts. Texts may have expressions over `schedule.name`, `schedule.due`, `schedule.local`
    /// and `schedule.zone`, as `${{ schedule.due }}`.
    #[serde(default)]
    pub input: Value,
    /// Labels of what it starts; the label `schedule` comes by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Headers of what it starts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// At these local times: minute, hour, day of the month, month, day of the week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "30 2 * * 1-5")]
    pub cron: Option<String>,
    /// Every so often, such as `90m`, counted from 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// How long after a whole number of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// Once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// The time zone of `cron`, by its IANA name; without it UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub zone: Option<String>,
    /// It is not due before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// It is not due after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// What becomes of a time when what was started last has not ended; `skip` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Whether it makes up for times that were missed; `last` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// How far back, from `1m` to `7d`; `1h` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up_window: Option<String>,
}

/// What becomes of a time when what was started last has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is left out.
    Skip,
    /// One time waits for the end, others are left out.
    BufferOne,
    /// Each waits for the end of the one before, 1,000 at most, others are left out.
    BufferAll,
    /// It starts all the same.
    Allow,
    /// What runs is cancelled, and the time waits for its end.
    CancelRunning,
    /// What runs is terminated, and the time starts at once.
    TerminateRunning,
}

/// Whether a schedule makes up for times that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// No.
    None,
    /// For the newest of them.
    Last,
    /// For each of them, oldest first.
    All,
}

/// Why a schedule is paused or resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleNote {
    /// Why; it stands in the ledger.
    #[serde(default)]
    pub note: String,
}

/// Asks for a start out of turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerSchedule {
    /// What holds if what was started last has not ended; without it what the schedule was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// What a trigger did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TriggeredSchedule {
    /// What was started; absent if it waits for the end of what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// What it was told; a list leaves out the input.
    pub terms: ScheduleTerms,
    /// Under whose grants it starts.
    #[schema(value_type = String)]
    pub owner: PrincipalId,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was told its terms.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// Whether it is paused.
    pub paused: bool,
    /// Why it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it is due next: five times, in a list one.
    pub next: Vec<DueTime>,
    /// Times that wait for the end of what runs, in their turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, format = DateTime)]
    pub waiting: Vec<Timestamp>,
    /// What it started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// How many transactions it started.
    pub fired: u64,
    /// What came of its latest times, oldest first, ten at most.
    pub recent: Vec<Firing>,
    /// Why it could not start, if nothing was started since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FiringError>,
}

/// A time that a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DueTime {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What a clock in its zone shows then.
    pub local: String,
}

/// What came of a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Firing {
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    /// Of several: they are before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// When it was dealt with.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `fired`, `buffered`, `missed`, `overlap`, `denied`, `conflict` or `failed`.
    pub came: String,
    /// What was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
}

/// Why a schedule could not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FiringError {
    /// For which time.
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    /// When that was found.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What was wrong.
    pub message: String,
}
