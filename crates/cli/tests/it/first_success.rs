//! The README's first page, from the built binary.

use crate::support::{Server, run, run_with};
use std::path::Path;
use std::time::{Duration, Instant};

/// What the first page promises.
const PROMISED: Duration = Duration::from_secs(300);

/// A directory as the README's reader is in: with `examples/hello.yaml`.
fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let hello = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello.yaml");
    std::fs::create_dir(dir.path().join("examples")).unwrap();
    std::fs::copy(hello, dir.path().join("examples/hello.yaml")).unwrap();
    dir
}

/// The id of the transaction that a table is about.
fn transaction(table: &str) -> &str {
    let line = table.lines().find(|line| line.starts_with("transaction ")).expect("it names its transaction");
    line.split_whitespace().nth(1).expect("it has an id")
}

/// The line of a step.
fn step<'a>(table: &'a str, name: &str) -> &'a str {
    table.lines().find(|line| line.split_whitespace().next() == Some(name)).expect("the step has a line")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time is what is measured")]
fn first_success() {
    let began = Instant::now();
    let dir = workplace();
    let server = Server::start(dir.path(), &["dev"]);
    crate::support::wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    assert!(server.said().contains("chancery run examples/hello.yaml"), "{}", server.said());

    let ran = run(dir.path(), &["run", "examples/hello.yaml"]).fails(1, &[]);
    assert!(ran.stdout.contains("compensated: step `fail` failed: HelloFailed: "), "{ran:#?}");
    assert!(step(&ran.stdout, "greet").contains("completed  1 "), "{ran:#?}");
    assert!(step(&ran.stdout, "greet").contains("completed ("), "its undo is shown: {ran:#?}");
    assert!(step(&ran.stdout, "fail").contains("failed "), "{ran:#?}");
    let id = transaction(&ran.stdout).to_owned();

    let receipt = run(dir.path(), &["receipt", &format!("{id}/greet")]).succeeds();
    let verified = run_with(dir.path(), &["verify", "receipt", "-"], receipt.stdout.as_bytes()).succeeds();
    assert!(verified.stdout.starts_with("receipt      verified\n"), "{verified:#?}");
    assert!(verified.stdout.contains(&id) && verified.stdout.contains("step.dispatched"), "{verified:#?}");
    let forged = receipt.stdout.replacen("Hello, world!", "Hello, wrold!", 1);
    assert_ne!(forged, receipt.stdout);
    run_with(dir.path(), &["verify", "receipt", "-"], forged.as_bytes()).fails(1, &["does not verify"]);

    let policy = dir.path().join("chancery-starter/hello.cedar");
    let text = std::fs::read_to_string(&policy).unwrap();
    let lowered = text.replace("context.times > 3", "context.times > 1");
    assert_ne!(text, lowered, "there is a number to lower");
    std::fs::write(&policy, lowered).unwrap();
    let pushed = run(dir.path(), &["bundle", "push", "chancery-starter", "--activate"]).succeeds();
    assert!(
        pushed.stdout.contains("starter 2 is registered: sha256:") && pushed.stdout.contains("is active"),
        "{pushed:#?}"
    );

    let denied = run(dir.path(), &["run", "examples/hello.yaml"]).fails(1, &[]);
    assert!(denied.stdout.contains("step `greet` was denied by policy: greet-limit: so many greetings"), "{denied:#?}");
    assert!(denied.stdout.contains("greet-limit"), "the policy is named: {denied:#?}");
    assert!(denied.stdout.contains("so many greetings at once are a nuisance"), "and why: {denied:#?}");
    let took = began.elapsed();
    println!("first success took {took:?}");
    assert!(took < PROMISED, "it took {took:?}");

    assert!(dir.path().join("context.json").exists());
    let said = server.said();
    let store = said.lines().find_map(|line| line.strip_prefix("store")).unwrap().trim();
    let store = store.strip_suffix(", removed at the end").unwrap().to_owned();
    assert!(Path::new(&store).exists(), "{store}");
    assert_eq!(server.stop(), 0);
    assert!(!Path::new(&store).exists(), "the store is removed");
    assert!(!dir.path().join("context.json").exists(), "the context is forgotten");
}

