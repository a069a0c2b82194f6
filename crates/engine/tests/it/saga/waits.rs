//! Steps that wait, starts that come later, and pauses.

use super::{Run, check};
use chancery_base::limits::{SIGNAL_IDS_KEPT_MAX, SIGNALS_KEPT_MAX, STEPS_MAX};
use chancery_base::{Document, Timestamp};
use chancery_engine::{Refusal, ShownStatus, Signal, Status, StepStatus};
use serde_json::{Value, json};
use std::time::Duration;

const COOL_OFF: &str = "
name: cool-off
version: 1
steps:
  - {id: reserve, run: {worker: w}, compensate: {run: {worker: u}}}
  - {id: rest, after: [reserve], run: {wait: 1h}}
  - {id: charge, after: [rest], run: {worker: w}, with: {rested: '${{ steps.rest.output }}'}, retry: {attempts: 1}}
";

const APPROVAL: &str = "
name: approval
version: 1
steps:
  - {id: reserve, run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}}}
  - {id: approved, run: {signal: {name: approved, timeout: 3d}}}
  - {id: pay, after: [reserve, approved], run: {worker: w}, with: '${{ steps.approved.output }}'}
output: '${{ steps.approved.output }}'
";

const TWICE: &str = "
name: twice
version: 1
steps:
  - {id: first, run: {signal: {name: go}}}
  - {id: second, after: [first], run: {signal: {name: go}}}
output: ['${{ steps.first.output.of }}', '${{ steps.second.output.of }}']
";

fn signal(name: &str, id: Option<&str>) -> Signal {
    Signal { name: name.parse().unwrap(), id: id.map(str::to_owned), payload: Document::shared(Value::Null) }
}

#[test]
fn a_wait_is_over_at_its_time_and_calls_nobody() {
    check(
        COOL_OFF,
        json!({}),
        "ok reserve; wait 59m; wait 1m; ok charge",
        "dispatched reserve, completed reserve, timer started rest, timer fired rest, dispatched charge, \
         completed charge, completed",
    );
    let mut run = Run::new(COOL_OFF, json!({}));
    run.act("ok reserve");
    assert_eq!(run.transaction.wake_at(), Some(run.now.plus(Duration::from_secs(3_600))));
    assert_eq!((run.transaction.status(), run.transaction.shown()), (Status::Running, ShownStatus::Waiting));
    run.act("wait 59m");
    // What is due has yet to be looked at, however late it is.
    let late = run.now.plus(Duration::from_secs(600));
    assert_eq!(run.transaction.look(late).wake, Some(late));
    run.act("wait 1d");
    assert_eq!(run.transaction.look(run.now).wake.map(|at| at > run.now), Some(true), "the attempt's deadline is next");
    assert_eq!(run.transaction.shown(), ShownStatus::Running);
}

#[test]
fn what_is_past_is_over_at_once() {
    let yaml = COOL_OFF.replace("1h", "'1999-01-01T00:00:00Z'");
    check(
        &yaml,
        json!({}),
        "ok reserve; fail charge; undone reserve",
        "dispatched reserve, completed reserve, timer started rest, timer fired rest, dispatched charge, \
         attempt failed charge, undo dispatched reserve, undo completed reserve, compensated",
    );
}

#[test]
fn a_wait_that_is_none_fails_its_step() {
    let yaml = COOL_OFF.replace("1h", "'${{ input.rest }}'");
    check(
        &yaml,
        json!({"rest": "soon"}),
        "ok reserve; undone reserve",
        "dispatched reserve, completed reserve, attempt failed rest, undo dispatched reserve, undo completed reserve, \
         compensated",
    );
}

#[test]
fn what_no_entry_could_say_is_no_time_to_wait_for() {
    let yaml = COOL_OFF.replace("1h", "'${{ input.rest }}'");
    for (rest, goes) in [("2255-06-05T23:47:34.740992Z", true), ("2255-06-05T23:47:34.740993Z", false)] {
        let mut run = Run::new(&yaml, json!({ "rest": rest }));
        run.act("ok reserve");
        assert_eq!(run.transaction.status(), if goes { Status::Running } else { Status::Compensating }, "{rest}");
    }
}

