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

const TOUR: &str = "
name: tour
version: 1
steps:
  - {id: bus, run: {emit: {type: tour.booked}}}
  - {id: guide, after: [bus], run: noop}
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
    assert_eq!(again["existing"], true);
    let history = ask(&["tx", "history", id]).succeeds().stdout;
    let began = history.lines().find(|line| line.contains("transaction.started")).unwrap();
    assert!(began.contains("usr_") && began.ends_with("a better car"), "{history}");
    ask(&fork).fails(5, &["was forked before", id]);
    let shown = ask(&["tx", "get", source]).succeeds();
    assert!(shown.stdout.contains("forked by") && shown.stdout.contains(id), "{shown:#?}");

    // What stands of the source, and is done anew, is named.
    std::fs::write(dir.path().join("tour.yaml"), TOUR).unwrap();
    ask(&["definition", "push", "tour.yaml"]).succeeds();
    let failing = ["tx", "start", "tour", "--fault", "guide=final:Ill", "--wait", "30s", "-o", "json"];
    let failed = run(dir.path(), &failing).fails(1, &[]).json();
    assert_eq!(failed["left_undone"], serde_json::json!(["bus"]));
    let id = failed["id"].as_str().unwrap();
    let forked = ask(&["tx", "fork", id, "--from", "bus", "--reason", "another guide", "--wait", "30s"]).succeeds();
    let note = format!("note: of {id} this stands, and neither it nor the fork undoes it: bus");
    assert!(forked.stderr.contains(&note), "{forked:#?}");
    assert_eq!(server.stop(), 0);
}
