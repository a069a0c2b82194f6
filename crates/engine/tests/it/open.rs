//! Open transactions: each sentence of the design is a test.

mod asked;

use chancery_base::limits::{OPEN_BYTES_MAX, OPEN_STEPS_MAX, PAYLOAD_BYTES_MAX, TRANSACTION_ENTRIES_MAX};
use chancery_base::{DecisionId, Document, Entropy, Name, PrincipalId, PrincipalKind, Slot, Timestamp, TransactionId};
use chancery_engine::definition::{Classes, Definition, OnError};
use chancery_engine::{
    Answer, Asked, Beginning, CauseKind, Conditions, Cx, Event, Given, Headers, Intent, IntentTarget, IntentUndo,
    Outgoing, Parts, Phase, Refusal, ShownStatus, Signal, Staged, Status, StepError, StepStatus, Transaction,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const FRAME: &str = "name: trip\nversion: 1\nkind: open\n";

struct Run {
    transaction: Transaction,
    now: Timestamp,
    times: Vec<Timestamp>,
    events: Vec<Staged>,
    entropy: Entropy,
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn intent(step: &str, undo: bool) -> Intent {
    let undo = undo.then(|| IntentUndo {
        attempts: 1,
        critical: false,
        input: Some(Document::shared(json!({ "undo": step }))),
        on_error: None,
        target: IntentTarget::Worker(name("undo.it")),
        timeout_ms: 1_000,
    });
    Intent {
        action: name("book"),
        classes: Classes::new(),
        purpose: None,
        resource: None,
        step: name(step),
        timeout_ms: 30_000,
        undo,
    }
}

impl Run {
    fn new(yaml: &str) -> Self {
        let mut entropy = Entropy::from_seed([7; 32]);
        let now = Timestamp::from_micros(1_795_246_020_000_000);
        let definition = Arc::new(Definition::parse(yaml.as_bytes()).unwrap());
        let beginning = Beginning {
            id: TransactionId::draw(now, Slot::new(1).unwrap(), &mut entropy),
            definition: definition.name.clone(),
            version: definition.version,
            version_asked: None,
            digest: definition.digest,
            faults: Vec::new(),
            fork: None,
            headers: Headers::default(),
            principal: PrincipalId::draw(PrincipalKind::Agent, now, &mut entropy),
            bundle: definition.digest,
            idempotency_key: Some("trip-17".to_owned()),
            business_key: None,
            labels: BTreeMap::new(),
            parent: None,
            settings: None,
            taint: Classes::new(),
            start_at: None,
            traceparent: None,
        };
        let given = Given::of_input(Document::shared(json!(1)));
        let decision = DecisionId::draw(now, &mut entropy);
        let mut transaction = Transaction::begin(definition, Arc::new(beginning), given, decision, now, 0);
        let mut events = Vec::new();
        transaction.start(&mut Cx { now, seq: 0, out: &mut events }).unwrap();
        Self { transaction, now, times: vec![now], events, entropy }
    }

    fn cx<R>(&mut self, f: impl FnOnce(&mut Transaction, &mut Cx<'_>) -> R) -> R {
        let seq = u64::try_from(self.events.len()).unwrap();
        let outcome = f(&mut self.transaction, &mut Cx { now: self.now, seq, out: &mut self.events });
        self.times.resize(self.events.len(), self.now);
        outcome
    }

    fn ask(&mut self, driver: u32, intent: &Intent, input: &Value) -> Result<Asked, Refusal> {
        let input = Document::new(input.clone());
        self.cx(|t, cx| t.ask_step(driver, intent, &input, cx))
    }

    /// Asks for a step as the shard does, policy permitting it.
    fn step(&mut self, driver: u32, id: &str) -> Result<Asked, Refusal> {
        let (intent, input) = (Arc::new(intent(id, true)), json!({ "of": id }));
        let asked = self.ask(driver, &intent, &input)?;
        if let Asked::Attempt(node) = asked {
            let outgoing = self.outgoing(input, None);
            self.cx(|t, cx| t.permit(node, &intent, outgoing, cx))?;
        }
        Ok(asked)
    }

    fn outgoing(&mut self, input: Value, conditions: Option<Conditions>) -> Outgoing {
        let decision = DecisionId::draw(self.now, &mut self.entropy);
        let deadline = self.now.plus(Duration::from_secs(30));
        Outgoing { decision, input: Document::shared(input), deadline, conditions: conditions.map(Arc::new) }
    }

    fn answer(&mut self, id: &str, answer: Answer) -> bool {
        let node = self.transaction.find(id).unwrap();
        let attempt = self.transaction.state(node).unwrap().attempts;
        self.cx(|t, cx| t.answer(node, Phase::Do, attempt, answer, cx)).unwrap()
    }

    fn done(&mut self, driver: u32, id: &str) {
        assert!(matches!(self.step(driver, id), Ok(Asked::Attempt(_))), "{id} is permitted");
        assert!(self.answer(id, Answer::Completed(output(id))), "{id} is out");
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.cx(Transaction::time_out).unwrap();
    }

    fn resume(&mut self) -> u32 {
        self.cx(Transaction::resume).unwrap()
    }

    fn commit(&mut self, driver: u32) -> Result<(), Refusal> {
        self.cx(|t, cx| t.commit(driver, output("all"), cx))
    }

    fn status_of(&self, id: &str) -> StepStatus {
        self.transaction.state(self.transaction.find(id).unwrap()).unwrap().status
    }

    /// Hands out every compensation that is ready, has it succeed, and tells whose they are, in order.
    fn undo_all(&mut self) -> Vec<String> {
        let mut undone = Vec::new();
        while let Some(ready) = self.transaction.ready(self.now).first().copied() {
            assert_eq!(ready.phase, Phase::Undo, "nothing else of it waits for a worker");
            let offer = self.transaction.offer(ready.node, Phase::Undo).unwrap();
            let decision = self.transaction.state(ready.node).unwrap().decision.unwrap();
            let deadline = self.now.plus(offer.timeout);
            let (node, input) = (ready.node, offer.input);
            undone.push(self.transaction.step_of(node).unwrap().id.to_string());
            let attempt = self
                .cx(|t, cx| t.dispatch(node, Phase::Undo, Outgoing { decision, input, deadline, conditions: None }, cx))
                .unwrap();
            let answer = Answer::Completed(Document::shared(Value::Null));
            assert!(self.cx(|t, cx| t.answer(node, Phase::Undo, attempt, answer, cx)).unwrap());
        }
        undone
    }

    /// The recorded events give the same state again, and so do the parts that the store keeps.
    fn assert_replays(&self) {
        let Event::Started { beginning, input, decision } = &self.events[0].event else { panic!("no start") };
        let definition = Arc::clone(self.transaction.definition());
        let (beginning, given) = (Arc::clone(beginning), Given::of_input(Arc::clone(input)));
        let at = self.times[0];
        let mut again = Transaction::begin(Arc::clone(&definition), beginning, given.clone(), *decision, at, 0);
        for (staged, at) in self.events.iter().zip(&self.times).skip(1) {
            again.apply(&staged.event, *at, staged.seq).unwrap_or_else(|err| panic!("{err}"));
        }
        assert_eq!(again.head(), self.transaction.head());
        assert!(again.nodes().eq(self.transaction.nodes()));
        assert_eq!(again.wake_at(), self.transaction.wake_at());
        let output = |seq: Option<u64>| self.events[usize::try_from(seq?).unwrap()].event.output().cloned();
        let nodes = self.transaction.nodes().map(|(node, state)| (node, state.clone(), output(state.output_seq)));
        let declared = self.transaction.nodes().map(|(_, state)| {
            let seq = usize::try_from(state.intent_seq.unwrap()).unwrap();
            let event = &self.events[seq].event;
            let (_, intent) = event.declares().unwrap_or_else(|| panic!("no step begins at {seq}: {event:?}"));
            (Arc::new(intent.clone()), asked::input_of(event))
        });
        let head = self.transaction.head().clone();
        let parts =
            Parts { definition, head, nodes: nodes.collect(), declared: declared.collect(), given, kept: Vec::new() };
        let loaded = Transaction::from_parts(parts).unwrap();
        assert!(loaded.nodes().eq(self.transaction.nodes()));
        assert_eq!(loaded.wake_at(), self.transaction.wake_at());
        for (node, _) in self.transaction.nodes() {
            assert_eq!(loaded.intent(node), self.transaction.intent(node));
        }
    }
}

fn output(of: &str) -> Arc<Document> {
    Document::shared(json!({ "done": of }))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Refusal>, words: &str) {
    let refusal = outcome.unwrap_err().to_string();
    assert!(refusal.contains(words), "{refusal}");
}

const GRACE: Duration = Duration::from_secs(300);

#[test]
fn begin_step_step_and_commit() {
    let mut run = Run::new(FRAME);
    assert_eq!(run.transaction.driver(), Some(1));
    run.done(1, "hotel");
    run.done(1, "flight");
    run.commit(1).unwrap();
    assert_eq!(run.transaction.status(), Status::Completed);
    assert_eq!(run.transaction.step_key(run.transaction.find("hotel").unwrap()), "trip-17/hotel");
    run.assert_replays();
    // Each call is one entry: the start, two permits, two outcomes, the end.
    assert_eq!(run.events.len(), 6);
    run.commit(1).unwrap();
    assert_eq!(run.events.len(), 6, "a commit that is repeated is done already");
}

#[test]
fn a_permit_records_the_intent_and_its_undo_in_one_entry() {
    let mut run = Run::new(FRAME);
    run.step(1, "hotel").unwrap();
    let Event::Permitted(permitted) = &run.events[1].event else { panic!("{:?}", run.events[1]) };
    assert_eq!(permitted.intent.as_deref(), Some(&intent("hotel", true)));
    assert_eq!((permitted.attempt, permitted.driver, run.events.len()), (1, 1, 2));
    run.assert_replays();
}

#[test]
fn a_denial_is_recorded_and_the_transaction_goes_on() {
    let mut run = Run::new(FRAME);
    let asked = run.ask(1, &intent("hotel", true), &json!(1)).unwrap();
    assert!(matches!(asked, Asked::Attempt(_)));
    let decision = DecisionId::draw(run.now, &mut run.entropy);
    run.cx(|t, cx| t.deny_step(Arc::new(intent("hotel", true)), Document::shared(json!(1)), decision, cx)).unwrap();
    assert!(matches!(run.events[1].event, Event::StepDenied { .. }));
    assert_eq!((run.transaction.status(), run.transaction.find("hotel")), (Status::Running, None));
    // Nothing came of it: under another input it is another step.
    run.done(1, "hotel");
    run.commit(1).unwrap();
    run.assert_replays();
}

#[test]
fn begin_and_resume_give_a_driver_epoch_and_an_older_driver_is_refused() {
    let mut run = Run::new(FRAME);
    assert_eq!((run.resume(), run.resume()), (2, 3));
    let entries = run.events.len();
    for old in [1, 2, 4] {
        refused(run.step(old, "hotel"), "driver 3 drives the transaction");
        refused(run.commit(old), "was superseded");
        refused(run.cx(|t, cx| t.abort(old, String::new(), cx)), "was superseded");
        refused(run.cx(|t, cx| t.heartbeat(old, cx)), "was superseded");
    }
    assert_eq!(run.events.len(), entries, "nothing of it was recorded");
    run.done(3, "hotel");
    run.commit(3).unwrap();
    refused(run.commit(1), "was superseded");
    run.assert_replays();
}

#[test]
fn run_again_finished_steps_return_what_they_returned() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    let driver = run.resume();
    assert_eq!(run.step(driver, "hotel"), Ok(Asked::Completed(output("hotel"))));
    assert!(matches!(run.events.last().unwrap().event, Event::Claimed { driver: 2, .. }));
    let entries = run.events.len();
    assert_eq!(run.step(driver, "hotel"), Ok(Asked::Completed(output("hotel"))));
    assert_eq!(run.events.len(), entries, "it is taken up once");
    run.commit(driver).unwrap();
    run.assert_replays();
}

#[test]
fn the_same_id_with_another_input_is_refused() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    refused(run.ask(1, &intent("hotel", true), &json!("other")), "step `hotel` is recorded with another input");
    let other = Intent { action: name("cancel"), ..intent("hotel", true) };
    refused(run.ask(1, &other, &json!({ "of": "hotel" })), "another action or resource");
    // What was recorded of the undo stands.
    let other = intent("hotel", false);
    assert_eq!(run.ask(1, &other, &json!({ "of": "hotel" })), Ok(Asked::Completed(output("hotel"))));
}

#[test]
fn commit_refuses_while_a_recorded_step_is_unclaimed_by_this_driver() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    run.done(1, "flight");
    let driver = run.resume();
    run.step(driver, "flight").unwrap();
    refused(run.commit(driver), "this driver has not asked for it: `hotel`");
    run.step(driver, "hotel").unwrap();
    run.commit(driver).unwrap();
    run.assert_replays();
}

