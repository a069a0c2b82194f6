//! Variables: what steps set when they are done, and who sees which.

use super::{Run, check};
use chancery_base::limits::VARIABLES_BYTES_MAX;
use chancery_engine::{Event, Parts, Phase, Transaction};
use serde_json::{Value, json};
use std::sync::Arc;

/// `a` and `b` add to `total`, `c` reads it; `b` may be skipped.
const SUM: &str = "
name: sum
version: 1
steps:
  - {id: a, run: {worker: w}, set: {total: '${{ size(steps.a.output.of) }}', gone: '${{ input.?nothing }}'}, compensate: {run: {worker: u}, with: '${{ vars.total }}'}}
  - {id: b, after: [a], when: '${{ input.b }}', run: {worker: w}, set: {total: '${{ vars.total + input.n }}'}, compensate: {run: {worker: u}, with: '${{ vars.total }}'}}
  - {id: c, after: [b], run: {worker: w}, retry: {attempts: 1}, with: {total: '${{ vars.total }}', gone: '${{ vars.?gone }}'}}
output: '${{ vars.total }}'
";

fn ran(input: Value, script: &str) -> Run {
    let mut run = Run::new(SUM, input);
    script.split("; ").for_each(|line| run.act(line));
    run.assert_replays();
    run
}

/// What was handed out, by step and phase.
fn inputs(run: &Run) -> Vec<(String, Phase, Value)> {
    let events = run.events.iter().filter_map(|staged| {
        let Event::Dispatched { node, phase, input, .. } = &staged.event else { return None };
        Some((run.transaction.step_of(*node).unwrap().id.to_string(), *phase, input.value().clone()))
    });
    events.collect()
}

#[track_caller]
fn sees(input: Value, script: &str, step: &str, phase: Phase, expected: &Value) {
    let run = ran(input, script);
    let found = inputs(&run).into_iter().rev().find(|(id, of, _)| id == step && *of == phase).unwrap();
    assert_eq!(found.2, *expected, "{script}");
}

#[test]
fn the_last_step_that_was_done_says_what_a_variable_is() {
    let total = |total: u64| json!({ "total": total });
    sees(json!({ "b": true, "n": 5 }), "ok a; ok b", "c", Phase::Do, &total(6));
    sees(json!({ "b": false, "n": 5 }), "ok a", "c", Phase::Do, &total(1));
    // An undo sees what its own step set, if that was done.
    sees(json!({ "b": true, "n": 5 }), "ok a; ok b; fail c", "b", Phase::Undo, &json!(6));
    sees(json!({ "b": true, "n": 5 }), "ok a; ok b; fail c; undone b", "a", Phase::Undo, &json!(1));
    sees(
        json!({ "b": true, "n": 5 }),
        "ok a; unknown b; wait 1s; fail b; wait 1s; fail b",
        "b",
        Phase::Undo,
        &json!(1),
    );
    let run = ran(json!({ "b": true, "n": 5 }), "ok a; ok b; ok c");
    let Event::Ended { output: Some(output), .. } = &run.events.last().unwrap().event else { panic!("no output") };
    assert_eq!(output.value(), &json!(6));
}

#[test]
fn what_was_done_and_can_not_be_made_use_of_is_undone() {
    check(
        SUM,
        json!({ "b": true, "n": "x" }),
        "ok a; ok b; undone b; undone a",
        "dispatched a, completed a, dispatched b, attempt failed b, undo dispatched b, undo completed b, \
         undo dispatched a, undo completed a, compensated",
    );
    let run = ran(json!({ "b": true, "n": "x" }), "ok a; ok b");
    let error = run.transaction.head().error.clone().unwrap();
    assert_eq!(error.r#type, "BadExpression");
    assert!(error.message.starts_with("set.total: "), "{}", error.message);
}

#[test]
fn a_variable_has_a_limit() {
    let large = SUM.replace("size(steps.a.output.of)", "input.text");
    let text = |bytes: usize| json!({ "b": false, "text": "x".repeat(bytes) });
    let undone = "dispatched a, attempt failed a, undo dispatched a";
    check(&large, text(VARIABLES_BYTES_MAX - 2), "ok a", "dispatched a, completed a, skipped b, dispatched c");
    check(
        &large.replace("with: '${{ vars.total }}'}}\n  - {id: b", "with: 1}}\n  - {id: b"),
        text(VARIABLES_BYTES_MAX - 1),
        "ok a",
        undone,
    );
}

#[test]
fn what_a_person_says_must_suit() {
    let park = "
name: park
version: 1
steps:
  - {id: a, run: {worker: w}, pivot: true}
  - {id: b, after: [a], run: {worker: w}, retry: {attempts: 1}, set: {n: '${{ steps.b.output.n }}'}}
";
    let mut run = Run::new(park, json!({}));
    ["ok a", "fail b"].into_iter().for_each(|line| run.act(line));
    let resolve = |run: &mut Run, output: Value| {
        run.cx(|t, cx| t.resolve("b", chancery_base::Document::shared(output), "by phone".to_owned(), cx))
    };
    let refused = resolve(&mut run, json!({})).unwrap_err().to_string();
    assert!(refused.starts_with("the output does not suit the step: set.n: there is no `n`"), "{refused}");
    resolve(&mut run, json!({ "n": 1 })).unwrap();
    run.assert_replays();
}

#[test]
fn variables_are_there_again_when_a_transaction_is_loaded() {
    let run = ran(json!({ "b": true, "n": 5 }), "ok a; ok b");
    let live = &run.transaction;
    let Event::Started { input, .. } = &run.events[0].event else { panic!("no start") };
    let output = |seq: u64| run.events.iter().find(|staged| staged.seq == seq)?.event.output().cloned();
    let parts = Parts {
        definition: Arc::clone(live.definition()),
        head: live.head().clone(),
        nodes: live.nodes().map(|(node, state)| (node, state.clone(), state.output_seq.and_then(output))).collect(),
        declared: Vec::new(),
        input: Arc::clone(input),
    };
    let loaded = Transaction::from_parts(parts).unwrap();
    let node = run.step("c");
    assert_eq!(loaded.offer(node, Phase::Do).unwrap().input.value(), &json!({ "total": 6 }));
}