#[test]
fn a_siblings_three_day_approval_does_not_hold_up_an_undo() {
    let yaml = APPROVAL
        .replace("{id: reserve, ", "{id: stock, run: {worker: w}, compensate: {run: {worker: u}}}\n  - {id: reserve, ");
    check(
        &yaml,
        json!({}),
        "ok stock; fail reserve; undone stock",
        "signal awaited approved, dispatched stock, dispatched reserve, completed stock, attempt failed reserve, \
         undo dispatched stock, undo completed stock, compensated",
    );
    let mut run = Run::new(&yaml, json!({}));
    run.act("fail reserve");
    let approved = run.step("approved");
    assert_eq!(run.transaction.state(approved).unwrap().status, StepStatus::Cancelled, "at once");
    assert_eq!(run.transaction.status(), Status::Compensating, "the other is out");
}

#[test]
fn a_signal_ends_the_wait_for_it_and_is_its_output() {
    let mut run = Run::new(APPROVAL, json!({}));
    run.act("ok reserve");
    assert_eq!(run.transaction.shown(), ShownStatus::Waiting);
    run.act("signal approved");
    run.act("ok pay");
    assert_eq!(
        run.told(),
        "started, signal awaited approved, dispatched reserve, completed reserve, signal received, \
         signal taken approved, dispatched pay, completed pay, completed"
    );
    let output = run.events.last().and_then(|staged| staged.event.output().cloned()).unwrap();
    assert_eq!(output.value(), &json!({"of": "signal approved"}));
    run.assert_replays();
}

#[test]
fn a_signal_that_does_not_come_fails_its_step_unless_it_may() {
    check(
        APPROVAL,
        json!({}),
        "ok reserve; wait 2d; wait 1d; undone reserve",
        "signal awaited approved, dispatched reserve, completed reserve, attempt failed approved, \
         undo dispatched reserve, undo completed reserve, compensated",
    );
    let yaml = APPROVAL
        .replace("timeout: 3d}}}", "timeout: 3d}}, on_failure: continue}")
        .replace("output: '${{ steps.approved.output }}'", "");
    let yaml = yaml.replace("steps.approved.output", "steps.approved.error.type");
    let mut run = Run::new(&yaml, json!({}));
    for line in ["ok reserve", "wait 3d"] {
        run.act(line);
    }
    let pay = run.step("pay");
    assert!(run.transaction.dispatched(pay, chancery_engine::Phase::Do).is_some(), "{}", run.told());
    let offer = run.transaction.offer(pay, chancery_engine::Phase::Do).unwrap();
    assert_eq!(offer.input.value(), &json!("SignalTimeout"));
}

#[test]
fn early_signals_are_kept_and_taken_in_their_order() {
    let mut run = Run::new(TWICE, json!({}));
    run.act("signal go a");
    run.act("signal go b");
    let output = run.events.last().and_then(|staged| staged.event.output().cloned()).unwrap();
    assert_eq!(output.value(), &json!(["signal go a", "signal go b"]));
    run.assert_replays();

    // What waits is given the oldest, and the second step finds the next one there.
    let late = TWICE.replace("- {id: first, run", "- {id: call, run: {worker: w}}\n  - {id: first, after: [call], run");
    check(
        &late,
        json!({}),
        "signal go a; signal go b; ok call",
        "dispatched call, signal received, signal received, completed call, signal awaited first, \
         signal taken first, signal awaited second, signal taken second, completed",
    );
}

#[test]
fn a_signal_with_an_id_that_came_changes_nothing() {
    let mut run = Run::new(TWICE, json!({}));
    run.act("signal go a");
    let size = run.events.len();
    assert_eq!(run.cx(|t, cx| t.signal(signal("go", Some("a")), cx)), Ok(true));
    assert_eq!(run.events.len(), size);
    run.act("signal go");
    assert_eq!(run.transaction.status(), Status::Completed);
    assert_eq!(run.cx(|t, cx| t.signal(signal("go", Some("a")), cx)), Ok(true), "also when it has ended");
    let refused = run.cx(|t, cx| t.signal(signal("go", None), cx));
    assert_eq!(refused, Err(Refusal::Status { operation: "signal", status: Status::Completed }));
}

