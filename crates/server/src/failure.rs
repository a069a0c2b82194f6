//! What went wrong: words for the caller and, apart from them, words for the log.

use crate::convert;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chancery_api::decision::{Effect, Reason};
use chancery_api::{Fault, Problem, ProblemKind, REQUEST_ID, problem};
use chancery_app::Error;
use chancery_base::{Kind, TransactionId};
use chancery_engine::definition::InputFault;
use chancery_engine::{ForkRefusal, OpenRefusal, Refusal as EngineRefusal, RequestRefusal};
use chancery_shard::input::Refusal;
use chancery_shard::over::OverrideRefusal;
use std::sync::Arc;
use std::time::Duration;

/// A failure on its way to the gate, which sends the problem and logs the cause.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: Box<Problem>,
    cause: Option<String>,
}

impl Failure {
    /// A defect of ours: the caller learns that there is one.
    pub(crate) fn bug(cause: String) -> Self {
        let problem = Problem::new(ProblemKind::Internal, "the server has a defect; the log has more");
        Self { problem: Box::new(problem), cause: Some(cause) }
    }

    /// The problem.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// For the log: what the caller is not told.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The problem as it is sent, with the request's id.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let mut problem = self.problem.clone();
        problem.instance = Some(format!("urn:chancery:request:{request_id}"));
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == ProblemKind::Unauthenticated.status() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"chancery\""));
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        response
    }
}

/// On its way through the layers a failure is a response without a body that carries it.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), cause: None }
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self { problem, cause: None }
    }
}

/// The one map from the application's errors to problems.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let retry_after = error.retry_after().map(whole_seconds);
        let cause = private(error.kind()).then(|| chain(&error));
        let detail = error.to_string();
        let problem = match error {
            Error::Unauthenticated => Problem::new(ProblemKind::Unauthenticated, detail),
            Error::Denied { reasons, .. } => {
                let reasons = reasons.into_iter().map(|text| Reason { policy: None, effect: None, text }).collect();
                Problem { reasons, ..Problem::new(ProblemKind::Denied, detail) }
            }
            Error::Stopped { reason: why, .. } => {
                Problem { reasons: vec![reason(&why)], ..Problem::new(ProblemKind::Stopped, detail) }
            }
            Error::Missing(_) => Problem::new(ProblemKind::NotFound, detail),
            Error::Expired(id) => {
                let detail = format!("{detail}, under /v1/transactions/{id}/history");
                Problem { transaction: Some(id), ..Problem::new(ProblemKind::Expired, detail) }
            }
            Error::WouldDeny(impact) => {
                let impact = Some(Box::new(convert::impact(*impact)));
                Problem { impact, ..Problem::new(ProblemKind::WouldDeny, detail) }
            }
            Error::Conflict(_) => Problem::new(ProblemKind::Conflict, detail),
            Error::Invalid(_) => Problem::new(ProblemKind::InvalidRequest, detail),
            Error::Search(error) => {
                let path = String::from("search");
                let column = Some(error.column);
                let fault = Fault { path, line: None, column, message: error.message, rule: None };
                Problem { errors: vec![fault], ..Problem::new(ProblemKind::InvalidRequest, detail) }
            }
            Error::Faulty { faults, .. } => {
                let errors = faults.into_iter().map(fault).collect();
                Problem { errors, ..Problem::new(ProblemKind::InvalidDocument, detail) }
            }
            Error::Refused(refusal) => refused(refusal),
            Error::Store(store) => Problem::new(ProblemKind::from(store.kind), "the store did not answer as it should"),
            Error::NotYet { .. } => Problem::new(ProblemKind::Unavailable, detail),
            Error::Damaged { what, .. } => Problem::new(ProblemKind::Broken, format!("{what} is damaged")),
            Error::Entropy(_) | Error::Targets(_) | Error::Information(_) => Problem::new(ProblemKind::Broken, detail),
            Error::Roles(_) | Error::Bug(_) => {
                Problem::new(ProblemKind::Internal, "the server has a defect; the log has more")
            }
        };
        Self { problem: Box::new(Problem { retry_after, ..problem }), cause }
    }
}

