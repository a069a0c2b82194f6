//! A transaction as people and programs see it: transactions.md, "Result".

use super::waits::{WaitView, waiting_for};
use crate::Error;
use crate::app::App;
use crate::page::{Page, Paged};
use crate::tenant::Tenant;
use chancery_base::limits::{PAGE_BYTES_MAX, PAGE_STEP};
use chancery_base::{DecisionId, Digest, Document, Name, PrincipalId, Timestamp, TransactionId, json, limits};
use chancery_engine::definition::{Definition, DefinitionKind, Step, StepIndex};
use chancery_engine::{
    Cause, CauseKind, Head, Intent, NodeRef, ParticipantState, Phase, ShownStatus, StepError, StepState, StepStatus,
    Summary, TccState, UndoStatus, left_undone,
};
use chancery_ledger::Record;
use chancery_policy::Grant;
use chancery_shard::batch::LoadedTransaction;
use chancery_shard::row::{EntryRow, PayloadRow, Sealed, TransactionRow};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a list shows of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionHead {
    /// Its id.
    pub id: TransactionId,
    /// The definition's name.
    pub definition: Name,
    /// The definition's version.
    pub version: u32,
    /// What it is doing.
    pub status: ShownStatus,
    /// Who started it.
    pub principal: PrincipalId,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The business key.
    pub business_key: Option<String>,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// What it is a child of, and the step that runs it.
    pub parent: Option<(TransactionId, Name)>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A transaction with its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionView {
    /// What a list shows.
    pub head: TransactionHead,
    /// The definition's digest.
    pub definition_digest: Digest,
    /// The bundle that its decisions are taken under.
    pub bundle: Digest,
    /// Where it stands as a TCC.
    pub state: Option<TccState>,
    /// Why it did not complete.
    pub cause: Option<CauseView>,
    /// Of an open transaction: who drives it.
    pub driver: Option<u32>,
    /// Its input.
    pub input: Option<Value>,
    /// Its output, where it completed.
    pub output: Option<Value>,
    /// Steps that took or may have taken effect and are not undone though the transaction did not complete.
    pub left_undone: Vec<Name>,
    /// The step whose compensation waits for a person, where it is parked.
    pub parked_at: Option<Name>,
    /// When its first steps were to begin, where that was said.
    pub start_at: Option<Timestamp>,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// What it waits for.
    pub waiting_for: Vec<WaitView>,
    /// The children that its steps run or ran last, in the order of the steps.
    pub children: Vec<TransactionId>,
    /// Its steps in the definition's order.
    pub steps: Vec<StepView>,
}

/// A transaction without its steps: what whoever started it wants to know.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultView {
    /// Its id.
    pub id: TransactionId,
    /// The definition's name.
    pub definition: Name,
    /// The definition's version.
    pub version: u32,
    /// What it is doing.
    pub status: ShownStatus,
    /// Of an open transaction that began just now: who drives it, and for how long it may say nothing.
    pub driver: Option<(u32, Duration)>,
    /// Where it stands as a TCC.
    pub state: Option<TccState>,
    /// Why it did not complete.
    pub cause: Option<CauseView>,
    /// Its output, where it completed.
    pub output: Option<Value>,
    /// Steps that took or may have taken effect and are not undone though the transaction did not complete.
    pub left_undone: Vec<Name>,
    /// The step whose compensation waits for a person, where it is parked.
    pub parked_at: Option<Name>,
}

impl ResultView {
    /// Of one that was started a moment ago.
    pub(crate) fn begun(id: TransactionId, status: ShownStatus, definition: &Definition) -> Self {
        Self {
            id,
            definition: definition.name.clone(),
            version: definition.version,
            status,
            driver: definition.frame.as_ref().map(|frame| (1, frame.grace)),
            state: (definition.kind == DefinitionKind::Tcc).then_some(TccState::Trying),
            cause: None,
            output: None,
            left_undone: Vec::new(),
            parked_at: None,
        }
    }

    /// As its shard said that it settled.
    pub(crate) fn settled(summary: &Summary, definition: &Definition) -> Result<Self, Error> {
        let name = |node: NodeRef| step_name(definition, node);
        Ok(Self {
            cause: cause_view(summary.cause.as_ref(), summary.error.as_ref(), name)?,
            state: summary.state,
            output: summary.output.as_ref().map(|output| output.value().clone()),
            left_undone: summary.left_undone.iter().map(|node| name(*node)).collect::<Result<_, _>>()?,
            parked_at: summary.parked_at.map(name).transpose()?,
            ..Self::begun(summary.id, summary.status, definition)
        })
    }
}

impl From<TransactionView> for ResultView {
    fn from(view: TransactionView) -> Self {
        Self {
            id: view.head.id,
            definition: view.head.definition,
            version: view.head.version,
            status: view.head.status,
            driver: None,
            state: view.state,
            cause: view.cause,
            output: view.output,
            left_undone: view.left_undone,
            parked_at: view.parked_at,
        }
    }
}

