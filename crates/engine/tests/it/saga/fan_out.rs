//! Steps that fan out.

use super::*;
use chancery_base::limits::{BATCH_TIMEOUTS_MAX, CLONES_MAX, TRANSACTION_CLONES_MAX};
use chancery_engine::{Status, StepStatus};
use std::collections::BTreeSet;

const FAN: &str = "
name: fan
version: 1
concurrency: 3
steps:
  - {id: a, run: {worker: w}}
  - id: ship
    after: [a]
    each: '${{ input.parcels }}'
    concurrency: 2
    run: {worker: w}
    with: {parcel: '${{ item }}', at: '${{ index }}'}
    retry: {attempts: 1}
    compensate:
      run: {worker: u}
      with: {parcel: '${{ item }}', of: '${{ steps.ship.?output.?of }}'}
  - {id: z, after: [ship], run: {worker: w}, with: {all: '${{ steps.ship.output }}'}}
output: {parcels: '${{ steps.ship.output }}'}
";

fn run(yaml: &str, input: Value, script: &str) -> Run {
    let mut run = Run::new(yaml, input);
    script.split(';').map(str::trim).filter(|line| !line.is_empty()).for_each(|line| run.act(line));
    run.assert_replays();
    run
}

fn parcels(count: usize) -> Value {
    json!({ "parcels": (0..count).map(|at| format!("p{at}")).collect::<Vec<_>>() })
}

fn output(run: &Run) -> Value {
    let Event::Ended { output: Some(output), .. } = &run.events.last().unwrap().event else { panic!("{}", run.told()) };
    output.value().clone()
}

#[test]
fn clones_run_in_their_window_and_what_comes_after_sees_their_outputs_in_order() {
    let run = run(FAN, parcels(3), "ok a; ok ship[1]; ok ship[0]; ok ship[2]; ok z");
    assert_eq!(
        run.told(),
        "started, dispatched a, completed a, expanded ship, dispatched ship[0], dispatched ship[1], \
         completed ship[1], dispatched ship[2], completed ship[0], completed ship[2], dispatched z, completed z, \
         completed"
    );
    let all = json!([{ "of": "ship[0]" }, { "of": "ship[1]" }, { "of": "ship[2]" }]);
    assert_eq!(output(&run), json!({ "parcels": all }));
    let inputs: Vec<&Value> = run
        .events
        .iter()
        .filter_map(
            |staged| if let Event::Dispatched { input, .. } = &staged.event { Some(input.value()) } else { None },
        )
        .collect();
    assert_eq!(inputs[2], &json!({ "parcel": "p1", "at": 1 }));
    assert_eq!(inputs[4], &json!({ "all": all }));
}

#[test]
fn an_empty_list_is_done_at_once() {
    let run = run(FAN, parcels(0), "ok a; ok z");
    assert_eq!(run.told(), "started, dispatched a, completed a, expanded ship, dispatched z, completed z, completed");
    assert_eq!(output(&run), json!({ "parcels": [] }));
}

#[test]
fn an_empty_output_is_still_an_output() {
    let yaml = "
        name: empty
        version: 1
        steps:
          - {id: a, run: {worker: w}}
          - {id: b, after: [a], run: noop, with: {had: '${{ has(steps.a.output) }}', was: '${{ steps.a.output }}'}}
        output: '${{ steps.b.output }}'";
    for empty in [Value::Null, json!({}), json!([]), json!("")] {
        let mut run = Run::new(yaml, json!({}));
        run.answer("a", Phase::Do, Answer::Completed(Document::shared(empty.clone())));
        run.hand_out();
        run.answer("b", Phase::Do, Answer::Completed(Document::shared(Value::Null)));
        let b = run.events.iter().find_map(|staged| {
            let Event::Dispatched { node, input, .. } = &staged.event else { return None };
            (*node == run.step("b")).then(|| input.value().clone())
        });
        assert_eq!(b, Some(json!({ "had": true, "was": empty })));
    }
}

#[test]
fn clones_of_a_fan_out_do_not_share_a_key() {
    let mut run = Run::new(FAN, parcels(3));
    run.act("ok a");
    let node = |run: &Run, name: &str| run.transaction.offer(run.step(name), Phase::Do).unwrap().idempotency_key;
    let keys: BTreeSet<String> = (0..3).map(|at| node(&run, &format!("ship[{at}]"))).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key.contains("/ship[")), "{keys:?}");
    run.act("ok ship[0]");
    run.act("fail ship[1]");
    run.act("ok ship[2]");
    let undo = run.transaction.offer(run.step("ship[2]"), Phase::Undo).unwrap();
    assert_eq!(undo.forward_key.as_deref().map(|key| format!("{key}/undo")), Some(undo.idempotency_key.clone()));
    assert!(undo.idempotency_key.ends_with("/ship[2]/undo"));
    assert_eq!(undo.input.value(), &json!({ "parcel": "p2", "of": "ship[2]" }));
}

