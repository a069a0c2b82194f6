//! Settings from the command line, through a running server.

use crate::support::{Server, run, wait_for};
use serde_json::json;

const SEES: &str = "name: sees\nversion: 1\nsteps:\n  - {id: only, run: noop, with: \"${{ env.PAYMENTS }}/x\"}\n\
    output: \"${{ steps.only.output }}\"\n";

#[test]
fn settings_are_set_shown_and_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sees.yaml"), SEES).unwrap();
    let server = Server::start(dir.path(), &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    run(dir.path(), &["definition", "push", "sees.yaml"]).succeeds();
    let ask = |args: &[&str]| run(dir.path(), &[&["settings"], args].concat());
    let none = ask(&["get"]).succeeds();
    assert!(none.stdout.contains("no settings"), "{none:#?}");
    assert!(ask(&["history"]).succeeds().stdout.contains("nothing was ever set"));

    let set = ask(&["set", "PAYMENTS=https://pay.example", "LIMIT=3", "NAME=\"3\"", "-o", "json"]).succeeds().json();
    assert_eq!(set["values"], json!({ "PAYMENTS": "https://pay.example", "LIMIT": 3, "NAME": "3" }));
    let got = ask(&["get", "PAYMENTS"]).succeeds();
    assert_eq!(got.stdout.trim(), "https://pay.example");
    let ran = run(dir.path(), &["tx", "start", "sees", "--wait", "10s", "-o", "json"]).succeeds().json();
    assert_eq!(ran["output"], json!("https://pay.example/x"));

    ask(&["set", "LIMIT=4", "--if-version", "0"]).fails(5, &["the settings are of version 1 now, not 0"]);
    ask(&["unset", "LIMIT", "NAME", "--if-version", "1"]).succeeds();
    let all = ask(&["set", "--all", r#"{"PAYMENTS":"https://b.example","STAGE":"test"}"#]).succeeds();
    assert!(all.stdout.contains("STAGE") && !all.stdout.contains("LIMIT"), "{all:#?}");
    let history = ask(&["history"]).succeeds().stdout;
    assert!(history.contains("~PAYMENTS +STAGE") && history.contains("-LIMIT -NAME"), "{history}");
    assert!(history.contains("+LIMIT +NAME +PAYMENTS"), "{history}");

    ask(&["set", "payments=x"]).fails(2, &["`payments` is not the name of a setting"]);
    ask(&["set", "API_TOKEN=x"]).fails(2, &["called like a secret", "settings are in the ledger"]);
    ask(&["set", "PAYMENTS"]).fails(2, &["write it as NAME=VALUE"]);
    ask(&["set", "PAYMENTS=null"]).fails(2, &["chancery settings unset"]);
    ask(&["get", "NOTHING"]).fails(3, &["`NOTHING` is not set"]);
    assert_eq!(server.stop(), 0);
}
