//! The calls of an open transaction's driver, one by one. [`crate::open`] makes these well.

use super::Client;
use super::transport::{Body, Call};
use crate::Error;
use chancery_api::open::{
    OpenAbort, OpenAcknowledged, OpenCommit, OpenHeard, OpenHeartbeat, OpenOutcome, OpenResume, OpenResumed, OpenStep,
    OpenStepped,
};
use chancery_api::transaction::StartedTransaction;
use chancery_base::{Name, TransactionId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Each of them may be repeated: what was done already is not done again.
impl Client {
    /// Asks for a step: a permit, a denial, or what is recorded of it.
    ///
    /// # Errors
    /// If the server refuses. A denial is no error.
    pub async fn open_step(&self, id: TransactionId, step: &OpenStep) -> Result<OpenStepped, Error> {
        self.driven("open_step", id, "steps", step).await
    }

    /// Says what came of a step.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn open_outcome(
        &self,
        id: TransactionId,
        step: &Name,
        outcome: &OpenOutcome,
    ) -> Result<OpenAcknowledged, Error> {
        let call = Call::put("open_outcome", &["v1", "transactions", &id.to_string(), "steps", step.as_str()]);
        self.transport.json(call.body(Body::json(outcome)?).repeatable()).await
    }

    /// Ends it as completed.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn open_commit(&self, id: TransactionId, commit: &OpenCommit) -> Result<StartedTransaction, Error> {
        self.driven("open_commit", id, "commit", commit).await
    }

    /// Undoes what it did; it ends as cancelled.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn open_abort(&self, id: TransactionId, abort: &OpenAbort) -> Result<StartedTransaction, Error> {
        self.driven("open_abort", id, "abort", abort).await
    }

    /// Becomes its driver; whoever was it before is not any more.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn open_resume(&self, id: TransactionId) -> Result<OpenResumed, Error> {
        self.driven("open_resume", id, "drivers", &OpenResume {}).await
    }

    /// Says that its driver lives.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn open_heartbeat(&self, id: TransactionId, driver: u32) -> Result<OpenHeard, Error> {
        self.driven("open_heartbeat", id, "heartbeat", &OpenHeartbeat { driver }).await
    }

    async fn driven<T: DeserializeOwned, B: Serialize>(
        &self,
        operation: &'static str,
        id: TransactionId,
        verb: &str,
        body: &B,
    ) -> Result<T, Error> {
        let call = Call::post(operation, &["v1", "transactions", &id.to_string(), verb]);
        self.transport.json(call.body(Body::json(body)?).repeatable()).await
    }
}
