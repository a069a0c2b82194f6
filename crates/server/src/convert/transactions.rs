//! Transactions.

use super::micros;
use chancery_api::transaction::{
    Cause, Compensation, Resolve, SeenStep, SendSignal, SentSignal, StartTransaction, StartedTransaction, Status, Step,
    StepError, Transaction, TransactionState, TransactionSummary, TransactionsQuery, WaitingFor,
};
use chancery_app::operations::Resolution;
use chancery_app::signals::{self, Sent};
use chancery_app::transactions::{
    CauseView, ResultView, Start, StepView, TransactionFilter, TransactionHead, TransactionView, UndoView, WaitView,
};
use chancery_base::{Name, PrincipalId, TransactionId};
use chancery_engine::{ShownStatus, StepStatus};
use serde_json::Value;

pub(crate) fn start(body: StartTransaction, idempotency_key: Option<String>, traceparent: Option<String>) -> Start {
    Start {
        definition: body.definition,
        version: body.version,
        input: body.input,
        idempotency_key,
        labels: body.labels,
        traceparent,
        start_at: body.start_at,
        signal: body.signal.map(signal),
    }
}

pub(crate) fn signal(body: SendSignal) -> signals::SendSignal {
    signals::SendSignal { name: body.name, id: body.id, payload: body.payload }
}

pub(crate) fn sent(transaction: TransactionId, name: Name, id: Option<String>, sent: Sent) -> SentSignal {
    SentSignal { transaction, name, id, existing: sent.existing, status: status(sent.status) }
}

pub(crate) fn state(view: TransactionView) -> TransactionState {
    let seen = |step: StepView| {
        let has_failed = matches!(step.status, StepStatus::Failed | StepStatus::Unknown);
        // A wait that is over gives nothing, and an empty output is still one.
        let nothing = (step.status == StepStatus::Completed).then_some(Value::Null);
        SeenStep {
            status: step.status.word().to_owned(),
            output: step.output.or(nothing),
            error: step.error.filter(|_| has_failed).map(step_error),
        }
    };
    TransactionState {
        id: view.head.id,
        status: status(view.head.status),
        key: view.head.business_key,
        input: view.input,
        steps: view.steps.into_iter().map(|step| (step.step.to_string(), seen(step))).collect(),
    }
}

fn waiting_for(view: WaitView) -> WaitingFor {
    let WaitView { kind, step, undo, name, since, until } = view;
    WaitingFor { what: kind.word().to_owned(), step, undo, name, since, until }
}

pub(crate) fn filter(query: TransactionsQuery, principal: Option<PrincipalId>) -> TransactionFilter {
    TransactionFilter {
        status: query.status.map(|status| status.word().to_owned()),
        definition: query.definition,
        principal,
    }
}

pub(crate) fn resolution(body: Resolve) -> Resolution {
    Resolution { step: body.step, justification: body.justification, output: body.output }
}

pub(crate) fn transaction_summary(head: TransactionHead) -> TransactionSummary {
    TransactionSummary {
        id: head.id,
        definition: head.definition,
        version: head.version,
        status: status(head.status),
        principal: head.principal,
        started_at: head.started_at,
        ended_at: head.ended_at,
        labels: head.labels,
        business_key: head.business_key,
    }
}

pub(crate) fn transaction(view: TransactionView) -> Transaction {
    let head = view.head;
    Transaction {
        id: head.id,
        definition: head.definition,
        version: head.version,
        definition_digest: view.definition_digest,
        status: status(head.status),
        principal: head.principal,
        bundle: view.bundle,
        labels: head.labels,
        business_key: head.business_key,
        idempotency_key: head.idempotency_key,
        started_at: head.started_at,
        start_at: view.start_at,
        paused_at: view.paused_at,
        ended_at: head.ended_at,
        cause: view.cause.map(cause),
        parked_at: view.parked_at,
        input: view.input,
        output: view.output,
        left_undone: view.left_undone,
        waiting_for: view.waiting_for.into_iter().map(waiting_for).collect(),
        steps: view.steps.into_iter().map(step).collect(),
    }
}

pub(crate) fn started(view: ResultView) -> StartedTransaction {
    StartedTransaction {
        id: view.id,
        definition: view.definition,
        version: view.version,
        status: status(view.status),
        cause: view.cause.map(cause),
        parked_at: view.parked_at,
        output: view.output,
        left_undone: view.left_undone,
    }
}

const fn status(status: ShownStatus) -> Status {
    match status {
        ShownStatus::Running => Status::Running,
        ShownStatus::Waiting => Status::Waiting,
        ShownStatus::Compensating => Status::Compensating,
        ShownStatus::Paused => Status::Paused,
        ShownStatus::Parked => Status::Parked,
        ShownStatus::Completed => Status::Completed,
        ShownStatus::Compensated => Status::Compensated,
        ShownStatus::Failed => Status::Failed,
        ShownStatus::Cancelled => Status::Cancelled,
        ShownStatus::Terminated => Status::Terminated,
    }
}

fn cause(cause: CauseView) -> Cause {
    Cause { kind: cause.kind.word().to_owned(), step: cause.step, error: cause.error.map(step_error) }
}

fn step(view: StepView) -> Step {
    Step {
        step: view.step,
        status: view.status.word().to_owned(),
        attempts: view.attempts,
        started_at: view.started_at,
        ended_at: view.ended_at,
        latency_us: view.latency.map(micros),
        unknown: view.unknown,
        input_digest: view.input_digest,
        output_digest: view.output_digest,
        output: view.output,
        error: view.error.map(step_error),
        decision: view.decision,
        compensation: view.undo.map(compensation),
    }
}

fn compensation(view: UndoView) -> Compensation {
    Compensation {
        status: view.status.word().to_owned(),
        attempts: view.attempts,
        started_at: view.started_at,
        ended_at: view.ended_at,
        latency_us: view.latency.map(micros),
        output: view.output,
        error: view.error.map(step_error),
    }
}

fn step_error(error: chancery_engine::StepError) -> StepError {
    StepError {
        error_type: error.r#type,
        message: error.message,
        detail: error.detail.map(|detail| *detail),
        is_final: error.is_final,
    }
}
