//! Ended transactions that expire: which do, when, and in what is left of them.

use super::children::replays;
use super::hand::{Hand, Tenant, output};
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::Status;
use chancery_ledger::Record;
use chancery_shard::Config;
use chancery_shard::input::*;
use chancery_shard::retention::{Expiry, Retention};
use chancery_store::scan::Scan;
use chancery_store::sim::Fault;
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

const DONE: &str =
    r#"{"name": "done", "version": 1, "steps": [{"id": "a", "run": "noop", "compensate": {"run": "noop"}}]}"#;

const CALL: &str = r#"{"name": "call", "version": 1, "steps": [{"id": "a", "run": {"worker": "w"}, "queue_timeout": "365d", "pivot": true}]}"#;

/// Two children, of which one runs a child of its own.
const TREE: &str = r#"{"name": "tree", "version": 1, "steps": [
    {"id": "leaf", "run": {"transaction": "done"}},
    {"id": "branch", "after": ["leaf"], "run": {"transaction": "branch"}}
]}"#;

const BRANCH: &str = r#"{"name": "branch", "version": 1, "steps": [{"id": "leaf", "run": {"transaction": "done"}}]}"#;

pub(super) fn nightly(config: Config) -> Config {
    Config { expiry: Some(Expiry::NIGHTLY), ..config }
}

/// One that removes so many at a time.
fn few(at_once: usize) -> impl FnOnce(Config) -> Config {
    move |config| Config { expiry: Some(Expiry { at_once, ..Expiry::NIGHTLY }), ..config }
}

fn hand(tenant: &Tenant, settings: impl FnOnce(Config) -> Config) -> Hand {
    tenant.hand_with(0, Timestamp::from_micros(1_795_246_020_000_000), settings)
}

/// So much later, with time enough for everything that is due then.
pub(super) fn later(hand: &mut Hand, time: Duration) {
    hand.now = hand.now.plus(time);
    hand.run();
    hand.wait(Duration::from_secs(2));
}

pub(super) fn ids(tenant: &Tenant) -> Vec<TransactionId> {
    tenant.store.dump().transactions.iter().map(|row| row.id).collect()
}

/// How many transactions each entry says that it removed.
fn removals(tenant: &Tenant) -> Vec<i64> {
    let dump = tenant.store.dump();
    let records = dump.entries.values().flatten().map(|entry| Record::parse(&entry.record).unwrap());
    let removals = records.filter(|record| record.kind.as_str() == "transactions.expired");
    removals.map(|record| record.data.get_int("count").unwrap()).collect()
}

fn start(hand: &mut Hand, name: &str, key: Option<&str>) -> TransactionId {
    hand.start(name, json!({}), key, None).unwrap()
}

#[test]
fn what_has_ended_goes_in_the_first_night_after_its_time() {
    let tenant = Tenant::new(1, &[DONE]);
    let mut hand = hand(&tenant, nightly);
    let id = start(&mut hand, "done", Some("k"));
    assert_eq!(hand.settled(id).0, Status::Completed);
    let two = |day: &str| format!("{day}T02:00:00Z").parse::<Timestamp>().unwrap();
    // It ended on 2026-11-21 at 07:27: at 02:00 of 2027-02-19 it is not 90 days, and a day later it is more.
    for (now, is_there) in [
        (two("2027-02-19"), true),
        (two("2027-02-19").plus(12 * Duration::from_secs(3_600)), true),
        (two("2027-02-20").minus(Duration::from_micros(1)), true),
        (two("2027-02-20"), false),
    ] {
        hand.now = now;
        hand.run();
        assert_eq!(tenant.store.standing(id).is_some(), is_there, "{now}");
    }
    let dump = tenant.store.dump();
    assert_eq!((dump.steps.len(), dump.keys.len(), removals(&tenant)), (0, 0, vec![1]));
    assert_eq!(hand.kinds(id).last().map(String::as_str), Some("transaction.completed"), "its entries stay");
    replays(&tenant);
    let newest = hand.shard.gauges().expiry.unwrap();
    assert_eq!((newest.removed, newest.problem), (1, None));
    assert!(newest.ended_at.is_some());
    // A night in which nothing goes leaves no entry.
    let size = hand.size();
    later(&mut hand, 3 * DAY);
    assert_eq!(hand.size(), size);
}

