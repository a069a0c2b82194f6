//! Schedules: what starts by itself, once for each of its times, whatever happens to shards, commits and clocks.

use super::hand::{Hand, Tenant, output};
use chancery_base::{Document, Name, StopId, Timestamp, TransactionId};
use chancery_engine::definition::Definition;
use chancery_engine::schedule::{CatchUp, Head, Overlap, Terms, When};
use chancery_engine::{Headers, Status};
use chancery_ledger::Record;
use chancery_shard::input::*;
use chancery_shard::replay::Replay;
use chancery_shard::row::LogId;
use chancery_shard::stop::StopOn;
use chancery_shard::{Config, Poll};
use chancery_store::scan::Scan;
use chancery_store::sim::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ONE: &str = r#"{"name": "one", "version": 1, "steps": [
    {"id": "only", "run": {"worker": "w"}, "with": "${{ input }}", "compensate": {"run": {"worker": "undo"}}}
]}"#;
const KEYED: &str = r#"{"name": "keyed", "version": 1, "key": "${{ input.key }}", "steps": [
    {"id": "only", "run": {"worker": "w"}}
]}"#;
const OPEN: &str = r#"{"name": "open", "version": 1, "kind": "open"}"#;

const MINUTE: Duration = Duration::from_secs(60);
/// 2026-11-21T07:27:00Z, when hands begin.
const START: Timestamp = Timestamp::from_micros(1_795_246_020_000_000);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Every minute.
fn terms(definition: &str) -> Terms {
    Terms {
        definition: name(definition),
        version: None,
        labels: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
        headers: Headers::new([("x-user".to_owned(), "clock".to_owned())]).unwrap(),
        when: When::Every { interval_ms: 60_000, offset_ms: 0 },
        zone: "UTC".to_owned(),
        from: None,
        until: None,
        overlap: Overlap::Allow,
        catch_up: CatchUp::Last,
        window_ms: 3_600_000,
    }
}

fn ask(tenant: &Tenant, hand: &mut Hand, schedule: &str, ask: ScheduleAsk) -> Result<Response, Refusal> {
    let command = ScheduleCommand { actor: tenant.actor.id, name: name(schedule), ask };
    let to = hand.push(Command::Schedule(Box::new(command)));
    hand.run();
    hand.answer_of(to).unwrap()
}

fn create(tenant: &Tenant, hand: &mut Hand, schedule: &str, terms: Terms, input: Value) {
    let create = ScheduleAsk::Create { terms: Box::new(terms), input: Document::shared(input) };
    ask(tenant, hand, schedule, create).unwrap();
}

/// A tenant with a schedule `tick` that starts `one` every minute.
fn ticking(change: impl FnOnce(&mut Terms)) -> (Tenant, Hand) {
    let tenant = Tenant::new(1, &[ONE, KEYED, OPEN]);
    let mut hand = tenant.hand(0);
    let mut terms = terms("one");
    change(&mut terms);
    create(&tenant, &mut hand, "tick", terms, json!({"due": "${{ schedule.due }}"}));
    (tenant, hand)
}

fn log(tenant: &Tenant) -> LogId {
    Scan::logs(&tenant.store).unwrap().iter().find(|log| log.tenant == tenant.id).unwrap().id
}

/// The schedule as its row says, which is what its entries say.
fn head(tenant: &Tenant, schedule: &str) -> Head {
    let rows = Scan::schedules(&tenant.store, None, 100).unwrap();
    let log = log(tenant);
    let mut replay = Replay::new(log);
    for entry in Scan::entries(&tenant.store, log, 0, 10_000).unwrap() {
        replay.entry(&entry).unwrap();
    }
    let replayed = replay.finish().1.schedules;
    assert_eq!(
        replayed.values().cloned().collect::<Vec<_>>(),
        rows.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>()
    );
    let row = rows.into_iter().map(|(_, row)| row).find(|row| row.name.as_str() == schedule).unwrap();
    chancery_shard::schedule::head(&row).unwrap()
}

fn came(tenant: &Tenant) -> Vec<&'static str> {
    head(tenant, "tick").recent.iter().map(|firing| firing.came.word()).collect()
}

