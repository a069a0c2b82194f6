//! Requests to people from the command line, through a server that is killed meanwhile.

use crate::support::{SERVE, Server, ask, run, serve_acme, wait_for, write};
use serde_json::Value;
use std::path::Path;

const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/starter");

/// A step that asks people, and one that goes out once they approved it.
const PAY: &str = "\
name: pay
version: 1
steps:
  - id: approve
    run: {request: {title: \"Pay ${{ input.amount }}?\", role: finance, sla: 4h}}
    with: {amount: \"${{ input.amount }}\"}
  - id: tell
    after: [approve]
    run: {emit: {type: order.paid}}
    with: {by: \"${{ steps.approve.output.by[0] }}\"}
    approval: {role: finance}
output: {event: \"${{ steps.tell.output.id }}\"}
";
const WHY: &str = "checked against invoice 4711";

/// A server with the tenant `acme`, its saga, and two people: `ann` of finance, and `bob`, who starts it.
fn set_up() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    run(at, &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = serve_acme(at);
    ask(at, &server, "acme", &["bundle", "push", BUNDLE, "--activate"]).succeeds();
    write(at, "pay.yaml", PAY, 0o644);
    ask(at, &server, "acme", &["definition", "push", "pay.yaml"]).succeeds();
    for (name, roles) in [("ann", &["approver", "finance"][..]), ("bob", &["approver", "finance", "owner"])] {
        let key = format!("{name}.key");
        let mut args = vec!["principal", "create", "--kind", "user", "--name", name, "--key-out", &key];
        args.extend(roles.iter().flat_map(|role| ["--role", *role]));
        ask(at, &server, "acme", &args).succeeds();
    }
    (dir, server)
}

/// The one request that is open.
fn open(dir: &Path, server: &Server) -> Value {
    wait_for("a request", || {
        let listed = ask(dir, server, "ann", &["request", "list", "--mine", "-o", "json"]).succeeds().json();
        listed["items"].as_array()?.first().cloned()
    })
}

#[test]
fn a_request_waits_across_a_kill_and_its_step_goes_out_once() {
    let (dir, server) = set_up();
    let dir = dir.path();
    let started = ask(dir, &server, "bob", &["tx", "start", "pay", "--input", "{\"amount\": 900}", "-o", "json"]);
    let id = started.succeeds().json()["id"].as_str().unwrap().to_owned();
    let request = open(dir, &server);
    let first = request["id"].as_str().unwrap();
    let waits = ask(dir, &server, "bob", &["tx", "get", &id]).succeeds().stdout;
    assert!(waits.contains(&format!("step `approve`: request `{first}`")), "{waits}");
    ask(dir, &server, "ann", &["request", "ack", first]).succeeds();

    server.kill();
    let server = Server::start_saying(dir, &SERVE, "second.err");
    let shown = ask(dir, &server, "ann", &["request", "show", first]).succeeds().stdout;
    for text in ["Pay 900?", "acknowledged", "saw it", "0 of 1", "{\"amount\":900}"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let by_bob = ask(dir, &server, "bob", &["request", "approve", first, "--justification", WHY]);
    by_bob.fails(4, &["started the transaction, and who asks does not answer"]);
    let by_acme = ask(dir, &server, "acme", &["request", "approve", first, "--justification", WHY]);
    by_acme.fails(4, &["only those with the role `finance` answer this request"]);
    let brief = ask(dir, &server, "ann", &["request", "approve", first, "--justification", "fine"]);
    brief.fails(2, &["the justification has 4 characters, 20 are needed"]);
    let approved = ask(dir, &server, "ann", &["request", "approve", first, "--justification", WHY]).succeeds().stdout;
    assert!(approved.contains("approved") && approved.contains(WHY), "{approved}");
    ask(dir, &server, "ann", &["request", "approve", first, "--justification", WHY])
        .fails(5, &["the request is approved"]);

    // What goes out is approved by itself.
    let second = open(dir, &server)["id"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    server.kill();
    let server = Server::start_saying(dir, &SERVE, "third.err");
    assert_eq!(open(dir, &server)["id"], second.as_str());
    let events =
        |server: &Server| ask(dir, server, "acme", &["event", "list", "-o", "json"]).succeeds().json()["items"].clone();
    assert_eq!(events(&server), Value::Array(Vec::new()), "it has not gone out");
    ask(dir, &server, "ann", &["request", "answer", &second, "yes", "--justification", WHY]).succeeds();
    server.kill();
    let server = Server::start_saying(dir, &SERVE, "fourth.err");
    let done = ask(dir, &server, "bob", &["tx", "wait", &id, "--timeout", "30s", "-o", "json"]).succeeds().json();
    assert_eq!(done["status"], "completed", "{done}");
    let events = events(&server);
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    assert_eq!(events[0]["id"], done["output"]["event"]);
    let none = ask(dir, &server, "ann", &["request", "list"]).succeeds().stdout;
    assert!(none.contains("no requests"), "{none}");
    let all = ask(dir, &server, "ann", &["request", "list", "--status", "any"]).succeeds().stdout;
    assert!(all.contains("1 of 1") && all.contains("May step `tell` of `pay` run?"), "{all}");
    assert_eq!(server.stop(), 0);
    run(dir, &["verify", "--data", "data"]).succeeds();
}

#[test]
fn a_no_fails_the_transaction_and_is_told() {
    let (dir, server) = set_up();
    let dir = dir.path();
    ask(dir, &server, "bob", &["tx", "start", "pay", "--input", "{\"amount\": 900}"]).succeeds();
    let request = open(dir, &server);
    let (first, id) = (request["id"].as_str().unwrap(), request["transaction"].as_str().unwrap());
    let until = ["request", "defer", first, "--until", "2001-01-01T00:00:00Z", "--justification", WHY];
    ask(dir, &server, "ann", &until).fails(2, &["the request can be put off until a time from now"]);
    let denied = ask(dir, &server, "ann", &["request", "deny", first, "--justification", WHY]).succeeds().stdout;
    assert!(denied.contains("denied"), "{denied}");
    let failed = ask(dir, &server, "bob", &["tx", "get", id]).succeeds().stdout;
    assert!(failed.contains("RequestDenied") && failed.contains(WHY), "{failed}");
    ask(dir, &server, "ann", &["request", "show", "req_1"]).fails(2, &["is not a request's id"]);
    let verified = run(dir, &["verify", "--data", "data", "-o", "json"]).succeeds().json();
    assert_eq!(verified["logs"].as_array().unwrap().len(), 2, "{verified}");
}
