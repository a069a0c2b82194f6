//! The agent of the examples, which drives an open transaction.

use super::{Books, OPEN, Ran, done, refused, retry, tenant, text, work};
use crate::by_hand::crash::Drive;
use crate::by_hand::hand::output;
use crate::by_hand::watch::Death;
use chancery_base::{Document, Name, TransactionId};
use chancery_engine::definition::Classes;
use chancery_engine::{Intent, IntentTarget, IntentUndo, Phase};
use chancery_shard::input::*;
use chancery_sim::{Judge, WrongRule};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// One way in which its trip may go.
#[derive(Debug)]
struct Trip {
    commits: bool,
    /// The step that fails, at which it gives up; or whose undo fails for good once.
    fails: Option<(Phase, &'static str)>,
    ends: &'static str,
}

const TRIPS: [Trip; 6] = [
    Trip { commits: true, fails: None, ends: "completed" },
    Trip { commits: false, fails: None, ends: "cancelled" },
    Trip { commits: false, fails: Some((Phase::Do, "hotel-OSL")), ends: "cancelled" },
    Trip { commits: false, fails: Some((Phase::Do, "flight")), ends: "cancelled" },
    Trip { commits: false, fails: Some((Phase::Undo, "hotel-LIS")), ends: "cancelled" },
    Trip { commits: false, fails: Some((Phase::Undo, "flight")), ends: "cancelled" },
];

/// The steps of an agent, and what came of each; the first found nothing.
fn agent() -> [(Intent, Value); 3] {
    [
        (intent("hotel-OSL", "hotel.release"), Value::Null),
        (intent("hotel-LIS", "hotel.release"), json!({"id": "LIS/1", "price": 240})),
        (intent("flight", "flight.release"), json!({"id": "BER-LIS/1", "price": 120})),
    ]
}

fn intent(step: &str, release: &str) -> Intent {
    let target = IntentTarget::Worker(name(release));
    let undo = IntentUndo { attempts: 3, critical: false, input: None, on_error: None, target, timeout_ms: 30_000 };
    Intent {
        action: name("run"),
        classes: Classes::new(),
        purpose: None,
        resource: None,
        step: name(step),
        timeout_ms: 30_000,
        undo: Some(undo),
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn call(drive: &mut Drive, id: TransactionId, driving: Driving) -> Result<Driven, Refusal> {
    drive.act(|hand| hand.drive(id, driving))
}

/// Runs the agent's program from its beginning.
fn program(
    drive: &mut Drive,
    books: &mut Books,
    (id, driver): (TransactionId, u32),
    trip: &Trip,
) -> Result<(), Refusal> {
    let abort = || Driving::Abort { driver, reason: "it is too dear".to_owned() };
    for (intent, came) in agent() {
        let step = intent.step.clone();
        let input = Document::shared(json!({"of": step.as_str()}));
        let asked = call(drive, id, Driving::Step { driver, intent: Arc::new(intent), input })?;
        if let Driven::Stepped(Stepped::Completed(output)) = &asked {
            assert_eq!(output.value(), &came, "{step}");
            continue;
        }
        let Driven::Stepped(Stepped::Permitted(permit)) = asked else { panic!("{step}: {asked:?}") };
        let fails = trip.fails == Some((Phase::Do, step.as_str()));
        let outcome = if fails { refused() } else { output(came) };
        drive.tenant.watch.permitted(id, &permit);
        drive.tenant.watch.said(permit.token.attempt, &outcome);
        if !fails {
            books.done(permit.idempotency_key);
        }
        let report = Report { task: permit.token, outcome };
        call(drive, id, Driving::Outcome { step, report })?;
        if fails {
            return call(drive, id, abort()).map(drop);
        }
    }
    let commit = || Driving::Commit { driver, output: Document::shared(json!("planned")) };
    call(drive, id, if trip.commits { commit() } else { abort() }).map(drop)
}

/// The agent, which is run again whenever it gets no answer: it takes over, and asks for every step once more.
fn run(trip: &Trip, dies: Option<(usize, Death)>, wrong: Option<WrongRule>) -> Result<Ran, String> {
    let tenant = tenant(&text(OPEN), &["hotel.release", "flight.release"]);
    let (input, script) = (json!({"trip": "t-1"}), agent().map(|(intent, _)| intent));
    let judge = Judge::new(tenant.definition("plan-trip"), &input, &script, wrong).unwrap();
    let mut drive = Drive::new(tenant, judge, dies);
    let id = drive.insist(|hand| hand.start("plan-trip", input.clone(), Some("k"), Some("t-1")));
    let (mut books, mut driver) = (Books::default(), Some(1));
    for _ in 0..150 {
        let is_parked = drive.hand.row(id).0 == "parked";
        if drive.tenant.watch.violation().is_some() || !is_parked && drive.is_settled() {
            return Ran::judged(&drive, (id, &books), BTreeSet::new());
        }
        let ran = driver.map(|driver| program(&mut drive, &mut books, (id, driver), trip));
        driver = match ran {
            // It has ended, or turned: others undo what it did.
            Some(Ok(())) => None,
            Some(Err(_)) => take_over(&mut drive, id),
            None => {
                undo(&mut drive, (id, &mut books), trip);
                None
            }
        };
    }
    panic!("{trip:?}: it does not end: {:?}", drive.words(id));
}

/// Others undo what it did, and a person sees to what can't be.
fn undo(drive: &mut Drive, (id, books): (TransactionId, &mut Books), trip: &Trip) {
    let fails = |task: &Task| task.attempt == 1 && trip.fails == Some((task.phase, task.step.as_str()));
    if drive.hand.row(id).0 == "parked" {
        retry(drive, id);
    } else if work(drive, books, |task| if fails(task) { refused() } else { done(task) }).is_empty() {
        drive.wait(Duration::from_millis(500));
    }
}

/// The number of the next driver; none: the transaction goes forward no more.
fn take_over(drive: &mut Drive, id: TransactionId) -> Option<u32> {
    let again = |drive: &mut Drive| match call(drive, id, Driving::Resume) {
        Ok(Driven::Resumed(resumed)) => Ok(Some(resumed.heard.driver)),
        Err(Refusal::Illegal(_)) => Ok(None),
        other => Err(Box::new(other)),
    };
    again(drive).or_else(|_| again(drive)).unwrap()
}

/// What the reference model says where it is told this rule wrong.
pub(super) fn judged(wrong: WrongRule) -> Option<String> {
    TRIPS.iter().find_map(|trip| run(trip, None, Some(wrong)).err())
}

#[test]
fn an_agent_whose_server_dies_at_any_boundary_ends_the_same() {
    for trip in TRIPS {
        let undisturbed = run(&trip, None, None).unwrap_or_else(|why| panic!("{trip:?}: {why}"));
        let (end, kinds, commits) = (&undisturbed.end, &undisturbed.kinds, undisturbed.commits);
        assert_eq!(end.words[0], trip.ends, "{trip:?}: {kinds:?}");
        assert_eq!(end.books.0.len(), if trip.commits { 3 } else { 0 }, "{end:?}");
        assert!(commits >= 4, "{trip:?}: {commits} commits, {kinds:?}");
        for (at, death) in (0..commits).flat_map(|at| Death::ALL.map(|death| (at, death))) {
            let ran = run(&trip, Some((at, death)), None);
            let ran = ran.unwrap_or_else(|why| panic!("{trip:?}, {death:?} commit {at}: {why}"));
            // What a driver was permitted that is gone may have been done: it is undone, whatever comes of it later.
            let is_failed = matches!(trip.fails, Some((Phase::Do, _)));
            let is_as_good = (ran.end.words[0], &ran.end.books) == (end.words[0], &end.books);
            let is_same = ran.end == *end || (is_failed || death == Death::Unheard) && is_as_good;
            assert!(is_same, "{trip:?}, {death:?} commit {at}: {:?}, not {end:?}: {:?}", ran.end, ran.kinds);
        }
    }
}
