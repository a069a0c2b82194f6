//! Builds that break one rule are caught: the simulation can fail.

use chancery_sim::{Bounds, Options, ShardSabotage, StoreSabotage, run};
use std::panic::catch_unwind;

/// In so many seeds each must be caught.
const SEEDS: u64 = 1_000;

#[track_caller]
fn check(name: &str, options: &Options) {
    // A defect that a shard itself stumbles over counts as well.
    let why = |seed| match catch_unwind(|| run(seed, options)) {
        Ok(report) => report.violation,
        Err(_) => Some("the shard panicked".to_owned()),
    };
    let caught = (0..SEEDS).find_map(|seed| why(seed).map(|why| (seed, why)));
    let Some((seed, why)) = caught else { panic!("{name} is not caught in {SEEDS} seeds") };
    println!("{name}: caught by seed {seed}: {why}");
    assert_eq!(run(seed, &Options::default()).violation, None, "seed {seed} fails without it, too");
}

fn shard(sabotage: ShardSabotage) -> Options {
    Options { shard_sabotage: Some(sabotage), ..Options::default() }
}

fn store(sabotage: StoreSabotage) -> Options {
    Options { store_sabotage: Some(sabotage), ..Options::default() }
}

#[test]
fn a_reply_before_the_commit_is_caught() {
    check("reply before the commit", &shard(ShardSabotage::ReplyBeforeCommit));
}

#[test]
fn an_offer_before_the_lapse_is_caught() {
    check("offer before the lapse", &shard(ShardSabotage::OfferBeforeLapse));
}

#[test]
fn one_attempt_too_many_out_of_a_queue_is_caught() {
    let bounds = Bounds { concurrency: Some(1), ..Bounds::default() };
    check("one more than a queue may let out", &Options { bounds, ..shard(ShardSabotage::LetOneMoreOut) });
}

#[test]
fn what_goes_too_early_is_caught() {
    let bounds = Bounds { retention: Some(3_000), ..Bounds::default() };
    check("expire too early", &Options { bounds, ..shard(ShardSabotage::ExpireTooEarly) });
}

#[test]
fn a_late_answer_that_is_taken_is_caught() {
    check("take a late answer", &shard(ShardSabotage::TakeLateAnswer));
}

#[test]
fn a_skipped_epoch_guard_is_caught() {
    check("skip the epoch guard", &store(StoreSabotage::SkipEpoch));
}

#[test]
fn a_skipped_size_guard_is_caught() {
    check("skip the size guard", &store(StoreSabotage::SkipSize));
}

#[test]
fn a_skipped_control_epoch_guard_is_caught() {
    check("skip the control epoch guard", &store(StoreSabotage::SkipControlEpoch));
}
