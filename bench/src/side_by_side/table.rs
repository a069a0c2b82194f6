//! What came of a cell, as it is written and shown.

use super::cell::Cell;
use super::workload::Target;
use crate::harness::Times;
use crate::report::{commit, rounded};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// What came of one side's turns.
#[derive(Debug)]
pub(super) struct Tally {
    durability: String,
    units: f64,
    took: Duration,
    rounds: Vec<f64>,
    times: Times,
    cpu: Duration,
    /// Processor time while the other worked, and how long that was.
    pub(super) idle_cpu: Duration,
    pub(super) idle: Duration,
    pub(super) rss_mib: u64,
}

impl Tally {
    pub(super) fn new(durability: &str) -> Self {
        Self {
            durability: durability.to_owned(),
            units: 0.0,
            took: Duration::ZERO,
            rounds: Vec::new(),
            times: Times::default(),
            cpu: Duration::ZERO,
            idle_cpu: Duration::ZERO,
            idle: Duration::ZERO,
            rss_mib: 0,
        }
    }

    /// A turn: so many units in so long, the calls' times, and processor time.
    pub(super) fn add(&mut self, units: f64, took: Duration, times: Times, cpu: Duration) {
        self.rounds.push(units / took.as_secs_f64());
        self.units += units;
        self.took += took;
        self.times.extend(times);
        self.cpu += cpu;
    }

    fn per_second(&self) -> f64 {
        self.units / self.took.as_secs_f64()
    }

    /// None if no call ended while it counted.
    fn time_us(&self, percent: usize, parts: u64) -> Option<u64> {
        (self.times.len() > 0).then(|| self.times.clone().percentile(percent) / parts)
    }

    fn to_json(&self, parts: u64) -> Value {
        json!({
            "per_second": rounded(self.per_second(), 10.0),
            "rounds_per_second": self.rounds.iter().map(|rate| rounded(*rate, 10.0)).collect::<Vec<_>>(),
            "p50_us": self.time_us(50, parts), "p99_us": self.time_us(99, parts),
            "cpu_us_per_unit": rounded(self.cpu.as_secs_f64() * 1e6 / self.units.max(1.0), 10.0),
            "idle_cpu_percent": rounded(self.idle_cpu.as_secs_f64() * 100.0 / self.idle.as_secs_f64().max(1.0), 100.0),
            "rss_mib": self.rss_mib, "durability": self.durability,
        })
    }
}

/// Both sides of a cell.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) cell: Cell,
    pub(super) ours: Tally,
    pub(super) theirs: Tally,
}

impl Compared {
    /// Our rate by theirs.
    fn rate_ratio(&self) -> Option<f64> {
        let theirs = self.theirs.per_second();
        (theirs > 0.0).then(|| self.ours.per_second() / theirs)
    }

    /// Our median time by theirs.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark are far below 2^53")]
    fn time_ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.ours.time_us(50, 1)?, self.theirs.time_us(50, 1)?);
        (theirs > 0).then(|| ours as f64 / theirs as f64)
    }

    /// What is to be reached, and whether it is. What could not be compared is not reached.
    fn target(&self) -> Option<(String, bool)> {
        Some(match self.cell.workload.target(self.cell.clients)? {
            Target::Rate(least) => {
                (format!("{least:.1} x rate"), self.rate_ratio().is_some_and(|ratio| ratio >= least))
            }
            Target::Time(most) => (format!("{most:.1} x time"), self.time_ratio().is_some_and(|ratio| ratio <= most)),
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let (workload, target) = (self.cell.workload, self.target());
        let parts = workload.steps_in_turn();
        json!({
            "name": self.cell.name(), "clients": self.cell.clients, "unit": workload.unit(), "time": workload.time(),
            "peer_ratio": self.rate_ratio().map(|ratio| rounded(ratio, 100.0)),
            "time_ratio": self.time_ratio().map(|ratio| rounded(ratio, 1_000.0)),
            "target": target.as_ref().map(|(target, _)| target), "met": target.as_ref().map(|(_, met)| met),
            "chancery": self.ours.to_json(parts), "restate": self.theirs.to_json(parts), "commit": commit(),
        })
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let parts = self.cell.workload.steps_in_turn();
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let time = |tally: &Tally, percent| {
            tally.time_us(percent, parts).map_or_else(|| "-".to_owned(), |time| time.to_string())
        };
        let target = self
            .target()
            .map_or_else(String::new, |(target, met)| format!("{target}: {}", if met { "met" } else { "missed" }));
        writeln!(
            out,
            "{:<28} {:>7} {:>7} | {:>9.0} {:>8} {:>8} | {:>9.0} {:>8} {:>8} | {:>6} {:>6}  {target}",
            self.cell.name(),
            self.cell.clients,
            self.cell.workload.unit(),
            self.ours.per_second(),
            time(&self.ours, 50),
            time(&self.ours, 99),
            self.theirs.per_second(),
            time(&self.theirs, 50),
            time(&self.theirs, 99),
            ratio(self.rate_ratio()),
            ratio(self.time_ratio()),
        )
    }
}

/// The table, and how each side keeps what it is given.
pub(super) fn print(compared: &[Compared], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<28} {:>7} {:>7} | {:>9} {:>8} {:>8} | {:>9} {:>8} {:>8} | {:>6} {:>6}  target",
        "workload", "clients", "unit", "chancery", "p50 µs", "p99 µs", "restate", "p50 µs", "p99 µs", "÷rate", "÷time"
    )?;
    for one in compared {
        one.print(out)?;
    }
    if let Some(one) = compared.first() {
        writeln!(out, "chancery: {}, policy and ledger on", one.ours.durability)?;
        writeln!(out, "restate: {}", one.theirs.durability)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side_by_side::workload::Workload;

    /// A second of so many calls that each took so long.
    fn tally(calls: u32, micros: u64) -> Tally {
        let (mut tally, mut times) = (Tally::new("kept"), Times::default());
        (0..calls).for_each(|_| times.add(Duration::from_micros(micros)));
        tally.add(f64::from(calls), Duration::from_secs(1), times, Duration::ZERO);
        tally
    }

    fn check(clients: usize, ours: Tally, theirs: Tally, expected: Option<bool>) {
        let compared = Compared { cell: Cell { workload: Workload::Saga1, clients }, ours, theirs };
        assert_eq!(compared.target().map(|(_, met)| met), expected);
    }

    #[test]
    fn with_one_client_times_are_compared_and_with_many_rates() {
        check(1, tally(1, 500), tally(1, 1_000), Some(true));
        check(1, tally(1, 501), tally(1, 1_000), Some(false));
        check(8, tally(1, 1), tally(1, 1), None);
        check(32, tally(50, 9), tally(10, 9), Some(true));
        check(128, tally(49, 9), tally(10, 9), Some(false));
    }

    #[test]
    fn what_gave_no_figures_reaches_nothing() {
        check(1, tally(0, 0), tally(1, 1_000), Some(false));
        check(32, tally(50, 9), tally(0, 9), Some(false));
    }
}
