//! In which order a saga undoes, what it does with a compensation that failed, and when it goes only forward.

use super::{Run, check};
use chancery_engine::{Status, StepStatus, UndoStatus};
use serde_json::json;

/// Two roots, two steps after them, and one that fails last.
fn diamond(compensation: &str, undo_of_a: &str, undo_of_b: &str) -> String {
    let undo = |more: &str| format!("{{run: {{worker: u}}, retry: {{attempts: 1}}{more}}}");
    format!(
        "
name: diamond
version: 1
compensation: {compensation}
steps:
  - {{id: a, run: {{worker: w}}, compensate: {}}}
  - {{id: b, run: {{worker: w}}, compensate: {}}}
  - {{id: c, after: [a, b], run: {{worker: w}}, compensate: {}}}
  - {{id: d, after: [a, b], run: {{worker: w}}, compensate: {}}}
  - {{id: end, after: [c, d], run: {{worker: w}}, retry: {{attempts: 1}}}}
",
        undo(undo_of_a),
        undo(undo_of_b),
        undo(""),
        undo("")
    )
}

/// What happens up to the failure of the last step.
const FORWARD: &str = "ok a; ok b; ok c; ok d; fail end";

/// What was recorded from the failure on.
#[track_caller]
fn after_failure(yaml: &str, script: &str) -> String {
    let mut run = Run::new(yaml, json!({}));
    for line in FORWARD.split(';').chain(script.split(';')).map(str::trim).filter(|line| !line.is_empty()) {
        run.act(line);
    }
    run.assert_replays();
    let told = run.told();
    told.split_once("attempt failed end, ").map_or_else(|| told.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn strict_sequential_undoes_one_at_a_time_and_parks_at_a_failure() {
    let yaml = diamond("{policy: strict-sequential}", "", "");
    assert_eq!(
        after_failure(&yaml, "undone d; undofail c"),
        "undo dispatched d, undo completed d, undo dispatched c, undo attempt failed c, parked c"
    );
}

#[test]
fn grouped_parallel_undoes_a_layer_together_and_parks_once_it_is_through() {
    let yaml = diamond("{policy: grouped-parallel}", "", "");
    assert_eq!(
        after_failure(&yaml, "undone c; undone d; undone b; undone a"),
        "undo dispatched c, undo dispatched d, undo completed c, undo completed d, undo dispatched a, \
         undo dispatched b, undo completed b, undo completed a, compensated"
    );
    assert_eq!(
        after_failure(&yaml, "undofail c; undone d"),
        "undo dispatched c, undo dispatched d, undo attempt failed c, undo completed d, parked c",
        "the rest of the layer is not held up, the next layer is"
    );
    assert_eq!(
        after_failure(&yaml, "undofail c; undofail d; resolve d; resolve c; undone a; undone b"),
        "undo dispatched c, undo dispatched d, undo attempt failed c, undo attempt failed d, parked d, \
         undo resolved d, parked c, undo resolved c, undo dispatched a, undo dispatched b, undo completed a, \
         undo completed b, compensated"
    );
}

#[test]
fn a_retry_has_everything_tried_again_that_waits_for_a_person() {
    let yaml = diamond("{policy: grouped-parallel}", "", "");
    assert_eq!(
        after_failure(&yaml, "undofail c; undofail d; retry; undone c; undone d; undone a; undone b"),
        "undo dispatched c, undo dispatched d, undo attempt failed c, undo attempt failed d, parked d, resumed c, \
         resumed d, undo dispatched c, undo dispatched d, undo completed c, undo completed d, undo dispatched a, \
         undo dispatched b, undo completed a, undo completed b, compensated"
    );
}

#[test]
fn retry_with_backoff_goes_on_after_a_failure_and_says_what_is_left() {
    let yaml = diamond("{policy: retry-with-backoff}", "", "");
    let mut run = Run::new(&yaml, json!({}));
    for line in ["ok a", "ok b", "ok c", "ok d", "fail end", "undofail d", "undone c", "undone b", "undone a"] {
        run.act(line);
    }
    assert!(
        run.told().ends_with(
            "undo attempt failed d, undo dispatched c, undo completed c, undo dispatched b, undo completed b, \
             undo dispatched a, undo completed a, failed"
        ),
        "{}",
        run.told()
    );
    let d = run.step("d");
    assert_eq!(run.transaction.summary(None).left_undone, [d], "no failure is swallowed");
    assert_eq!(run.transaction.state(d).unwrap().undo.status, UndoStatus::Failed);
    run.assert_replays();
}

#[test]
fn circuit_breaker_leaves_the_rest_after_the_failure_of_a_critical_one() {
    let calm = diamond("{policy: circuit-breaker}", "", "");
    assert!(
        after_failure(&calm, "undofail d; undone c; undone b; undone a").ends_with("undo completed a, failed"),
        "one that is not critical breaks nothing"
    );
    let yaml = diamond("{policy: circuit-breaker}", "", ", critical: true");
    let mut run = Run::new(&yaml, json!({}));
    for line in ["ok a", "ok b", "ok c", "ok d", "fail end", "undone d", "undone c", "undofail b"] {
        run.act(line);
    }
    assert!(run.told().ends_with("undo dispatched b, undo attempt failed b, failed"), "{}", run.told());
    let (a, b) = (run.step("a"), run.step("b"));
    assert_eq!(run.transaction.state(a).unwrap().undo.status, UndoStatus::Skipped);
    assert_eq!(run.transaction.summary(None).left_undone, [a, b]);
    run.assert_replays();
}

#[test]
fn best_effort_parallel_undoes_all_together() {
    let yaml = diamond("{policy: best-effort-parallel}", "", "");
    assert_eq!(
        after_failure(&yaml, "undone a; undofail b; undone c; undone d"),
        "undo dispatched a, undo dispatched b, undo dispatched c, undo dispatched d, undo completed a, \
         undo attempt failed b, undo completed c, undo completed d, failed"
    );
}

#[test]
fn the_action_on_a_compensations_error_is_the_steps_or_the_definitions_or_by_policy() {
    let marked = diamond("{policy: strict-sequential, on_error: mark-compensated}", ", on_error: fail", "");
    assert_eq!(
        after_failure(&marked, "undofail d; undone c; undofail b; undofail a"),
        "undo dispatched d, undo attempt failed d, undo dispatched c, undo completed c, undo dispatched b, \
         undo attempt failed b, undo dispatched a, undo attempt failed a, parked a"
    );
    assert!(
        after_failure(&marked, "undofail d; undone c; undofail b; undone a").ends_with("compensated"),
        "what is marked counts as done"
    );
    let chain = |action: &str| {
        format!(
            "{{name: one, version: 1, compensation: {{policy: strict-sequential, on_error: {action}}}, steps: [\
             {{id: a, run: {{worker: w}}, compensate: {{run: {{worker: u}}, retry: {{attempts: 2, backoff: 1s, jitter: 0}}}}}}, \
             {{id: end, after: [a], run: {{worker: w}}, retry: {{attempts: 1}}}}]}}"
        )
    };
    let begin = "dispatched a, completed a, dispatched end, attempt failed end, undo dispatched a";
    let again = "again a, undo dispatched a";
    let fails = "ok a; fail end; undofail a; wait 1s; undofail a";
    check(&chain("fail"), json!({}), fails, &format!("{begin}, {again}, undo attempt failed a, parked a"));
    check(&chain("continue"), json!({}), fails, &format!("{begin}, {again}, undo attempt failed a, failed"));
    check(&chain("skip"), json!({}), "ok a; fail end; undofail a", &format!("{begin}, undo attempt failed a, failed"));
    check(
        &chain("retry"),
        json!({}),
        &format!("{fails}; wait 2s; undofail a; wait 4s; undone a"),
        &format!("{begin}, {again}, {again}, {again}, undo completed a, compensated"),
    );
}

const PIVOTED: &str = "
name: pivoted
version: 1
timeout: 1m
steps:
  - {id: a, run: {worker: w}, compensate: {run: {worker: u}}}
  - {id: pay, after: [a], run: {worker: w}, retry: {attempts: 1}, pivot: true}
  - {id: ship, after: [pay], run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}}}
  - {id: mail, after: [pay], run: {worker: w}, irreversible: true}
