//! What an outsider knows: every entry in the order in which it became durable, every call and every reply.
//!
//! It shares with the shard only the reading of entries. What must hold is said here a second time, from the outside.

mod books;
mod entries;
mod evidence;
mod expiry;
mod family;
mod fork;
mod governed;
mod inline;
mod overrides;
mod replies;
mod requests;
mod schedules;
mod stops;

pub(crate) use replies::Drove;
pub use schedules::Times;

use crate::faults::Counts;
use crate::reference::{Plan, Saga, Standing, WrongRule};
use chancery_base::{
    DecisionId, Digest, Document, Name, PrincipalId, RequestId, StopId, TenantId, Timestamp, TransactionId,
};
use chancery_engine::definition::{Definition, OnError, Step, StepIndex};
use chancery_engine::{Headers, NodeRef, Phase, Status};
use chancery_shard::input::ReportedOutcome;
use chancery_shard::row::LogId;
use chancery_shard::stop::StopOn;
use chancery_shard::token::AttemptRef;
use chancery_store::SimStore;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What does not hold, in words.
pub(crate) type Check<T = ()> = Result<T, String>;

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) lease: Duration,
    pub(crate) logs: BTreeMap<LogId, LogModel>,
    pub(crate) transactions: BTreeMap<TransactionId, TransactionModel>,
    pub(crate) counts: Counts,
    pub(crate) schedules: schedules::Schedules,
    governed: governed::Governed,
    tenants: BTreeMap<TenantId, TenantModel>,
    definitions: BTreeMap<Digest, (Arc<Definition>, Arc<Plan>)>,
    /// What the reference model is told wrong.
    wrong_rule: Option<WrongRule>,
    /// Transactions with entries that were not compared with their rows yet.
    changed: BTreeSet<TransactionId>,
    /// Attempts that were let out to a worker.
    delivered: BTreeSet<AttemptRef>,
    /// What workers said, whether or not it arrived.
    reports: BTreeMap<AttemptRef, Vec<ReportedOutcome>>,
    /// Which step a participant's idempotency key stands for.
    step_keys: BTreeMap<(TenantId, String), KeyOf>,
    /// The same the other way round: a step has one key, and so has each of its rounds.
    keys_of_steps: BTreeMap<KeyOf, String>,
    /// The child that begins with the next entry.
    expected: Option<family::Expected>,
    /// What was forked, and by which transaction.
    forks: BTreeMap<TransactionId, TransactionId>,
    running_keys: BTreeMap<(TenantId, String), TransactionId>,
    start_keys: BTreeMap<StartKey, TransactionId>,
    /// Transactions that were removed since they had ended long ago.
    pub(crate) expired: BTreeSet<TransactionId>,
    /// After how long that may be.
    retention: Duration,
    /// Over every record in the order of commits: the same for the same run.
    pub(crate) digest: u64,
}

/// A step, its undo or its confirm, and how many rounds were not enough before.
type KeyOf = (TransactionId, NodeRef, Phase, usize);

/// What came of an attempt that was done, and was not enough.
const POLLED: &str = "polled";

/// Tenant, business key, idempotency key.
pub(crate) type StartKey = (TenantId, Option<String>, String);

#[derive(Debug)]
pub(crate) struct LogModel {
    pub(crate) size: u64,
}

#[derive(Debug, Default)]
struct TenantModel {
    active: Option<Digest>,
    suspended: BTreeSet<PrincipalId>,
    /// What is stopped.
    stops: BTreeMap<StopId, StopOn>,
    /// What roles its principals have.
    roles: BTreeMap<PrincipalId, BTreeSet<Name>>,
    /// How many attempts of a queue may be out at once.
    queues: BTreeMap<Name, usize>,
    /// The version of its settings, and what they say; none: nothing was ever set.
    settings: Option<(u32, Option<u64>)>,
}

