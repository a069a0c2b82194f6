//! Requests to people: steps that run one, and steps that are handed out once one is approved.

use super::{Run, check};
use chancery_base::limits::{REQUEST_OPEN_MAX, REQUEST_TURNS_MAX};
use chancery_base::{Entropy, Name, PrincipalId, PrincipalKind, Timestamp};
use chancery_engine::{
    Event, Person, Phase, Refusal, RequestAt, RequestFact, RequestRefusal, RequestState, RequestStatus, Say,
    ShownStatus, Status, StepStatus, Transaction,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const ASKED: &str = "
name: asked
version: 1
steps:
  - {id: reserve, run: {worker: w}, compensate: {run: {worker: u}}}
  - id: approve
    after: [reserve]
    run: {request: {title: 'Pay ${{ input.amount }}?', role: finance, approvers: 2, sla: 2h, reason: it is much}}
    with: {amount: '${{ input.amount }}'}
  - {id: pay, after: [approve], run: {worker: w}, retry: {attempts: 1}, with: '${{ steps.approve.output.by }}'}
output: '${{ steps.approve.output.answer }}'
";

const GATED: &str = "
name: gated
version: 1
steps:
  - {id: reserve, run: {worker: w}, compensate: {run: {worker: u}}}
  - id: pay
    after: [reserve]
    run: {worker: w}
    with: {at: '${{ now }}', amount: '${{ input.amount }}'}
    retry: {attempts: 3, backoff: 1s, jitter: 0}
    queue_timeout: 5m
    approval: {approvers: 1}
";

const WHY: &str = "checked it against the contract";

fn person(who: &str) -> PrincipalId {
    let seed = who.bytes().next().unwrap_or_default();
    PrincipalId::draw(PrincipalKind::User, Timestamp::EPOCH, &mut Entropy::from_seed([seed; 32]))
}

fn finance() -> BTreeSet<Name> {
    BTreeSet::from(["finance".parse().unwrap()])
}

fn request<'r>(run: &'r Run, step: &str) -> &'r RequestState {
    run.transaction.state(run.step(step)).unwrap().requests.last().unwrap()
}

fn at(run: &Run, step: &str) -> RequestAt {
    (run.step(step), request(run, step).id)
}

/// Has somebody of the role say something to the newest request of a step.
pub(super) fn say(run: &mut Run, who: &str, step: &str, answer: Say) -> Result<(), Refusal> {
    let (at, roles) = (at(run, step), finance());
    let person = Person { id: person(who), roles: &roles };
    run.cx(|t, cx| t.answer_request(at, person, answer, WHY.to_owned(), cx))
}

