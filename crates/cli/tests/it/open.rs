//! Open transactions through a running server: a program that is dropped mid-way and run again, and a shell script.

use crate::support::{Server, run, wait_for, write};
use chancery_api::transaction::{Status, Transaction};
use chancery_sdk::client::Language;
use chancery_sdk::{Client, ClientOptions, HandlerError, Name, Open, OpenError, Secret, Start, Task, Worker};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;

const TRIP: &str = "name: plan-trip\nversion: 1\nkind: open\ndeadline: 1h\ngrace: 30s\nallow: [run]\nsteps_max: 10\n";
const HASTY: &str = "name: hasty-trip\nversion: 1\nkind: open\ngrace: 3s\n";

/// What was called, and with which idempotency key.
type Calls = Arc<Mutex<Vec<String>>>;

struct House {
    server: Server,
    client: Client,
    calls: Calls,
    workers: JoinSet<()>,
    _dir: TempDir,
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn saved(dir: &Path, field: &str) -> String {
    let context = std::fs::read_to_string(dir.join("context.json")).unwrap();
    serde_json::from_str::<Value>(&context).unwrap()[field].as_str().unwrap().to_owned()
}

/// A server for developers, in a directory of its own.
pub(crate) fn dev() -> (Server, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["dev"]);
    wait_for("what dev says", || server.said().contains("Ctrl-C ends it.").then_some(()));
    (server, dir)
}

impl House {
    async fn new() -> Self {
        let (server, dir) = dev();
        let key = Secret::new(saved(dir.path(), "key"));
        let client = Client::new(ClientOptions::new(server.url.clone(), key)).unwrap();
        for definition in [TRIP, HASTY] {
            client.definition_register(Language::Yaml, definition).await.unwrap();
        }
        let calls = Calls::default();
        let mut workers = JoinSet::new();
        let undone = Arc::clone(&calls);
        let worker = Worker::new(client.clone(), "undoer").handle("trip.cancel", move |task: Task| {
            let unknown = if task.forward_unknown { " unknown" } else { "" };
            undone.lock().unwrap().push(format!("undo {} {}{unknown}", task.step, task.input["of"]));
            async { Ok::<_, HandlerError>(Value::Null) }
        });
        workers.spawn(async move { worker.run(std::future::pending()).await.unwrap() });
        Self { server, client, calls, workers, _dir: dir }
    }

    fn called(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    async fn ended(&self, open: &Open) -> Transaction {
        let waited = tokio::time::timeout(Duration::from_secs(60), self.client.wait(open.id())).await;
        waited.expect("it ends").unwrap()
    }

    async fn stop(mut self) {
        self.workers.shutdown().await;
        assert_eq!(self.server.stop(), 0);
    }
}

/// Books something as a step, unless it is to hang.
async fn book(open: &Open, calls: &Calls, what: &str, hangs: bool) -> Result<Value, OpenError> {
    let step = open.step(what, json!({ "of": what }))?.undo(name("trip.cancel"));
    step.run(async |permit| {
        calls.lock().unwrap().push(format!("do {what} {} {}", permit.idempotency_key, permit.attempt));
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok(json!({ "of": what, "unknown": permit.unknown }))
    })
    .await
}

#[tokio::test]
async fn a_driver_that_is_dropped_mid_way_is_run_again() {
    let house = House::new().await;
    let start = Start::new(name("plan-trip"), json!({ "to": "Lisbon" })).idempotency_key("trip-17");
    let program = async |hangs: bool| {
        let open = house.client.begin(&start).await?;
        let hotel = book(&open, &house.calls, "hotel", false).await?;
        let flight = book(&open, &house.calls, "flight", hangs).await?;
        open.commit(json!([hotel, flight])).await?;
        Ok::<_, OpenError>(open)
    };
    // The program dies while the flight is being booked.
    let dropped = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            _ = program(true) => panic!("it hangs"),
            () = async { while house.called().len() < 2 { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
        }
    });
    dropped.await.expect("it comes to the flight");
    let open = program(false).await.unwrap();
    assert_eq!(
        house.called(),
        ["do hotel trip-17/hotel 1", "do flight trip-17/flight 1", "do flight trip-17/flight 2"],
        "the hotel is not booked again, and the flight with the same key",
    );
    let ended = house.ended(&open).await;
    assert_eq!((ended.status, ended.driver), (Status::Completed, Some(2)));
    let expected = json!([{ "of": "hotel", "unknown": false }, { "of": "flight", "unknown": true }]);
    assert_eq!(ended.output, Some(expected));
    let steps: Vec<_> = ended.steps.iter().map(|step| (step.step.as_str(), step.status.as_str())).collect();
    assert_eq!(steps, [("hotel", "completed"), ("flight", "completed")]);
    // Run once more, it has ended.
    assert!(matches!(program(false).await, Err(OpenError::Ended(ended)) if ended.status == Status::Completed));
    house.stop().await;
}