#[derive(Debug)]
pub(crate) struct TransactionModel {
    pub(crate) tenant: TenantId,
    pub(crate) log: LogId,
    pub(crate) definition: Arc<Definition>,
    pub(crate) ended: Option<Status>,
    ended_at: Timestamp,
    /// It waits for a person, at this step if at one.
    pub(crate) parked: Option<Option<NodeRef>>,
    pub(crate) cancels: u32,
    pub(crate) resumed: u32,
    pub(crate) resolved: u32,
    pub(crate) pauses: u32,
    pub(crate) unpauses: u32,
    pub(crate) is_paused: bool,
    principal: PrincipalId,
    bundle: Digest,
    /// That of its start.
    decision: DecisionId,
    labels: BTreeMap<String, String>,
    business_key: Option<String>,
    parent: Option<TransactionId>,
    /// The version of the settings that it sees.
    settings: Option<u32>,
    /// What it, or what began its family, was told.
    headers: Headers,
    entries: u64,
    /// It goes backward: no step may begin.
    turned: bool,
    /// The decision to confirm was taken.
    confirming: bool,
    steps: BTreeMap<NodeRef, StepModel>,
    /// What people were asked for it.
    pub(crate) requests: BTreeMap<RequestId, requests::RequestModel>,
    pub(crate) saga: Saga,
}

#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "an outsider's notes, each of something that was seen")]
struct StepModel {
    forward: Vec<Attempt>,
    /// Of its undo, or of its confirm: it has one of them at most.
    undo: Vec<Attempt>,
    completed_n: Option<u64>,
    skipped: bool,
    /// How many clones it has, once it fanned out.
    clones: Option<u32>,
    unknown: bool,
    /// It failed for good, and the saga went on.
    passed: bool,
    undone: bool,
    confirmed: bool,
    /// Its undo failed for good, and the saga went on.
    given_up: bool,
    decision: Option<DecisionId>,
    /// What it is called.
    name: String,
    /// What becomes of its undo when that failed, where it has one.
    undo_on_error: Option<OnError>,
    /// Nobody stops where it fails.
    is_optional: bool,
    /// Its output, where its target gave it.
    output: Option<Arc<Document>>,
    /// Of what a fork took over: which transaction did it, and under which key.
    origin: Option<(TransactionId, String)>,
}

#[derive(Debug, Clone)]
struct Attempt {
    at: Timestamp,
    deadline: Timestamp,
    decision: DecisionId,
    outcome: Option<&'static str>,
    /// When its lease was last renewed, as far as the worker was told.
    renewed_at: Option<Timestamp>,
    /// Its target took it and reports later: it has no lease.
    is_accepted: bool,
}

impl Model {
    pub(crate) fn new(lease: Duration, retention: Duration, wrong_rule: Option<WrongRule>) -> Self {
        Self { lease, retention, wrong_rule, ..Self::default() }
    }

    /// A definition that may be registered.
    pub(crate) fn know(&mut self, definition: &Arc<Definition>, plan: &Arc<Plan>) {
        self.definitions.insert(definition.digest, (Arc::clone(definition), Arc::clone(plan)));
    }