#[test]
fn a_night_that_was_missed_is_made_up_for_when_the_log_is_owned() {
    let tenant = Tenant::new(1, &[DONE]);
    let mut first = hand(&tenant, nightly);
    let old = start(&mut first, "done", None);
    later(&mut first, DAY);
    let young = start(&mut first, "done", None);
    // It is noon: at 02:00 only one of them was old enough.
    let noon = first.now.minus(DAY).plus(Duration::from_secs(91 * 86_400 + 5 * 3_600));
    drop(first);
    let mut second = tenant.hand_with(0, noon, nightly);
    second.wait(Duration::from_secs(1));
    assert_eq!((tenant.store.standing(old), ids(&tenant)), (None, vec![young]));
    replays(&tenant);
}

#[test]
fn a_key_is_free_again_when_what_it_stood_for_has_expired() {
    let tenant = Tenant::new(1, &[DONE]);
    let mut hand = hand(&tenant, nightly);
    let first = start(&mut hand, "done", Some("k"));
    later(&mut hand, 89 * DAY);
    assert_eq!(start(&mut hand, "done", Some("k")), first, "it is there, and so is its key");
    later(&mut hand, 3 * DAY);
    assert_eq!(ids(&tenant), []);
    let second = start(&mut hand, "done", Some("k"));
    assert_ne!(second, first);
    assert_eq!(start(&mut hand, "done", Some("k")), second);
    replays(&tenant);
}

#[test]
fn a_start_beside_the_removal_finds_its_key_free_or_taken_and_never_both() {
    let tenant = Tenant::new(1, &[DONE]);
    let mut hand = hand(&tenant, nightly);
    let first = start(&mut hand, "done", Some("k"));
    hand.now = hand.now.plus(100 * DAY);
    // In the batch that removes it, before it; and behind that batch, while it is out.
    let before = hand.push_start("done", json!({}), Some("k"), None);
    hand.run();
    hand.wait(Duration::from_secs(1));
    let answer = hand.answer_of(before).unwrap().unwrap();
    assert!(matches!(answer, Response::Started { id, existing: true, .. } if id == first), "{answer:?}");
    assert_eq!(ids(&tenant), []);
    let again = start(&mut hand, "done", Some("k"));
    assert_ne!(again, first);
    replays(&tenant);
}

#[test]
fn a_business_key_that_is_another_s_by_now_stays_its() {
    let tenant = Tenant::new(1, &[DONE, CALL]);
    let mut hand = hand(&tenant, nightly);
    let ended = hand.start("done", json!({}), None, Some("order-1")).unwrap();
    later(&mut hand, 80 * DAY);
    let running = hand.start("call", json!({}), None, Some("order-1")).unwrap();
    later(&mut hand, 20 * DAY);
    assert_eq!((tenant.store.standing(ended), ids(&tenant)), (None, vec![running]));
    let taken = hand.start("done", json!({}), None, Some("order-1"));
    assert!(matches!(taken, Err(Refusal::BusinessKeyTaken(id)) if id == running), "{taken:?}");
    replays(&tenant);
}

#[test]
fn a_family_goes_with_its_root_however_few_go_at_a_time() {
    for at_once in [1, 2, 3, 100] {
        let tenant = Tenant::new(1, &[TREE, BRANCH, DONE]);
        let mut hand = hand(&tenant, few(at_once));
        let root = start(&mut hand, "tree", None);
        assert_eq!((hand.settled(root).0, ids(&tenant).len()), (Status::Completed, 4));
        let alone = start(&mut hand, "done", None);
        // Owner after owner, each with one commit.
        hand.now = hand.now.plus(100 * DAY);
        let now = hand.now;
        drop(hand);
        for round in 0..9 {
            let left = ids(&tenant);
            assert!(left.iter().all(|id| *id == alone) || left.contains(&root), "round {round}: {left:?}");
            replays(&tenant);
            drop(tenant.hand_with(0, now, few(at_once)));
        }
        assert_eq!(ids(&tenant), [], "{at_once} at a time");
        assert_eq!(removals(&tenant).iter().sum::<i64>(), 5);
        assert!(removals(&tenant).iter().all(|count| *count <= i64::try_from(at_once).unwrap()));
        replays(&tenant);
    }
}

