//! The example of docs/risk.md: its bundle is sound, and decides as the page says.

use crate::support::{Server, run, wait_for, write};
use std::path::{Path, PathBuf};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/risk")
}

#[test]
fn what_the_page_on_risk_says_holds() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    let bundle = example();
    let bundle = bundle.to_str().unwrap();
    run(dir.path(), &["bundle", "push", bundle, "--activate"]).succeeds();
    let made = run(dir.path(), &["principal", "create", "--kind", "agent", "--name", "clerk", "-o", "json"]).succeeds();
    let agent = made.json()["id"].as_str().unwrap().to_owned();
    let decide = |amount: &str, more: &[&str]| {
        let context = format!("{{\"amount\": {amount}}}");
        let args = ["decide", "--action", "refund", "--resource", "Order::17", "--context", &context];
        run(dir.path(), &[&args, more].concat())
    };
    let small = decide("5000", &["--principal", &agent, "-o", "json"]).succeeds().json();
    assert_eq!((&small["risk"]["score"], &small["risk"]["level"]), (&59.into(), &"medium".into()), "{small}");
    let large = decide("250000", &["--principal", &agent]).fails(1, &[]);
    for line in [
        "risk      75 high: compliance 60, financial 90, security 80",
        "by        money 1, row 1 (large)",
        "by        who 1, row 1 (agent-refunds)",
        "because   policy `too-risky` forbids: a refund of high risk is for people to decide",
    ] {
        assert!(large.stdout.contains(line), "{line} is not in {large:#?}");
    }
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/risk.md")).unwrap();
    for line in large.stdout.lines().filter(|line| line.starts_with("risk") || line.starts_with("b")) {
        assert!(line.starts_with("bundle") || page.contains(line), "the page does not show {line:?}");
    }
    let own = decide("250000", &["-o", "json"]).succeeds().json();
    assert_eq!(own["risk"]["score"], 25, "the same by somebody who is no agent: {own}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn faults_of_risk_tables_are_found_without_a_server() {
    run(Path::new("/"), &["bundle".as_ref(), "check".as_ref(), example().as_os_str()]).succeeds();
    let dir = tempfile::tempdir().unwrap();
    for file in ["bundle.yaml", "schema.cedarschema", "refunds.cedar", "risk.yaml"] {
        std::fs::copy(example().join(file), dir.path().join(file)).unwrap();
    }
    let tables = std::fs::read_to_string(example().join("risk.yaml")).unwrap();
    let check = |from: &str, to: &str, code: i32, said: &str| {
        assert!(tables.contains(from), "{from}");
        write(dir.path(), "risk.yaml", &tables.replace(from, to), 0o644);
        let ran = run(dir.path(), &["bundle", "check", "."]);
        if code == 0 {
            let ran = ran.succeeds();
            assert!(ran.stdout.contains(said), "{ran:#?}");
        } else {
            ran.fails(code, &[said]);
        }
    };
    check(
        "\">= 10000\"",
        "\">= ten\"",
        1,
        "risk.yaml: risk, table `money`: row 2, `amount`: `>= ten` is neither a test",
    );
    check("\">= 10000\"", "\">= 200000\"", 1, "risk, table `money`: row 2: it can never fire");
    check("action: \"not('refund')\"", "action: \"-\"", 1, "risk, table `who`: row 2: it fires together with row 1");
    check("financial: 90}}\n      - {id", "financial: 91}}\n      - {id", 1, "test `a large sum`: expected");
    let (others, none) = ("kind: \"not('Agent')\"", "kind: \"'User'\"");
    check(others, none, 0, "risk, table `who`: no row fires for `kind` \"Service\"");
}
