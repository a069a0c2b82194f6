//! Open transactions: a program adds the steps while it runs, and runs again where it was interrupted.
//!
//! A step that was done gives what it gave, without being done again; so a program that died is resumed by running it
//! again, and nothing is asked of it but stable step ids. What it did is undone, by others and after its death, where
//! it aborts or is not heard any more.
//!
//! ```no_run
//! use chancery_sdk::{Client, HandlerError, Start};
//! use serde_json::{Value, json};
//!
//! async fn book(hotel: &str, key: &str) -> Result<Value, std::io::Error> {
//!     # let _ = (hotel, key); Ok(Value::Null)
//! }
//!
//! # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let start = Start::new("plan-trip".parse()?, json!({"to": "Lisbon"})).idempotency_key("trip-17");
//! let trip = client.begin(&start).await?;
//! let room: Value = trip
//!     .step("hotel", json!({"hotel": "Alba"}))?
//!     .action("hotels.book".parse()?)
//!     .undo("hotels.cancel".parse()?)
//!     .run(async |permit| Ok(book("Alba", &permit.idempotency_key).await?))
//!     .await?;
//! trip.commit(json!({"room": room})).await?;
//! # Ok(())
//! # }
//! ```

mod pulse;

use crate::worker::outcome;
use crate::{Client, Error, HandlerError, Start};
use chancery_api::ProblemKind;
use chancery_api::decision::Reason;
use chancery_api::open::{
    OpenAbort, OpenCommit, OpenHttp, OpenOutcome, OpenPermit, OpenRecorded, OpenRefusal, OpenResource, OpenStep,
    OpenStepped, OpenUndo, Stepped,
};
use chancery_api::transaction::StartedTransaction;
use chancery_api::worker::Ack;
use chancery_base::{DecisionId, Document, Name, RequestId, TransactionId, duration};
pub use pulse::Pulse;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;

/// The action that policy is asked about where a step names none: the same as for a saga's step.
const ACTION: &str = "run";

/// How long it is until a step that waits is asked for again: twice as long each time.
const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(10);

/// An open transaction that this program drives. While it lives the server hears of it; dropped without a commit or an
/// abort, the transaction waits for a driver that resumes it, and aborts if none comes.
#[derive(Debug)]
pub struct Open {
    client: Client,
    id: TransactionId,
    driver: u32,
    recorded: Vec<OpenRecorded>,
    pulse: Pulse,
}

/// A step before it is run.
#[derive(Debug)]
#[must_use = "a step is nothing before it is run"]
pub struct Step<'o> {
    open: &'o Open,
    asks: OpenStep,
    undo_input: Option<Value>,
}

/// Why an open transaction did not go on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Policy denies the step. The transaction goes on: what to do now is the program's to say.
    #[error("step `{step}` is denied: {}", reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; "))]
    Denied {
        /// Which.
        step: Name,
        /// The decision.
        decision: DecisionId,
        /// Why.
        reasons: Vec<Reason>,
    },
    /// People were asked whether the step may be done, and did not say yes. It is not done under this id; the transaction
    /// goes on.
    #[error("step `{step}` is refused: {reason}")]
    Refused {
        /// Which.
        step: Name,
        /// The request that they were asked by.
        request: RequestId,
        /// Who said no and why, or that nobody answered in time.
        reason: String,
    },
    /// The step was run and did not do it, or nobody knows. Run again under the same id, it is tried again.
    #[error("step `{step}` failed: {error}")]
    Failed {
        /// Which.
        step: Name,
        /// How.
        error: HandlerError,
    },
    /// The step was done, but said so after its permit was over: to the server it is unknown. Run again under the same
    /// id, it is tried again, with the same idempotency key.
    #[error("the outcome of step `{0}` came too late to be recorded")]
    TooLate(Name),
    /// Another program drives the transaction now: this one has to stop.
    #[error("another driver has taken over")]
    Superseded(#[source] Box<Error>),
    /// The transaction had ended already, in an earlier run.
    #[error("the transaction has ended: it is {}", .0.status.word())]
    Ended(Box<StartedTransaction>),
    /// What is recorded of the step is of another shape.
    #[error("what is recorded of step `{step}` is not what is expected")]
    Recorded {
        /// Which.
        step: Name,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The server refuses, or can't be reached.
    #[error(transparent)]
    Client(Error),
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        let is_superseded =
            error.problem().and_then(chancery_api::Problem::kind) == Some(ProblemKind::DriverSuperseded);
        if is_superseded { Self::Superseded(Box::new(error)) } else { Self::Client(error) }
    }
}