#[test]
fn a_step_that_is_out_is_given_again_to_its_driver_and_anew_to_the_next() {
    let mut run = Run::new(FRAME);
    run.step(1, "hotel").unwrap();
    let entries = run.events.len();
    assert!(matches!(run.step(1, "hotel"), Ok(Asked::Out(_))));
    assert_eq!(run.events.len(), entries);
    refused(run.commit(1), "a step is out: `hotel`");
    let driver = run.resume();
    assert!(matches!(run.step(driver, "hotel"), Ok(Asked::Attempt(_))));
    let state = run.transaction.state(run.transaction.find("hotel").unwrap()).unwrap().clone();
    assert_eq!((state.attempts, state.unknown, state.status), (2, true, StepStatus::Dispatched));
    // The word of the driver before comes too late.
    let node = run.transaction.find("hotel").unwrap();
    assert!(!run.cx(|t, cx| t.answer(node, Phase::Do, 1, Answer::Completed(output("late")), cx)).unwrap());
    assert!(run.answer("hotel", Answer::Completed(output("hotel"))));
    run.commit(driver).unwrap();
    run.assert_replays();
}

#[test]
fn an_outcome_is_taken_from_an_older_driver_while_its_attempt_is_out() {
    let mut run = Run::new(FRAME);
    run.step(1, "hotel").unwrap();
    let driver = run.resume();
    assert!(run.answer("hotel", Answer::Completed(output("hotel"))));
    refused(run.commit(driver), "has not asked for it");
    assert_eq!(run.step(driver, "hotel"), Ok(Asked::Completed(output("hotel"))));
    run.commit(driver).unwrap();
}

