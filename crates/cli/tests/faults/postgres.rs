//! The same on PostgreSQL: the server is killed under load, and in every second round the database, too, by an
//! `immediate` stop, after which it has what it had put on its disk.

use crate::campaign::{Fault, Plan};
use crate::kills::{SEED, campaign, number, run};
use crate::stage::Place;

/// Kills in the short form.
const KILLS: u32 = 6;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_done_without_a_permit() {
    let total = campaign(Place::Postgres, "CHANCERY_POSTGRES_KILLS", KILLS);
    assert!(total.power_losses >= total.kills / 3, "the database was not killed: {total:?}");
}

#[test]
fn a_database_that_dies_is_waited_for_and_nothing_is_lost() {
    let seed = number("CHANCERY_KILL_SEED", SEED);
    let plan = Plan { seed, kills: 4, fault: Fault::DatabaseDies, place: Place::Postgres, sabotage: None };
    let report = run(plan);
    assert!(report.wrong.is_empty(), "CHANCERY_KILL_SEED={seed}: {:#?}", report.wrong);
    assert!(report.power_losses == 4 && report.acknowledged > 0, "it proves nothing: {report:?}");
}

#[test]
fn a_database_that_does_not_sync_is_caught() {
    let seed = number("CHANCERY_KILL_SEED", SEED);
    let sabotage = Some("synchronous-off");
    let report = run(Plan { seed, kills: 1, fault: Fault::Unpowered, place: Place::LazyPostgres, sabotage });
    assert!(report.noticed(), "nobody noticed: {report:?}");
}
