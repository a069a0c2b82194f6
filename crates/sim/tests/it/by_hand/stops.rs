//! Stops: what each sort does to a start, to what waits and to what is out, and that no hand-out outruns one.

mod model;

use super::TWO_STEPS;
use super::hand::{Hand, Tenant, output};
use chancery_base::{Entropy, PrincipalId, StopId, Timestamp, TransactionId};
use chancery_engine::{Phase, Status, StepError};
use chancery_shard::TaskToken;
use chancery_shard::input::*;
use chancery_shard::stop::StopOn;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn stop_id(hand: &mut Hand) -> StopId {
    StopId::draw(Timestamp::EPOCH, &mut hand.entropy)
}

fn set(on: &StopOn, id: StopId) -> Change {
    Change::StopSet { id, on: on.clone(), justification: "enough".to_owned() }
}

/// Stops something; gives the stop.
fn stop(hand: &mut Hand, on: &StopOn) -> StopId {
    let id = stop_id(hand);
    let done = hand.change(set(on, id));
    assert!(matches!(done, Ok(Response::Done { seq: Some(_) })), "{done:?}");
    id
}

fn lift(hand: &mut Hand, id: StopId) {
    let done = hand.change(Change::StopLift { id, justification: "fixed".to_owned() });
    assert!(matches!(done, Ok(Response::Done { seq: Some(_) })), "{done:?}");
}

fn target(queue: &str) -> StopOn {
    StopOn::Target(format!("worker:{queue}").parse().unwrap())
}

/// What denies: each sort but the target.
fn denying(tenant: &Tenant) -> Vec<StopOn> {
    vec![
        StopOn::Tenant,
        StopOn::Principal(tenant.actor.id),
        StopOn::Action("run".parse().unwrap()),
        StopOn::Definition("two".parse().unwrap()),
    ]
}

fn operation(id: TransactionId) -> Operation {
    Operation { id, actor: PrincipalId::SYSTEM, justification: "a test".to_owned() }
}

/// A call of who has a task, which waits for others.
fn wait_holding(hand: &mut Hand, tenant: &Tenant, token: TaskToken) -> ReplyTo {
    let call = Exchange {
        worker: Worker { principal: tenant.worker.id, instance: Arc::from("one") },
        version: None,
        queues: vec![(Queue::Worker("w".parse().unwrap()), 10)],
        done: Vec::new(),
        holding: vec![token],
        hold_until: hand.now.plus(Duration::from_secs(60)),
        key: None,
    };
    let to = hand.push(Command::Exchange(call));
    hand.run();
    to
}

#[test]
fn a_start_is_refused_and_the_refusal_is_an_entry() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let starts = StopOn::Action("start".parse().unwrap());
    let of_run = StopOn::Action("run".parse().unwrap());
    for on in denying(&tenant).into_iter().filter(|on| *on != of_run).chain([starts]) {
        let mut hand = tenant.hand(0);
        let before = hand.start("two", json!({"n": 1}), Some("k"), None).unwrap();
        let id = stop(&mut hand, &on);
        let size = hand.size();
        let refused = hand.start("two", json!({"n": 2}), None, None);
        let Err(Refusal::Stopped(decided)) = &refused else { panic!("{on}: {refused:?}") };
        assert!(!decided.permitted && decided.reasons[0].policy == Some(id.to_string()), "{on}: {decided:?}");
        assert_eq!((hand.size(), decided.seq), (size + 1, size), "{on}");
        assert_eq!(hand.start("two", json!({"n": 1}), Some("k"), None).unwrap(), before, "what began before is found");
        lift(&mut hand, id);
        assert!(hand.start("two", json!({"n": 2}), None, None).is_ok(), "{on}");
    }
}

#[test]
fn what_waits_is_denied_though_no_worker_ever_asks_for_it() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    for on in denying(&tenant) {
        let mut hand = tenant.hand(0);
        let waiting = hand.start("two", json!({"n": 1}), None, None).unwrap();
        let id = stop(&mut hand, &on);
        assert_eq!(hand.settled(waiting).0, Status::Failed, "{on}");
        assert_eq!(hand.kinds(waiting)[1..3], ["decision.denied", "step.failed"], "{on}");
        assert!(hand.take().is_empty(), "{on}");
        lift(&mut hand, id);
    }
}

