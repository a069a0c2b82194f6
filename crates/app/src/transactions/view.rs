//! A transaction as people and programs see it: transactions.md, "Result".

use super::waits::{WaitView, waiting_for};
use crate::Error;
use crate::app::App;
use crate::page::{Page, Paged};
use crate::tenant::Tenant;
use chancery_base::json::Members;
use chancery_base::limits::{PAGE_BYTES_MAX, PAGE_STEP};
use chancery_base::{DecisionId, Digest, Document, Name, PrincipalId, Timestamp, TransactionId, json, limits};
use chancery_engine::definition::{Definition, DefinitionKind, Step, StepIndex};
use chancery_engine::{
    Cause, CauseKind, Fault, Fork, Head, Intent, NodeRef, ParticipantState, Phase, Settings, ShownStatus, StepError,
    StepState, StepStatus, Summary, TccState, UndoStatus, left_undone,
};
use chancery_ledger::Record;
use chancery_policy::Grant;
use chancery_shard::batch::LoadedTransaction;
use chancery_shard::row::{EntryRow, PayloadRow, Sealed, StepRow, TransactionRow};
use chancery_shard::rows::{self, RowError, step_word};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
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
    /// What it is a child of, and the step that runs it, or the clone of one: `ship[3]`.
    pub parent: Option<(TransactionId, String)>,
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
    /// What it is a fork of.
    pub fork_of: Option<ForkView>,
    /// The transaction that is a fork of it, and took over what it had done and not undone before a step.
    pub forked_by: Option<TransactionId>,
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
    pub left_undone: Vec<String>,
    /// The step whose compensation waits for a person, where it is parked.
    pub parked_at: Option<String>,
    /// When its first steps were to begin, where that was said.
    pub start_at: Option<Timestamp>,
    /// What its starter asked to go wrong.
    pub faults: Vec<Fault>,
    /// What it was told beside its input.
    pub headers: BTreeMap<String, String>,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// What it waits for, of what fanned out each clone: the first `WAITS_SHOWN_MAX` of it.
    pub waiting_for: Vec<WaitView>,
    /// The children that its steps and their clones run or ran last, in their order.
    pub children: Vec<TransactionId>,
    /// Its steps in the definition's order. Of one that fanned out it is only said how its clones stand.
    pub steps: Vec<StepView>,
}

/// What a transaction is a fork of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkView {
    /// The transaction that it took over from.
    pub transaction: TransactionId,
    /// The step from which on everything is done anew.
    pub step: Name,
    /// Why.
    pub justification: String,
}

/// A transaction as its expressions see it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenView {
    /// The transaction; of a step that fanned out the output is the list of its clones'.
    pub transaction: TransactionView,
    /// Its variables, by name.
    pub variables: BTreeMap<String, Value>,
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
    pub left_undone: Vec<String>,
    /// The step whose compensation waits for a person, where it is parked.
    pub parked_at: Option<String>,
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
    /// At which step, or at which clone of one: `ship[3]`.
    pub step: Option<String>,
    /// The error that belongs to it.
    pub error: Option<StepError>,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// Its name.
    pub step: Name,
    /// Which clone of it, from 0; none: the step as a whole.
    pub index: Option<u32>,
    /// How many of its clones stand how, once it fanned out.
    pub clones: Option<BTreeMap<&'static str, u32>>,
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
    /// Where it stands with its rounds, if it polls.
    pub poll: Option<PollView>,
    /// Of what a fork took over: the transaction that did it.
    pub inherited_from: Option<TransactionId>,
    /// Its compensation, where there is or was one.
    pub undo: Option<UndoView>,
    /// Its confirm, where there is or was one.
    pub confirm: Option<UndoView>,
}

/// Where a step stands with its rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollView {
    /// Rounds that were done and were not enough.
    pub rounds: u32,
    /// How many there are at most, until a person has it tried again.
    pub at_most: u32,
    /// When the next one begins, where it waits for that.
    pub next_at: Option<Timestamp>,
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
        parent: head.beginning.parent.as_ref().map(|parent| (parent.id, parent.node.name(&parent.step))),
        started_at: row.started_at,
        ended_at: row.ended_at,
    }
}

