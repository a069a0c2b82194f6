//! The pump of a shard: one task that feeds it inputs, carries out its calls and delivers what it lets out. While a
//! call is out it goes on feeding.

use crate::clock;
use crate::measure;
use crate::tasks::Tasks;
use crate::tenant::Tenant;
use chancery_base::limits::{SHARD_QUEUE_MAX, SHARD_QUEUE_RESERVED};
use chancery_base::{TenantId, Timestamp};
use chancery_ledger::{Hash, leaf_hash};
use chancery_shard::batch::{Call, CommitError, Reply};
use chancery_shard::expiry::ExpiryRun;
use chancery_shard::input::{Command, Driving, Effect, Gauges, Input, Refusal, ReplyTo, Response, ScheduleAsk};
use chancery_shard::{Batch, Poll, Shard, Stage};
use chancery_store::Store;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

/// When a caller that finds the queue full should come again.
const FULL_RETRY_AFTER: Duration = Duration::from_millis(500);

type Answer = Result<Response, Refusal>;

/// The way in to a shard. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Inlet {
    queue: mpsc::Sender<Message>,
}

/// What waits for a shard.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: mpsc::Receiver<Message>,
}

#[derive(Debug)]
enum Message {
    Ask(Command, oneshot::Sender<Answer>),
    Gauges(oneshot::Sender<Gauges>),
    /// Begin nothing more, and say when nothing is out any more.
    Drain(oneshot::Sender<()>),
    /// The log is owned under this epoch.
    Seen(u64),
}

/// The two ends of a shard's queue.
pub(crate) fn queue() -> (Inlet, Outlet) {
    let (send, receive) = mpsc::channel(SHARD_QUEUE_MAX);
    (Inlet { queue: send }, Outlet { queue: receive })
}

impl Inlet {
    /// Asks the shard and waits for what it says.
    pub(crate) async fn ask(&self, command: Command) -> Answer {
        // The places that are kept for what lets transactions end are not for what begins more of them.
        if self.queue.capacity() <= SHARD_QUEUE_RESERVED && !is_reserved(&command) {
            return Err(full());
        }
        let (send, receive) = oneshot::channel();
        match self.queue.try_send(Message::Ask(command, send)) {
            Ok(()) => receive.await.unwrap_or(Err(Refusal::Stopping)),
            Err(mpsc::error::TrySendError::Full(_)) => Err(full()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Refusal::Stopping),
        }
    }

    /// Has the shard begin nothing more; what is given back ends when no attempt is out with a worker, or the shard was
    /// given up.
    pub(crate) async fn drain(&self) -> oneshot::Receiver<()> {
        let (send, receive) = oneshot::channel();
        // Where the queue is closed the sender is dropped with it.
        drop(self.queue.send(Message::Drain(send)).await);
        receive
    }

    /// Tells the shard under which epoch its log is owned. One that has no room is busy, and finds out by itself.
    pub(crate) fn seen(&self, epoch: u64) {
        drop(self.queue.try_send(Message::Seen(epoch)));
    }

    /// The shard's numbers of the moment; none where it has been given up.
    pub(crate) async fn gauges(&self) -> Option<Gauges> {
        let (send, receive) = oneshot::channel();
        self.queue.try_send(Message::Gauges(send)).ok()?;
        receive.await.ok()
    }
}

fn full() -> Refusal {
    let max = SHARD_QUEUE_MAX - SHARD_QUEUE_RESERVED;
    Refusal::Limited { what: "inputs that wait for the shard", max, retry_after: FULL_RETRY_AFTER }
}

/// Whether an input lets work end rather than begin.
const fn is_reserved(command: &Command) -> bool {
    match command {
        Command::Exchange(exchange) => !exchange.done.is_empty() || !exchange.holding.is_empty(),
        Command::Cancel(_)
        | Command::Terminate(_)
        | Command::Pause(_)
        | Command::Resolve(..)
        | Command::RevokeCapability(..)
        | Command::Control(_) => true,
        Command::Schedule(command) => matches!(command.ask, ScheduleAsk::Pause { .. } | ScheduleAsk::Delete),
        Command::Drive(drive) => !matches!(drive.driving, Driving::Step { .. }),
        Command::Start(_)
        | Command::Fork(_)
        | Command::Signal(..)
        | Command::Resume(_)
        | Command::Retry(_)
        | Command::Request(_)
        | Command::Decide(_)
        | Command::Deny(_)
        | Command::Fire(_) => false,
    }
}

/// The task that pumps a shard.
#[derive(Debug)]
pub(crate) struct Pump {
    shard: Shard,
    outlet: Outlet,
    store: Arc<dyn Store>,
    tenant: Arc<Tenant>,
    tasks: Tasks,
    owner: Arc<str>,
    waiting: HashMap<ReplyTo, oneshot::Sender<Answer>>,
    next: u64,
    /// The leaves of the batch that is out, and the number of the first.
    leaves: (u64, Vec<Hash>),
    is_stopping: bool,
    /// Whether the platform takes no new transactions; the shard of the tenant `system` says it to all others.
    closed: Arc<AtomicBool>,
    /// Who waits until no attempt is out.
    drained: Option<oneshot::Sender<()>>,
}

