//! What happens to a transaction. Each event becomes one ledger entry; the state is what applying them gives.

mod about;

use crate::conditions::{Charge, Conditions};
use crate::definition::Classes;
use crate::fault::Fault;
use crate::fork::{Fork, Inherited};
use crate::headers::Headers;
use crate::node::NodeRef;
use crate::open::Intent;
use crate::request::Requested;
use crate::status::{CauseKind, Phase, Status};
use chancery_base::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use chancery_base::{
    DecisionId, Digest, Document, EventId, EventType, Name, PrincipalId, Timestamp, TransactionId, json,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An error of a step, as the target reports it or the engine finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepError {
    /// For programs.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "json::serialize_canonical")]
    pub detail: Option<Box<Value>>,
    /// The target says that no further attempt can end otherwise.
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
    /// A fault that the start asked for, not what a target said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub injected: bool,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// Its type, such as `OutOfStock`: what a retry's `unless` lists.
    pub r#type: String,
}

impl StepError {
    /// An expression failed when the step was to be handed out.
    pub const BAD_EXPRESSION: &'static str = "BadExpression";
    /// The tenant's policy denied the attempt.
    pub const POLICY_DENIED: &'static str = "PolicyDenied";
    /// What a compensation would go to is stopped.
    pub const TARGET_STOPPED: &'static str = "TargetStopped";
    /// A fault that the start asked for threw the attempt's answer away.
    pub const ANSWER_LOST: &'static str = "AnswerLost";
    /// The attempt's answer did not come in time.
    pub const TIMEOUT: &'static str = "Timeout";
    /// No worker took it in time.
    pub const QUEUE_TIMEOUT: &'static str = "QueueTimeout";
    /// The signal did not come in time.
    pub const SIGNAL_TIMEOUT: &'static str = "SignalTimeout";
    /// The worker stopped renewing its lease.
    pub const LEASE_LAPSED: &'static str = "LeaseLapsed";
    /// The transaction has as many entries as one may have.
    pub const TOO_MANY_ENTRIES: &'static str = "TooManyEntries";
    /// The driver of an open transaction was not heard in time.
    pub const DRIVER_LOST: &'static str = "DriverLost";
    /// The transaction has as many clones of steps as one may have.
    pub const TOO_MANY_CLONES: &'static str = "TooManyClones";
    /// The outputs of the transaction have as many bytes as they may have.
    pub const TOO_MUCH_OUTPUT: &'static str = "TooMuchOutput";
    /// The transaction's own time ran out.
    pub const TRANSACTION_TIMEOUT: &'static str = "TransactionTimeout";
    /// The transaction that a step ran did not complete, or could not be undone.
    pub const CHILD_FAILED: &'static str = "ChildFailed";
    /// The definition that a step is to run is not registered.
    pub const DEFINITION_MISSING: &'static str = "DefinitionMissing";
    /// The rounds of a step that polls are over, and none was enough.
    pub const POLL_EXHAUSTED: &'static str = "PollExhausted";
    /// What a step gives the definition that it is to run is not as that one's schema says.
    pub const INPUT_REFUSED: &'static str = "InputRefused";
    /// The definition that a step is to run is none that can be a child here.
    pub const CHILD_REFUSED: &'static str = "ChildRefused";
    /// People who were asked said no.
    pub const REQUEST_DENIED: &'static str = "RequestDenied";
    /// People who were asked did not say yes in time.
    pub const REQUEST_EXPIRED: &'static str = "RequestExpired";
    /// The step has opened as many requests as one may.
    pub const TOO_MANY_REQUESTS: &'static str = "TooManyRequests";
    /// What a step asks policy is no question that it could answer.
    pub const BAD_QUESTION: &'static str = "BadQuestion";

    /// An error of ours; type and message are cut to their limits.
    #[must_use]
    pub fn new(r#type: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let r#type = r#type.chars().take(NAME_BYTES_MAX).collect();
        let message = message.chars().take(TEXT_BYTES_MAX).collect();
        Self { r#type, message, detail: None, is_final: false, injected: false }
    }

    /// The same, final.
    #[must_use]
    pub fn fatal(r#type: &str, message: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::new(r#type, message) }
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// It took no effect.
    Failed,
    /// It may have taken effect.
    Unknown,
    /// Its answer did not come in time: it may have taken effect.
    TimedOut,
    /// Its worker stopped renewing the lease: it may have taken effect.
    Lapsed,
    /// It was not handed out: no worker took it in time.
    QueueTimedOut,
    /// The signal that it waited for did not come in time.
    SignalTimedOut,
    /// No further round of a step that polls begins, and none was enough.
    Exhausted,
    /// It was not handed out: policy denied it.
    Denied,
    /// It was not handed out: the bundle that is active denied it, the one that it began under would not have.
    DeniedAnew,
    /// It was not handed out: people who were asked said no.
    RequestDenied,
    /// It was not handed out: people who were asked did not say yes in time.
    RequestExpired,
    /// It was not handed out: an expression failed, or a limit is reached.
    Refused,
}

impl Failure {
    /// Whether the attempt may have taken effect.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        match self {
            Self::Unknown | Self::TimedOut | Self::Lapsed => true,
            Self::Failed
            | Self::QueueTimedOut
            | Self::SignalTimedOut
            | Self::Exhausted
            | Self::Denied
            | Self::DeniedAnew
            | Self::RequestDenied
            | Self::RequestExpired
            | Self::Refused => false,
        }
    }

    /// Whether the attempt had been handed out.
    #[must_use]
    pub const fn was_dispatched(self) -> bool {
        match self {
            Self::Failed | Self::Unknown | Self::TimedOut | Self::Lapsed => true,
            Self::QueueTimedOut
            | Self::SignalTimedOut
            | Self::Exhausted
            | Self::Denied
            | Self::DeniedAnew
            | Self::RequestDenied
            | Self::RequestExpired
            | Self::Refused => false,
        }
    }

    /// Whether a person is to say how it goes on, where everything else would have the transaction turn.
    #[must_use]
    pub const fn parks(self) -> bool {
        match self {
            Self::DeniedAnew => true,
            Self::Failed
            | Self::Unknown
            | Self::TimedOut
            | Self::Lapsed
            | Self::QueueTimedOut
            | Self::SignalTimedOut
            | Self::Exhausted
            | Self::Denied
            | Self::RequestDenied
            | Self::RequestExpired
            | Self::Refused => false,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::TimedOut => "timed_out",
            Self::Lapsed => "lapsed",
            Self::QueueTimedOut => "queue_timed_out",
            Self::SignalTimedOut => "signal_timed_out",
            Self::Exhausted => "exhausted",
            Self::Denied => "denied",
            Self::DeniedAnew => "denied_anew",
            Self::RequestDenied => "request_denied",
            Self::RequestExpired => "request_expired",
            Self::Refused => "refused",
        }
    }

    pub(crate) const fn cause(self) -> CauseKind {
        match self {
            Self::Denied | Self::DeniedAnew | Self::RequestDenied | Self::RequestExpired => CauseKind::StepDenied,
            Self::TimedOut | Self::QueueTimedOut | Self::SignalTimedOut => CauseKind::StepTimedOut,
            Self::Failed | Self::Unknown | Self::Lapsed | Self::Exhausted | Self::Refused => CauseKind::StepFailed,
        }
    }
}

/// Why a transaction did not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Of what kind.
    pub kind: CauseKind,
    /// At which step, if at one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<NodeRef>,
}