#[test]
fn a_tenant_says_how_long_it_keeps_what_has_ended() {
    let tenant = Tenant::new(1, &[DONE]);
    let mut hand = hand(&tenant, nightly);
    let set = |hand: &mut Hand, days: Option<u64>| {
        hand.change(Change::RetentionSet(Retention { transactions_ms: days.map(|days| days * 86_400_000) }))
    };
    let refused = set(&mut hand, Some(6));
    assert!(matches!(&refused, Err(Refusal::Invalid(why)) if why.contains("it may be 7d to 3650d")), "{refused:?}");
    assert!(matches!(set(&mut hand, None), Ok(Response::Done { seq: None })), "it says nothing as it is");
    assert!(matches!(set(&mut hand, Some(200)), Ok(Response::Done { seq: Some(_) })));
    assert!(matches!(set(&mut hand, Some(200)), Ok(Response::Done { seq: None })));
    let id = start(&mut hand, "done", None);
    later(&mut hand, 100 * DAY);
    assert_eq!(ids(&tenant), [id]);
    replays(&tenant);
    assert!(matches!(set(&mut hand, Some(7)), Ok(Response::Done { seq: Some(_) })));
    assert!(matches!(set(&mut hand, None), Ok(Response::Done { seq: Some(_) })));
    later(&mut hand, DAY);
    assert_eq!(ids(&tenant), []);
    replays(&tenant);
}

#[test]
fn what_a_tenant_says_holds_for_what_was_found_and_not_removed_yet() {
    let tenant = Tenant::new(1, &[DONE]);
    let mut hand = hand(&tenant, nightly);
    let id = start(&mut hand, "done", None);
    hand.now = hand.now.plus(100 * DAY);
    // It waits in the queue when the night's search finds what is to go.
    let longer = Change::RetentionSet(Retention { transactions_ms: Some(300 * 86_400_000) });
    assert!(matches!(hand.change(longer), Ok(Response::Done { seq: Some(_) })));
    hand.wait(Duration::from_secs(2));
    assert_eq!((ids(&tenant), removals(&tenant)), (vec![id], vec![]));
}

#[test]
fn a_report_of_what_has_expired_changes_nothing() {
    let tenant = Tenant::new(1, &[CALL]);
    let mut hand = hand(&tenant, nightly);
    start(&mut hand, "call", None);
    let task = hand.take_one("a");
    hand.report(&task, output(json!(1)));
    later(&mut hand, 100 * DAY);
    assert_eq!(ids(&tenant), []);
    let size = hand.size();
    assert_eq!(hand.report(&task, output(json!(1))), Ack::Refused);
    assert_eq!(hand.size(), size);
}

/// Whichever commit fails, is lost or lands late: in the end all of it is gone, and the entries say so.
#[test]
fn an_owner_that_dies_at_any_commit_leaves_whole_transactions() {
    for fault in Fault::ALL {
        for at in 0..4 {
            let tenant = Tenant::new(1, &[TREE, BRANCH, DONE]);
            let mut first = hand(&tenant, few(2));
            for _ in 0..2 {
                start(&mut first, "tree", None);
            }
            first.now = first.now.plus(100 * DAY);
            for _ in 0..at {
                // One commit; the next is a pause away.
                first.run();
                first.now = first.now.plus(Duration::from_millis(200));
            }
            tenant.store.fault_next(fault);
            first.run();
            replays(&tenant);
            let now = first.now;
            drop(first);
            let mut second = tenant.hand_with(0, now, few(2));
            replays(&tenant);
            tenant.store.land_orphans();
            replays(&tenant);
            second.wait(Duration::from_secs(5));
            assert_eq!(ids(&tenant), [], "{fault:?} at commit {at}");
            assert_eq!(removals(&tenant).iter().sum::<i64>(), 8, "{fault:?} at commit {at}");
            assert_eq!(Scan::step_count(&tenant.store).unwrap(), 0);
            replays(&tenant);
        }
    }
}