#[test]
fn a_clone_that_fails_for_good_fails_the_step_and_the_others_are_undone() {
    let run = run(FAN, parcels(4), "ok a; ok ship[0]; fail ship[1]; ok ship[2]; undone ship[2]; undone ship[0]");
    assert!(
        run.told().ends_with(
            "attempt failed ship[1], completed ship[2], undo dispatched ship[2], undo completed ship[2], \
             undo dispatched ship[0], undo completed ship[0], compensated"
        ),
        "{}",
        run.told()
    );
    let status = |name: &str| run.transaction.state(run.step(name)).unwrap().status;
    assert_eq!((status("ship"), status("ship[1]")), (StepStatus::Failed, StepStatus::Failed));
    assert_eq!((status("ship[3]"), status("z")), (StepStatus::Cancelled, StepStatus::Cancelled));
    let cause = run.transaction.head().cause.clone().unwrap();
    assert_eq!(cause.step, Some(run.step("ship[1]")));
    // It says nothing of how `a` is undone.
    assert_eq!(run.transaction.summary(None).left_undone, [run.step("a")]);
}

#[test]
fn where_a_step_may_fail_its_failed_clones_are_null() {
    let yaml = FAN.replace("    retry: {attempts: 1}\n", "    retry: {attempts: 1}\n    on_failure: continue\n");
    let run = run(&yaml, parcels(3), "ok a; fail ship[1]; ok ship[0]; ok ship[2]; ok z");
    assert_eq!(output(&run), json!({ "parcels": [{ "of": "ship[0]" }, null, { "of": "ship[2]" }] }));
}

#[test]
fn past_a_pivot_a_clone_waits_for_a_person() {
    let yaml = FAN.replace("{id: a, run: {worker: w}}", "{id: a, run: {worker: w}, pivot: true}");
    let before = "ok a; fail ship[1]; ok ship[0]";
    let parked = run(&yaml, parcels(2), before);
    assert!(parked.told().ends_with("completed ship[0], parked ship[1]"), "{}", parked.told());
    let resolved = run(&yaml, parcels(2), &format!("{before}; resolve ship[1]; ok z"));
    assert_eq!(output(&resolved), json!({ "parcels": [{ "of": "ship[0]" }, "by hand"] }));
    let retried = run(&yaml, parcels(2), &format!("{before}; retry; ok ship[1]; ok z"));
    assert!(
        retried
            .told()
            .ends_with("resumed ship[1], dispatched ship[1], completed ship[1], dispatched z, completed z, completed"),
        "{}",
        retried.told()
    );
}

#[test]
fn what_is_no_list_or_too_long_a_one_fails_the_step() {
    let told = "started, dispatched a, completed a, attempt failed ship, failed";
    for parcels in [json!(7), json!({}), json!("p"), Value::from(vec![0; CLONES_MAX + 1])] {
        let run = run(FAN, json!({ "parcels": parcels }), "ok a");
        assert_eq!(run.told(), told);
    }
    let most = run(FAN, json!({ "parcels": vec![0; CLONES_MAX] }), "ok a");
    assert!(most.told().contains("expanded ship"));
}

#[test]
fn clones_that_waited_too_long_fail_so_many_at_once() {
    let optional = "    retry: {attempts: 1}\n    queue_timeout: 1s\n    on_failure: continue\n";
    let mut run = Run::new(&FAN.replace("    retry: {attempts: 1}\n", optional), parcels(BATCH_TIMEOUTS_MAX + 10));
    run.act("ok a");
    // Two are out; one of them is done, and nobody takes another.
    run.answer("ship[0]", Phase::Do, Answer::Completed(Document::shared(Value::Null)));
    run.now = run.now.plus(Duration::from_secs(2));
    let before = run.events.len();
    run.cx(Transaction::time_out).unwrap();
    assert_eq!((run.events.len() - before, run.transaction.is_overdue(run.now)), (BATCH_TIMEOUTS_MAX, true));
    run.cx(Transaction::time_out).unwrap();
    assert_eq!((run.events.len() - before, run.transaction.is_overdue(run.now)), (BATCH_TIMEOUTS_MAX + 8, false));
    assert_eq!(run.transaction.look(run.now).wake, run.transaction.wake_at());
}

