//! What the driver of an open transaction asks, and what it is answered.

use super::{Ack, DecisionSummary, Report};
use crate::token::TaskToken;
use chancery_base::{DecisionId, Document, Name, PrincipalId, RequestId, Timestamp, TransactionId};
use chancery_engine::{Intent, RequestStatus, StepStatus};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// A call of the driver of an open transaction.
#[derive(Debug, Clone)]
pub struct Drive {
    /// Of which.
    pub id: TransactionId,
    /// Who calls.
    pub actor: PrincipalId,
    /// What is asked.
    pub driving: Driving,
}

/// What the driver of an open transaction can ask.
#[derive(Debug, Clone)]
pub enum Driving {
    /// A step: a permit, a denial, or what is recorded of it.
    Step {
        /// The driver's number.
        driver: u32,
        /// What is declared of it.
        intent: Arc<Intent>,
        /// Its input.
        input: Arc<Document>,
    },
    /// To record what came of a step. The token says whose word it is, so that it is taken from a driver that was
    /// superseded as well, as long as the attempt is out.
    Outcome {
        /// The step's name.
        step: Name,
        /// What came of it.
        report: Report,
    },
    /// To end as completed.
    Commit {
        /// The driver's number.
        driver: u32,
        /// What the transaction gives.
        output: Arc<Document>,
    },
    /// To undo what was done.
    Abort {
        /// The driver's number.
        driver: u32,
        /// Why.
        reason: String,
    },
    /// To be the driver from now on.
    Resume,
    /// To be heard.
    Heartbeat {
        /// The driver's number.
        driver: u32,
    },
}

/// The answer to a [`Drive`].
#[derive(Debug, Clone)]
pub enum Driven {
    /// To a step.
    Stepped(Stepped),
    /// To an outcome.
    Acknowledged(Ack),
    /// To a commit or an abort: it is done, or being done.
    Settled,
    /// To a resumption.
    Resumed(Resumed),
    /// To a heartbeat.
    Heard(Heard),
}

/// What a step that was asked for came to.
#[derive(Debug, Clone)]
pub enum Stepped {
    /// An attempt may be made.
    Permitted(Permit),
    /// It was done before: this came of it.
    Completed(Arc<Document>),
    /// Policy denies it.
    Denied(Arc<DecisionSummary>),
    /// People are asked whether it may be done.
    Asked(Asking),
    /// People were asked, and did not say yes: it is not done under this id.
    Refused(Asking),
    /// What policy lets be done in a time was done: there is room again then.
    Later(Timestamp),
}

/// The request that people are asked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Its id.
    pub id: RequestId,
    /// Where it stands.
    pub status: RequestStatus,
    /// When it expires.
    pub due_at: Timestamp,
    /// Why its step is refused, where it is.
    pub refusal: Option<String>,
}

/// A permit for an attempt of an open transaction's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// Names the attempt and proves that it was permitted.
    pub token: TaskToken,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Whether this call made it; else the driver has it already and asks again.
    pub is_new: bool,
    /// The same for every attempt.
    pub idempotency_key: String,
    /// Whether an attempt before it may have taken effect.
    pub unknown: bool,
    /// The decision that permitted it.
    pub decision: DecisionId,
    /// Without an outcome by then it is unknown.
    pub deadline: Timestamp,
    /// What its driver keeps within.
    pub limits: Arc<Map<String, Value>>,
}

/// Until when a driver has to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The driver's number.
    pub driver: u32,
    /// When the transaction aborts without a sign of it.
    pub lost_at: Timestamp,
    /// How long that is from when it was heard.
    pub grace: Duration,
}

/// What a driver that took over is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Its number, and until when it has to be heard.
    pub heard: Heard,
    /// The steps that are recorded.
    pub steps: Vec<RecordedStep>,
}

/// A step that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStep {
    /// Its name.
    pub step: Name,
    /// Where it stands.
    pub status: StepStatus,
    /// Attempts permitted.
    pub attempts: u32,
}
