//! Runs seeds: `cargo run -p chancery-sim -- --seed N` replays one, `-v` with all that happens.

use chancery_sim::{Fault, Options, Report, run};
use clap::Parser;
use std::process::ExitCode;

/// Simulates shards over a store with faults, and checks what must hold.
#[derive(Debug, Parser)]
#[command(name = "chancery-sim")]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds to run.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Print everything that happens.
    #[arg(short, long)]
    verbose: bool,
    /// Go on after a violation.
    #[arg(long)]
    all: bool,
}

#[expect(clippy::print_stdout, reason = "a program that prints")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options { is_verbose: arguments.verbose, ..Options::default() };
    let mut runs_with = vec![0_u64; Fault::ALL.len()];
    let (mut runs, mut entries, mut failures) = (0_u64, 0, 0_u64);
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let report = run(seed, &options);
        runs += 1;
        entries += report.stats.entries;
        for (count, (_, occurred)) in runs_with.iter_mut().zip(report.faults.iter()) {
            *count += u64::from(occurred > 0);
        }
        if arguments.seeds == 1 {
            println!("seed {seed}: digest {:016x}, {:?}", report.digest, report.stats);
        }
        if let Some(line) = failure(&report) {
            println!("{line}");
            failures += 1;
            if !arguments.all {
                break;
            }
        }
    }
    println!("{runs} seeds, {entries} entries, {failures} failures");
    for (fault, count) in Fault::ALL.iter().zip(runs_with) {
        println!("{:>6} runs with: {fault}", count);
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failure(report: &Report) -> Option<String> {
    let why = report.violation.as_ref()?;
    Some(format!("seed {}: {why}\n  replay: cargo run -p chancery-sim -- --seed {} -v", report.seed, report.seed))
}
