//! Steps that poll.

use super::{Run, check};
use chancery_base::limits::{BATCH_TIMEOUTS_MAX, TRANSACTION_ENTRIES_MAX};
use chancery_base::{Document, Timestamp};
use chancery_engine::{
    Answer, Authorization, Event, Failure, Given, Offer, Parts, Phase, ShownStatus, Status, StepError, StepStatus,
    Transaction,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const JOB: &str = "
name: job
version: 1
steps:
  - {id: a, run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}}}
  - id: build
    after: [a]
    run: {worker: w}
    with: {at: '${{ now }}'}
    until: '${{ steps.build.output.n >= 3 }}'
    every: 10s
    at_most: 3
    retry: {attempts: 2, backoff: 1s, jitter: 0}
    set: {built: '${{ steps.build.output.n }}'}
    compensate: {run: {worker: u}, with: {n: '${{ steps.build.?output.?n }}'}}
  - {id: z, after: [build], run: {worker: w}, retry: {attempts: 1}, with: '${{ vars.built }}'}
output: '${{ steps.build.output }}'
";

const PAST: &str = "
name: past
version: 1
steps:
  - {id: x, run: {worker: w}, pivot: true, until: '${{ steps.x.output.n == 9 }}', every: 10s, at_most: 2}
";

const FAN: &str = "
name: fan
version: 1
steps:
  - id: ship
    each: '${{ input.l }}'
    run: {worker: w}
    until: '${{ steps.ship.output.n == item + index }}'
    every: 1s
    compensate: {run: {worker: u}}
output: '${{ steps.ship.output }}'
";

fn ran(yaml: &str, input: Value, script: &str) -> Run {
    let mut run = Run::new(yaml, input);
    script.split("; ").for_each(|line| run.act(line));
    run.assert_replays();
    run
}

fn job(script: &str) -> Run {
    ran(JOB, json!({}), script)
}

/// What a step that is out was offered with.
fn offer(run: &Run, step: &str, phase: Phase) -> Offer {
    run.transaction.offer(run.step(step), phase).unwrap()
}

#[test]
fn a_round_follows_a_round_until_one_is_enough() {
    check(
        JOB,
        json!({}),
        "ok a; gives build 1; wait 9s; wait 1s; gives build 2; wait 1d; gives build 3; ok z",
        "dispatched a, completed a, dispatched build, polled build, timer fired build, dispatched build, polled build, \
         timer fired build, dispatched build, completed build, dispatched z, completed z, completed",
    );
    let mut run = job("ok a; gives build 3");
    let z = run.events.last().unwrap().event.clone();
    assert!(matches!(&z, Event::Dispatched { input, .. } if *input.value() == json!(3)), "{z:?}");
    run.act("ok z");
    let Event::Ended { output, .. } = &run.events.last().unwrap().event else { panic!("{}", run.told()) };
    assert_eq!(output.as_ref().unwrap().value(), &json!({ "n": 3 }));
}

#[test]
fn between_two_rounds_it_waits_as_what_waits_for_a_time_does() {
    let mut run = job("ok a; gives build 1");
    let due = run.now.plus(Duration::from_secs(10));
    let build = run.step("build");
    let state = run.transaction.state(build).unwrap().clone();
    assert_eq!((state.status, state.rounds, state.output_seq), (StepStatus::Waiting, 1, None));
    assert_eq!((run.transaction.status(), run.transaction.shown()), (Status::Running, ShownStatus::Waiting));
    assert_eq!((run.transaction.wake_at(), run.transaction.look(run.now).wake), (Some(due), Some(due)));
    run.act("wait 1h");
    let state = run.transaction.state(build).unwrap();
    assert_eq!((state.status, state.ready_at), (StepStatus::Dispatched, Some(run.now)), "however late, once");
    assert_eq!(run.transaction.shown(), ShownStatus::Running);
}

