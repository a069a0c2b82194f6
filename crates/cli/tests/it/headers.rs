//! Headers from the command line, through a running server.

use crate::support::{Server, run, wait_for};
use serde_json::json;

const TELLS: &str = "name: tells\nversion: 1\nsteps:\n  - {id: only, run: noop, with: \"${{ headers['x-user'] }}\"}\n\
    output: \"${{ steps.only.output }}\"\n";

#[test]
fn a_start_and_a_schedule_tell_headers() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tells.yaml"), TELLS).unwrap();
    let server = Server::start(dir.path(), &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    run(dir.path(), &["definition", "push", "tells.yaml"]).succeeds();
    let start = |args: &[&str]| run(dir.path(), &[&["tx", "start", "tells", "--wait", "10s"], args].concat());
    let told = start(&["--header", "X-User=ada", "--header", "x-channel=web"]).succeeds().stdout;
    assert!(told.contains("x-channel=web x-user=ada") && told.contains("\"ada\""), "{told}");
    start(&["--header", "Cookie=a"]).fails(2, &["`cookie` is for secrets, and what a transaction is told is recorded"]);
    start(&["--header", "x-user"]).fails(2, &["NAME=VALUE"]);

    let create = ["schedule", "create", "hourly", "--definition", "tells", "--every", "1h", "--header", "x-user=clock"];
    run(dir.path(), &create).succeeds();
    let id = run(dir.path(), &["schedule", "trigger", "hourly", "-o", "json"]).succeeds().json();
    let id = id["transaction"].as_str().unwrap_or_else(|| panic!("{id}")).to_owned();
    let ran = run(dir.path(), &["tx", "wait", &id, "-o", "json"]).succeeds().json();
    assert_eq!((&ran["output"], &ran["headers"]), (&json!("clock"), &json!({ "x-user": "clock" })));
    assert_eq!(server.stop(), 0);
}