impl Client {
    /// Begins an open transaction. Where the idempotency key has begun it before, this takes over from whoever drives
    /// it: so the same program run again goes on with what it left.
    ///
    /// # Errors
    /// If it has ended, the server refuses, or it can't be reached.
    pub async fn begin(&self, start: &Start) -> Result<Open, OpenError> {
        let started = self.start(start).await?;
        let Some(driver) = started.driver else {
            if started.status.is_final() {
                return Err(OpenError::Ended(Box::new(started)));
            }
            return self.take_over(started.id).await;
        };
        let grace = started.grace.as_deref().and_then(|grace| duration::parse(grace).ok());
        Ok(Open::new(self, started.id, driver, grace.unwrap_or_default(), Vec::new()))
    }

    /// Takes over an open transaction from whoever drives it.
    ///
    /// # Errors
    /// If it does not go forward, the server refuses, or it can't be reached.
    pub async fn take_over(&self, id: TransactionId) -> Result<Open, OpenError> {
        let resumed = self.open_resume(id).await?;
        let grace = duration::parse(&resumed.grace).unwrap_or_default();
        Ok(Open::new(self, id, resumed.driver, grace, resumed.steps))
    }
}

impl Open {
    fn new(client: &Client, id: TransactionId, driver: u32, grace: Duration, recorded: Vec<OpenRecorded>) -> Self {
        let pulse = Pulse::start(client.clone(), id, driver, grace);
        Self { client: client.clone(), id, driver, recorded, pulse }
    }

    /// Which transaction.
    #[must_use]
    pub const fn id(&self) -> TransactionId {
        self.id
    }

    /// What was recorded of it when this program took over: each of these has to be run before it can commit.
    #[must_use]
    pub fn recorded(&self) -> &[OpenRecorded] {
        &self.recorded
    }

    /// A step under an id that is the same whenever this program runs.
    ///
    /// # Errors
    /// If the id is no name.
    pub fn step(&self, id: &str, input: Value) -> Result<Step<'_>, OpenError> {
        let invalid = |error: chancery_base::name::NameError| {
            OpenError::Client(Error::Request { operation: "open_step", reason: format!("step id `{id}`: {error}") })
        };
        let (id, action) = (id.parse().map_err(invalid)?, ACTION.parse().map_err(invalid)?);
        let asks = OpenStep {
            driver: self.driver,
            id,
            action,
            resource: None,
            classes: BTreeSet::new(),
            purpose: None,
            input,
            undo: None,
            timeout: None,
        };
        Ok(Step { open: self, asks, undo_input: None })
    }

    /// Ends it as completed, with this output.
    ///
    /// # Errors
    /// If a step is out or unknown, or one is recorded that this program did not run; then it can go on.
    pub async fn commit(&self, output: impl Serialize) -> Result<StartedTransaction, OpenError> {
        let output = outcome::to_value(&output);
        let reason = |error: HandlerError| Error::Request { operation: "open_commit", reason: error.to_string() };
        let commit = OpenCommit { driver: self.driver, output: output.map_err(reason)? };
        let ended = self.client.open_commit(self.id, &commit).await?;
        self.pulse.stop();
        Ok(ended)
    }

    /// Has undone what it did; it ends as cancelled, once nothing is out any more.
    ///
    /// # Errors
    /// If the server refuses, or can't be reached.
    pub async fn abort(&self, reason: impl Into<String>) -> Result<StartedTransaction, OpenError> {
        let abort = OpenAbort { driver: self.driver, reason: reason.into() };
        let turned = self.client.open_abort(self.id, &abort).await?;
        self.pulse.stop();
        Ok(turned)
    }
}

impl<'o> Step<'o> {
    /// The action that policy is asked about; `run` without it.
    pub fn action(mut self, action: Name) -> Self {
        self.asks.action = action;
        self
    }

    /// The resource that policy is asked about, and what this program asserts of it.
    pub fn resource(mut self, kind: impl Into<String>, id: impl Into<String>, attributes: Map<String, Value>) -> Self {
        self.asks.resource = Some(OpenResource { resource_type: kind.into(), id: id.into(), attributes });
        self
    }

    /// The classes of data that it uses. Policy sees those of all steps before as `taint`.
    pub fn classes(mut self, classes: impl IntoIterator<Item = Name>) -> Self {
        self.asks.classes.extend(classes);
        self
    }

    /// What it is for; without it what the definition says.
    pub fn purpose(mut self, purpose: Name) -> Self {
        self.asks.purpose = Some(purpose);
        self
    }