/// Why a transaction did not complete.
#[derive(Debug, Clone, PartialEq)]
pub struct CauseView {
    /// Of what kind.
    pub kind: CauseKind,
    /// At which step.
    pub step: Option<Name>,
    /// The error that belongs to it.
    pub error: Option<StepError>,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// Its name.
    pub step: Name,
    /// Where it stands.
    pub status: StepStatus,
    /// Where it stands as a participant of a TCC.
    pub state: Option<ParticipantState>,
    /// Attempts handed out.
    pub attempts: u32,
    /// Whether an attempt may have taken effect without saying so.
    pub unknown: bool,
    /// When its first attempt was handed out.
    pub started_at: Option<Timestamp>,
    /// When it was done, failed for good, was skipped or cancelled.
    pub ended_at: Option<Timestamp>,
    /// From the first hand-out to the end.
    pub latency: Option<Duration>,
    /// SHA-256 of the canonical input of its latest attempt.
    pub input_digest: Option<Digest>,
    /// SHA-256 of the canonical output.
    pub output_digest: Option<Digest>,
    /// Its output.
    pub output: Option<Value>,
    /// Its latest error.
    pub error: Option<StepError>,
    /// The decision about its latest attempt.
    pub decision: Option<DecisionId>,
    /// The child that it ran last.
    pub child: Option<TransactionId>,
    /// Its compensation, where there is or was one.
    pub undo: Option<UndoView>,
    /// Its confirm, where there is or was one.
    pub confirm: Option<UndoView>,
}

/// A step's compensation, or a participant's confirm.
#[derive(Debug, Clone, PartialEq)]
pub struct UndoView {
    /// Where it stands.
    pub status: UndoStatus,
    /// Attempts handed out.
    pub attempts: u32,
    /// When its first attempt was handed out.
    pub started_at: Option<Timestamp>,
    /// When it was done or failed for good.
    pub ended_at: Option<Timestamp>,
    /// From the first hand-out to the end.
    pub latency: Option<Duration>,
    /// Its output.
    pub output: Option<Value>,
    /// Its latest error.
    pub error: Option<StepError>,
}

/// An entry of a transaction's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// Its number in the log.
    pub seq: u64,
    /// Its number within the transaction.
    pub n: Option<u64>,
    /// The record's canonical bytes, verbatim.
    pub record: String,
    /// The payload; none where it has none or it was erased.
    pub payload: Option<Value>,
    /// What goes before the payload's canonical bytes when they are digested.
    pub salt: Option<chancery_base::Salt>,
}

impl TransactionView {
    /// Whether nothing happens by itself any more: ended, or waiting for a person.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        match self.head.status {
            ShownStatus::Running
            | ShownStatus::Waiting
            | ShownStatus::Confirming
            | ShownStatus::Compensating
            | ShownStatus::Paused => false,
            ShownStatus::Parked
            | ShownStatus::Completed
            | ShownStatus::Compensated
            | ShownStatus::Failed
            | ShownStatus::Cancelled
            | ShownStatus::Terminated => true,
        }
    }
}

/// What a list shows of a row.
pub(crate) fn head(row: &TransactionRow) -> Result<TransactionHead, Error> {
    Ok(head_of(row, &read_head(row)?))
}

fn head_of(row: &TransactionRow, head: &Head) -> TransactionHead {
    TransactionHead {
        id: row.id,
        definition: row.definition.clone(),
        version: row.version,
        // Whether it waits or is paused is in the row alone.
        status: ShownStatus::from_word(row.status).unwrap_or_else(|| head.status.into()),
        principal: row.principal,
        labels: head.beginning.labels.clone(),
        business_key: head.beginning.business_key.clone(),
        idempotency_key: head.beginning.idempotency_key.clone(),
        parent: head.beginning.parent.as_ref().map(|parent| (parent.id, parent.step.clone())),
        started_at: row.started_at,
        ended_at: row.ended_at,
    }
}

