//! Transactions.

use super::micros;
use crate::failure::Failure;
use chancery_api::transaction::{
    Bulk, BulkOperation, BulkResult, Cause, Compensation, Resolve, StartTransaction, StartedTransaction, Status, Step,
    StepError, Transaction, TransactionCount, TransactionSummary, TransactionsQuery,
};
use chancery_app::operations::Resolution;
use chancery_app::transactions::{
    self, CauseView, Condition, Count, ResultView, Search, Start, StepView, TransactionHead, TransactionView, UndoView,
};
use chancery_app::{Error, bulk};
use chancery_base::PrincipalId;
use tracing::warn;

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

pub(crate) fn search(query: &TransactionsQuery, principal: Option<PrincipalId>) -> Result<Search, Error> {
    let status = query.status.map(|status| Condition::Status(vec![asked(status)]));
    let definition = query.definition.clone().map(|name| Condition::Definition(vec![name]));
    let search = searched(query.search.as_deref(), principal)?;
    Ok(status.into_iter().chain(definition).fold(search, Search::and))
}

/// A search, of the caller's own transactions alone where it may not see others.
pub(crate) fn searched(text: Option<&str>, principal: Option<PrincipalId>) -> Result<Search, Error> {
    let search = transactions::search(text.unwrap_or_default())?;
    Ok(principal.map(|principal| Condition::Principal(vec![principal])).into_iter().fold(search, Search::and))
}

pub(crate) const fn count(count: Count) -> TransactionCount {
    TransactionCount { count: count.count, more: !count.is_all }
}

pub(crate) fn bulk(body: Bulk) -> bulk::Bulk {
    let operation = match body.operation {
        BulkOperation::Cancel => bulk::Operation::Cancel,
        BulkOperation::Terminate => bulk::Operation::Terminate,
        BulkOperation::Retry => bulk::Operation::Retry,
    };
    bulk::Bulk { search: body.search, operation, justification: body.justification }
}

pub(crate) fn operated(operated: bulk::Operated) -> BulkResult {
    let id = operated.id;
    let (status, problem) = match operated.outcome {
        Ok(stands) => (Some(status(stands)), None),
        Err(error) => {
            let failure = Failure::from(error);
            // The answer is one of many: the gate does not see what failed in it.
            if let Some(cause) = failure.cause() {
                warn!(txn.id = %id, "{id} was left out of an operation on many: {cause}");
            }
            (None, Some(failure.problem().clone()))
        }
    };
    BulkResult { transaction: id, status, problem }
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

const fn asked(status: Status) -> chancery_engine::Status {
    match status {
        Status::Running => chancery_engine::Status::Running,
        Status::Confirming => chancery_engine::Status::Confirming,
        Status::Compensating => chancery_engine::Status::Compensating,
        Status::Parked => chancery_engine::Status::Parked,
        Status::Completed => chancery_engine::Status::Completed,
        Status::Compensated => chancery_engine::Status::Compensated,
        Status::Failed => chancery_engine::Status::Failed,
        Status::Cancelled => chancery_engine::Status::Cancelled,
        Status::Terminated => chancery_engine::Status::Terminated,
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
