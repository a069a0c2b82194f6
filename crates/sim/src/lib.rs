//! Simulation: shards over a store with faults, driven from a seed on a virtual clock, with clients, workers and
//! operators who do what they like; and an outside record that says what must hold.
//!
//! A run is a function of its seed: the same seed gives the same run to the last byte of the ledger, so a failing
//! one can be looked at with `cargo run -p chancery-sim -- --seed N -v`.

mod faults;
mod material;
mod model;
mod rng;
mod world;

pub use chancery_shard::Sabotage as ShardSabotage;
pub use chancery_store::sim::Sabotage as StoreSabotage;
pub use faults::{Counts, Fault};

/// What a run is told beside its seed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Print everything that happens.
    pub is_verbose: bool,
    /// Which rule the shards break.
    pub shard_sabotage: Option<ShardSabotage>,
    /// Which guard the store skips.
    pub store_sabotage: Option<StoreSabotage>,
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
    /// How many servers there were.
    pub servers: u64,
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
