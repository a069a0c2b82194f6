//! Queues with limits: what goes out when, and that no place is ever lost.

mod model;
mod versions;

use super::hand::{Hand, Tenant, output};
use chancery_engine::{Status, StepError};
use chancery_shard::Poll;
use chancery_shard::input::*;
use chancery_shard::queue::QueueSettings;
use serde_json::{Value, json};
use std::time::Duration;

const ONE: &str = r#"{"name": "one", "version": 1, "steps": [
    {"id": "only", "run": {"worker": "w"}, "retry": {"attempts": 3, "backoff": "0ms"}, "timeout": "20s"}
]}"#;

/// Steps that say what their turn goes by, and the compensation of the first.
const TURNS: &str = r#"{"name": "turns", "version": 1, "steps": [
    {"id": "only", "run": {"worker": "w"}, "fairness": "${{ input.?customer }}", "timeout": "20s"}
]}"#;
const URGENT: &str = r#"{"name": "urgent", "version": 1, "steps": [
    {"id": "only", "run": {"worker": "w"}, "priority": 5, "fairness": "${{ input.customer }}",
     "compensate": {"run": {"worker": "w"}}},
    {"id": "bad", "after": ["only"], "run": {"worker": "w"}, "priority": -9, "retry": {"attempts": 1}}
]}"#;

const FAN: &str = r#"{"name": "fan", "version": 1, "concurrency": 10, "steps": [
    {"id": "each", "each": "${{ input.list }}", "run": {"worker": "w"}, "fairness": "${{ item }}"}
]}"#;

fn at_most(concurrency: u32) -> QueueSettings {
    QueueSettings { concurrency: Some(concurrency), ..QueueSettings::default() }
}

fn queue() -> Queue {
    Queue::Worker("w".parse().unwrap())
}

fn out(hand: &Hand) -> usize {
    hand.shard.gauges().out.get(&queue()).copied().unwrap_or_default()
}

fn held(hand: &Hand) -> Option<Hold> {
    hand.shard.gauges().held.get(&"w".parse().unwrap()).copied()
}

fn start(hand: &mut Hand, count: u64) {
    for n in 0..count {
        hand.start("one", json!(n), None, None).unwrap();
    }
}

fn take(hand: &mut Hand) -> Vec<std::sync::Arc<Task>> {
    hand.take_of(&[("w", 10)])
}

#[test]
fn a_queue_lets_out_as_many_as_it_may_and_the_next_when_one_comes_in() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    hand.limit("w", at_most(2));
    start(&mut hand, 5);
    assert_eq!(held(&hand), None, "nobody would take them");
    let before = hand.size();
    let first = take(&mut hand);
    assert_eq!((first.len(), out(&hand), held(&hand)), (2, 2, Some(Hold::Concurrency)));
    assert_eq!(hand.size(), before + 2, "what waits writes nothing");
    assert!(take(&mut hand).is_empty());
    // A worker that waits gets the next as soon as another has reported.
    let waiting = hand.open_call();
    assert_eq!(hand.report(&first[0], output(json!(1))), Ack::Recorded);
    let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(waiting) else { panic!("it is answered") };
    assert_eq!((answer.tasks.len(), out(&hand)), (1, 2));
    // What is set is in force at once, for what waits, too.
    hand.limit("w", at_most(3));
    assert_eq!(take(&mut hand).len(), 1);
    hand.limit("w", QueueSettings::default());
    assert_eq!((take(&mut hand).len(), held(&hand)), (1, None));
    hand.limit("w", at_most(1));
    start(&mut hand, 1);
    assert!(take(&mut hand).is_empty(), "more are out than may be now: none of them is taken back");
    assert_eq!(out(&hand), 4);
}

