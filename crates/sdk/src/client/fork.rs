//! Forks of transactions that have ended.

use super::transport::{Body, Call};
use super::{Client, WAIT_MAX};
use crate::Error;
use chancery_api::transaction::{ForkTransaction, StartedTransaction};
use chancery_base::{Name, TransactionId, duration};
use std::time::Duration;

/// How a transaction that has ended is forked.
#[derive(Debug, Clone, PartialEq)]
pub struct Fork {
    request: ForkTransaction,
    idempotency_key: Option<String>,
    traceparent: Option<String>,
    wait: Duration,
}

impl Fork {
    /// From this step on, for this reason: what was done before it and not undone is taken over, all else is done anew.
    #[must_use]
    pub fn new(step: Name, justification: impl Into<String>) -> Self {
        let request = ForkTransaction { step, justification: justification.into(), wait: None };
        Self { request, idempotency_key: None, traceparent: None, wait: Duration::ZERO }
    }

    /// The same key gives the same fork, however often it is asked for. Only with one is the call repeated when the
    /// server does not answer. Participants do not see it: a fork acts under keys of its own.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The trace that it is part of (W3C Trace Context).
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Lets the answer wait until the fork ended or parked, at most so long; at most a minute.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(WAIT_MAX);
        self.request.wait = Some(duration::format(self.wait));
        self
    }
}

impl Client {
    /// Starts a transaction that takes over from one that has ended.
    ///
    /// # Errors
    /// If the server refuses: the transaction has not ended, can't be forked from there, or was forked before, by the
    /// transaction that the problem names.
    pub async fn fork(&self, id: TransactionId, fork: &Fork) -> Result<StartedTransaction, Error> {
        let path = id.to_string();
        let call = Call::post("transaction_fork", &["v1", "transactions", &path, "fork"]);
        let call = call.body(Body::json(&fork.request)?);
        let call = call.begins(fork.idempotency_key.as_deref(), fork.traceparent.as_deref());
        self.transport.json(call.waits(fork.wait)).await
    }
}
