//! Restate's side: its server with the durability that it has by itself, and services in Rust.

use super::cell::Side;
use super::crew::Caller;
use super::workload::{COMPENSATED_STEPS, Due, FANOUT, TIMER, Workload};
use crate::harness::{Error, cpu_time, rss_mib};
use crate::http::Http;
use crate::inprocess::now;
use crate::peers::{Tools, restate};
use crate::remote::SAGA_MAX;
use crate::steps::Told;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

pub(super) use crate::peers::restate::durability;

/// Who waits to be told under which id a saga of its waits, by their numbers.
type Waiting = Arc<Mutex<BTreeMap<usize, mpsc::UnboundedSender<String>>>>;

/// A server and its services, both processes of this run.
pub(super) struct Restate {
    restate: restate::Restate,
    durability: String,
    waiting: Waiting,
}

impl Restate {
    pub(super) async fn start(tools: &Tools, durability: &str) -> Result<Self, Error> {
        let waiting = Waiting::default();
        let told = Arc::clone(&waiting);
        let restate = restate::Restate::start(tools, move |line| awakeable(&told, line)).await?;
        Ok(Self { restate, durability: durability.to_owned(), waiting })
    }
}

/// Hands a line `awakeable CLIENT ID` to that client.
fn awakeable(waiting: &Waiting, line: &str) {
    let mut words = line.split_whitespace();
    if words.next() != Some("awakeable") {
        return;
    }
    let (client, id) = (words.next().and_then(|client| client.parse::<usize>().ok()), words.next());
    if let (Some(client), Some(id)) = (client, id) {
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // A client that has failed is not told; the cell fails with what it says.
        waiting.get(&client).and_then(|sender| sender.send(id.to_owned()).ok());
    }
}

impl Side for Restate {
    type Caller = RestateCaller;

    fn durability(&self) -> &str {
        &self.durability
    }

    async fn callers(&mut self, workload: Workload, due: &Due, count: usize) -> Result<Vec<RestateCaller>, Error> {
        let mut callers = Vec::with_capacity(count);
        for number in 0..count {
            let (sender, awakeables) = mpsc::unbounded_channel();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
            let http = Http::connect(self.restate.ingress).await?;
            let body = Bytes::from(serde_json::to_vec(&body(workload, number))?);
            callers.push(RestateCaller { http, workload, due: due.clone(), body, awakeables });
        }
        Ok(callers)
    }

    async fn told(&mut self) -> Result<Told, Error> {
        self.restate.steps.told().await
    }

    fn cpu_time(&self) -> Result<Duration, Error> {
        Ok(cpu_time(self.restate.pid()?)? + cpu_time(self.restate.steps.pid()?)?)
    }

    fn rss_mib(&self) -> Result<u64, Error> {
        Ok(rss_mib(self.restate.pid()?))
    }

    async fn end(self) -> Result<(), Error> {
        self.restate.end().await
    }
}

/// What is posted.
fn body(workload: Workload, client: usize) -> Value {
    match workload {
        Workload::Saga1 => restate::order(1),
        Workload::Saga10 => restate::order(10),
        Workload::Saga100 => restate::order(100),
        Workload::Compensate => restate::order(COMPENSATED_STEPS),
        Workload::Fanout => restate::order(FANOUT),
        Workload::Timer => json!({ "ms": TIMER.as_millis() }),
        Workload::Signal => json!({ "client": client }),
        // Each call says when.
        Workload::TimersAtOnce => Value::Null,
    }
}

/// A client at the ingress.
pub(super) struct RestateCaller {
    http: Http,
    workload: Workload,
    due: Due,
    body: Bytes,
    awakeables: mpsc::UnboundedReceiver<String>,
}

/// The answer to what is not waited for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    invocation_id: String,
}

impl Caller for RestateCaller {
    async fn call(&mut self) -> Result<Duration, Error> {
        match self.workload {
            Workload::Saga1 | Workload::Saga10 | Workload::Saga100 => self.until_it_ends("/Saga/run").await,
            Workload::Compensate => self.until_it_ends("/Saga/compensate").await,
            Workload::Fanout => self.until_it_ends("/Saga/fan").await,
            Workload::Timer => Ok(self.until_it_ends("/Saga/sleep").await?.saturating_sub(TIMER)),
            Workload::TimersAtOnce => {
                let at = json!({ "due_ms": self.due.get().as_micros() / 1_000 });
                self.http.post("/Saga/at/send", serde_json::to_vec(&at)?).await?;
                Ok(Duration::ZERO)
            }
            Workload::Signal => self.signal().await,
        }
    }
}

impl RestateCaller {
    /// Calls, and is answered when it has ended.
    async fn until_it_ends(&mut self, path: &str) -> Result<Duration, Error> {
        let began = now();
        let answered = tokio::time::timeout(SAGA_MAX, self.http.post(path, self.body.clone())).await;
        answered.ok().ok_or_else(|| Error::Failed(format!("{path} took longer than {} s", SAGA_MAX.as_secs())))??;
        Ok(began.elapsed())
    }

    /// Starts, and then says what it waits for.
    async fn signal(&mut self) -> Result<Duration, Error> {
        let sent = self.http.post("/Saga/signal/send", self.body.clone()).await?;
        let sent: Sent = serde_json::from_slice(&sent)?;
        let id = tokio::time::timeout(SAGA_MAX, self.awakeables.recv()).await.ok().flatten();
        let id = id.ok_or_else(|| Error::Failed("a saga did not say under which id it waits".to_owned()))?;
        let began = now();
        let said = json!({ "said": 1 });
        self.http.post(&format!("/restate/awakeables/{id}/resolve"), serde_json::to_vec(&said)?).await?;
        let output = self.http.get(&format!("/restate/invocation/{}/attach", sent.invocation_id)).await?;
        if serde_json::from_slice::<Value>(&output)? != said {
            return Err(Error::Failed("a saga was told something else than its signal".to_owned()));
        }
        Ok(began.elapsed())
    }
}
