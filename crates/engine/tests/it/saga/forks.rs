//! Forks: what one takes over of a saga that has ended, and what it does with that.

use super::Run;
use chancery_base::limits::{FORK_BYTES_MAX, FORK_NODES_MAX, PAYLOAD_BYTES_MAX};
use chancery_base::{DecisionId, Document, Kind, Slot, TransactionId};
use chancery_engine::{
    Answer, Beginning, Cx, Event, Fork, ForkRefusal, Inherited, Phase, Status, StepStatus, Transaction, UndoStatus,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// What comes of a fork before it acts.
struct Drawn {
    beginning: Arc<Beginning>,
    inherited: Vec<Inherited>,
}

impl Run {
    fn drawn(&mut self, from: &str) -> Result<Drawn, ForkRefusal> {
        let inherited = self.transaction.fork_from(from)?;
        let fork = Fork {
            inherits: u32::try_from(inherited.len()).unwrap(),
            justification: "mended".to_owned(),
            source: self.transaction.id(),
            step: from.parse().unwrap(),
        };
        let id = TransactionId::draw(self.now, Slot::new(1).unwrap(), &mut self.entropy);
        // Under the key of its source: what it does anew is told apart all the same.
        let above = Beginning::clone(&self.transaction.head().beginning);
        let beginning = Beginning { id, fork: Some(fork), idempotency_key: Some("k".to_owned()), ..above };
        Ok(Drawn { beginning: Arc::new(beginning), inherited })
    }

    /// The fork of it from a step, with whatever is ready handed out.
    fn fork(&mut self, from: &str) -> Result<Self, ForkRefusal> {
        let Drawn { beginning, inherited } = self.drawn(from)?;
        let (definition, given) = (Arc::clone(self.transaction.definition()), self.transaction.given().clone());
        let (mut entropy, mut events) = (self.entropy.fork(), Vec::new());
        let decision = DecisionId::draw(self.now, &mut entropy);
        let mut transaction = Transaction::begin(definition, beginning, given, decision, self.now, 0);
        transaction.start_fork(inherited, &mut Cx { now: self.now, seq: 0, out: &mut events }).unwrap();
        let mut run = Self { transaction, now: self.now, events, entropy };
        run.hand_out();
        Ok(run)
    }
}

/// Runs a script, forks what came of it, and runs another: what is recorded of the fork.
#[track_caller]
fn check(definition: &str, script: &str, from: &str, then: &str, expected: &str) -> Run {
    let mut source = Run::new(definition, json!({ "n": 3 }));
    script.split(';').for_each(|line| source.act(line.trim()));
    let before = source.transaction.head().clone();
    let mut fork = source.fork(from).unwrap();
    then.split(';').map(str::trim).filter(|line| !line.is_empty()).for_each(|line| fork.act(line));
    assert_eq!(fork.told().trim_start_matches("started, "), expected, "{script} | {from} | {then}");
    fork.assert_replays();
    assert_eq!(*source.transaction.head(), before, "its source stays as it was");
    fork
}

#[track_caller]
fn refused(definition: &str, script: &str, from: &str, expected: &str) -> ForkRefusal {
    let mut source = Run::new(definition, json!({ "n": 3 }));
    script.split(';').map(str::trim).filter(|line| !line.is_empty()).for_each(|line| source.act(line));
    let refusal = source.transaction.fork_from(from).unwrap_err();
    assert_eq!(refusal.to_string(), expected);
    refusal
}

const ORDER: &str = "
name: order
version: 1
steps:
  - {id: reserve, run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}}}
  - {id: charge, after: [reserve], run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}, with: {of: '${{ transaction.id }}'}}}
  - {id: ship, after: [charge], run: {worker: w}, with: '${{ steps.charge.output }}', retry: {attempts: 1}}
";