#[tokio::test]
async fn an_abort_is_undone_by_workers_in_reverse_and_the_driver_before_has_no_say() {
    let house = House::new().await;
    let start = Start::new(name("plan-trip"), json!(null)).idempotency_key("trip-18");
    let before = house.client.begin(&start).await.unwrap();
    book(&before, &house.calls, "hotel", false).await.unwrap();
    book(&before, &house.calls, "flight", false).await.unwrap();
    let open = house.client.begin(&start).await.unwrap();
    assert_eq!(open.recorded().len(), 2);
    assert!(matches!(book(&before, &house.calls, "car", false).await, Err(OpenError::Superseded(_))));
    assert!(matches!(before.commit(json!(null)).await, Err(OpenError::Superseded(_))));
    let refused = open.commit(json!(null)).await.unwrap_err().to_string();
    assert!(refused.contains("this driver has not asked for it: `hotel`, `flight`"), "{refused}");
    let differs = open.step("hotel", json!({ "of": "hostel" })).unwrap().run(async |_| Ok(Value::Null)).await;
    assert!(differs.unwrap_err().to_string().contains("recorded with another input"));
    let failed = open
        .step("guide", json!(1))
        .unwrap()
        .run(async |_| Err::<Value, _>(HandlerError::failed("NoGuide", "all are on holiday")));
    assert!(matches!(failed.await, Err(OpenError::Failed { .. })));
    open.abort("nobody shows us around").await.unwrap();
    assert_eq!(house.ended(&open).await.status, Status::Cancelled);
    let undone = ["undo flight \"flight\"", "undo hotel \"hotel\""];
    assert_eq!(house.called().split_off(2), undone, "in reverse, and what took no effect not at all");
    let frame = house.client.begin(&Start::new(name("plan-trip"), json!(null))).await.unwrap();
    let outside = frame.step("x", json!(1)).unwrap().action(name("pay")).run(async |_| Ok(Value::Null)).await;
    assert!(outside.unwrap_err().to_string().contains("does not allow the action `pay`"));
    house.stop().await;
}

#[tokio::test]
async fn a_lost_driver_aborts_and_one_that_lives_does_not() {
    let house = House::new().await;
    let begin = async || house.client.begin(&Start::new(name("hasty-trip"), json!(null))).await.unwrap();
    let (lost, living) = (begin().await, begin().await);
    book(&lost, &house.calls, "hotel", false).await.unwrap();
    let id = lost.id();
    // Dropped, it is silent.
    drop(lost);
    let ended = tokio::time::timeout(Duration::from_secs(60), house.client.wait(id)).await.expect("it ends").unwrap();
    let cause = ended.cause.map(|cause| cause.kind);
    assert_eq!((ended.status, cause.as_deref()), (Status::Compensated, Some("driver_lost")));
    assert!(house.called().contains(&"undo hotel \"hotel\"".to_owned()), "{:?}", house.called());
    // The other says by itself that it lives, for longer than the grace.
    let began = house.client.get(living.id()).await.unwrap().started_at;
    living.commit(json!("alive")).await.unwrap();
    let ended = house.ended(&living).await;
    assert!(ended.ended_at.unwrap().since(began) > Duration::from_secs(3), "it outlived the grace");
    assert_eq!(ended.status, Status::Completed);
    house.stop().await;
}

