//! What a shard takes in and what it lets out.

mod change;
mod drive;
mod fork;
mod request;
mod seen;

pub use change::{Change, ControlChange, ExportMade, OverrideSay};
pub use drive::{Asking, Drive, Driven, Driving, Heard, Permit, RecordedStep, Resumed, Stepped};
pub use fork::Fork;
pub use request::{RequestAsk, RequestCommand};
pub use seen::{Gauges, Hold, Observation};

use crate::expiry::ExpiryRun;
use crate::request::RequestBody;
use crate::token::{AttemptRef, TaskToken};
use chancery_base::{
    Digest, Document, Kind, Name, PrincipalId, PublicKey, TargetId, TenantId, Timestamp, TransactionId,
};
use chancery_engine::definition::{Definition, HttpRequest, InputFault};
use chancery_engine::schedule::{Overlap, Terms};
use chancery_engine::{Fault, Headers, Phase, Refusal as EngineRefusal, ShownStatus, Signal, StepError, Summary};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Whom an answer is for: the pump's own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyTo(pub u64);

impl ReplyTo {
    /// Nobody: the shard asks itself. It is never answered.
    pub const NOBODY: Self = Self(u64::MAX);
}

/// An input: what is asked and who waits for the answer.
#[derive(Debug, Clone)]
pub struct Input {
    /// Who waits.
    pub reply: ReplyTo,
    /// What is asked.
    pub command: Command,
}

/// What can be asked of a shard. The caller was authenticated and the call authorised before; what the *tenant's*
/// policy says is decided here.
#[derive(Debug, Clone)]
pub enum Command {
    /// Start a transaction.
    Start(Box<Start>),
    /// Start a transaction that takes over from one that has ended.
    Fork(Box<Fork>),
    /// A worker hands in and takes out.
    Exchange(Exchange),
    /// Compensate what was done and end as cancelled.
    Cancel(Operation),
    /// End at once, nothing undone.
    Terminate(Operation),
    /// Try a parked step again.
    Retry(Operation),
    /// Count a parked step's compensation as done, by hand: the step's name and what came of it.
    Resolve(Operation, String, Arc<Document>),
    /// Hand nothing out until it is resumed.
    Pause(Operation),
    /// Have what is paused go on.
    Resume(Operation),
    /// Give a transaction a signal; the operation's justification is not looked at.
    Signal(Operation, Signal),
    /// What a person says to a request.
    Request(Box<RequestCommand>),
    /// A call of the driver of an open transaction.
    Drive(Box<Drive>),
    /// Decide questions of the tenant's policy and record the decisions.
    Decide(Box<Question>),
    /// Record that a call was refused by the role bundle.
    Deny(Denial),
    /// Have the capability token of an attempt that is out count no more, and neither what its worker reports. The
    /// operation is on the attempt's transaction.
    RevokeCapability(Operation, AttemptRef),
    /// Change what belongs to the tenant as a whole; only on its shard 0.
    Control(Box<ControlChange>),
    /// Change a schedule, or have it start out of turn; only on the tenant's shard 0.
    Schedule(Box<ScheduleCommand>),
    /// Look at a schedule whose time has come; the shard asks itself.
    Fire(Name),
}

impl Command {
    /// Whether it makes work rather than having it come to its end.
    pub(crate) const fn begins(&self) -> bool {
        match self {
            Self::Start(_) | Self::Fork(_) | Self::Fire(_) => true,
            Self::Schedule(command) => matches!(command.ask, ScheduleAsk::Trigger { .. }),
            Self::Drive(drive) => matches!(drive.driving, Driving::Step { .. }),
            Self::Exchange(_)
            | Self::Cancel(_)
            | Self::Terminate(_)
            | Self::Retry(_)
            | Self::Resolve(..)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Signal(..)
            | Self::Request(_)
            | Self::Decide(_)
            | Self::Deny(_)
            | Self::RevokeCapability(..)
            | Self::Control(_) => false,
        }
    }
}