fn refused(refusal: Refusal) -> Problem {
    let detail = refusal.to_string();
    let about = |kind, id: TransactionId| Problem { transaction: Some(id), ..Problem::new(kind, detail.clone()) };
    match refusal {
        Refusal::Missing(id) => about(ProblemKind::NotFound, id),
        Refusal::KeyReused(id) => about(ProblemKind::IdempotencyKeyReused, id),
        Refusal::BusinessKeyTaken(id) => about(ProblemKind::BusinessKeyTaken, id),
        Refusal::Denied(decision) => Problem {
            decision: Some(decision.id),
            reasons: decision.reasons.iter().map(reason).collect(),
            risk: decision.risk.as_ref().map(convert::risk).map(Box::new),
            ..Problem::new(ProblemKind::PolicyDenied, detail)
        },
        Refusal::Stopped(decision) => Problem {
            decision: Some(decision.id),
            reasons: decision.reasons.iter().map(reason).collect(),
            ..Problem::new(ProblemKind::Stopped, detail)
        },
        Refusal::Illegal(refusal) => Problem::new(illegal(&refusal), detail),
        Refusal::NotActivated(reasons) => {
            let reasons = reasons.into_iter().map(|text| Reason { policy: None, effect: None, text }).collect();
            Problem { reasons, ..Problem::new(ProblemKind::Denied, detail) }
        }
        Refusal::Override(refusal) => Problem::new(not_overridden(&refusal), detail),
        Refusal::SettingsMoved { .. } => Problem::new(ProblemKind::SettingsMoved, detail),
        Refusal::Forked(id) => about(ProblemKind::ForkedAlready, id),
        Refusal::Overlaps(id) => about(ProblemKind::IllegalState, id),
        Refusal::Schedule(_) => Problem::new(ProblemKind::IllegalState, detail),
        Refusal::Exists(_) => Problem::new(ProblemKind::Exists, detail),
        Refusal::NotFound(_) => Problem::new(ProblemKind::NotFound, detail),
        Refusal::Invalid(_) => Problem::new(ProblemKind::InvalidRequest, detail),
        Refusal::InputRefused { faults, .. } => {
            let fault = |fault: &InputFault| Fault {
                path: fault.pointer.clone(),
                line: None,
                column: None,
                message: fault.message.clone(),
                rule: Some(fault.rule.clone()),
            };
            let errors = faults.iter().map(fault).collect();
            Problem { errors, ..Problem::new(ProblemKind::InputRefused, detail) }
        }
        Refusal::TooManyRunning { .. } => Problem::new(ProblemKind::TooManyRunning, detail),
        Refusal::Maintenance { .. } => Problem::new(ProblemKind::Maintenance, detail),
        Refusal::Limited { .. } => Problem::new(ProblemKind::TooMany, detail),
        Refusal::Unavailable(_) => Problem::new(ProblemKind::Unavailable, "the store did not take it; nothing changed"),
        Refusal::Unknown => Problem::new(ProblemKind::OutcomeUnknown, detail),
        Refusal::Stopping => Problem::new(ProblemKind::Unavailable, detail),
    }
}

