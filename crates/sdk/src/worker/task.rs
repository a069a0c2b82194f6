//! What a handler gets and what it may answer.

use chancery_api::worker::Phase;
use chancery_base::{DecisionId, Name, Timestamp, TransactionId};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One attempt of a step, handed to a handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The queue that it came from.
    pub queue: Name,
    /// Whose step.
    pub transaction: TransactionId,
    /// The step's name.
    pub step: Name,
    /// Which clone of it, from 0; none: the step does not fan out.
    pub index: Option<u32>,
    /// The step, its compensation or its confirm. For a participant of a TCC, `Do` is the try and `Undo` the cancel.
    pub phase: Phase,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What to do it with.
    pub input: Arc<Value>,
    /// What policy has the handler keep within: of `timeout`, `paths`, `commands`, `network`, `cpu` and `memory` those
    /// that are limited. The attempt's deadline heeds the timeout already; the others are the handler's to keep.
    pub limits: Map<String, Value>,
    /// The same for every attempt, of a step that polls for every attempt of a round: pass it on to whatever the handler
    /// calls.
    pub idempotency_key: String,
    /// For a compensation or a confirm: the key of the step that it undoes or confirms. For a round of a step that polls,
    /// after the first: the key of that.
    pub forward_key: Option<String>,
    /// For a compensation: nobody knows whether the step took effect.
    pub forward_unknown: bool,
    /// The decision that permitted it.
    pub decision: DecisionId,
    /// When the attempt counts as failed.
    pub deadline: Timestamp,
    /// W3C trace context of the transaction's start.
    pub traceparent: Option<String>,
    /// What the transaction was told beside its input; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its capability token, of a step with `capability`.
    #[cfg(feature = "capability")]
    pub capability: Option<crate::capability::Capability>,
}

/// Why a handler did not do its task.
///
/// Made by [`HandlerError::failed`] or [`HandlerError::refused`] it says that nothing was done. Made from any other error with `?` it says that
/// nobody knows: what broke may have broken after the effect, so the step is compensated even if all attempts fail.
#[derive(Debug, Clone, PartialEq)]
pub struct HandlerError {
    // In a box, since a handler's every result has room for it.
    failure: Box<Failure>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) detail: Option<Value>,
    pub(crate) unknown: bool,
    pub(crate) is_final: bool,
}

impl Task {
    /// The input as a type.
    ///
    /// # Errors
    /// If it is of another shape: a final failure of type `BadInput`.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, HandlerError> {
        T::deserialize(&*self.input).map_err(|error| HandlerError::refused("BadInput", error.to_string()))
    }

    /// Its capability token, to be shown to those who do the work.
    ///
    /// # Errors
    /// If the step has no `capability`: a final failure of type `NoCapability`.
    #[cfg(feature = "capability")]
    pub fn capability(&self) -> Result<&crate::capability::Capability, HandlerError> {
        let message = || format!("step `{}` has no `capability` in its definition", self.step);
        self.capability.as_ref().ok_or_else(|| HandlerError::refused("NoCapability", message()))
    }

    /// The key of the step that this task does, undoes or confirms: what the [fence](crate::fence) is asked with. It is
    /// the same in all rounds of a step that polls: what the first one did, the fence tells the others.
    #[must_use]
    pub fn fence_key(&self) -> &str {
        self.forward_key.as_deref().unwrap_or(&self.idempotency_key)
    }
}

impl HandlerError {
    /// Nothing was done, for the reason that `kind` names. The step is tried again unless its definition lists the kind
    /// in `retry.unless`.
    pub fn failed(kind: impl Into<String>, message: impl Into<String>) -> Self {
        let (kind, message) = (kind.into(), message.into());
        Self { failure: Box::new(Failure { kind, message, detail: None, unknown: false, is_final: false }) }
    }

    /// Nothing was done, and no further attempt can end otherwise.
    pub fn refused(kind: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::failed(kind, message);
        error.failure.is_final = true;
        error
    }

    /// It may have been done, or may not.
    pub fn unknown(kind: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::failed(kind, message);
        error.failure.unknown = true;
        error
    }

    /// Adds what programs may want to know of it.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.failure.detail = Some(detail);
        self
    }

    pub(crate) fn into_failure(self) -> Failure {
        *self.failure
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.failure.kind, self.failure.message)
    }
}

// `HandlerError` is itself no `std::error::Error`, so that this does not overlap with `From<HandlerError>`.
impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::unknown("Error", message)
    }
}
