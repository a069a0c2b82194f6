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
  - {id: a, run: {worker: w}, set: {total: '${{ size(steps.a.output.of) }}', gone: '${{ input.?nothing }}'}, compensate: {run: {worker: u}, with: '${{ vars.?total }}'}}
  - {id: b, after: [a], when: '${{ input.b }}', run: {worker: w}, set: {total: '${{ vars.total + input.n }}'}, compensate: {run: {worker: u}, with: '${{ vars.total }}'}}
  - {id: c, after: [b], run: {worker: w}, retry: {attempts: 1}, with: {total: '${{ vars.total }}', gone: '${{ vars.?gone }}'}}
output: '${{ vars.total }}'
";

fn run(yaml: &str, input: Value, script: &str) -> Run {
    let mut run = Run::new(yaml, input);
    script.split("; ").for_each(|line| run.act(line));
    run.assert_replays();
    run
}

fn ran(input: Value, script: &str) -> Run {
    run(SUM, input, script)
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
    check(&large, text(VARIABLES_BYTES_MAX - 1), "ok a", undone);
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

/// `ship` sees its clones' outputs, and its clones' undos see what it set.
const FAN: &str = "
name: fan
version: 1
steps:
  - {id: p, run: {worker: w}}
  - id: ship
    after: [p]
    each: '${{ input.parcels }}'
    run: {worker: w}
    retry: {attempts: 1}
    set: {count: '${{ size(steps.ship.output) }}', one: '${{ steps.ship.output[input.at].of }}'}
    compensate: {run: {worker: u}, with: {count: '${{ vars.?count }}', at: '${{ index }}'}}
  - {id: z, after: [ship], run: {worker: w}, retry: {attempts: 1}, with: {one: '${{ vars.one }}', count: '${{ vars.count }}'}}
";

fn parcels(count: u64, at: u64) -> Value {
    json!({ "parcels": (0..count).collect::<Vec<_>>(), "at": at })
}

#[test]
fn a_step_that_fanned_out_sets_what_its_clones_gave() {
    let run = run(FAN, parcels(2, 1), "ok p; ok ship[1]; ok ship[0]; fail z");
    let given = inputs(&run);
    let z = given.iter().find(|(id, phase, _)| id == "z" && *phase == Phase::Do).unwrap();
    assert_eq!(z.2, json!({ "one": "ship[1]", "count": 2 }));
    let undo = given.iter().find(|(id, phase, _)| id == "ship" && *phase == Phase::Undo).unwrap();
    assert_eq!(undo.2, json!({ "at": 0, "count": 2 }));
}

#[test]
fn a_fan_out_whose_outputs_can_not_be_made_use_of_fails_its_step() {
    let failed = "dispatched p, completed p, expanded ship, dispatched ship[0], dispatched ship[1], completed ship[0], \
                  completed ship[1], attempt failed ship";
    check(
        FAN,
        parcels(2, 7),
        "ok p; ok ship[0]; ok ship[1]; undone ship[1]; undone ship[0]",
        &format!(
            "{failed}, undo dispatched ship[1], undo completed ship[1], undo dispatched ship[0], undo completed ship[0], \
             compensated"
        ),
    );
    check(FAN, parcels(0, 0), "ok p", "dispatched p, completed p, expanded ship, attempt failed ship, failed");
    // What may fail may fail so as well.
    let optional = FAN.replace("    each:", "    on_failure: continue\n    each:").replace("vars.", "vars.?");
    let optional = optional.replace("vars.??", "vars.?");
    check(
        &optional,
        parcels(2, 7),
        "ok p; ok ship[0]; ok ship[1]; ok z",
        &format!("{failed}, dispatched z, completed z, completed"),
    );
    // Past a pivot it waits for a person, whom nothing but to end it is left.
    let pivot = FAN.replace("{id: p, run: {worker: w}}", "{id: p, run: {worker: w}, pivot: true}");
    check(
        &pivot,
        parcels(2, 7),
        "ok p; ok ship[0]; ok ship[1]; retry; terminate",
        &format!("{failed}, parked ship, resumed ship, attempt failed ship, parked ship, terminated"),
    );
    let mut run = run(&pivot, parcels(2, 7), "ok p; ok ship[0]; ok ship[1]");
    let list = chancery_base::Document::shared(json!([]));
    let refused = run.cx(|t, cx| t.resolve("ship", list, "by phone".to_owned(), cx)).unwrap_err().to_string();
    assert!(refused.starts_with("the output does not suit the step: its output is the list"), "{refused}");
}

/// Both waits set a variable.
const WAITS: &str = "
name: waits
version: 1
steps:
  - {id: rest, run: {wait: 1h}, set: {rested: '${{ steps.rest.status }}'}}
  - {id: go, after: [rest], run: {signal: {name: go}}, set: {said: '${{ steps.go.output.of }}'}}
  - {id: z, after: [go], run: {worker: w}, with: {rested: '${{ vars.rested }}', said: '${{ vars.said }}'}}
";

#[test]
fn what_waits_sets_variables_when_it_is_over() {
    let run = run(WAITS, json!({}), "wait 1h; signal go");
    let expected = json!({ "rested": "completed", "said": "signal go" });
    assert_eq!(inputs(&run), [("z".to_owned(), Phase::Do, expected)]);
}

#[test]
fn a_wait_whose_variables_can_not_be_set_fails() {
    let rest = WAITS.replace("steps.rest.status", "steps.rest.output.n");
    check(&rest, json!({}), "wait 1h", "timer started rest, attempt failed rest, failed");
    let at_once = rest.replace("1h", "'1999-01-01T00:00:00Z'");
    check(&at_once, json!({}), "", "timer started rest, attempt failed rest, failed");
    // The signal is gone: it is not what the next step waits for either.
    let twice = "
name: twice
version: 1
steps:
  - {id: first, run: {signal: {name: go}}, on_failure: continue, set: {n: '${{ steps.first.output.of + 1 }}'}}
  - {id: second, after: [first], run: {signal: {name: go}}}
";
    check(
        twice,
        json!({}),
        "signal go a; signal go b",
        "signal awaited first, signal received, attempt failed first, signal awaited second, signal received, \
         signal taken second, completed",
    );
}

/// The same transaction as the store gives it back.
fn loaded(run: &Run) -> Transaction {
    let live = &run.transaction;
    let said = |seq: Option<u64>| {
        let event = &run.events.iter().find(|staged| Some(staged.seq) == seq)?.event;
        if let Event::Expanded { items, .. } = event {
            return Some(Arc::clone(items));
        }
        if let Event::SignalReceived { signal } = event {
            return Some(Arc::clone(&signal.payload));
        }
        event.output().cloned()
    };
    let mut nodes: Vec<_> = live.nodes().map(|(node, state)| (node, state.clone())).collect();
    nodes.sort_by_key(|(node, _)| *node);
    let with_document = nodes.into_iter().map(|(node, state)| {
        let document = said(state.output_seq.or(state.items_seq));
        (node, state, document)
    });
    Transaction::from_parts(Parts {
        definition: Arc::clone(live.definition()),
        head: live.head().clone(),
        nodes: with_document.collect(),
        declared: Vec::new(),
        given: live.given().clone(),
        kept: Vec::new(),
    })
    .unwrap()
}

#[test]
fn variables_are_there_again_when_a_transaction_is_loaded() {
    for (yaml, input, script, last) in [
        (SUM, json!({ "b": true, "n": 5 }), "ok a; ok b", json!({ "total": 6 })),
        (FAN, parcels(2, 1), "ok p; ok ship[1]; ok ship[0]", json!({ "count": 2, "one": "ship[1]" })),
        (WAITS, json!({}), "wait 1h; signal go", json!({ "rested": "completed", "said": "signal go" })),
    ] {
        let run = run(yaml, input, script);
        let again = loaded(&run);
        assert_eq!(json!(again.variables()), last, "{script}");
        assert_eq!(again.variables(), run.transaction.variables(), "{script}");
        let (node, last) = run.transaction.out().last().map(|(node, _)| (node, last)).unwrap();
        let given = again.offer(node, Phase::Do).unwrap().input.value().clone();
        assert_eq!(given, last, "{script}");
    }
}
