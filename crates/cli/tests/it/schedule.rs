//! Schedules from the command line, through a running server.

use crate::support::{Server, run, wait_for};
use serde_json::Value;
use std::path::Path;

const TICK: &str = "name: tick\nversion: 1\nsteps:\n  - {id: only, run: noop, with: \"${{ input }}\"}\n";

/// A server for developers that knows `tick`, and who asks it.
fn dev(dir: &Path) -> Server {
    std::fs::write(dir.join("tick.yaml"), TICK).unwrap();
    let server = Server::start(dir, &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    run(dir, &["definition", "push", "tick.yaml"]).succeeds();
    server
}

#[test]
fn a_schedule_runs_by_itself_until_it_is_paused() {
    let dir = tempfile::tempdir().unwrap();
    let server = dev(dir.path());
    let ask = |args: &[&str]| run(dir.path(), &[&["schedule"], args].concat());
    let input = r#"{"due": "${{ schedule.due }}"}"#;
    let made = ask(&["create", "tick", "--definition", "tick", "--every", "1s", "--input", input]).succeeds();
    assert!(made.stdout.contains("every 1s") && made.stdout.contains("LOCAL"), "{made:#?}");
    let shown = |name: &str| ask(&["show", name, "-o", "json"]).succeeds().json();
    let fired = wait_for("two starts", || Some(shown("tick")).filter(|shown| shown["fired"].as_u64().unwrap() >= 2));
    let id = fired["transaction"].as_str().unwrap();
    let transaction = run(dir.path(), &["tx", "get", id, "-o", "json"]).succeeds().json();
    assert!(transaction["input"]["due"].as_str().unwrap().ends_with(".000000Z"), "the time is the calendar's");
    assert_eq!(transaction["labels"]["schedule"], "tick");

    let paused = ask(&["pause", "tick", "--note", "enough"]).succeeds();
    assert!(paused.stdout.contains("paused") && paused.stdout.contains("enough"), "{paused:#?}");
    ask(&["pause", "tick"]).fails(5, &["the schedule is paused"]);
    let listed = ask(&["list"]).succeeds();
    assert!(listed.stdout.contains("SCHEDULE") && listed.stdout.contains("paused"), "{listed:#?}");
    let counted = run(dir.path(), &["tx", "count", "label.schedule:tick", "-o", "json"]).succeeds().json();
    assert_eq!(counted["count"], shown("tick")["fired"], "what is found is what was started");

    let triggered = ask(&["trigger", "tick", "-o", "json"]).succeeds().json();
    assert!(triggered["transaction"].as_str().unwrap().starts_with("txn_"), "a pause does not keep people from it");
    ask(&["resume", "tick", "--note", "go on"]).succeeds();
    ask(&["delete", "tick"]).succeeds();
    ask(&["show", "tick"]).fails(3, &["there is no schedule `tick`"]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn what_is_wrong_with_a_schedule_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let _server = dev(dir.path());
    let ask = |args: &[&str]| run(dir.path(), &[&["schedule", "create", "x", "--definition", "tick"], args].concat());
    ask(&[]).fails(2, &["--cron"]);
    ask(&["--every", "1h", "--at", "2030-01-01T00:00:00Z"]).fails(2, &["cannot be used with"]);
    ask(&["--every", "soon"]).fails(2, &["`soon` is not a duration"]);
    ask(&["--cron", "0 24 * * *"]).fails(2, &["cron: column 3: `24` is no hour: write 0 to 23"]);
    ask(&["--cron", "@daily", "--zone", "Mars"]).fails(2, &["zone: there is no time zone `Mars`"]);
    ask(&["--at", "2020-01-01T00:00:00Z"]).fails(2, &["it would never be due"]);
    let unknown = run(dir.path(), &["schedule", "create", "x", "--definition", "nothing", "--every", "1h"]);
    unknown.fails(3, &["there is no definition `nothing`"]);
    let none: Value = run(dir.path(), &["schedule", "list", "-o", "json"]).succeeds().json();
    assert_eq!(none["items"], Value::Array(Vec::new()));
    assert!(run(dir.path(), &["schedule", "list"]).succeeds().stdout.contains("no schedules"));
}