    /// How long it may take; 30 s without it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.asks.timeout = Some(duration::format(timeout));
        self
    }

    /// Undone by whoever takes tasks of this name, with the step's output, or where there is none its input.
    pub fn undo(self, worker: Name) -> Self {
        self.undo_by(OpenUndo { worker: Some(worker), ..OpenUndo::default() })
    }

    /// Undone by a POST to this URL.
    pub fn undo_url(self, url: impl Into<String>) -> Self {
        let http = OpenHttp { method: None, url: url.into(), headers: std::collections::BTreeMap::new() };
        self.undo_by(OpenUndo { http: Some(http), ..OpenUndo::default() })
    }

    /// Undone with this instead.
    pub fn undo_input(mut self, input: Value) -> Self {
        self.undo_input = Some(input);
        self
    }

    /// Undone as this says.
    pub fn undo_by(mut self, undo: OpenUndo) -> Self {
        self.asks.undo = Some(undo);
        self
    }

    /// Runs it, if policy permits it and it was not done before; gives what came of it, now or then. Where people are
    /// asked first, or a rate has no room, it waits as long as that takes. Dropped meanwhile nothing is out: whoever asks
    /// for the step again waits on.
    ///
    /// # Errors
    /// If it is denied or refused, fails, comes too late, or another program has taken over.
    pub async fn run<T, F>(mut self, work: F) -> Result<T, OpenError>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(OpenPermit) -> Result<T, HandlerError>,
    {
        if let (Some(undo), Some(input)) = (&mut self.asks.undo, self.undo_input) {
            undo.input = Some(Document::shared(input));
        }
        let (open, step) = (self.open, self.asks.id.clone());
        let stepped = open.ask(&self.asks).await?;
        match (stepped.outcome, stepped.permit, stepped.denial, stepped.refusal) {
            (Stepped::Completed, _, _, _) => {
                let output = stepped.output.as_deref().map_or(&Value::Null, Document::value);
                T::deserialize(output).map_err(|source| OpenError::Recorded { step, source })
            }
            (Stepped::Permitted, Some(permit), _, _) => open.attempt(step, permit, work).await,
            (Stepped::Denied, _, Some(denial), _) => {
                Err(OpenError::Denied { step, decision: denial.decision, reasons: denial.reasons })
            }
            (Stepped::Refused, _, _, Some(OpenRefusal { request, reason, .. })) => {
                Err(OpenError::Refused { step, request, reason })
            }
            (Stepped::Permitted | Stepped::Denied | Stepped::Waits | Stepped::Refused, _, _, _) => {
                Err(OpenError::Client(Error::Request {
                    operation: "open_step",
                    reason: "the answer says what it does not hold".to_owned(),
                }))
            }
        }
    }
}

impl Open {
    /// Asks for a step until it waits no more.
    async fn ask(&self, asks: &OpenStep) -> Result<OpenStepped, OpenError> {
        let mut pause = WAIT_MIN;
        loop {
            let stepped = self.client.open_step(self.id, asks).await?;
            match stepped.outcome {
                Stepped::Permitted | Stepped::Denied => {
                    self.pulse.heard();
                    return Ok(stepped);
                }
                // What writes no entry is no sign of life: whoever only waits goes on to give some.
                Stepped::Completed | Stepped::Refused => return Ok(stepped),
                Stepped::Waits => tokio::time::sleep(pause).await,
            }
            pause = WAIT_MAX.min(pause * 2);
        }
    }

    async fn attempt<T, F>(&self, step: Name, permit: OpenPermit, work: F) -> Result<T, OpenError>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(OpenPermit) -> Result<T, HandlerError>,
    {
        let task = permit.task.clone();
        let done = work(permit).await;
        let said = match &done {
            Ok(output) => outcome::to_value(output),
            Err(error) => Err(error.clone()),
        };
        let (report, _) = outcome::report(task, said);
        // What can't be written was done, and nobody knows what came of it.
        let unwritten = report.error.as_ref().filter(|_| done.is_ok()).map(|error| error.message.clone());
        let outcome = OpenOutcome { task: report.task, output: report.output, error: report.error };
        let ack = self.client.open_outcome(self.id, &step, &outcome).await?.ack;
        self.pulse.heard();
        match (done, ack, unwritten) {
            (Err(error), _, _) => Err(OpenError::Failed { step, error }),
            (Ok(_), Ack::Recorded, Some(message)) => {
                Err(OpenError::Failed { step, error: HandlerError::unknown("BadOutput", message) })
            }
            (Ok(output), Ack::Recorded, None) => Ok(output),
            (Ok(_), Ack::Superseded | Ack::Refused, _) => Err(OpenError::TooLate(step)),
        }
    }
}