/// The whole of a transaction.
pub(crate) fn transaction(loaded: &LoadedTransaction, definition: &Definition) -> Result<TransactionView, Error> {
    let payloads: BTreeMap<u64, &PayloadRow> = loaded.payloads.iter().map(|(seq, row)| (*seq, row.as_ref())).collect();
    let head = read_head(&loaded.row)?;
    let mut states: BTreeMap<u32, StepState> =
        loaded.steps.iter().map(|row| Ok((row.step, read(&row.body, "a step")?))).collect::<Result<_, Error>>()?;
    let defined = steps_of(definition, &states, &payloads)?;
    let name = |node: NodeRef| name_in(&defined, node);
    let states: Vec<StepState> =
        (0..).take(defined.len()).map(|index| states.remove(&index).unwrap_or_default()).collect();
    let of = (&head, definition.kind);
    let steps = defined.iter().zip(&states).map(|(step, state)| step_view(step.id.clone(), state, of, &payloads));
    let steps = steps.collect::<Result<Vec<_>, Error>>()?;
    let is_tcc = definition.kind == DefinitionKind::Tcc;
    let left = left_undone(definition, &head, (0..).map(|step| StepIndex(step).into()).zip(&states));
    let waiting_for = waiting_for(definition, &head, defined.iter().map(|step| &**step).zip(&states));
    Ok(TransactionView {
        head: head_of(&loaded.row, &head),
        definition_digest: loaded.row.definition_digest,
        bundle: head.beginning.bundle,
        cause: cause_view(head.cause.as_ref(), head.error.as_ref(), name)?,
        state: is_tcc.then(|| TccState::of(&head, &states)),
        driver: head.open.map(|open| open.driver),
        input: field(&payloads, Some(loaded.row.input_seq), "input")?,
        output: field(&payloads, loaded.row.output_seq, "output")?,
        left_undone: left.into_iter().map(name).collect::<Result<_, _>>()?,
        parked_at: head.parked_at.map(name).transpose()?,
        start_at: head.beginning.start_at,
        paused_at: head.paused_at,
        waiting_for,
        children: steps.iter().filter_map(|step| step.child).collect(),
        steps,
    })
}

/// The steps as they are defined: by the definition, or by the driver that asked for them.
fn steps_of<'d>(
    definition: &'d Definition,
    states: &BTreeMap<u32, StepState>,
    payloads: &BTreeMap<u64, &PayloadRow>,
) -> Result<Vec<Cow<'d, Step>>, Error> {
    let Some(frame) = &definition.frame else { return Ok(definition.steps.iter().map(Cow::Borrowed).collect()) };
    // Nothing is rendered here, so that the input does not matter.
    let input = Document::new(Value::Null);
    let defined = |state: &StepState| {
        let intent = field(payloads, state.intent_seq, "intent")?;
        let intent: Option<Intent> = intent.and_then(|intent| serde_json::from_value(intent).ok());
        let step = intent.map(|intent| Cow::Owned(intent.step(&input, frame.on_error)));
        step.ok_or_else(|| Error::Damaged { what: "a transaction", detail: "a step without its intent".to_owned() })
    };
    states.values().map(defined).collect()
}

/// The number of the step that is called so.
pub(crate) fn step_number(
    loaded: &LoadedTransaction,
    definition: &Definition,
    step: &Name,
) -> Result<Option<u32>, Error> {
    if definition.kind != DefinitionKind::Open {
        return Ok(definition.find(step.as_str()).map(|index| index.0));
    }
    let payloads = loaded.payloads.iter().map(|(seq, row)| (*seq, row.as_ref())).collect();
    let states = loaded.steps.iter().map(|row| Ok((row.step, read(&row.body, "a step")?)));
    let steps = steps_of(definition, &states.collect::<Result<_, Error>>()?, &payloads)?;
    Ok((0..).zip(&steps).find(|(_, found)| found.id == *step).map(|(number, _)| number))
}

