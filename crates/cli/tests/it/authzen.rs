//! Subjects that the directory does not know, from the command line.

use crate::support::{SERVE, Server, ask, run, write};
use serde_json::json;
use std::path::Path;

fn bundle(dir: &Path) {
    let document = json!({
        "name": "records", "version": 1,
        "schema": "entity user = { @asserted role?: String };\nentity record;\naction read appliesTo { principal: [user], \
            resource: [record], context: {} };",
        "policies": "@id(\"clerks\") permit (principal is user, action == Action::\"read\", resource)\n\
            when { principal has role && principal.role == \"clerk\" };",
    });
    std::fs::write(dir.join("bundle.json"), document.to_string()).unwrap();
}

#[test]
fn a_subject_of_another_type_is_asked_about_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path());
    run(dir.path(), &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    write(dir.path(), "pip.token", "\n", 0o600);
    let refused = |more: &[&str], said: &str| {
        run(dir.path(), &[&SERVE[..], more].concat()).fails(2, &[said]);
    };
    refused(&["--pip-ttl", "5s"], "--pip-url");
    refused(&["--pip-url", "http://127.0.0.1:1/", "--pip-secret-file", "pip.token"], "pip.token is empty");
    let server = Server::start(dir.path(), &SERVE);
    let ask = |args: &[&str]| ask(dir.path(), &server, "system", args);
    let pushed = ask(&["bundle", "push", "bundle.json", "-o", "json"]).succeeds().json();
    ask(&["bundle", "activate", pushed["digest"].as_str().unwrap()]).succeeds();

    let read = ["decide", "--action", "read", "--resource", "record::1", "--subject", "user::ann"];
    ask(&read).fails(1, &[]);
    let clerk = ask(&[&read[..], &["--subject-attribute", "role=clerk", "-o", "json"]].concat()).succeeds().json();
    assert_eq!((&clerk["permitted"], &clerk["reasons"][0]["policy"]), (&json!(true), &json!("clerks")));
    ask(&[&read[..], &["--principal", "usr_019312d8a0b07c3e9f2a4b5c6d7e8f90"]].concat())
        .fails(2, &["cannot be used with"]);
    ask(&["decide", "--action", "read", "--resource", "record::1", "--subject-attribute", "role=clerk"])
        .fails(2, &["--subject"]);
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}
