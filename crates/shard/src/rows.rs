//! A transaction as rows, and back.

use crate::batch::LoadedTransaction;
use crate::request::RequestBody;
use crate::row::{EventRow, LabelRow, LogId, PayloadRow, RequestRow, Sealed, StepRow, TransactionRow};
use chancery_base::{Document, json};
use chancery_engine::definition::{Definition, StepIndex};
use chancery_engine::{
    Beginning, Event, Given, Head, LoadError, NodeRef, Parts, Phase, Settings, StepState, Transaction, UndoStatus,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why rows do not make a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A body is under a key that is not here.
    #[error("{0} is under a key that is not here")]
    Sealed(&'static str),
    /// A body or payload is not what it should be.
    #[error("{part}: {message}")]
    Damaged {
        /// Which part.
        part: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A payload is missing.
    #[error("the payload of entry {0} is missing")]
    Missing(u64),
    /// The parts do not fit.
    #[error(transparent)]
    Parts(#[from] LoadError),
}

/// The row of a transaction's head.
#[must_use]
pub fn transaction_row(log: LogId, transaction: &Transaction) -> TransactionRow {
    let head = transaction.head();
    TransactionRow {
        id: transaction.id(),
        log,
        definition: head.beginning.definition.clone(),
        version: head.beginning.version,
        definition_digest: head.beginning.digest,
        status: transaction.shown().word(),
        principal: head.beginning.principal,
        started_at: head.started_at,
        ended_at: head.ended_at,
        wake_at: transaction.wake_at(),
        input_seq: head.input_seq,
        output_seq: head.output_seq,
        kept: head.signals.iter().map(|kept| kept.seq).collect(),
        body: Sealed::written(head),
        business_key: head.beginning.business_key.clone(),
        parent: head.beginning.parent.as_ref().map(|parent| parent.id),
        settings: head.beginning.settings,
    }
}

/// The rows of a transaction's labels, in order.
pub fn label_rows(log: LogId, beginning: &Beginning) -> impl Iterator<Item = LabelRow> {
    let row = move |(name, value): (&String, &String)| LabelRow {
        log,
        name: name.clone(),
        value: value.clone(),
        transaction: beginning.id,
    };
    beginning.labels.iter().map(row)
}

/// The row of an event of a transaction whose entry is number `seq`, where a step emitted one.
#[must_use]
pub fn event_row(log: LogId, seq: u64, event: &Event) -> Option<EventRow> {
    let Event::CarriedOut(done) = event else { return None };
    let emission = done.deed.emission()?;
    let (event_type, subject) = (emission.event_type.to_string(), emission.subject.clone());
    Some(EventRow { log, seq, event_type, subject })
}

/// The row of the request of a transaction that an event is about, as it is after that.
#[must_use]
pub fn request_row(log: LogId, transaction: &Transaction, event: &Event) -> Option<RequestRow> {
    let Event::Requested(requested) = event else { return None };
    let found = RequestBody::of(transaction, requested.node, requested.request)?;
    let request = &found.request;
    Some(RequestRow {
        id: request.id,
        log,
        transaction: transaction.id(),
        step: requested.node.step.0,
        clone: requested.node.clone,
        status: request.status,
        kind: request.terms.kind,
        role: request.terms.role.clone(),
        opened_at: request.opened_at,
        due_at: request.due_at,
        decided_at: request.decided_at,
        body: Sealed::json(&found),
    })
}

/// What a request's row says.
///
/// # Errors
/// If the row is damaged.
pub fn request(row: &RequestRow) -> Result<RequestBody, RowError> {
    open("a request's body", &row.body)
}

/// The row of a step, or of a clone of one.
#[must_use]
pub fn step_row(head: &Head, node: NodeRef, state: &StepState) -> StepRow {
    StepRow {
        transaction: head.beginning.id,
        step: node.step.0,
        clone: node.clone,
        status: step_word(head, state),
        attempt: state.attempts,
        wake_at: state.wakes_at(),
        // A step that fanned out has no output of its own; the elements are found by the same column.
        output_seq: state.output_seq.or(state.items_seq),
        undo_seq: state.undo.output_seq,
        intent_seq: state.intent_seq,
        body: Sealed::written(state),
    }
}

/// The word of a step's row: its compensation's or its confirm's where that is under way or done, such as
/// `undo_completed`.
#[must_use]
pub const fn step_word(head: &Head, state: &StepState) -> &'static str {
    let confirms = matches!(head.closing(state), Phase::Confirm);
    match state.undo.status {
        UndoStatus::None => state.status.word(),
        UndoStatus::Ready if confirms => "confirm_ready",
        UndoStatus::Dispatched if confirms => "confirm_dispatched",
        UndoStatus::Backoff if confirms => "confirm_backoff",
        UndoStatus::Completed if confirms => "confirm_completed",
        UndoStatus::Failed if confirms => "confirm_failed",
        UndoStatus::Ready => "undo_ready",
        UndoStatus::Dispatched => "undo_dispatched",
        UndoStatus::Backoff => "undo_backoff",
        UndoStatus::Completed => "undo_completed",
        UndoStatus::Failed => "undo_failed",
        UndoStatus::Marked => "undo_marked",
        UndoStatus::Skipped => "undo_skipped",
    }
}

/// The head of a transaction.
///
/// # Errors
/// If its row is damaged.
pub fn head(row: &TransactionRow) -> Result<Head, RowError> {
    open("the transaction's body", &row.body)
}

const NOT_CANONICAL: &str = "it is not the canonical text of an object";

/// Puts a transaction together from its rows, with the settings of the version that its row names.
///
/// # Errors
/// If a row or payload is damaged or missing.
pub fn transaction(
    loaded: &LoadedTransaction,
    definition: Arc<Definition>,
    settings: Arc<Settings>,
) -> Result<Transaction, RowError> {
    let payloads: BTreeMap<u64, &PayloadRow> = loaded.payloads.iter().map(|(seq, row)| (*seq, &**row)).collect();
    let head = head(&loaded.row)?;
    let mut nodes = Vec::with_capacity(loaded.steps.len());
    let mut declared = Vec::new();
    for row in &loaded.steps {
        let state: StepState = open("a step's body", &row.body)?;
        let output = state.output_seq.map(|seq| (seq, "output")).or(state.items_seq.map(|seq| (seq, "items")));
        let document = output.map(|(seq, part)| part_of(&payloads, seq, part)).transpose()?;
        if let Some(seq) = state.intent_seq {
            declared.push((Arc::new(typed_part(&payloads, seq, "intent")?), part_of(&payloads, seq, "input")?));
        }
        nodes.push((NodeRef { step: StepIndex(row.step), clone: row.clone }, state, document));
    }
    let given = Given { input: part_of(&payloads, head.input_seq, "input")?, settings };
    let kept = head.signals.iter().map(|kept| part_of(&payloads, kept.seq, "output")).collect::<Result<_, _>>()?;
    Ok(Transaction::from_parts(Parts { definition, head, nodes, declared, given, kept })?)
}

/// The output of a transaction that completed.
///
/// # Errors
/// If the payload is damaged or missing.
pub fn output(loaded: &LoadedTransaction) -> Result<Option<Arc<Document>>, RowError> {
    let payloads: BTreeMap<u64, &PayloadRow> = loaded.payloads.iter().map(|(seq, row)| (*seq, &**row)).collect();
    loaded.row.output_seq.map(|seq| part_of(&payloads, seq, "output")).transpose()
}

fn part_of(payloads: &BTreeMap<u64, &PayloadRow>, seq: u64, part: &'static str) -> Result<Arc<Document>, RowError> {
    members(payloads, seq)?.document(part).ok_or(RowError::Missing(seq))
}

fn typed_part<T: DeserializeOwned>(
    payloads: &BTreeMap<u64, &PayloadRow>,
    seq: u64,
    part: &'static str,
) -> Result<T, RowError> {
    let members = members(payloads, seq)?;
    let text = members.text(part).ok_or(RowError::Missing(seq))?;
    serde_json::from_str(text).map_err(|err| RowError::Damaged { part, message: err.to_string() })
}

fn members<'p>(payloads: &BTreeMap<u64, &'p PayloadRow>, seq: u64) -> Result<json::Members<'p>, RowError> {
    let row = payloads.get(&seq).ok_or(RowError::Missing(seq))?;
    let bytes = row.sealed.open().ok_or(RowError::Sealed("a payload"))?;
    let members = json::Members::read(bytes);
    members.ok_or_else(|| RowError::Damaged { part: "a payload", message: NOT_CANONICAL.to_owned() })
}

fn open<T: DeserializeOwned>(part: &'static str, sealed: &Sealed) -> Result<T, RowError> {
    let bytes = sealed.open().ok_or(RowError::Sealed(part))?;
    json::parse_stored_as(bytes, bytes.len()).map_err(|err| RowError::Damaged { part, message: err.to_string() })
}
