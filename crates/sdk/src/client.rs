//! The client: one method a call of the API.

mod budget;
mod bundles;
mod calls;
mod compliance;
mod evidence;
mod export;
mod fork;
mod notifiers;
mod open;
mod overrides;
mod pages;
mod report;
mod transport;

pub use calls::Language;
pub use export::Export;
pub use fork::Fork;
pub use pages::{EntryPages, Pages, StepPages};

use crate::Error;
use chancery_api::transaction::{
    Cancel, Fault, SendSignal, SentSignal, StartTransaction, StartedTransaction, Transaction, WaitQuery,
};
use chancery_base::{Name, Secret, Timestamp, TransactionId, duration};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
pub(crate) use transport::chance;
use transport::{Body, Call, Transport};

/// The longest that one call waits for a result.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Its address, such as `http://127.0.0.1:7400`.
    pub server: String,
    /// The API key, `chk_…`.
    pub key: Secret,
    /// How long one call may take, beyond what it asks the server to wait.
    pub timeout: Duration,
    /// How long calls that are safe to repeat are repeated while the server is away or busy.
    pub patience: Duration,
}

impl ClientOptions {
    /// The usual: 30 s a call, and as long for repeating.
    #[must_use]
    pub fn new(server: impl Into<String>, key: Secret) -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self { server: server.into(), key, timeout: half_a_minute, patience: half_a_minute }
    }
}

/// A connection to a server, for one principal. Clones share their connections.
///
/// ```no_run
/// use chancery_sdk::{Client, ClientOptions, Secret, Start};
/// use serde_json::json;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let key = Secret::new(std::fs::read_to_string("orders.key")?.trim().to_owned());
/// let client = Client::new(ClientOptions::new("http://127.0.0.1:7400", key))?;
/// let start = Start::new("create-order".parse()?, json!({"order": 17})).idempotency_key("order-17");
/// let started = client.start(&start).await?;
/// let ended = client.wait(started.id).await?;
/// println!("{:?}", ended.status);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

/// A transaction to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    request: StartTransaction,
    idempotency_key: Option<String>,
    traceparent: Option<String>,
    wait: Duration,
}

impl Start {
    /// The newest version of a definition with an input.
    #[must_use]
    pub fn new(definition: Name, input: Value) -> Self {
        let labels = BTreeMap::new();
        let request = StartTransaction {
            definition,
            version: None,
            input,
            labels,
            headers: BTreeMap::new(),
            wait: None,
            start_at: None,
            signal: None,
            faults: Vec::new(),
        };
        Self { request, idempotency_key: None, traceparent: None, wait: Duration::ZERO }
    }

    /// This version instead of the newest.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.request.version = Some(version);
        self
    }

    /// The same key gives the same transaction, however often it is started. Only with one is a start repeated when
    /// the server does not answer.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Something to search by.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.labels.insert(name.into(), value.into());
        self
    }

    /// Something that it is told beside its input: its expressions see it as `headers`, its tasks carry it. No secrets,
    /// since it is recorded.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.headers.insert(name.into(), value.into());
        self
    }

    /// Its first steps begin then, rather than at once.
    #[must_use]
    pub fn at(mut self, start_at: Timestamp) -> Self {
        self.request.start_at = Some(start_at);
        self
    }

    /// It begins with this signal. If the idempotency key or the business key is of a transaction that runs, that one
    /// gets it, and nothing is started.
    #[must_use]
    pub fn signal(mut self, signal: SendSignal) -> Self {
        self.request.signal = Some(signal);
        self
    }

    /// Has something go wrong, to test handlers; can be said up to 32 times. The server must allow it
    /// (`--allow-faults`), and the caller have the permission `fault:inject`.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.request.faults.push(fault);
        self
    }

    /// The trace that it is part of (W3C Trace Context).
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Lets the answer wait until the transaction ended or parked, at most so long; at most a minute.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(WAIT_MAX);
        self.request.wait = Some(duration::format(self.wait));
        self
    }
}