#[test]
fn a_command_may_take_longer_than_its_driver_may_say_nothing() {
    let (server, dir) = dev();
    let ask = |args: &[&str]| run(dir.path(), args);
    write(dir.path(), "hasty.yaml", &HASTY.replace("grace: 3s", "grace: 2s"), 0o644);
    ask(&["definition", "push", "hasty.yaml"]).succeeds();
    let begun = ask(&["tx", "begin", "hasty-trip", "-o", "json"]).succeeds().json();
    let id = begun["id"].as_str().unwrap();
    let step = ["tx", "step", id, "--driver", "1", "--id", "slow", "--", "sh", "-c", "sleep 6; echo done"];
    ask(&step).succeeds();
    ask(&["tx", "commit", id, "--driver", "1"]).succeeds();
    assert!(ask(&["tx", "history", id]).succeeds().stdout.contains("driver.heard"));
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_shell_script_drives_it() {
    let (server, dir) = dev();
    let ask = |args: &[&str]| run(dir.path(), args);
    write(dir.path(), "trip.yaml", TRIP, 0o644);
    ask(&["definition", "check", "trip.yaml"]).succeeds();
    ask(&["definition", "graph", "trip.yaml"]).fails(2, &["`plan-trip` is open", "none to draw"]);
    ask(&["definition", "push", "trip.yaml"]).succeeds();
    // What goes on by itself has no driver, and is not begun to find that out.
    write(dir.path(), "alone.yaml", "name: alone\nversion: 1\nsteps:\n- {id: a, run: noop}\n", 0o644);
    ask(&["definition", "push", "alone.yaml"]).succeeds();
    ask(&["tx", "begin", "alone"]).fails(2, &["`alone` is a saga", "chancery tx start alone"]);
    let none = ask(&["tx", "list", "definition:alone", "-o", "json"]).succeeds().json();
    assert_eq!(none["items"], json!([]));
    let begin = ["tx", "begin", "plan-trip", "--idempotency-key", "trip-19", "-o", "json"];
    let begun = ask(&begin).succeeds().json();
    let (id, driver) = (begun["id"].as_str().unwrap(), begun["driver"].to_string());
    assert_eq!(driver, "1");
    let step = ["tx", "step", id, "--driver", "1", "--id", "hotel", "--input", "{\"n\": 2}", "--undo", "trip.cancel"];
    let command = ["--", "sh", "-c", "echo x >> booked; cat"];
    let said = ask(&[&step[..], &["-o", "json"], &command[..]].concat()).succeeds().json();
    assert_eq!((&said["ack"], &said["output"]), (&json!("recorded"), &json!({ "n": 2 })));

    // The script runs again.
    let again = ask(&begin).succeeds().json();
    assert_eq!((&again["driver"], &again["steps"][0]["id"]), (&json!(2), &json!("hotel")));
    ask(&[&step[..], &command[..]].concat()).fails(5, &["driver 2 drives the transaction"]);
    let step = step.map(|word| if word == "1" { "2" } else { word });
    let told = ask(&[&step[..], &command[..]].concat()).succeeds();
    assert!(told.stdout.contains("completed before") && told.stdout.contains("{\"n\":2}"), "{told:#?}");
    assert_eq!(std::fs::read_to_string(dir.path().join("booked")).unwrap(), "x\n", "it was booked once");

    let asked = ask(&["tx", "step", id, "--driver", "2", "--id", "car", "-o", "json"]).succeeds().json();
    let task = asked["permit"]["task"].as_str().unwrap();
    ask(&["tx", "commit", id, "--driver", "2"]).fails(5, &["a step is out: `car`"]);
    ask(&["tx", "outcome", id, "--id", "car", "--task", task, "--error", "CutOff", "--unknown"]).fails(1, &[]);
    ask(&["tx", "commit", id, "--driver", "2"]).fails(5, &["whether a step took effect is unknown: `car`"]);
    ask(&["tx", "step", id, "--driver", "2", "--id", "car", "--", "echo", "done"]).succeeds();
    ask(&["tx", "heartbeat", id, "--driver", "2"]).succeeds();
    let ended = ask(&["tx", "commit", id, "--driver", "2", "--result", "\"booked\"", "-o", "json"]).succeeds().json();
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!("booked")));
    let history = ask(&["tx", "history", id]).succeeds().stdout;
    for kind in ["step.dispatched", "step.claimed", "driver.resumed", "driver.heard", "transaction.completed"] {
        assert!(history.contains(kind), "{kind} is missing:\n{history}");
    }
    let receipt = ask(&["receipt", &format!("{id}/hotel")]).succeeds();
    write(dir.path(), "hotel.receipt", &receipt.stdout, 0o644);
    ask(&["verify", "receipt", "hotel.receipt"]).succeeds();
    assert_eq!(server.stop(), 0);
}
