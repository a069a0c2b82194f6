//! Sagas, told as scripts: what is answered on the left of the definition's steps, what is recorded on the right.

use chancery_base::{
    DecisionId, Document, Entropy, EventId, Name, PrincipalId, PrincipalKind, Slot, Timestamp, TransactionId,
};
use chancery_engine::definition::{self, Classes, Definition, StepIndex};
use chancery_engine::{
    Answer, Authorization, Beginning, Call, ChildEnd, ChildStart, Cx, Deed, Emission, Event, Failure, Fault, Gate,
    Given, Headers, NodeRef, Offer, Outgoing, Phase, Ready, Signal, Staged, StepError, Transaction,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

struct Run {
    transaction: Transaction,
    now: Timestamp,
    events: Vec<Staged>,
    entropy: Entropy,
}

/// How a child ended that completed with this output.
fn completed(output: Value) -> ChildEnd {
    ChildEnd::Completed { output: Document::shared(output), entries: 9, taint: Classes::new() }
}

impl Run {
    fn new(yaml: &str, input: Value) -> Self {
        Self::begun(yaml, input, None, Vec::new())
    }

    /// One whose first steps begin so long after its start.
    fn starting(yaml: &str, input: Value, after: Duration) -> Self {
        Self::begun(yaml, input, Some(after), Vec::new())
    }

    /// One in which something goes wrong.
    fn faulty(yaml: &str, faults: Vec<Fault>) -> Self {
        Self::begun(yaml, json!({}), None, faults)
    }

    fn begun(yaml: &str, input: Value, after: Option<Duration>, faults: Vec<Fault>) -> Self {
        Self::given(yaml, Given::of_input(Document::shared(input)), after, faults)
    }

    fn given(yaml: &str, given: Given, after: Option<Duration>, faults: Vec<Fault>) -> Self {
        let mut entropy = Entropy::from_seed([7; 32]);
        let now = Timestamp::from_micros(1_795_246_020_000_000);
        let definition = Arc::new(Definition::parse(yaml.as_bytes()).unwrap());
        let beginning = Beginning {
            id: TransactionId::draw(now, Slot::new(1).unwrap(), &mut entropy),
            definition: definition.name.clone(),
            version: definition.version,
            version_asked: None,
            digest: definition.digest,
            faults,
            fork: None,
            headers: Headers::default(),
            principal: PrincipalId::draw(PrincipalKind::Service, now, &mut entropy),
            bundle: definition.digest,
            idempotency_key: None,
            business_key: None,
            labels: BTreeMap::new(),
            parent: None,
            settings: given.settings.version(),
            taint: Classes::new(),
            start_at: after.map(|after| now.plus(after)),
            traceparent: None,
        };
        let decision = DecisionId::draw(now, &mut entropy);
        let mut transaction = Transaction::begin(definition, Arc::new(beginning), given, decision, now, 0);
        let mut events = Vec::new();
        transaction.start(&mut Cx { now, seq: 0, out: &mut events }).unwrap();
        let mut run = Self { transaction, now, events, entropy };
        run.hand_out();
        run
    }

    fn cx<R>(&mut self, f: impl FnOnce(&mut Transaction, &mut Cx<'_>) -> R) -> R {
        let seq = u64::try_from(self.events.len()).unwrap();
        f(&mut self.transaction, &mut Cx { now: self.now, seq, out: &mut self.events })
    }

    fn step(&self, name: &str) -> NodeRef {
        self.transaction.definition().find_node(name).unwrap_or_else(|| panic!("no step {name}"))
    }

    /// Hands out whatever is ready, as a shard with endless credit does.
    fn hand_out(&mut self) {
        while let Some(ready) = self.transaction.ready(self.now).first().copied() {
            let decision = match ready.phase {
                Phase::Do => DecisionId::draw(self.now, &mut self.entropy),
                Phase::Undo | Phase::Confirm => {
                    let of_step = self.transaction.state(ready.node).unwrap().decision;
                    of_step.unwrap_or(self.transaction.head().decision)
                }
            };
            let (step, phase) = (ready.node, ready.phase);
            let defined = self.transaction.step_of(step).unwrap();
            if phase == Phase::Do && defined.approval.is_some() && !self.may_go(step) {
                continue;
            }
            let defined = self.transaction.step_of(step).unwrap();
            if phase == Phase::Do && defined.run.child().is_some() {
                self.begin_child(step, decision);
                continue;
            }
            // Whether it can be recalled is its own affair: a line of the script says so.
            if phase == Phase::Undo && defined.recalls_child() {
                return;
            }
            match self.transaction.offer(step, phase) {
                Ok(offer) if defined.run_of(phase).is_some_and(definition::Run::is_inline) => {
                    self.carry_out(ready, &offer, decision);
                }
                Ok(offer) => {
                    let deadline = self.now.plus(offer.timeout);
                    let attempt = self
                        .cx(|t, cx| {
                            t.dispatch(
                                step,
                                phase,
                                Outgoing { decision, input: offer.input, deadline, conditions: None },
                                cx,
                            )
                        })
                        .unwrap();
                    if let Some(answer) = self.transaction.injected(step, phase, attempt) {
                        assert!(self.cx(|t, cx| t.answer(step, phase, attempt, answer, cx)).unwrap());
                    }
                }
                Err(error) => self.cx(|t, cx| t.refuse(step, phase, error, cx)).unwrap(),
            }
        }
    }

    /// Whether people have approved what is to be handed out; else they are asked.
    fn may_go(&mut self, node: NodeRef) -> bool {
        let input = self.transaction.offer(node, Phase::Do).unwrap().input;
        let demand = self.transaction.demand(node).unwrap();
        match self.transaction.gate(node, demand.as_slice(), &input.digest()) {
            Gate::Open => true,
            Gate::Waits(_) => panic!("what waits is not ready"),
            Gate::Shut(demand) => {
                self.cx(|t, cx| t.ask(node, demand, input, cx)).unwrap();
                false
            }
        }
    }

    /// Does what a shard does itself: a question is answered with no where its context says so.
    fn carry_out(&mut self, ready: Ready, offer: &Offer, decision: DecisionId) {
        let (node, phase) = (ready.node, ready.phase);
        let (deed, output) = match (&offer.call, &offer.authorization) {
            (Call::Decide { .. }, Authorization::Ask { context, .. }) => {
                let permitted = context.get("no") != Some(&json!(true));
                (Deed::Answered { permitted, bytes: 100 }, json!({ "permitted": permitted }))
            }
            (Call::Emit { event_type, subject }, _) => {
                let definition = self.transaction.definition();
                let emission = Emission {
                    definition: definition.name.clone(),
                    id: EventId::draw(self.now, &mut self.entropy),
                    step: definition.name_of(node).unwrap(),
                    subject: subject.clone(),
                    taint: self.transaction.taint_at(node),
                    event_type: event_type.clone(),
                };
                let output = json!({ "id": emission.id.to_string() });
                (Deed::Emitted(emission, Arc::clone(&offer.input), offer.conditions.clone()), output)
            }
            other => panic!("{other:?}"),
        };
        self.cx(|t, cx| t.carry_out(node, phase, decision, deed, Document::shared(output), cx)).unwrap();
    }

    fn begin_child(&mut self, node: NodeRef, decision: DecisionId) {
        let child = TransactionId::draw(self.now, Slot::new(1).unwrap(), &mut self.entropy);
        let attempt = self.transaction.state(node).unwrap().attempts + 1;
        let input = self.transaction.offer(node, Phase::Do).unwrap().input.digest();
        let start = ChildStart { node, attempt, child, version: 1, decision, input };
        self.cx(|t, cx| t.start_child(start, cx)).unwrap();
    }

    fn end_child(&mut self, step: &str, end: ChildEnd) {
        let node = self.step(step);
        let child = self.transaction.state(node).unwrap().child.unwrap();
        assert!(self.cx(|t, cx| t.child_ended(node, child, end, cx)).unwrap());
    }

    /// One line of a script.
    fn act(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let error = |at: usize| StepError::new(words.get(at).copied().unwrap_or("Boom"), "it broke");
        match words[..] {
            ["cancel"] => self.cx(|t, cx| t.cancel("no longer wanted".to_owned(), cx)).unwrap(),
            ["terminate"] => self.cx(|t, cx| t.terminate("stuck".to_owned(), cx)).unwrap(),
            ["pause"] => self.cx(|t, cx| t.pause("a look".to_owned(), cx)).unwrap(),
            ["resume"] => self.cx(|t, cx| t.unpause("looked".to_owned(), cx)).unwrap(),
            ["signal", name, ref id @ ..] => {
                let (payload, id) = (Document::shared(json!({ "of": line })), id.first().map(|id| (*id).to_owned()));
                let signal = Signal { name: name.parse().unwrap(), id, payload };
                self.cx(|t, cx| t.signal(signal, cx)).unwrap();
            }
            ["retry"] => self.cx(|t, cx| t.retry("mended", cx)).unwrap(),
            ["resolve", step] => {
                self.cx(|t, cx| t.resolve(step, Document::shared(json!("by hand")), "done by phone".to_owned(), cx))
                    .unwrap();
            }
            ["yes", who, step] => requests::say(self, who, step, chancery_engine::Say::Approved).unwrap(),
            ["no", who, step] => requests::say(self, who, step, chancery_engine::Say::Denied).unwrap(),
            ["wait", time] => {
                self.now = self.now.plus(chancery_base::duration::parse(time).unwrap());
                self.cx(Transaction::time_out).unwrap();
            }
            ["deny", step] => {
                let (step, decision) = (self.step(step), DecisionId::draw(self.now, &mut self.entropy));
                self.cx(|t, cx| t.deny(step, (decision, Failure::Denied), "no".to_owned(), cx)).unwrap();
            }
            ["ok", step] => self.answer(step, Phase::Do, Answer::Completed(Document::shared(json!({ "of": step })))),
            // What a round gives: `gives a 3`.
            ["gives", step, number] => {
                let output = Document::shared(json!({ "n": number.parse::<u64>().unwrap() }));
                self.answer(step, Phase::Do, Answer::Completed(output));
            }
            ["undone", step] => self.answer(step, Phase::Undo, Answer::Completed(Document::shared(Value::Null))),
            ["fail", step, ..] => self.answer(step, Phase::Do, Answer::Failed(error(2))),
            ["fatal", step] => self.answer(step, Phase::Do, Answer::Failed(StepError::fatal("Boom", "it broke"))),
            ["unknown", step] => self.answer(step, Phase::Do, Answer::Unknown(error(2))),
            ["lapse", step] => self.answer(step, Phase::Do, Answer::Lapsed),
            ["confirmed", step] => {
                self.answer(step, Phase::Confirm, Answer::Completed(Document::shared(Value::Null)));
            }
            ["confirmfail", step] => self.answer(step, Phase::Confirm, Answer::Failed(error(2))),
            ["confirmunknown", step] => self.answer(step, Phase::Confirm, Answer::Unknown(error(2))),
            ["confirmlapse", step] => self.answer(step, Phase::Confirm, Answer::Lapsed),
            ["accept", step] => self.answer(step, Phase::Do, Answer::Accepted),
            ["accept-undo", step] => self.answer(step, Phase::Undo, Answer::Accepted),
            ["accept-confirm", step] => self.answer(step, Phase::Confirm, Answer::Accepted),
            ["undofail", step] => self.answer(step, Phase::Undo, Answer::Failed(error(2))),
            ["child", step, "completed"] => {
                self.end_child(step, completed(json!({ "of": step })));
            }
            ["child", step, "undone"] => self.end_child(step, ChildEnd::Undone),
            ["child", step, how] => {
                let error = StepError::fatal(StepError::CHILD_FAILED, "it broke");
                self.end_child(step, ChildEnd::Failed { is_unknown: how == "unknown", error });
            }
            ["recall", step] => {
                let node = self.step(step);
                self.cx(|t, cx| t.recall_child(node, cx)).unwrap();
            }
            ["refuse-undo", step] => {
                let (node, error) = (self.step(step), StepError::fatal(StepError::CHILD_FAILED, "nothing to recall"));
                self.cx(|t, cx| t.refuse(node, Phase::Undo, error, cx)).unwrap();
            }
            _ => panic!("no such line: {line}"),
        }
        self.hand_out();
    }

    fn answer(&mut self, step: &str, phase: Phase, answer: Answer) {
        let step = self.step(step);
        let (attempt, _) = self.transaction.dispatched(step, phase).unwrap_or_else(|| panic!("{step:?} is not out"));
        assert!(self.cx(|t, cx| t.answer(step, phase, attempt, answer, cx)).unwrap());
    }

    fn told(&self) -> String {
        let name = |event: &Event| {
            let named = event.node().and_then(|node| self.transaction.definition().name_of(node));
            named.map_or(String::new(), |named| format!(" {named}"))
        };
        let words = self.events.iter().map(|staged| {
            if let Event::AttemptFailed { retry_at: Some(_), .. } = &staged.event {
                return format!("again{}", name(&staged.event));
            }
            if let Event::Ended { status, .. } = &staged.event {
                return status.word().to_owned();
            }
            format!("{}{}", staged.event.word(), name(&staged.event))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Applying the recorded events to a fresh state gives the same state: live and replay share one table.
    fn assert_replays(&self) {
        let Event::Started { beginning, input, decision } = &self.events[0].event else { panic!("no start") };
        let definition = Arc::clone(self.transaction.definition());
        let at = Timestamp::from_micros(1_795_246_020_000_000);
        assert_eq!(*input, self.transaction.given().input);
        let given = self.transaction.given().clone();
        let mut again = Transaction::begin(definition, Arc::clone(beginning), given, *decision, at, 0);
        for staged in &self.events[1..] {
            // Times are not kept here: words and numbers must agree all the same.
            again.apply(&staged.event, self.now, staged.seq).unwrap_or_else(|err| panic!("{err}: {}", self.told()));
            assert_eq!(again.head().entries, staged.n + 1);
        }
        assert_eq!(again.status(), self.transaction.status());
        for ((_, a), (_, b)) in again.nodes().zip(self.transaction.nodes()) {
            assert_eq!(
                (a.status, a.attempts, a.undo.status, a.unknown),
                (b.status, b.attempts, b.undo.status, b.unknown)
            );
        }
    }
}

#[cfg(test)]
mod children;
mod fan_out;
#[cfg(test)]
mod faults;
mod forks;
#[cfg(test)]
mod inline;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod polls;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod tcc;
#[cfg(test)]
mod variables;
#[cfg(test)]
mod waits;

const CHAIN: &str = "
name: chain
version: 1
steps:
  - {id: a, run: {worker: w}, retry: {attempts: 2, backoff: 1s, jitter: 0}, compensate: {run: {worker: u}, retry: {attempts: 1}}}
  - {id: b, after: [a], run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}, retry: {attempts: 1}}}
  - {id: c, after: [b], run: {worker: w}, retry: {attempts: 1, unless: [Never]}}
output: {c: '${{ steps.c.output.of }}'}
";

const WIDE: &str = "
name: wide
version: 1
concurrency: 2
steps:
  - {id: a, run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}}}
  - {id: b, run: {worker: w}, retry: {attempts: 3, backoff: 1s, jitter: 0}, timeout: 5s, compensate: {run: {worker: u}}}
  - {id: c, run: {worker: w}, compensate: {run: {worker: u}}}
  - {id: d, after: [a, b], when: '${{ input.ship }}', run: {worker: w}}
  - {id: e, after: [d], run: {worker: w}}
";

#[track_caller]
fn check(yaml: &str, input: Value, script: &str, expected: &str) {
    let mut run = Run::new(yaml, input);
    for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        run.act(line);
    }
    let told = run.told();
    let told = told.strip_prefix("started, ").unwrap_or(&told);
    assert_eq!(told, expected, "\nscript: {script}");
    run.assert_replays();
}