#[test]
fn what_stands_is_taken_over_and_all_else_is_done_anew() {
    let rest = "dispatched ship, completed ship, completed";
    let cases = [
        ("ok reserve; ok charge; ok ship", "ship", format!("inherited reserve, inherited charge, {rest}")),
        ("ok reserve; ok charge; terminate", "ship", format!("inherited reserve, inherited charge, {rest}")),
        (
            "ok reserve; ok charge; ok ship",
            "charge",
            format!("inherited reserve, dispatched charge, completed charge, {rest}"),
        ),
        (
            "ok reserve; ok charge; fail ship; undone charge; terminate",
            "ship",
            // Of the charge that was undone nothing is left, and of the reservation an undo is out.
            format!("dispatched reserve, completed reserve, dispatched charge, completed charge, {rest}"),
        ),
        (
            "ok reserve; unknown charge; undone charge; undone reserve",
            "charge",
            format!("dispatched reserve, completed reserve, dispatched charge, completed charge, {rest}"),
        ),
    ];
    for (script, from, expected) in cases {
        let then = ["reserve", "charge", "ship"].into_iter();
        let then: Vec<String> = then
            .filter(|step| expected.contains(&format!("dispatched {step}")))
            .map(|step| format!("ok {step}"))
            .collect();
        let fork = check(ORDER, script, from, &then.join("; "), &expected);
        assert_eq!(fork.transaction.status(), Status::Completed);
    }
}

#[test]
fn what_was_taken_over_is_undone_under_the_key_with_which_it_was_done() {
    let mut source = Run::new(ORDER, json!({}));
    ["ok reserve", "ok charge", "terminate"].iter().for_each(|line| source.act(line));
    let of_source = source.transaction.id().to_string();
    let permits = ["reserve", "charge"].map(|step| source.transaction.state(source.step(step)).unwrap().decision);
    let mut fork = source.fork("ship").unwrap();
    let of_fork = fork.transaction.id().to_string();
    let offered = |run: &Run, step, phase| run.transaction.offer(run.step(step), phase).unwrap();
    let ship = offered(&fork, "ship", Phase::Do);
    assert_eq!(ship.idempotency_key, format!("{of_fork}/ship"), "whatever key it was asked for under");
    assert_eq!(*ship.input.value(), json!({ "of": "charge" }), "the output that was taken over");
    fork.act("fail ship");
    let charge = offered(&fork, "charge", Phase::Undo);
    assert_eq!(charge.idempotency_key, format!("{of_source}/charge/undo"));
    assert_eq!(charge.forward_key, Some(format!("{of_source}/charge")));
    assert_eq!(*charge.input.value(), json!({ "of": of_source }), "its undo sees who did it");
    fork.act("undone charge");
    fork.act("undone reserve");
    assert_eq!(fork.transaction.status(), Status::Compensated);
    let cited = fork.events.iter().filter_map(|staged| {
        if let Event::Dispatched { phase: Phase::Undo, decision, .. } = &staged.event {
            Some(Some(*decision))
        } else {
            None
        }
    });
    assert_eq!(cited.collect::<Vec<_>>(), [permits[1], permits[0]], "the permits of its source");

    // A fork of the fork: what that undid is done anew, under a key of the last one.
    let again = fork.fork("ship").unwrap();
    assert_eq!(again.told(), "started, dispatched reserve");
    let key = offered(&again, "reserve", Phase::Do).idempotency_key;
    assert_eq!(key, format!("{}/reserve", again.transaction.id()));
}

#[test]
fn a_fork_of_a_fork_knows_who_did_what() {
    let mut source = Run::new(ORDER, json!({}));
    ["ok reserve", "terminate"].iter().for_each(|line| source.act(line));
    let mut fork = source.fork("ship").unwrap();
    ["ok charge", "terminate"].iter().for_each(|line| fork.act(line));
    let last = fork.fork("ship").unwrap();
    assert_eq!(last.told(), "started, inherited reserve, inherited charge, dispatched ship");
    let origin = |step: &str| {
        let origin = last.transaction.state(last.step(step)).unwrap().origin.clone().unwrap();
        (origin.transaction, origin.key)
    };
    let (first, second) = (source.transaction.id(), fork.transaction.id());
    assert_eq!(origin("reserve"), (first, format!("{first}/reserve")));
    assert_eq!(origin("charge"), (second, format!("{second}/charge")));
}