#[test]
fn a_step_that_failed_is_tried_again_under_the_same_id_or_left() {
    let mut run = Run::new(FRAME);
    run.step(1, "hotel").unwrap();
    assert!(run.answer("hotel", Answer::Failed(StepError::new("NoRoom", "all is taken"))));
    assert_eq!((run.status_of("hotel"), run.transaction.status()), (StepStatus::Failed, Status::Running));
    run.step(1, "hotel").unwrap();
    assert_eq!(run.transaction.dispatched(run.transaction.find("hotel").unwrap(), Phase::Do).unwrap().0, 2);
    assert!(run.answer("hotel", Answer::Failed(StepError::new("NoRoom", "still"))));
    // It took no effect: the driver goes on without it.
    run.commit(1).unwrap();
    run.assert_replays();
}

#[test]
fn no_outcome_before_the_deadline_is_unknown_and_refuses_the_commit() {
    let mut run = Run::new(FRAME);
    run.step(1, "hotel").unwrap();
    run.wait(Duration::from_secs(30));
    assert_eq!((run.status_of("hotel"), run.transaction.status()), (StepStatus::Unknown, Status::Running));
    refused(run.commit(1), "whether a step took effect is unknown: `hotel`");
    // Later failures do not make it known; an output does.
    run.step(1, "hotel").unwrap();
    assert!(run.answer("hotel", Answer::Failed(StepError::new("NoRoom", "all is taken"))));
    refused(run.commit(1), "unknown");
    run.done(1, "hotel");
    run.commit(1).unwrap();
    run.assert_replays();
}

