//! The frames of open transactions.

use chancery_engine::definition::{CompensationPolicy, Definition, DefinitionKind, OnError};
use std::time::Duration;

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let shown = match Definition::parse(format!("name: x\nversion: 1\nkind: open\n{text}").as_bytes()) {
        Ok(_) => Vec::new(),
        Err(err) => err.problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(shown, expected, "{text}");
    super::schema::agrees(&format!("name: x\nversion: 1\nkind: open\n{text}"), &shown);
}

#[test]
fn a_frame_is_read_and_has_defaults() {
    let text = "name: trip\nversion: 2\nkind: open\nkey: \"${{ input.id }}\"\ndeadline: 1h\ngrace: 30s\n\
        allow: [pay, book]\nsteps_max: 50\nconcurrency: 2\ncontext: {to: \"${{ input.to }}\"}\n\
        compensation: {policy: retry-with-backoff, on_error: skip}\n";
    let trip = Definition::parse(text.as_bytes()).unwrap();
    let frame = trip.frame.as_ref().unwrap();
    assert_eq!((trip.kind, trip.steps.len(), trip.concurrency), (DefinitionKind::Open, 0, 2));
    assert_eq!((trip.timeout, frame.grace), (Some(Duration::from_secs(3_600)), Duration::from_secs(30)));
    let actions: Vec<&str> = frame.actions.iter().flatten().map(chancery_base::Name::as_str).collect();
    assert_eq!((actions.as_slice(), frame.steps_max), (["pay", "book"].as_slice(), 50));
    assert_eq!((trip.compensation, frame.on_error), (CompensationPolicy::RetryWithBackoff, OnError::Skip));
    assert!(trip.key.is_some());
    assert_eq!(Definition::from_canonical(&trip.source).unwrap().digest, trip.digest);

    let bare = Definition::parse(b"name: trip\nversion: 1\nkind: open\n").unwrap();
    let frame = bare.frame.as_ref().unwrap();
    assert_eq!((frame.actions.clone(), frame.steps_max), (None, 1_000));
    assert_eq!((bare.timeout, frame.grace), (None, Duration::from_secs(300)));
    assert!(Definition::parse(b"name: s\nversion: 1\nsteps: [{id: a, run: noop}]\n").unwrap().frame.is_none());
}

#[test]
fn what_a_frame_can_t_say_is_refused_at_its_place() {
    refused("budget: {money: 5}", &["4:1: budget: `budget` is not supported yet"]);
    refused(
        "steps: []",
        &[
            "4:1: steps: `steps` does not belong here: they are of kind `saga`, the driver of an open transaction adds its own",
        ],
    );
    refused("grace: 0s", &["4:8: grace: a timeout is longer than nothing"]);
    refused("deadline: 5", &["4:11: deadline: `5` has no unit: write `5s`, say; there are ms, s, m, h and d"]);
    refused("steps_max: 10001", &["4:12: steps_max: a whole number from 1 to 10000 is expected here"]);
    refused("allow: [a, a]", &["4:12: allow[1]: this action stands here twice"]);
    refused("allow: a", &["4:8: allow: a list is expected here, not a text"]);
    refused(
        "compensation: {policy: grouped-parallel}",
        &["4:24: compensation.policy: `grouped-parallel` goes by layers, and an open transaction has none"],
    );
}
