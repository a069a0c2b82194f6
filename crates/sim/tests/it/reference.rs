//! The reference model against the shard: where both are right they agree, and where one is not it shows.

use chancery_sim::{Case, Fault, Material, Options, Times, WrongRule, run, shrink};
use std::path::Path;

/// In so many seeds each wrong rule must be caught.
const SEEDS: u64 = 300;

/// How many seeds with wide definitions `make test` runs; `CHANCERY_SEEDS` says otherwise.
const WIDE_SEEDS: u64 = 300;

/// How many with everything that a saga may say.
const VARIED_SEEDS: u64 = 600;

/// How many with TCCs.
const TCC_SEEDS: u64 = 500;

fn wrong(rule: WrongRule) -> Options {
    Options { wrong_rule: Some(rule), ..Options::default() }
}

/// How many with open transactions.
const OPEN_SEEDS: u64 = 200;

fn open() -> Options {
    Options { material: Material::Open, ..Options::default() }
}

/// How many with steps that fan out.
const FANNED_SEEDS: u64 = 300;

fn fanned() -> Options {
    Options { material: Material::Fanned, ..Options::default() }
}

/// How many that are forked.
const FORKED_SEEDS: u64 = 500;

fn forked() -> Options {
    Options { material: Material::Forked, ..Options::default() }
}

/// How many that ask people.
const ASKED_SEEDS: u64 = 500;

fn asked() -> Options {
    Options { material: Material::Asked, ..Options::default() }
}

/// How many of which bundles demand something.
const GOVERNED_SEEDS: u64 = 500;

fn governed() -> Options {
    Options { material: Material::Governed, ..Options::default() }
}

fn varied() -> Options {
    Options { material: Material::Varied, ..Options::default() }
}

/// How many with children.
const CHILDREN_SEEDS: u64 = 500;

fn children() -> Options {
    Options { material: Material::Children, ..Options::default() }
}

fn tcc() -> Options {
    Options { material: Material::Tcc, ..Options::default() }
}

#[test]
fn every_wrong_rule_is_caught() {
    let of_others = WrongRule::ALL.map(|rule| (rule, if rule.is_of_open() { open() } else { varied() }));
    let of_tcc = WrongRule::OF_TCC.map(|rule| (rule, tcc()));
    let of_clones = WrongRule::OF_CLONES.map(|rule| (rule, fanned()));
    let of_children = WrongRule::OF_CHILDREN.map(|rule| (rule, children()));
    let of_schedules = WrongRule::OF_SCHEDULES.map(|rule| (rule, scheduled()));
    let of_polls = WrongRule::OF_POLLS.map(|rule| (rule, varied()));
    let of_forks = WrongRule::OF_FORKS.map(|rule| (rule, forked()));
    let of_requests = WrongRule::OF_REQUESTS.map(|rule| (rule, asked()));
    let of_laws = WrongRule::OF_LAWS.map(|rule| (rule, governed()));
    let of_all = of_others.into_iter().chain(of_tcc).chain(of_clones).chain(of_children);
    let of_all = of_all.chain(of_schedules).chain(of_polls).chain(of_forks).chain(of_requests).chain(of_laws);
    for (rule, right) in of_all {
        let wrong = Options { wrong_rule: Some(rule), ..right.clone() };
        let caught = (0..SEEDS).find_map(|seed| run(seed, &wrong).violation.map(|why| (seed, why)));
        let Some((seed, why)) = caught else { panic!("{rule:?} is not caught in {SEEDS} seeds") };
        println!("{rule:?}: caught by seed {seed}: {why}");
        assert!(why.contains("reference: "), "{rule:?} was caught by another check: {why}");
        assert_eq!(run(seed, &right).violation, None, "seed {seed} fails without it, too");
    }
}

#[test]
fn a_failing_run_is_made_smaller() {
    let options = wrong(WrongRule::UndoInOrder);
    let seed = (0..SEEDS).find(|seed| run(*seed, &options).violation.is_some()).unwrap();
    let case = shrink(seed, &options).unwrap();
    let text = serde_json::to_string(&case).unwrap();
    let kept: Case = serde_json::from_str(&text).unwrap();
    assert_eq!(kept, case);
    let still = Options { wrong_rule: options.wrong_rule, ..kept.options() };
    assert_eq!(run(seed, &still).violation, Some(case.why.clone()), "what is kept fails as it did");
    let plans = case.bounds.plans.unwrap();
    let steps: usize = plans.iter().map(|plan| plan.steps.len()).sum();
    assert!(plans.len() == 1 && (2..=3).contains(&steps), "undoing in another order takes two steps: {text}");
    assert!(case.bounds.starts.is_some() && case.bounds.lasts.is_some(), "{text}");
    assert_eq!(case.bounds.faults.unwrap().count_ones(), 0, "it takes no fault: {text}");
}

#[test]
fn what_does_not_fail_has_no_smallest_form() {
    assert_eq!(shrink(0, &Options::default()), None);
}

#[test]
fn wide_definitions_do_what_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(WIDE_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 8);
    let options = Options { material: Material::Wide, ..Options::default() };
    let mut parked = 0;
    for seed in 0..seeds {
        let report = run(seed, &options);
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --wide --seed {seed} -v");
        parked += report.faults.of(Fault::Parked);
    }
    assert!(parked > 0, "no compensation failed for good");
}