/// However it ends, nobody may take its tenant for one that is served: a defect that unwinds it is no shutdown.
impl Drop for Pump {
    fn drop(&mut self) {
        self.tenant.unready();
        if std::thread::panicking() {
            let tenant = &self.tenant.id;
            error!(%tenant, "a defect ended the shard of `{tenant}`: the node is not ready until it is restarted");
        }
    }
}

/// A call to the store that is out.
type Out = Pin<Box<dyn Future<Output = Reply> + Send>>;

impl Pump {
    pub(crate) fn new(
        shard: Shard,
        outlet: Outlet,
        store: Arc<dyn Store>,
        tenant: Arc<Tenant>,
        tasks: Tasks,
        (owner, closed): (Arc<str>, Arc<AtomicBool>),
    ) -> Self {
        Self {
            shard,
            outlet,
            store,
            tenant,
            tasks,
            owner,
            waiting: HashMap::new(),
            next: 0,
            leaves: (0, Vec::new()),
            is_stopping: false,
            closed,
            drained: None,
        }
    }

    /// Runs until the node stops or another owns the log.
    pub(crate) async fn run(mut self) {
        let mut out: Option<Out> = None;
        loop {
            if !self.is_stopping && self.tasks.is_stopping() {
                self.is_stopping = true;
                self.outlet.queue.close();
                self.shard.stop();
            }
            self.take_queued();
            self.shard.close(self.closed.load(Ordering::Relaxed));
            let mut entropy = match clock::entropy() {
                Ok(entropy) => entropy,
                Err(error) => {
                    error!(tenant = %self.tenant.id, "{error}: the shard of `{}` stops", self.tenant.id);
                    break;
                }
            };
            let wake_at = match self.shard.poll(clock::now(), &mut entropy) {
                Poll::Call(call) => {
                    // The store has it before anything else is done: before others are told what was done already, and
                    // before the next batch is built.
                    match started(self.carry_out(call)).await {
                        Ok(reply) => self.replied(reply),
                        Err(call) => out = Some(call),
                    }
                    self.let_out();
                    continue;
                }
                Poll::Wait(wake_at) => wake_at,
            };
            self.let_out();
            if out.is_none() && self.is_over() {
                break;
            }
            if self.shard.is_drained()
                && let Some(waiter) = self.drained.take()
            {
                // An error means that who waited has lost patience.
                waiter.send(()).ok();
            }
            if let Some(reply) = self.wait(&mut out, wake_at).await {
                out = None;
                self.replied(reply);
            }
        }
        debug!(tenant = %self.tenant.id, "the pump ends");
    }

    /// Whether the shard has nothing more to do, ever.
    fn is_over(&self) -> bool {
        match self.shard.stage() {
            Stage::Stopped | Stage::Fenced => true,
            // A store that does not answer must not keep the node from ending.
            Stage::Starting => self.is_stopping,
            Stage::Open => false,
        }
    }

    /// Takes what waits, as much as the shard can use.
    fn take_queued(&mut self) {
        while self.shard.has_room()
            && let Ok(message) = self.outlet.queue.try_recv()
        {
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask(command, waiter) => {
                let reply = ReplyTo(self.next);
                self.next += 1;
                self.waiting.insert(reply, waiter);
                self.shard.push(Input { reply, command });
            }
            // Nobody is there any more: then nobody needs to know.
            Message::Gauges(waiter) => drop(waiter.send(self.shard.gauges())),
            Message::Seen(epoch) => self.shard.seen(epoch),
            Message::Drain(waiter) => {
                self.shard.drain();
                self.drained = Some(waiter);
            }
        }
    }

