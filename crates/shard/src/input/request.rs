//! What people say to requests.

use chancery_base::{PrincipalId, RequestId, Timestamp, TransactionId};
use chancery_engine::{NodeRef, Say};

/// What a person says to a request.
#[derive(Debug, Clone)]
pub struct RequestCommand {
    /// Whose it is of.
    pub transaction: TransactionId,
    /// Of which step.
    pub node: NodeRef,
    /// Which.
    pub request: RequestId,
    /// Who says it.
    pub actor: PrincipalId,
    /// What.
    pub ask: RequestAsk,
}

/// The kinds of [`RequestCommand`].
#[derive(Debug, Clone)]
pub enum RequestAsk {
    /// That it was seen.
    Acknowledge,
    /// Yes or no.
    Answer {
        /// Which.
        answer: Say,
        /// Why.
        justification: String,
    },
    /// That it may be answered until then.
    Defer {
        /// Until when.
        until: Timestamp,
        /// Why.
        justification: String,
    },
    /// That another answers in their place.
    Delegate {
        /// Who.
        to: PrincipalId,
        /// Why.
        justification: String,
    },
}
