//! Transactions.

use super::{faults, micros};
use crate::failure::Failure;
use chancery_api::transaction::{
    Bulk, BulkOperation, BulkResult, Cause, Compensation, ForkOf, ForkTransaction, ParentStep, Polling, Resolve,
    SeenStep, SendSignal, SentSignal, StartTransaction, StartedTransaction, Status, Step, StepError, Transaction,
    TransactionCount, TransactionState, TransactionSummary, TransactionsQuery, WaitingFor,
};
use chancery_app::operations::Resolution;
use chancery_app::signals::{self, Sent};
use chancery_app::transactions::{
    self, CauseView, Condition, Count, ForkView, PollView, ResultView, Search, SeenView, Start, StepView,
    TransactionHead, TransactionView, UndoView, WaitView,
};
use chancery_app::{Error, bulk};
use chancery_base::{Name, PrincipalId, TransactionId};
use chancery_engine::{ShownStatus, StepStatus};
use serde_json::Value;
use tracing::warn;

pub(crate) fn start(
    body: StartTransaction,
    idempotency_key: Option<String>,
    traceparent: Option<String>,
) -> Result<Start, Error> {
    Ok(Start {
        definition: body.definition,
        version: body.version,
        input: body.input,
        idempotency_key,
        labels: body.labels,
        headers: body.headers,
        traceparent,
        start_at: body.start_at,
        signal: body.signal.map(signal),
        faults: faults::asked(body.faults)?,
    })
}

pub(crate) fn fork(
    body: ForkTransaction,
    idempotency_key: Option<String>,
    traceparent: Option<String>,
) -> transactions::Fork {
    transactions::Fork { step: body.step, justification: body.justification, idempotency_key, traceparent }
}

fn fork_of(view: ForkView) -> ForkOf {
    ForkOf { transaction: view.transaction, step: view.step, justification: view.justification }
}

pub(crate) fn signal(body: SendSignal) -> signals::SendSignal {
    signals::SendSignal { name: body.name, id: body.id, payload: body.payload }
}

pub(crate) fn sent(transaction: TransactionId, name: Name, id: Option<String>, sent: Sent) -> SentSignal {
    SentSignal { transaction, name, id, existing: sent.existing, status: status(sent.status) }
}

pub(crate) fn state(view: SeenView) -> TransactionState {
    let SeenView { transaction: view, variables } = view;
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
        vars: variables,
    }
}

fn waiting_for(view: WaitView) -> WaitingFor {
    let WaitView { kind, step, phase, name, since, until } = view;
    let phase = step.is_some().then(|| super::workers::phase(phase));
    WaitingFor { what: kind.word().to_owned(), step, phase, name, since, until }
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
        BulkOperation::Pause => bulk::Operation::Pause,
        BulkOperation::Resume => bulk::Operation::Resume,
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
        parent: head.parent.map(parent_step),
    }
}

fn parent_step((transaction, step): (TransactionId, String)) -> ParentStep {
    ParentStep { transaction, step }
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
        headers: view.headers,
        business_key: head.business_key,
        idempotency_key: head.idempotency_key,
        parent: head.parent.map(parent_step),
        fork_of: view.fork_of.map(fork_of),
        forked_by: view.forked_by,
        driver: view.driver,
        started_at: head.started_at,
        start_at: view.start_at,
        faults: view.faults.into_iter().map(faults::shown).collect(),
        paused_at: view.paused_at,
        ended_at: head.ended_at,
        cause: view.cause.map(cause),
        parked_at: view.parked_at,
        input: view.input,
        output: view.output,
        left_undone: view.left_undone,
        waiting_for: view.waiting_for.into_iter().map(waiting_for).collect(),
        children: view.children,
        steps: view.steps.into_iter().map(step).collect(),
    }
}

pub(crate) fn started(existing: bool, view: ResultView) -> StartedTransaction {
    StartedTransaction {
        id: view.id,
        definition: view.definition,
        version: view.version,
        existing,
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

const fn status(status: ShownStatus) -> Status {
    match status {
        ShownStatus::Running => Status::Running,
        ShownStatus::Waiting => Status::Waiting,
        ShownStatus::Confirming => Status::Confirming,
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

const fn asked(status: Status) -> ShownStatus {
    match status {
        Status::Running => ShownStatus::Running,
        Status::Waiting => ShownStatus::Waiting,
        Status::Confirming => ShownStatus::Confirming,
        Status::Compensating => ShownStatus::Compensating,
        Status::Paused => ShownStatus::Paused,
        Status::Parked => ShownStatus::Parked,
        Status::Completed => ShownStatus::Completed,
        Status::Compensated => ShownStatus::Compensated,
        Status::Failed => ShownStatus::Failed,
        Status::Cancelled => ShownStatus::Cancelled,
        Status::Terminated => ShownStatus::Terminated,
    }
}

fn cause(cause: CauseView) -> Cause {
    Cause { kind: cause.kind.word().to_owned(), step: cause.step, error: cause.error.map(step_error) }
}

pub(crate) fn step(view: StepView) -> Step {
    Step {
        step: view.step,
        index: view.index,
        clones: view.clones.map(|clones| clones.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()),
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
        child: view.child,
        poll: view.poll.map(polling),
        inherited_from: view.inherited_from,
        compensation: view.undo.map(compensation),
        confirm: view.confirm.map(compensation),
    }
}

const fn polling(view: PollView) -> Polling {
    Polling { rounds: view.rounds, at_most: view.at_most, next_at: view.next_at }
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
        injected: error.injected,
    }
}