#[test]
fn all_that_a_saga_may_say_does_what_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(VARIED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 4);
    let (mut parked, mut polled) = (0, 0);
    for seed in 0..seeds {
        let report = run(seed, &varied());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --varied --seed {seed} -v");
        parked += report.faults.of(Fault::Parked);
        polled += report.faults.of(Fault::Polled);
    }
    assert!(parked > 0 && polled > 0, "{parked} waited for a person, {polled} rounds were not enough");
}

#[test]
fn open_transactions_do_what_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(OPEN_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 4);
    let faults = [Fault::DriverDied, Fault::DriverSuperseded, Fault::DriverLost, Fault::Denied, Fault::TimedOut];
    let mut occurred = [0; 5];
    for seed in 0..seeds {
        let report = run(seed, &open());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --open --seed {seed} -v");
        occurred.iter_mut().zip(faults).for_each(|(count, fault)| *count += report.faults.of(fault));
    }
    assert!(occurred.iter().all(|count| *count > 0), "{faults:?}: {occurred:?}");
}

#[test]
fn a_tcc_does_what_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(TCC_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 4);
    let mut parked = 0;
    for seed in 0..seeds {
        let report = run(seed, &tcc());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --tcc --seed {seed} -v");
        parked += report.faults.of(Fault::Parked);
    }
    assert!(parked > 0, "nothing waited for a person");
}

#[test]
fn parents_and_children_do_what_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(CHILDREN_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 4);
    let mut parked = 0;
    for seed in 0..seeds {
        let report = run(seed, &children());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --children --seed {seed} -v");
        parked += report.faults.of(Fault::Parked);
    }
    assert!(parked > 0, "nothing waited for a person");
}

#[test]
fn steps_that_fan_out_do_what_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(FANNED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 8);
    for seed in 0..seeds {
        let report = run(seed, &fanned());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --fanned --seed {seed} -v");
    }
}

/// How many with schedules.
const SCHEDULED_SEEDS: u64 = 200;

fn scheduled() -> Options {
    Options { material: Material::Scheduled, ..Options::default() }
}

#[test]
fn schedules_start_what_they_owe_and_nothing_twice() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(SCHEDULED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 8);
    let (mut came, mut jumps) = ([0; 7], 0);
    for seed in 0..seeds {
        let report = run(seed, &scheduled());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --scheduled --seed {seed} -v");
        let Times { fired, made_up_for, waited, missed, overlapped, denied, by_hand } = report.stats.times;
        let of_run = [fired, made_up_for, waited, missed, overlapped, denied, by_hand];
        came.iter_mut().zip(of_run).for_each(|(count, times)| *count += times);
        jumps += report.faults.of(Fault::ClockSetForward);
    }
    assert!(jumps > 0 && came.iter().all(|count| *count > 0), "{jumps} jumps, {came:?}");
}

#[test]
fn forks_take_over_what_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(FORKED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 4);
    let faults = [Fault::Forked, Fault::ForkRefused];
    let mut occurred = [0; 2];
    for seed in 0..seeds {
        let report = run(seed, &forked());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --forked --seed {seed} -v");
        occurred.iter_mut().zip(faults).for_each(|(count, fault)| *count += report.faults.of(fault));
    }
    println!("{faults:?}: {occurred:?}");
    assert!(occurred.iter().all(|count| *count > seeds / 10), "{faults:?}: {occurred:?}");
}

/// Who requested never approves; an answer works once, for that step only; a request waits across restarts.
#[test]
fn people_are_asked_as_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(ASKED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 4);
    let faults = [
        Fault::RequestApproved,
        Fault::RequestDenied,
        Fault::RequestExpired,
        Fault::RequestWithdrawn,
        Fault::SayRefused,
        Fault::CrashAfter,
    ];
    let mut occurred = [0; 6];
    for seed in 0..seeds {
        let report = run(seed, &asked());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --asked --seed {seed} -v");
        occurred.iter_mut().zip(faults).for_each(|(count, fault)| *count += report.faults.of(fault));
    }
    println!("{faults:?}: {occurred:?}");
    assert!(occurred.iter().all(|count| *count > seeds / 10), "{faults:?}: {occurred:?}");
}

/// What is settled and reserved never exceeds a budget; what is masked is not shown; evidence that is demanded is there;
/// who asks for an override does not grant it, and none is used after its time.
#[test]
fn what_bundles_demand_is_kept_to_as_the_reference_says() {
    let seeds = std::env::var("CHANCERY_SEEDS").map_or(GOVERNED_SEEDS, |seeds| seeds.parse::<u64>().unwrap() / 4);
    let faults = [
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
        Fault::SayRefused,
        Fault::ClockSetForward,
        Fault::CrashAfter,
    ];
    // How often each was, of all seeds.
    let mut occurred = [0; 13];
    for seed in 0..seeds {
        let report = run(seed, &governed());
        assert_eq!(report.violation, None, "seed {seed}: cargo run -p chancery-sim -- --governed --seed {seed} -v");
        occurred.iter_mut().zip(faults).for_each(|(count, fault)| *count += report.faults.of(fault));
    }
    println!("{faults:?}: {occurred:?}");
    assert!(occurred.iter().all(|count| *count > seeds / 20), "{faults:?}: {occurred:?}");
}

#[test]
fn cases_that_were_kept_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let case: Case = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(run(case.seed, &case.options()).violation, None, "{}", path.display());
    }
}