#[test]
fn a_chain_completes() {
    check(
        CHAIN,
        json!({}),
        "ok a; ok b; ok c",
        "dispatched a, completed a, dispatched b, completed b, dispatched c, completed c, completed",
    );
}

#[test]
fn a_failure_undoes_what_was_done_in_reverse() {
    check(
        CHAIN,
        json!({}),
        "ok a; ok b; fail c; undone b; undone a",
        "dispatched a, completed a, dispatched b, completed b, dispatched c, attempt failed c, undo dispatched b, \
         undo completed b, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_failure_with_nothing_done_is_failed() {
    check(CHAIN, json!({}), "fatal a", "dispatched a, attempt failed a, failed");
}

#[test]
fn a_retry_waits_for_its_time_and_an_unless_ends_it() {
    check(
        CHAIN,
        json!({}),
        "fail a; wait 500ms; wait 500ms; ok a; ok b; fail c Never; undone b; undone a",
        "dispatched a, again a, dispatched a, completed a, dispatched b, completed b, dispatched c, attempt failed c, \
         undo dispatched b, undo completed b, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn one_unknown_attempt_makes_a_failed_step_unknown_and_it_is_undone() {
    check(
        CHAIN,
        json!({}),
        "unknown a; wait 1s; fail a; undone a",
        "dispatched a, again a, dispatched a, attempt failed a, undo dispatched a, undo completed a, compensated",
    );
    check(
        CHAIN,
        json!({}),
        "lapse a; wait 1s; lapse a; undone a",
        "dispatched a, again a, dispatched a, attempt failed a, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_compensation_that_fails_parks_until_a_person_decides() {
    let before =
        "dispatched a, completed a, dispatched b, attempt failed b, undo dispatched a, undo attempt failed a, parked a";
    check(CHAIN, json!({}), "ok a; fail b; undofail a", before);
    check(
        CHAIN,
        json!({}),
        "ok a; fail b; undofail a; retry; undone a",
        &format!("{before}, resumed a, undo dispatched a, undo completed a, compensated"),
    );
    check(CHAIN, json!({}), "ok a; fail b; undofail a; resolve a", &format!("{before}, undo resolved a, compensated"));
    check(CHAIN, json!({}), "ok a; fail b; undofail a; terminate", &format!("{before}, terminated"));
}

#[test]
fn a_denied_step_is_final_and_undone_like_a_failed_one() {
    // A failed attempt that waits for its retry, with attempts left, is denied at the next hand-out.
    let mut run = Run::new(WIDE, json!({ "ship": true }));
    run.act("ok a");
    run.act("fail b");
    run.act("deny b");
    run.act("ok c");
    run.act("undone c");
    run.act("undone a");
    assert!(run.told().contains("denied b, attempt failed b"), "{}", run.told());
    assert!(run.told().ends_with("compensated"), "{}", run.told());
    run.assert_replays();
}

#[test]
fn steps_run_together_up_to_the_limit_and_a_skipped_one_counts_as_done() {
    check(
        WIDE,
        json!({ "ship": false }),
        "ok a; ok b; ok c; ok e",
        "dispatched a, dispatched b, completed a, dispatched c, completed b, skipped d, dispatched e, completed c, \
         completed e, completed",
    );
}

#[test]
fn a_failure_waits_for_what_is_out_and_undoes_by_order_of_completion() {
    check(
        WIDE,
        json!({ "ship": true }),
        "ok b; fail a; ok c; undone c; undone b",
        "dispatched a, dispatched b, completed b, dispatched c, attempt failed a, completed c, undo dispatched c, \
         undo completed c, undo dispatched b, undo completed b, compensated",
    );
}

#[test]
fn a_queued_retry_that_may_have_taken_effect_is_undone() {
    check(
        WIDE,
        json!({ "ship": true }),
        "unknown b; fail a; ok c; undone c; undone b",
        "dispatched a, dispatched b, again b, dispatched c, attempt failed a, completed c, undo dispatched c, \
         undo completed c, undo dispatched b, undo completed b, compensated",
    );
}

#[test]
fn an_attempt_that_does_not_answer_times_out_as_unknown() {
    check(
        WIDE,
        json!({ "ship": true }),
        "ok a; ok c; wait 5s; wait 1s; ok b; ok d; ok e",
        "dispatched a, dispatched b, completed a, dispatched c, completed c, again b, dispatched b, completed b, \
         dispatched d, completed d, dispatched e, completed e, completed",
    );
}

#[test]
fn what_was_accepted_is_over_when_it_is_reported_or_too_late() {
    check(
        CHAIN,
        json!({}),
        "accept a; accept a; ok a; accept b; ok b; ok c",
        "dispatched a, accepted a, completed a, dispatched b, accepted b, completed b, dispatched c, completed c, \
         completed",
    );
    check(
        WIDE,
        json!({ "ship": true }),
        "ok a; ok c; accept b; wait 5s; wait 1s; accept b; ok b; ok d; ok e",
        "dispatched a, dispatched b, completed a, dispatched c, completed c, accepted b, again b, dispatched b, \
         accepted b, completed b, dispatched d, completed d, dispatched e, completed e, completed",
    );
    check(
        CHAIN,
        json!({}),
        "ok a; fatal b; accept-undo a; accept-undo a; undone a",
        "dispatched a, completed a, dispatched b, attempt failed b, undo dispatched a, undo accepted a, \
         undo completed a, compensated",
    );
}

#[test]
fn an_accepted_attempt_has_no_lease_and_the_next_one_has_again() {
    let mut run = Run::new(WIDE, json!({ "ship": true }));
    let leased = |run: &Run, step: &str| run.transaction.is_leased(run.step(step), Phase::Do);
    assert!(leased(&run, "a") && leased(&run, "b"));
    run.act("accept b");
    assert!(leased(&run, "a") && !leased(&run, "b") && run.transaction.dispatched(run.step("b"), Phase::Do).is_some());
    // `c` has waited longer than `b` will have.
    run.act("ok a");
    run.act("ok c");
    run.now = run.now.plus(Duration::from_secs(5));
    run.cx(Transaction::time_out).unwrap();
    run.now = run.now.plus(Duration::from_secs(1));
    run.hand_out();
    assert!(leased(&run, "b"));
}

#[test]
fn a_cancel_undoes_and_ends_as_cancelled() {
    check(
        CHAIN,
        json!({}),
        "ok a; cancel; ok b; undone b; undone a",
        "dispatched a, completed a, dispatched b, cancel requested, completed b, undo dispatched b, undo completed b, \
         undo dispatched a, undo completed a, cancelled",
    );
}

#[test]
fn an_expression_that_fails_fails_the_step_or_the_whole() {
    check(
        "{name: bad, version: 1, steps: [{id: a, run: {worker: w}, with: {x: '${{ input.missing.deep }}'}}]}",
        json!({}),
        "",
        "attempt failed a, failed",
    );
    check(
        "{name: bad, version: 1, output: '${{ input.missing }}', steps: [{id: a, run: {worker: w}, compensate: {run: noop}}]}",
        json!({}),
        "ok a; undone a",
        "dispatched a, completed a, output failed, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_step_that_no_worker_takes_times_out() {
    let definition = "{name: queued, version: 1, steps: [{id: a, run: {worker: w}, queue_timeout: 1m}]}";
    let mut run = Run::new(definition, json!({}));
    let fresh = Run::new(definition, json!({}));
    // The same transaction with nobody to hand it to.
    let Event::Started { beginning, input, decision } = &fresh.events[0].event else { panic!("no start") };
    let parts = (Arc::clone(fresh.transaction.definition()), Arc::clone(beginning));
    let given = Given::of_input(Arc::clone(input));
    run.transaction = Transaction::begin(parts.0, parts.1, given, *decision, run.now, 0);
    run.events.truncate(1);
    assert_eq!(run.transaction.look(run.now).wake, Some(run.now.plus(Duration::from_secs(60))));
    run.now = run.now.plus(Duration::from_secs(60));
    run.cx(Transaction::time_out).unwrap();
    assert!(run.told().ends_with("attempt failed a, failed"), "{}", run.told());
}

#[test]
fn operations_are_refused_where_they_make_no_sense() {
    let mut run = Run::new(CHAIN, json!({}));
    let name: Name = "a".parse().unwrap();
    let refusals = [
        run.cx(|t, cx| t.retry("", cx)).unwrap_err(),
        run.cx(|t, cx| t.resolve(name.as_str(), Document::shared(Value::Null), String::new(), cx)).unwrap_err(),
    ];
    assert_eq!(refusals[0].to_string(), "can't retry a transaction that is running");
    assert_eq!(refusals[1].to_string(), "can't resolve a transaction that is running");
    run.act("fatal a");
    let refusal = run.cx(|t, cx| t.cancel(String::new(), cx)).unwrap_err();
    assert_eq!(refusal.to_string(), "can't cancel a transaction that is failed");
    let late = run.cx(|t, cx| t.answer(StepIndex(0).into(), Phase::Do, 1, Answer::Lapsed, cx)).unwrap();
    assert!(!late, "an answer after the end changes nothing");
}