/// What a transaction begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// The bundle that its decisions are taken under.
    pub bundle: Digest,
    /// The business key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_key: Option<String>,
    /// The definition's name.
    pub definition: Name,
    /// The definition's digest.
    pub digest: Digest,
    /// What is to go wrong, where the caller tests its handlers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// What it is a fork of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// What it was told beside its input.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// Its id.
    pub id: TransactionId,
    /// The caller's idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it is a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Who started it.
    pub principal: PrincipalId,
    /// The version of the tenant's settings that its expressions see; none: nothing was ever set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<u32>,
    /// When its first steps begin, where the caller said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// The classes of data that what it is a child or a fork of had come to use.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub taint: Classes,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The definition's version.
    pub version: u32,
    /// The version that the caller asked for; none: the newest. What the caller said, not what it came to, tells the
    /// same request under an idempotency key from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_asked: Option<u32>,
}

/// The transaction whose step runs a child, as the child knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// How many stand above the child: 1 where the parent has none.
    pub depth: u32,
    /// Which.
    pub id: TransactionId,
    /// What the idempotency keys of the child's participants begin with.
    pub key: String,
    /// The step that runs the child.
    pub node: NodeRef,
    /// What that step is called.
    pub step: Name,
}

/// A child that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildStart {
    /// Which step.
    pub node: NodeRef,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The child.
    pub child: TransactionId,
    /// The version of the definition that it runs.
    pub version: u32,
    /// The decision that permitted it; it stands with the child's beginning.
    pub decision: DecisionId,
    /// SHA-256 of its canonical input.
    pub input: Digest,
}