#[test]
fn every_round_has_a_key_and_a_now_of_its_own_and_its_attempts_share_them() {
    let mut run = job("ok a");
    let id = run.transaction.id();
    let first = offer(&run, "build", Phase::Do);
    assert_eq!((first.idempotency_key.as_str(), first.forward_key), (format!("{id}/build").as_str(), None));
    run.act("gives build 1");
    run.act("wait 10s");
    let second = offer(&run, "build", Phase::Do);
    assert_eq!(second.idempotency_key, format!("{id}/build~2"));
    assert_eq!(second.forward_key, Some(format!("{id}/build")), "what it is asked for is still the same");
    assert_eq!(second.input.value(), &json!({ "at": run.now.to_string() }));
    assert!(matches!(second.authorization, Authorization::Ask { .. }), "each attempt is decided");
    run.act("fail build");
    run.act("wait 1s");
    let again = offer(&run, "build", Phase::Do);
    assert_eq!((again.idempotency_key, again.input), (second.idempotency_key, second.input));
    assert_eq!(run.transaction.dispatched(run.step("build"), Phase::Do).unwrap().0, 3, "attempts are counted through");
}

#[test]
fn after_its_last_round_it_has_failed_and_is_undone() {
    let told = "dispatched a, completed a, dispatched build, polled build, timer fired build, dispatched build, \
                polled build, timer fired build, dispatched build, polled build, attempt failed build, \
                undo dispatched build, undo completed build, undo dispatched a, undo completed a, compensated";
    let rounds = "ok a; gives build 1; wait 10s; gives build 1; wait 10s; gives build 2";
    check(JOB, json!({}), &format!("{rounds}; undone build; undone a"), told);
    let run = job(rounds);
    let state = run.transaction.state(run.step("build")).unwrap();
    assert_eq!((state.status, state.rounds, state.unknown), (StepStatus::Unknown, 3, false));
    let error = state.error.as_ref().unwrap();
    assert_eq!(error.r#type, StepError::POLL_EXHAUSTED);
    assert_eq!(error.message, "none of 3 rounds was enough: `until` never became true");
    let failed = |event: &Event| matches!(event, Event::AttemptFailed { failure: Failure::Exhausted, .. });
    assert!(run.events.iter().any(|staged| failed(&staged.event)));
    let undo = offer(&run, "build", Phase::Undo);
    assert_eq!((undo.input.value(), undo.forward_unknown), (&json!({}), true));
    assert_eq!(undo.forward_key, Some(format!("{}/build", run.transaction.id())));
}

#[test]
fn retries_are_counted_in_each_round() {
    check(
        JOB,
        json!({}),
        "ok a; fail build; wait 1s; gives build 1; wait 10s; fail build; wait 1s; gives build 3; ok z",
        "dispatched a, completed a, dispatched build, again build, dispatched build, polled build, timer fired build, \
         dispatched build, again build, dispatched build, completed build, dispatched z, completed z, completed",
    );
    // A round whose attempts are used up fails the step, of which something was done before.
    check(
        JOB,
        json!({}),
        "ok a; gives build 1; wait 10s; fail build; wait 1s; fail build; undone build; undone a",
        "dispatched a, completed a, dispatched build, polled build, timer fired build, dispatched build, again build, \
         dispatched build, attempt failed build, undo dispatched build, undo completed build, undo dispatched a, \
         undo completed a, compensated",
    );
    // Before a first round is done, nothing was.
    check(
        JOB,
        json!({}),
        "ok a; fail build; wait 1s; fail build; undone a",
        "dispatched a, completed a, dispatched build, again build, dispatched build, attempt failed build, \
         undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn what_may_have_been_done_in_a_round_stays_unknown() {
    let run = job("ok a; unknown build; wait 1s; gives build 1; wait 10s; gives build 2");
    assert!(run.transaction.state(run.step("build")).unwrap().unknown);
    // Lapsed, or without an answer, in a later round.
    for (script, error) in [
        ("ok a; gives build 1; pause; wait 10s; resume; lapse build; wait 1s; lapse build", "LeaseLapsed"),
        ("ok a; gives build 1; wait 10s; wait 30s; wait 1s; wait 30s", "Timeout"),
    ] {
        let run = job(script);
        let state = run.transaction.state(run.step("build")).unwrap();
        assert_eq!((state.status, state.error.as_ref().unwrap().r#type.as_str()), (StepStatus::Unknown, error));
    }
}

/// A round that is not handed out, for a denial or for want of a worker.
#[test]
fn a_round_that_does_not_begin_leaves_what_the_others_did() {
    for denied in [true, false] {
        let mut run = job("ok a; gives build 1");
        let build = run.step("build");
        run.now = run.now.plus(Duration::from_secs(10));
        run.cx(Transaction::time_out).unwrap();
        let decision = run.transaction.state(build).unwrap().decision.unwrap();
        if denied {
            run.act("deny build");
        } else {
            run.act("wait 300s");
        }
        let state = run.transaction.state(build).unwrap();
        assert_eq!((state.status, state.decision), (StepStatus::Unknown, Some(decision)), "denied: {denied}");
        run.act("undone build");
        run.act("undone a");
        run.assert_replays();
        assert_eq!(run.transaction.status(), Status::Compensated);
    }
}

#[test]
fn a_cancel_ends_the_wait_for_a_round_and_undoes_the_rounds_before() {
    check(
        JOB,
        json!({}),
        "ok a; gives build 1; cancel; undone build; undone a",
        "dispatched a, completed a, dispatched build, polled build, cancel requested, undo dispatched build, \
         undo completed build, undo dispatched a, undo completed a, cancelled",
    );
    // What is out comes in, and no round comes after it.
    check(
        JOB,
        json!({}),
        "ok a; cancel; gives build 1; undone build; undone a",
        "dispatched a, completed a, dispatched build, cancel requested, polled build, attempt failed build, \
         undo dispatched build, undo completed build, undo dispatched a, undo completed a, cancelled",
    );
    check(
        JOB,
        json!({}),
        "ok a; cancel; gives build 3; undone build; undone a",
        "dispatched a, completed a, dispatched build, cancel requested, completed build, undo dispatched build, \
         undo completed build, undo dispatched a, undo completed a, cancelled",
    );
}

#[test]
fn a_pause_lets_no_round_begin() {
    let mut run = job("ok a; pause; gives build 1; wait 1h");
    assert_eq!(run.transaction.shown(), ShownStatus::Paused);
    assert_eq!(run.transaction.state(run.step("build")).unwrap().status, StepStatus::Waiting);
    let told = run.told();
    run.act("resume");
    assert_eq!(run.told(), format!("{told}, unpaused, timer fired build, dispatched build"), "at once");
    run.act("gives build 3");
    run.assert_replays();
}

#[test]
fn until_that_fails_fails_the_step_of_which_something_was_done() {
    let run = job("ok a; ok build");
    let state = run.transaction.state(run.step("build")).unwrap();
    assert_eq!((state.status, state.rounds), (StepStatus::Unknown, 0));
    let error = state.error.as_ref().unwrap();
    assert_eq!((error.r#type.as_str(), error.is_final), (StepError::BAD_EXPRESSION, true));
    assert!(error.message.starts_with("until: "), "{}", error.message);
    let number = JOB.replace(">= 3 }}'", "}}'");
    let run = ran(&number, json!({}), "ok a; gives build 1");
    let error = run.transaction.state(run.step("build")).unwrap().error.clone().unwrap();
    assert!(error.message.starts_with("until: "), "{}", error.message);
}

#[test]
fn past_a_pivot_a_person_gives_it_as_many_rounds_again() {
    let mut run = ran(PAST, json!({}), "gives x 1; wait 10s; gives x 1");
    assert_eq!(run.transaction.status(), Status::Parked);
    run.act("retry");
    assert!(run.transaction.offer(run.step("x"), Phase::Do).unwrap().idempotency_key.ends_with("/x~3"));
    run.act("gives x 1");
    assert_eq!((run.transaction.status(), run.transaction.shown()), (Status::Running, ShownStatus::Waiting));
    run.act("wait 10s");
    run.act("gives x 1");
    assert_eq!(run.transaction.status(), Status::Parked);
    run.act("resolve x");
    run.assert_replays();
    assert_eq!(run.transaction.status(), Status::Completed);
}

#[test]
fn a_target_that_reports_later_polls_as_well() {
    check(
        JOB,
        json!({}),
        "ok a; accept build; gives build 1; wait 10s; accept build; gives build 3; ok z",
        "dispatched a, completed a, dispatched build, accepted build, polled build, timer fired build, \
         dispatched build, accepted build, completed build, dispatched z, completed z, completed",
    );
}

#[test]
fn clones_poll_one_by_one() {
    let mut run = ran(FAN, json!({ "l": [1, 1] }), "gives ship[0] 1; gives ship[1] 1");
    let told = "started, expanded ship, dispatched ship[0], dispatched ship[1], completed ship[0], polled ship[1]";
    assert_eq!(run.told(), told);
    run.act("wait 1s");
    let second = run.transaction.offer(run.step("ship[1]"), Phase::Do).unwrap();
    assert_eq!(second.idempotency_key, format!("{}/ship[1]~2", run.transaction.id()));
    run.act("gives ship[1] 2");
    run.assert_replays();
    let Event::Ended { output, .. } = &run.events.last().unwrap().event else { panic!("{}", run.told()) };
    assert_eq!(output.as_ref().unwrap().value(), &json!([{ "n": 1 }, { "n": 2 }]));
}

#[test]
fn rounds_that_are_due_together_begin_so_many_at_once() {
    let list = vec![7; BATCH_TIMEOUTS_MAX + 5];
    let mut run = Run::new(&FAN.replace("version: 1", "version: 1\nconcurrency: 1000"), json!({ "l": list }));
    loop {
        let out: Vec<_> = run.transaction.out().collect();
        if out.is_empty() {
            break;
        }
        for (node, _) in out {
            let name = run.transaction.definition().name_of(node).unwrap();
            run.answer(&name, Phase::Do, Answer::Completed(Document::shared(json!({ "n": 0 }))));
        }
        run.hand_out();
    }
    run.now = run.now.plus(Duration::from_secs(2));
    let before = run.events.len();
    run.cx(Transaction::time_out).unwrap();
    assert_eq!((run.events.len() - before, run.transaction.is_overdue(run.now)), (BATCH_TIMEOUTS_MAX, true));
    run.cx(Transaction::time_out).unwrap();
    assert_eq!((run.events.len() - before, run.transaction.is_overdue(run.now)), (BATCH_TIMEOUTS_MAX + 5, false));
}

/// Neither what is kept of a step nor what it is loaded from grows with its rounds.
#[test]
fn a_long_poll_costs_no_more_than_a_short_one() {
    let mut run = Run::new(&PAST.replace("at_most: 2", "at_most: 30000"), json!({}));
    let x = run.step("x");
    let body = |run: &Run| serde_json::to_string(run.transaction.state(x).unwrap()).unwrap();
    run.act("gives x 1");
    let short = body(&run);
    for _ in 0..2_000 {
        run.act("wait 10s");
        run.act("gives x 1");
        run.events.drain(1..);
    }
    assert_eq!(run.transaction.state(x).unwrap().rounds, 2_001);
    assert!(body(&run).len() <= short.len() + 16, "{short}\n{}", body(&run));
    let parts = Parts {
        definition: Arc::clone(run.transaction.definition()),
        head: run.transaction.head().clone(),
        nodes: vec![(x, run.transaction.state(x).unwrap().clone(), None)],
        declared: Vec::new(),
        given: Given::of_input(Document::shared(json!({}))),
        kept: Vec::new(),
    };
    let mut loaded = Transaction::from_parts(parts).unwrap();
    let due = loaded.wake_at().unwrap();
    assert_eq!((loaded.shown(), due), (ShownStatus::Waiting, run.now.plus(Duration::from_secs(10))));
    let early = Timestamp::from_micros(due.as_micros() - 1);
    assert!(!loaded.is_overdue(early) && loaded.is_overdue(due));
    let event = Event::TimerFired { node: Some(x) };
    loaded.clone().apply(&event, early, 1).unwrap_err();
    loaded.apply(&event, due, 1).unwrap();
    loaded.apply(&event, due, 2).unwrap_err();
    assert!(loaded.offer(x, Phase::Do).unwrap().idempotency_key.ends_with("/x~2002"));
    assert!(run.transaction.head().entries < TRANSACTION_ENTRIES_MAX);
}