#[test]
fn what_cannot_be_forked_is_told_why() {
    let running =
        refused(ORDER, "ok reserve", "ship", "the transaction is running: only one that has ended can be forked");
    assert_eq!(running.kind(), Kind::Conflict);
    let missing = refused(ORDER, "terminate", "shipp", "the definition has no step `shipp`");
    assert_eq!(missing.kind(), Kind::Invalid);
    let tcc = "{name: t, version: 1, kind: tcc, participants: [{id: a, try: {run: noop}, confirm: {run: noop}, cancel: {run: noop}}]}";
    refused(tcc, "terminate", "a", "only a saga can be forked, this is a TCC");
    // `send` can't be undone, and was done with what is undone.
    let sent = "
name: sent
version: 1
steps:
  - {id: reserve, run: {worker: w}, compensate: {run: {worker: u}}}
  - {id: send, after: [reserve], run: {worker: w}, irreversible: true}
  - {id: look, after: [reserve], run: noop}
  - {id: ship, after: [send, look], run: {worker: w}, retry: {attempts: 1}}
";
    let script = "ok reserve; ok send; ok look; fail ship; undone reserve";
    refused(
        sent,
        script,
        "ship",
        "step `send` was done and is not undone, but comes after `reserve`, which the fork would do anew: fork from \
         `reserve` or a step before it, so that both are done anew",
    );
    check(sent, script, "reserve", "", "dispatched reserve");
    // What did nothing to others is done anew without a word.
    check(
        &sent.replace("irreversible: true", "compensate: {run: {worker: u}}"),
        "ok reserve; ok send; ok look; fail ship; undone send; undone reserve",
        "ship",
        "",
        "dispatched reserve",
    );
    let parent = "
name: parent
version: 1
steps:
  - {id: run, run: {transaction: child}}
  - {id: bill, after: [run], run: {worker: w}}
";
    let script = "child run completed; ok bill";
    refused(
        parent,
        script,
        "bill",
        "step `run` ran a transaction that alone could undo it, and that is final with the one that ran it: fork from \
         `run` or a step before it",
    );
    check(parent, script, "run", "", "child started run");
    let firm = parent.replace("{transaction: child}}", "{transaction: child}, compensate: {run: {worker: u}}}");
    let fork = check(&firm, script, "bill", "", "inherited run, dispatched bill");
    assert_eq!(fork.transaction.state(fork.step("run")).unwrap().child, None, "the child is its source's");
}

const FANNED: &str = "
name: parcels
version: 1
steps:
  - {id: pack, run: {worker: w}, each: '${{ [1, 2, 3].filter(x, x <= input.n) }}', with: '${{ item }}', compensate: {run: {worker: u}}, set: {packed: '${{ size(steps.pack.output) }}'}}
  - {id: ship, after: [pack], run: {worker: w}, with: {of: '${{ steps.pack.output }}', packed: '${{ vars.?packed }}'}, retry: {attempts: 1}}
";

#[test]
fn clones_and_variables_are_taken_over() {
    let script = "ok pack[1]; ok pack[0]; ok pack[2]; ok ship";
    let told = "inherited pack, inherited pack[1], inherited pack[0], inherited pack[2], dispatched ship";
    let fork = check(FANNED, script, "ship", "", told);
    let input = fork.transaction.offer(fork.step("ship"), Phase::Do).unwrap().input;
    let of: Vec<Value> = (0..3).map(|index| json!({ "of": format!("pack[{index}]") })).collect();
    assert_eq!(*input.value(), json!({ "of": of, "packed": 3 }));
    // Each is undone in the reverse of the order in which it was done.
    let undone = "undo dispatched pack[2], undo completed pack[2], undo dispatched pack[0], undo completed pack[0], \
                  undo dispatched pack[1], undo completed pack[1], compensated";
    let then = "fail ship; undone pack[2]; undone pack[0]; undone pack[1]";
    check(FANNED, script, "ship", then, &format!("{told}, attempt failed ship, {undone}"));
    // What did not come to its end is done anew, all of it.
    let script = "ok pack[1]; terminate";
    check(FANNED, script, "ship", "", "expanded pack, dispatched pack[0], dispatched pack[1], dispatched pack[2]");
    // A list that is empty is one.
    let mut source = Run::new(FANNED, json!({ "n": 0 }));
    source.act("ok ship");
    assert_eq!(source.fork("ship").unwrap().told(), "started, inherited pack, dispatched ship");
}

