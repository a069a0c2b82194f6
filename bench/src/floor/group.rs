//! The group commit: whatever waits becomes one batch.

use super::template::{Prepared, Template};
use crate::harness::{Error, spawn};
use chancery_app::clock;
use chancery_app::data::{DataDir, Database};
use chancery_base::{Entropy, Name, TenantId, TransactionId};
use chancery_ledger::{Origin, leaf_hash};
use chancery_shard::batch::Batch;
use chancery_shard::row::{EntryRow, LogRow, TenantRow};
use chancery_store::Store;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Stages that wait at most; there are never more clients than that.
const QUEUE_MAX: usize = 1_024;

struct Job {
    stage: Prepared,
    done: oneshot::Sender<()>,
}

/// Where stages are handed in. Clones share the log.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    template: Arc<Template>,
    jobs: mpsc::Sender<Job>,
}

/// A saga of the floor.
pub(crate) struct Saga {
    id: TransactionId,
    stage: usize,
    entropy: Entropy,
}

impl Group {
    /// Opens a store in an empty directory or database and takes its one log.
    pub(crate) async fn open(
        dir: &Path,
        database: &Database,
        template: Template,
    ) -> Result<(Self, JoinHandle<Result<(), Error>>), Error> {
        let cluster: Name = crate::fixture::name("floor")?;
        let data = DataDir::create_with(dir, &cluster, database).await?;
        let failed = |err: clock::EntropyError| Error::Failed(err.to_string());
        let hash_key = clock::random_bytes().map_err(failed)?;
        let tenant = TenantRow { tenant: TenantId::system(), shards: 1, hash_key, created_at: clock::now() };
        let log = data.store.bootstrap(tenant, Origin::new(cluster, TenantId::system(), 0, 1)).await?;
        let log = data.store.own(log.id, "floor").await?;
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let commits = spawn(commit_all(data.store, log, queue));
        Ok((Self { template: Arc::new(template), jobs }, commits))
    }

    /// Begins a saga.
    pub(crate) fn saga(&self) -> Result<Saga, Error> {
        let mut entropy = clock::entropy().map_err(|err| Error::Failed(err.to_string()))?;
        let slot = chancery_base::Slot::of_key(&TenantId::system(), "floor");
        let id = TransactionId::draw(clock::now(), slot, &mut entropy);
        Ok(Saga { id, stage: 0, entropy })
    }

    /// Hands in the saga's next stage; what is returned answers when it is durable.
    pub(crate) async fn submit(&self, saga: &mut Saga) -> Result<oneshot::Receiver<()>, Error> {
        let stage = self.template.prepare(saga.stage, saga.id, clock::now(), &mut saga.entropy).ok_or_else(closed)?;
        saga.stage += 1;
        let (done, durable) = oneshot::channel();
        self.jobs.send(Job { stage, done }).await.ok().ok_or_else(closed)?;
        Ok(durable)
    }

    /// Writes the saga's next stage; returns when it is durable. `false` if it was the last.
    pub(crate) async fn write(&self, saga: &mut Saga) -> Result<bool, Error> {
        self.submit(saga).await?.await.ok().ok_or_else(closed)?;
        Ok(saga.stage < self.template.stages())
    }
}

fn closed() -> Error {
    Error::Failed("the floor's commits have ended".to_owned())
}

/// Commits until nobody hands anything in any more.
async fn commit_all(store: Arc<dyn Store>, mut log: LogRow, mut queue: mpsc::Receiver<Job>) -> Result<(), Error> {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, QUEUE_MAX).await > 0 {
        let (batch, waiting) = number(&log, &mut jobs);
        log.size += u64::try_from(batch.entries.len()).unwrap_or(0);
        store.commit(batch).await.map_err(|err| Error::Failed(format!("the floor's commit: {err}")))?;
        for done in waiting {
            // A client that stopped does not wait.
            done.send(()).ok();
        }
    }
    store.close().await?;
    Ok(())
}

/// One batch of all: entries are numbered, written and their leaves hashed.
fn number(log: &LogRow, jobs: &mut Vec<Job>) -> (Batch, Vec<oneshot::Sender<()>>) {
    let mut batch = Batch::after(log);
    let mut seq = log.size;
    let mut waiting = Vec::with_capacity(jobs.len());
    for Job { stage, done } in jobs.drain(..) {
        for (mut record, payload) in stage.entries {
            record.seq = seq;
            let transaction = record.refs.transaction.zip(record.refs.n);
            let bytes = record.to_bytes();
            black_box(leaf_hash(&bytes));
            batch.entries.push(EntryRow { seq, transaction, record: bytes, payload });
            seq += 1;
        }
        batch.transactions.extend(stage.transactions.into_iter().map(|mut row| {
            row.log = log.id;
            row
        }));
        batch.steps.extend(stage.steps);
        batch.keys.extend(stage.keys);
        waiting.push(done);
    }
    (batch, waiting)
}
