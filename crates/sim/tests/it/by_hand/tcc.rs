//! TCCs whose owner dies at every commit, before it and after it: they end as if nothing had happened.

use super::crash::Drive;
use super::hand::{Hand, Tenant, output};
use super::watch::Death;
use chancery_engine::{Phase, StepError};
use chancery_shard::input::*;
use chancery_sim::Judge;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What its participants answer.
type Script = fn(&Task) -> ReportedOutcome;

fn definition(mode: &str) -> String {
    let participant = |id: &str, optional: bool| {
        let closing = json!({"run": {"worker": "undo"}, "retry": {"attempts": 2, "backoff": "0ms"}});
        json!({"id": id, "optional": optional, "try": {"run": {"worker": "w"}}, "confirm": closing, "cancel": closing})
    };
    let participants = [participant("a", false), participant("b", true), participant("c", false)];
    let output = json!({"c": "${{ steps.c.output.of }}"});
    json!({
        "name": "trip", "version": 1, "kind": "tcc", "mode": mode, "participants": participants, "output": output,
    })
    .to_string()
}

fn failed() -> ReportedOutcome {
    ReportedOutcome::Failed(StepError::new("Full", "no room"))
}

fn done(task: &Task) -> ReportedOutcome {
    output(json!({"of": task.step.as_str()}))
}

/// Every way in which it may go, with what its row and those of its participants say in the end.
const WAYS: [(&str, Script, [&str; 4]); 5] = [
    ("all is confirmed", done, ["completed", "confirm_completed", "confirm_completed", "confirm_completed"]),
    (
        "the third try fails",
        |task| if task.step.as_str() == "c" && task.phase == Phase::Do { failed() } else { done(task) },
        ["compensated", "undo_completed", "undo_completed", "failed"],
    ),
    (
        "the second, which is optional, is unknown",
        |task| match (task.step.as_str(), task.phase) {
            ("b", Phase::Do) => ReportedOutcome::Unknown(StepError::new("Cut", "")),
            _ => done(task),
        },
        ["completed", "confirm_completed", "undo_completed", "confirm_completed"],
    ),
    (
        "every confirm fails at first",
        |task| if task.phase == Phase::Confirm && task.attempt == 1 { failed() } else { done(task) },
        ["completed", "confirm_completed", "confirm_completed", "confirm_completed"],
    ),
    (
        "a confirm fails for good",
        |task| if task.phase == Phase::Confirm && task.step.as_str() == "a" { failed() } else { done(task) },
        ["parked", "confirm_failed", "confirm_completed", "confirm_completed"],
    ),
];

/// Runs it to its end; gives what the rows say, the kinds of entries, and how many commits it took.
fn drive(mode: &str, script: Script, dies: Option<(usize, Death)>) -> (Vec<&'static str>, Vec<String>, usize) {
    let tenant = Tenant::new(1, &[&definition(mode)]);
    let judge = Judge::new(tenant.definition("trip"), &json!({}), &[], None).unwrap();
    let mut drive = Drive::new(tenant, judge, dies);
    // Who gets no answer starts again under the same key.
    let id = drive.insist(|hand| hand.start("trip", json!({}), Some("k"), None));
    for _ in 0..100 {
        if drive.is_settled() {
            assert_eq!(drive.tenant.watch.violation(), None, "{mode}, {dies:?}");
            return (drive.words(id), drive.kinds(), drive.commits());
        }
        // A hand-out that did not arrive lapses, and is another run: here it arrives if it lands.
        let taken = drive.act_heard(Hand::try_take);
        let tasks: Vec<Arc<Task>> = taken.unwrap_or_default();
        for task in &tasks {
            let said = script(task);
            drive.tenant.watch.said(task.token.attempt, &said);
            drive.insist(|hand| hand.try_report(task.token, said.clone()));
        }
        if tasks.is_empty() {
            drive.wait(Duration::from_millis(500));
        }
    }
    panic!("it does not end: {:?}", drive.words(id));
}

#[test]
fn a_crash_at_every_entry_boundary_changes_nothing() {
    for mode in ["sequence", "parallel"] {
        for (way, script, words) in WAYS {
            let (undisturbed, kinds, commits) = drive(mode, script, None);
            assert_eq!(undisturbed, words, "{mode}: {way}");
            assert!(commits >= 5, "{mode}: {way}: {commits} commits, {kinds:?}");
            for (at, death) in (0..commits).flat_map(|at| [(at, Death::Before), (at, Death::After)]) {
                let (ended, kinds, _) = drive(mode, script, Some((at, death)));
                let what = format!("{mode}: {way}, {death:?} commit {at}: {kinds:?}");
                assert_eq!(ended, words, "{what}");
                let decided = kinds.iter().position(|kind| kind == "transaction.confirming");
                let confirmed = kinds.iter().position(|kind| kind == "confirm.started");
                assert_eq!(decided.is_some(), confirmed.is_some(), "{what}");
                assert!(decided <= confirmed, "{what}");
                let decisions = kinds.iter().filter(|kind| *kind == "transaction.confirming").count();
                assert!(decisions <= 1, "{what}");
            }
        }
    }
}