#[test]
fn what_was_skipped_waited_or_may_fail_is_taken_over_as_it_was() {
    let steps = "
name: mixed
version: 1
steps:
  - {id: off, run: {worker: w}, when: '${{ input.n > 7 }}'}
  - {id: told, run: {signal: {name: paid}}}
  - {id: maybe, run: {worker: w}, on_failure: continue, retry: {attempts: 1}, compensate: {run: {worker: u}}}
  - {id: ship, after: [off, told, maybe], run: {worker: w}, with: {status: '${{ steps.maybe.status }}', said: '${{ steps.told.output }}'}, retry: {attempts: 1}}
";
    let script = "signal paid s-1; fail maybe; ok ship";
    let told = "inherited off, inherited told, inherited maybe, dispatched ship";
    let fork = check(steps, script, "ship", "", told);
    let input = fork.transaction.offer(fork.step("ship"), Phase::Do).unwrap().input;
    assert_eq!(*input.value(), json!({ "status": "failed", "said": { "of": "signal paid s-1" } }));
    // What may have taken effect is undone with the rest.
    let fork = check(
        steps,
        "signal paid; unknown maybe; ok ship",
        "ship",
        "fail ship; undone maybe",
        &format!("{told}, attempt failed ship, undo dispatched maybe, undo completed maybe, compensated"),
    );
    assert_eq!(fork.transaction.state(fork.step("maybe")).unwrap().status, StepStatus::Unknown);
    // Named itself it is tried again.
    check(steps, script, "maybe", "", "inherited off, inherited told, dispatched maybe");
}

#[test]
fn layers_that_are_taken_over_are_not_waited_for() {
    let steps = "
name: layers
version: 1
mode: layers
steps:
  - {id: a, run: {worker: w}}
  - {id: b, run: {worker: w}}
  - {id: c, after: [a], run: {worker: w}}
  - {id: d, after: [c], run: {worker: w}}
  - {id: e, after: [b], run: {worker: w}}
  - {id: f, after: [e], run: {worker: w}}
";
    let done = "ok a; ok b; ok c; ok e; ok d; ok f";
    check(
        steps,
        done,
        "b",
        "ok b; ok e; ok f",
        "inherited a, inherited c, inherited d, dispatched b, completed b, dispatched e, completed e, dispatched f, \
         completed f, completed",
    );
    let alone = steps.replace("  - {id: e, after: [b], run: {worker: w}}\n", "").replace("after: [e]", "after: [c]");
    check(
        &alone,
        "ok a; ok b; ok c; ok d; ok f",
        "b",
        "ok b",
        "inherited a, inherited c, inherited d, inherited f, dispatched b, completed b, completed",
    );
}

#[test]
fn layers_that_were_made_from_what_is_done_anew_are_done_anew() {
    let by = |used: &str| {
        format!(
            "
name: layers
version: 1
mode: layers
steps:
  - {{id: a, run: {{worker: w}}}}
  - {{id: b, run: {{worker: w}}, set: {{of: '${{{{ steps.b.output.of }}}}'}}}}
  - {{id: c, after: [a], run: {{worker: w}}, with: '${{{{ {used} }}}}'}}
  - {{id: d, after: [c], run: {{worker: w}}}}
  - {{id: e, after: [a], run: {{worker: w}}}}
"
        )
    };
    for used in ["steps.b.output.of", "vars.of"] {
        check(
            &by(used),
            "ok a; ok b; ok c; ok e; ok d",
            "b",
            "ok b; ok c; ok d",
            "inherited a, inherited e, dispatched b, completed b, dispatched c, completed c, dispatched d, completed d, \
             completed",
        );
    }
}

