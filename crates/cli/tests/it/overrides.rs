//! `chancery override` against a server that is killed meanwhile: asked for, granted, used, reviewed, and it verifies.

use crate::support::{SERVE, Server, ask, run, serve_acme, write};

const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/starter");
const WHY: [&str; 2] = ["--justification", "the warehouse burns, incident 4711"];
/// The starter bundle knows no action of this name, nor any policy for it: it has `start` and `run`.
const IDLE: &str = "name: idle\nversion: 1\nsteps:\n  - {id: wait, run: {wait: 1h}}\n";

#[test]
fn an_override_is_asked_for_granted_revoked_and_reviewed_across_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    run(at, &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = serve_acme(at);
    ask(at, &server, "acme", &["bundle", "push", BUNDLE, "--activate"]).succeeds();
    write(at, "idle.yaml", IDLE, 0o644);
    ask(at, &server, "acme", &["definition", "push", "idle.yaml"]).succeeds();
    for name in ["ann", "bob", "eve"] {
        let key = format!("{name}.key");
        let args = ["principal", "create", "--kind", "user", "--name", name, "--role", "approver", "--key-out", &key];
        ask(at, &server, "acme", &args).succeeds();
    }
    assert!(ask(at, &server, "ann", &["override", "list"]).succeeds().stdout.contains("no overrides"));
    let start = ["tx", "start", "idle", "-o", "json"];
    let id = ask(at, &server, "acme", &start).succeeds().json()["id"].as_str().unwrap().to_owned();
    let of_step = ["override", "request", "emergency", "--transaction", &id];
    ask(at, &server, "ann", &[&of_step[..], &WHY].concat()).fails(2, &["--step"]);
    ask(at, &server, "ann", &[&of_step[..], &["--step", "wait", "--for", "25h"], &WHY].concat())
        .fails(2, &["24 hours"]);
    let asked = [&of_step[..], &["--step", "wait", "--for", "2h", "-o", "json"], &WHY].concat();
    let asked = ask(at, &server, "ann", &asked).succeeds().json();
    let over = asked["id"].as_str().unwrap();
    assert_eq!((&asked["status"], &asked["step"]), (&"requested".into(), &"wait".into()));
    ask(at, &server, "ann", &[&["override", "grant", over][..], &WHY].concat()).fails(4, &["who asks neither answers"]);

    server.kill();
    let server = Server::start_saying(at, &SERVE, "second.err");
    ask(at, &server, "bob", &[&["override", "grant", over][..], &WHY].concat()).succeeds();
    let due = ask(at, &server, "eve", &["override", "list", "--due"]).succeeds().stdout;
    assert!(due.contains(over) && due.contains(&format!("{id}/wait")), "{due}");
    ask(at, &server, "bob", &[&["override", "revoke", over][..], &WHY].concat()).succeeds();
    let note = ["override", "review", over, "--note", "it was not needed in the end"];
    ask(at, &server, "bob", &note).fails(4, &["who granted it does not review it"]);
    let shown = ask(at, &server, "eve", &note).succeeds().stdout;
    for text in ["revoked", "it was not needed in the end", "emergency_bypass", WHY[1]] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(ask(at, &server, "eve", &["override", "list", "--due"]).succeeds().stdout.contains("no overrides"));
    let exception = ["override", "request", "exception", "--principal", asked["principal"].as_str().unwrap()];
    let exception =
        [&exception[..], &["--action", "start", "--resource", "Definition::idle", "-o", "json"], &WHY].concat();
    let second = ask(at, &server, "bob", &exception).succeeds().json();
    ask(at, &server, "eve", &[&["override", "refuse", second["id"].as_str().unwrap()][..], &WHY].concat()).succeeds();
    assert_eq!(server.stop(), 0);
    run(at, &["verify", "--data", "data"]).succeeds();
}
