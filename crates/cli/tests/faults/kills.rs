//! The kill campaign, and that it would notice.

use crate::campaign::{Fault, Plan, Report, live};
use crate::load::Sort;
use crate::stage::Place;

/// Kills in the short form.
const KILLS: u32 = 10;
/// Kills of one data directory; after these the next life begins.
const KILLS_A_LIFE: u32 = 25;
/// The seed, unless `CHANCERY_KILL_SEED` says another.
pub(crate) const SEED: u64 = 0x5eed;

pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

pub(crate) fn run(plan: Plan) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(live(plan))
}

/// Kills as often as the variable says, life after life, until something is wrong; asserts that nothing was.
pub(crate) fn campaign(place: Place, variable: &str, otherwise: u32) -> Report {
    let seed = number("CHANCERY_KILL_SEED", SEED);
    let kills = u32::try_from(number(variable, otherwise.into())).unwrap();
    println!("CHANCERY_KILL_SEED={seed} {variable}={kills}");
    let mut total = Report::default();
    while total.kills < kills && total.wrong.is_empty() {
        let seed = seed + u64::from(total.kills / KILLS_A_LIFE);
        let kills = KILLS_A_LIFE.min(kills - total.kills);
        total.add(run(Plan { seed, kills, fault: Fault::Killed, place, sabotage: None }));
        println!("{total:?}");
    }
    assert!(total.wrong.is_empty(), "CHANCERY_KILL_SEED={seed}: {:#?}", total.wrong);
    let is_mixed = Sort::ALL.iter().all(|sort| total.sorts.contains_key(sort));
    assert!(is_mixed && total.repeats > 0, "it proves nothing: {total:?}");
    total
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_done_without_a_permit() {
    let total = campaign(Place::Directory, "CHANCERY_KILLS", KILLS);
    assert!(total.undone > 0, "no files were set back: {total:?}");
}

#[test]
fn a_failed_sync_ends_the_process_and_loses_nothing() {
    let seed = number("CHANCERY_KILL_SEED", SEED);
    let report = run(Plan { seed, kills: 3, fault: Fault::SyncFails, place: Place::Directory, sabotage: None });
    assert!(report.wrong.is_empty(), "CHANCERY_KILL_SEED={seed}: {:#?}", report.wrong);
    assert!(report.kills == 3 && report.acknowledged > 0 && report.undone > 0, "it proves nothing: {report:?}");
}

#[test]
fn a_full_disk_refuses_and_the_server_goes_on_when_there_is_room() {
    let seed = number("CHANCERY_KILL_SEED", SEED);
    let report = run(Plan { seed, kills: 3, fault: Fault::Full, place: Place::Directory, sabotage: None });
    assert!(report.wrong.is_empty(), "CHANCERY_KILL_SEED={seed}: {:#?}", report.wrong);
    assert!(report.acknowledged > 0 && report.undone >= 9, "it proves nothing: {report:?}");
}

#[test]
fn a_store_that_does_not_sync_is_caught() {
    let seed = number("CHANCERY_KILL_SEED", SEED);
    let report = run(Plan {
        seed,
        kills: 8,
        fault: Fault::Unpowered,
        place: Place::Directory,
        sabotage: Some("synchronous-off"),
    });
    assert!(report.noticed(), "nobody noticed: {report:?}");
}
