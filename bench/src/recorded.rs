//! The core's figures beside those that were recorded before, to see whether anything got worse.
//!
//! What a machine makes in a second does not stay the same for a minute. So where a workload has a floor, which is
//! measured in the same run, its share of that is what counts, and beside it what does not depend on the machine's
//! speed: memory and syncs. Rates and times are shown, and count where there is no floor, with more allowance.

use crate::harness::Error;
use crate::report::rounded;
use crate::scale::clock;
use crate::{decision, inprocess, open, postgres, remote, verify};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The workloads.
const CORE: [&str; 6] = [inprocess::SAGA, postgres::SAGA, remote::SAGA, decision::DECISION, open::OPEN, verify::VERIFY];
/// What tells one figure of a workload from another.
const KEYS: [&str; 5] = ["name", "clients", "policies", "layout", "durability"];

/// What is compared.
struct Metric {
    key: &'static str,
    word: &'static str,
    more_is_better: bool,
    /// How much worse it may be without being worse, of what was recorded.
    allowance: f64,
    /// Whether it says nothing by itself if there is a floor.
    with_machine: bool,
}

const fn metric(key: &'static str, word: &'static str, more_is_better: bool, allowance: f64) -> Metric {
    Metric { key, word, more_is_better, allowance, with_machine: allowance > 0.2 }
}

const METRICS: [Metric; 10] = [
    metric("floor_ratio", "of the floor", true, 0.1),
    metric("per_second", "a second", true, 0.25),
    metric("p50_us", "p50 µs", false, 0.25),
    metric("p99_us", "p99 µs", false, 0.5),
    metric("p50_ns", "p50 ns", false, 0.25),
    metric("commit_p99_us", "commit p99 µs", false, 0.5),
    metric("last_p50_us", "last p50 µs", false, 0.25),
    metric("ratio", "last by tenth", false, 0.15),
    metric("rss_mib", "memory MiB", false, 0.15),
    metric("syncs_per_unit", "syncs a unit", false, 0.15),
];

/// What to do with what was measured.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    chancery-bench core                      # all, beside bench/recorded.json; fails if something is worse\n  \
    chancery-bench core --only saga-remote\n  \
    chancery-bench core --record 'four cores, a disk of its own'")]
pub(crate) struct Options {
    /// Only the workloads whose name contains this.
    #[arg(long, default_value = "")]
    pub(crate) only: String,
    /// Records what is measured as of this machine, in place of what is there.
    #[arg(long, value_name = "MACHINE")]
    record: Option<String>,
    /// Where it is recorded.
    #[arg(long, default_value_os_t = recorded_path())]
    recorded: PathBuf,
}

fn recorded_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded.json")
}

/// Whether a workload is one of these.
pub(crate) fn is_core(name: &str) -> bool {
    CORE.contains(&name)
}

/// Shows what was measured beside what was recorded, or records it.
///
/// # Errors
/// If something is worse, or was recorded and not measured now though it is among what `runs`.
pub(crate) fn compare(options: &Options, lines: &[Value], runs: impl Fn(&Value) -> bool) -> Result<String, Error> {
    if let Some(machine) = &options.record {
        let figures: Vec<_> = lines.iter().filter_map(|line| record(line, machine)).collect();
        let count = figures.len();
        let text = serde_json::to_string_pretty(&json!({ "figures": figures }))?;
        std::fs::write(&options.recorded, format!("{text}\n"))?;
        return Ok(format!("recorded {count} figures in {}", options.recorded.display()));
    }
    let text = std::fs::read_to_string(&options.recorded)?;
    let recorded: Value = serde_json::from_str(&text)?;
    let figures = recorded.get("figures").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new();
    for figure in figures.iter().filter(|figure| runs(figure)) {
        let now = lines.iter().find(|line| is_same(figure, line));
        table.figure(figure, now);
    }
    table.end()
}

/// Whether a line is of what was recorded.
fn is_same(recorded: &Value, line: &Value) -> bool {
    KEYS.iter().all(|key| recorded.get(key).is_none_or(|value| line.get(key) == Some(value)))
}