/// The transactions there are, oldest first, each with its input's `due`.
fn started(tenant: &Tenant) -> Vec<(TransactionId, Option<Timestamp>)> {
    let rows = Scan::transactions(&tenant.store, None, 1_000).unwrap();
    let entries = Scan::entries(&tenant.store, log(tenant), 0, 10_000).unwrap();
    let due = |seq: u64| {
        let entry = entries.iter().find(|entry| entry.seq == seq).unwrap();
        let payload: Value = serde_json::from_slice(&entry.payload.as_ref().unwrap().sealed.bytes).unwrap();
        payload["input"]["due"].as_str().map(|due| due.parse().unwrap())
    };
    let mut started: Vec<_> = rows.iter().map(|row| (row.started_at, row.id, due(row.input_seq))).collect();
    started.sort();
    started.into_iter().map(|(_, id, due)| (id, due)).collect()
}

/// The times that were started for, in their order: what starts in one batch has no other.
fn times(tenant: &Tenant) -> Vec<i64> {
    let mut times: Vec<i64> =
        started(tenant).iter().map(|(_, due)| due.unwrap().since(START).as_secs().try_into().unwrap()).collect();
    times.sort_unstable();
    times
}

fn kinds(tenant: &Tenant, from: u64) -> Vec<String> {
    let entries = Scan::entries(&tenant.store, log(tenant), from, 10_000).unwrap();
    entries.iter().map(|entry| Record::parse(&entry.record).unwrap().kind.to_string()).collect()
}

fn finish(hand: &mut Hand) {
    for task in hand.take() {
        assert_eq!(hand.report(&task, output(json!(null))), Ack::Recorded);
    }
}

#[test]
fn it_starts_on_time_in_one_commit_with_its_entry() {
    let (tenant, mut hand) = ticking(|_| ());
    let before = hand.size();
    let Poll::Wait(Some(at)) = hand.shard.poll(hand.now, &mut hand.entropy) else { panic!("it does not wait") };
    assert_eq!(at, START.plus(MINUTE), "one timer, for the next time");
    hand.now = Timestamp::from_micros(at.as_micros() - 1);
    hand.run();
    assert_eq!(hand.size(), before, "not before its time");
    hand.now = at;
    // The input is asked for, and the key; then the batch.
    let mut batch = None;
    for _ in 0..4 {
        match hand.shard.poll(hand.now, &mut hand.entropy) {
            Poll::Call(chancery_shard::Call::Commit(sent)) => {
                batch = Some(sent);
                break;
            }
            Poll::Call(call) => hand.shard.reply(tenant.store.answer(call, "test"), hand.now),
            Poll::Wait(wait) => panic!("it waits for {wait:?}"),
        }
    }
    let batch = batch.unwrap();
    assert_eq!((batch.entries.len(), batch.transactions.len(), batch.control.len(), batch.keys.len()), (2, 1, 1, 1));
    assert_eq!(batch.raises_control_epoch, 0);
    hand.commit(batch);
    assert_eq!(kinds(&tenant, before), ["transaction.started", "schedule.fired"]);
    assert_eq!(times(&tenant), [60]);
    let fired = head(&tenant, "tick");
    assert_eq!((fired.fired, fired.transaction), (1, Some(started(&tenant)[0].0)));
    let labels = Scan::labels(&tenant.store, None, 10).unwrap();
    let labels: Vec<_> = labels.iter().map(|label| (label.name.as_str(), label.value.as_str())).collect();
    assert_eq!(labels, [("region", "eu"), ("schedule", "tick")]);
    hand.wait(Duration::from_secs(150));
    assert_eq!(times(&tenant), [60, 120, 180]);
}

#[test]
fn a_commit_that_is_lost_or_whose_outcome_is_unknown_starts_once() {
    for fault in Fault::ALL {
        let (tenant, mut hand) = ticking(|_| ());
        tenant.store.fault_next(fault);
        hand.wait(MINUTE);
        // An orphan lands late, or is shut out by the next owner.
        tenant.store.land_orphans();
        hand.wait(Duration::from_secs(10));
        assert_eq!(times(&tenant), [60], "{fault:?}");
        hand.wait(Duration::from_secs(50));
        assert_eq!(times(&tenant), [60, 120], "{fault:?}");
    }
}

#[test]
fn an_owner_that_dies_before_or_after_the_commit_starts_once() {
    for is_committed in [false, true] {
        let (tenant, mut hand) = ticking(|_| ());
        hand.now = START.plus(MINUTE);
        loop {
            match hand.shard.poll(hand.now, &mut hand.entropy) {
                Poll::Call(call @ chancery_shard::Call::Commit(_)) => {
                    if is_committed {
                        drop(tenant.store.answer(call, "test"));
                    }
                    break;
                }
                Poll::Call(call) => hand.shard.reply(tenant.store.answer(call, "test"), hand.now),
                Poll::Wait(wait) => panic!("it waits for {wait:?}"),
            }
        }
        let mut next = tenant.hand_at(0, START.plus(Duration::from_secs(61)));
        next.wait(Duration::from_secs(1));
        assert_eq!(times(&tenant), [60], "committed: {is_committed}");
    }
}