/// A start.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its id, drawn in the slot of the business key, else the idempotency key, else at random.
    pub id: TransactionId,
    /// Who starts it: the principal of every decision in it.
    pub actor: PrincipalId,
    /// What it runs.
    pub definition: Arc<Definition>,
    /// The version that the caller asked for; none: the newest.
    pub version_asked: Option<u32>,
    /// Its input, in the domain of values.
    pub input: Arc<Document>,
    /// The same key with the same body gives the same transaction; where the definition has a business key, for each of
    /// these.
    pub idempotency_key: Option<String>,
    /// One running transaction per key: the definition's `key`, evaluated.
    pub business_key: Option<String>,
    /// For people to search by.
    pub labels: BTreeMap<String, String>,
    /// What it is told beside its input.
    pub headers: Headers,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// When its first steps begin; none: at once.
    pub start_at: Option<Timestamp>,
    /// What it begins with. If a transaction that runs has one of the keys, that one gets it, and nothing is started.
    pub signal: Option<Signal>,
    /// What is to go wrong. Whether the caller may ask for that was decided before.
    pub faults: Vec<Fault>,
    /// The platform takes no new transactions: it is refused, unless its key began one before.
    pub is_closed: bool,
}

/// An operation on a transaction.
#[derive(Debug, Clone)]
pub struct Operation {
    /// On which.
    pub id: TransactionId,
    /// Who asks.
    pub actor: PrincipalId,
    /// Why; at least 1 byte where the operation is an operator's (terminate, retry, resolve).
    pub justification: String,
}

/// Questions for the tenant's policy, decided in one commit, an entry each.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who asks.
    pub actor: PrincipalId,
    /// What about, in the order in which it is decided.
    pub requests: Vec<chancery_policy::Request>,
    /// After which decision the rest is not asked.
    pub until: Until,
}

/// After which decision the rest of several questions is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All are asked.
    End,
    /// The first deny.
    Deny,
    /// The first permit.
    Permit,
}

impl Until {
    /// Whether this decision is the last one.
    #[must_use]
    pub const fn is_reached(self, permitted: bool) -> bool {
        match self {
            Self::End => false,
            Self::Deny => !permitted,
            Self::Permit => permitted,
        }
    }
}

/// A call that the role bundle refused.
#[derive(Debug, Clone)]
pub struct Denial {
    /// Who called.
    pub actor: PrincipalId,
    /// What: the wire name of a `chancery_policy::Action`.
    pub action: String,
    /// Why.
    pub reasons: Vec<String>,
}

/// What is asked of a schedule.
#[derive(Debug, Clone)]
pub struct ScheduleCommand {
    /// Who asks.
    pub actor: PrincipalId,
    /// Of which.
    pub name: Name,
    /// What.
    pub ask: ScheduleAsk,
}

/// The kinds of [`ScheduleCommand`].
#[derive(Debug, Clone)]
pub enum ScheduleAsk {
    /// Make it; refused if it exists. Who asks is its owner: it starts under their grants.
    Create {
        /// What it is told.
        terms: Box<Terms>,
        /// The input of what it starts, with its expressions.
        input: Arc<Document>,
    },
    /// Tell it something else, in place of what it was told before; who asks is its owner from then on.
    Set {
        /// What it is told.
        terms: Box<Terms>,
        /// The input of what it starts, with its expressions.
        input: Arc<Document>,
    },
    /// Let it not be due until it is resumed.
    Pause {
        /// Why; may be empty.
        note: String,
    },
    /// Let it be due again, from now on.
    Resume {
        /// Why; may be empty.
        note: String,
    },
    /// Take it away. What it started goes on.
    Delete,
    /// Have it start now, out of turn.
    Trigger {
        /// What holds if what it started before still runs; none: what it was told.
        overlap: Option<Overlap>,
    },
}

/// Which queue a ready step waits in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Remote code or an in-process closure, by its name.
    Worker(Name),
    /// The node's own caller of URLs at one origin; its credit is how many calls that target has room for.
    Http(TargetId),
    /// The same at no origin that can be told. As credit it is for every origin that its call does not name.
    AnyHttp,
}

impl Queue {
    /// Whether what waits in it is a call of a URL.
    #[must_use]
    pub const fn is_http(&self) -> bool {
        match self {
            Self::Http(_) | Self::AnyHttp => true,
            Self::Worker(_) => false,
        }
    }
}

/// A worker process: an instance of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker {
    /// Who it authenticated as.
    pub principal: PrincipalId,
    /// Which process, as it names itself.
    pub instance: Arc<str>,
}