#[test]
fn abort_waits_until_open_permits_report_or_expire_then_compensates_in_reverse() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    run.done(1, "flight");
    run.step(1, "car").unwrap();
    run.step(1, "guide").unwrap();
    run.cx(|t, cx| t.abort(1, "no money".to_owned(), cx)).unwrap();
    assert_eq!(run.transaction.status(), Status::Compensating);
    assert!(run.transaction.ready(run.now).is_empty(), "two permits are open");
    assert!(run.answer("car", Answer::Completed(output("car"))));
    assert!(run.transaction.ready(run.now).is_empty(), "one permit is open");
    run.wait(Duration::from_secs(30));
    assert_eq!(run.undo_all(), ["guide", "car", "flight", "hotel"]);
    assert_eq!(run.transaction.status(), Status::Cancelled);
    run.assert_replays();
    // Repeated, it has been done; a commit has come too late.
    let entries = run.events.len();
    run.cx(|t, cx| t.abort(1, "no money".to_owned(), cx)).unwrap();
    refused(run.commit(1), "can't commit a transaction that is cancelled");
    assert_eq!(run.events.len(), entries);
}

#[test]
fn a_driver_that_nobody_could_hear_is_not_lost_at_once() {
    let mut run = Run::new(FRAME);
    let lease = Duration::from_secs(10);
    let back = run.now.plus(3 * GRACE);
    run.transaction.hold(back.plus(lease));
    run.wait(3 * GRACE);
    assert_eq!((run.transaction.status(), run.transaction.is_overdue(run.now)), (Status::Running, false));
    assert_eq!(run.transaction.look(run.now).wake, Some(back.plus(lease)));
    run.wait(lease);
    assert_ne!(run.transaction.status(), Status::Running, "it had its time to say something");
    run.assert_replays();
}