/// A permit of an open transaction's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    /// Which step.
    pub node: NodeRef,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The decision.
    pub decision: DecisionId,
    /// The step's input: every attempt's.
    pub input: Arc<Document>,
    /// When it counts as unknown.
    pub deadline: Timestamp,
    /// Which driver asked.
    pub driver: u32,
    /// With the first that is recorded of the step: what was declared of it.
    pub intent: Option<Arc<Intent>>,
    /// What policy demands of it; none: nothing.
    pub conditions: Option<Arc<Conditions>>,
    /// What was counted for the attempt that a driver before this one has left.
    pub returned: Vec<Charge>,
}

/// What the shard carried out itself, in the commit in which it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedOut {
    /// Which step.
    pub node: NodeRef,
    /// The step or its compensation.
    pub phase: Phase,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The decision: the answer, or what permitted it; a compensation cites its step's, or the start's where that has
    /// none.
    pub decision: DecisionId,
    /// What.
    pub deed: Deed,
    /// What came of it.
    pub output: Arc<Document>,
}

/// What the shard carries out itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Policy answered a question.
    Answered {
        /// Whether the answer is yes.
        permitted: bool,
        /// Bytes of the decision's payload.
        bytes: u64,
    },
    /// An event was emitted: which, what it says, and what was demanded of it.
    Emitted(Emission, Arc<Document>, Option<Arc<Conditions>>),
}

/// An event that a step emitted, but for what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emission {
    /// The definition of the transaction.
    pub definition: Name,
    /// Its id.
    pub id: EventId,
    /// Which step: `ship`, or for a clone `ship[3]`.
    pub step: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The classes of data that the transaction had come to use, this step's among them.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub taint: Classes,
    /// What it is called.
    #[serde(rename = "type")]
    pub event_type: EventType,
}

impl Deed {
    /// The event that was emitted.
    #[must_use]
    pub const fn emission(&self) -> Option<&Emission> {
        match self {
            Self::Emitted(emission, ..) => Some(emission),
            Self::Answered { .. } => None,
        }
    }

    /// How many bytes it adds to what a transaction may give.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Answered { bytes, .. } => *bytes,
            Self::Emitted(_, data, _) => u64::try_from(data.canonical().len()).unwrap_or(u64::MAX),
        }
    }
}

/// A message for a transaction: a step that waits for one of its name takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: Name,
    /// A second one with this id is taken for the same.
    pub id: Option<String>,
    /// What it says: the output of the step that takes it.
    pub payload: Arc<Document>,
}