#[test]
fn to_wait_for_a_place_is_not_to_wait_for_a_worker() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let times = "    retry: {attempts: 1}\n    timeout: 20m\n    queue_timeout: 1m\n";
    let mut run = Run::new(&FAN.replace("    retry: {attempts: 1}\n", times), parcels(5));
    run.act("ok a");
    let began = run.now;
    // Two of its window of two are out: the others have no place, however long that takes.
    for line in ["wait 10m", "ok ship[0]", "wait 9m", "ok ship[1]"] {
        run.act(line);
    }
    assert_eq!(run.transaction.wake_at(), Some(began.plus(minutes(30))), "the end of what was handed out first");
    // There is a place, and now it waits for a worker.
    run.answer("ship[2]", Phase::Do, Answer::Completed(Document::shared(Value::Null)));
    assert_eq!(run.transaction.wake_at(), Some(began.plus(minutes(20))));
    run.hand_out();
    assert_eq!(run.told().matches("dispatched ship").count(), 5);

    let yaml = "name: x\nversion: 1\nconcurrency: 1\nsteps:\n  - {id: a, run: {worker: w}, timeout: 20m}\n  \
                - {id: b, after: [], run: {worker: w}, queue_timeout: 1m}\n  \
                - {id: c, after: [], run: {worker: w}, queue_timeout: 2m}\n";
    let mut run = Run::new(yaml, Value::Null);
    run.act("wait 10m");
    run.answer("a", Phase::Do, Answer::Completed(Document::shared(Value::Null)));
    // Of two that wait one has the place; the other's time begins where the first leaves it a place.
    assert_eq!(run.transaction.wake_at(), Some(run.now.plus(minutes(1))));
    run.hand_out();
    for line in ["wait 10s", "ok b", "ok c"] {
        run.act(line);
    }
    assert_eq!(run.transaction.status(), Status::Completed);
    run.assert_replays();
    // Nobody takes it.
    let mut run = Run::new(yaml, Value::Null);
    run.act("wait 10m");
    run.answer("a", Phase::Do, Answer::Completed(Document::shared(Value::Null)));
    run.act("wait 1m");
    assert_eq!(
        run.transaction.head().error.as_ref().map(|error| error.r#type.as_str()),
        Some(StepError::QUEUE_TIMEOUT)
    );
}

#[test]
fn what_no_worker_took_names_the_attempt_before() {
    let yaml = "name: x\nversion: 1\nsteps:\n  - {id: a, run: {worker: w}, queue_timeout: 1m, \
                retry: {attempts: 3, backoff: 1s, jitter: 0}}\n";
    let mut run = Run::new(yaml, Value::Null);
    run.act("fail a Away");
    run.act("wait 62s");
    let error = run.transaction.head().error.clone().unwrap();
    assert_eq!(error.r#type, StepError::QUEUE_TIMEOUT);
    assert_eq!(
        error.message,
        "no worker took the step in time: see `chancery queue show`; the attempt before failed with Away: it broke"
    );
    run.assert_replays();
}

#[test]
fn clones_stand_still_while_it_is_paused_as_steps_do() {
    let yaml = FAN.replace("    retry: {attempts: 1}\n", "    retry: {attempts: 2, backoff: 1s, jitter: 0}\n");
    let mut run = Run::new(&yaml, parcels(3));
    for line in ["ok a", "pause", "fail ship[0]", "ok ship[1]", "wait 1h"] {
        run.act(line);
    }
    // One waits for a worker, one for its next attempt: neither time passes.
    assert_eq!((run.transaction.wake_at(), run.transaction.is_overdue(run.now)), (None, false));
    for line in ["resume", "ok ship[0]", "ok ship[2]", "ok z"] {
        run.act(line);
    }
    assert_eq!(
        run.told(),
        "started, dispatched a, completed a, expanded ship, dispatched ship[0], dispatched ship[1], paused, \
         again ship[0], completed ship[1], unpaused, dispatched ship[0], dispatched ship[2], completed ship[0], \
         completed ship[2], dispatched z, completed z, completed"
    );
    run.assert_replays();
    // What follows from what came in follows, the expansion too.
    let mut run = Run::new(FAN, parcels(1));
    for line in ["pause", "ok a", "resume"] {
        run.act(line);
    }
    assert_eq!(run.told(), "started, dispatched a, paused, completed a, expanded ship, unpaused, dispatched ship[0]");
    run.assert_replays();
}

#[test]
fn a_transaction_has_a_limit_on_all_its_clones() {
    let step = |id: usize| format!("  - {{id: s{id}, each: '${{{{ input.list }}}}', run: {{worker: w}}}}\n");
    let steps: String = (0..=TRANSACTION_CLONES_MAX / CLONES_MAX).map(step).collect();
    let run = Run::new(&format!("name: many\nversion: 1\nsteps:\n{steps}"), json!({ "list": vec![0; CLONES_MAX] }));
    let refused = run.events.iter().find_map(|staged| {
        if let Event::AttemptFailed { error, .. } = &staged.event { Some(error.r#type.clone()) } else { None }
    });
    assert_eq!(refused.as_deref(), Some(StepError::TOO_MANY_CLONES), "{}", run.told().len());
}

#[test]
fn expressions_that_only_clones_have_are_refused_elsewhere() {
    let refused = |step: &str| {
        let yaml = format!("name: x\nversion: 1\nsteps:\n  - {step}\n");
        Definition::parse(yaml.as_bytes()).unwrap_err().to_string()
    };
    let known = "known in what a step with `each` does";
    for (step, words) in [
        ("{id: a, run: noop, with: '${{ item }}'}", known),
        ("{id: a, each: '${{ input.x }}', when: '${{ index > 1 }}', run: noop}", known),
        ("{id: a, each: '${{ item }}', run: noop}", known),
        ("{id: a, each: [1, 2], run: noop}", "a list of elements is written as `${{ … }}`"),
        ("{id: a, concurrency: 2, run: noop}", "it has no `each`"),
    ] {
        assert!(refused(step).contains(words), "{step}: {}", refused(step));
    }
}