    /// The plans of the definitions that may be registered, each with those of its children.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let plans = self.definitions.values().map(|(_, plan)| plan);
        plans.filter(|plan| !plan.is_child()).map(|plan| Plan::clone(plan)).collect()
    }

    /// Looks at what has become durable since it looked last: each entry may be there, and the rows say what follows.
    pub(crate) fn look(&mut self, store: &SimStore) -> Check {
        for (row, seen) in store.grown(|log| self.logs.get(&log).map_or(0, |log| log.size)) {
            self.observe(&row, &store.entries_since(row.id, seen))?;
        }
        self.schedules_agree()?;
        self.accounts_agree(store)?;
        for id in std::mem::take(&mut self.changed) {
            if self.expired.contains(&id) {
                match store.standing(id) {
                    Some(_) => return Err(format!("{id} has expired and has rows")),
                    None => continue,
                }
            }
            let (head, steps) = store.standing(id).ok_or_else(|| format!("{id} has no rows"))?;
            let steps = steps.into_iter().map(|(word, attempts)| (word, u64::from(attempts))).collect();
            self.compare(id, &Standing { status: head.status, wake_at: head.wake_at, steps })?;
        }
        Ok(())
    }

    /// The rows of a transaction say what the reference model says of it.
    fn compare(&self, id: TransactionId, stored: &Standing) -> Check {
        let transaction = self.transactions.get(&id).ok_or("its transaction has not begun")?;
        transaction.saga.compare(stored).map_err(|why| format!("{id}: {why}"))?;
        // What happened to a child concerns the one above it.
        for of in transaction.parent.into_iter().chain([id]) {
            self.agree(of).map_err(|why| format!("{of}: {why}"))?;
        }
        Ok(())
    }

    /// An attempt is let out; whether it was before.
    pub(crate) fn deliver(&mut self, attempt: AttemptRef) -> bool {
        !self.delivered.insert(attempt)
    }

    /// A worker says this of an attempt.
    pub(crate) fn report(&mut self, attempt: AttemptRef, outcome: ReportedOutcome) {
        self.reports.entry(attempt).or_default().push(outcome);
    }

    /// Whether a principal is suspended, by what is durable.
    pub(crate) fn is_suspended(&self, tenant: &TenantId, principal: PrincipalId) -> bool {
        self.tenants.get(tenant).is_some_and(|tenant| tenant.suspended.contains(&principal))
    }

    /// Transactions that have not ended.
    pub(crate) fn open(&self) -> impl Iterator<Item = (TransactionId, &TransactionModel)> {
        self.transactions.iter().filter(|(_, transaction)| transaction.ended.is_none()).map(|(id, open)| (*id, open))
    }

    /// Whether an attempt's answer was already in the ledger.
    pub(crate) fn is_over(&self, attempt: &AttemptRef) -> bool {
        let transaction = self.transactions.get(&attempt.transaction);
        transaction.is_some_and(|transaction| transaction.ended.is_some())
            || self.attempt(attempt).is_some_and(|attempt| attempt.outcome.is_some())
    }

    fn attempt(&self, attempt: &AttemptRef) -> Option<&Attempt> {
        let step = self.transactions.get(&attempt.transaction)?.steps.get(&attempt.node())?;
        step.attempts(attempt.phase).get(position(attempt.attempt.checked_sub(1)?))
    }

    fn attempt_mut(&mut self, attempt: &AttemptRef) -> Option<&mut Attempt> {
        let step = self.transactions.get_mut(&attempt.transaction)?.steps.get_mut(&attempt.node())?;
        let attempts = match attempt.phase {
            Phase::Do => &mut step.forward,
            Phase::Undo | Phase::Confirm => &mut step.undo,
        };
        attempts.get_mut(position(attempt.attempt.checked_sub(1)?))
    }
}

impl Attempt {
    const fn new(at: Timestamp, deadline: Timestamp, decision: DecisionId) -> Self {
        Self { at, deadline, decision, outcome: None, renewed_at: None, is_accepted: false }
    }
}

impl TransactionModel {
    /// What its driver does, where it is open.
    pub(crate) fn open_plan(&self) -> Option<Arc<Plan>> {
        self.saga.open_plan()
    }

    /// What undoes or confirms a step cites the step's decision, or the start's where a person settled by hand what was
    /// never decided.
    fn covers(&self, step: &StepModel, decision: DecisionId) -> Check {
        let covering = step.decision.unwrap_or(self.decision);
        ensure(covering == decision, || format!("it cites decision {decision}, what covers it is {covering}"))
    }

    /// Who started it.
    pub(crate) const fn started_by(&self) -> PrincipalId {
        self.principal
    }

    /// Whether it runs and has not turned.
    pub(crate) const fn goes_forward(&self) -> bool {
        self.ended.is_none() && !self.turned
    }

    /// Whether a step that is called so is recorded.
    pub(crate) fn has_step(&self, name: &str) -> bool {
        self.steps.values().any(|step| step.name == name)
    }