/// A line as it is recorded; none if it is not the core's.
fn record(line: &Value, machine: &str) -> Option<Value> {
    line.get("name").and_then(Value::as_str).filter(|name| is_core(name))?;
    let mut kept = Map::new();
    for key in KEYS.into_iter().chain(METRICS.iter().map(|metric| metric.key)) {
        if let Some(value) = line.get(key).filter(|value| !value.is_null()) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    kept.insert("date".to_owned(), json!(clock().to_string().chars().take(10).collect::<String>()));
    kept.insert("machine".to_owned(), json!(machine));
    Some(Value::Object(kept))
}

/// The comparison as text, and what is worse.
struct Table {
    text: String,
    compared: usize,
    worse: Vec<String>,
}

impl Table {
    fn new() -> Self {
        let mut table = Self { text: String::new(), compared: 0, worse: Vec::new() };
        table.line(&format!("{:<36} {:<14} {:>10} {:>10} {:>6}  {}", "workload", "", "recorded", "now", "÷", "since"));
        table
    }

    fn line(&mut self, line: &str) {
        let written = writeln!(self.text, "{line}");
        debug_assert!(written.is_ok());
    }

    /// All that is known of one figure.
    fn figure(&mut self, recorded: &Value, now: Option<&Value>) {
        let title = title(recorded);
        let since = recorded.get("date").and_then(Value::as_str).unwrap_or("-");
        let Some(now) = now else {
            self.line(&format!("{title:<36} was not measured"));
            self.worse.push(format!("{title}: not measured"));
            return;
        };
        let has_floor = recorded.get("floor_ratio").is_some_and(Value::is_number);
        for metric in &METRICS {
            let Some(before) = recorded.get(metric.key).and_then(Value::as_f64) else { continue };
            let value = now.get(metric.key).and_then(Value::as_f64);
            self.metric(metric, &title, [Some(before), value], has_floor && metric.with_machine, since);
        }
    }

    /// One number of it. What was recorded and is missing now is worse.
    fn metric(&mut self, metric: &Metric, title: &str, [before, now]: [Option<f64>; 2], is_machine: bool, since: &str) {
        let show =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| rounded(value, 1_000.0).to_string());
        let ratio = before.zip(now).filter(|(before, _)| *before > 0.0).map(|(before, now)| now / before);
        let is_worse = match ratio {
            Some(ratio) if metric.more_is_better => ratio < 1.0 - metric.allowance,
            Some(ratio) => ratio > 1.0 + metric.allowance,
            None => before != now,
        };
        let verdict = match (is_machine, is_worse) {
            (true, _) => "with the machine",
            (false, true) => "WORSE",
            (false, false) => "",
        };
        let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let (word, before, now) = (metric.word, show(before), show(now));
        self.line(&format!("{title:<36} {word:<14} {before:>10} {now:>10} {ratio:>6}  {since}  {verdict}"));
        self.compared += 1;
        if is_worse && !is_machine {
            self.worse.push(format!("{title}: {word} {before} -> {now}"));
        }
    }

    fn end(mut self) -> Result<String, Error> {
        if self.compared == 0 && self.worse.is_empty() {
            return Err(Error::Failed("nothing that was measured had been recorded".to_owned()));
        }
        if self.worse.is_empty() {
            self.line("nothing got worse");
            return Ok(self.text);
        }
        let worse = self.worse.join("\n  ");
        Err(Error::Failed(format!("{}\ngot worse, or is missing:\n  {worse}", self.text)))
    }
}

/// A figure's name, and what tells it from others.
fn title(figure: &Value) -> String {
    let text = |key: &str| figure.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let parts = KEYS.iter().filter(|key| **key != "durability").filter_map(|key| text(key));
    let mut title = parts.collect::<Vec<_>>().join(", ");
    if figure.get("durability").and_then(Value::as_str) == Some(postgres::DURABILITY) && !title.contains("postgres") {
        title.push_str(", postgresql");
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = r#"{ "name": "saga-remote-10", "clients": 32, "per_second": 5000, "floor_ratio": 0.66,
        "rss_mib": 64, "date": "2026-11-28" }"#;

    fn check(line: &str, expected: &[&str]) {
        let (recorded, line): (Value, Value) =
            (serde_json::from_str(RECORDED).unwrap(), serde_json::from_str(line).unwrap());
        let mut table = Table::new();
        table.figure(&recorded, is_same(&recorded, &line).then_some(&line));
        assert_eq!(table.worse, expected);
    }

    #[test]
    fn what_counts_is_the_share_of_the_floor_and_what_the_machine_does_not_bound() {
        let slower =
            r#"{ "name": "saga-remote-10", "clients": 32, "per_second": 900, "floor_ratio": 0.66, "rss_mib": 64 }"#;
        check(slower, &[]);
        let less =
            r#"{ "name": "saga-remote-10", "clients": 32, "per_second": 9000, "floor_ratio": 0.5, "rss_mib": 64 }"#;
        check(less, &["saga-remote-10, 32: of the floor 0.66 -> 0.5"]);
        let larger =
            r#"{ "name": "saga-remote-10", "clients": 32, "per_second": 5000, "floor_ratio": 0.7, "rss_mib": 90 }"#;
        check(larger, &["saga-remote-10, 32: memory MiB 64 -> 90"]);
        let lacks = r#"{ "name": "saga-remote-10", "clients": 32, "per_second": 5000, "rss_mib": 64 }"#;
        check(lacks, &["saga-remote-10, 32: of the floor 0.66 -> -"]);
        let another =
            r#"{ "name": "saga-remote-10", "clients": 1, "per_second": 5000, "floor_ratio": 0.7, "rss_mib": 64 }"#;
        check(another, &["saga-remote-10, 32: not measured"]);
    }
}
