//! Workers that take and never answer, and such as answer for others.

use super::honest::errand;
use super::site::Site;
use chancery_api::transaction::{Status, Transaction};
use chancery_api::worker::{Ack, Exchange, Task};
use chancery_base::TransactionId;
use chancery_sdk::{Client, Start, Worker};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);
const SAGAS: usize = 100;

async fn start(client: &Client, number: usize) -> TransactionId {
    client.start(&Start::new("errand".parse().unwrap(), json!({ "n": number }))).await.unwrap().id
}

fn exchange(body: Value) -> Exchange {
    serde_json::from_value(body).unwrap()
}

/// Takes tasks and says nothing of them.
async fn take(client: &Client, worker: &str, want: usize) -> Vec<Task> {
    let call = exchange(json!({ "worker": worker, "queues": [{ "name": "errands", "want": want }], "wait": "5s" }));
    client.exchange(&call).await.unwrap().0.tasks
}

async fn report(client: &Client, worker: &str, tasks: &[String]) -> Vec<Ack> {
    let done: Vec<Value> = tasks.iter().map(|task| json!({ "task": task, "output": { "n": "forged" } })).collect();
    let answer = client.exchange(&exchange(json!({ "worker": worker, "done": done }))).await.unwrap().0;
    answer.acks.iter().map(|ack| ack.ack).collect()
}

async fn log_size(client: &Client) -> u64 {
    client.logs().await.unwrap().items[0].size
}

#[track_caller]
fn check_done(transaction: &Transaction, number: usize) {
    assert_eq!(transaction.status, Status::Completed, "{transaction:?}");
    assert_eq!(transaction.output, Some(json!({ "n": number })));
}

pub(super) async fn takes_and_never_answers() {
    let site = Site::open().await;
    let client = site.client("good", PATIENCE);
    let mut ids = Vec::new();
    for number in 0..SAGAS {
        ids.push(start(&client, number).await);
    }
    let mut taken = Vec::new();
    while taken.len() < SAGAS {
        // Another name each time: what one was sent and does not hold is sent to it again.
        taken.extend(take(&client, &format!("sink-{}", taken.len()), SAGAS).await);
    }
    assert_eq!(taken.len(), SAGAS, "a task is out once");
    let (end, ended) = oneshot::channel::<()>();
    let worker = Worker::new(client.clone(), "good-1").handle("errands", errand).hold(Duration::from_millis(250));
    let mut working = JoinSet::new();
    working.spawn(async move { worker.run(async { drop(ended.await) }).await.unwrap() });
    let mut attempts = 0;
    for (number, id) in ids.iter().enumerate() {
        let done = client.wait_for(*id, PATIENCE).await.unwrap();
        check_done(&done, number);
        attempts += done.steps[0].attempts;
    }
    assert!(usize::try_from(attempts).unwrap() >= 2 * SAGAS, "the lease of each first attempt ended: {attempts}");
    // It wakes and answers after all: that is too late, and changes nothing.
    let before = log_size(&client).await;
    let late: Vec<String> = taken.iter().map(|task| task.task.clone()).collect();
    let acks = report(&client, "sink-0", &late).await;
    assert!(acks.len() == SAGAS && acks.iter().all(|ack| *ack != Ack::Recorded), "{acks:?}");
    assert_eq!(log_size(&client).await, before);
    for (number, id) in ids.iter().enumerate() {
        check_done(&client.get(*id).await.unwrap(), number);
    }
    drop(end);
    working.join_next().await.unwrap().unwrap();
    site.stop();
}

pub(super) async fn answers_for_others() {
    let site = Site::open().await;
    let (good, bad) = (site.client("good", PATIENCE), site.client("bad", PATIENCE));
    let id = start(&good, 7).await;
    let tasks = take(&good, "good-1", 1).await;
    let token = tasks[0].task.clone();
    let before = (log_size(&good).await, log_size(&bad).await);
    // The token itself, as another tenant shows it.
    assert_eq!(report(&bad, "good-1", std::slice::from_ref(&token)).await, [Ack::Refused]);
    // Every token that differs from it in one character: another attempt, step or transaction, or another proof.
    let forged: Vec<String> = (4..token.len())
        .map(|at| {
            let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
            token.chars().enumerate().map(|(place, own)| if place == at { other } else { own }).collect()
        })
        .collect();
    assert!(forged.iter().all(|forged| *forged != token) && forged.len() > 50);
    for client in [&good, &bad] {
        let acks = report(client, "rogue", &forged).await;
        assert!(acks.len() == forged.len() && acks.iter().all(|ack| *ack == Ack::Refused), "{acks:?}");
    }
    // Nor does holding them keep anything, or take it from whoever has it.
    let held = exchange(json!({ "worker": "rogue", "holding": forged }));
    assert!(good.exchange(&held).await.unwrap().0.tasks.is_empty());
    assert_eq!((log_size(&good).await, log_size(&bad).await), before, "nothing changed");
    // Whoever it was handed to answers, and that counts.
    let done = exchange(json!({ "worker": "good-1", "done": [{ "task": token, "output": { "n": 7 } }] }));
    let acks = good.exchange(&done).await.unwrap().0.acks;
    assert_eq!(acks[0].ack, Ack::Recorded);
    let second = take(&good, "good-1", 1).await;
    // The token of the step before is worth nothing any more.
    assert_eq!(report(&good, "rogue", std::slice::from_ref(&token)).await, [Ack::Superseded]);
    let done = exchange(json!({ "worker": "good-1", "done": [{ "task": second[0].task, "output": { "n": 7 } }] }));
    assert_eq!(good.exchange(&done).await.unwrap().0.acks[0].ack, Ack::Recorded);
    check_done(&good.wait_for(id, PATIENCE).await.unwrap(), 7);
    site.stop();
}