    /// What its steps and their clones are called, each with what its step is.
    pub(crate) fn step_names(&self) -> Vec<(String, String)> {
        let whole = |node: &NodeRef| self.definition.step(node.step).map(|step| step.id.to_string());
        let names = self.steps.iter().filter_map(|(node, step)| Some((step.name.clone(), whole(node)?)));
        names.collect()
    }

    /// What a step, or a clone of one, is called.
    pub(crate) fn step_name(&self, node: NodeRef) -> Option<&str> {
        self.steps.get(&node).map(|step| step.name.as_str())
    }

    /// The queue that an attempt of a step is handed out of; none where it is no worker's, or its driver named it.
    fn queue(&self, step: StepIndex, phase: Phase) -> Option<&Name> {
        self.definition.step(step)?.run_of(phase)?.queue()
    }

    /// How many of its attempts are out of a queue.
    fn out_of(&self, queue: &Name) -> usize {
        let of_step = |(node, step): (&NodeRef, &StepModel)| {
            let is_confirmed = self.confirming && step.completed_n.is_some();
            let closing = if is_confirmed { Phase::Confirm } else { Phase::Undo };
            let is_of = |phase| step.is_out(phase) && self.queue(node.step, phase) == Some(queue);
            usize::from(is_of(Phase::Do)) + usize::from(is_of(closing))
        };
        self.steps.iter().map(of_step).sum()
    }

    fn has_pivot(&self) -> bool {
        self.definition.steps.iter().any(|step| step.pivot)
    }

    /// Whether what comes after a step may begin: of one that fanned out all clones are over.
    fn is_over(&self, step: StepIndex) -> bool {
        let Some(whole) = self.steps.get(&step.into()) else { return false };
        match whole.clones {
            None => whole.is_over(),
            Some(count) => {
                let mut clones = (1..=count).map(|clone| self.steps.get(&NodeRef { step, clone }));
                clones.all(|clone| clone.is_some_and(StepModel::is_over))
            }
        }
    }
}

impl StepModel {
    /// All steps of a definition.
    fn all(definition: &Definition) -> BTreeMap<NodeRef, Self> {
        let steps = definition.indices().zip(&definition.steps);
        steps.map(|(index, step)| (index.into(), Self::of(step, index.into()))).collect()
    }

    fn of(step: &Step, node: NodeRef) -> Self {
        let undo_on_error = step.compensate.as_ref().map(|undo| undo.on_error);
        Self { name: node.name(&step.id), undo_on_error, is_optional: step.optional, ..Self::default() }
    }

    /// Whether what comes after it may begin.
    const fn is_over(&self) -> bool {
        self.completed_n.is_some() || self.skipped || self.passed
    }

    const fn attempts(&self, phase: Phase) -> &Vec<Attempt> {
        match phase {
            Phase::Do => &self.forward,
            Phase::Undo | Phase::Confirm => &self.undo,
        }
    }

    fn is_out(&self, phase: Phase) -> bool {
        self.attempts(phase).last().is_some_and(|attempt| attempt.outcome.is_none())
    }

    /// How many rounds were not enough before an attempt.
    fn rounds_before(&self, attempt: u32) -> usize {
        let before = self.forward.iter().take(position(attempt.saturating_sub(1)));
        before.filter(|attempt| attempt.outcome == Some(POLLED)).count()
    }

    /// Whether it took effect or may have.
    const fn may_have_run(&self) -> bool {
        self.completed_n.is_some() || self.unknown
    }
}

impl fmt::Display for TransactionModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, parked {:?}, turned {})", self.definition.name, self.parked, self.turned)?;
        for step in self.steps.values() {
            let of = |attempts: &[Attempt]| attempts.iter().map(|attempt| attempt.outcome).collect::<Vec<_>>();
            write!(f, " {} {:?} undo {:?}", step.name, of(&step.forward), of(&step.undo))?;
        }
        Ok(())
    }
}

fn position(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Fails with these words unless it holds.
pub(crate) fn ensure(holds: bool, words: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(words()) }
}
