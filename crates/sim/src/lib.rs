//! Simulation: shards over a store with faults, driven from a seed on a virtual clock, with clients, workers and
//! operators who do what they like; and an outside record that says what must hold.
//!
//! A run is a function of its seed: the same seed gives the same run to the last byte of the ledger, so a failing
//! one can be looked at with `cargo run -p chancery-sim -- --seed N -v`.

mod faults;
mod judge;
mod law;
mod material;
mod model;
mod reference;
mod rng;
mod shrink;
mod world;

pub use chancery_shard::Sabotage as ShardSabotage;
pub use chancery_store::sim::Sabotage as StoreSabotage;
pub use faults::{Counts, Fault};
pub use judge::Judge;
pub use model::Times;
pub use reference::{
    ConfirmPlan, OnErrorPlan, OpenPlan, OutputPlan, Plan, PolicyPlan, PollPlan, ReadPlan, RequestPlan, RetryPlan,
    RunPlan, SignalName, SignalPlan, StepPlan, TccPlan, UndoPlan, WrongRule,
};
pub use shrink::{Case, shrink};

use serde::{Deserialize, Serialize};

/// What a run is told beside its seed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Print everything that happens.
    pub is_verbose: bool,
    /// What sort of definitions it runs.
    pub material: Material,
    /// What it is kept to.
    pub bounds: Bounds,
    /// What the reference model is told wrong.
    pub wrong_rule: Option<WrongRule>,
    /// Which rule the shards break.
    pub shard_sabotage: Option<ShardSabotage>,
    /// Which guard the store skips.
    pub store_sabotage: Option<StoreSabotage>,
}

/// A sort of definitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Material {
    /// Up to six steps and three attempts.
    #[default]
    Narrow,
    /// Up to twelve steps of any shape and five attempts.
    Wide,
    /// Up to eight steps with everything that a saga may say: pivots, every order of undoing, timeouts.
    Varied,
    /// Open transactions, whose drivers die, are taken over from, and come back late.
    Open,
    /// TCCs of up to six participants.
    Tcc,
    /// Sagas whose steps run sagas, down to grandchildren.
    Children,
    /// Varied ones of which some steps fan out.
    Fanned,
    /// Narrow ones, which schedules start as well as clients.
    Scheduled,
    /// Of the last three sorts of sagas, which clients also fork.
    Forked,
    /// Varied ones and ones of which some steps fan out, of which people are asked, who answer as they like.
    Asked,
    /// Varied ones, ones that fan out and TCCs, of which bundles demand something: budgets, rates, masks, limits, evidence.
    Governed,
}

/// What a run is kept to, so that a failing one can be made smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Faults that it may have, one bit a kind.
    pub faults: Option<u64>,
    /// Milliseconds after which nothing goes wrong any more.
    pub lasts: Option<u64>,
    /// Different starts at most.
    pub starts: Option<usize>,
    /// What its tenants run.
    pub plans: Option<Vec<Plan>>,
    /// Attempts of each queue that its tenants let out at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Whether operators stop things and lift that again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stops: bool,
    /// Milliseconds after their end after which transactions are removed; none: they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<u64>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events on the clock.
    pub events: u64,
    /// Answers that clients and workers got.
    pub replies: u64,
    /// Entries of all logs at the end.
    pub entries: u64,
    /// Transactions at the end.
    pub transactions: u64,
    /// Transactions that were removed before, since they had ended long ago.
    pub expired: u64,
    /// How many servers there were.
    pub servers: u64,
    /// What became of the times of schedules.
    pub times: Times,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How often each kind of fault occurred.
    pub faults: Counts,
    /// Over every record in the order of commits: equal for equal runs.
    pub digest: u64,
    /// What it did.
    pub stats: Stats,
    /// What did not hold, if something did not.
    pub violation: Option<String>,
}

/// Runs a seed.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Report {
    world::run(seed, options)
}
