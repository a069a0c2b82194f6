//! Events from the command line.

use crate::support::{SERVE, Server, ask, command, run, write};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

const TELL: &str = "
name: tell
version: 1
steps:
  - {id: tell, run: {emit: {type: order.paid, subject: '${{ input.order }}'}}, with: '${{ input }}', irreversible: true}
";

const BUNDLE: &str = r#"{"name": "all", "version": 1, "policies": "permit (principal, action, resource);", "schema":
    "entity User; entity Service; entity Agent; entity Definition; entity Step in [Definition]; action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} }; action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };"}"#;

#[test]
fn events_are_listed_and_followed() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |args: &[&str]| ask(dir.path(), &server, "system", args);
    write(dir.path(), "bundle.json", BUNDLE, 0o644);
    write(dir.path(), "tell.yaml", TELL, 0o644);
    ask(&["bundle", "push", "bundle.json", "--activate"]).succeeds();
    assert!(ask(&["event", "list"]).succeeds().stdout.contains("no events"));
    for order in ["{\"order\": \"17\"}", "{\"order\": \"18\"}", "{\"order\": \"19\"}"] {
        ask(&["run", "tell.yaml", "--input", order]).succeeds();
    }

    let listed = ask(&["event", "list", "--limit", "2"]).succeeds();
    assert!(listed.stdout.contains("order.paid") && listed.stdout.contains("18"), "{listed:#?}");
    let after = listed.stderr.lines().find_map(|line| line.strip_prefix("there is more: --after ")).unwrap();
    let rest = ask(&["event", "list", "--after", after, "-o", "json"]).succeeds().json();
    assert_eq!((&rest["items"][0]["subject"], rest["items"].as_array().unwrap().len()), (&"19".into(), 1));
    let found = ask(&["event", "list", "--type", "*.paid", "--subject", "17", "-o", "json"]).succeeds().json();
    assert_eq!(found["items"][0]["data"]["order"], "17");
    ask(&["event", "list", "--type", "order."]).fails(2, &["something before and after every dot"]);

    let next = rest["next"].as_str().unwrap();
    let args = ["event", "list", "--type", "order.**", "--follow", "-o", "json", "--after", next];
    let at = ["--server", &server.url, "--key-file", "system.key"];
    let mut follows = command(dir.path(), &[&args[..], &at[..]].concat()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follows.stdout.take().unwrap()).lines();
    for order in ["20", "21"] {
        ask(&["run", "tell.yaml", "--input", &format!("{{\"order\": \"{order}\"}}")]).succeeds();
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!((&line["subject"], &line["type"]), (&order.into(), &"order.paid".into()));
    }
    follows.kill().unwrap();
    follows.wait().unwrap();
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}