#[test]
fn a_driver_is_lost_after_the_grace_and_not_before() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    run.wait(GRACE - Duration::from_micros(1));
    assert_eq!(run.transaction.lost_at(), Some(run.now.plus(Duration::from_micros(1))));
    // Until then a resume wins.
    assert_eq!(run.resume(), 2);
    run.wait(GRACE - Duration::from_micros(1));
    run.cx(|t, cx| t.heartbeat(2, cx)).unwrap();
    run.wait(GRACE - Duration::from_micros(1));
    assert_eq!(run.transaction.status(), Status::Running, "a heartbeat counts");
    run.wait(Duration::from_micros(1));
    // After it the transaction aborts.
    assert_eq!(run.transaction.head().cause.as_ref().map(|cause| cause.kind), Some(CauseKind::DriverLost));
    refused(run.cx(Transaction::resume), "can't resume a transaction that is compensating");
    assert_eq!(run.undo_all(), ["hotel"]);
    assert_eq!(run.transaction.status(), Status::Compensated);
    run.assert_replays();
}

#[test]
fn every_entry_of_the_driver_is_a_sign_of_it() {
    let mut run = Run::new(FRAME);
    let half = GRACE / 2;
    run.wait(half);
    run.step(1, "hotel").unwrap();
    assert_eq!(run.transaction.lost_at(), Some(run.now.plus(GRACE)));
    run.wait(Duration::from_secs(10));
    assert!(run.answer("hotel", Answer::Completed(output("hotel"))));
    assert_eq!(run.transaction.lost_at(), Some(run.now.plus(GRACE)));
    run.step(1, "flight").unwrap();
    let said = run.now;
    // That nobody said anything of a step is none.
    run.wait(Duration::from_secs(30));
    assert_eq!(run.status_of("flight"), StepStatus::Unknown);
    assert_eq!(run.transaction.lost_at(), Some(said.plus(GRACE)));
    // Neither is the word of a driver that was superseded.
    run.step(1, "car").unwrap();
    run.resume();
    let resumed = run.now;
    run.wait(Duration::from_secs(10));
    assert!(run.answer("car", Answer::Completed(output("car"))));
    assert_eq!(run.transaction.lost_at(), Some(resumed.plus(GRACE)));
    run.assert_replays();
}