#[test]
fn dev_keeps_what_it_is_told_to_keep() {
    let dir = workplace();
    let before = "{\"server\": \"http://127.0.0.1:1\"}";
    crate::support::write(dir.path(), "context.json", before, 0o600);
    let server = Server::start(dir.path(), &["dev", "--keep", "mine"]);
    crate::support::wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    let ran = run(dir.path(), &["run", "examples/hello.yaml", "-o", "json"]).fails(1, &[]).json();
    assert_eq!(server.stop(), 0);
    let server_before = run(dir.path(), &["context", "show", "-o", "json"]).succeeds().json()["server"].clone();
    assert_eq!(server_before, "http://127.0.0.1:1", "the context of before is back");

    let server = Server::start(dir.path(), &["dev", "--keep", "mine"]);
    crate::support::wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    let id = ran["id"].as_str().unwrap();
    assert_eq!(run(dir.path(), &["tx", "get", id, "-o", "json"]).succeeds().json()["status"], "compensated");
    let history = run(dir.path(), &["tx", "history", id]).succeeds().stdout;
    for kind in ["transaction.started", "step.dispatched", "step.completed", "step.failed", "transaction.failed"] {
        assert!(history.contains(kind), "{kind} is missing:\n{history}");
    }
    for (args, code) in [
        (vec!["tx", "list", "--status", "compensated"], 0),
        (vec!["tx", "list", "definition:hello status:compensated,failed started<1h"], 0),
        (vec!["tx", "list", "-status:completed", "--limit", "5"], 0),
        (vec!["tx", "list", "colour:failed"], 2),
        (vec!["tx", "count"], 0),
        (vec!["tx", "bulk", "cancel", "status:compensated", "--justification", "a test", "--dry-run"], 0),
        (vec!["tx", "bulk", "cancel", "status:compensated", "--justification", "a test"], 2),
        (vec!["tx", "bulk", "cancel", "status:compensated", "--justification", "a test", "--yes"], 1),
        (vec!["tx", "bulk", "retry", "status:parked", "--justification", "a test", "--yes"], 0),
        (vec!["tx", "wait", id], 1),
        (vec!["tx", "cancel", id], 5),
        (vec!["tx", "start", "hello", "--input", "{\"times\": 9}", "--wait", "30s"], 1),
        (vec!["tx", "start", "nobody-knows-it"], 3),
        (vec!["decide", "--action", "start", "--resource", "Definition::hello"], 0),
        (vec!["decide", "--action", "greet", "--resource", "Step::hello/greet", "--context", "{\"times\": 9}"], 1),
        (vec!["principal", "list"], 0),
        (vec!["definition", "list"], 0),
        (vec!["definition", "get", "hello", "-o", "yaml"], 0),
        (vec!["bundle", "list"], 0),
        (vec!["ledger", "logs"], 0),
        (vec!["ledger", "checkpoint"], 0),
        (vec!["ledger", "entries", "--limit", "5"], 0),
        (vec!["receipt", id, "--format", "tlog-proof"], 0),
        (vec!["tenant", "create", "acme"], 4),
    ] {
        let ran = run(dir.path(), &args);
        assert_eq!(ran.code, code, "{args:?}: {ran:#?}");
    }
    let said = run(dir.path(), &["tx", "list", "status:failed  colour:failed"]).stderr;
    assert!(said.contains("`search`, column 16: there is no field `colour`"), "{said}");
    let bulk = ["tx", "bulk", "cancel", "status:compensated", "--justification", "a test", "--yes"];
    let refused = run(dir.path(), &bulk).fails(1, &[]).stdout;
    assert!(step(&refused, "illegal-state").contains(id), "{refused}");
    assert_eq!(server.stop(), 0);
}