/// Which problem it is that a transaction does not do what is asked.
const fn illegal(refusal: &EngineRefusal) -> ProblemKind {
    match refusal {
        EngineRefusal::Open(OpenRefusal::Superseded { .. }) => ProblemKind::DriverSuperseded,
        EngineRefusal::Open(OpenRefusal::Differs(..)) => ProblemKind::StepDiffers,
        EngineRefusal::Open(OpenRefusal::Frame(_)) => ProblemKind::OutsideFrame,
        EngineRefusal::Request(refusal) => unheard(refusal),
        EngineRefusal::UnknownSignal(_) | EngineRefusal::Unsuitable(_) => ProblemKind::InvalidRequest,
        EngineRefusal::TooManySignals => ProblemKind::TooMany,
        EngineRefusal::Fork(ForkRefusal::NoStep(_)) => ProblemKind::InvalidRequest,
        EngineRefusal::Fork(ForkRefusal::Status(_)) => ProblemKind::IllegalState,
        EngineRefusal::Fork(ForkRefusal::Nodes(_) | ForkRefusal::Bytes(_)) => ProblemKind::ForkTooLarge,
        EngineRefusal::Fork(
            ForkRefusal::Kind(_) | ForkRefusal::Child(_) | ForkRefusal::Stands { .. } | ForkRefusal::Recalls(_),
        ) => ProblemKind::NotForkable,
        EngineRefusal::Open(
            OpenRefusal::NotOpen(_)
            | OpenRefusal::Paused(_)
            | OpenRefusal::Full(_)
            | OpenRefusal::AskedTooOften(_)
            | OpenRefusal::Unfinished(_),
        )
        | EngineRefusal::Status { .. }
        | EngineRefusal::PastPivot(_)
        | EngineRefusal::Confirming
        | EngineRefusal::OtherStep { .. }
        | EngineRefusal::NoStep
        | EngineRefusal::Paused
        | EngineRefusal::NotPaused
        | EngineRefusal::NotOut { .. }
        | EngineRefusal::Illegal(_) => ProblemKind::IllegalState,
    }
}

/// Which problem it is that a person's word is not taken.
const fn unheard(refusal: &RequestRefusal) -> ProblemKind {
    match refusal {
        RequestRefusal::Machine(_)
        | RequestRefusal::Requester(_)
        | RequestRefusal::Role(_)
        | RequestRefusal::HandedOn { .. } => ProblemKind::MayNotAnswer,
        RequestRefusal::Answered(_) => ProblemKind::AnsweredAlready,
        RequestRefusal::Closed(_) | RequestRefusal::Superseded | RequestRefusal::Overdue(_) => {
            ProblemKind::RequestClosed
        }
        RequestRefusal::Justification { .. } => ProblemKind::JustificationTooShort,
        RequestRefusal::Until { .. } => ProblemKind::InvalidRequest,
        RequestRefusal::Turns { .. } => ProblemKind::Conflict,
    }
}

/// Which problem it is that something does not happen to an override.
const fn not_overridden(refusal: &OverrideRefusal) -> ProblemKind {
    match refusal {
        OverrideRefusal::Machine(_)
        | OverrideRefusal::Requester(_)
        | OverrideRefusal::Beneficiary(_)
        | OverrideRefusal::Granter(_) => ProblemKind::MayNotAnswer,
        OverrideRefusal::Status { .. } | OverrideRefusal::Early(_) => ProblemKind::IllegalState,
        OverrideRefusal::Until { .. } => ProblemKind::InvalidRequest,
        OverrideRefusal::Justification(_) => ProblemKind::JustificationTooShort,
    }
}

/// Whether what an error of a kind says is for the operator.
const fn private(kind: Kind) -> bool {
    match kind {
        Kind::Busy | Kind::Broken | Kind::Bug => true,
        Kind::Invalid
        | Kind::Unauthenticated
        | Kind::Denied
        | Kind::Missing
        | Kind::Conflict
        | Kind::TooLarge
        | Kind::Limited => false,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A fault of a document as it is sent.
pub(crate) fn fault(fault: chancery_app::Fault) -> Fault {
    let rule = fault.rule.map(str::to_owned);
    Fault { path: fault.path, line: fault.line, column: fault.column, message: fault.message, rule }
}

/// A reason as it is sent.
/// A reason as the API writes it.
#[must_use]
pub fn reason(reason: &chancery_policy::Reason) -> Reason {
    let effect = reason.effect.map(|effect| match effect {
        chancery_policy::Effect::Permit => Effect::Permit,
        chancery_policy::Effect::Forbid => Effect::Forbid,
    });
    Reason { policy: reason.policy.clone(), effect, text: reason.text.clone() }
}

/// At least 1: `Retry-After` has no fractions, and 0 would be an invitation to a storm.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}
