//! Receipts: files that prove, without the server, what was permitted and what came of it.

use crate::app::App;
use crate::ledger::{inclusion_hashes, newest};
use crate::tenant::Tenant;
use crate::transactions::{self, damaged};
use crate::{Error, past};
use chancery_base::TransactionId;
use chancery_base::limits::PAGE_ROWS_MAX;
use chancery_engine::{NodeRef, Phase};
use chancery_ledger::receipt::{check_forward, check_pair, cites_forward, is_event, permit_kind};
use chancery_ledger::tlog_proof::TlogProof;
use chancery_ledger::{Proven, Receipt, Record, Shown, TreeSize};
use chancery_policy::Grant;
use chancery_shard::input::Refusal;
use chancery_shard::row::{EntryRow, PayloadRow};
use chancery_store::CheckpointRow;
use std::time::Duration;

/// When a caller whose entry no checkpoint covers yet should come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How steps come to their outcomes.
const DONE: [&str; 7] = [
    "step.completed",
    "step.failed",
    "timer.fired",
    "signal.taken",
    "event.emitted",
    "decision.permitted",
    "decision.denied",
];

/// What a receipt is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An entry by its number in the tenant's log: `<seq>`.
    Entry(u64),
    /// The entry that closed a transaction: `txn_…`.
    Transaction(TransactionId),
    /// The entry of a step's outcome: `txn_…/<step>`; of its compensation's: `txn_…/<step>/undo`; of its confirm's:
    /// `txn_…/<step>/confirm`.
    Step {
        /// Whose step.
        transaction: TransactionId,
        /// Which step, or which clone of one: `ship[3]`.
        step: String,
        /// The step itself, its compensation or its confirm.
        phase: Phase,
    },
}

/// The receipt as JSON, to the letter: record, payload, the permit's record, inclusion proofs, checkpoint.
/// Waits for a checkpoint that covers the entries, as long as configured.
///
/// # Errors
/// If there is no such entry, transaction or step, it has no permitted outcome, or no checkpoint covers it yet.
pub async fn json(app: &App, grant: &Grant, subject: &Subject) -> Result<Vec<u8>, Error> {
    let tenant = app.tenant(grant)?;
    let outcome = find(app, grant, &tenant, subject).await?;
    let permit = permit(app, grant, &outcome).await?;
    let forward = forward(app, grant, &permit).await?;
    let decided = forward.as_ref().unwrap_or(&permit);
    let bundle = decided
        .record
        .data
        .get_digest("bundle")
        .ok_or_else(|| damaged("a permit")(format!("entry {} names no bundle", decided.record.seq)))?;
    let checkpoint = covering(app, &tenant, outcome.record.seq).await?;
    let receipt = Receipt {
        outcome: proven(app, &tenant, outcome, &checkpoint).await?,
        permit: proven(app, &tenant, permit, &checkpoint).await?,
        forward: match forward {
            Some(forward) => Some(proven(app, &tenant, forward, &checkpoint).await?),
            None => None,
        },
        checkpoint: checkpoint.note,
        bundle,
    };
    Ok(receipt.to_text().into_bytes())
}

/// The proof of the entry alone, as `.tlog-proof`; the record travels along in its `extra` line.
///
/// # Errors
/// As [`json`], but that the entry may be of any kind.
pub async fn tlog_proof(app: &App, grant: &Grant, subject: &Subject) -> Result<String, Error> {
    let tenant = app.tenant(grant)?;
    let entry = find(app, grant, &tenant, subject).await?;
    let checkpoint = covering(app, &tenant, entry.record.seq).await?;
    let index = entry.record.index();
    let hashes = inclusion_hashes(app, &tenant, index, TreeSize(checkpoint.size)).await?;
    let extra = Some(entry.row.record);
    Ok(TlogProof { extra, index, hashes, checkpoint: checkpoint.note }.to_string())
}

/// An entry with its record read.
#[derive(Clone)]
struct Entry {
    row: EntryRow,
    record: Record,
}