/// The whole of a transaction.
pub(crate) fn transaction(loaded: &LoadedTransaction, definition: &Definition) -> Result<TransactionView, Error> {
    let payloads: BTreeMap<u64, &PayloadRow> = loaded.payloads.iter().map(|(seq, row)| (*seq, row.as_ref())).collect();
    let head = read_head(&loaded.row)?;
    let nodes = nodes(loaded)?;
    let defined = steps_of(definition, &nodes, &payloads)?;
    let name = |node: NodeRef| name_in(&defined, node);
    let of = (&head, definition.kind);
    let steps = (0..).map(StepIndex).zip(&defined).map(|(index, step)| {
        let whole = nodes.get(&index.into()).cloned().unwrap_or_default();
        let view = step_view((step, None), &whole, of, &payloads)?;
        Ok(StepView { clones: whole.clones.map(|_| count_clones(&nodes, index, &head)), ..view })
    });
    let steps = steps.collect::<Result<Vec<_>, Error>>()?;
    let is_tcc = definition.kind == DefinitionKind::Tcc;
    let left = left_undone(definition, &head, nodes.iter().map(|(node, state)| (*node, state)));
    let step_of = |node: NodeRef| defined.get(node.step.position()).map(|step| &**step);
    let stands = nodes.iter().filter_map(|(node, state)| Some((*node, step_of(*node)?, state)));
    let waiting_for = waiting_for(definition, &head, stands);
    Ok(TransactionView {
        head: head_of(&loaded.row, &head),
        definition_digest: loaded.row.definition_digest,
        bundle: head.beginning.bundle,
        fork_of: head.beginning.fork.clone().map(fork_view),
        forked_by: None,
        cause: cause_view(head.cause.as_ref(), head.error.as_ref(), name)?,
        state: is_tcc.then(|| TccState::of(&head, nodes.values())),
        driver: head.open.map(|open| open.driver),
        input: field(&payloads, Some(loaded.row.input_seq), "input")?,
        output: field(&payloads, loaded.row.output_seq, "output")?,
        left_undone: left.into_iter().map(name).collect::<Result<_, _>>()?,
        parked_at: head.parked_at.map(name).transpose()?,
        start_at: head.beginning.start_at,
        faults: head.beginning.faults.clone(),
        headers: head.beginning.headers.as_map().clone(),
        paused_at: head.paused_at,
        waiting_for,
        children: nodes.values().filter_map(|state| state.child).collect(),
        steps,
    })
}

fn fork_view(fork: Fork) -> ForkView {
    ForkView { transaction: fork.source, step: fork.step, justification: fork.justification }
}

/// The names of what a fork took over.
pub(super) fn inherited(loaded: &LoadedTransaction, definition: &Definition) -> Result<BTreeSet<String>, Error> {
    let nodes = nodes(loaded)?;
    let taken = nodes.iter().filter(|(_, state)| state.origin.is_some());
    taken.map(|(node, _)| step_name(definition, *node)).collect()
}

/// A transaction's input; none where it was erased.
pub(super) fn input(loaded: &LoadedTransaction) -> Result<Option<Value>, Error> {
    let payloads: BTreeMap<u64, &PayloadRow> = loaded.payloads.iter().map(|(seq, row)| (*seq, row.as_ref())).collect();
    field(&payloads, Some(loaded.row.input_seq), "input")
}

/// The whole of a transaction as its expressions see it: what fanned out has the outputs of its clones.
pub(crate) fn seen(
    loaded: &LoadedTransaction,
    definition: &Arc<Definition>,
    settings: Arc<Settings>,
) -> Result<SeenView, Error> {
    let mut view = transaction(loaded, definition)?;
    let payloads: BTreeMap<u64, &PayloadRow> = loaded.payloads.iter().map(|(seq, row)| (*seq, row.as_ref())).collect();
    let nodes = nodes(loaded)?;
    for (index, step) in (0..).map(StepIndex).zip(&mut view.steps) {
        if step.clones.is_some() && step.status == StepStatus::Completed {
            let outputs = clones_of(&nodes, index).map(|state| field(&payloads, state.output_seq, "output"));
            let outputs = outputs.map(|output| Ok(output?.unwrap_or(Value::Null)));
            step.output = Some(Value::Array(outputs.collect::<Result<_, Error>>()?));
        }
    }
    Ok(SeenView { transaction: view, variables: variables(loaded, definition, settings)? })
}

/// What the steps have set. It is in no row: it is computed from the outputs, by those who make the rows.
fn variables(
    loaded: &LoadedTransaction,
    definition: &Arc<Definition>,
    settings: Arc<Settings>,
) -> Result<BTreeMap<String, Value>, Error> {
    if definition.steps.iter().all(|step| step.set.is_empty()) {
        return Ok(BTreeMap::new());
    }
    match rows::transaction(loaded, Arc::clone(definition), settings) {
        Ok(transaction) => {
            let variables = transaction.variables().into_iter();
            Ok(variables.map(|(name, value)| (name.to_owned(), value.clone())).collect())
        }
        // What was erased is not seen, and nothing that follows from it.
        Err(RowError::Missing(_)) => Ok(BTreeMap::new()),
        Err(error @ (RowError::Sealed(_) | RowError::Damaged { .. } | RowError::Parts(_))) => {
            Err(Error::Damaged { what: "a transaction", detail: error.to_string() })
        }
    }
}

fn clones_of(nodes: &BTreeMap<NodeRef, StepState>, step: StepIndex) -> impl Iterator<Item = &StepState> {
    nodes.range(NodeRef { step, clone: 1 }..=NodeRef { step, clone: u32::MAX }).map(|(_, state)| state)
}

/// How many clones of a step stand how.
fn count_clones(nodes: &BTreeMap<NodeRef, StepState>, step: StepIndex, head: &Head) -> BTreeMap<&'static str, u32> {
    let mut counts = BTreeMap::new();
    for state in clones_of(nodes, step) {
        *counts.entry(step_word(head, state)).or_insert(0) += 1;
    }
    counts
}