/// One call of a worker.
///
/// A call that names queues is the instance's one *taking* call: it replaces the one before (which is answered
/// empty), its `want` is all the credit that the instance has, and what it neither holds nor reports is taken for
/// not arrived and sent again. A call without queues only reports. Only a call without `done` is held.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Who.
    pub worker: Worker,
    /// The version of its code, if it says one.
    pub version: Option<Arc<str>>,
    /// The key that its capability tokens are bound to, if it presents one.
    pub key: Option<PublicKey>,
    /// How many tasks it takes, by queue.
    pub queues: Vec<(Queue, u32)>,
    /// How tasks ended.
    pub done: Vec<Report>,
    /// Tasks that it still works on: renews their leases.
    pub holding: Vec<TaskToken>,
    /// Until when a call that finds nothing waits.
    pub hold_until: Timestamp,
}

/// How a task ended, as the worker says.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which.
    pub task: TaskToken,
    /// How.
    pub outcome: ReportedOutcome,
}

/// What a worker can say of a task.
#[derive(Debug, Clone)]
pub enum ReportedOutcome {
    /// It was done.
    Completed(Arc<Document>),
    /// It was not done, and the target says so for good or for now.
    Failed(StepError),
    /// It may have been done: a cut connection, a 5xx.
    Unknown(StepError),
    /// The target took it and reports later: from here on only the attempt's deadline counts, no lease.
    Accepted,
}

/// The answer to an [`Exchange`].
#[derive(Debug, Clone, Default)]
pub struct Exchanged {
    /// Tasks handed out.
    pub tasks: Vec<Arc<Task>>,
    /// What became of the reports, in their order.
    pub acks: Vec<(TaskToken, Ack)>,
    /// Tasks among `holding` whose answer is no longer wanted.
    pub cancelled: Vec<TaskToken>,
    /// Queues that it would take from and whose tasks go to workers of other versions, with those.
    pub refused: Vec<(Name, Vec<String>)>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// It is in the ledger.
    Recorded,
    /// The attempt was superseded or had been reported: nothing changed.
    Superseded,
    /// The token is not one of ours: nothing changed.
    Refused,
}

/// An attempt handed to a worker.
#[derive(Debug, Clone)]
pub struct Task {
    /// Names the attempt and proves that it was handed out.
    pub token: TaskToken,
    /// The queue that it came from.
    pub queue: Queue,
    /// Whose step.
    pub transaction: TransactionId,
    /// The step's name.
    pub step: Name,
    /// Which clone of it, from 0; none: it does not fan out.
    pub index: Option<u32>,
    /// The step or its compensation.
    pub phase: Phase,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What to do it with.
    pub input: Arc<Document>,
    /// What policy has it keep within; empty: nothing.
    pub limits: Arc<Map<String, Value>>,
    /// The same for every attempt; of a step that polls, for every attempt of a round.
    pub idempotency_key: String,
    /// For a compensation: the key of the step that it undoes; for a round after the first, the key of that.
    pub forward_key: Option<String>,
    /// For a compensation: whether it is unknown if the step took effect.
    pub forward_unknown: bool,
    /// The decision that permitted it.
    pub decision: chancery_base::DecisionId,
    /// When the attempt counts as failed.
    pub deadline: Timestamp,
    /// W3C trace context of the start.
    pub traceparent: Option<String>,
    /// What its transaction was told beside its input.
    pub headers: Headers,
    /// For [`Queue::Http`] and [`Queue::AnyHttp`]: the call.
    pub http: Option<HttpRequest>,
    /// What its capability token says, where it has one.
    pub capability: Option<Box<Capability>>,
}

/// What the capability token of an attempt says beside what its task says. The shard has no key to sign it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// For whom it is done: who started the transaction.
    pub principal: PrincipalId,
    /// SHA-256 of the attempt's input.
    pub input: Digest,
    /// What policy permitted.
    pub action: String,
    /// On what.
    pub resource: chancery_policy::EntityRef,
    /// What for.
    pub purpose: Option<String>,
    /// How much may be spent on it.
    pub budget: Option<u64>,
    /// Who does it.
    pub worker: PrincipalId,
    /// The key that it is bound to.
    pub key: PublicKey,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
}

