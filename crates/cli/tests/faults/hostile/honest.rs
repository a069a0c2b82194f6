//! The tenant that means well: sagas, one after the other, its worker, and newcomers who ask something.

use super::attack;
use super::site::Site;
use chancery_api::transaction::Status;
use chancery_sdk::{Client, HandlerError, Start, Task, Worker};
use serde_json::{Value, json};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many run sagas at the same time.
const STARTERS: u32 = 8;
/// How long a client tries again.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it went.
#[derive(Debug, Default, Clone)]
pub(super) struct Report {
    pub(super) sagas: usize,
    pub(super) probes: usize,
    /// Probes that were refused or cut.
    pub(super) refused: usize,
    pub(super) wrong: Vec<String>,
    saga_ms: Vec<u128>,
    probe_ms: Vec<u128>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |times: &[u128], percent: usize| {
            let mut times = times.to_vec();
            times.sort_unstable();
            times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        let times = |times: &[u128]| format!("p50 {} p99 {} max {} ms", at(times, 50), at(times, 99), at(times, 100));
        write!(f, "{} sagas, {}; ", self.sagas, times(&self.saga_ms))?;
        write!(f, "{} newcomers, {} refused, {}; ", self.probes, self.refused, times(&self.probe_ms))?;
        write!(f, "wrong: {:?}", self.wrong)
    }
}

pub(super) struct Honest {
    report: Arc<Mutex<Report>>,
    stopping: Arc<AtomicBool>,
    running: JoinSet<()>,
    worker: JoinSet<()>,
    end: oneshot::Sender<()>,
}

impl Honest {
    pub(super) fn start(site: &Arc<Site>) -> Self {
        let (report, stopping) = (Arc::new(Mutex::new(Report::default())), Arc::new(AtomicBool::new(false)));
        let mut running = JoinSet::new();
        for number in 0..STARTERS {
            let (client, report, stopping) =
                (site.client("good", PATIENCE), Arc::clone(&report), Arc::clone(&stopping));
            running.spawn(async move {
                let mut round = 0_u32;
                while !stopping.load(Ordering::Relaxed) {
                    round += 1;
                    let before = Instant::now();
                    let ended = saga(&client, number * 1_000_000 + round).await;
                    let mut report = report.lock().unwrap();
                    report.saga_ms.push(before.elapsed().as_millis());
                    report.sagas += 1;
                    report.wrong.extend(ended.err());
                }
            });
        }
        let (key, addr) = (site.key("good"), site.addr);
        let (theirs, until) = (Arc::clone(&report), Arc::clone(&stopping));
        running.spawn(async move {
            while !until.load(Ordering::Relaxed) {
                let before = Instant::now();
                let answer = attack::get(addr, "/v1/ledger/logs", &key).await;
                {
                    let mut report = theirs.lock().unwrap();
                    report.probe_ms.push(before.elapsed().as_millis());
                    report.probes += 1;
                    report.refused += usize::from(!answer.is_ok_and(|said| said.starts_with("HTTP/1.1 200")));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let (end, ended) = oneshot::channel();
        let mut worker = JoinSet::new();
        let client = site.client("good", PATIENCE);
        let theirs = Arc::clone(&report);
        worker.spawn(async move {
            let worker = Worker::new(client, "good-1").handle("errands", errand).hold(Duration::from_secs(1));
            let ended = worker.run(async { drop(ended.await) }).await;
            theirs.lock().unwrap().wrong.extend(ended.err().map(|error| format!("the worker: {error}")));
        });
        Self { report, stopping, running, worker, end }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }

    /// What was done since the last look.
    pub(super) fn take(&self) -> Report {
        std::mem::take(&mut *self.report.lock().unwrap())
    }

    /// Lets it go on for a while, and says how that went.
    pub(super) async fn rest(&self, pause: Duration) -> Report {
        drop(self.take());
        tokio::time::sleep(pause).await;
        self.take()
    }

    pub(super) async fn end(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        drop(self.end);
        while let Some(ended) = self.worker.join_next().await {
            ended.unwrap();
        }
        assert_eq!(self.report.lock().unwrap().wrong, Vec::<String>::new());
    }
}

async fn saga(client: &Client, number: u32) -> Result<(), String> {
    let start = Start::new("errand".parse().unwrap(), json!({ "n": number })).idempotency_key(number.to_string());
    let started = client.start(&start).await.map_err(|error| format!("start {number}: {error}"))?;
    let ended = client.wait_for(started.id, PATIENCE).await.map_err(|error| format!("wait {number}: {error}"))?;
    match (ended.status, ended.output) {
        (Status::Completed, Some(output)) if output == json!({ "n": number }) => Ok(()),
        (status, output) => Err(format!("{number} ended as {status:?} with {output:?}")),
    }
}

/// The work: hands back the number.
pub(super) async fn errand(task: Task) -> Result<Value, HandlerError> {
    let input: Value = task.input()?;
    Ok(json!({ "n": input["n"] }))
}
