//! Entries as events again, for replay.

use super::kind;
use chancery_base::json::{self, Members};
use chancery_base::{Document, Timestamp};
use chancery_engine::definition::{Classes, StepIndex};
use chancery_engine::{
    Beginning, CarriedOut, Charge, ChildStart, Conditions, Deed, Emission, Event, Failure, Inherited, Intent, NodeRef,
    Permitted, Phase, Signal, Status, StepError, Stood,
};
use chancery_ledger::Record;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Why an entry is not the event that its kind says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A part of the record or the payload is missing or has another form.
    #[error("`{kind}` without a proper `{part}`")]
    Part {
        /// The kind of entry.
        kind: String,
        /// Which part.
        part: &'static str,
    },
    /// A kind that this version does not know.
    #[error("kind `{0}` is unknown to this version")]
    Kind(String),
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// An event of a transaction.
    Event(Event),
    /// Something else: the payload, for those who know the kind.
    Other(Map<String, Value>),
}

pub(super) struct Reader<'a> {
    pub(super) record: &'a Record,
    pub(super) payload: Members<'a>,
}

/// Reads an entry whose record parsed and whose payload's digest was checked.
///
/// # Errors
/// If a part is missing, or the kind is unknown.
pub fn decode(record: &Record, payload: Option<&[u8]>) -> Result<Recorded, DecodeError> {
    let fail = |part| DecodeError::Part { kind: record.kind.to_string(), part };
    if !kind::ALL.contains(&record.kind) {
        return Err(DecodeError::Kind(record.kind.to_string()));
    }
    if record.refs.transaction.is_none() {
        let payload = payload.map_or_else(|| Some(Map::new()), object).ok_or_else(|| fail("payload"))?;
        return Ok(Recorded::Other(payload));
    }
    let payload = payload.map_or_else(|| Some(Members::none()), Members::read).ok_or_else(|| fail("payload"))?;
    Reader { record, payload }.event().map(Recorded::Event)
}

fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match json::parse_stored(bytes, bytes.len()) {
        Ok(Value::Object(map)) => Some(map),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => None,
    }
}