    /// Waits for the reply to the call that is out, for an input, the shard's time, or the node's end.
    async fn wait(&mut self, out: &mut Option<Out>, wake_at: Option<Timestamp>) -> Option<Reply> {
        let replied = async {
            match out {
                Some(out) => out.await,
                None => std::future::pending().await,
            }
        };
        let woken = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(clock::instant_at(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reply = replied => return Some(reply),
            message = self.outlet.queue.recv(), if !self.outlet.queue.is_closed() && self.shard.has_room() => {
                if let Some(message) = message { self.take(message) }
            }
            () = woken => {}
            () = self.tasks.stopping(), if !self.is_stopping => {}
        }
        None
    }

    fn carry_out(&mut self, call: Call) -> Out {
        if let Call::Commit(batch) = &call {
            self.leaves = (batch.size, batch.entries.iter().map(|entry| leaf_hash(&entry.record)).collect());
        }
        let (store, owner) = (Arc::clone(&self.store), Arc::clone(&self.owner));
        Box::pin(async move {
            match call {
                Call::Commit(batch) => Reply::Committed(commit(store.as_ref(), *batch).await),
                Call::Own { .. }
                | Call::Control { .. }
                | Call::Recover { .. }
                | Call::Asleep { .. }
                | Call::Load { .. }
                | Call::Bundle { .. }
                | Call::Definition { .. }
                | Call::Schedules { .. }
                | Call::Sources { .. }
                | Call::Expired { .. } => chancery_store::carry_out(store.as_ref(), call, &owner).await,
            }
        })
    }

    fn replied(&mut self, reply: Reply) {
        if let Reply::Owned(Ok(row)) = &reply {
            self.tenant.owned(row.epoch, row.size);
        }
        if let Reply::Committed(Ok(())) = &reply {
            let (from, leaves) = std::mem::take(&mut self.leaves);
            self.tenant.integrator.committed(from, leaves);
        }
        if let Some(failure) = failure(&reply) {
            warn!(tenant = %self.tenant.id, "the store failed: {failure}");
        }
        self.shard.reply(reply, clock::now());
    }

    /// Delivers what the shard lets out.
    fn let_out(&mut self) {
        for effect in self.shard.effects() {
            match effect {
                Effect::Reply(to, answer) => {
                    if let Some(waiter) = self.waiting.remove(&to) {
                        // The caller went away; what it asked for is done all the same.
                        drop(waiter.send(answer));
                    }
                }
                Effect::Settled(id, summary) => {
                    self.tenant.inputs.release(id);
                    self.tenant.watchers.settled(id, &summary);
                }
                Effect::Grown(size, emits) => self.tenant.grown(size, emits),
                Effect::Control(control) => {
                    if self.tenant.id == TenantId::system() {
                        self.closed.store(control.maintenance.is_some(), Ordering::Relaxed);
                    }
                    self.tenant.controlled(control);
                }
                Effect::Notified(notifier) => self.tenant.notifying.came(*notifier),
                // Whoever had it made takes it in.
                Effect::TenantCreated(tenant) => debug!(%tenant, "tenant `{tenant}` was made"),
                Effect::Observed(observation) => measure::observed(&observation),
                Effect::Expired(run) => expired(&self.tenant.id, &run),
                Effect::Fenced => {
                    let id = &self.tenant.id;
                    error!(tenant = %id, "another owns the log of `{id}`: its shard stops here");
                }
            }
        }
    }
}

/// Says how the search for what ended long ago went.
fn expired(tenant: &TenantId, run: &ExpiryRun) {
    let (removed, before) = (run.removed, run.ended_before);
    match &run.problem {
        Some(problem) => error!(%tenant, removed, %before, "removing what ended long ago stopped: {problem}"),
        None if removed > 0 => {
            info!(%tenant, removed, %before, "removed {removed} transactions of `{tenant}` that ended before {before}");
        }
        None => debug!(%tenant, %before, "no transaction of `{tenant}` ended before {before}"),
    }
}

/// Makes a call; gives its reply if it has one at once.
async fn started(mut call: Out) -> Result<Reply, Out> {
    match poll_fn(|cx| task::Poll::Ready(call.as_mut().poll(cx))).await {
        task::Poll::Ready(reply) => Ok(reply),
        task::Poll::Pending => Err(call),
    }
}

async fn commit(store: &dyn Store, batch: Batch) -> Result<(), CommitError> {
    let from = clock::instant();
    let done = store.commit(batch).await;
    measure::committed(from.elapsed());
    if let Err(error) = &done {
        measure::commit_failed(match error {
            CommitError::Fenced { .. } => "fenced",
            CommitError::Control { .. } => "control",
            CommitError::Failed(_) => "failed",
            CommitError::Unknown(_) => "unknown",
        });
    }
    done
}

/// What the store said where it did not do what it was asked, unless that is how commits are refused.
fn failure(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Owned(Err(error))
        | Reply::Control(Err(error))
        | Reply::Loaded(Err(error))
        | Reply::Asleep(Err(error))
        | Reply::Bundle(Err(error))
        | Reply::Definition(Err(error))
        | Reply::Schedules(Err(error))
        | Reply::Sources(Err(error))
        | Reply::Expired(Err(error)) => Some(error.to_string()),
        Reply::Committed(Err(error @ (CommitError::Failed(_) | CommitError::Unknown(_)))) => Some(error.to_string()),
        Reply::Committed(Err(CommitError::Fenced { .. } | CommitError::Control { .. }) | Ok(()))
        | Reply::Owned(Ok(_))
        | Reply::Control(Ok(_))
        | Reply::Loaded(Ok(_))
        | Reply::Asleep(Ok(_))
        | Reply::Bundle(Ok(_))
        | Reply::Definition(Ok(_))
        | Reply::Schedules(Ok(_))
        | Reply::Sources(Ok(_))
        | Reply::Expired(Ok(_)) => None,
    }
}
