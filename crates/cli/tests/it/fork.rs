//! Forks from the command line, through a running server.

use crate::support::{Server, run, wait_for};

const TRIP: &str = "
name: trip
version: 1
steps:
  - {id: hotel, run: noop, with: {id: 7}, compensate: {run: noop}}
  - {id: car, after: [hotel], run: noop, with: '${{ steps.hotel.output }}', compensate: {run: noop}}
output: '${{ steps.car.output }}'
";

#[test]
fn what_has_ended_goes_on_from_a_step() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("trip.yaml"), TRIP).unwrap();
    let server = Server::start(dir.path(), &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    let ask = |args: &[&str]| run(dir.path(), args);
    ask(&["definition", "push", "trip.yaml"]).succeeds();
    let started = ask(&["tx", "start", "trip", "--wait", "30s", "-o", "json"]).succeeds().json();
    let source = started["id"].as_str().unwrap();
    ask(&["tx", "fork", source, "--from", "plane", "--reason", "x"]).fails(2, &["no step `plane`"]);
    ask(&["tx", "fork", source, "--from", "car"]).fails(2, &["--justification"]);
    let fork = ["tx", "fork", source, "--from", "car", "--reason", "a better car"];
    let forked = ask(&[&fork[..], &["--idempotency-key", "f", "--wait", "30s"]].concat()).succeeds();
    assert!(forked.stdout.contains("fork of") && forked.stdout.contains("a better car"), "{forked:#?}");
    assert!(forked.stdout.contains("completed (taken over)"), "{forked:#?}");
    let again = ask(&[&fork[..], &["--idempotency-key", "f", "-o", "json"]].concat()).succeeds().json();
    let id = again["id"].as_str().unwrap();
    assert_eq!((&again["status"], &again["output"]["id"]), (&"completed".into(), &7.into()));
    ask(&fork).fails(5, &["was forked before", id]);
    let shown = ask(&["tx", "get", source]).succeeds();
    assert!(shown.stdout.contains("forked by") && shown.stdout.contains(id), "{shown:#?}");
    assert_eq!(server.stop(), 0);
}