#[test]
fn clones_take_turns_and_stand_in_no_line_while_their_transaction_is_paused() {
    let tenant = Tenant::new(1, &[FAN]);
    let mut hand = tenant.hand(0);
    hand.limit("w", at_most(2));
    let id = hand.start("fan", json!({"list": ["a", "a", "b"]}), None, None).unwrap();
    let first = take(&mut hand);
    assert_eq!(first.iter().map(|task| task.index).collect::<Vec<_>>(), [Some(0), Some(2)]);
    assert_eq!((out(&hand), held(&hand)), (2, Some(Hold::Concurrency)));
    hand.pause(id);
    assert_eq!((out(&hand), hand.shard.gauges().queues), (2, vec![]), "what is out has its place");
    assert_eq!(hand.report(&first[0], output(json!(1))), Ack::Recorded);
    assert_eq!((out(&hand), take(&mut hand).len(), held(&hand)), (1, 0, None));
    hand.resume(id);
    let next = take(&mut hand);
    assert_eq!(next.iter().map(|task| task.index).collect::<Vec<_>>(), [Some(1)]);
    for task in [&first[1], &next[0]] {
        assert_eq!(hand.report(task, output(json!(1))), Ack::Recorded);
    }
    assert_eq!((hand.settled(id).0, out(&hand)), (Status::Completed, 0));
}

#[test]
fn a_place_is_free_again_whatever_becomes_of_the_attempt() {
    type End = fn(&mut Hand, &Task);
    let ends: [(&str, End); 6] = [
        ("it is done", |hand, task| assert_eq!(hand.report(task, output(json!(1))), Ack::Recorded)),
        ("it fails", |hand, task| {
            let error = StepError::fatal("OutOfStock", "none left");
            assert_eq!(hand.report(task, ReportedOutcome::Failed(error)), Ack::Recorded);
        }),
        ("nobody knows", |hand, task| {
            let error = StepError::fatal("Cut", "no answer");
            assert_eq!(hand.report(task, ReportedOutcome::Unknown(error)), Ack::Recorded);
        }),
        ("its lease lapses", |hand, _| hand.wait(Duration::from_secs(11))),
        ("its time is over", |hand, task| {
            assert_eq!(hand.report(task, ReportedOutcome::Accepted), Ack::Recorded);
            assert_eq!((out(hand), take(hand).len()), (1, 0), "what was only accepted has its place");
            hand.wait(Duration::from_secs(21));
        }),
        ("its transaction is terminated", |hand, task| {
            hand.push_terminate(task.transaction);
            hand.run();
        }),
    ];
    for (how, end) in ends {
        let tenant = Tenant::new(1, &[ONE]);
        let mut hand = tenant.hand(0);
        hand.limit("w", at_most(1));
        start(&mut hand, 2);
        let task = take(&mut hand).remove(0);
        assert!(take(&mut hand).is_empty(), "{how}");
        end(&mut hand, &task);
        assert_eq!(out(&hand), 0, "{how}");
        assert_eq!((take(&mut hand).len(), out(&hand)), (1, 1), "{how}");
    }
}

#[test]
fn the_next_owner_of_the_log_knows_what_is_out() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut old = tenant.hand(0);
    old.limit("w", at_most(2));
    start(&mut old, 3);
    let tasks = take(&mut old);
    assert_eq!(old.report(&tasks[1], ReportedOutcome::Accepted), Ack::Recorded);
    let mut new = tenant.hand_at(0, old.now);
    assert_eq!((out(&new), take(&mut new).len()), (2, 0));
    assert_eq!(new.report(&tasks[0], output(json!(1))), Ack::Recorded);
    assert_eq!((out(&new), take(&mut new).len(), out(&new)), (1, 1, 2));
    // What the first one was accepted for is over by its deadline, and no place is left behind.
    new.wait(Duration::from_secs(25));
    assert_eq!(out(&new), 0);
}

