//! Chancery's worker, in a process of its own: the same steps as the service of Restate has.
//!
//! Its first line on standard input says where the server is and with which key; each line after that is answered with
//! one on standard output. It ends with its standard input.

use crate::fixture::REMOTE_STEPS;
use crate::harness::Error;
use crate::remote::{CONCURRENCY, INSTANCES};
use crate::scale::clock;
use chancery_base::{Secret, Timestamp};
use chancery_sdk::{Client, ClientOptions, HandlerError, Task, Worker};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Lines, StdinLock, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What ran.
#[derive(Debug, Default)]
struct Ran {
    steps: AtomicU64,
    late_us: Mutex<Vec<u64>>,
}

/// Where the server is.
#[derive(Debug, Deserialize)]
struct Hello {
    url: String,
    key: String,
}

/// Works until standard input ends.
pub(crate) async fn run() -> Result<(), Error> {
    let hello = std::io::stdin().lines().next().transpose()?.unwrap_or_default();
    let hello: Hello = serde_json::from_str(&hello)?;
    let client = Client::new(ClientOptions::new(hello.url, Secret::new(hello.key)))?;
    let ran = Arc::new(Ran::default());
    let asked = Arc::clone(&ran);
    let answering = tokio::task::spawn_blocking(move || answer(std::io::stdin().lines(), &asked));
    let working = worker(client, &ran).run(std::future::pending());
    tokio::select! {
        ended = working => ended.map_err(|err| Error::Failed(err.to_string())),
        ended = answering => ended.map_err(|err| Error::Failed(err.to_string()))?,
    }
}

fn worker(client: Client, ran: &Arc<Ran>) -> Worker {
    let mut worker = Worker::new(client, "bench").concurrency(CONCURRENCY).instances(INSTANCES);
    let remote = (0..REMOTE_STEPS).map(|step| format!("remote.{step}"));
    for queue in remote.chain(["undo".to_owned()]) {
        worker = worker.handle(&queue, |task: Task| async move { Ok(task.input) });
    }
    let noted = Arc::clone(ran);
    worker = worker
        .handle("refuse", |_: Task| async { Err::<Value, _>(HandlerError::refused("Refused", "refused")) })
        .handle("late", move |task: Task| {
            let ran = Arc::clone(&noted);
            async move { note(&ran, &task) }
        });
    let counted = Arc::clone(ran);
    worker.around(move |task, next| {
        counted.steps.fetch_add(1, Ordering::Relaxed);
        async move { next.run(task).await }
    })
}

/// Keeps how late a step runs.
fn note(ran: &Ran, task: &Task) -> Result<Value, HandlerError> {
    let late = clock().since(Timestamp::from_micros(task.input()?));
    let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
    ran.late_us.lock().unwrap_or_else(PoisonError::into_inner).push(late);
    Ok(Value::Null)
}

fn answer(lines: Lines<StdinLock<'static>>, ran: &Ran) -> Result<(), Error> {
    for line in lines {
        line?;
        let late = std::mem::take(&mut *ran.late_us.lock().unwrap_or_else(PoisonError::into_inner));
        let answer = json!({ "steps": ran.steps.load(Ordering::Relaxed), "late_us": late });
        writeln!(std::io::stdout(), "{answer}")?;
        std::io::stdout().flush()?;
    }
    Ok(())
}