/// What happened. Words in the past: an event is a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The transaction began.
    Started {
        /// With what.
        beginning: Arc<Beginning>,
        /// Its input.
        input: Arc<Document>,
        /// The decision that permitted it.
        decision: DecisionId,
    },
    /// An attempt was handed out.
    Dispatched {
        /// Which step.
        node: NodeRef,
        /// The step, its compensation or its confirm.
        phase: Phase,
        /// Which attempt, from 1.
        attempt: u32,
        /// The decision that permitted it; a compensation or a confirm cites its step's, or the start's where that has
        /// none.
        decision: DecisionId,
        /// What the worker got.
        input: Arc<Document>,
        /// When it counts as failed.
        deadline: Timestamp,
        /// What policy demands of it.
        conditions: Option<Arc<Conditions>>,
    },
    /// Policy permitted an attempt of a step that the driver of an open transaction asked for.
    Permitted(Box<Permitted>),
    /// Policy denied a step that the driver of an open transaction asked for: nothing else comes of it.
    StepDenied {
        /// The decision.
        decision: DecisionId,
        /// Which driver.
        driver: u32,
        /// What it declared.
        intent: Arc<Intent>,
        /// With which input.
        input: Arc<Document>,
    },
    /// A driver took up a step that was done while another drove.
    Claimed {
        /// Which step.
        node: NodeRef,
        /// Which driver.
        driver: u32,
    },
    /// Another driver took over.
    DriverResumed {
        /// Its number.
        driver: u32,
    },
    /// The driver said that it lives.
    DriverHeard {
        /// Its number.
        driver: u32,
    },
    /// The driver was not heard in time.
    DriverLost,
    /// The target took an attempt and reports later: its worker is not waited for any more, its deadline is.
    Accepted {
        /// Which step.
        node: NodeRef,
        /// The step, its compensation or its confirm.
        phase: Phase,
        /// Which attempt.
        attempt: u32,
    },
    /// An attempt was done.
    Completed {
        /// Which step.
        node: NodeRef,
        /// The step, its compensation or its confirm.
        phase: Phase,
        /// Which attempt.
        attempt: u32,
        /// What came of it.
        output: Arc<Document>,
        /// Of a step that ran a child: how many entries that has by now. That it has all of them, its root's end says.
        child_entries: Option<u64>,
        /// The classes of data that the child had come to use.
        taint: Classes,
    },
    /// An attempt of a step that polls was done, and what came of it was not enough: its round is over.
    Polled {
        /// Which step.
        node: NodeRef,
        /// Which attempt.
        attempt: u32,
        /// What came of it.
        output: Arc<Document>,
        /// When the next round begins; none: it was the last one, and an [`Event::AttemptFailed`] follows.
        next_at: Option<Timestamp>,
    },
    /// A step began a child: its transaction begins with the next entry.
    ChildStarted(Box<ChildStart>),
    /// A fork took over what its source had done at a node.
    Inherited(Box<Inherited>),
    /// The child of a step is told to undo what it did.
    ChildRecalled {
        /// Which step.
        node: NodeRef,
        /// Which attempt of its undo, from 1.
        attempt: u32,
    },
    /// The transaction had completed; what it is a part of has it undo what it did.
    Recalled,
    /// What failed for good and waits for a person was settled by hand: it counts as done.
    Resolved {
        /// Which step.
        node: NodeRef,
        /// The step, its compensation or its confirm.
        phase: Phase,
        /// What came of it.
        output: Arc<Document>,
        /// Why.
        justification: String,
    },
    /// An attempt failed.
    AttemptFailed {
        /// Which step.
        node: NodeRef,
        /// The step, its compensation or its confirm.
        phase: Phase,
        /// Which attempt; where it was not handed out, the one before.
        attempt: u32,
        /// How.
        failure: Failure,
        /// What the target said.
        error: StepError,
        /// When the next attempt may be handed out; none: it failed for good.
        retry_at: Option<Timestamp>,
    },
    /// Policy denied an attempt; an [`Event::AttemptFailed`] follows.
    Denied {
        /// Which step.
        node: NodeRef,
        /// The decision.
        decision: DecisionId,
    },
    /// A step fanned out: it has a clone for each element.
    Expanded {
        /// Which step.
        node: NodeRef,
        /// The elements, a list.
        items: Arc<Document>,
    },
    /// A step's `when` said no.
    Skipped {
        /// Which step.
        node: NodeRef,
    },
    /// A step began to wait for a time.
    TimerStarted {
        /// Which step.
        node: NodeRef,
        /// Until when.
        until: Timestamp,
    },
    /// The time of a step that waited for it has come: it is done.
    TimerFired {
        /// Which step; none: that of the transaction's own start.
        node: Option<NodeRef>,
    },
    /// A step began to wait for a signal.
    SignalAwaited {
        /// Which step.
        node: NodeRef,
        /// Until when; none: however long it takes.
        until: Option<Timestamp>,
    },
    /// A signal came. It is kept until a step takes it.
    SignalReceived {
        /// What came.
        signal: Signal,
    },
    /// A step took a signal: it is done, and what the signal says is its output.
    SignalTaken {
        /// Which step.
        node: NodeRef,
        /// The number of the signal's entry in the log.
        signal: u64,
    },
    /// Something happened to a request of a step.
    Requested(Box<Requested>),
    /// The shard carried a step or its compensation out itself: it is done.
    CarriedOut(Box<CarriedOut>),
    /// Somebody paused it.
    Paused {
        /// Why.
        justification: String,
    },
    /// Somebody had it go on that was paused.
    Unpaused {
        /// Why.
        justification: String,
    },
    /// The definition's `output` could not be evaluated.
    OutputFailed {
        /// Why.
        error: StepError,
    },
    /// Somebody asked to cancel.
    CancelRequested {
        /// Why.
        justification: String,
    },
    /// The transaction's own time ran out.
    TimedOut,
    /// Every participant is tried: from here on they are confirmed, and nothing else.
    Confirming,
    /// It waits for a person.
    Parked {
        /// The step, or the step whose compensation, failed for good; none: its time ran out or its output failed,
        /// past its pivot.
        node: Option<NodeRef>,
    },
    /// Somebody had it go on.
    Resumed {
        /// The step, or the step whose compensation, is tried again; none: nothing that failed.
        node: Option<NodeRef>,
        /// Why.
        justification: String,
    },
    /// It ended.
    Ended {
        /// How.
        status: Status,
        /// The output, where it completed.
        output: Option<Arc<Document>>,
        /// Why, where somebody terminated it.
        justification: Option<String>,
    },
}
