//! What the shard carries out itself: questions and events.

use super::{Run, check};
use chancery_base::limits::TRANSACTION_OUTPUT_BYTES_MAX;
use chancery_engine::{Deed, Event, Failure, Phase, ShownStatus, Status, StepError, StepStatus, UndoStatus};
use serde_json::{Value, json};

const ORDER: &str = "
name: order
version: 1
steps:
  - {id: ask, run: {decide: {action: express, resource: {type: Order, id: '${{ input.id }}'}}}, context: {no: '${{ input.no }}'}, set: {fast: '${{ steps.ask.output.permitted }}'}}
  - {id: tell, after: [ask], when: '${{ vars.fast }}', run: {emit: {type: order.express, subject: '${{ input.id }}'}}, with: {order: '${{ input.id }}'}, compensate: {run: {emit: {type: order.slow}}, with: {was: '${{ steps.tell.?output.?id }}'}}}
  - {id: ship, after: [tell], run: {worker: w}, retry: {attempts: 1}}
output: {fast: '${{ vars.fast }}', event: '${{ steps.tell.?output.?id }}'}
";

/// The events that were emitted: what they are called, about what, and what they say.
fn emitted(run: &Run) -> Vec<(String, Option<String>, Value)> {
    let of = |event: &Event| {
        let Event::CarriedOut(done) = event else { return None };
        let Deed::Emitted(emission, data, _) = &done.deed else { return None };
        Some((emission.event_type.to_string(), emission.subject.clone(), data.value().clone()))
    };
    run.events.iter().filter_map(|staged| of(&staged.event)).collect()
}

