//! Transactions.

use super::micros;
use chancery_api::transaction::{
    Cause, Compensation, Resolve, StartTransaction, StartedTransaction, Status, Step, StepError, Transaction,
    TransactionSummary, TransactionsQuery,
};
use chancery_app::operations::Resolution;
use chancery_app::transactions::{
    CauseView, ResultView, Start, StepView, TransactionFilter, TransactionHead, TransactionView, UndoView,
};
use chancery_base::PrincipalId;

pub(crate) fn start(body: StartTransaction, idempotency_key: Option<String>, traceparent: Option<String>) -> Start {
    Start {
        definition: body.definition,
        version: body.version,
        input: body.input,
        idempotency_key,
        labels: body.labels,
        traceparent,
    }
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
        state: view.state.map(|state| state.word().to_owned()),
        principal: head.principal,
        bundle: view.bundle,
        labels: head.labels,
        business_key: head.business_key,
        idempotency_key: head.idempotency_key,
        driver: view.driver,
        started_at: head.started_at,
        ended_at: head.ended_at,
        cause: view.cause.map(cause),
        parked_at: view.parked_at,
        input: view.input,
        output: view.output,
        left_undone: view.left_undone,
        steps: view.steps.into_iter().map(step).collect(),
    }
}

pub(crate) fn started(view: ResultView) -> StartedTransaction {
    StartedTransaction {
        id: view.id,
        definition: view.definition,
        version: view.version,
        status: status(view.status),
        driver: view.driver.map(|(driver, _)| driver),
        grace: view.driver.map(|(_, grace)| chancery_base::duration::format(grace)),
        state: view.state.map(|state| state.word().to_owned()),
        cause: view.cause.map(cause),
        parked_at: view.parked_at,
        output: view.output,
        left_undone: view.left_undone,
    }
}

const fn status(status: chancery_engine::Status) -> Status {
    match status {
        chancery_engine::Status::Running => Status::Running,
        chancery_engine::Status::Confirming => Status::Confirming,
        chancery_engine::Status::Compensating => Status::Compensating,
        chancery_engine::Status::Parked => Status::Parked,
        chancery_engine::Status::Completed => Status::Completed,
        chancery_engine::Status::Compensated => Status::Compensated,
        chancery_engine::Status::Failed => Status::Failed,
        chancery_engine::Status::Cancelled => Status::Cancelled,
        chancery_engine::Status::Terminated => Status::Terminated,
    }
}

fn cause(cause: CauseView) -> Cause {
    Cause { kind: cause.kind.word().to_owned(), step: cause.step, error: cause.error.map(step_error) }
}

fn step(view: StepView) -> Step {
    Step {
        step: view.step,
        status: view.status.word().to_owned(),
        state: view.state.map(|state| state.word().to_owned()),
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
        confirm: view.confirm.map(compensation),
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