impl Client {
    /// A client of a server. Connects when it is first used.
    ///
    /// # Errors
    /// If the server's address or the key can't be one.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        Ok(Self { transport: Arc::new(Transport::new(options)?) })
    }

    /// The server's address, as it was given.
    #[must_use]
    pub fn server(&self) -> &str {
        self.transport.server()
    }

    /// Starts a transaction and says how it stands: as it began, or as it ended if the start waits for that. Its steps
    /// are what [`Client::get`] gives.
    ///
    /// # Errors
    /// If the server refuses or can't be reached. Without an idempotency key nobody knows in the latter case whether
    /// it was started.
    pub async fn start(&self, start: &Start) -> Result<StartedTransaction, Error> {
        let call = Call::post("transaction_start", &["v1", "transactions"]).body(Body::json(&start.request)?);
        let call = call.begins(start.idempotency_key.as_deref(), start.traceparent.as_deref());
        self.transport.json(call.waits(start.wait)).await
    }

    /// A transaction's state.
    ///
    /// # Errors
    /// If there is no such transaction or the server can't be reached.
    pub async fn get(&self, id: TransactionId) -> Result<Transaction, Error> {
        self.transport.json(Call::get("transaction_get", &["v1", "transactions", &id.to_string()])).await
    }

    /// Waits until a transaction ended or was parked.
    ///
    /// # Errors
    /// If there is no such transaction, or the server is away for longer than the client's patience.
    pub async fn wait(&self, id: TransactionId) -> Result<Transaction, Error> {
        loop {
            let transaction = self.wait_for(id, WAIT_MAX).await?;
            if is_settled(&transaction) {
                return Ok(transaction);
            }
        }
    }

    /// Waits as [`Client::wait`] does, but at most so long (and at most a minute), and gives the state then.
    ///
    /// # Errors
    /// If there is no such transaction or the server can't be reached.
    pub async fn wait_for(&self, id: TransactionId, wait: Duration) -> Result<Transaction, Error> {
        let wait = wait.min(WAIT_MAX);
        let query = WaitQuery { wait: Some(duration::format(wait)) };
        let call = Call::get("transaction_result", &["v1", "transactions", &id.to_string(), "result"]);
        self.transport.json(call.query(&query)?.waits(wait)).await
    }

    /// Undoes what was done and ends as cancelled.
    ///
    /// # Errors
    /// If the transaction ended already, or the server refuses or can't be reached.
    pub async fn cancel(&self, id: TransactionId, justification: &str) -> Result<Transaction, Error> {
        let body = Cancel { justification: justification.to_owned() };
        self.operate("transaction_cancel", id, "cancel", Body::json(&body)?).await
    }

    /// Sends a transaction a signal, which is kept until a step takes it. Only with an id, under which a second one is
    /// taken for the same, is the call repeated when the server does not answer.
    ///
    /// # Errors
    /// If no step waits for signals of this name, the transaction goes forward no more, too many are kept, or the
    /// server can't be reached.
    pub async fn signal(&self, id: TransactionId, signal: &SendSignal) -> Result<SentSignal, Error> {
        let call = Call::post("transaction_signal", &["v1", "transactions", &id.to_string(), "signals"]);
        let call = call.body(Body::json(signal)?);
        self.transport.json(if signal.id.is_some() { call.repeatable() } else { call }).await
    }

    /// A transaction's entries from its first on, page by page.
    #[must_use]
    pub fn history(&self, id: TransactionId) -> EntryPages {
        let path = ["v1", "transactions", &id.to_string(), "history"].map(str::to_owned).to_vec();
        Pages::new(self.transport.clone(), "transaction_history", path, Vec::new())
    }

    /// The clones of a step that fanned out, page by page.
    #[must_use]
    pub fn clones(&self, id: TransactionId, step: &Name) -> StepPages {
        let path =
            ["v1", "transactions", &id.to_string(), "steps", step.as_str(), "clones"].map(str::to_owned).to_vec();
        Pages::new(self.transport.clone(), "transaction_clones", path, Vec::new())
    }

    async fn operate(
        &self,
        operation: &'static str,
        id: TransactionId,
        verb: &str,
        body: Body,
    ) -> Result<Transaction, Error> {
        let call = Call::post(operation, &["v1", "transactions", &id.to_string(), verb]);
        self.transport.json(call.body(body)).await
    }
}

/// Whether nothing changes any more unless a person acts.
fn is_settled(transaction: &Transaction) -> bool {
    use chancery_api::transaction::Status;
    transaction.status.is_final() || transaction.status == Status::Parked
}
