//! The catalogue of problems (RFC 9457): what can go wrong, under which name, with which status.

use crate::bundle::Impact;
use crate::decision::{Reason, Risk};
use chancery_base::{DecisionId, Kind, TransactionId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// What stands before the slug in a problem's `type`.
pub const TYPE_PREFIX: &str = "urn:chancery:problem:";

/// A problem as it is sent (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Which problem: `urn:chancery:problem:<slug>`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "urn:chancery:problem:not-found")]
    pub problem_type: Cow<'static, str>,
    /// What it is called; the same for every problem of the type.
    #[schema(value_type = String)]
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, for its sender.
    pub detail: String,
    /// This request, as the logs call it: `urn:chancery:request:<request id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The transaction that is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// The decision that denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub decision: Option<DecisionId>,
    /// Why it denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// How risky what was denied is, where the bundle has risk tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Box<Risk>>,
    /// Where a document or body is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// What a bundle would deny of what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Box<Impact>>,
    /// After how many seconds to try again; the header `Retry-After` says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// One fault of a document or body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where in the document, such as `steps[2].with`; in a transaction's input a JSON pointer, such as `/items/0/sku`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// In which line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// In which column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// Of a warning, the rule of the linter; of a transaction's input, the rule of its schema, such as
    /// `/properties/quantity/minimum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $kind:ident, $slug:literal, $status:literal, $title:literal;)*) => {
        /// The problems that there are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)*
        }

        impl ProblemKind {
            /// Every problem.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name, the last part of its `type`.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)* }
            }

            /// Its `type`.
            #[must_use]
            pub const fn urn(self) -> &'static str {
                match self { $(Self::$kind => concat!("urn:chancery:problem:", $slug),)* }
            }

            /// The HTTP status that it is sent with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)* }
            }

            /// What it is called.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

catalogue! {
    /// A path, query, header or body says something that can't be.
    InvalidRequest, "invalid-request", 400, "The request is wrong";
    /// The justification of an answer says too little.
    JustificationTooShort, "justification-too-short", 400, "The justification is too short";
    /// The body is not JSON, or not of the form that the route takes.
    InvalidBody, "invalid-body", 400, "The body is wrong";
    /// A cursor that this server did not make.
    InvalidCursor, "invalid-cursor", 400, "The cursor is wrong";
    /// A definition or a bundle that is refused.
    InvalidDocument, "invalid-document", 400, "The document is refused";
    /// No credential, or none that works.
    Unauthenticated, "unauthenticated", 401, "No valid credential";
    /// The caller's roles do not permit the call.
    Denied, "denied", 403, "Not permitted";
    /// The request is not the caller's to answer: they are a machine, who asks, or without the role that it names.
    MayNotAnswer, "may-not-answer", 403, "Not the caller's to answer";
    /// The tenant's policy denies.
    PolicyDenied, "policy-denied", 403, "Denied by policy";
    /// It is stopped: a kill switch is on it.
    Stopped, "stopped", 403, "Stopped";
    /// The definition of the open transaction does not allow it.
    OutsideFrame, "outside-frame", 403, "Outside the transaction's frame";
    /// No such thing, or not for this caller to know of.
    NotFound, "not-found", 404, "Not found";
    /// No such route.
    UnknownRoute, "unknown-route", 404, "No such route";
    /// The route has other methods.
    MethodNotAllowed, "method-not-allowed", 405, "Method not allowed";
    /// The request did not arrive in time.
    RequestTimeout, "request-timeout", 408, "The request took too long to arrive";
    /// The caller has answered the request, and it takes different people.
    AnsweredAlready, "answered-already", 409, "Answered already";
    /// The request is decided, expired or withdrawn.
    RequestClosed, "request-closed", 409, "The request is closed";
    /// It contradicts what is already so.
    Conflict, "conflict", 409, "Conflict";
    /// The thing exists with another content.
    Exists, "exists", 409, "It exists already";
    /// The bundle would deny steps of running transactions, more than was accepted.
    WouldDeny, "would-deny", 409, "It would deny what runs";
    /// The settings are another version than the one that the change is of.
    SettingsMoved, "settings-moved", 409, "The settings were changed meanwhile";
    /// The idempotency key stands for another request.
    IdempotencyKeyReused, "idempotency-key-reused", 409, "The idempotency key was used for another request";
    /// A running transaction has the business key.
    BusinessKeyTaken, "business-key-taken", 409, "A transaction with the same business key is running";
    /// The transaction is not in a state that allows it.
    IllegalState, "illegal-state", 409, "Not in this state";
    /// The transaction can't be forked, or not from that step.
    NotForkable, "not-forkable", 409, "It can't be forked so";
    /// The transaction was forked before.
    ForkedAlready, "forked-already", 409, "It was forked before";
    /// The open transaction has another driver now.
    DriverSuperseded, "driver-superseded", 409, "Another driver has taken over";
    /// The step is recorded with another input, action or resource.
    StepDiffers, "step-differs", 409, "The step is recorded otherwise";
    /// The transaction ended longer ago than its tenant keeps transactions: its history is left.
    Expired, "expired", 410, "The transaction has expired";
    /// More bytes than a limit allows.
    TooLarge, "too-large", 413, "Too large";
    /// The fork would take over more than it may.
    ForkTooLarge, "fork-too-large", 413, "Too much to take over";
    /// The URL is longer than the limit.
    UriTooLong, "uri-too-long", 414, "The URL is too long";
    /// The body is of a type that the route does not take.
    UnsupportedMediaType, "unsupported-media-type", 415, "Unsupported media type";
    /// The input of what is to start is not as its definition's schema says.
    InputRefused, "input-refused", 422, "The input is not as the definition says";
    /// Too many calls or things at once.
    TooMany, "too-many", 429, "Too many";
    /// As many transactions run as a tenant may have running.
    TooManyRunning, "too-many-running", 429, "Too many running transactions";
    /// The headers are larger than the limit.
    HeadersTooLarge, "headers-too-large", 431, "The headers are too large";
    /// A defect of the server.
    Internal, "internal", 500, "Internal error";
    /// A part of the server is damaged or does not answer.
    Broken, "broken", 500, "A part of the server is broken";
    /// Not now.
    Unavailable, "unavailable", 503, "Not available at the moment";
    /// No new transactions are taken; those that run go on.
    Maintenance, "maintenance", 503, "In maintenance";
    /// It is not known whether it was done: repeat it with the same idempotency key.
    OutcomeUnknown, "outcome-unknown", 503, "The outcome is unknown";
}

impl From<Kind> for ProblemKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Invalid => Self::InvalidRequest,
            Kind::Unauthenticated => Self::Unauthenticated,
            Kind::Denied => Self::Denied,
            Kind::Missing => Self::NotFound,
            Kind::Conflict => Self::Conflict,
            Kind::TooLarge => Self::TooLarge,
            Kind::Limited => Self::TooMany,
            Kind::Busy => Self::Unavailable,
            Kind::Broken => Self::Broken,
            Kind::Bug => Self::Internal,
        }
    }
}

impl Problem {
    /// A problem and what is wrong this time.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            problem_type: Cow::Borrowed(kind.urn()),
            title: Cow::Borrowed(kind.title()),
            status: kind.status(),
            detail: detail.into(),
            instance: None,
            transaction: None,
            decision: None,
            reasons: Vec::new(),
            risk: None,
            errors: Vec::new(),
            impact: None,
            retry_after: None,
        }
    }

    /// Which one of the catalogue it is; none for a problem of a newer server.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemKind> {
        let slug = self.problem_type.strip_prefix(TYPE_PREFIX)?;
        ProblemKind::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }
}