#[test]
fn at_its_deadline_it_aborts() {
    let mut run = Run::new(&format!("{FRAME}deadline: 1m\n"));
    run.done(1, "hotel");
    run.wait(Duration::from_secs(60));
    assert_eq!(run.transaction.head().cause.as_ref().map(|cause| cause.kind), Some(CauseKind::TimedOut));
    refused(run.step(1, "flight"), "can't add a step to a transaction that is compensating");
    assert_eq!(run.undo_all(), ["hotel"]);
    assert_eq!(run.transaction.status(), Status::Compensated);
    run.assert_replays();
}

#[test]
fn what_is_unknown_is_undone_and_says_so() {
    let mut run = Run::new(FRAME);
    run.step(1, "hotel").unwrap();
    run.wait(Duration::from_secs(30));
    run.cx(|t, cx| t.abort(1, String::new(), cx)).unwrap();
    let node = run.transaction.find("hotel").unwrap();
    let offer = run.transaction.offer(node, Phase::Undo).unwrap();
    assert!(offer.forward_unknown);
    assert_eq!(offer.input.value(), &json!({ "undo": "hotel" }));
    assert_eq!(
        (offer.idempotency_key.as_str(), offer.forward_key.as_deref()),
        ("trip-17/hotel/undo", Some("trip-17/hotel"))
    );
    assert_eq!(run.undo_all(), ["hotel"]);
}

#[test]
fn an_undo_without_input_gets_the_output_or_else_the_input_and_no_expression_is_evaluated() {
    let written = json!("${{ input }}");
    for (answer, expected) in [
        (Answer::Completed(Document::shared(json!("${{ 1 + 1 }}"))), json!("${{ 1 + 1 }}")),
        (Answer::Unknown(StepError::new("CutOff", "")), written.clone()),
    ] {
        let mut run = Run::new(FRAME);
        let undo = IntentUndo { input: None, ..intent("hotel", true).undo.unwrap() };
        let intent = Arc::new(Intent { undo: Some(undo), ..intent("hotel", true) });
        let Ok(Asked::Attempt(node)) = run.ask(1, &intent, &written) else { panic!("no attempt") };
        let outgoing = run.outgoing(written.clone(), None);
        run.cx(|t, cx| t.permit(node, &intent, outgoing, cx)).unwrap();
        assert!(run.answer("hotel", answer));
        run.cx(|t, cx| t.abort(1, String::new(), cx)).unwrap();
        assert_eq!(run.transaction.offer(node, Phase::Undo).unwrap().input.value(), &expected);
    }
}

#[test]
fn a_step_without_an_undo_is_left_undone_and_told() {
    let mut run = Run::new(FRAME);
    let (intent, input) = (Arc::new(intent("mail", false)), json!(1));
    let Ok(Asked::Attempt(node)) = run.ask(1, &intent, &input) else { panic!("no attempt") };
    let outgoing = run.outgoing(input, None);
    run.cx(|t, cx| t.permit(node, &intent, outgoing, cx)).unwrap();
    assert!(run.answer("mail", Answer::Completed(output("mail"))));
    run.done(1, "hotel");
    run.cx(|t, cx| t.abort(1, String::new(), cx)).unwrap();
    assert_eq!(run.undo_all(), ["hotel"]);
    assert_eq!(run.transaction.summary(None).left_undone, [node]);
    assert_eq!(run.transaction.status(), Status::Cancelled);
}

#[test]
fn the_frame_allows_actions_and_so_many_steps() {
    let mut run = Run::new(&format!("{FRAME}allow: [book]\nsteps_max: 2\n"));
    let other = Intent { action: name("pay"), ..intent("hotel", true) };
    refused(run.ask(1, &other, &json!(1)), "the definition does not allow the action `pay`");
    run.done(1, "hotel");
    run.done(1, "flight");
    refused(run.step(1, "car"), "the definition does not allow more than 2 steps");
    assert_eq!(run.step(1, "hotel"), Ok(Asked::Completed(output("hotel"))));
    run.commit(1).unwrap();
}