impl Reader<'_> {
    fn event(self) -> Result<Event, DecodeError> {
        let kind = self.record.kind.clone();
        Ok(match kind.as_str() {
            "transaction.started" => self.started()?,
            "step.dispatched" if self.has_driver() => self.permitted()?,
            "step.dispatched" => self.dispatched(Phase::Do)?,
            "compensation.started" => self.dispatched(Phase::Undo)?,
            "confirm.started" => self.dispatched(Phase::Confirm)?,
            "step.accepted" => self.accepted(Phase::Do)?,
            "compensation.accepted" => self.accepted(Phase::Undo)?,
            "confirm.accepted" => self.accepted(Phase::Confirm)?,
            "step.completed" if self.is_by_hand() => self.resolved(Phase::Do)?,
            "compensation.completed" if self.is_by_hand() => self.resolved(Phase::Undo)?,
            "confirm.completed" if self.is_by_hand() => self.resolved(Phase::Confirm)?,
            "step.completed" => self.completed(Phase::Do)?,
            "compensation.completed" => self.completed(Phase::Undo)?,
            "confirm.completed" => self.completed(Phase::Confirm)?,
            "step.polled" => self.polled()?,
            "step.failed" => self.failed(Phase::Do)?,
            "compensation.failed" => self.failed(Phase::Undo)?,
            "confirm.failed" => self.failed(Phase::Confirm)?,
            "decision.permitted" => self.answered(true)?,
            "decision.denied" if self.record.data.get_int("bytes").is_some() => self.answered(false)?,
            "event.emitted" => self.emitted()?,
            "decision.denied" if self.has_driver() => self.step_denied()?,
            "step.claimed" => Event::Claimed { node: self.node()?, driver: self.driver()? },
            "driver.resumed" => Event::DriverResumed { driver: self.driver()? },
            "driver.heard" => Event::DriverHeard { driver: self.driver()? },
            "driver.lost" => Event::DriverLost,
            "decision.denied" => Event::Denied { node: self.node()?, decision: self.decision()? },
            "step.expanded" => self.expanded()?,
            "step.skipped" => Event::Skipped { node: self.node()? },
            "step.inherited" => Event::Inherited(Box::new(self.inherited()?)),
            "child.started" => Event::ChildStarted(Box::new(self.child_started()?)),
            "child.recalled" => Event::ChildRecalled { node: self.node()?, attempt: self.attempt()? },
            "transaction.recalled" => Event::Recalled,
            "timer.started" => {
                Event::TimerStarted { node: self.node()?, until: self.until().ok_or_else(|| self.fail("data.until"))? }
            }
            "timer.fired" => Event::TimerFired { node: self.maybe_node() },
            "signal.awaited" => Event::SignalAwaited { node: self.node()?, until: self.until() },
            "signal.received" => Event::SignalReceived { signal: self.signal()? },
            "signal.taken" => {
                let signal = self.record.data.get_int("signal").and_then(|seq| u64::try_from(seq).ok());
                Event::SignalTaken { node: self.node()?, signal: signal.ok_or_else(|| self.fail("data.signal"))? }
            }
            "transaction.paused" => Event::Paused { justification: self.text("justification")? },
            "transaction.unpaused" => Event::Unpaused { justification: self.text("justification")? },
            "transaction.output_failed" => Event::OutputFailed { error: self.typed("error")? },
            "transaction.cancel_requested" => Event::CancelRequested { justification: self.text("justification")? },
            "transaction.timed_out" => Event::TimedOut,
            "transaction.confirming" => Event::Confirming,
            "transaction.parked" => Event::Parked { node: self.maybe_node() },
            "transaction.resumed" => {
                Event::Resumed { node: self.maybe_node(), justification: self.text("justification")? }
            }
            "transaction.completed" | "transaction.failed" | "transaction.cancelled" | "transaction.terminated" => {
                self.ended()?
            }
            request if request.starts_with("request.") => self.requested(&kind)?,
            other => return Err(DecodeError::Kind(other.to_owned())),
        })
    }

    fn started(&self) -> Result<Event, DecodeError> {
        let beginning: Beginning = self.typed("beginning")?;
        let source = beginning.fork.as_ref().map(|fork| fork.source.to_string());
        if self.record.data.get_word("fork_of") != source.as_deref() {
            return Err(self.fail("data.fork_of"));
        }
        Ok(Event::Started { beginning: Arc::new(beginning), input: self.value("input")?, decision: self.decision()? })
    }

    fn step_denied(&self) -> Result<Event, DecodeError> {
        Ok(Event::StepDenied {
            decision: self.decision()?,
            driver: self.driver()?,
            intent: Arc::new(self.typed("intent")?),
            input: self.value("input")?,
        })
    }

    fn dispatched(&self, phase: Phase) -> Result<Event, DecodeError> {
        let deadline = self.record.data.get_int("deadline").ok_or_else(|| self.fail("data.deadline"))?;
        Ok(Event::Dispatched {
            node: self.node()?,
            phase,
            attempt: self.attempt()?,
            decision: self.decision()?,
            input: self.value("input")?,
            deadline: Timestamp::from_micros(deadline),
            conditions: self.conditions()?,
        })
    }

    fn permitted(&self) -> Result<Event, DecodeError> {
        let deadline = self.record.data.get_int("deadline").ok_or_else(|| self.fail("data.deadline"))?;
        Ok(Event::Permitted(Box::new(Permitted {
            node: self.node()?,
            attempt: self.attempt()?,
            decision: self.decision()?,
            input: self.value("input")?,
            deadline: Timestamp::from_micros(deadline),
            driver: self.driver()?,
            intent: self.intent()?,
            conditions: self.conditions()?,
            returned: self.returned()?,
        })))
    }

    /// What a driver declared of a step, where it is the first entry of it.
    pub(super) fn intent(&self) -> Result<Option<Arc<Intent>>, DecodeError> {
        self.payload.text("intent").map(|_| self.typed("intent").map(Arc::new)).transpose()
    }

    /// What the attempt before gives back.
    pub(super) fn returned(&self) -> Result<Vec<Charge>, DecodeError> {
        let returned = self.payload.text("returned").map(|_| self.typed("returned")).transpose()?;
        Ok(returned.unwrap_or_default())
    }

    fn conditions(&self) -> Result<Option<Arc<Conditions>>, DecodeError> {
        self.payload.text("conditions").map(|_| self.typed("conditions").map(Arc::new)).transpose()
    }

    /// Whether it is of an open transaction's driver.
    pub(super) fn has_driver(&self) -> bool {
        self.record.data.get_int("driver").is_some()
    }

    pub(super) fn driver(&self) -> Result<u32, DecodeError> {
        let driver = self.record.data.get_int("driver").and_then(|driver| u32::try_from(driver).ok());
        driver.ok_or_else(|| self.fail("data.driver"))
    }

    fn accepted(&self, phase: Phase) -> Result<Event, DecodeError> {
        Ok(Event::Accepted { node: self.node()?, phase, attempt: self.attempt()? })
    }

    fn expanded(&self) -> Result<Event, DecodeError> {
        let items = self.value("items")?;
        let count = items.as_array().and_then(|items| i64::try_from(items.len()).ok());
        if count.is_none() || self.record.data.get_int("count") != count {
            return Err(self.fail("data.count"));
        }
        Ok(Event::Expanded { node: self.node()?, items })
    }

    fn is_by_hand(&self) -> bool {
        self.record.data.get_bool("by_hand") == Some(true)
    }

    fn resolved(&self, phase: Phase) -> Result<Event, DecodeError> {
        Ok(Event::Resolved {
            node: self.node()?,
            phase,
            output: self.value("output")?,
            justification: self.text("justification")?,
        })
    }

    fn completed(&self, phase: Phase) -> Result<Event, DecodeError> {
        let child_entries = self.record.data.get_int("child_entries").map(u64::try_from).transpose();
        Ok(Event::Completed {
            node: self.node()?,
            phase,
            attempt: self.attempt()?,
            output: self.value("output")?,
            child_entries: child_entries.ok().ok_or_else(|| self.fail("data.child_entries"))?,
            taint: self.payload.text("taint").map_or_else(|| Ok(Classes::new()), |_| self.typed("taint"))?,
        })
    }

    fn polled(&self) -> Result<Event, DecodeError> {
        let next_at = self.record.data.get_int("next").map(Timestamp::from_micros);
        Ok(Event::Polled { node: self.node()?, attempt: self.attempt()?, output: self.value("output")?, next_at })
    }

    fn answered(&self, permitted: bool) -> Result<Event, DecodeError> {
        let bytes = self.record.data.get_int("bytes").and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| self.fail("data.bytes"))?;
        self.carried_out(Phase::Do, Deed::Answered { permitted, bytes })
    }

    fn emitted(&self) -> Result<Event, DecodeError> {
        let phase = self.record.data.get_word("phase").and_then(Phase::from_word);
        let emission: Emission = self.typed("event")?;
        if self.record.data.get_word("event") != Some(emission.id.to_string().as_str()) {
            return Err(self.fail("data.event"));
        }
        let deed = Deed::Emitted(emission, self.value("input")?, self.conditions()?);
        self.carried_out(phase.ok_or_else(|| self.fail("data.phase"))?, deed)
    }

    fn carried_out(&self, phase: Phase, deed: Deed) -> Result<Event, DecodeError> {
        Ok(Event::CarriedOut(Box::new(CarriedOut {
            node: self.node()?,
            phase,
            attempt: self.attempt()?,
            decision: self.decision()?,
            deed,
            output: self.value("output")?,
        })))
    }

    fn inherited(&self) -> Result<Inherited, DecodeError> {
        let (items, output) = (self.payload.document("items"), self.payload.document("output"));
        let stood: Stood = self.typed("inherited")?;
        let (source, status) = (stood.origin.transaction.to_string(), stood.status.word());
        if self.record.data.get_word("source") != Some(source.as_str()) {
            return Err(self.fail("data.source"));
        }
        if self.record.data.get_word("status") != Some(status) {
            return Err(self.fail("data.status"));
        }
        if self.record.refs.decision != stood.decision {
            return Err(self.fail("refs.decision"));
        }
        let fans_out = items.is_some();
        Ok(Inherited { node: self.node()?, document: items.or(output), fans_out, stood })
    }

    fn child_started(&self) -> Result<ChildStart, DecodeError> {
        let child = self.record.data.get_word("child").and_then(|word| word.parse().ok());
        let version = self.record.data.get_int("version").and_then(|version| u32::try_from(version).ok());
        Ok(ChildStart {
            node: self.node()?,
            attempt: self.attempt()?,
            child: child.ok_or_else(|| self.fail("data.child"))?,
            version: version.ok_or_else(|| self.fail("data.version"))?,
            decision: self.decision()?,
            input: self.typed("input_digest")?,
        })
    }

    fn failed(&self, phase: Phase) -> Result<Event, DecodeError> {
        let word = self.record.data.get_word("failure").unwrap_or_default();
        let failure = FAILURES.iter().copied().find(|failure| failure.word() == word);
        let error: StepError = self.typed("error")?;
        Ok(Event::AttemptFailed {
            node: self.node()?,
            phase,
            attempt: self.attempt()?,
            failure: failure.ok_or_else(|| self.fail("data.failure"))?,
            error,
            retry_at: self.record.data.get_int("retry_at").map(Timestamp::from_micros),
        })
    }

    pub(super) fn until(&self) -> Option<Timestamp> {
        self.record.data.get_int("until").map(Timestamp::from_micros)
    }

    fn signal(&self) -> Result<Signal, DecodeError> {
        let id = self.payload.text("id").map(|_| self.text("id")).transpose()?;
        Ok(Signal { name: self.typed("name")?, id, payload: self.value("output")? })
    }

    fn ended(&self) -> Result<Event, DecodeError> {
        let status = self.record.data.get_word("status").and_then(Status::from_word);
        // Whether it is a child, which may have completed without being closed, whoever replays it knows.
        let is_closed = |status: &Status| self.record.refs.last || *status == Status::Completed;
        let status = status.filter(|status| status.is_ended() && is_closed(status));
        let status = status.ok_or_else(|| self.fail("data.status"))?;
        let justification = self.payload.text("justification").map(|_| self.text("justification")).transpose()?;
        Ok(Event::Ended { status, output: self.payload.document("output"), justification })
    }

    pub(super) fn node(&self) -> Result<NodeRef, DecodeError> {
        self.maybe_node().ok_or_else(|| self.fail("refs.step"))
    }

    fn maybe_node(&self) -> Option<NodeRef> {
        let step = self.record.refs.step.map(StepIndex)?;
        Some(NodeRef { step, clone: self.record.refs.clone.unwrap_or(0) })
    }

    fn attempt(&self) -> Result<u32, DecodeError> {
        self.record.refs.attempt.ok_or_else(|| self.fail("refs.attempt"))
    }

    fn decision(&self) -> Result<chancery_base::DecisionId, DecodeError> {
        self.record.refs.decision.ok_or_else(|| self.fail("refs.decision"))
    }

    pub(super) fn value(&self, part: &'static str) -> Result<Arc<Document>, DecodeError> {
        self.payload.document(part).ok_or_else(|| self.fail(part))
    }

    pub(super) fn typed<T: serde::de::DeserializeOwned>(&self, part: &'static str) -> Result<T, DecodeError> {
        let text = self.payload.text(part).ok_or_else(|| self.fail(part))?;
        serde_json::from_str(text).ok().ok_or_else(|| self.fail(part))
    }

    pub(super) fn text(&self, part: &'static str) -> Result<String, DecodeError> {
        self.typed(part)
    }

    pub(super) fn fail(&self, part: &'static str) -> DecodeError {
        DecodeError::Part { kind: self.record.kind.to_string(), part }
    }
}

const FAILURES: [Failure; 12] = [
    Failure::Failed,
    Failure::Unknown,
    Failure::TimedOut,
    Failure::Lapsed,
    Failure::QueueTimedOut,
    Failure::SignalTimedOut,
    Failure::Exhausted,
    Failure::Denied,
    Failure::DeniedAnew,
    Failure::RequestDenied,
    Failure::RequestExpired,
    Failure::Refused,
];