#[test]
fn what_was_missed_while_nobody_owned_it_is_made_up_for() {
    for (catch_up, expected) in [
        (CatchUp::None, vec![3_600]),
        (CatchUp::Last, vec![3_600]),
        (CatchUp::All, (11..=60).map(|minute| minute * 60).collect()),
    ] {
        let (tenant, hand) = ticking(|terms| (terms.catch_up, terms.window_ms) = (catch_up, 3_000_000));
        drop(hand);
        let mut hand = tenant.hand_at(0, START.plus(Duration::from_secs(3_601)));
        hand.wait(Duration::from_secs(1));
        let expected: Vec<i64> = expected.into_iter().filter(|time| *time >= 3_601 - 3_000).collect();
        assert_eq!(times(&tenant), expected, "{catch_up:?}");
        assert_eq!(came(&tenant).first().copied(), Some(if catch_up == CatchUp::All { "fired" } else { "missed" }));
    }
}

#[test]
fn in_maintenance_times_are_missed_and_triggers_refused() {
    let (tenant, mut hand) = ticking(|terms| terms.catch_up = CatchUp::None);
    let turn = |on| Change::Maintenance { on, justification: "disks".to_owned() };
    hand.change(turn(true)).unwrap();
    let size = hand.size();
    hand.wait(Duration::from_secs(200));
    let refused = ask(&tenant, &mut hand, "tick", ScheduleAsk::Trigger { overlap: None }).unwrap_err();
    assert!(matches!(refused, Refusal::Maintenance { platform: false }), "{refused}");
    assert_eq!(hand.size(), size, "nothing is written meanwhile");
    hand.change(turn(false)).unwrap();
    hand.wait(MINUTE);
    // The one of 20 seconds ago is in time still.
    assert_eq!(times(&tenant), [180, 240]);
    assert_eq!(came(&tenant).first().copied(), Some("missed"));
}

#[test]
fn where_as_many_run_as_may_a_time_waits_for_room() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand_with(0, START, |config| Config { active_max: 1, ..config });
    create(&tenant, &mut hand, "tick", terms("one"), json!({"due": "${{ schedule.due }}"}));
    hand.wait(Duration::from_secs(130));
    assert_eq!(times(&tenant), [60]);
    finish(&mut hand);
    hand.wait(Duration::from_secs(2));
    assert_eq!(times(&tenant), [60, 120]);
}

#[test]
fn a_clock_that_is_set_back_does_not_start_the_same_time_twice() {
    let (tenant, mut hand) = ticking(|_| ());
    hand.wait(Duration::from_secs(130));
    assert_eq!(times(&tenant), [60, 120]);
    // Another owner, whose clock is behind: what was started for is over.
    let mut behind = tenant.hand_at(0, START.plus(Duration::from_secs(30)));
    behind.wait(Duration::from_secs(100));
    assert_eq!(times(&tenant), [60, 120]);
    // Even told to begin anew there, it starts for no time again: the key of the time is taken.
    for step in [ScheduleAsk::Pause { note: String::new() }, ScheduleAsk::Resume { note: "anew".to_owned() }] {
        behind.now = START.plus(Duration::from_secs(131));
        ask(&tenant, &mut behind, "tick", step).unwrap();
    }
    let mut far_behind = tenant.hand_at(0, START.plus(Duration::from_secs(10)));
    for step in [ScheduleAsk::Pause { note: String::new() }, ScheduleAsk::Resume { note: "anew".to_owned() }] {
        ask(&tenant, &mut far_behind, "tick", step).unwrap();
    }
    assert_eq!(head(&tenant, "tick").next, Some(START.plus(MINUTE)));
    far_behind.wait(Duration::from_secs(200));
    assert_eq!(times(&tenant), [60, 120, 180]);
    assert_eq!(head(&tenant, "tick").fired, 5, "twice it found what there was");
}