fn name_in(steps: &[Cow<'_, Step>], node: NodeRef) -> Result<Name, Error> {
    steps.get(node.step.position()).map(|step| step.id.clone()).ok_or_else(|| Error::Damaged {
        what: "a transaction",
        detail: format!("it names step {node} of {}", steps.len()),
    })
}

fn step_name(definition: &Definition, node: NodeRef) -> Result<Name, Error> {
    definition.step(node.step).map(|step| step.id.clone()).ok_or_else(|| Error::Damaged {
        what: "a transaction",
        detail: format!("it names step {node} of {}", definition.steps.len()),
    })
}

fn cause_view(
    cause: Option<&Cause>,
    error: Option<&StepError>,
    name: impl Fn(NodeRef) -> Result<Name, Error>,
) -> Result<Option<CauseView>, Error> {
    let Some(cause) = cause else { return Ok(None) };
    let step = cause.step.map(name).transpose()?;
    Ok(Some(CauseView { kind: cause.kind, step, error: error.cloned() }))
}

fn step_view(
    step: Name,
    state: &StepState,
    (head, kind): (&Head, DefinitionKind),
    payloads: &BTreeMap<u64, &PayloadRow>,
) -> Result<StepView, Error> {
    let output = field(payloads, state.output_seq, "output")?;
    let undo = &state.undo;
    let closing = (undo.status != UndoStatus::None).then(|| -> Result<UndoView, Error> {
        Ok(UndoView {
            status: undo.status,
            attempts: undo.attempts,
            started_at: undo.started_at,
            ended_at: undo.ended_at,
            latency: latency(undo.started_at, undo.ended_at),
            output: field(payloads, undo.output_seq, "output")?,
            error: undo.error.clone(),
        })
    });
    let (undo, confirm) = match head.closing(state) {
        Phase::Confirm => (None, closing.transpose()?),
        Phase::Do | Phase::Undo => (closing.transpose()?, None),
    };
    Ok(StepView {
        step,
        status: state.status,
        state: (kind == DefinitionKind::Tcc).then(|| ParticipantState::of(head, state)),
        attempts: state.attempts,
        unknown: state.unknown,
        started_at: state.started_at,
        ended_at: state.ended_at,
        latency: latency(state.started_at, state.ended_at),
        input_digest: state.input,
        output_digest: output.as_ref().map(|output| Digest::of(&json::canonical(output))),
        output,
        error: state.error.clone(),
        decision: state.decision,
        child: state.child,
        undo,
        confirm,
    })
}

fn latency(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Duration> {
    Some(to?.since(from?))
}

/// Whose entries are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The log's, by `seq`.
    Log,
    /// A transaction's, by their number within.
    Transaction(&'a Grant, TransactionId),
}

impl Source<'_> {
    async fn fetch(self, app: &App, tenant: &Tenant, from: u64, rows: usize) -> Result<Vec<EntryRow>, Error> {
        Ok(match self {
            Self::Log => app.store().entries(tenant.log, from, rows, true).await?,
            Self::Transaction(grant, id) => {
                app.store().history(grant, id, from, rows).await?.into_iter().map(|(_, row)| row).collect()
            }
        })
    }

    fn key(self, entry: &HistoryEntry) -> u64 {
        match self {
            Self::Log => entry.seq,
            Self::Transaction(..) => entry.n.unwrap_or_default(),
        }
    }
}

/// A page of entries: it ends early once its payloads have [`PAGE_BYTES_MAX`] bytes, but not before its first entry.
/// They are fetched a few at a time, for any of them may be large.
pub(crate) async fn entries(
    app: &App,
    tenant: &Tenant,
    source: Source<'_>,
    page: Page<u64>,
) -> Result<Paged<HistoryEntry, u64>, Error> {
    let rows = page.rows();
    let mut items: Vec<HistoryEntry> = Vec::new();
    let (mut after, mut bytes) = (page.after, 0_usize);
    // It is never closed; it is given back when this returns.
    let _turn = tenant.pages.acquire().await;
    loop {
        let step = PAGE_STEP.min(rows + 1 - items.len());
        let found = source.fetch(app, tenant, after.map_or(0, |last| last + 1), step).await?;
        let is_last = found.len() < step;
        for row in found {
            if items.len() == rows || bytes > PAGE_BYTES_MAX {
                return Ok(Paged { items, next: after });
            }
            let entry = entry(row)?;
            bytes += entry.record.len() + entry.payload.as_ref().map_or(0, json::memory);
            after = Some(source.key(&entry));
            items.push(entry);
        }
        if is_last {
            return Ok(Paged { items, next: None });
        }
    }
}

/// An entry of a history.
fn entry(row: EntryRow) -> Result<HistoryEntry, Error> {
    let n = Record::parse(&row.record).map_err(damaged("a record"))?.refs.n;
    let record = String::from_utf8(row.record).map_err(damaged("a record"))?;
    let payload = row.payload.as_ref().map(|payload| open(&payload.sealed)).transpose()?;
    Ok(HistoryEntry { seq: row.seq, n, record, payload, salt: row.payload.map(|payload| payload.salt) })
}

/// A field of the payload of an entry; none where the entry is none or its payload was erased.
fn field(payloads: &BTreeMap<u64, &PayloadRow>, seq: Option<u64>, key: &str) -> Result<Option<Value>, Error> {
    let Some(row) = seq.and_then(|seq| payloads.get(&seq)) else { return Ok(None) };
    Ok(open(&row.sealed)?.get(key).cloned())
}

fn read_head(row: &TransactionRow) -> Result<Head, Error> {
    read(&row.body, "a transaction")
}

fn read<T: DeserializeOwned>(body: &Sealed, what: &'static str) -> Result<T, Error> {
    serde_json::from_value(open(body)?).map_err(damaged(what))
}

/// The JSON in sealed bytes.
pub(crate) fn open(sealed: &Sealed) -> Result<Value, Error> {
    let bytes = sealed.open().ok_or_else(|| Error::Damaged {
        what: "a payload",
        detail: format!("it is sealed under key `{}`", sealed.key),
    })?;
    json::parse(bytes, 4 * limits::BODY_BYTES_MAX).map_err(damaged("a payload"))
}

/// Says that stored bytes do not read.
pub(crate) fn damaged<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Error {
    move |error| Error::Damaged { what, detail: error.to_string() }
}
