//! A step of an open transaction that people have to approve: from a shell, and from a program that waits for them.

use crate::support::{Server, ask, run, serve_acme, write};
use chancery_sdk::{Client, ClientOptions, OpenError, Secret, Start};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::task::block_in_place;

const BUNDLE: &str = r#"{"name": "agents", "version": 1, "policies": "permit (principal, action, resource);", "schema":
    "entity User, Service, Agent, Definition; entity Step in [Definition]; action start, run, pay appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };",
    "obligations": "@obligation(\"approval\") permit (principal, action == Action::\"pay\", resource); @obligation(\"limits\") @network(\"pay.example\") permit (principal, action == Action::\"pay\", resource);"}"#;
const ERRAND: &str = "name: errand\nversion: 1\nkind: open\n";
const WHY: [&str; 2] = ["--justification", "the invoice was checked line by line"];

/// Answers the request that comes, and lets others go on until it does.
async fn answer(at: &Path, server: &Server, what: &str) {
    for _ in 0..600 {
        let list = || ask(at, server, "ann", &["request", "list", "-o", "json"]).succeeds().json();
        let open = block_in_place(list);
        if let Some(request) = open["items"][0]["id"].as_str() {
            let said = [&["request", what, request][..], &WHY].concat();
            block_in_place(|| ask(at, server, "ann", &said).succeeds());
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_waits_until_people_have_answered() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    run(at, &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = serve_acme(at);
    write(at, "bundle.json", BUNDLE, 0o644);
    ask(at, &server, "acme", &["bundle", "push", "bundle.json", "--activate"]).succeeds();
    write(at, "errand.yaml", ERRAND, 0o644);
    ask(at, &server, "acme", &["definition", "push", "errand.yaml"]).succeeds();
    let ann = ["principal", "create", "--kind", "user", "--name", "ann", "--role", "approver", "--key-out", "ann.key"];
    ask(at, &server, "acme", &ann).succeeds();

    let begun = ask(at, &server, "acme", &["tx", "begin", "errand", "-o", "json"]).succeeds().json();
    let id = begun["id"].as_str().unwrap();
    let step = ["tx", "step", id, "--driver", "1", "--id", "pay", "--action", "pay"];
    let asked = ask(at, &server, "acme", &step).fails(6, &[]);
    assert!(asked.stdout.contains("waits: ask for it again") && asked.stdout.contains("req_"), "{asked:#?}");
    answer(at, &server, "approve").await;
    let as_acme = ["--server", &server.url, "--key-file", "acme.key"];
    let paid = [&step[..], &as_acme, &["--wait", "1m", "-o", "json", "--", "echo", "paid"]].concat();
    assert_eq!(run(at, &paid).succeeds().json()["output"], "paid");

    let key = Secret::new(std::fs::read_to_string(at.join("acme.key")).unwrap().trim().to_owned());
    let client = Client::new(ClientOptions::new(server.url.clone(), key)).unwrap();
    let open = client.begin(&Start::new("errand".parse().unwrap(), json!(null))).await.unwrap();
    let pay = async |id: &str| {
        let step = open.step(id, json!({ "n": 1 })).unwrap().action("pay".parse().unwrap());
        step.run(async |permit| Ok(json!(permit.limits))).await
    };
    for what in ["approve", "deny"] {
        let (paid, ()) = tokio::join!(pay(what), answer(at, &server, what));
        match paid {
            Ok::<Value, _>(limits) => assert_eq!((what, limits), ("approve", json!({ "network": ["pay.example"] }))),
            Err(OpenError::Refused { reason, .. }) => assert!(what == "deny" && reason.contains(WHY[1]), "{reason}"),
            Err(other) => panic!("{what}: {other}"),
        }
    }
    open.commit(json!("done")).await.unwrap();
    assert_eq!(server.stop(), 0);
    run(at, &["verify", "--data", "data"]).succeeds();
}