fn read(row: EntryRow) -> Result<Entry, Error> {
    let record = Record::parse(&row.record).map_err(damaged("a record"))?;
    Ok(Entry { row, record })
}

/// The entry that a subject means.
async fn find(app: &App, grant: &Grant, tenant: &Tenant, subject: &Subject) -> Result<Entry, Error> {
    let (transaction, wanted, what) = match subject {
        Subject::Entry(seq) => {
            let rows = app.store().entries(tenant.log, *seq, 1, true).await?;
            let row = rows.into_iter().find(|row| row.seq == *seq);
            return read(row.ok_or_else(|| Error::Missing(format!("entry {seq}")))?);
        }
        Subject::Transaction(id) => (*id, Wanted::Closing, format!("closing entry of {id}: it has not ended")),
        Subject::Step { transaction, step, phase } => {
            let (node, polls) = node(app, grant, *transaction, step).await?;
            let (part, kinds): (_, &'static [&'static str]) = match phase {
                // That a round begins is no outcome: what the last one gave is.
                Phase::Do if polls => ("step", &["step.completed", "step.polled", "step.failed"]),
                Phase::Do => ("step", &DONE),
                Phase::Undo => ("compensation", &["compensation.completed", "compensation.failed", "event.emitted"]),
                Phase::Confirm => ("confirm", &["confirm.completed", "confirm.failed"]),
            };
            let what = format!("outcome of {part} `{step}` of {transaction} yet");
            (*transaction, Wanted::Outcome(node, *phase, kinds), what)
        }
    };
    let found = last_that(app, grant, transaction, u64::MAX, |record| wanted.is(record)).await?;
    if let (None, Wanted::Outcome(node, ..)) = (&found, &wanted) {
        expect_own(app, grant, transaction, Some((node.step.0, node.clone))).await?;
    }
    found.ok_or(Error::Missing(what))
}

/// What a fork took over was permitted in another transaction's history.
async fn expect_own(app: &App, grant: &Grant, id: TransactionId, node: Option<(u32, u32)>) -> Result<(), Error> {
    let of_node =
        |record: &Record| record.kind.as_str() == "step.inherited" && record.refs.step.zip(record.refs.clone) == node;
    let Some(entry) = last_that(app, grant, id, u64::MAX, of_node).await? else { return Ok(()) };
    let source = entry.record.data.get_word("source").unwrap_or_default();
    let what = format!("permit of that step in {id}, which took it over: {source} did it, and has the receipt of it");
    Err(Error::Missing(what))
}

enum Wanted {
    Closing,
    Outcome(NodeRef, Phase, &'static [&'static str]),
}

impl Wanted {
    fn is(&self, record: &Record) -> bool {
        match self {
            // A child that completed is closed by its root's end: what it came to is said here all the same.
            Self::Closing => record.refs.last || record.kind.as_str() == "transaction.completed",
            // An attempt that was never handed out, because policy denied it, has no permit to show, nor has a wait or an
            // answer.
            Self::Outcome(node, phase, kinds) => {
                let is_it = record.refs.step.zip(record.refs.clone) == Some((node.step.0, node.clone));
                let is_other = is_event(record) && record.data.get_word("phase") != Some(phase.word());
                is_it && !is_other && kinds.contains(&record.kind.as_str())
            }
        }
    }
}

/// The step that is called so, or the clone, and whether it polls.
async fn node(app: &App, grant: &Grant, id: TransactionId, step: &str) -> Result<(NodeRef, bool), Error> {
    let Some(loaded) = app.store().transaction(grant, id).await? else {
        let found = past::node(app, grant, id, step).await?;
        return found.ok_or_else(|| Error::Missing(format!("step `{step}` in {id}")));
    };
    let definition = app.tenant(grant)?.definitions.of_row(app, grant, &loaded.row).await?;
    let found = transactions::node_named(&loaded, &definition, step)?;
    let node = found.ok_or_else(|| Error::Missing(format!("step `{step}` in `{}`", definition.name)))?;
    Ok((node, definition.step(node.step).is_some_and(|step| step.poll.is_some())))
}