#[test]
fn a_fork_past_a_pivot_goes_forward_only() {
    let pivoted = ORDER.replace("compensate: {run: {worker: u}, with: {of: '${{ transaction.id }}'}}", "pivot: true");
    let fork = check(
        &pivoted,
        "ok reserve; ok charge; ok ship",
        "ship",
        "fail ship",
        "inherited reserve, inherited charge, dispatched ship, attempt failed ship, parked ship",
    );
    assert_eq!(fork.transaction.state(fork.step("reserve")).unwrap().undo.status, UndoStatus::None);
}

#[test]
fn a_fork_begins_with_what_it_takes_over_and_nothing_else() {
    let mut source = Run::new(ORDER, json!({}));
    ["ok reserve", "ok charge", "terminate"].iter().for_each(|line| source.act(line));
    let Drawn { beginning, inherited } = source.drawn("ship").unwrap();
    let decision = source.transaction.head().decision;
    let begin = || {
        let (definition, given) = (Arc::clone(source.transaction.definition()), source.transaction.given().clone());
        Transaction::begin(definition, Arc::clone(&beginning), given, decision, source.now, 0)
    };
    let take = |at: usize| Event::Inherited(Box::new(inherited[at].clone()));
    let mut fork = begin();
    let skipped = Event::Skipped { node: source.step("ship") };
    assert!(fork.apply(&skipped, source.now, 1).is_err(), "not before it has all");
    fork.apply(&take(0), source.now, 1).unwrap();
    assert!(fork.apply(&take(0), source.now, 2).is_err(), "nothing twice");
    let mut fork = begin();
    fork.apply(&take(0), source.now, 1).unwrap();
    fork.apply(&take(1), source.now, 2).unwrap();
    assert!(fork.apply(&take(1), source.now, 3).is_err(), "no more than it said");
    // What is not over can't be taken over, nor what is no step's.
    for change in [
        |inherited: &mut Inherited| inherited.stood.status = StepStatus::Dispatched,
        |inherited: &mut Inherited| inherited.stood.status = StepStatus::Failed,
        |inherited: &mut Inherited| inherited.node.clone = 1,
        |inherited: &mut Inherited| inherited.fans_out = true,
    ] {
        let mut changed = inherited[0].clone();
        change(&mut changed);
        assert!(begin().apply(&Event::Inherited(Box::new(changed.clone())), source.now, 1).is_err(), "{changed:?}");
    }
}

#[test]
fn a_fork_takes_over_so_much() {
    let many = "
name: many
version: 1
concurrency: 100
steps:
  - {id: big, run: {worker: w}, each: '${{ input }}', with: '${{ index }}'}
  - {id: end, after: [big], run: {worker: w}}
";
    let run = |count: usize, bytes: usize| {
        let mut run = Run::new(many, Value::from(vec![0; count]));
        let output = Document::shared(Value::from("x".repeat(bytes)));
        for index in 0..count {
            run.answer(&format!("big[{index}]"), Phase::Do, Answer::Completed(Arc::clone(&output)));
            run.hand_out();
        }
        run.act("ok end");
        run.transaction
    };
    let large = PAYLOAD_BYTES_MAX / 2;
    let fits = FORK_BYTES_MAX / large - 1;
    assert_eq!(run(fits, large).fork_from("end").unwrap().len(), fits + 1);
    let refusal = run(fits + 2, large).fork_from("end").unwrap_err();
    assert!(matches!(refusal, ForkRefusal::Bytes(bytes) if bytes > FORK_BYTES_MAX), "{refusal}");
    assert_eq!(refusal.kind(), Kind::TooLarge);
    let refusal = run(FORK_NODES_MAX, 1).fork_from("end").unwrap_err();
    assert_eq!(refusal, ForkRefusal::Nodes(FORK_NODES_MAX + 1));
}
