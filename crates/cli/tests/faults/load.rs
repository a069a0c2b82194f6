//! The load: many sagas at once, started under keys of their own until each start is acknowledged.

use crate::chance::Chance;
use crate::outside::Outside;
use crate::stage::Stage;
use chancery_api::transaction::Status;
use chancery_base::{Kind, TransactionId};
use chancery_sdk::{Client, Start, Worker};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How many start sagas at the same time.
const STARTERS: u64 = 96;
/// How long a starter waits for the end of a saga before it starts the next one.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// A start that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    /// Whether it is to complete; else it is to be compensated.
    pub(crate) completes: bool,
}

#[derive(Debug, Default)]
struct Told {
    acknowledged: BTreeMap<TransactionId, Acknowledged>,
    wrong: Vec<String>,
}

/// The load while it runs.
#[derive(Debug)]
pub(crate) struct Load {
    told: Arc<Mutex<Told>>,
    stopping: Arc<AtomicBool>,
    starters: JoinSet<()>,
    worker: JoinSet<()>,
    end: Option<oneshot::Sender<()>>,
}

impl Load {
    /// Begins to start sagas, and to work on them.
    pub(crate) fn start(stage: &Stage, outside: &Outside, seed: u64) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let mut starters = JoinSet::new();
        for number in 0..STARTERS {
            let starter = Starter {
                client: stage.client("load", Duration::from_secs(30)),
                chance: Chance::new(seed ^ (number << 32)),
                name: format!("{seed}/{number}"),
                told: Arc::clone(&told),
                stopping: Arc::clone(&stopping),
            };
            starters.spawn(starter.run());
        }
        let mut worker = JoinSet::new();
        let (end, ended) = oneshot::channel();
        worker.spawn(work(stage.client("worker", Duration::from_secs(30)), outside.clone(), Arc::clone(&told), ended));
        Self { told, stopping, starters, worker, end: Some(end) }
    }

    /// What was not as it must be so far.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.told.lock().unwrap().wrong.clone()
    }

    /// The starts that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> BTreeMap<TransactionId, Acknowledged> {
        self.told.lock().unwrap().acknowledged.clone()
    }

    /// Starts no more.
    pub(crate) async fn stop_starting(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(ended) = self.starters.join_next().await {
            ended.unwrap();
        }
    }

    /// Ends the worker once it has reported everything.
    pub(crate) async fn end(mut self) -> Vec<String> {
        drop(self.end.take());
        while let Some(ended) = self.worker.join_next().await {
            ended.unwrap();
        }
        self.wrong()
    }
}

async fn work(client: Client, outside: Outside, told: Arc<Mutex<Told>>, end: oneshot::Receiver<()>) {
    let worker = Worker::new(client, "worker-1")
        .handle("outside.call", move |task| outside.clone().task(task))
        .concurrency(256)
        .hold(Duration::from_millis(250))
        .grace(Duration::from_secs(30));
    let ended = worker.run(async { drop(end.await) }).await;
    if let Err(error) = ended {
        told.lock().unwrap().wrong.push(format!("the worker: {error}: {:?}", std::error::Error::source(&error)));
    }
}

struct Starter {
    client: Client,
    chance: Chance,
    name: String,
    told: Arc<Mutex<Told>>,
    stopping: Arc<AtomicBool>,
}

impl Starter {
    async fn run(mut self) {
        let mut number = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            number += 1;
            if let Err(wrong) = self.saga(number).await {
                self.told.lock().unwrap().wrong.push(wrong);
                return;
            }
        }
    }

    async fn saga(&mut self, number: u32) -> Result<(), String> {
        let refuse = ["", "", "", "c", "d"][usize::try_from(self.chance.between(0, 5)).unwrap()];
        let flaky = ["", "", "", "a", "b", "undo"][usize::try_from(self.chance.between(0, 6)).unwrap()];
        let input = json!({"ms": self.chance.between(20, 150), "refuse": refuse, "flaky": flaky});
        let key = format!("{}/{number}", self.name);
        let start = Start::new("kill-saga".parse().unwrap(), input).idempotency_key(&key);
        let Some(id) = self.acknowledged(&start).await? else { return Ok(()) };
        self.told.lock().unwrap().acknowledged.insert(id, Acknowledged { completes: refuse.is_empty() });
        if self.chance.between(0, 8) == 0
            && let Some(again) = self.acknowledged(&start).await?
            && again != id
        {
            return Err(format!("key {key} was acknowledged as {id}, then as {again}"));
        }
        match self.client.wait_for(id, PATIENCE).await {
            Ok(transaction) if transaction.status == Status::Parked => Err(format!("{id} is parked: {transaction:?}")),
            Ok(_) => Ok(()),
            Err(error) if is_away(error.kind()) => Ok(()),
            Err(error) => Err(format!("{id} was acknowledged and can't be read: {error}")),
        }
    }

    /// Starts under a key until that is acknowledged, or nobody wants it any more.
    async fn acknowledged(&self, start: &Start) -> Result<Option<TransactionId>, String> {
        loop {
            match self.client.start(start).await {
                Ok(transaction) => return Ok(Some(transaction.id)),
                Err(error) if is_away(error.kind()) && self.stopping.load(Ordering::Relaxed) => return Ok(None),
                Err(error) if is_away(error.kind()) => {}
                Err(error) => return Err(format!("a start was refused: {error}")),
            }
        }
    }
}

/// Whether the same call may do later.
pub(crate) fn is_away(kind: Kind) -> bool {
    matches!(kind, Kind::Busy | Kind::Limited)
}