#[test]
fn what_still_runs_holds_back_what_comes() {
    let (tenant, mut hand) = ticking(|terms| terms.overlap = Overlap::BufferOne);
    hand.wait(Duration::from_secs(190));
    assert_eq!(times(&tenant), [60]);
    assert_eq!(came(&tenant), ["fired", "buffered", "overlap"]);
    // The next owner knows what it waits for.
    let mut next = tenant.hand_at(0, hand.now);
    assert_eq!(times(&tenant), [60]);
    finish(&mut next);
    next.run();
    assert_eq!(times(&tenant), [60, 120], "it starts when what ran has ended");
    assert!(head(&tenant, "tick").waiting.is_empty());

    let (tenant, mut hand) = ticking(|terms| terms.overlap = Overlap::BufferAll);
    hand.wait(Duration::from_secs(190));
    assert_eq!((times(&tenant), came(&tenant)), (vec![60], vec!["fired", "buffered", "buffered"]));
    let mut next = tenant.hand_at(0, hand.now);
    finish(&mut next);
    next.run();
    assert_eq!(times(&tenant), [60, 120], "one after the other");
    finish(&mut next);
    next.run();
    assert_eq!(times(&tenant), [60, 120, 180]);
    assert!(head(&tenant, "tick").waiting.is_empty());

    let (tenant, mut hand) = ticking(|terms| terms.overlap = Overlap::Skip);
    hand.wait(Duration::from_secs(130));
    finish(&mut hand);
    hand.wait(MINUTE);
    assert_eq!((times(&tenant), came(&tenant)), (vec![60, 180], vec!["fired", "overlap", "fired"]));
}

#[test]
fn what_still_runs_is_cancelled_or_terminated_for_what_comes() {
    let (tenant, mut hand) = ticking(|terms| terms.overlap = Overlap::CancelRunning);
    hand.wait(Duration::from_secs(70));
    let first = started(&tenant)[0].0;
    finish_first_step_later(&mut hand);
    assert_eq!(times(&tenant), [60, 120]);
    assert_eq!(hand.settled(first).0, Status::Cancelled);

    let (tenant, mut hand) = ticking(|terms| terms.overlap = Overlap::TerminateRunning);
    hand.wait(Duration::from_secs(130));
    assert_eq!(times(&tenant), [60, 120]);
    assert_eq!(hand.settled(started(&tenant)[0].0).0, Status::Terminated);
}

#[test]
fn what_is_refused_replaces_nothing() {
    let tenant = Tenant::new(1, &[KEYED]);
    let mut hand = tenant.hand(0);
    let terms = Terms { overlap: Overlap::TerminateRunning, ..terms("keyed") };
    create(&tenant, &mut hand, "tick", terms, json!({"key": "k", "due": "${{ schedule.due }}"}));
    hand.wait(Duration::from_secs(130));
    assert_eq!(came(&tenant), ["fired", "fired"], "one takes the key of the other");
    let [first, second] = [0, 1].map(|at| started(&tenant)[at].0);
    assert_eq!(hand.settled(first).0, Status::Terminated);
    let id = StopId::draw(hand.now, &mut hand.entropy);
    let on = StopOn::Action(name("start"));
    hand.change(Change::StopSet { id, on, justification: "a look".to_owned() }).unwrap();
    hand.wait(MINUTE);
    assert_eq!(came(&tenant), ["fired", "fired", "denied"]);
    assert!(matches!(hand.row(second).0, "running"), "nothing came for it: {:?}", hand.row(second));
}

#[test]
fn what_is_terminated_by_hand_takes_along_what_sleeps_below_it() {
    let parent = r#"{"name": "parent", "version": 1, "steps": [{"id": "of", "run": {"transaction": "napper"}}]}"#;
    let napper = r#"{"name": "napper", "version": 1, "steps": [{"id": "nap", "run": {"wait": "1h"}}]}"#;
    let tenant = Tenant::new(1, &[parent, napper]);
    let mut hand = tenant.hand(0);
    let terms = Terms { overlap: Overlap::Skip, ..terms("parent") };
    create(&tenant, &mut hand, "tick", terms, json!({"due": "${{ schedule.due }}"}));
    hand.wait(Duration::from_secs(70));
    let child = Scan::transactions(&tenant.store, None, 9).unwrap().iter().find(|row| row.parent.is_some()).unwrap().id;
    assert_eq!(hand.row(child).0, "waiting");
    ask(&tenant, &mut hand, "tick", ScheduleAsk::Trigger { overlap: Some(Overlap::TerminateRunning) }).unwrap();
    assert_eq!(hand.row(child).0, "terminated");
}

