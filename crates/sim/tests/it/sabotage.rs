//! Builds that break one rule are caught: the simulation can fail.

use chancery_sim::{Bounds, Material, Options, ShardSabotage, StoreSabotage, run};
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
    let right = Options { shard_sabotage: None, store_sabotage: None, ..options.clone() };
    assert_eq!(run(seed, &right).violation, None, "seed {seed} fails without it, too");
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

/// What bundles demand: each rule that a shard breaks is one that is judged from the outside.
#[track_caller]
fn check_governed(name: &str, sabotage: ShardSabotage) {
    let bounds = Bounds { stops: sabotage == ShardSabotage::IgnoreStops, ..Bounds::default() };
    check(name, &Options { material: Material::Governed, bounds, ..shard(sabotage) });
}

#[test]
fn a_reservation_that_is_forgotten_is_caught() {
    check_governed("reserve nothing", ShardSabotage::ReserveNothing);
}

#[test]
fn what_failed_and_stays_reserved_is_caught() {
    check_governed("return nothing", ShardSabotage::ReturnNothing);
}

#[test]
fn a_window_that_is_kept_is_caught() {
    check_governed("keep the window", ShardSabotage::KeepWindow);
}

#[test]
fn what_is_masked_and_shown_is_caught() {
    check_governed("show what is masked", ShardSabotage::ShowMasked);
}

#[test]
fn more_time_than_an_attempt_may_have_is_caught() {
    check_governed("ignore limits of time", ShardSabotage::IgnoreTimeLimit);
}

#[test]
fn what_goes_out_without_its_evidence_is_caught() {
    check_governed("pass without evidence", ShardSabotage::PassWithoutEvidence);
}

#[test]
fn what_cannot_be_undone_and_is_let_out_is_caught() {
    check_governed("hide that it can't be undone", ShardSabotage::HideIrreversible);
}

#[test]
fn an_override_that_is_good_after_its_time_is_caught() {
    check_governed("use what has expired", ShardSabotage::UseExpired);
}

#[test]
fn who_grants_what_they_asked_for_is_caught() {
    check_governed("grant one's own", ShardSabotage::GrantOwn);
}

#[test]
fn what_goes_out_though_it_is_stopped_is_caught() {
    check_governed("ignore stops", ShardSabotage::IgnoreStops);
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