#[test]
fn compensations_take_places_in_their_own_queue() {
    let undone = r#"{"name": "undone", "version": 1, "steps": [
        {"id": "first", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
        {"id": "second", "after": ["first"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
    ]}"#;
    let tenant = Tenant::new(1, &[undone]);
    let mut hand = tenant.hand(0);
    hand.limit("undo", at_most(1));
    for _ in 0..2 {
        hand.start("undone", json!({}), None, None).unwrap();
    }
    for outcome in [output(json!(1)), ReportedOutcome::Failed(StepError::fatal("No", "no"))] {
        for task in take(&mut hand) {
            assert_eq!(hand.report(&task, outcome.clone()), Ack::Recorded);
        }
    }
    let first = hand.take_of(&[("undo", 10), ("w", 10)]);
    assert_eq!(first.iter().map(|task| task.phase.word()).collect::<Vec<_>>(), ["undo"]);
    assert_eq!(hand.report(&first[0], output(json!(1))), Ack::Recorded);
    let second = hand.take_of(&[("undo", 10)]);
    assert_eq!(hand.report(&second[0], output(json!(1))), Ack::Recorded);
    assert_eq!(hand.settled(second[0].transaction).0, Status::Compensated);
}

#[test]
fn a_rate_lets_one_out_at_a_time_and_wakes_the_shard_itself() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    hand.limit("w", QueueSettings { rate: Some(4), rate_per_ms: Some(1_000), ..QueueSettings::default() });
    start(&mut hand, 9);
    let begin = hand.now;
    assert_eq!(take(&mut hand).len(), 1, "of what was handed out before nothing is known: one may go");
    let waiting = hand.open_call();
    assert!(hand.answer_of(waiting).is_none());
    let Some(Hold::Rate(until)) = held(&hand) else { panic!("{:?}", held(&hand)) };
    let spaced = until.since(begin);
    assert!((Duration::from_millis(250)..Duration::from_millis(251)).contains(&spaced), "{spaced:?}");
    assert!(matches!(hand.shard.poll(hand.now, &mut hand.entropy), Poll::Wait(Some(at)) if at == until));
    hand.now = until;
    hand.run();
    let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(waiting) else { panic!("its time has come") };
    assert_eq!(answer.tasks.len(), 1);
    // After a pause as many as the bucket holds, and no more.
    hand.report(&answer.tasks[0], output(json!(1)));
    hand.wait(Duration::from_secs(9));
    assert_eq!(take(&mut hand).len(), 4);
    assert!(take(&mut hand).is_empty());
}

#[test]
fn a_rate_is_kept_over_changes_and_faults_and_lets_one_out_after_a_restart() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    let hourly = QueueSettings { rate: Some(1), rate_per_ms: Some(3_600_000), ..QueueSettings::default() };
    hand.limit("w", hourly.clone());
    start(&mut hand, 4);
    assert_eq!(take(&mut hand).len(), 1);
    hand.limit("other", at_most(1));
    assert!(take(&mut hand).is_empty(), "another control state knows what was handed out");
    hand.limit("w", QueueSettings { concurrency: Some(9), ..hourly });
    assert!(take(&mut hand).is_empty(), "so does another word on the queue");
    let mut new = tenant.hand_at(0, hand.now);
    assert_eq!(take(&mut new).len(), 1, "nothing is known of what was handed out before");
    assert!(take(&mut new).is_empty());
}

/// Starts these, and gives the inputs in the order in which they go out, one at a time.
#[track_caller]
fn goes_out(started: &[(&str, Value)], expected: &[Value]) {
    let tenant = Tenant::new(1, &[TURNS, URGENT]);
    let mut hand = tenant.hand(0);
    hand.limit("w", at_most(1));
    let mut inputs = std::collections::HashMap::new();
    for (name, input) in started {
        let id = hand.start(name, input.clone(), None, None).unwrap();
        inputs.insert(id, input.clone());
        hand.now = hand.now.plus(Duration::from_micros(1));
    }
    let mut seen = Vec::new();
    while let [task] = take(&mut hand).as_slice() {
        seen.push(inputs[&task.transaction].clone());
        assert_eq!(hand.report(task, output(json!(1))), Ack::Recorded);
        hand.now = hand.now.plus(Duration::from_micros(1));
    }
    assert_eq!(seen, expected);
}

#[test]
fn steps_of_one_queue_take_turns_by_their_key() {
    let of = |customer: &str, n: u32| json!({"customer": customer, "n": n});
    goes_out(
        &[
            ("turns", of("ada", 1)),
            ("turns", of("ada", 2)),
            ("turns", of("ada", 3)),
            ("turns", of("ben", 1)),
            ("turns", of("ben", 2)),
            ("turns", json!({"n": 1})),
        ],
        &[json!({"n": 1}), of("ada", 1), of("ben", 1), of("ada", 2), of("ben", 2), of("ada", 3)],
    );
}