/// What a shard lets out, after the commit that it rests on.
#[derive(Debug, Clone)]
pub enum Effect {
    /// An answer.
    Reply(ReplyTo, Result<Response, Refusal>),
    /// A transaction ended or was parked: for those who wait for its result.
    Settled(TransactionId, Arc<Summary>),
    /// The log grew to this size, and whether there are events in what is new.
    Grown(u64, bool),
    /// The tenant's control state is another now.
    Control(Arc<crate::control::Control>),
    /// A notifier came further.
    Notified(Box<crate::notifier::Notifier>),
    /// A tenant was made: its shards can be run.
    TenantCreated(TenantId),
    /// The shard can't go on: another owns the log.
    Fenced,
    /// Something to count.
    Observed(Observation),
    /// A search for what ended long ago is over.
    Expired(ExpiryRun),
}

/// The answers there are.
#[derive(Debug, Clone)]
pub enum Response {
    /// To a start.
    Started {
        /// The transaction.
        id: TransactionId,
        /// Whether it had been started before under the same idempotency key, or got the signal that was to start it.
        existing: bool,
        /// What it is doing.
        status: ShownStatus,
    },
    /// To a signal.
    Signalled {
        /// Whether one with the same id had come before.
        existing: bool,
        /// What the transaction is doing now.
        status: ShownStatus,
    },
    /// To an exchange.
    Exchanged(Exchanged),
    /// To an operation: the status that the transaction has now.
    Operated(Arc<Summary>),
    /// To what a person said: the request as it is now.
    Requested(Box<RequestBody>),
    /// To a driver's call.
    Driven(Box<Driven>),
    /// To questions: of those that were asked, in their order.
    Decided(Vec<Arc<DecisionSummary>>),
    /// To a trigger of a schedule: what was started, none if it waits for the end of what runs.
    Triggered(Option<TransactionId>),
    /// To a control change, a change of a schedule, a denial.
    Done {
        /// The entry that records it; none where nothing changed.
        seq: Option<u64>,
    },
}

/// A decision as the caller sees it.
#[derive(Debug, Clone)]
pub struct DecisionSummary {
    /// Its id.
    pub id: chancery_base::DecisionId,
    /// Permitted or not.
    pub permitted: bool,
    /// The determining policies and what they say.
    pub reasons: Vec<chancery_policy::Reason>,
    /// What must hold for it to be done.
    pub obligations: Vec<chancery_policy::Obligation>,
    /// Only the bundle's mode permits it.
    pub would_deny: bool,
    /// Policy denies it, and people answer for it.
    pub overridden: Option<chancery_policy::Overridden>,
    /// How risky it is, where the bundle's tables say.
    pub risk: Option<chancery_policy::Risk>,
    /// What the bundle in the shadow says.
    pub shadow: Option<Arc<chancery_policy::Decision>>,
    /// The bundle that it was decided by; none where none is active.
    pub bundle: Option<Digest>,
    /// The entry that records it.
    pub seq: u64,
}

impl DecisionSummary {
    /// Whether it permits and demands nothing.
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        self.permitted && self.obligations.is_empty()
    }

    /// Of a decision, and why what it permits can't be done all the same.
    pub(crate) fn of(
        id: chancery_base::DecisionId,
        decision: &chancery_policy::Decision,
        unmet: Option<String>,
        seq: u64,
    ) -> Self {
        let permitted = decision.is_permit() && unmet.is_none();
        let mut reasons = decision.reasons.clone();
        reasons.extend(unmet.map(|text| chancery_policy::Reason { policy: None, effect: None, text }));
        let (obligations, would_deny) = (decision.obligations.clone(), decision.would_deny);
        let (risk, shadow) = (decision.risk.clone(), decision.also.shadow.clone());
        let (overridden, bundle) = (decision.overridden.clone(), Some(decision.bundle));
        Self { id, permitted, reasons, obligations, would_deny, overridden, risk, shadow, bundle, seq }
    }
}

