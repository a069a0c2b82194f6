//! Faults that a start asks for.

use super::{CHAIN, Run};
use chancery_base::limits::{FAULT_ATTEMPTS_MAX, FAULT_DELAY_MAX, FAULT_MESSAGE_BYTES_MAX, FAULTS_MAX};
use chancery_engine::definition::Definition;
use chancery_engine::{Event, Fault, FaultKind, Phase, ShownStatus, StepError};
use std::time::Duration;

const TCC: &str = "
name: seats
version: 1
kind: tcc
participants:
  - {id: seat, try: {run: {worker: w}}, confirm: {run: {worker: c}, retry: {attempts: 2, backoff: 1s, jitter: 0}}, cancel: {run: {worker: u}}}
";

const FAN: &str = "
name: fan
version: 1
steps:
  - {id: ship, each: '${{ [1, 2] }}', run: {worker: w}, retry: {attempts: 2, backoff: 1s, jitter: 0}}
  - {id: rest, run: {wait: 1s}}
";

fn at(step: &str, fault: FaultKind) -> Fault {
    Fault { attempts: Some(vec![1]), fault, phase: Phase::Do, step: step.to_owned() }
}

fn error(r#type: &str) -> FaultKind {
    FaultKind::Error { error: StepError::new(r#type, "as asked"), unknown: false }
}

fn delay(delay: Duration) -> FaultKind {
    FaultKind::Delay { us: u64::try_from(delay.as_micros()).unwrap() }
}

#[track_caller]
fn check(yaml: &str, faults: Vec<Fault>, script: &str, expected: &str) -> Run {
    let mut run = Run::faulty(yaml, faults);
    for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        run.act(line);
    }
    assert_eq!(run.told().strip_prefix("started, ").unwrap_or_default(), expected, "\nscript: {script}");
    run.assert_replays();
    run
}

fn errors(run: &Run) -> Vec<(&str, bool)> {
    let errors = run
        .events
        .iter()
        .filter_map(|staged| if let Event::AttemptFailed { error, .. } = &staged.event { Some(error) } else { None });
    errors.map(|error| (error.r#type.as_str(), error.injected)).collect()
}

#[test]
fn an_attempt_fails_as_asked_and_the_next_is_handed_out() {
    let run = check(
        CHAIN,
        vec![at("a", error("Declined"))],
        "wait 1s; ok a; ok b; ok c",
        "dispatched a, again a, dispatched a, completed a, dispatched b, completed b, dispatched c, completed c, \
         completed",
    );
    assert_eq!(errors(&run), [("Declined", true)]);
}

#[test]
fn every_attempt_fails_and_what_was_done_is_undone() {
    let fault = Fault { attempts: None, ..at("b", error("Down")) };
    check(
        CHAIN,
        vec![fault],
        "ok a; undone a",
        "dispatched a, completed a, dispatched b, attempt failed b, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_final_error_is_not_tried_again() {
    let error = FaultKind::Error { error: StepError::fatal("Closed", "for good"), unknown: false };
    check(CHAIN, vec![at("a", error)], "", "dispatched a, attempt failed a, failed");
}

#[test]
fn what_is_unknown_is_undone() {
    let error = FaultKind::Error { error: StepError::new("Cut", "no answer"), unknown: true };
    check(
        CHAIN,
        vec![Fault { attempts: None, ..at("a", error) }],
        "wait 1s; undone a",
        "dispatched a, again a, dispatched a, attempt failed a, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_lost_answer_is_unknown_and_tried_again() {
    let run = check(
        CHAIN,
        vec![at("a", FaultKind::LoseAnswer)],
        "ok a; wait 1s; ok a; ok b; ok c",
        "dispatched a, again a, dispatched a, completed a, dispatched b, completed b, dispatched c, completed c, \
         completed",
    );
    assert_eq!(errors(&run), [(StepError::ANSWER_LOST, true)]);
    assert!(run.transaction.state(run.step("a")).unwrap().unknown);
    let run = check(
        CHAIN,
        vec![at("a", FaultKind::LoseAnswer), at("b", FaultKind::LoseAnswer)],
        "fail a; wait 1s; ok a; lapse b; undone b; undone a",
        "dispatched a, again a, dispatched a, completed a, dispatched b, attempt failed b, undo dispatched b, \
         undo completed b, undo dispatched a, undo completed a, compensated",
    );
    // What no answer came of lapsed by itself.
    assert_eq!(errors(&run), [(StepError::ANSWER_LOST, true), (StepError::LEASE_LAPSED, false)]);
}

#[test]
fn a_repeat_is_a_call_more_than_the_attempts_that_are_allowed() {
    const ONE: &str = "
name: one
version: 1
steps:
  - {id: a, run: {worker: w}, retry: {attempts: 1, backoff: 1s, jitter: 0}, compensate: {run: {worker: u}, retry: {attempts: 1, backoff: 1s, jitter: 0}}}
";
    let twice = Fault { attempts: Some(vec![1, 2]), ..at("a", FaultKind::Repeat) };
    let run = check(
        ONE,
        vec![twice.clone()],
        "ok a; wait 1s; fail a; wait 1s; ok a",
        "dispatched a, again a, dispatched a, again a, dispatched a, completed a, completed",
    );
    assert_eq!(errors(&run), [(StepError::ANSWER_LOST, true), (StepError::ANSWER_LOST, true)]);
    // The one attempt that counts fails, and what was done before it is undone.
    check(
        ONE,
        vec![twice, Fault { phase: Phase::Undo, ..at("a", FaultKind::Repeat) }],
        "ok a; wait 1s; ok a; wait 1s; fail a; undone a; wait 1s; undone a",
        "dispatched a, again a, dispatched a, again a, dispatched a, attempt failed a, undo dispatched a, \
         again a, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_delay_counts_from_when_the_attempt_would_be_handed_out() {
    let second = Fault { attempts: Some(vec![2]), ..at("a", delay(Duration::from_secs(2))) };
    let mut run = Run::faulty(CHAIN, vec![at("a", delay(Duration::from_secs(5))), second]);
    assert_eq!((run.told(), run.transaction.shown()), ("started".to_owned(), ShownStatus::Running));
    assert_eq!(run.transaction.wake_at(), Some(run.now.plus(Duration::from_secs(5))));
    run.act("wait 4s");
    assert_eq!(run.told(), "started");
    run.act("wait 1s");
    assert_eq!(run.told(), "started, dispatched a");
    // Its backoff of a second, and two more.
    run.act("fail a");
    assert_eq!(run.transaction.wake_at(), Some(run.now.plus(Duration::from_secs(3))));
    run.act("wait 2s");
    assert_eq!(run.told(), "started, dispatched a, again a");
    run.act("wait 1s");
    assert_eq!(run.told(), "started, dispatched a, again a, dispatched a");
    run.assert_replays();
}

#[test]
fn an_undo_is_delayed_and_fails_as_asked() {
    let undo = |fault| Fault { phase: Phase::Undo, ..at("a", fault) };
    check(
        CHAIN,
        vec![undo(delay(Duration::from_secs(5))), at("b", error("Down")), undo(error("Stuck"))],
        "ok a; wait 4s; wait 1s; retry; undone a",
        "dispatched a, completed a, dispatched b, attempt failed b, undo dispatched a, undo attempt failed a, parked a, \
         resumed a, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_confirm_loses_its_answer() {
    let fault = Fault { phase: Phase::Confirm, ..at("seat", FaultKind::LoseAnswer) };
    let run = check(
        TCC,
        vec![fault],
        "ok seat; confirmed seat; wait 1s; confirmed seat",
        "dispatched seat, completed seat, confirming, confirm dispatched seat, again seat, confirm dispatched seat, \
         confirm completed seat, completed",
    );
    assert_eq!(errors(&run), [(StepError::ANSWER_LOST, true)]);
}

#[test]
fn a_fault_is_of_all_clones_or_of_one() {
    let failed = |fault: Fault| {
        let run = Run::faulty(FAN, vec![fault]);
        errors(&run).len()
    };
    assert_eq!((failed(at("ship", error("Down"))), failed(at("ship[1]", error("Down")))), (2, 1));
}

#[track_caller]
fn refused(yaml: &str, faults: &[Fault], expected: &str) {
    let definition = Definition::parse(yaml.as_bytes()).unwrap();
    let refused = Fault::check_all(faults, &definition).map_err(|bad| bad.to_string());
    assert_eq!(refused.unwrap_err(), expected);
}

#[test]
fn what_can_not_happen_is_refused() {
    let (lose, long) = (FaultKind::LoseAnswer, "x".repeat(FAULT_MESSAGE_BYTES_MAX + 1));
    let most = vec![at("a", lose.clone()); FAULTS_MAX];
    assert!(Fault::check_all(&most, &Definition::parse(CHAIN.as_bytes()).unwrap()).is_ok());
    refused(CHAIN, &vec![at("a", lose.clone()); FAULTS_MAX + 1], "faults: 33 faults, at most 32 are allowed");
    let faults = [at("a", lose.clone()), at("z", lose.clone())];
    refused(CHAIN, &faults, "faults[1].step: the definition `chain` has no step `z`");
    refused(CHAIN, &[at("a[1]", lose.clone())], "faults[0].step: step `a` does not fan out: it has no clones");
    refused(FAN, &[at("rest", lose.clone())], "faults[0].step: step `rest` waits: no attempt of it is handed out");
    let undo = Fault { phase: Phase::Undo, ..at("c", lose.clone()) };
    refused(CHAIN, &[undo], "faults[0].phase: step `c` has no `undo`");
    let none = Fault { attempts: Some(Vec::new()), ..at("a", lose.clone()) };
    refused(CHAIN, &[none], "faults[0].attempts: name 1 to 32 attempts, or say `all`");
    let many = Fault { attempts: Some(vec![1; FAULT_ATTEMPTS_MAX + 1]), ..at("a", lose.clone()) };
    refused(CHAIN, &[many], "faults[0].attempts: name 1 to 32 attempts, or say `all`");
    let before = Fault { attempts: Some(vec![0]), ..at("a", lose) };
    refused(CHAIN, &[before], "faults[0].attempts: attempts are 1 to 1000, not 0");
    refused(CHAIN, &[at("a", error(""))], "faults[0].fault.error.type: an error's type has 1 to 128 bytes");
    let endless = Fault { attempts: None, ..at("a", FaultKind::Repeat) };
    let message = "faults[0].attempts: a repeat of all attempts never ends: name the attempts that are repeated";
    refused(CHAIN, &[endless], message);
    let once = "{name: o, version: 1, steps: [{id: a, run: {worker: w}, retry: {attempts: once}}]}";
    let message = "faults[0].fault: step `a` says `attempts: once`: it is not called twice";
    refused(once, &[at("a", FaultKind::Repeat)], message);
    let parent = "{name: p, version: 1, steps: [{id: a, run: {transaction: o}}]}";
    let message = "faults[0].step: step `a` runs a transaction: no attempt of it is handed out";
    refused(parent, &[at("a", FaultKind::Repeat)], message);
    let told = "{name: t, version: 1, steps: [{id: a, run: {emit: {type: a.b}}}]}";
    let message = "faults[0].step: nobody is called for step `a`: no attempt of it is handed out";
    refused(told, &[at("a", FaultKind::LoseAnswer)], message);
    let wordy = FaultKind::Error { error: StepError::new("Down", long), unknown: false };
    refused(CHAIN, &[at("a", wordy)], "faults[0].fault.error.message: at most 256 bytes are allowed");
    for wrong in [Duration::ZERO, FAULT_DELAY_MAX + Duration::from_secs(1)] {
        refused(CHAIN, &[at("a", delay(wrong))], "faults[0].fault.delay: a delay is longer than 0 and at most `1d`");
    }
}