#[test]
fn what_is_urgent_goes_first_and_what_is_not_last() {
    let of = |customer: &str, n: u32| json!({"customer": customer, "n": n});
    goes_out(
        &[("turns", of("ada", 1)), ("urgent", of("ben", 1)), ("turns", of("ada", 2)), ("urgent", of("ada", 3))],
        // The second step of each urgent one is the least urgent of all.
        &[of("ada", 3), of("ben", 1), of("ada", 1), of("ada", 2), of("ada", 3), of("ben", 1)],
    );
}

#[test]
fn a_compensation_is_as_urgent_as_its_step() {
    let tenant = Tenant::new(1, &[TURNS, URGENT]);
    let mut hand = tenant.hand(0);
    hand.limit("w", at_most(1));
    let id = hand.start("urgent", json!({"customer": "ada"}), None, None).unwrap();
    for outcome in [output(json!(1)), ReportedOutcome::Failed(StepError::fatal("No", "no"))] {
        let task = take(&mut hand).remove(0);
        if task.step.as_str() == "bad" {
            hand.start("turns", json!({}), None, None).unwrap();
            hand.now = hand.now.plus(Duration::from_secs(1));
        }
        assert_eq!(hand.report(&task, outcome), Ack::Recorded);
    }
    let task = take(&mut hand).remove(0);
    assert_eq!((task.transaction, task.phase.word()), (id, "undo"), "it waits for less long than the other");
}

#[test]
fn a_key_that_can_t_be_told_fails_its_step() {
    let tenant = Tenant::new(1, &[URGENT]);
    let mut hand = tenant.hand(0);
    let missing = hand.start("urgent", json!({}), None, None).unwrap();
    let odd = hand.start("urgent", json!({"customer": [1]}), None, None).unwrap();
    let long = hand.start("urgent", json!({"customer": "x".repeat(257)}), None, None).unwrap();
    assert!(take(&mut hand).is_empty());
    for id in [missing, odd, long] {
        assert_eq!(hand.settled(id).0, Status::Failed);
    }
}

#[test]
fn what_is_said_again_is_no_change_and_what_can_t_be_is_refused() {
    let tenant = Tenant::new(2, &[ONE]);
    let mut hand = tenant.hand(0);
    let set = |settings| Change::QueueSet { queue: "w".parse().unwrap(), settings };
    assert!(matches!(hand.change(set(at_most(2))), Ok(Response::Done { seq: Some(_) })));
    assert!(matches!(hand.change(set(at_most(2))), Ok(Response::Done { seq: None })));
    assert!(matches!(hand.change(set(QueueSettings::default())), Ok(Response::Done { seq: Some(_) })));
    assert!(matches!(hand.change(set(QueueSettings::default())), Ok(Response::Done { seq: None })));
    let refused = hand.change(set(at_most(0)));
    assert!(matches!(&refused, Err(Refusal::Invalid(why)) if why.starts_with("concurrency: 0")), "{refused:?}");
    let mut other = tenant.hand(1);
    assert!(matches!(other.change(set(at_most(1))), Err(Refusal::Invalid(_))), "only shard 0 takes it");
    // Another shard of the tenant obeys all the same.
    hand.limit("w", at_most(1));
    start(&mut other, 3);
    assert_eq!(take(&mut other).len(), 1);
}

#[test]
fn a_tenant_has_settings_of_so_many_queues_at_most() {
    use chancery_base::limits::QUEUES_MAX;
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    for number in 0..QUEUES_MAX {
        hand.limit(&format!("q{number}"), at_most(1));
    }
    let set = |queue: &str| Change::QueueSet { queue: queue.parse().unwrap(), settings: at_most(2) };
    assert!(matches!(hand.change(set("more")), Err(Refusal::Limited { max: QUEUES_MAX, .. })));
    assert!(hand.change(set("q0")).is_ok(), "what is known may be changed");
    hand.limit("q1", QueueSettings::default());
    assert!(hand.change(set("more")).is_ok(), "what is forgotten makes room");
}