#[test]
fn a_yes_and_a_no_are_answers_and_an_event_is_done_at_once() {
    check(
        ORDER,
        json!({ "id": 17, "no": false }),
        "ok ship",
        "carried out ask, carried out tell, dispatched ship, completed ship, completed",
    );
    check(
        ORDER,
        json!({ "id": 17, "no": true }),
        "ok ship",
        "carried out ask, skipped tell, dispatched ship, completed ship, completed",
    );
    let run = Run::new(ORDER, json!({ "id": 17, "no": false }));
    assert_eq!(emitted(&run), [("order.express".to_owned(), Some("17".to_owned()), json!({ "order": 17 }))]);
    let state = run.transaction.state(run.step("tell")).unwrap();
    assert_eq!((state.status, state.attempts), (StepStatus::Completed, 1));
    assert!(state.decision.is_some() && state.input.is_some() && state.output_seq == Some(2));
    assert_eq!(run.transaction.head().written, 100 + u64::try_from(r#"{"order":17}"#.len()).unwrap());
}

#[test]
fn an_event_is_undone_by_another_one_in_its_turn() {
    let mut run = Run::new(ORDER, json!({ "id": 17, "no": false }));
    run.act("fail ship");
    assert_eq!(
        run.told(),
        "started, carried out ask, carried out tell, dispatched ship, attempt failed ship, carried out tell, compensated"
    );
    let told = emitted(&run);
    assert_eq!((told.len(), told[1].0.as_str(), &told[1].1), (2, "order.slow", &None));
    assert!(told[1].2["was"].as_str().unwrap().starts_with("evt_"), "{told:?}");
    assert_eq!(run.transaction.state(run.step("tell")).unwrap().undo.status, UndoStatus::Completed);
    assert_eq!(run.transaction.summary(None).left_undone, [], "a question leaves nothing");
    run.assert_replays();
}

#[test]
fn a_denied_event_fails_its_step_and_may_be_gone_on_without() {
    const TOLD: &str = "
name: order
version: 1
steps:
  - {id: first, run: {worker: w}, compensate: {run: {worker: u}}}
  - {id: tell, after: [first], run: {emit: {type: order.paid}}, irreversible: true ON}
";
    let mut run = Run::new(&TOLD.replace(" ON", ""), json!({}));
    let decision = chancery_base::DecisionId::draw(run.now, &mut run.entropy);
    // As a shard does before it emits anything.
    let (first, tell) = (run.step("first"), run.step("tell"));
    let answer = chancery_engine::Answer::Completed(chancery_base::Document::shared(json!(1)));
    run.cx(|t, cx| t.answer(first, Phase::Do, 1, answer, cx)).unwrap();
    run.cx(|t, cx| t.deny(tell, (decision, Failure::Denied), "no".to_owned(), cx)).unwrap();
    run.hand_out();
    run.act("undone first");
    assert_eq!(run.transaction.status(), Status::Compensated);
    assert_eq!(run.transaction.head().error.as_ref().unwrap().r#type, StepError::POLICY_DENIED);
    run.assert_replays();

    let mut run = Run::new(&TOLD.replace(" ON", ", on_failure: continue"), json!({}));
    let answer = chancery_engine::Answer::Completed(chancery_base::Document::shared(json!(1)));
    run.cx(|t, cx| t.answer(first, Phase::Do, 1, answer, cx)).unwrap();
    run.cx(|t, cx| t.deny(tell, (decision, Failure::Denied), "no".to_owned(), cx)).unwrap();
    assert_eq!(run.transaction.status(), Status::Completed);
}

#[test]
fn what_nobody_is_called_for_takes_no_place_and_waits_for_no_worker() {
    const BUSY: &str = "
name: busy
version: 1
concurrency: 1
steps:
  - {id: work, run: {worker: w}}
  - {id: before, run: {wait: 1s}}
  - {id: tell, after: [before], run: {emit: {type: a}}, irreversible: true}
";
    let mut run = Run::new(BUSY, json!({}));
    assert_eq!(run.told(), "started, timer started before, dispatched work");
    run.act("pause");
    run.act("resume");
    run.act("wait 1s");
    assert!(run.told().ends_with("timer fired before, carried out tell"), "{}", run.told());

    let mut run = Run::new(&BUSY.replace("wait: 1s", "signal: {name: go}"), json!({}));
    run.act("pause");
    run.act("signal go");
    run.act("wait 24h");
    assert_eq!(run.transaction.shown(), ShownStatus::Paused);
    assert!(run.transaction.ready(run.now).is_empty(), "while it is paused nothing is carried out");
    run.act("resume");
    assert!(run.told().contains("carried out tell"), "{}", run.told());
    run.assert_replays();
}

#[test]
fn every_clone_emits_and_only_so_many_are_looked_at_at_once() {
    const EACH: &str = "
name: many
version: 1
concurrency: 3
steps:
  - {id: tell, each: '${{ input.of }}', run: {emit: {type: a, subject: '${{ item }}'}}, with: '${{ index }}', compensate: {run: {worker: u}}}
  - {id: last, after: [tell], run: {worker: w}, retry: {attempts: 1}}
output: '${{ size(steps.tell.output) }}'
";
    let mut run = Run::new(EACH, json!({ "of": ["x", "y", "z", "v", "w"] }));
    let told = emitted(&run);
    assert_eq!(
        told.iter().map(|(_, subject, data)| (subject.as_deref().unwrap(), data.as_u64().unwrap())).collect::<Vec<_>>(),
        [("x", 0), ("y", 1), ("z", 2), ("v", 3), ("w", 4)]
    );
    run.act("fail last");
    assert!(run.told().contains("undo dispatched tell[4]"), "the last one first: {}", run.told());

    let mut many = Run::new(
        &EACH
            .replace("each:", "after: [go], each:")
            .replace("steps:\n", "steps:\n  - {id: go, run: {signal: {name: go}}}\n"),
        json!({ "of": [1, 2, 3, 4, 5] }),
    );
    many.act("pause");
    let signal = chancery_engine::Signal {
        name: "go".parse().unwrap(),
        id: None,
        payload: chancery_base::Document::shared(json!(1)),
    };
    many.cx(|t, cx| t.signal(signal, cx)).unwrap();
    many.cx(|t, cx| t.unpause("looked".to_owned(), cx)).unwrap();
    assert_eq!(many.transaction.ready(many.now).len(), 3, "an event costs what is near, not all that wait");
}

#[test]
fn what_a_transaction_writes_is_bounded_as_its_outputs_are() {
    const LOUD: &str = "
name: loud
version: 1
steps:
  - {id: tell, each: '${{ input.of }}', run: {emit: {type: a}}, with: '${{ input.text }}', irreversible: true}
";
    let (text, of) = ("x".repeat(1_000_000), (0..70).collect::<Vec<_>>());
    let run = Run::new(LOUD, json!({ "text": text, "of": of }));
    let limit = u64::try_from(TRANSACTION_OUTPUT_BYTES_MAX).unwrap();
    let written = run.transaction.head().written;
    assert!(written > limit && written < limit + 2_000_000, "{written}");
    assert_eq!(run.transaction.head().error.as_ref().unwrap().r#type, StepError::TOO_MUCH_OUTPUT);
    assert_eq!(run.transaction.status(), Status::Failed);
}

#[test]
fn a_subject_that_is_none_fails_the_step() {
    const ABOUT: &str = "
name: about
version: 1
steps: [{id: tell, run: {emit: {type: a, subject: '${{ input.?of }}'}}}]
";
    assert_eq!(emitted(&Run::new(ABOUT, json!({})))[0].1, None, "what is absent is not there");
    for (of, says) in
        [(json!([]), "a text is needed here"), (json!(""), "a subject has 1 to 256 bytes, this one has 0")]
    {
        let run = Run::new(ABOUT, json!({ "of": of }));
        let error = run.transaction.head().error.clone().unwrap();
        assert_eq!(error.r#type, StepError::BAD_EXPRESSION);
        assert_eq!(error.message, format!("run.emit.subject: {says}"));
        assert_eq!(run.transaction.status(), Status::Failed);
    }
}

#[test]
fn variables_that_can_t_be_set_let_nothing_out() {
    let run = Run::new(
        "
name: x
version: 1
steps: [{id: tell, run: {emit: {type: a}}, set: {n: '${{ steps.tell.output.nothing }}'}, irreversible: true}]
",
        json!({}),
    );
    assert_eq!(emitted(&run), []);
    assert_eq!(run.told(), "started, attempt failed tell, failed");
}