#[test]
fn signals_have_their_limits() {
    let mut run = Run::new(APPROVAL, json!({}));
    let unknown = run.cx(|t, cx| t.signal(signal("paid", None), cx)).unwrap_err();
    assert_eq!(unknown.to_string(), "no step of the definition waits for a signal `paid`");
    run.act("signal approved");
    for _ in 0..SIGNALS_KEPT_MAX {
        run.act("signal approved");
    }
    assert_eq!(run.cx(|t, cx| t.signal(signal("approved", None), cx)), Err(Refusal::TooManySignals));
    run.act("ok reserve");
    run.act("ok pay");
    assert!(run.transaction.head().signals.is_empty(), "nobody takes them any more");
    run.assert_replays();

    // So many ids are remembered: one before that is taken for new.
    let steps: Vec<String> = (0..=SIGNAL_IDS_KEPT_MAX + 1)
        .map(|n| {
            format!(
                "  - {{id: s{n}, after: [{}], run: {{signal: {{name: go}}}}}}",
                if n == 0 { String::new() } else { format!("s{}", n - 1) }
            )
        })
        .collect();
    let mut run = Run::new(&format!("name: many\nversion: 1\nsteps:\n{}\n", steps.join("\n")), json!({}));
    for n in 0..=SIGNAL_IDS_KEPT_MAX {
        run.act(&format!("signal go {n}"));
    }
    assert_eq!(run.cx(|t, cx| t.signal(signal("go", Some("1")), cx)), Ok(true));
    assert_eq!(run.cx(|t, cx| t.signal(signal("go", Some("0")), cx)), Ok(false));
}

#[test]
fn the_signal_that_is_waited_for_comes_however_many_are_kept() {
    let yaml = TWICE.replace("{signal: {name: go}}}\n  - {id: second", "{signal: {name: first}}}\n  - {id: second");
    let mut run = Run::new(&yaml, json!({}));
    for _ in 0..SIGNALS_KEPT_MAX {
        run.act("signal go");
    }
    assert_eq!(run.cx(|t, cx| t.signal(signal("go", None), cx)), Err(Refusal::TooManySignals));
    run.act("pause");
    assert_eq!(run.cx(|t, cx| t.signal(signal("first", None), cx)), Err(Refusal::TooManySignals), "it would be kept");
    run.act("resume");
    run.act("signal first");
    assert_eq!(run.transaction.status(), Status::Completed);
    run.assert_replays();
}

#[test]
fn nothing_moves_while_it_is_paused() {
    check(
        COOL_OFF,
        json!({}),
        "pause; ok reserve; wait 2h; resume; ok charge",
        "dispatched reserve, paused, completed reserve, timer started rest, unpaused, timer fired rest, \
         dispatched charge, completed charge, completed",
    );
    check(
        APPROVAL,
        json!({}),
        "pause; signal approved; ok reserve; resume; ok pay",
        "signal awaited approved, dispatched reserve, paused, signal received, completed reserve, unpaused, \
         signal taken approved, dispatched pay, completed pay, completed",
    );
    // A target that accepted says so, and reports, to one that is paused, too.
    check(
        COOL_OFF,
        json!({}),
        "pause; accept reserve; ok reserve; resume; wait 1h; ok charge",
        "dispatched reserve, paused, accepted reserve, completed reserve, timer started rest, unpaused, \
         timer fired rest, dispatched charge, completed charge, completed",
    );
    let mut run = Run::new(COOL_OFF, json!({}));
    run.act("pause");
    assert_eq!((run.transaction.shown(), run.transaction.status()), (ShownStatus::Paused, Status::Running));
    assert_eq!(run.cx(|t, cx| t.pause(String::new(), cx)), Err(Refusal::Paused));
    run.act("ok reserve");
    assert_eq!(run.transaction.wake_at(), None, "nothing is out, and nothing fires");
    run.act("resume");
    assert_eq!(run.cx(|t, cx| t.unpause(String::new(), cx)), Err(Refusal::NotPaused));
    assert_eq!(run.transaction.shown(), ShownStatus::Waiting);
}

#[test]
fn a_way_back_can_be_paused_and_its_queue_does_not_run_out() {
    check(
        COOL_OFF,
        json!({}),
        "ok reserve; wait 1h; pause; fail charge; wait 1d; resume; undone reserve",
        "dispatched reserve, completed reserve, timer started rest, timer fired rest, dispatched charge, paused, \
         attempt failed charge, unpaused, undo dispatched reserve, undo completed reserve, compensated",
    );
    let yaml = COOL_OFF.replace("steps:", "concurrency: 1\nsteps:\n  - {id: before, run: {worker: w}}");
    check(
        &yaml,
        json!({}),
        "pause; ok before; wait 4m; wait 4m; resume",
        "dispatched before, paused, completed before, unpaused, dispatched reserve",
    );
}

