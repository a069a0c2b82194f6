//! Figures as they are written and shown.

use serde_json::{Value, json};
use std::io::{self, Write};

/// What one workload gave. A unit is a saga in `saga-inprocess-3`, a step in `saga-remote-10`.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) rss_mib: u64,
    pub(crate) syncs_per_unit: Option<f64>,
    pub(crate) durability: &'static str,
}

impl Figure {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name, "clients": self.clients, "per_second": rounded(self.per_second, 10.0),
            "p50_us": self.p50_us, "p99_us": self.p99_us, "floor_ratio": null, "peer_ratio": null,
            "rss_mib": self.rss_mib, "syncs_per_unit": self.syncs_per_unit.map(|syncs| rounded(syncs, 10_000.0)),
            "durability": self.durability, "commit": option_env!("CHANCERY_COMMIT").map_or_else(commit, str::to_owned),
        })
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let syncs = self.syncs_per_unit.map_or_else(|| "-".to_owned(), |syncs| format!("{syncs:.3}"));
        writeln!(
            out,
            "{:<18} {:>7} {:>10.0} {:>9} {:>9} {:>8} {:>11}  {}",
            self.name, self.clients, self.per_second, self.p50_us, self.p99_us, self.rss_mib, syncs, self.durability
        )
    }
}

pub(crate) fn heading(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<18} {:>7} {:>10} {:>9} {:>9} {:>8} {:>11}  durability",
        "workload", "clients", "units/s", "p50 µs", "p99 µs", "rss MiB", "syncs/unit"
    )
}

fn rounded(number: f64, per: f64) -> f64 {
    (number * per).round() / per
}

/// The commit that is measured, as git says; `unknown` outside a checkout.
fn commit() -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}
