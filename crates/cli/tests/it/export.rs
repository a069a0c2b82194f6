//! Exports from the command line, and their verification without a server.

use crate::support::{Server, run, run_with, wait_for};
use serde_json::json;

const ONE: &str = "name: one\nversion: 1\nsteps:\n  - {id: only, run: noop, with: \"${{ input }}\"}\n\
    output: \"${{ steps.only.output }}\"\n";

#[test]
fn an_export_is_made_and_verified_offline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("one.yaml"), ONE).unwrap();
    let server = Server::start(path, &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    run(path, &["definition", "push", "one.yaml"]).succeeds();
    let started = run(path, &["tx", "start", "one", "--input", "{\"<b>\":1}", "--wait", "10s", "-o", "json"]);
    let id = started.succeeds().json()["id"].as_str().unwrap().to_owned();
    let make = |more: &[&str]| run(path, &[&["export", "--justification", "a | <test>"], more].concat());
    let made = make(&["--payloads", "--out", "all.jsonl"]).succeeds();
    assert!(made.stdout.contains("chancery verify export all.jsonl"), "{made:#?}");
    make(&["--out", "all.jsonl"]).fails(2, &["failed to write all.jsonl", "is not overwritten"]);
    for (format, file) in [("csv", "all.csv"), ("markdown", "all.md"), ("html", "all.html")] {
        make(&["--payloads", "--format", format, "--out", file]).succeeds();
    }
    make(&["--transaction", &id, "--out", "one.jsonl"]).succeeds();
    let piped = make(&["--from", "0", "--to", "2", "--out", "-"]).succeeds();
    make(&["--to", "9999", "--out", "none.jsonl"]).fails(2, &["`to` is entry 9999, and the log has"]);
    assert!(!path.join("none.jsonl").exists(), "nothing is left of what was not made");
    make(&["--from", "long ago", "--out", "none.jsonl"])
        .fails(2, &["neither an entry's number nor a time such as 2026-10-01"]);
    make(&["--from", "2222-01-01", "--out", "none.jsonl"]).fails(3, &["there is no entry at 2222-01-01T00:00:00"]);
    let key = run(path, &["ledger", "key"]).succeeds().stdout;
    std::fs::write(path.join("log.key"), key).unwrap();
    assert_eq!(server.stop(), 0);

    for file in ["all.jsonl", "all.csv", "all.md", "all.html"] {
        let verified = run(path, &["verify", "export", file, "--key", "log.key", "-o", "json"]).succeeds().json();
        assert_eq!((&verified["verified"], &verified["complete"]), (&json!(true), &json!(true)), "{verified}");
        assert_eq!(verified["justification"], "a | <test>");
    }
    let verified = run(path, &["verify", "export", "one.jsonl", "--key", "log.key"]).succeeds();
    assert!(verified.stdout.contains(", from its first entry to its last"), "{verified:#?}");
    let verified = run_with(path, &["verify", "export", "-", "--key", "log.key"], piped.stdout.as_bytes()).succeeds();
    assert!(verified.stdout.contains("all 2 entries from 0 to 1: none is missing"), "{verified:#?}");

    let text = std::fs::read_to_string(path.join("all.jsonl")).unwrap();
    std::fs::write(
        path.join("bad.jsonl"),
        text.replacen("\\\"kind\\\":\\\"key.issued", "\\\"kind\\\":\\\"key.revoked", 1),
    )
    .unwrap();
    run(path, &["verify", "export", "bad.jsonl", "--key", "log.key"])
        .fails(1, &["bad.jsonl does not verify: line ", "was changed"]);
    let cut: String = text.split_inclusive('\n').take(5).collect();
    std::fs::write(path.join("bad.jsonl"), cut).unwrap();
    run(path, &["verify", "export", "bad.jsonl", "--key", "log.key"]).fails(1, &["line 6: the file ends here"]);
    let page = std::fs::read_to_string(path.join("all.html")).unwrap();
    std::fs::write(path.join("bad.html"), page.replacen("<td>log.opened", "<td>log.closed", 1)).unwrap();
    run(path, &["verify", "export", "bad.html", "--key", "log.key"])
        .fails(1, &["shows something else here than what it carries"]);
    std::fs::write(path.join("bad.txt"), "hello\n").unwrap();
    run(path, &["verify", "export", "bad.txt", "--key", "log.key"]).fails(1, &["line 1: this is no export"]);
    run(path, &["verify", "export", "absent.jsonl", "--key", "log.key"]).fails(2, &["failed to read absent.jsonl"]);
}
