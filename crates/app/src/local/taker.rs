//! The loop that takes tasks of one queue, hands them to a handler and reports what came of them.

use super::{Book, Handler};
use crate::clock;
use crate::config::Config;
use crate::pump::Inlet;
use crate::tasks::Tasks;
use crate::tenant::Tenant;
use chancery_base::{Kind, PrincipalId, TargetId, Timestamp};
use chancery_engine::StepError;
use chancery_shard::input::{
    Command, Exchange, Exchanged, Queue, Refusal, Report, ReportedOutcome, Response, Task, Worker,
};
use chancery_shard::token::TaskToken;
use chancery_targets::{Ticket, verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{debug, warn};

/// How long a call that finds no task is held. Nobody else waits for it, so it may be long.
const HOLD: Duration = Duration::from_secs(60);
/// Leases are renewed this many times in the life of one.
const RENEWALS_A_LEASE: u32 = 3;
/// How long a report that was refused waits before it is made again, at first and at most.
const REPORT_RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

type Asking = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// What a loop has room for.
#[derive(Debug, Clone)]
pub(crate) enum Offer {
    /// So many tasks of one queue.
    Queue(Queue, u32),
    /// Calls, as far as their targets have room.
    Targets(Arc<Book>),
}

impl Offer {
    /// How many tasks it takes, by queue, while so many are in hand.
    fn credit(&self, in_hand: u32) -> BTreeMap<Queue, u32> {
        match self {
            Self::Queue(queue, limit) => BTreeMap::from([(queue.clone(), limit.saturating_sub(in_hand))]),
            Self::Targets(book) => book.credit(clock::now(), in_hand).into_iter().collect(),
        }
    }

    /// Names what it takes, and takes nothing.
    fn nothing(&self) -> BTreeMap<Queue, u32> {
        match self {
            Self::Queue(queue, _) => BTreeMap::from([(queue.clone(), 0)]),
            Self::Targets(_) => BTreeMap::from([(Queue::AnyHttp, 0)]),
        }
    }

    /// When there will be room that there is not, by time alone.
    fn opens_at(&self) -> Option<Timestamp> {
        match self {
            Self::Queue(..) => None,
            Self::Targets(book) => book.opens_at(clock::now()),
        }
    }

    fn begin(&self, task: &Task) -> Option<(TargetId, Ticket)> {
        match self {
            Self::Queue(..) => None,
            Self::Targets(book) => book.begin(task),
        }
    }

    fn end(&self, began: Option<(TargetId, Ticket)>, outcome: &ReportedOutcome) {
        if let (Self::Targets(book), Some(began)) = (self, began) {
            book.end(began, verdict(outcome));
        }
    }
}

/// The taking call that is out.
struct Taking {
    asking: Asking,
    credit: BTreeMap<Queue, u32>,
}

impl Taking {
    /// Whether it offers what there is no room for, or nothing where there is.
    fn is_stale(&self, now: &BTreeMap<Queue, u32>) -> bool {
        let is_other = |(queue, offered): (&Queue, &u32)| match now.get(queue) {
            Some(room) => room < offered || *offered == 0 && *room > 0,
            None => true,
        };
        self.credit.len() != now.len() || self.credit.iter().any(is_other)
    }
}

/// Takes tasks of one tenant: of one queue, or for all its targets.
pub(crate) struct Taker {
    inlet: Inlet,
    worker: Worker,
    offer: Offer,
    handler: Handler,
    tasks: Tasks,
    lease: Duration,
    store_retry: Duration,
    hands: Arc<Hands>,
}

/// The tasks in hand. A task leaves when its report was taken, so that no call in between seems to have lost it.
#[derive(Debug, Default)]
struct Hands {
    tokens: Mutex<BTreeSet<TaskToken>>,
    freed: Notify,
}

impl Hands {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<TaskToken>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Vec<TaskToken> {
        self.lock().iter().copied().collect()
    }

    fn are_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn count(&self) -> u32 {
        u32::try_from(self.lock().len()).unwrap_or(u32::MAX)
    }

    fn put_down(&self, token: &TaskToken) {
        self.lock().remove(token);
        self.freed.notify_one();
    }
}

enum Woken {
    Answered(Result<Response, Refusal>),
    Changed,
    Renew,
    Stop,
}

impl Taker {
    pub(crate) fn new(config: &Config, tenant: &Tenant, offer: Offer, handler: Handler, tasks: &Tasks) -> Self {
        let instance = match &offer {
            Offer::Queue(Queue::Worker(name), _) => Arc::from(format!("local/{name}")),
            Offer::Queue(Queue::Http(_) | Queue::AnyHttp, _) | Offer::Targets(_) => Arc::from("local:http"),
        };
        Self {
            inlet: tenant.pump.clone(),
            worker: Worker { principal: PrincipalId::SYSTEM, instance },
            offer,
            handler,
            tasks: tasks.clone(),
            lease: config.lease,
            store_retry: config.store_retry,
            hands: Arc::default(),
        }
    }

    /// Runs until the node stops and every task in hand is reported, or the shard is given up.
    pub(crate) async fn run(self) {
        let mut taking: Option<Taking> = None;
        let mut stopping = false;
        let mut renewals = tokio::time::interval(self.lease / RENEWALS_A_LEASE);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !(stopping && taking.is_none() && self.hands.are_empty()) {
            if taking.is_none() && !stopping {
                let credit = self.offer.credit(self.hands.count());
                let has_room = credit.values().any(|want| *want > 0);
                taking = has_room.then(|| Taking { asking: self.ask(credit.clone(), HOLD), credit });
            }
            match self.woken(&mut taking, &mut renewals, stopping).await {
                Woken::Answered(answer) => {
                    taking = None;
                    if !self.answered(answer).await {
                        return;
                    }
                }
                Woken::Changed => {
                    let credit = self.offer.credit(self.hands.count());
                    if taking.as_ref().is_some_and(|taking| taking.is_stale(&credit)) {
                        self.recall().await;
                    }
                }
                Woken::Renew => drop(self.ask(BTreeMap::new(), Duration::ZERO).await),
                Woken::Stop => {
                    stopping = true;
                    if taking.is_some() {
                        self.recall().await;
                    }
                }
            }
        }
    }

    /// Replaces the call that is out, so that it is answered now: with what it was given, or empty.
    async fn recall(&self) {
        drop(self.ask(self.offer.nothing(), Duration::ZERO).await);
    }

    async fn woken(&self, taking: &mut Option<Taking>, renewals: &mut Interval, stopping: bool) -> Woken {
        let full = taking.is_none();
        let opens_at = self.offer.opens_at().filter(|_| !stopping);
        let busy = !self.hands.are_empty();
        let answered = async {
            match taking.as_mut() {
                Some(taking) => (&mut taking.asking).await,
                None => std::future::pending().await,
            }
        };
        let changed = async {
            match &self.offer {
                Offer::Targets(book) => tokio::select! {
                    () = book.changed() => {}
                    () = self.hands.freed.notified() => {}
                },
                Offer::Queue(..) if full => self.hands.freed.notified().await,
                Offer::Queue(..) => std::future::pending().await,
            }
        };
        let opened = async {
            match opens_at {
                Some(at) => tokio::time::sleep_until(clock::instant_at(at)).await,
                None => std::future::pending().await,
            }
        };
        // An idle loop has no timer: the interval is polled only while there are leases to renew.
        tokio::select! {
            biased;
            answer = answered => Woken::Answered(answer),
            () = self.tasks.stopping(), if !stopping => Woken::Stop,
            () = changed => Woken::Changed,
            () = opened => Woken::Changed,
            _ = renewals.tick(), if busy => Woken::Renew,
        }
    }

    /// Starts what an answer brought; false if the shard is given up.
    async fn answered(&self, answer: Result<Response, Refusal>) -> bool {
        match answer {
            Ok(Response::Exchanged(exchanged)) => self.start(exchanged),
            Ok(
                Response::Started { .. }
                | Response::Signalled { .. }
                | Response::Operated(_)
                | Response::Requested(_)
                | Response::Driven(_)
                | Response::Decided(_)
                | Response::Triggered(_)
                | Response::Done { .. },
            ) => {
                warn!(worker = %self.worker.instance, "an exchange was answered as something else");
                return false;
            }
            Err(Refusal::Stopping) => return false,
            Err(refusal) => {
                debug!(worker = %self.worker.instance, "tasks were not taken: {refusal}");
                tokio::time::sleep(self.store_retry).await;
            }
        }
        true
    }

    fn start(&self, exchanged: Exchanged) {
        for task in exchanged.tasks {
            // A task that was sent again while it is worked on is the same task.
            if !self.hands.lock().insert(task.token) {
                continue;
            }
            let began = self.offer.begin(&task);
            let offer = self.offer.clone();
            let work = work(Arc::clone(&self.handler), Arc::clone(&task), self.tasks.clone());
            let reporter = Reporter { inlet: self.inlet.clone(), worker: self.worker.clone(), lease: self.lease };
            let hands = Arc::clone(&self.hands);
            drop(self.tasks.spawn(async move {
                let outcome = work.await;
                offer.end(began, &outcome);
                reporter.report(Report { task: task.token, outcome }).await;
                hands.put_down(&task.token);
            }));
        }
    }

    /// A call: the taking one, or where it names no queue one that only renews.
    fn ask(&self, credit: BTreeMap<Queue, u32>, hold: Duration) -> Asking {
        let exchange = Exchange {
            worker: self.worker.clone(),
            // What runs in this process has the version of the process, which says none.
            version: None,
            key: None,
            queues: credit.into_iter().collect(),
            done: Vec::new(),
            holding: self.hands.list(),
            hold_until: clock::now().plus(hold),
        };
        let inlet = self.inlet.clone();
        Box::pin(async move { inlet.ask(Command::Exchange(exchange)).await })
    }
}

/// Has a task worked on, until its deadline at most.
async fn work(handler: Handler, task: Arc<Task>, tasks: Tasks) -> ReportedOutcome {
    let until = clock::deadline(task.deadline);
    let worked = tasks.spawn(async move { tokio::time::timeout_at(until, handler(task)).await });
    let (kind, message) = match worked.await {
        Ok(Ok(outcome)) => return outcome,
        Ok(Err(_)) => (StepError::TIMEOUT, "no answer before the attempt's deadline"),
        Err(_) => ("Panic", "the handler panicked"),
    };
    ReportedOutcome::Unknown(StepError::new(kind, message))
}

struct Reporter {
    inlet: Inlet,
    worker: Worker,
    lease: Duration,
}

impl Reporter {
    /// Hands a report in, again and again while the shard can't take it, until its lease has surely lapsed.
    async fn report(&self, report: Report) {
        let until = clock::instant() + self.lease * 2;
        let (mut wait, longest) = REPORT_RETRY;
        loop {
            let exchange = Exchange {
                worker: self.worker.clone(),
                version: None,
                key: None,
                queues: Vec::new(),
                done: vec![report.clone()],
                holding: Vec::new(),
                hold_until: clock::now(),
            };
            match self.inlet.ask(Command::Exchange(exchange)).await {
                Ok(_) | Err(Refusal::Stopping) => return,
                Err(refusal) if is_passing(&refusal) && clock::instant() < until => {}
                Err(refusal) => {
                    warn!(task = %report.task, "a report was refused: {refusal}");
                    return;
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }
}

fn is_passing(refusal: &Refusal) -> bool {
    matches!(refusal.kind(), Kind::Busy | Kind::Limited)
}