/// A page of the clones of a step that fanned out.
pub(crate) fn clones(
    loaded: &LoadedTransaction,
    definition: &Definition,
    step: &Name,
    page: &Page<u32>,
) -> Result<Paged<StepView, u32>, Error> {
    let missing = || Error::Missing(format!("step `{step}` in `{}`", definition.name));
    let node = node_named(loaded, definition, step.as_str())?.ok_or_else(missing)?;
    let payloads: BTreeMap<u64, &PayloadRow> = loaded.payloads.iter().map(|(seq, row)| (*seq, row.as_ref())).collect();
    let head = read_head(&loaded.row)?;
    // What a driver added has no clones.
    let Some(defined) = definition.step(node.step) else { return Ok(Paged::cut(Vec::new(), page.rows(), |_| 0)) };
    let first = page.after.map_or(0, |after| after.saturating_add(1));
    let of_step = loaded.steps.iter().filter(|row| row.step == node.step.0 && row.clone > first);
    let views = of_step.take(page.rows() + 1).map(|row| {
        let state: StepState = read(&row.body, "a step")?;
        step_view((defined, row.clone.checked_sub(1)), &state, (&head, definition.kind), &payloads)
    });
    Ok(Paged::cut(views.collect::<Result<Vec<_>, Error>>()?, page.rows(), |view| view.index.unwrap_or_default()))
}

fn nodes(loaded: &LoadedTransaction) -> Result<BTreeMap<NodeRef, StepState>, Error> {
    let node = |row: &StepRow| NodeRef { step: StepIndex(row.step), clone: row.clone };
    loaded.steps.iter().map(|row| Ok((node(row), read(&row.body, "a step")?))).collect()
}

/// The steps as they are defined: by the definition, or by the driver that asked for them.
fn steps_of<'d>(
    definition: &'d Definition,
    nodes: &BTreeMap<NodeRef, StepState>,
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
    nodes.values().map(defined).collect()
}

/// The step that is called so, or the clone: `ship[3]`.
pub(crate) fn node_named(
    loaded: &LoadedTransaction,
    definition: &Definition,
    named: &str,
) -> Result<Option<NodeRef>, Error> {
    if definition.kind != DefinitionKind::Open {
        return Ok(definition.find_node(named));
    }
    let payloads = loaded.payloads.iter().map(|(seq, row)| (*seq, row.as_ref())).collect();
    let steps = steps_of(definition, &nodes(loaded)?, &payloads)?;
    Ok((0..).map(StepIndex).zip(&steps).find(|(_, step)| step.id.as_str() == named).map(|(step, _)| step.into()))
}

fn name_in(steps: &[Cow<'_, Step>], node: NodeRef) -> Result<String, Error> {
    steps.get(node.step.position()).map(|step| node.name(&step.id)).ok_or_else(|| Error::Damaged {
        what: "a transaction",
        detail: format!("it names step {node} of {}", steps.len()),
    })
}

fn step_name(definition: &Definition, node: NodeRef) -> Result<String, Error> {
    definition.name_of(node).ok_or_else(|| Error::Damaged {
        what: "a transaction",
        detail: format!("it names step {node} of {}", definition.steps.len()),
    })
}

fn cause_view(
    cause: Option<&Cause>,
    error: Option<&StepError>,
    name: impl Fn(NodeRef) -> Result<String, Error>,
) -> Result<Option<CauseView>, Error> {
    let Some(cause) = cause else { return Ok(None) };
    let step = cause.step.map(name).transpose()?;
    Ok(Some(CauseView { kind: cause.kind, step, error: error.cloned() }))
}

fn step_view(
    (step, index): (&Step, Option<u32>),
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
        step: step.id.clone(),
        index,
        clones: None,
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
        poll: poll_view((step, index), state),
        inherited_from: state.origin.as_ref().map(|origin| origin.transaction),
        undo,
        confirm,
    })
}

/// What fanned out polls by its clones.
fn poll_view((step, index): (&Step, Option<u32>), state: &StepState) -> Option<PollView> {
    let poll = step.poll.as_ref().filter(|_| step.each.is_none() || index.is_some())?;
    let next_at = state.wake_at.filter(|_| state.status == StepStatus::Waiting);
    Some(PollView { rounds: state.rounds, at_most: poll.at_most, next_at })
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
    json::parse_stored(opened(sealed)?, 4 * limits::BODY_BYTES_MAX).map_err(damaged("a payload"))
}

/// The text of a member of what is sealed; where there is none, of all of it.
pub(crate) fn member<'s>(sealed: &'s Sealed, name: &str) -> Result<&'s [u8], Error> {
    let bytes = opened(sealed)?;
    Ok(Members::read(bytes).and_then(|members| members.text(name)).map_or(bytes, str::as_bytes))
}

fn opened(sealed: &Sealed) -> Result<&[u8], Error> {
    sealed
        .open()
        .ok_or_else(|| Error::Damaged { what: "a payload", detail: format!("it is sealed under key `{}`", sealed.key) })
}

/// Says that stored bytes do not read.
pub(crate) fn damaged<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Error {
    move |error| Error::Damaged { what, detail: error.to_string() }
}