#[test]
fn payloads_and_entries_have_limits_and_the_way_back_has_room() {
    let mut run = Run::new(FRAME);
    let large = json!("x".repeat(PAYLOAD_BYTES_MAX - 2));
    for number in 0..OPEN_BYTES_MAX / PAYLOAD_BYTES_MAX {
        let intent = Arc::new(intent(&format!("s{number}"), false));
        let Ok(Asked::Attempt(node)) = run.ask(1, &intent, &large) else { panic!("no room for {number}") };
        let outgoing = run.outgoing(large.clone(), None);
        run.cx(|t, cx| t.permit(node, &intent, outgoing, cx)).unwrap();
    }
    refused(run.ask(1, &intent("more", false), &large), "payloads of as many bytes");

    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    while run.transaction.head().entries < TRANSACTION_ENTRIES_MAX {
        run.cx(|t, cx| t.heartbeat(1, cx)).unwrap();
    }
    refused(run.cx(|t, cx| t.heartbeat(1, cx)), "as many entries as one may have");
    refused(run.step(1, "flight"), "as many entries");
    refused(run.cx(Transaction::resume), "as many entries");
    run.cx(|t, cx| t.abort(1, String::new(), cx)).unwrap();
    assert_eq!(run.undo_all(), ["hotel"]);
}

#[test]
fn nothing_of_it_waits_for_a_person_on_the_way_forward() {
    let mut run = Run::new(FRAME);
    run.step(1, "hotel").unwrap();
    assert!(run.answer("hotel", Answer::Unknown(StepError::new("CutOff", ""))));
    refused(run.cx(|t, cx| t.retry("again", cx)), "can't retry");
    refused(run.cx(|t, cx| t.resolve("hotel", output("hotel"), "by hand".to_owned(), cx)), "can't resolve");
    assert_eq!(run.transaction.status(), Status::Running);
}

#[test]
fn a_compensation_that_failed_parks_and_a_person_resolves_it() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    run.cx(|t, cx| t.abort(1, String::new(), cx)).unwrap();
    let node = run.transaction.find("hotel").unwrap();
    let decision = run.transaction.state(node).unwrap().decision.unwrap();
    let (input, deadline) = (output("in"), run.now.plus(Duration::from_secs(1)));
    run.cx(|t, cx| t.dispatch(node, Phase::Undo, Outgoing { decision, input, deadline, conditions: None }, cx))
        .unwrap();
    let failed = Answer::Failed(StepError::fatal("Gone", "no such booking"));
    assert!(run.cx(|t, cx| t.answer(node, Phase::Undo, 1, failed, cx)).unwrap());
    assert_eq!(run.transaction.status(), Status::Parked);
    run.cx(|t, cx| t.resolve("hotel", output("hotel"), "by phone".to_owned(), cx)).unwrap();
    assert_eq!(run.transaction.status(), Status::Cancelled);
    run.assert_replays();
}

#[test]
fn a_saga_has_no_driver() {
    let mut run = Run::new("name: saga\nversion: 1\nsteps: [{id: a, run: {worker: w}}]\n");
    refused(run.step(1, "b"), "can't add a step to a transaction that is not open");
    refused(run.cx(Transaction::resume), "not open");
    assert_eq!((run.transaction.driver(), run.transaction.lost_at()), (None, None));
}

#[test]
fn the_last_of_many_steps_costs_what_the_tenth_costs() {
    let mut run = Run::new(&format!("{FRAME}steps_max: {OPEN_STEPS_MAX}\n"));
    let mut rows = Vec::new();
    let mut head = Vec::new();
    for number in 0..OPEN_STEPS_MAX {
        run.done(1, &format!("step-{number}"));
        rows.push(run.transaction.take_touched().len());
        head.push(serde_json::to_string(run.transaction.head()).unwrap().len());
    }
    assert!(rows.iter().all(|rows| *rows == 1), "a step writes its own row");
    // The number of entries has more digits, nothing else grows.
    assert!(head.last().unwrap() - head[9] <= 4, "{} and {}", head[9], head.last().unwrap());
    run.commit(1).unwrap();
    assert!(run.transaction.head().entries < TRANSACTION_ENTRIES_MAX / 2);
}