#[test]
fn what_waits_for_a_worker_with_a_key_is_denied_too() {
    let capable = TWO_STEPS.replace(r#""run": {"worker": "w"}"#, r#""run": {"worker": "w"}, "capability": {}"#);
    let tenant = Tenant::new(1, &[&capable]);
    for on in denying(&tenant) {
        let mut hand = tenant.hand(0);
        let waiting = hand.start("two", json!({"n": 1}), None, None).unwrap();
        let id = stop(&mut hand, &on);
        assert_eq!(hand.settled(waiting).0, Status::Failed, "{on}");
        lift(&mut hand, id);
    }
}

#[test]
fn the_next_step_is_denied_and_compensations_go_on() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    for on in denying(&tenant) {
        let mut hand = tenant.hand(0);
        let id = hand.start("two", json!({"n": 1}), None, None).unwrap();
        let first = hand.take_one("first");
        let stop = stop(&mut hand, &on);
        assert_eq!(hand.report(&first, output(json!(7))), Ack::Recorded, "{on}: what was done is recorded");
        let undo = hand.take_one("first");
        assert_eq!(undo.phase, Phase::Undo, "{on}");
        assert_eq!(hand.hold(&[undo.token]).cancelled, [], "{on}: it is wanted");
        assert_eq!(hand.report(&undo, output(json!(null))), Ack::Recorded, "{on}");
        assert_eq!(hand.settled(id).0, Status::Compensated, "{on}");
        lift(&mut hand, stop);
    }
}

#[test]
fn who_has_what_is_stopped_is_told_at_once_and_gets_it_no_second_time() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    for on in denying(&tenant).into_iter().chain([target("w")]) {
        let mut hand = tenant.hand(0);
        hand.start("two", json!({"n": 1}), None, None).unwrap();
        let first = hand.take_one("first");
        let Exchanged { tasks, cancelled, .. } = hand.hold(&[first.token]);
        assert!(tasks.is_empty() && cancelled.is_empty());
        let held = wait_holding(&mut hand, &tenant, first.token);
        assert!(hand.answer_of(held).is_none(), "{on}");
        let id = stop(&mut hand, &on);
        let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(held) else { panic!("{on}: it is not told") };
        assert_eq!(answer.cancelled, [first.token], "{on}");
        assert_eq!(hand.hold(&[first.token]).cancelled, [first.token], "{on}: whoever did not hear it is told again");
        assert!(hand.take().is_empty(), "{on}: what it dropped is not sent again");
        lift(&mut hand, id);
        hand.ask(Command::Terminate(operation(first.transaction))).unwrap();
    }
}

#[test]
fn what_goes_to_a_stopped_target_waits_and_goes_on_when_that_is_lifted() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let first = stop(&mut hand, &target("w"));
    let id = hand.start("two", json!({"n": 1}), None, None).unwrap();
    let held = hand.open_call();
    assert!(hand.answer_of(held).is_none(), "the start is allowed, and its step waits");
    let queue: chancery_base::Name = "w".parse().unwrap();
    assert_eq!(hand.shard.gauges().held.get(&queue), Some(&Hold::Stopped));
    lift(&mut hand, first);
    let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(held) else { panic!("it goes out at once") };
    assert_eq!(hand.report(&answer.tasks[0], output(json!(7))), Ack::Recorded);
    let second = stop(&mut hand, &target("w"));
    assert!(hand.take().is_empty());
    hand.wait(Duration::from_secs(5));
    assert!(!hand.is_settled(id));
    lift(&mut hand, second);
    let last = hand.take_one("second");
    assert_eq!(hand.report(&last, output(json!(8))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Completed);
}

#[test]
fn a_compensation_of_a_stopped_target_is_parked_and_retried_when_that_is_lifted() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let id = hand.start("two", json!({"n": 1}), None, None).unwrap();
    let first = hand.take_one("first");
    hand.report(&first, output(json!(7)));
    let stop = stop(&mut hand, &target("undo"));
    let second = hand.take_one("second");
    hand.report(&second, ReportedOutcome::Failed(StepError::fatal("No", "no")));
    assert_eq!(hand.settled(id).0, Status::Parked);
    // It is parked again for as long as the stop is there.
    hand.ask(Command::Retry(operation(id))).unwrap();
    assert_eq!((hand.row(id).0, hand.take().len()), ("parked", 0));
    lift(&mut hand, stop);
    hand.ask(Command::Retry(operation(id))).unwrap();
    let undo = hand.take_one("first");
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
}

/// Its compensation would be passed over if it failed: a stop loses none.
const PASSES: &str = r#"{"name": "passes", "version": 1, "compensation": {"policy": "best-effort-parallel"}, "steps": [
    {"id": "first", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "second", "after": ["first"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
]}"#;

#[test]
fn a_compensation_that_would_be_passed_over_waits_until_the_stop_is_lifted() {
    let tenant = Tenant::new(1, &[PASSES]);
    let mut hand = tenant.hand(0);
    let id = hand.start("passes", json!({}), None, None).unwrap();
    let first = hand.take_one("first");
    hand.report(&first, output(json!(7)));
    let stop = stop(&mut hand, &target("undo"));
    let second = hand.take_one("second");
    hand.report(&second, ReportedOutcome::Failed(StepError::fatal("No", "no")));
    assert!(hand.take().is_empty());
    assert_eq!(hand.row(id).0, "compensating");
    lift(&mut hand, stop);
    let undo = hand.take_one("first");
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
}