/// The entry that permitted an outcome.
async fn permit(app: &App, grant: &Grant, outcome: &Entry) -> Result<Entry, Error> {
    let (about, seq) = (&outcome.record.refs, outcome.record.seq);
    let none = || Error::Missing(format!("permit of entry {seq}: receipts are for outcomes of what was permitted"));
    let transaction = about.transaction.filter(|_| permit_kind(outcome.record.kind.as_str()).is_some());
    let transaction = transaction.ok_or_else(none)?;
    if is_event(&outcome.record) {
        return Ok(outcome.clone());
    }
    let before = about.n.ok_or_else(none)?;
    let is_permit = |record: &Record| check_pair(&outcome.record, record).is_ok();
    last_that(app, grant, transaction, before, is_permit).await?.ok_or_else(none)
}

/// The entry of the decision that the permit of a compensation or a confirm cites; nothing for permits with a decision
/// of their own.
async fn forward(app: &App, grant: &Grant, permit: &Entry) -> Result<Option<Entry>, Error> {
    let refs = &permit.record.refs;
    let (true, Some(transaction), Some(before)) = (cites_forward(&permit.record), refs.transaction, refs.n) else {
        return Ok(None);
    };
    let is_forward = |record: &Record| check_forward(&permit.record, record).is_ok();
    let found = last_that(app, grant, transaction, before, is_forward).await?;
    if found.is_none() {
        expect_own(app, grant, transaction, refs.step.zip(refs.clone)).await?;
    }
    let missing = || damaged("a permit")(format!("entry {} cites a decision that is not here", permit.record.seq));
    found.map(Some).ok_or_else(missing)
}

/// The last entry of a transaction, among those numbered below `before`, that is what is looked for.
async fn last_that(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    before: u64,
    is: impl Fn(&Record) -> bool,
) -> Result<Option<Entry>, Error> {
    let mut found = None;
    let mut from = 0;
    loop {
        let rows = app.store().history(grant, id, from, PAGE_ROWS_MAX).await?;
        if rows.is_empty() && from == 0 {
            return Err(Error::Refused(Refusal::Missing(id)));
        }
        let is_last_page = rows.len() < PAGE_ROWS_MAX;
        for (_, row) in rows {
            let entry = read(row)?;
            let n = entry.record.refs.n.unwrap_or(from);
            if n >= before {
                return Ok(found);
            }
            from = n + 1;
            if is(&entry.record) {
                found = Some(entry);
            }
        }
        if is_last_page {
            return Ok(found);
        }
    }
}

/// A checkpoint that covers the entry.
async fn covering(app: &App, tenant: &Tenant, seq: u64) -> Result<CheckpointRow, Error> {
    let not_yet = || Error::NotYet { what: "a checkpoint that covers the entry", retry_after: RETRY_AFTER };
    if !tenant.integrator.covers(seq, app.config().receipt_wait).await {
        return Err(not_yet());
    }
    let row = newest(app, tenant).await?;
    if row.size > seq { Ok(row) } else { Err(not_yet()) }
}

async fn proven(app: &App, tenant: &Tenant, entry: Entry, checkpoint: &CheckpointRow) -> Result<Proven, Error> {
    let proof = inclusion_hashes(app, tenant, entry.record.index(), TreeSize(checkpoint.size)).await?;
    let payload = shown(&entry.record, entry.row.payload.as_ref())?;
    let record = String::from_utf8(entry.row.record).map_err(damaged("a record"))?;
    Ok(Proven { record, payload, proof })
}

/// What can be shown of an entry's payload.
pub(crate) fn shown(record: &Record, payload: Option<&PayloadRow>) -> Result<Shown, Error> {
    let Some(_) = record.payload else { return Ok(Shown::Nothing) };
    // Without one it was erased, or is under a key that is not here.
    let open = payload.and_then(|payload| payload.sealed.open().map(|bytes| (payload.salt, bytes)));
    let Some((salt, bytes)) = open else { return Ok(Shown::Redacted) };
    let text = String::from_utf8(bytes.to_vec()).map_err(damaged("a payload"))?;
    Ok(Shown::Payload { salt, text })
}