#[test]
fn a_paused_one_is_cancelled_or_ended_all_the_same() {
    check(
        COOL_OFF,
        json!({}),
        "ok reserve; pause; cancel; undone reserve",
        "dispatched reserve, completed reserve, timer started rest, paused, cancel requested, \
         undo dispatched reserve, undo completed reserve, cancelled",
    );
    check(COOL_OFF, json!({}), "pause; terminate", "dispatched reserve, paused, terminated");
    // Its own time goes on: it turns, and waits with undoing until it is resumed.
    let yaml = COOL_OFF.replace("version: 1", "version: 1\ntimeout: 10m");
    check(
        &yaml,
        json!({}),
        "ok reserve; pause; wait 10m; resume; undone reserve",
        "dispatched reserve, completed reserve, timer started rest, paused, timed out, unpaused, \
         undo dispatched reserve, undo completed reserve, compensated",
    );
}

#[test]
fn a_start_that_is_to_come_later_comes_then() {
    let run = |at: u64| Run::starting(COOL_OFF, json!({}), Duration::from_secs(at));
    let mut later = run(600);
    assert_eq!((later.told().as_str(), later.transaction.shown()), ("started", ShownStatus::Waiting));
    assert_eq!(later.transaction.wake_at(), Some(later.now.plus(Duration::from_secs(600))));
    later.act("wait 9m");
    later.act("wait 1m");
    assert_eq!(later.told(), "started, timer fired, dispatched reserve");
    later.assert_replays();
    let mut cancelled = run(600);
    cancelled.act("cancel");
    assert_eq!(cancelled.told(), "started, cancel requested, cancelled");
    assert_eq!(run(0).told(), "started, dispatched reserve", "what is past is now");

    let mut paused = run(600);
    paused.act("pause");
    paused.act("wait 1d");
    assert_eq!((paused.told().as_str(), paused.transaction.wake_at()), ("started, paused", None));
    paused.act("resume");
    assert_eq!(paused.told(), "started, paused, unpaused, timer fired, dispatched reserve");
    paused.assert_replays();
}

#[test]
fn what_waited_and_is_past_its_pivot_waits_for_a_person_and_then_anew() {
    let yaml = "
name: pivoted
version: 1
steps:
  - {id: pay, run: {worker: w}, pivot: true}
  - {id: paid, after: [pay], run: {signal: {name: paid, timeout: 1h}}}
";
    check(
        yaml,
        json!({}),
        "ok pay; wait 1h; retry; signal paid",
        "dispatched pay, completed pay, signal awaited paid, attempt failed paid, parked paid, resumed paid, \
         signal awaited paid, signal received, signal taken paid, completed",
    );
    // One that came while it was parked is taken at once.
    check(
        yaml,
        json!({}),
        "ok pay; wait 1h; signal paid; retry",
        "dispatched pay, completed pay, signal awaited paid, attempt failed paid, parked paid, signal received, \
         resumed paid, signal awaited paid, signal taken paid, completed",
    );
    let mut run = Run::new(yaml, json!({}));
    run.act("ok pay");
    assert!(run.transaction.look(Timestamp::MAX).wake.is_some());
}

#[test]
fn as_many_steps_as_there_may_be_fail_at_once_on_a_small_stack() {
    let waits = |number| {
        format!("  - {{id: s{number}, after: [t], on_failure: continue, run: {{wait: '${{{{ input.x }}}}'}}}}\n")
    };
    let rest: String = (1..STEPS_MAX).map(waits).collect();
    let yaml = format!("name: many\nversion: 1\nsteps:\n  - {{id: t, run: {{wait: 2s}}}}\n{rest}");
    let failed = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        let mut run = Run::new(&yaml, json!({}));
        run.act("wait 2s");
        (run.told().matches("attempt failed").count(), run.transaction.status())
    });
    // The first one is a wait that ends.
    assert_eq!(failed.unwrap().join().unwrap(), (STEPS_MAX - 1, Status::Completed));
}

#[test]
fn what_is_tried_again_and_never_began_is_asked_whether_it_is_to() {
    for run in ["worker: w", "signal: {name: go}"] {
        let yaml = format!(
            "
name: guarded
version: 1
steps:
  - {{id: p, run: {{worker: w}}, pivot: true}}
  - {{id: s, after: [p], when: '${{{{ steps.p.output.of == \"q\" }}}}', run: {{{run}}}}}
"
        );
        let broken = yaml.replace("output.of == \"q\"", "output.total > 100");
        check(
            &broken,
            json!({}),
            "ok p; retry",
            "dispatched p, completed p, attempt failed s, parked s, resumed s, attempt failed s, parked s",
        );
        check(&yaml, json!({}), "ok p", "dispatched p, completed p, skipped s, completed");
    }
}
