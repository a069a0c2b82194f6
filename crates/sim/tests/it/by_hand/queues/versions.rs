//! Queues that go to workers of some versions only.

use super::{ONE, held, out, start};
use crate::by_hand::hand::{Hand, Tenant, output};
use chancery_engine::Status;
use chancery_shard::input::*;
use chancery_shard::queue::QueueSettings;
use serde_json::json;
use std::time::Duration;

fn to(versions: &[&str]) -> QueueSettings {
    let versions = versions.iter().map(|version| (*version).to_owned()).collect();
    QueueSettings { versions, ..QueueSettings::default() }
}

/// How many tasks it gets, and which queues it is refused.
fn take(hand: &mut Hand, instance: &str, version: Option<&str>) -> (usize, Vec<String>) {
    let answer = hand.take_as_version(instance, version);
    (answer.tasks.len(), answer.refused.iter().map(|(queue, _)| queue.to_string()).collect())
}

#[test]
fn a_queue_goes_to_the_versions_that_are_said() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    start(&mut hand, 3);
    hand.limit("w", to(&["2.*", "1.9.0"]));
    let refused = vec!["w".to_owned()];
    for version in [None, Some("1.9.1"), Some("2"), Some("3.0")] {
        let size = hand.size();
        assert_eq!(take(&mut hand, "old", version), (0, refused.clone()), "{version:?}");
        assert_eq!((hand.size(), held(&hand), out(&hand)), (size, Some(Hold::Versions), 0), "nothing is written");
    }
    let answer = hand.take_as_version("old", None);
    assert_eq!(answer.refused[0].1, ["2.*", "1.9.0"], "what it goes to");
    // Another queue is not concerned.
    hand.limit("undo", to(&["9"]));
    assert_eq!(take(&mut hand, "new", Some("2.0.1")), (3, vec!["undo".to_owned()]));
    assert_eq!((held(&hand), out(&hand)), (None, 3));
}

#[test]
fn a_call_that_waits_gets_what_its_version_may_have_by_then() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    hand.limit("w", to(&["2.*"]));
    // The one that called first is passed over, and stays on the line.
    let old = hand.open_as_version("old", Some("1.0"));
    let new = hand.open_as_version("new", Some("2.0"));
    start(&mut hand, 1);
    assert!(hand.answer_of(old).is_none());
    let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(new) else { panic!("it is answered") };
    assert_eq!((answer.tasks.len(), answer.refused.len()), (1, 0));
    start(&mut hand, 1);
    assert!(hand.answer_of(old).is_none());
    let versions = hand.shard.gauges().versions;
    let of_queue: Vec<_> =
        versions[&super::queue()].iter().map(|(version, count)| (version.as_deref(), *count)).collect();
    assert_eq!(of_queue, [(Some("1.0"), 1), (Some("2.0"), 1)], "one waits, the other works");
    assert_eq!(held(&hand), Some(Hold::Versions));
    // What is set is in force at once.
    hand.limit("w", to(&["1.*"]));
    let Some(Ok(Response::Exchanged(answer))) = hand.answer_of(old) else { panic!("it is answered") };
    assert_eq!((answer.tasks.len(), held(&hand)), (1, None));
}

#[test]
fn what_is_out_stays_with_its_worker_when_its_queue_goes_elsewhere() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    let id = hand.start("one", json!(1), None, None).unwrap();
    let task = hand.take_as_version("old", Some("1.0")).tasks.remove(0);
    hand.limit("w", to(&["2.*"]));
    // It did not arrive: the same attempt goes again, to the same worker.
    let again = hand.take_as_version("old", Some("1.0"));
    assert_eq!((again.tasks.len(), again.tasks[0].token), (1, task.token));
    assert_eq!(again.refused.len(), 1);
    hand.wait(Duration::from_secs(6));
    assert!(hand.hold(&[task.token]).cancelled.is_empty(), "whose lease that is, is renewed");
    assert_eq!(hand.report(&task, output(json!(1))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Completed);
}

#[test]
fn what_no_worker_of_its_versions_takes_waits_as_long_as_it_may() {
    let impatient = ONE.replacen("\"timeout\"", "\"queue_timeout\": \"5s\", \"timeout\"", 1);
    let tenant = Tenant::new(1, &[&impatient]);
    let mut hand = tenant.hand(0);
    hand.limit("w", to(&["2.*"]));
    let id = hand.start("one", json!(1), None, None).unwrap();
    for _ in 0..3 {
        assert_eq!(take(&mut hand, "old", Some("1.0")).0, 0);
        hand.wait(Duration::from_secs(2));
    }
    assert_eq!(hand.settled(id).0, Status::Failed);
    assert_eq!(hand.kinds(id), ["transaction.started", "step.failed", "transaction.failed"]);
}

#[test]
fn versions_last() {
    let tenant = Tenant::new(1, &[ONE]);
    let mut hand = tenant.hand(0);
    hand.limit("w", to(&["2.*"]));
    start(&mut hand, 1);
    drop(hand);
    let mut hand = tenant.hand(0);
    assert_eq!(take(&mut hand, "old", Some("1.0")).0, 0);
    assert_eq!(take(&mut hand, "new", Some("2.0")).0, 1);
    start(&mut hand, 1);
    hand.limit("w", QueueSettings::default());
    assert_eq!(take(&mut hand, "old", None), (1, vec![]));
}