const PARENT: &str = r#"{"name": "parent", "version": 1, "steps": [
    {"id": "ship", "run": {"transaction": "two"}, "with": {"n": 1}, "irreversible": true}
]}"#;

#[test]
fn a_stop_on_a_definition_is_on_the_children_that_it_runs() {
    let tenant = Tenant::new(1, &[PARENT, TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let id = hand.start("parent", json!({}), None, None).unwrap();
    let first = hand.take_one("first");
    let of_parent = stop(&mut hand, &StopOn::Definition("parent".parse().unwrap()));
    hand.report(&first, output(json!(7)));
    let undo = hand.take_one("first");
    assert_eq!(undo.phase, Phase::Undo, "the child's next step is denied");
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Failed);
    assert!(hand.start("two", json!({"n": 1}), None, None).is_ok(), "what nobody stopped may begin by itself");
    lift(&mut hand, of_parent);
    stop(&mut hand, &StopOn::Definition("two".parse().unwrap()));
    let id = hand.start("parent", json!({}), None, None).unwrap();
    assert_eq!(hand.settled(id).0, Status::Failed, "the child may not begin");
    assert!(hand.kinds(id).contains(&"decision.denied".to_owned()));
}

#[test]
fn a_stop_is_set_once_lifted_once_and_outlives_its_server() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let id = stop(&mut hand, &StopOn::Tenant);
    let size = hand.size();
    let other = stop_id(&mut hand);
    assert!(matches!(hand.change(set(&StopOn::Tenant, other)), Ok(Response::Done { seq: None })));
    assert_eq!(hand.size(), size, "it is stopped already");
    let mut hand = tenant.hand_at(0, hand.now);
    assert!(matches!(hand.start("two", json!({"n": 1}), None, None), Err(Refusal::Stopped(_))));
    lift(&mut hand, id);
    let again = hand.change(Change::StopLift { id, justification: "fixed".to_owned() });
    assert!(matches!(again, Err(Refusal::NotFound(_))), "{again:?}");
    assert!(hand.start("two", json!({"n": 1}), None, None).is_ok());
}

#[test]
fn a_stop_on_what_is_not_there_is_refused() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let nobody = PrincipalId::draw(chancery_base::PrincipalKind::Agent, hand.now, &mut Entropy::from_seed([3; 32]));
    for on in [StopOn::Principal(nobody), StopOn::Definition("tow".parse().unwrap())] {
        let id = stop_id(&mut hand);
        let refused = hand.change(set(&on, id));
        assert!(matches!(refused, Err(Refusal::NotFound(_))), "{on}: {refused:?}");
    }
    for on in [StopOn::Target("default".parse().unwrap()), StopOn::Principal(PrincipalId::SYSTEM)] {
        // Changes here are the platform's own.
        let id = stop_id(&mut hand);
        let refused = hand.change(set(&on, id));
        assert!(matches!(refused, Err(Refusal::Invalid(_))), "{on}: {refused:?}");
    }
}

#[test]
fn another_shard_obeys_when_the_call_returns() {
    let tenant = Tenant::new(2, &[TWO_STEPS]);
    let (mut first, mut second) = (tenant.hand(0), tenant.hand(1));
    second.start("two", json!({"n": 1}), None, None).unwrap();
    let of_target = stop(&mut first, &target("w"));
    assert!(second.take().is_empty(), "the guard tells it");
    lift(&mut first, of_target);
    assert_eq!(second.take().len(), 1, "a shard that has nothing to commit learns of it, too");
    stop(&mut first, &StopOn::Tenant);
    assert!(matches!(second.start("two", json!({"n": 1}), None, None), Err(Refusal::Stopped(_))));
}

#[test]
fn many_that_wait_are_denied_batch_by_batch_and_nothing_spins() {
    let tenant = Tenant::new(1, &[TWO_STEPS]);
    let mut hand = tenant.hand(0);
    let waiting: Vec<TransactionId> =
        (0..2_000).map(|n| hand.start("two", json!({ "n": n }), None, None).unwrap()).collect();
    let of_target = stop(&mut hand, &target("w"));
    let size = hand.size();
    hand.wait(Duration::from_secs(5));
    assert_eq!(hand.size(), size, "what waits for a stop to be lifted writes nothing");
    stop(&mut hand, &StopOn::Definition("two".parse().unwrap()));
    assert!(waiting.iter().all(|id| hand.is_settled(*id)), "a stop that denies counts before one that lets wait");
    lift(&mut hand, of_target);
    assert!(hand.take().is_empty());
}