";

#[test]
fn before_its_pivot_a_saga_turns_and_past_it_it_only_goes_forward() {
    check(
        PIVOTED,
        json!({}),
        "ok a; fail pay; undone a",
        "dispatched a, completed a, dispatched pay, attempt failed pay, undo dispatched a, undo completed a, compensated",
    );
    let past = "dispatched a, completed a, dispatched pay, completed pay, dispatched ship, dispatched mail, \
                attempt failed ship, completed mail, parked ship";
    check(PIVOTED, json!({}), "ok a; ok pay; fail ship; ok mail", past);
    check(
        PIVOTED,
        json!({}),
        "ok a; ok pay; fail ship; ok mail; retry; ok ship",
        &format!("{past}, resumed ship, dispatched ship, completed ship, completed"),
    );
    check(
        PIVOTED,
        json!({}),
        "ok a; ok pay; fail ship; ok mail; resolve ship",
        &format!("{past}, resolved ship, completed"),
    );
}

#[test]
fn what_is_past_its_pivot_can_not_be_cancelled() {
    let mut run = Run::new(PIVOTED, json!({}));
    run.act("ok a");
    run.act("ok pay");
    let refusal = run.cx(|t, cx| t.cancel(String::new(), cx)).unwrap_err();
    assert_eq!(refusal.to_string(), "can't cancel the transaction: it is past its pivot `pay` and only goes forward");
    assert_eq!(refusal.kind(), chancery_base::Kind::Conflict);
}

