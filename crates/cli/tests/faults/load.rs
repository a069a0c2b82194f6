//! The load: many transactions of all sorts at once, started under keys of their own until each start is acknowledged.

use crate::chance::Chance;
use crate::outside::Outside;
use crate::stage::Stage;
use chancery_api::transaction::{SendSignal, Status};
use chancery_base::{Kind, Name, TransactionId};
use chancery_sdk::{Client, OpenError, Start, Worker};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How many start at the same time.
const STARTERS: u64 = 96;
/// How long a starter waits for an end before it starts the next one.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// Two steps at once, then two more.
    Saga,
    /// Three participants.
    Tcc,
    /// A step of many clones.
    Fan,
    /// A step that runs a transaction.
    Parent,
    /// Waits for a time, and for a signal that the load sends.
    Wait,
    /// The load drives it.
    Open,
}

impl Sort {
    pub(crate) const ALL: [Self; 6] = [Self::Saga, Self::Tcc, Self::Fan, Self::Parent, Self::Wait, Self::Open];
    /// As often as each is drawn.
    const DRAWN: [Self; 10] = [
        Self::Saga,
        Self::Saga,
        Self::Saga,
        Self::Tcc,
        Self::Tcc,
        Self::Fan,
        Self::Fan,
        Self::Parent,
        Self::Wait,
        Self::Open,
    ];

    fn definition(self) -> Name {
        let name = match self {
            Self::Saga => "kill-saga",
            Self::Tcc => "kill-tcc",
            Self::Fan => "kill-fan",
            Self::Parent => "kill-parent",
            Self::Wait => "kill-wait",
            Self::Open => "kill-open",
        };
        name.parse().unwrap()
    }

    /// What of it may refuse, so that it does not complete.
    const fn refusals(self) -> &'static [&'static str] {
        match self {
            Self::Saga => &["c", "d"],
            Self::Tcc => &["c"],
            Self::Fan => &["b"],
            Self::Parent => &["c", "child"],
            Self::Wait => &["d"],
            Self::Open => &["abort"],
        }
    }

    /// How it is to end.
    const fn ends(self, refuse: &str) -> &'static str {
        match (refuse.is_empty(), self) {
            (true, _) => "completed",
            (false, Self::Open) => "cancelled",
            (false, _) => "compensated",
        }
    }
}

/// A start that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) sort: Sort,
    /// How it is to end.
    pub(crate) ends: &'static str,
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
    /// Begins to start, and to work.
    pub(crate) fn start(stage: &Stage, outside: &Outside, seed: u64) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let mut starters = JoinSet::new();
        for number in 0..STARTERS {
            let starter = Starter {
                client: stage.client("load", Duration::from_secs(30)),
                outside: outside.clone(),
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
    outside: Outside,
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
            if let Err(wrong) = self.one(number).await {
                self.told.lock().unwrap().wrong.push(wrong);
                return;
            }
        }
    }

    async fn one(&mut self, number: u32) -> Result<(), String> {
        let sort = *self.chance.pick(&Sort::DRAWN);
        let refuse = *self.chance.pick(&[sort.refusals(), &["", "", ""]].concat());
        let flaky = *self.chance.pick(&["", "", "", "a", "b", "undo"]);
        let mut input = json!({"ms": self.chance.between(20, 150), "refuse": refuse, "flaky": flaky});
        match sort {
            Sort::Fan => input["items"] = (0..self.chance.between(4, 12)).collect(),
            Sort::Wait => input["pause"] = json!(format!("{}ms", self.chance.between(1, 900))),
            Sort::Saga | Sort::Tcc | Sort::Parent | Sort::Open => {}
        }
        let key = format!("{}/{number}", self.name);
        let start = Start::new(sort.definition(), input.clone()).idempotency_key(&key);
        let Some(id) = self.acknowledged(&start).await? else { return Ok(()) };
        self.told.lock().unwrap().acknowledged.insert(id, Acknowledged { sort, ends: sort.ends(refuse) });
        if self.chance.between(0, 8) == 0
            && let Some(again) = self.acknowledged(&start).await?
            && again != id
        {
            return Err(format!("key {key} was acknowledged as {id}, then as {again}"));
        }
        match sort {
            Sort::Wait => self.signal(id).await?,
            Sort::Open => self.drive(id, &input).await?,
            Sort::Saga | Sort::Tcc | Sort::Fan | Sort::Parent => {}
        }
        match self.client.wait_for(id, PATIENCE).await {
            Ok(transaction) if transaction.status == Status::Parked => Err(format!("{id} is parked: {transaction:?}")),
            Ok(_) => Ok(()),
            Err(error) if is_away(error.kind()) => Ok(()),
            Err(error) => Err(format!("{id} was acknowledged and can't be read: {error}")),
        }
    }

    /// Signals until that is acknowledged: from then on it must not be lost.
    async fn signal(&mut self, id: TransactionId) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(self.chance.between(0, 600))).await;
        let signal = SendSignal { name: "go".parse().unwrap(), id: Some("once".to_owned()), payload: Value::Null };
        loop {
            match self.client.signal(id, &signal).await {
                Ok(_) => return Ok(()),
                Err(error) if is_away(error.kind()) => {}
                Err(error) => return Err(format!("{id}: a signal was refused: {error}")),
            }
        }
    }

    /// Drives an open transaction to its end: whenever it is cut off it runs again from the beginning.
    async fn drive(&mut self, id: TransactionId, input: &Value) -> Result<(), String> {
        // Once its end was asked for, it may have come.
        let mut is_ending = false;
        loop {
            match drive_once(&self.client, &self.outside, id, input, &mut is_ending).await {
                Ok(()) => return Ok(()),
                Err(OpenError::TooLate(_)) => {}
                Err(OpenError::Client(error)) if is_away(error.kind()) => {}
                Err(OpenError::Client(error)) if is_ending && error.kind() == Kind::Conflict => return Ok(()),
                Err(error) => return Err(format!("{id}: its driver: {error}")),
            }
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

async fn drive_once(
    client: &Client,
    outside: &Outside,
    id: TransactionId,
    input: &Value,
    is_ending: &mut bool,
) -> Result<(), OpenError> {
    let open = client.take_over(id).await?;
    let ms = input["ms"].as_u64().unwrap_or_default();
    for step in ["a", "b", "c"] {
        let undo = json!({"step": step, "phase": "undo", "ms": 5});
        let step_of = open.step(step, json!({"of": step}))?.undo("outside.call".parse().unwrap()).undo_input(undo);
        let done: Value = step_of.run(async |permit| Ok(outside.driven(id, step, &permit, ms).await)).await?;
        debug_assert!(done.is_object(), "what the step gave, now or before");
    }
    *is_ending = true;
    if input["refuse"] == "abort" {
        open.abort("as the input says").await?
    } else {
        open.commit("done").await?
    };
    Ok(())
}

/// Whether the same call may do later.
pub(crate) fn is_away(kind: Kind) -> bool {
    matches!(kind, Kind::Busy | Kind::Limited)
}
