//! The end of a server: what is out comes in, and nothing else begins.

use crate::support::{Server, run, terminate, wait_for};
use chancery_api::transaction::Status;
use chancery_api::worker::{Ack, Exchange, QueueWant, Report};
use chancery_base::Timestamp;
use chancery_sdk::client::Language;
use chancery_sdk::{Client, ClientOptions, Name, Secret, Start};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const TWO: &str = "name: two\nversion: 1\nsteps:\n- {id: first, run: {worker: w}, timeout: 10m}\n\
    - {id: second, after: [first], run: {worker: w}, timeout: 10m}\n";
fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A data directory with a definition and a bundle that permits everything.
fn made() -> (TempDir, Server, Client) {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = serve(dir.path(), "first.err");
    let client = client(dir.path(), &server);
    (dir, server, client)
}

fn serve(dir: &Path, said: &str) -> Server {
    let drain = if said == "hasty.err" { "1s" } else { "5m" };
    let args = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--lease", "5m", "--drain", drain];
    Server::start_saying(dir, &args, said)
}

fn client(dir: &Path, server: &Server) -> Client {
    let key = Secret::new(std::fs::read_to_string(dir.join("system.key")).unwrap().trim().to_owned());
    Client::new(ClientOptions::new(server.url.clone(), key)).unwrap()
}

async fn furnish(client: &Client) {
    let schema = "entity Definition; entity Step in [Definition]; entity User; entity Service; entity Agent;
        action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
        action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };";
    let policies = "permit (principal, action, resource);";
    let bundle = json!({ "name": "all", "version": 1, "schema": schema, "policies": policies });
    let pushed = client.bundle_push(&bundle).await.unwrap();
    client.bundle_activate(pushed.digest, None).await.unwrap();
    client.definition_register(Language::Yaml, TWO).await.unwrap();
}

fn call(worker: &str) -> Exchange {
    let queues = vec![QueueWant { name: name("w"), want: 1 }];
    let (done, holding, wait) = (Vec::new(), Vec::new(), Some("5s".to_owned()));
    Exchange { worker: worker.to_owned(), version: None, key: None, queues, done, holding, wait }
}

async fn take(client: &Client) -> String {
    let (taken, _) = client.exchange(&call("one")).await.unwrap();
    taken.tasks[0].task.clone()
}

async fn report(client: &Client, task: String) -> Ack {
    let done = vec![Report { task, output: Some(Arc::new(chancery_base::Document::new(json!(1)))), error: None }];
    let (taken, _) = client.exchange(&Exchange { queues: Vec::new(), done, wait: None, ..call("one") }).await.unwrap();
    assert!(taken.tasks.is_empty());
    taken.acks[0].ack
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_comes_in_before_the_end_and_the_rest_goes_on_at_the_next_start() {
    let (dir, server, client) = made();
    furnish(&client).await;
    let started = client.start(&Start::new(name("two"), Value::Null)).await.unwrap();
    let task = take(&client).await;
    assert_eq!(server.status("/ready"), 200);
    terminate(server.pid());
    wait_for("it is not ready", || (server.status("/ready") == 503).then_some(()));
    assert_eq!(server.status("/health/live"), 200, "it is there for whoever has something to report");
    let problem = tokio::time::timeout(Duration::from_secs(60), refusal(&hasty(&dir, &server))).await.unwrap();
    assert!(problem.contains("shutting down"), "{problem}");
    // Another worker waits for tasks meanwhile: it gets none, and does not keep the server.
    let other = beside({
        let client = client.clone();
        async move { client.exchange(&call("two")).await }
    });
    assert_eq!(report(&client, task).await, Ack::Recorded);
    assert_eq!(server.ended(), 0, "it does not wait for what is not out");
    let other = other.await.unwrap();
    assert!(other.as_ref().map_or(true, |(taken, _)| taken.tasks.is_empty()), "{other:?}");

    let server = serve(dir.path(), "second.err");
    let client = self::client(dir.path(), &server);
    let second = take(&client).await;
    assert_eq!(report(&client, second).await, Ack::Recorded);
    let ended = client.wait(started.id).await.unwrap();
    let attempts: Vec<u32> = ended.steps.iter().map(|step| step.attempts).collect();
    assert_eq!((ended.status, attempts), (Status::Completed, vec![1, 1]), "nothing was done twice");
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}

/// How a start is refused. It says that it is not ready before it refuses, so what is asked at once may still begin:
/// far too late to be in the way.
async fn refusal(client: &Client) -> String {
    let at = Timestamp::from_micros(4_102_444_800_000_000);
    loop {
        match client.start(&Start::new(name("two"), Value::Null).at(at)).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(problem) => break problem.to_string(),
        }
    }
}

/// Runs something beside the test.
#[expect(clippy::disallowed_methods, reason = "a test has no shutdown that would wait for tasks")]
fn beside<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

/// A client that does not try again.
fn hasty(dir: &TempDir, server: &Server) -> Client {
    let key = Secret::new(std::fs::read_to_string(dir.path().join("system.key")).unwrap().trim().to_owned());
    let options = ClientOptions { patience: Duration::ZERO, ..ClientOptions::new(server.url.clone(), key) };
    Client::new(options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_in_in_time_is_recovered() {
    let (dir, server, client) = made();
    furnish(&client).await;
    assert_eq!(server.stop(), 0);
    let server = serve(dir.path(), "hasty.err");
    let client = self::client(dir.path(), &server);
    let started = client.start(&Start::new(name("two"), Value::Null)).await.unwrap();
    let task = take(&client).await;
    let waiting = beside({
        let client = client.clone();
        async move { client.wait_for(started.id, Duration::from_secs(600)).await }
    });
    terminate(server.pid());
    let said = dir.path().join("hasty.err");
    assert_eq!(server.ended(), 0, "it waits no longer than it was told");
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("1 attempts of `system` are out"), "{said}");
    waiting.abort();

    let server = serve(dir.path(), "next.err");
    let client = self::client(dir.path(), &server);
    assert_eq!(report(&client, task).await, Ack::Recorded, "its worker reports where the log is now");
    let second = take(&client).await;
    assert_eq!(report(&client, second).await, Ack::Recorded);
    assert_eq!(client.wait(started.id).await.unwrap().status, Status::Completed);
    assert_eq!(server.stop(), 0);
}