/// Why an input was not done. Nothing changed, but for [`Refusal::Unknown`] and the entry of a denial.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// No such transaction here.
    #[error("there is no transaction {0}")]
    Missing(TransactionId),
    /// The tenant's policy denies.
    #[error("denied by policy")]
    Denied(Arc<DecisionSummary>),
    /// It is stopped.
    #[error("stopped: {}", reasons_in_words(&_0.reasons))]
    Stopped(Arc<DecisionSummary>),
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for another request: {0}")]
    KeyReused(TransactionId),
    /// A running transaction has the business key.
    #[error("transaction {0} with the same business key is running")]
    BusinessKeyTaken(TransactionId),
    /// The tenant's settings are another version than the one that the change is of.
    #[error("the settings are of version {now} now, not {expected}: read them again")]
    SettingsMoved {
        /// The version that the change is of.
        expected: u32,
        /// The version that they have; 0 where nothing was ever set.
        now: u32,
    },
    /// The rules for bundles keep this one from being put into force by who asks. The denial is an entry.
    #[error("this bundle may not be put into force: {}", _0.join("; "))]
    NotActivated(Vec<String>),
    /// The transaction was forked before; what it left is with that fork.
    #[error("the transaction was forked before, and {0} took over what it left: fork that, once it has ended")]
    Forked(TransactionId),
    /// What the schedule started before runs, and it was told to leave out what comes meanwhile.
    #[error("{0}, which this schedule started, has not ended, and what comes meanwhile is left out")]
    Overlaps(TransactionId),
    /// The schedule is not in a state that allows it.
    #[error("{0}")]
    Schedule(chancery_engine::schedule::IllegalEvent),
    /// The transaction is not in a state that allows it.
    #[error(transparent)]
    Illegal(#[from] EngineRefusal),
    /// It may not happen to the override, or not by them.
    #[error(transparent)]
    Override(#[from] crate::over::OverrideRefusal),
    /// The thing exists with other content.
    #[error("{0} exists already")]
    Exists(String),
    /// The thing that a change names does not exist.
    #[error("there is no {0}")]
    NotFound(String),
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The input is not as the definition's schema says.
    #[error("the input is not as definition `{definition}` says: {}", faults_in_words(faults))]
    InputRefused {
        /// Which definition.
        definition: Name,
        /// What is wrong with it: at least one.
        faults: Arc<[InputFault]>,
    },
    /// A limit is reached.
    #[error("{what}: at most {max}")]
    Limited {
        /// Of what there are too many.
        what: &'static str,
        /// How many there may be.
        max: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// As many transactions run as a tenant may have running.
    #[error("{max} transactions run already, as many as a tenant may have running")]
    TooManyRunning {
        /// How many that is.
        max: usize,
    },
    /// No new transactions are taken.
    #[error("{}", words(*platform))]
    Maintenance {
        /// Of the platform as a whole; else of the tenant.
        platform: bool,
    },
    /// The store did not commit; nothing changed.
    #[error("the store did not take it: {0}")]
    Unavailable(String),
    /// The store did not say whether it committed: ask again with the same key.
    #[error("the outcome is unknown: the store did not answer")]
    Unknown,
    /// The shard is being given up.
    #[error("this server does not serve the tenant: it is shutting down, or another has taken over")]
    Stopping,
}

impl Refusal {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) | Self::NotFound(_) => Kind::Missing,
            Self::Denied(_) | Self::Stopped(_) | Self::NotActivated(_) => Kind::Denied,
            Self::KeyReused(_)
            | Self::BusinessKeyTaken(_)
            | Self::SettingsMoved { .. }
            | Self::Forked(_)
            | Self::Overlaps(_)
            | Self::Schedule(_)
            | Self::Exists(_) => Kind::Conflict,
            Self::Illegal(refusal) => refusal.kind(),
            Self::Override(refusal) => refusal.kind(),
            Self::Invalid(_) | Self::InputRefused { .. } => Kind::Invalid,
            Self::Limited { .. } | Self::TooManyRunning { .. } => Kind::Limited,
            Self::Maintenance { .. } | Self::Unavailable(_) | Self::Unknown | Self::Stopping => Kind::Busy,
        }
    }
}

fn reasons_in_words(reasons: &[chancery_policy::Reason]) -> String {
    let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// The first of them, and how many more there are.
pub(crate) fn faults_in_words(faults: &[InputFault]) -> String {
    let more = faults.len().saturating_sub(1);
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    faults.first().map_or_else(String::new, |first| format!("{first}{more}"))
}

const fn words(platform: bool) -> &'static str {
    if platform {
        "the platform is in maintenance: it takes no new transactions"
    } else {
        "the tenant is in maintenance: it takes no new transactions"
    }
}