/// Nothing of it was handed out, so a cancel ends it at once.
fn finish_first_step_later(hand: &mut Hand) {
    hand.wait(MINUTE);
}

#[test]
fn an_owner_that_may_not_start_is_told_so_and_so_is_the_ledger() {
    let (tenant, mut hand) = ticking(|_| ());
    hand.suspend(&tenant.actor, true);
    let before = hand.size();
    hand.wait(Duration::from_secs(70));
    assert_eq!(kinds(&tenant, before), ["decision.denied", "schedule.skipped"]);
    let denied = head(&tenant, "tick");
    assert!(denied.error.as_ref().unwrap().message.contains("suspended"), "{denied:?}");
    assert_eq!(came(&tenant), ["denied"]);
    hand.suspend(&tenant.actor, false);
    hand.wait(MINUTE);
    assert_eq!((times(&tenant), head(&tenant, "tick").error), (vec![120], None));
}

#[test]
fn what_can_t_be_started_is_said_and_the_next_time_comes() {
    let tenant = Tenant::new(1, &[ONE, KEYED, OPEN]);
    let mut hand = tenant.hand(0);
    let keyed = |input| (terms("keyed"), input);
    for (schedule, (terms, input), expected) in [
        ("gone", (terms("nothing"), json!(null)), "there is no definition `nothing`"),
        ("old", (Terms { version: Some(7), ..terms("one") }, json!(null)), "there is no definition `one` 7"),
        ("open", (terms("open"), json!(null)), "definition `open` is open: what drives it has to begin it"),
        ("bad", keyed(json!({})), "the definition's `key` fails on this input: key: "),
        ("wrong", (terms("one"), json!("${{ schedule.due + 1 }}")), "input: "),
    ] {
        create(&tenant, &mut hand, schedule, terms, input);
        hand.wait(MINUTE);
        let found = head(&tenant, schedule);
        let error = found.error.unwrap().message;
        assert!(error.starts_with(expected), "{schedule}: {error}");
        assert_eq!(found.recent.last().unwrap().came.word(), "failed", "{schedule}");
        assert!(found.next.is_some(), "{schedule} goes on");
        ask(&tenant, &mut hand, schedule, ScheduleAsk::Delete).unwrap();
    }
    assert_eq!(started(&tenant).len(), 0);
    // Somebody else's transaction has the business key.
    hand.start("keyed", json!({"key": "k"}), None, Some("k")).unwrap();
    create(&tenant, &mut hand, "taken", terms("keyed"), json!({"key": "k"}));
    hand.wait(MINUTE);
    let found = head(&tenant, "taken");
    assert_eq!(found.recent.last().unwrap().came.word(), "conflict");
    assert!(found.error.unwrap().message.contains("with the same business key is running"));
}

#[test]
fn the_newest_version_is_started_unless_one_is_named() {
    let (tenant, mut hand) = ticking(|_| ());
    create(
        &tenant,
        &mut hand,
        "first",
        Terms { version: Some(1), ..terms("one") },
        json!({"due": "${{ schedule.due }}"}),
    );
    let second = Definition::parse(ONE.replace("\"version\": 1", "\"version\": 2").as_bytes()).unwrap();
    hand.change(Change::Register(Arc::new(second))).unwrap();
    // A new owner has neither in memory.
    let mut hand = tenant.hand_at(0, hand.now);
    hand.wait(MINUTE);
    let versions: Vec<u32> =
        Scan::transactions(&tenant.store, None, 9).unwrap().iter().map(|row| row.version).collect();
    assert_eq!(versions.iter().copied().max(), Some(2));
    assert_eq!(versions.iter().copied().min(), Some(1));
}