fn refused(outcome: Result<(), Refusal>) -> RequestRefusal {
    match outcome {
        Err(Refusal::Request(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Applies what was recorded, each at its time, to a fresh state.
fn replayed(run: &Run, times: &[Timestamp]) -> Transaction {
    let Event::Started { beginning, decision, .. } = &run.events[0].event else { panic!("no start") };
    let (definition, given) = (Arc::clone(run.transaction.definition()), run.transaction.given().clone());
    let mut again = Transaction::begin(definition, Arc::clone(beginning), given, *decision, times[0], 0);
    for (staged, at) in run.events.iter().zip(times).skip(1) {
        again.apply(&staged.event, *at, staged.seq).unwrap_or_else(|err| panic!("{err}: {}", run.told()));
    }
    again
}

/// Runs a script: what is recorded, and that a replay comes to the same.
#[track_caller]
fn script(yaml: &str, lines: &str, expected: &str) -> Run {
    let mut run = Run::new(yaml, json!({"amount": 900}));
    let mut times = vec![run.now; run.events.len()];
    for line in lines.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        run.act(line);
        times.resize(run.events.len(), run.now);
    }
    assert_eq!(run.told().trim_start_matches("started, "), expected, "{lines}");
    let again = replayed(&run, &times);
    assert_eq!(again.head(), run.transaction.head());
    assert!(again.nodes().eq(run.transaction.nodes()), "{lines}");
    run
}

#[test]
fn as_many_as_it_takes_say_yes_and_the_step_is_done() {
    let run = script(
        ASKED,
        "ok reserve; yes ann approve; yes bob approve; ok pay",
        "dispatched reserve, completed reserve, request opened approve, request answered approve, \
         request answered approve, dispatched pay, completed pay, completed",
    );
    let output = run.events.iter().rev().find_map(|staged| staged.event.output().cloned()).unwrap();
    assert_eq!(output.value(), &json!("approved"));
    let request = request(&run, "approve");
    assert_eq!((request.status, request.yes_count()), (RequestStatus::Approved, 2));
    assert_eq!((request.terms.title.as_str(), request.terms.reason.as_str()), ("Pay 900?", "it is much"));
    let given = run.events.iter().find_map(|staged| {
        let Event::Requested(requested) = &staged.event else { return None };
        requested.fact_output()
    });
    let given = given.unwrap();
    assert_eq!(given["by"], json!([person("ann").to_string(), person("bob").to_string()]));
    assert_eq!((&given["answer"], &given["justification"]), (&json!("approved"), &json!(WHY)));
}

trait FactOutput {
    fn fact_output(&self) -> Option<Value>;
}

impl FactOutput for chancery_engine::Requested {
    fn fact_output(&self) -> Option<Value> {
        let RequestFact::Answered { output, .. } = &self.fact else { return None };
        output.as_ref().map(|output| output.value().clone())
    }
}

#[test]
fn the_first_no_decides_and_what_was_done_is_undone() {
    let run = script(
        ASKED,
        "ok reserve; yes ann approve; no bob approve; undone reserve",
        "dispatched reserve, completed reserve, request opened approve, request answered approve, \
         request answered approve, attempt failed approve, undo dispatched reserve, undo completed reserve, compensated",
    );
    let error = run.transaction.head().error.clone().unwrap();
    assert_eq!((error.r#type.as_str(), error.is_final), ("RequestDenied", true));
    assert!(error.message.contains(WHY), "{}", error.message);
}

#[test]
fn what_is_not_answered_in_time_counts_as_denied_and_is_warned_of_before() {
    let run = script(
        ASKED,
        "ok reserve; yes ann approve; wait 59m; wait 2m; wait 58m; wait 1m; undone reserve",
        "dispatched reserve, completed reserve, request opened approve, request answered approve, \
         request due soon approve, request expired approve, attempt failed approve, undo dispatched reserve, \
         undo completed reserve, compensated",
    );
    assert_eq!(run.transaction.head().error.as_ref().unwrap().r#type, "RequestExpired");
    assert_eq!(request(&run, "approve").status, RequestStatus::Expired);
}

#[test]
fn what_waits_for_people_waits_and_wakes_when_it_is_due() {
    let mut run = Run::new(ASKED, json!({"amount": 900}));
    run.act("ok reserve");
    assert_eq!(run.transaction.shown(), ShownStatus::Waiting);
    let due = run.now.plus(Duration::from_secs(2 * 3_600));
    assert_eq!((request(&run, "approve").due_at, run.transaction.wake_at()), (due, Some(due.minus(WARNED))));
    // Asleep over both: it expires at once.
    run.act("wait 3h");
    assert!(
        run.told().ends_with(
            "request opened approve, request expired approve, attempt failed approve, undo dispatched reserve"
        )
    );
}

const WARNED: Duration = chancery_engine::REQUEST_WARNED_BEFORE;

#[test]
fn who_requested_never_approves_nor_does_a_machine_nor_anybody_twice() {
    let mut run = Run::new(ASKED, json!({"amount": 900}));
    run.act("ok reserve");
    let (at, roles, nobody) = (at(&run, "approve"), finance(), BTreeSet::new());
    let before = run.events.len();
    let requester = run.transaction.head().beginning.principal;
    let mut try_as = |id, roles: &BTreeSet<Name>, why: &str| {
        refused(run.cx(|t, cx| t.answer_request(at, Person { id, roles }, Say::Approved, why.to_owned(), cx)))
    };
    // The one who started it is a machine here: both would do.
    assert_eq!(try_as(requester, &roles, WHY), RequestRefusal::Machine(requester));
    assert_eq!(try_as(person("ann"), &nobody, WHY), RequestRefusal::Role("finance".parse().unwrap()));
    let short = RequestRefusal::Justification { found: 19, least: 20 };
    assert_eq!(try_as(person("ann"), &roles, "1234567890123456789   "), short);
    assert_eq!(run.events.len(), before, "nothing changed");
    run.act("yes ann approve");
    assert_eq!(refused(say(&mut run, "ann", "approve", Say::Approved)), RequestRefusal::Answered(person("ann")));
    assert_eq!(refused(say(&mut run, "ann", "approve", Say::Denied)), RequestRefusal::Answered(person("ann")));
    run.act("yes bob approve");
    let closed = RequestRefusal::Closed(RequestStatus::Approved);
    assert_eq!(refused(say(&mut run, "carl", "approve", Say::Denied)), closed);
    assert_eq!(run.events.len(), before + 3, "two answers, and the hand-out");
}

#[test]
fn a_say_is_handed_on_and_put_off() {
    let mut run = Run::new(ASKED, json!({"amount": 900}));
    run.act("ok reserve");
    let (at, roles, nobody) = (at(&run, "approve"), finance(), BTreeSet::new());
    let ann = Person { id: person("ann"), roles: &roles };
    let dora = Person { id: person("dora"), roles: &nobody };
    let why = || WHY.to_owned();
    run.cx(|t, cx| t.acknowledge(at, ann, cx)).unwrap();
    run.cx(|t, cx| t.acknowledge(at, ann, cx)).unwrap();
    assert_eq!(request(&run, "approve").status, RequestStatus::Acknowledged);
    assert_eq!(run.events.len(), 5, "said again it changes nothing");
    let requester = run.transaction.head().beginning.principal;
    let to_requester = run.cx(|t, cx| t.delegate_request(at, ann, requester, why(), cx));
    assert_eq!(refused(to_requester), RequestRefusal::Machine(requester));
    run.cx(|t, cx| t.delegate_request(at, ann, dora.id, why(), cx)).unwrap();
    assert!(matches!(refused(say(&mut run, "ann", "approve", Say::Approved)), RequestRefusal::HandedOn { .. }));
    // Nor back: who answers is always somebody else in the end.
    let back = run.cx(|t, cx| t.delegate_request(at, dora, ann.id, why(), cx));
    assert!(matches!(refused(back), RequestRefusal::HandedOn { .. }));
    let latest = request(&run, "approve").opened_at.plus(REQUEST_OPEN_MAX);
    let micro = Duration::from_micros(1);
    for until in [run.now, latest.plus(micro)] {
        let outcome = run.cx(|t, cx| t.defer_request(at, dora, until, why(), cx));
        assert_eq!(refused(outcome), RequestRefusal::Until { until, latest });
    }
    run.cx(|t, cx| t.defer_request(at, dora, latest, why(), cx)).unwrap();
    assert_eq!(run.transaction.wake_at(), Some(latest.minus(WARNED)));
    run.act("wait 25d");
    run.cx(|t, cx| t.answer_request(at, dora, Say::Approved, why(), cx)).unwrap();
    run.act("yes bob approve");
    assert_eq!(run.transaction.state(run.step("pay")).unwrap().status, StepStatus::Dispatched);
}

#[test]
fn a_request_is_put_off_and_handed_on_only_so_often() {
    let mut run = Run::new(ASKED, json!({"amount": 900}));
    run.act("ok reserve");
    let (at, roles) = (at(&run, "approve"), finance());
    let ann = Person { id: person("ann"), roles: &roles };
    for _ in 0..REQUEST_TURNS_MAX {
        let until = run.now.plus(Duration::from_secs(7_200));
        run.cx(|t, cx| t.defer_request(at, ann, until, WHY.to_owned(), cx)).unwrap();
    }
    let until = run.now.plus(Duration::from_secs(7_200));
    let outcome = run.cx(|t, cx| t.defer_request(at, ann, until, WHY.to_owned(), cx));
    assert_eq!(refused(outcome), RequestRefusal::Turns { what: "put off", max: REQUEST_TURNS_MAX });
}

#[test]
fn what_comes_too_late_is_not_taken_though_nobody_has_looked() {
    let mut run = Run::new(ASKED, json!({"amount": 900}));
    run.act("ok reserve");
    let due = request(&run, "approve").due_at;
    run.now = due;
    assert_eq!(refused(say(&mut run, "ann", "approve", Say::Approved)), RequestRefusal::Overdue(due));
}

#[test]
fn what_is_not_wanted_any_more_is_withdrawn() {
    let both = ASKED.replace("after: [reserve]", "after: []");
    let run = script(
        &both,
        "fatal reserve",
        "request opened approve, dispatched reserve, attempt failed reserve, request withdrawn approve, failed",
    );
    assert_eq!(request(&run, "approve").status, RequestStatus::Withdrawn);
    script(
        ASKED,
        "ok reserve; cancel; undone reserve",
        "dispatched reserve, completed reserve, request opened approve, cancel requested, request withdrawn approve, \
         undo dispatched reserve, undo completed reserve, cancelled",
    );
    script(
        ASKED,
        "ok reserve; terminate",
        "dispatched reserve, completed reserve, request opened approve, request withdrawn approve, terminated",
    );
}

#[test]
fn a_step_goes_out_once_people_approved_it_and_its_retries_need_no_more() {
    let run = script(
        GATED,
        "ok reserve; wait 2h; yes ann pay; fail pay; wait 1s; ok pay",
        "dispatched reserve, completed reserve, request opened pay, request answered pay, dispatched pay, again pay, \
         dispatched pay, completed pay, completed",
    );
    let inputs = run.events.iter().filter_map(|staged| {
        let Event::Dispatched { node, input, .. } = &staged.event else { return None };
        (*node == run.step("pay")).then(|| input.digest())
    });
    let inputs: Vec<_> = inputs.collect();
    assert_eq!(inputs, [request(&run, "pay").input; 2], "what went out is what was approved, hours later too");
}

#[test]
fn a_step_that_was_approved_waits_for_a_worker_from_then_on() {
    let mut run = Run::new(GATED, json!({"amount": 900}));
    run.act("ok reserve");
    run.act("wait 3h");
    say(&mut run, "ann", "pay", Say::Approved).unwrap();
    // Nobody takes it: its time in the queue began when it was approved.
    run.now = run.now.plus(Duration::from_secs(299));
    run.cx(Transaction::time_out).unwrap();
    assert_eq!(run.transaction.ready(run.now).len(), 1);
    run.now = run.now.plus(Duration::from_secs(1));
    run.cx(Transaction::time_out).unwrap();
    assert!(run.told().ends_with("request answered pay, attempt failed pay"), "{}", run.told());
}

#[test]
fn a_step_that_people_did_not_approve_does_not_go_out() {
    script(
        GATED,
        "ok reserve; no ann pay; undone reserve",
        "dispatched reserve, completed reserve, request opened pay, request answered pay, attempt failed pay, \
         undo dispatched reserve, undo completed reserve, compensated",
    );
    script(
        GATED,
        "ok reserve; wait 1d; undone reserve",
        "dispatched reserve, completed reserve, request opened pay, request expired pay, attempt failed pay, \
         undo dispatched reserve, undo completed reserve, compensated",
    );
}

#[test]
fn whoever_has_a_step_tried_again_has_people_asked_again() {
    let pivot = "
name: forward
version: 1
steps:
  - {id: book, run: {worker: w}, pivot: true}
  - {id: pay, after: [book], run: {worker: w}, retry: {attempts: 1}, approval: {}}
";
    script(
        pivot,
        "ok book; yes ann pay; fail pay; retry; yes bob pay; ok pay",
        "dispatched book, completed book, request opened pay, request answered pay, dispatched pay, \
         attempt failed pay, parked pay, resumed pay, request opened pay, request answered pay, dispatched pay, \
         completed pay, completed",
    );
}

#[test]
fn each_clone_asks_for_itself() {
    let fan = "
name: fan
version: 1
steps:
  - {id: ship, each: '${{ input.amounts }}', run: {worker: w}, with: '${{ item }}', approval: {approvers: 1}}
";
    let mut run = Run::new(fan, json!({"amounts": [1, 2]}));
    say(&mut run, "ann", "ship[0]", Say::Approved).unwrap();
    run.hand_out();
    let status = |run: &Run, step: &str| run.transaction.state(run.step(step)).unwrap().status;
    assert_eq!((status(&run, "ship[0]"), status(&run, "ship[1]")), (StepStatus::Dispatched, StepStatus::Waiting));
    assert_ne!(request(&run, "ship[0]").id, request(&run, "ship[1]").id);
}

#[test]
fn an_approval_of_one_step_is_none_of_another() {
    let mut run = Run::new(GATED, json!({"amount": 900}));
    run.act("ok reserve");
    let (roles, id) = (finance(), request(&run, "pay").id);
    let ann = Person { id: person("ann"), roles: &roles };
    let other = (run.step("reserve"), id);
    let outcome = run.cx(|t, cx| t.answer_request(other, ann, Say::Approved, WHY.to_owned(), cx));
    assert_eq!(refused(outcome), RequestRefusal::Superseded);
}

#[test]
fn those_who_are_asked_answer_and_nobody_resolves_it_by_hand() {
    let pivot = ASKED.replace("compensate: {run: {worker: u}}", "pivot: true");
    let mut run = Run::new(&pivot, json!({"amount": 900}));
    for line in ["ok reserve", "no ann approve"] {
        run.act(line);
    }
    assert_eq!(run.transaction.status(), Status::Parked);
    let by_hand = run.cx(|t, cx| t.resolve("approve", chancery_base::Document::shared(json!({})), WHY.to_owned(), cx));
    assert!(matches!(by_hand, Err(Refusal::Unsuitable(_))), "{by_hand:?}");
    // Nor does anybody say anything to what is parked; tried again it asks anew.
    let before = request(&run, "approve").id;
    run.act("retry");
    assert_ne!(request(&run, "approve").id, before);
}

#[test]
fn a_fork_inherits_no_answers() {
    let mut run = Run::new(ASKED, json!({"amount": 900}));
    for line in ["ok reserve", "yes ann approve", "yes bob approve", "fail pay", "undone reserve"] {
        run.act(line);
    }
    let taken = run.transaction.fork_from("pay").unwrap();
    assert_eq!(taken, [], "what people said is asked again");
}

#[test]
fn paused_it_takes_answers_and_expires_when_it_goes_on() {
    let mut run = Run::new(ASKED, json!({"amount": 900}));
    for line in ["ok reserve", "pause", "yes ann approve", "wait 3h"] {
        run.act(line);
    }
    assert!(run.told().ends_with("paused, request answered approve"), "{}", run.told());
    assert!(matches!(refused(say(&mut run, "bob", "approve", Say::Approved)), RequestRefusal::Overdue(_)));
    run.act("resume");
    assert!(run.told().contains("unpaused, request expired approve, attempt failed approve"), "{}", run.told());
}

#[test]
fn a_title_that_is_none_fails_the_step() {
    let yaml = ASKED.replace("Pay ${{ input.amount }}?", "${{ input.title }}");
    let mut run = Run::new(&yaml, json!({"amount": 900, "title": "x".repeat(201)}));
    run.act("ok reserve");
    let error = run.transaction.head().error.clone().unwrap();
    assert_eq!(error.r#type, "BadExpression");
    assert!(error.message.contains("a title has 1 to 200 bytes, this one has 201"), "{}", error.message);
}

#[test]
fn a_step_of_which_an_answer_sets_what_can_t_be_set_fails() {
    let yaml = ASKED.replace(
        "    with: {amount: '${{ input.amount }}'}\n",
        "    with: {amount: '${{ input.amount }}'}\n    set: {x: '${{ steps.approve.output.none }}'}\n",
    );
    script(
        &yaml,
        "ok reserve; yes ann approve; yes bob approve; undone reserve",
        "dispatched reserve, completed reserve, request opened approve, request answered approve, \
         request answered approve, attempt failed approve, undo dispatched reserve, undo completed reserve, compensated",
    );
}

#[test]
fn it_may_go_on_without_an_answer_where_it_says_so() {
    let yaml = ASKED
        .replace("    with: {amount: '${{ input.amount }}'}\n", "    on_failure: continue\n")
        .replace("steps.approve.output.by", "steps.approve.error.type")
        .replace("output: '${{ steps.approve.output.answer }}'\n", "");
    check(&yaml, json!({"amount": 900}), "ok reserve", "dispatched reserve, completed reserve, request opened approve");
    let mut run = Run::new(&yaml, json!({"amount": 900}));
    for line in ["ok reserve", "wait 2h", "ok pay"] {
        run.act(line);
    }
    assert_eq!(run.transaction.status(), Status::Completed);
}

/// What was never decided is covered by the decision about the start: it has to be undone all the same.
#[test]
fn what_was_settled_by_hand_though_people_said_no_can_be_undone() {
    let yaml = "
name: settled
version: 1
steps:
  - {id: pay, pivot: true, retry: {attempts: 1}, run: {worker: w}}
  - {id: ship, approval: {approvers: 1}, run: {worker: w}, compensate: {run: {worker: u}}}
";
    let run = script(
        yaml,
        "unknown pay; no ann ship; resolve ship; cancel; undone ship",
        "dispatched pay, request opened ship, attempt failed pay, request answered ship, attempt failed ship, \
         parked pay, resolved ship, parked pay, cancel requested, undo dispatched ship, undo completed ship, cancelled",
    );
    let cited = run.events.iter().find_map(|staged| {
        let Event::Dispatched { phase: Phase::Undo, decision, .. } = &staged.event else { return None };
        Some(*decision)
    });
    assert_eq!(cited, Some(run.transaction.head().decision));
    assert_eq!(run.transaction.state(run.step("ship")).unwrap().decision, None);
}
