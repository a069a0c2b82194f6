//! The way to a server that is not there, and what is kept from it.

use crate::support::{run, write};

const KEY: &str =
    "chk_019312d8a0b07c3e9f2a4b5c6d7e8f90_00000000000000000000000000000000000000000000000000000000000000ff";
/// Port 1 of loopback: nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn without_a_server_or_a_key_it_says_how_to_name_one() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["tx", "list"]).fails(2, &["no server is named", "--server", "chancery dev"]);
    run(dir.path(), &["tx", "list", "--server", NOBODY]).fails(2, &["no API key is named", "--key-file"]);
}

#[test]
fn a_server_that_is_down_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "me.key", KEY, 0o600);
    let ran = run(dir.path(), &["tx", "list", "--server", NOBODY, "--key-file", "me.key"]);
    let ran = ran.fails(6, &["no answer from http://127.0.0.1:1", "is the server up", "chancery serve"]);
    assert_eq!(ran.stdout, "");
    run(dir.path(), &["tx", "list", "--server", "localhost", "--key-file", "me.key"])
        .fails(2, &["http://127.0.0.1:8080"]);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "me.key", KEY, 0o640);
    let ran = run(dir.path(), &["tx", "list", "--server", NOBODY, "--key-file", "me.key"]);
    ran.fails(2, &["others can read it (mode 0640)", "chmod 600 me.key"]);
    write(dir.path(), "me.key", "hunter2", 0o600);
    let ran = run(dir.path(), &["tx", "list", "--server", NOBODY, "--key-file", "me.key"]);
    let ran = ran.fails(2, &["does not hold an API key"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran:#?}");
    run(dir.path(), &["tx", "list", "--server", NOBODY, "--key-file", "none.key"])
        .fails(2, &["failed to read none.key"]);
}

#[test]
fn a_context_is_saved_for_its_owner_and_shows_no_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "me.key", KEY, 0o600);
    let ran = run(dir.path(), &["context", "set", "--server", NOBODY, "--key-file", "me.key"]).succeeds();
    assert!(ran.stderr.contains("no verifier key was saved"), "{ran:#?}");
    let file = dir.path().join("context.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = run(dir.path(), &["context", "show", "-o", "json"]).succeeds();
    assert_eq!(shown.json()["server"], NOBODY);
    assert_eq!(shown.json()["key"], "key_019312d8a0b07c3e9f2a4b5c6d7e8f90");
    assert!(!shown.stdout.contains("00ff"), "{shown:#?}");

    // The saved key goes nowhere else.
    let ran = run(dir.path(), &["tx", "list", "--server", "http://127.0.0.1:2"]);
    ran.fails(2, &["the saved key is for http://127.0.0.1:1", "--key-file"]);
    run(dir.path(), &["tx", "list"]).fails(6, &["http://127.0.0.1:1"]);
    // Neither does it stay when the server is another.
    run(dir.path(), &["context", "set", "--server", "http://127.0.0.1:2"]).succeeds();
    run(dir.path(), &["tx", "list"]).fails(2, &["no API key is named"]);

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    run(dir.path(), &["context", "show"]).fails(2, &["others can read it", "chmod 600"]);
    write(dir.path(), "context.json", "{\"servers\": []}", 0o600);
    run(dir.path(), &["context", "show"]).fails(2, &["is not a context file", "chancery context set"]);
}

#[test]
fn wrong_values_are_refused_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let at = ["--server", NOBODY];
    for (args, said) in [
        (vec!["tx", "get", "17"], "a transaction's id"),
        (vec!["tx", "start", "order", "--input", "{"], "--input is not JSON"),
        (vec!["tx", "start", "order", "--input", "@absent.json"], "failed to read absent.json"),
        (vec!["tx", "start", "order", "--label", "eu"], "NAME=VALUE"),
        (vec!["tx", "start", "or der"], "not allowed in a name"),
        (vec!["tx", "wait", "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90", "--timeout", "1"], "not a duration"),
        (vec!["tx", "list", "--status", "done"], "completed"),
        (vec!["tx", "retry", "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90"], "--justification"),
        (vec!["decide", "--action", "ship", "--resource", "17"], "TYPE::ID"),
        (vec!["decide", "--action", "ship", "--resource", "Order::17", "--context", "[]"], "must be a JSON object"),
        (vec!["bundle", "activate", "sha256:1"], "64 hex digits"),
        (vec!["tenant", "create", "Acme"], "not allowed"),
        (vec!["principal", "create", "--kind", "robot", "--name", "r"], "agent"),
        (vec!["key", "revoke", "chk_1"], "a key's id"),
    ] {
        let args: Vec<&str> = args.into_iter().chain(at).collect();
        run(dir.path(), &args).fails(2, &[said]);
    }
}