#[test]
fn somebody_may_have_it_start_out_of_turn() {
    let (tenant, mut hand) = ticking(|terms| terms.overlap = Overlap::Skip);
    let trigger = |overlap| ScheduleAsk::Trigger { overlap };
    let Response::Triggered(Some(first)) = ask(&tenant, &mut hand, "tick", trigger(None)).unwrap() else { panic!() };
    let due = head(&tenant, "tick").next;
    assert_eq!(due, Some(START.plus(MINUTE)), "its turn is where it was");
    let refused = ask(&tenant, &mut hand, "tick", trigger(None)).unwrap_err();
    assert!(matches!(refused, Refusal::Overlaps(id) if id == first), "{refused}");
    hand.now = hand.now.plus(Duration::from_secs(1));
    let second = ask(&tenant, &mut hand, "tick", trigger(Some(Overlap::Allow))).unwrap();
    assert!(matches!(second, Response::Triggered(Some(id)) if id != first));
    hand.now = hand.now.plus(Duration::from_secs(1));
    let waits = ask(&tenant, &mut hand, "tick", trigger(Some(Overlap::BufferOne))).unwrap();
    assert!(matches!(waits, Response::Triggered(None)));
    finish(&mut hand);
    hand.run();
    assert_eq!(started(&tenant).len(), 3);
    assert!(matches!(ask(&tenant, &mut hand, "nothing", trigger(None)), Err(Refusal::NotFound(_))));
    // Two at once are two.
    hand.wait(Duration::from_secs(2));
    finish(&mut hand);
    let both = [Some(Overlap::Allow); 2].map(|overlap| {
        let command = ScheduleCommand { actor: tenant.actor.id, name: name("tick"), ask: trigger(overlap) };
        hand.push(Command::Schedule(Box::new(command)))
    });
    hand.run();
    let ids = both.map(|to| match hand.answer_of(to) {
        Some(Ok(Response::Triggered(Some(id)))) => id,
        other => panic!("{other:?}"),
    });
    // At the same instant they are one time, which is started for once.
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn changes_are_entries_and_each_is_refused_where_it_makes_no_sense() {
    let (tenant, mut hand) = ticking(|_| ());
    let given = || (Box::new(terms("one")), Document::shared(json!(1)));
    let (new, input) = given();
    let again = ask(&tenant, &mut hand, "tick", ScheduleAsk::Create { terms: new, input }).unwrap_err();
    assert_eq!(again.to_string(), "schedule `tick` exists already");
    let past = Terms { when: When::At(START), ..terms("one") };
    let past = ScheduleAsk::Create { terms: Box::new(past), input: Document::shared(json!(null)) };
    let past = ask(&tenant, &mut hand, "late", past).unwrap_err();
    assert_eq!(past.to_string(), "it would never be due: all its times are past");
    let before = hand.size();
    let (new, input) = given();
    let resume = || ScheduleAsk::Resume { note: String::new() };
    let pause = || ScheduleAsk::Pause { note: "a test".to_owned() };
    assert_eq!(ask(&tenant, &mut hand, "tick", resume()).unwrap_err().to_string(), "the schedule is not paused");
    ask(&tenant, &mut hand, "tick", pause()).unwrap();
    assert_eq!(ask(&tenant, &mut hand, "tick", pause()).unwrap_err().to_string(), "the schedule is paused");
    ask(&tenant, &mut hand, "tick", ScheduleAsk::Set { terms: new, input }).unwrap();
    hand.wait(Duration::from_secs(200));
    assert_eq!((started(&tenant).len(), head(&tenant, "tick").next), (0, None), "it stays paused");
    ask(&tenant, &mut hand, "tick", resume()).unwrap();
    ask(&tenant, &mut hand, "tick", ScheduleAsk::Delete).unwrap();
    let kinds = kinds(&tenant, before);
    assert_eq!(kinds, ["schedule.paused", "schedule.changed", "schedule.resumed", "schedule.deleted"]);
    assert_eq!(Scan::schedules(&tenant.store, None, 9).unwrap(), []);
    hand.wait(Duration::from_secs(200));
    assert_eq!(started(&tenant).len(), 0);
    // Made and deleted in one batch there is no row of it.
    let (new, input) = given();
    for step in [ScheduleAsk::Create { terms: new, input }, ScheduleAsk::Delete] {
        let command = ScheduleCommand { actor: tenant.actor.id, name: name("brief"), ask: step };
        hand.push(Command::Schedule(Box::new(command)));
    }
    hand.run();
    assert_eq!(Scan::schedules(&tenant.store, None, 9).unwrap(), []);
}

#[test]
fn many_that_are_due_at_once_are_all_started() {
    let tenant = Tenant::new(1, &[ONE, KEYED, OPEN]);
    let mut hand = tenant.hand(0);
    for number in 0..100 {
        create(&tenant, &mut hand, &format!("s{number:02}"), terms("one"), json!({"due": "${{ schedule.due }}"}));
    }
    hand.wait(MINUTE);
    assert_eq!(times(&tenant), vec![60; 100]);
    hand.wait(Duration::from_secs(1));
    assert_eq!(started(&tenant).len(), 100);
}
