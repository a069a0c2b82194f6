//! Steps that poll, with the SDK's worker, as the command line shows them.

use crate::open::{dev, saved};
use crate::support::{run, write};
use chancery_sdk::client::Language;
use chancery_sdk::{Client, ClientOptions, HandlerError, Secret, Task, Worker};
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

const BUILD: &str = "
name: build
version: 1
steps:
  - id: compile
    run: {worker: compile}
    until: '${{ steps.compile.output.round >= input.rounds }}'
    every: 100ms
    at_most: 3
    irreversible: true
output: '${{ steps.compile.output }}'
";

/// The keys of a call, and the one that the fence is asked with.
type Keys = Arc<Mutex<Vec<(String, String)>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_asked_until_it_says_enough() {
    let (server, dir) = dev();
    let key = Secret::new(saved(dir.path(), "key"));
    let client = Client::new(ClientOptions::new(server.url.clone(), key)).unwrap();
    client.definition_register(Language::Yaml, BUILD).await.unwrap();
    let keys = Keys::default();
    let called = Arc::clone(&keys);
    let worker = Worker::new(client, "builder").handle("compile", move |task: Task| {
        let mut called = called.lock().unwrap();
        called.push((task.idempotency_key.clone(), task.fence_key().to_owned()));
        let output = json!({ "round": called.len() });
        async move { Ok::<_, HandlerError>(output) }
    });
    let mut working = JoinSet::new();
    working.spawn(async move { worker.run(std::future::pending()).await });
    let ask = |args: &[&str]| run(dir.path(), args);

    let args = ["tx", "start", "build", "--idempotency-key", "b-1", "--input", r#"{"rounds": 2}"#, "--wait", "60s"];
    let started = ask(&args).succeeds().stdout;
    assert!(started.contains(r#"{"round":2}"#), "{started}");
    let seen = keys.lock().unwrap().clone();
    assert_eq!(
        seen,
        [("b-1/compile", "b-1/compile"), ("b-1/compile~2", "b-1/compile")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let id = started.split_whitespace().find(|word| word.starts_with("txn_")).unwrap().to_owned();
    let shown = ask(&["tx", "get", &id]).succeeds().stdout;
    assert!(shown.contains("completed after 2 of 3 rounds"), "{shown}");
    let history = ask(&["tx", "history", &id]).succeeds().stdout;
    assert!(history.contains("step.polled") && history.contains("timer.fired"), "{history}");

    // One that is never done fails after its last round.
    let args = ["tx", "start", "build", "--idempotency-key", "b-2", "--input", r#"{"rounds": 99}"#, "--wait", "60s"];
    let failed = ask(&args).fails(1, &[]).stdout;
    assert!(failed.contains("PollExhausted: none of 3 rounds was enough"), "{failed}");
    let id = failed.split_whitespace().find(|word| word.starts_with("txn_")).unwrap().to_owned();
    let shown = ask(&["tx", "get", &id]).succeeds().stdout;
    assert!(shown.contains("unknown after 3 of 3 rounds"), "{shown}");
    working.shutdown().await;
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_poll_is_checked_and_drawn_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "build.yaml", BUILD, 0o644);
    run(dir.path(), &["definition", "check", "build.yaml"]).succeeds();
    let drawn = run(dir.path(), &["definition", "graph", "build.yaml", "--format", "dot"]).succeeds().stdout;
    assert!(drawn.contains("polls every 100ms, irreversible"), "{drawn}");
    write(dir.path(), "bad.yaml", &BUILD.replace("every: 100ms", "every: 1ms"), 0o644);
    run(dir.path(), &["definition", "check", "bad.yaml"])
        .fails(1, &["bad.yaml:8:12: steps[0].every: rounds follow one another after 100ms at least"]);
    write(dir.path(), "more.yaml", &BUILD.replace("at_most: 3", "at_most: 9"), 0o644);
    let told = run(dir.path(), &["definition", "diff", "build.yaml", "more.yaml"]).succeeds().stdout;
    assert!(told.contains("~ at_most: 3 → 9"), "{told}");
}