#[test]
fn intents_are_checked() {
    let check = |change: &dyn Fn(&mut Intent), expected: &str| {
        let mut intent = intent("hotel", true);
        change(&mut intent);
        let fault = intent.check().unwrap_err();
        assert!(fault.contains(expected), "{fault}");
    };
    intent("hotel", true).check().unwrap();
    check(&|intent| intent.timeout_ms = 0, "timeout: more than nothing and at most 1d");
    check(&|intent| intent.timeout_ms = 86_400_001, "timeout: more than nothing");
    check(&|intent| intent.undo.as_mut().unwrap().attempts = 0, "undo.attempts: a number from 1 to 1000");
    let http = |url: &str, header: &str| {
        let headers = BTreeMap::from([(header.to_owned(), "x".to_owned())]);
        IntentTarget::Http { headers, method: chancery_engine::definition::Method::Post, url: url.to_owned() }
    };
    check(&|intent| intent.undo.as_mut().unwrap().target = http("ftp://a", "x"), "begins with `http://`");
    check(&|intent| intent.undo.as_mut().unwrap().target = http("http://a b", "x"), "no blanks");
    check(&|intent| intent.undo.as_mut().unwrap().target = http("http://a", "host"), "sets the header `host` itself");
    let undo = IntentUndo { on_error: Some(OnError::Skip), ..intent("a", true).undo.unwrap() };
    let text = serde_json::to_string(&Intent { undo: Some(undo), ..intent("a", true) }).unwrap();
    assert!(text.contains("\"on_error\":\"skip\"") && text.contains("\"target\":{\"worker\":\"undo.it\"}"), "{text}");
}

#[test]
fn a_paused_one_permits_nothing_and_loses_no_driver() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    run.step(1, "flight").unwrap();
    run.cx(|t, cx| t.pause("a look".to_owned(), cx)).unwrap();
    assert_eq!(run.transaction.shown(), ShownStatus::Paused);
    refused(run.step(1, "car"), "can't add a step to a transaction that is paused");
    // What is out comes in, and what is recorded is given.
    assert!(run.answer("flight", Answer::Failed(StepError::new("NoRoom", "all is taken"))));
    refused(run.step(1, "flight"), "can't try a step again of a transaction that is paused");
    assert_eq!(run.step(1, "hotel"), Ok(Asked::Completed(output("hotel"))));
    refused(run.commit(1), "can't commit a transaction that is paused");
    run.wait(2 * GRACE);
    assert_eq!((run.transaction.status(), run.transaction.wake_at()), (Status::Running, None), "nobody is missed");
    assert_eq!(run.resume(), 2);
    run.cx(|t, cx| t.unpause("looked".to_owned(), cx)).unwrap();
    assert_eq!(run.transaction.wake_at(), Some(run.now.plus(GRACE)), "from here on it is to be heard");
    run.done(2, "flight");
    assert_eq!(run.step(2, "hotel"), Ok(Asked::Completed(output("hotel"))));
    run.commit(2).unwrap();
    assert_eq!(run.transaction.status(), Status::Completed);
    run.assert_replays();
}

#[test]
fn an_abort_ends_a_pause() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    run.cx(|t, cx| t.pause("a look".to_owned(), cx)).unwrap();
    run.cx(|t, cx| t.abort(1, "no money".to_owned(), cx)).unwrap();
    assert_eq!(run.undo_all(), ["hotel"]);
    assert_eq!(run.transaction.status(), Status::Cancelled);
    run.assert_replays();
}

#[test]
fn nothing_in_it_takes_a_signal() {
    let mut run = Run::new(FRAME);
    let signal = Signal { name: name("paid"), id: None, payload: Document::shared(Value::Null) };
    refused(run.cx(|t, cx| t.signal(signal, cx)), "no step of the definition waits for a signal `paid`");
}
