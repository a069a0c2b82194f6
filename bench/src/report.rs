//! Figures as they are written and shown.

use crate::inprocess::per_unit;
use serde_json::{Value, json};
use std::io::{self, Write};

/// What one workload gave. A unit is a saga in `…-inprocess-3`, a step in `…-remote-10`.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) floor_ratio: Option<f64>,
    pub(crate) peer_ratio: Option<f64>,
    pub(crate) rss_mib: u64,
    pub(crate) syncs_per_unit: Option<f64>,
    pub(crate) commit_p99_us: Option<u64>,
    pub(crate) durability: &'static str,
}

impl Figure {
    /// One without figures yet.
    pub(crate) const fn new(name: &'static str, clients: usize, durability: &'static str) -> Self {
        Self {
            name,
            clients,
            per_second: 0.0,
            p50_us: 0,
            p99_us: 0,
            floor_ratio: None,
            peer_ratio: None,
            rss_mib: 0,
            syncs_per_unit: None,
            commit_p99_us: None,
            durability,
        }
    }

    /// One from the line that a child printed and the syncs that were counted beside it.
    pub(crate) fn of_child(
        name: &'static str,
        clients: usize,
        line: &Value,
        syncs: u64,
        durability: &'static str,
    ) -> Self {
        let number = |key: &str| line.get(key).and_then(Value::as_u64);
        Self {
            per_second: line.get("per_second").and_then(Value::as_f64).unwrap_or(0.0),
            p50_us: number("p50_us").unwrap_or(0),
            p99_us: number("p99_us").unwrap_or(0),
            rss_mib: number("rss_mib").unwrap_or(0),
            syncs_per_unit: Some(per_unit(syncs, number("units_in_all").unwrap_or(0))),
            commit_p99_us: number("commit_p99_us"),
            ..Self::new(name, clients, durability)
        }
    }

    /// How much of another figure of the same run this one is.
    pub(crate) fn over(&self, other: &Self) -> Option<f64> {
        (other.per_second > 0.0).then(|| self.per_second / other.per_second)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name, "clients": self.clients, "per_second": rounded(self.per_second, 10.0),
            "p50_us": self.p50_us, "p99_us": self.p99_us,
            "floor_ratio": self.floor_ratio.map(|ratio| rounded(ratio, 1_000.0)),
            "peer_ratio": self.peer_ratio.map(|ratio| rounded(ratio, 100.0)),
            "rss_mib": self.rss_mib, "syncs_per_unit": self.syncs_per_unit.map(|syncs| rounded(syncs, 10_000.0)),
            "commit_p99_us": self.commit_p99_us, "durability": self.durability, "commit": commit(),
        })
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let syncs = self.syncs_per_unit.map_or_else(|| "-".to_owned(), |syncs| format!("{syncs:.3}"));
        let commit = self.commit_p99_us.map_or_else(|| "-".to_owned(), |took| took.to_string());
        writeln!(
            out,
            "{:<18} {:>7} {:>8.0} {:>8} {:>8} {:>7} {:>7} {:>7} {:>10} {:>10}  {}",
            self.name,
            self.clients,
            self.per_second,
            self.p50_us,
            self.p99_us,
            ratio(self.floor_ratio),
            ratio(self.peer_ratio),
            self.rss_mib,
            syncs,
            commit,
            self.durability
        )
    }
}

pub(crate) fn heading(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<18} {:>7} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>10} {:>10}  durability",
        "workload", "clients", "units/s", "p50 µs", "p99 µs", "÷floor", "÷peer", "rss MiB", "syncs/unit", "commit p99"
    )
}

pub(crate) fn rounded(number: f64, per: f64) -> f64 {
    (number * per).round() / per
}

/// The commit that is measured, as git says; `unknown` outside a checkout.
pub(crate) fn commit() -> String {
    if let Some(commit) = option_env!("CHANCERY_COMMIT") {
        return commit.to_owned();
    }
    let output = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}
