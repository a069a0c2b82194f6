//! `chancery budget` against a server: what it sets lasts, is listed and deleted, and verifies.

use crate::support::{SERVE, Server, ask, run};

#[test]
fn budgets_are_set_listed_and_deleted_from_the_command_line_and_outlive_the_server() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |server: &Server, args: &[&str]| ask(dir.path(), server, "system", args);
    assert!(ask(&server, &["budget", "list"]).succeeds().stdout.contains("no budgets"));
    ask(&server, &["budget", "set", "refunds", "--limit", "5"]).fails(2, &["--count", "--amount"]);
    ask(&server, &["budget", "set", "refunds", "--count", "--limit", "5", "--per", "team"]).fails(2, &["label:NAME"]);
    let refunds = ["budget", "set", "refunds", "--amount", "EUR cents", "--limit", "500000", "--per", "principal"];
    ask(&server, &[&refunds[..], &["--window", "day"]].concat()).succeeds();
    let calls = ["budget", "set", "calls", "--count", "--limit", "100", "-o", "json"];
    let set = ask(&server, &calls).succeeds().json();
    assert_eq!((&set["measure"], &set["per"], &set["limit"]), (&"count".into(), &"tenant".into(), &100.into()));
    assert_eq!(server.stop(), 0);

    let server = Server::start_saying(dir.path(), &SERVE, "second.err");
    let listed = ask(&server, &["budget", "list"]).succeeds().stdout;
    assert!(listed.contains("EUR cents") && listed.contains("principal") && listed.contains("calls"), "{listed}");
    let shown = ask(&server, &["budget", "show", "refunds"]).succeeds().stdout;
    assert!(shown.contains("500000") && shown.contains("nothing is counted yet"), "{shown}");
    ask(&server, &["budget", "delete", "calls"]).succeeds();
    ask(&server, &["budget", "delete", "calls"]).fails(3, &["budget `calls`"]);
    let left = ask(&server, &["budget", "list", "-o", "json"]).succeeds().json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}
