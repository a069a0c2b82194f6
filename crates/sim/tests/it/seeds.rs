//! Seeds: those that once failed, the same one twice, and thousands of others.

use chancery_sim::{Bounds, Fault, Material, Options, Report, run};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many seeds `make test` runs; `CHANCERY_SEEDS` says otherwise.
const SEEDS: u64 = 2_000;

fn assert_holds(report: &Report) {
    if let Some(why) = &report.violation {
        panic!("seed {}: {why}\n  replay: cargo run -p chancery-sim -- --seed {} -v", report.seed, report.seed);
    }
}

#[test]
fn seeds_that_once_failed_hold() {
    let list = include_str!("../../seeds/regressions.txt");
    let seeds = list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next());
    let seeds: Vec<u64> = seeds.map(|seed| seed.parse().unwrap()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        assert_holds(&run(seed, &Options::default()));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let first = run(seed, &Options::default());
        assert_eq!(first, run(seed, &Options::default()), "seed {seed}");
        assert!(digests.insert(first.digest), "two seeds gave one run");
    }
}

#[test]
fn every_promise_holds_whatever_goes_wrong() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let reports = run_all(seeds);
    let failed: Vec<&Report> = reports.iter().filter(|report| report.violation.is_some()).collect();
    for report in failed.iter().take(5) {
        println!("seed {}: {}", report.seed, report.violation.as_deref().unwrap_or_default());
    }
    if let Some(first) = failed.first() {
        println!("{} of {seeds} seeds fail", failed.len());
        assert_holds(first);
    }
    each_fault_occurs(&reports);
}

/// How many seeds with limited queues `make test` runs, of each sort of definitions.
const LIMITED_SEEDS: u64 = 100;

#[test]
fn a_queue_lets_out_no_more_than_it_may_whatever_goes_wrong() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(LIMITED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 8);
    let sorts =
        [(Material::Wide, "wide"), (Material::Varied, "varied"), (Material::Tcc, "tcc"), (Material::Fanned, "fanned")];
    for (material, sort) in sorts {
        for seed in 0..seeds {
            let concurrency = u32::try_from(seed % 3 + 1).unwrap();
            let bounds = Bounds { concurrency: Some(concurrency), ..Bounds::default() };
            let report = run(seed, &Options { material, bounds, ..Options::default() });
            let replay = format!("--{sort} --concurrency {concurrency} --seed {seed}");
            assert_eq!(report.violation, None, "cargo run -p chancery-sim -- {replay} -v");
        }
    }
}

/// How many seeds in which things are stopped `make test` runs, of each sort of definitions.
const STOPPED_SEEDS: u64 = 100;

#[test]
fn no_hand_out_outruns_a_stop_whatever_goes_wrong() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(STOPPED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 8);
    let sorts = [
        (Material::Narrow, ""),
        (Material::Wide, " --wide"),
        (Material::Varied, " --varied"),
        (Material::Open, " --open"),
        (Material::Tcc, " --tcc"),
        (Material::Children, " --children"),
        (Material::Fanned, " --fanned"),
        (Material::Governed, " --governed"),
    ];
    for (material, sort) in sorts {
        let mut lifted = 0;
        for seed in 0..seeds {
            let bounds = Bounds { stops: true, ..Bounds::default() };
            let report = run(seed, &Options { material, bounds, ..Options::default() });
            let replay = format!("--seed {seed}{sort} --stops");
            assert_eq!(report.violation, None, "cargo run -p chancery-sim -- {replay} -v");
            lifted += u64::from(report.faults.of(Fault::StopLifted) > 0);
        }
        assert!(lifted * 2 > seeds, "something is stopped and goes on in {lifted} of {seeds} runs{sort}");
    }
}

/// How many seeds in which transactions expire `make test` runs, of each sort of definitions.
const EXPIRING_SEEDS: u64 = 100;

#[test]
fn what_has_ended_goes_and_nothing_else_whatever_goes_wrong() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(EXPIRING_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 8);
    let sorts = [
        (Material::Narrow, ""),
        (Material::Varied, " --varied"),
        (Material::Open, " --open"),
        (Material::Children, " --children"),
        (Material::Fanned, " --fanned"),
        (Material::Asked, " --asked"),
        (Material::Governed, " --governed"),
    ];
    for (material, sort) in sorts {
        let mut expired = 0;
        for seed in 0..seeds {
            let retention = seed % 5 * 1_500;
            let bounds = Bounds { retention: Some(retention), ..Bounds::default() };
            let report = run(seed, &Options { material, bounds, ..Options::default() });
            let replay = format!("--seed {seed}{sort} --retention {retention}");
            assert_eq!(report.violation, None, "cargo run -p chancery-sim -- {replay} -v");
            expired += u64::from(report.stats.expired > 0);
        }
        assert!(expired * 2 > seeds, "something expires in {expired} of {seeds} runs{sort}");
    }
}

/// Runs seeds from 0 on, on every core.
fn run_all(seeds: u64) -> Vec<Report> {
    let next = AtomicU64::new(0);
    let next_seed = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds);
    let run_some = || std::iter::from_fn(next_seed).map(|seed| run(seed, &Options::default())).collect::<Vec<_>>();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut reports: Vec<Report> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run_some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    reports.sort_by_key(|report| report.seed);
    reports
}

/// What only happens to open transactions, to schedules, to what is forked, to what asks people and where bundles demand
/// something, which have seeds of their own.
const OF_OTHERS: [Fault; 24] = [
    Fault::Stopped,
    Fault::StopLifted,
    Fault::Polled,
    Fault::DriverDied,
    Fault::DriverSuperseded,
    Fault::DriverLost,
    Fault::ClockSetForward,
    Fault::Forked,
    Fault::ForkRefused,
    Fault::RequestApproved,
    Fault::RequestDenied,
    Fault::RequestExpired,
    Fault::RequestWithdrawn,
    Fault::SayRefused,
    Fault::BudgetSet,
    Fault::BudgetDeleted,
    Fault::BudgetShort,
    Fault::Settled,
    Fault::SettledBelow,
    Fault::Returned,
    Fault::EvidenceAdded,
    Fault::EvidenceLacking,
    Fault::Overridden,
    Fault::OverrideExpired,
];

/// A simulation in which something never goes wrong says nothing about it.
#[track_caller]
fn each_fault_occurs(reports: &[Report]) {
    for fault in Fault::ALL.iter().filter(|fault| !OF_OTHERS.contains(fault)) {
        let runs = reports.iter().filter(|report| report.faults.of(*fault) > 0).count();
        println!("{:5.1} % of runs: {fault}", runs as f64 * 100.0 / reports.len() as f64);
        assert!(runs * 100 >= reports.len(), "`{fault}` occurs in {runs} of {} runs", reports.len());
    }
}
