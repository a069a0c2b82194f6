//! `chancery report` against a server.

use crate::support::{Server, run, wait_for, write};
use serde_json::Value;

const ONE: &str = "name: one\nversion: 1\nsteps:\n  - {id: only, run: noop}\n";

#[test]
fn reports_are_read_as_tables_json_and_csv() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    write(path, "one.yaml", ONE, 0o644);
    let server = Server::start(path, &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    run(path, &["definition", "push", "one.yaml"]).succeeds();
    run(path, &["tx", "start", "one", "--wait", "10s"]).succeeds();

    let told = run(path, &["report", "responsibility"]).succeeds().stdout;
    assert!(told.contains("LEVEL") && told.contains("machine") && told.contains("one"), "{told}");
    let told = run(path, &["report", "responsibility", "-o", "json"]).succeeds().json();
    let entries = |level: &Value| level["entries"].as_u64().unwrap();
    let sum: u64 = told["levels"].as_array().unwrap().iter().map(entries).sum();
    assert_eq!(told["entries"], sum);

    let figures = run(path, &["report", "oversight"]).succeeds().stdout;
    assert!(figures.contains("decisions") && figures.contains("0 opened, 0 open"), "{figures}");
    run(path, &["report", "oversight", "--from", "2222-01-01"]).fails(2, &["`from` is 2222-01-01"]);

    let rows = run(path, &["report", "access", "--csv"]).succeeds().stdout;
    let mut lines = rows.split("\r\n");
    assert_eq!(lines.next(), Some("principal,name,by,action,resource_type,resource,may,why"));
    assert!(rows.contains(",bundle,start,Definition,one,permitted,"), "{rows}");
    let table = run(path, &["report", "access", "--limit", "3"]).succeeds();
    assert!(table.stdout.contains("PRINCIPAL") && table.stderr.contains("there is more: --cursor"), "{table:#?}");
    run(path, &["report", "access", "--csv", "--limit", "3"]).fails(2, &["cannot be used with"]);

    let duties = run(path, &["report", "separation"]).succeeds().stdout;
    assert!(duties.contains("push-activate") && duties.contains("start-answer"), "{duties}");
    let csv = run(path, &["report", "separation", "--csv"]).succeeds().stdout;
    assert!(csv.starts_with("pair,principal,name,did,within,first_entry,second_entry\r\n"), "{csv}");
    write(path, "bad.json", "{\"pairs\": []}", 0o644);
    run(path, &["report", "separation", "--file", "bad.json"]).fails(2, &["there are 1 to 50 of them"]);
    write(path, "worse.json", "{", 0o644);
    run(path, &["report", "separation", "--file", "worse.json"]).fails(1, &["worse.json"]);
    assert_eq!(server.stop(), 0);
}