#[test]
fn a_pivot_whose_outcome_is_unknown_waits_for_a_person() {
    let parked = "dispatched a, completed a, dispatched pay, attempt failed pay, parked pay";
    check(PIVOTED, json!({}), "ok a; unknown pay", parked);
    check(
        PIVOTED,
        json!({}),
        "ok a; unknown pay; cancel; undone a",
        &format!("{parked}, cancel requested, undo dispatched a, undo completed a, cancelled"),
    );
    let mut run = Run::new(PIVOTED, json!({}));
    for line in ["ok a", "unknown pay", "resolve pay"] {
        run.act(line);
    }
    assert_eq!(run.transaction.status(), Status::Running);
    assert_eq!(run.transaction.state(run.step("ship")).unwrap().status, StepStatus::Dispatched);
}

#[test]
fn a_transactions_own_timeout_turns_it_and_past_the_pivot_parks_it() {
    check(
        PIVOTED,
        json!({}),
        "wait 1m; undone a",
        "dispatched a, timed out, attempt failed a, undo dispatched a, undo completed a, compensated",
    );
    let short = PIVOTED.replace("timeout: 1m", "timeout: 10s");
    let held = "dispatched a, completed a, dispatched pay, completed pay, dispatched ship, dispatched mail, timed out, \
                completed ship, completed mail, parked";
    check(&short, json!({}), "ok a; ok pay; wait 10s; ok ship; ok mail", held);
    check(
        &short,
        json!({}),
        "ok a; ok pay; wait 10s; ok ship; ok mail; wait 1h; retry",
        &format!("{held}, resumed, completed"),
    );
}

#[test]
fn what_may_fail_does_not_stop_the_others() {
    let yaml = "{name: optional, version: 1, steps: [\
                {id: a, run: {worker: w}, retry: {attempts: 1}, on_failure: continue, compensate: {run: {worker: u}}}, \
                {id: b, after: [a], when: \"${{ steps.a.status == 'failed' }}\", run: {worker: w}}, \
                {id: c, after: [b], run: {worker: w}, retry: {attempts: 1}}]}";
    check(
        yaml,
        json!({}),
        "fail a; ok b; ok c",
        "dispatched a, attempt failed a, dispatched b, completed b, dispatched c, completed c, completed",
    );
    check(yaml, json!({}), "ok a; ok c", "dispatched a, completed a, skipped b, dispatched c, completed c, completed");
    check(
        yaml,
        json!({}),
        "unknown a; fail c; undone a",
        "dispatched a, attempt failed a, skipped b, dispatched c, attempt failed c, undo dispatched a, \
         undo completed a, compensated",
    );
}

#[test]
fn in_layers_a_step_waits_for_the_whole_layer_before() {
    let yaml = |mode: &str| {
        format!(
            "{{name: layered, version: 1, mode: {mode}, steps: [{{id: a, run: {{worker: w}}}}, {{id: b, run: {{worker: w}}}}, \
             {{id: c, after: [a], run: {{worker: w}}}}]}}"
        )
    };
    check(
        &yaml("layers"),
        json!({}),
        "ok a; ok b; ok c",
        "dispatched a, dispatched b, completed a, completed b, dispatched c, completed c, completed",
    );
    check(
        &yaml("graph"),
        json!({}),
        "ok a; ok b; ok c",
        "dispatched a, dispatched b, completed a, dispatched c, completed b, completed c, completed",
    );
}
