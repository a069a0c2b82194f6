//! Transactions and their steps.

use super::waits::waiting_for;
use super::{micros, time};
use crate::commands::{Branch, Summary};
use crate::fault;
use crate::output::{Cell, Output, Tone, fields};
use chancery_api::transaction::{
    Cause, Compensation, Fault, Polling, StartedTransaction, Status, Step, StepError, Transaction, TransactionCount,
    TransactionSummary,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Characters of a value that a table shows.
const VALUE_CHARS_MAX: usize = 240;

/// Whether a transaction ended as its starter hoped.
pub(crate) const fn is_success(status: Status) -> bool {
    matches!(status, Status::Completed)
}

/// How good a status is.
const fn tone(status: Status) -> Tone {
    match status {
        Status::Completed => Tone::Good,
        Status::Running
        | Status::Waiting
        | Status::Confirming
        | Status::Compensating
        | Status::Paused
        | Status::Compensated
        | Status::Cancelled => Tone::Busy,
        Status::Parked | Status::Failed | Status::Terminated => Tone::Bad,
    }
}

/// The ids of a transaction's steps, in the definition's order: a record names a step by its number.
pub(crate) fn step_names(transaction: &Transaction) -> Vec<String> {
    transaction.steps.iter().map(|step| step.step.to_string()).collect()
}

/// A transaction in one line: `compensated: step `fail` failed: …`; of a TCC, `completed (confirmed)`.
fn headline(status: Status, state: Option<&str>, parked_at: Option<&str>, cause: Option<&Cause>) -> String {
    let (is_parked, word) = (status == Status::Parked, status.word());
    let status = match state {
        Some(state) if state != word => format!("{word} ({state})"),
        Some(_) | None => word.to_owned(),
    };
    match (parked_at, cause) {
        (Some(step), _) if state.is_some() => format!("{status}: participant `{step}` waits for a person"),
        (None, None) if is_parked && state.is_some() => format!("{status}: its time ran out, it waits for a person"),
        (Some(step), Some(_)) => format!("{status}: the undo of step `{step}` waits for a person"),
        (Some(step), None) => format!("{status}: step `{step}` failed past the pivot and waits for a person"),
        // That it was cancelled or terminated the status says.
        (None, Some(Cause { kind, step: None, error })) if kind == word => match error {
            Some(error) => format!("{status}: {}", error_text(error)),
            None => status,
        },
        (None, Some(cause)) => format!("{status}: {}", cause_text(cause)),
        (None, None) if is_parked => format!("{status}: it is past its pivot and waits for a person"),
        (None, None) => status,
    }
}

fn cause_text(cause: &Cause) -> String {
    let what = match (cause.kind.as_str(), &cause.step) {
        ("recalled", None) => "its parent went backward".to_owned(),
        ("step_failed", Some(step)) => format!("step `{step}` failed"),
        ("step_denied", Some(step)) => format!("step `{step}` was denied"),
        ("step_timed_out", Some(step)) => format!("step `{step}` timed out"),
        (kind, Some(step)) => format!("{} at step `{step}`", kind.replace('_', " ")),
        (kind, None) => kind.replace('_', " "),
    };
    match &cause.error {
        // It is named in the message which policy, and why.
        Some(error) if cause.kind == "step_denied" => format!("{what} by policy: {}", error.message),
        Some(error) => format!("{what}: {}", error_text(error)),
        None => what,
    }
}

pub(super) fn error_text(error: &StepError) -> String {
    let text = match error.message.as_str() {
        "" => error.error_type.clone(),
        message => format!("{}: {message}", error.error_type),
    };
    // Nobody is to look for the cause of what was asked for.
    if error.injected { format!("{text} (injected)") } else { text }
}

/// A transaction as its start answered.
pub(crate) fn started(body: &StartedTransaction) -> String {
    fields([
        ("transaction", Some(body.id.to_string())),
        ("definition", Some(format!("{} {}", body.definition, body.version))),
        ("existing", body.existing.then(|| "it was there before, under this key".to_owned())),
        ("status", Some(headline(body.status, body.state.as_deref(), body.parked_at.as_deref(), body.cause.as_ref()))),
        ("driver", body.driver.map(|driver| driver.to_string())),
        ("output", body.output.as_ref().filter(|output| !output.is_null()).map(short)),
    ])
}

/// A transaction: what it is, and a table of its steps.
pub(crate) fn transaction(out: &Output, body: &Transaction) -> String {
    let undone: Vec<&str> = body.left_undone.iter().map(String::as_str).collect();
    let head = fields([
        ("transaction", Some(body.id.to_string())),
        ("definition", Some(format!("{} {}", body.definition, body.version))),
        ("status", Some(headline(body.status, body.state.as_deref(), body.parked_at.as_deref(), body.cause.as_ref()))),
        ("started", Some(format!("{} by {}", time(body.started_at), body.principal))),
        ("starts", body.start_at.map(time)),
        ("paused", body.paused_at.map(time)),
        ("faults", Some(faults_text(&body.faults)).filter(|faults| !faults.is_empty())),
        ("waiting for", waiting_for(&body.waiting_for)),
        ("ended", body.ended_at.map(time)),
        ("took", body.ended_at.map(|ended| span(ended.since(body.started_at)))),
        ("parent", body.parent.as_ref().map(|parent| format!("{}, step `{}`", parent.transaction, parent.step))),
        (
            "fork of",
            body.fork_of
                .as_ref()
                .map(|fork| format!("{}, from step `{}`: {}", fork.transaction, fork.step, fork.justification)),
        ),
        ("forked by", body.forked_by.map(|fork| fork.to_string())),
        ("business key", body.business_key.clone()),
        ("labels", pairs(&body.labels)),
        ("headers", pairs(&body.headers)),
        ("output", body.output.as_ref().filter(|output| !output.is_null()).map(short)),
        ("children", children(body)),
        ("left undone", Some(undone.join(", ")).filter(|undone| !undone.is_empty())),
    ]);
    format!("{head}\n{}", steps(out, &body.steps))
}

/// Names and their texts, on one line; none where there are none.
fn pairs(of: &BTreeMap<String, String>) -> Option<String> {
    let all: Vec<String> = of.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(all.join(" ")).filter(|all| !all.is_empty())
}

/// What its starter asked to go wrong, as it is asked for.
fn faults_text(faults: &[Fault]) -> String {
    faults.iter().map(fault::text).collect::<Vec<_>>().join(" ")
}

/// A table of steps, of participants, or of the clones of a step.
pub(crate) fn steps(out: &Output, items: &[Step]) -> String {
    let mut grid = if items.iter().any(|step| step.state.is_some()) {
        out.grid(&["PARTICIPANT", "STATE", "TRIES", "DURATION", "CONFIRM OR CANCEL", "ERROR"])
    } else {
        out.grid(&["STEP", "STATUS", "ATTEMPTS", "DURATION", "COMPENSATION", "ERROR"])
    };
    for step in items {
        grid.row(step_cells(step));
    }
    grid.text_or("no steps")
}

/// What its steps run: `ship: txn_…, bill: txn_…`.
fn children(body: &Transaction) -> Option<String> {
    let of_step = |step: &Step| step.child.map(|child| format!("{}: {child}", step.step));
    let mut children: Vec<String> = body.steps.iter().filter_map(of_step).collect();
    // What fanned out may have very many; `--tree` shows each.
    let of_clones = body.children.len().saturating_sub(children.len());
    children.extend((of_clones > 0).then(|| format!("{of_clones} of clones")));
    Some(children.join(", ")).filter(|children| !children.is_empty())
}

/// A transaction and what it runs, each below what runs it.
pub(crate) fn tree(out: &Output, root: &Branch) -> String {
    let mut grid = out.grid(&["TRANSACTION", "STEP", "DEFINITION", "STATUS"]);
    let mut left = vec![(0, root)];
    while let Some((depth, branch)) = left.pop() {
        grid.row([
            Cell::from(format!("{}{}", "  ".repeat(depth), branch.transaction)),
            Cell::from(branch.step.clone()),
            Cell::from(format!("{} {}", branch.definition, branch.version)),
            Cell::toned(branch.status.word(), tone(branch.status)),
        ]);
        left.extend(branch.children.iter().rev().map(|child| (depth + 1, child)));
    }
    let more = if root.is_all { "" } else { "\nthere are more than are shown here" };
    format!("{}{more}", grid.text_or("nothing"))
}

fn step_cells(step: &Step) -> [Cell; 6] {
    let is_done = step.status == "completed";
    let status = if step.unknown && !is_done && step.status != "unknown" {
        format!("{} (may have taken effect)", step.status)
    } else {
        step.status.clone()
    };
    let status = match (&step.state, &step.clones) {
        (Some(state), _) => state.replace('_', " "),
        (None, Some(clones)) => format!("{status}: {}", clones_text(clones)),
        (None, None) => format!("{status}{}", rounds_text(step.poll, step.status == "completed")),
    };
    let status = match &step.inherited_from {
        Some(_) => format!("{status} (taken over)"),
        None => status,
    };
    let tone = step.state.as_deref().map_or_else(|| step_tone(&step.status), state_tone);
    let closing = step.confirm.as_ref().or(step.compensation.as_ref());
    let undo_error = closing.and_then(|undo| undo.error.as_ref());
    let undo = match (&step.state, &step.confirm) {
        (None, _) => "undo",
        (Some(_), None) => "cancel",
        (Some(_), Some(_)) => "confirm",
    };
    let error = match (&step.error, undo_error) {
        (Some(error), None) if is_done => Some(format!("an earlier attempt: {}", error_text(error))),
        (Some(error), None) => Some(error_text(error)),
        (None, Some(error)) if closing.is_some_and(|closing| closing.status == "completed") => {
            Some(format!("{undo}, an earlier attempt: {}", error_text(error)))
        }
        (None, Some(error)) => Some(format!("{undo}: {}", error_text(error))),
        (Some(error), Some(closing)) => Some(format!("{}; {undo}: {}", error_text(error), error_text(closing))),
        (None, None) => None,
    };
    [
        Cell::from(step.index.map_or_else(|| step.step.to_string(), |index| format!("{}[{index}]", step.step))),
        Cell::toned(status, tone),
        Cell::from(step.attempts.to_string()),
        Cell::from(step.latency_us.map(micros)),
        closing_cell(closing, step.state.is_some().then_some(undo)),
        Cell::from(error),
    ]
}

/// How many rounds there were: ` after 3 of 100 rounds`. The one that was enough is one more than those that were not.
fn rounds_text(poll: Option<Polling>, is_enough: bool) -> String {
    let rounds = poll.map_or(0, |poll| poll.rounds + u32::from(is_enough));
    match poll {
        Some(poll) if rounds > 0 => format!(" after {rounds} of {} rounds", poll.at_most),
        Some(_) | None => String::new(),
    }
}

/// How many clones stand how: `5 clones, 3 completed, 2 ready`.
fn clones_text(clones: &BTreeMap<String, u32>) -> String {
    let all: u32 = clones.values().sum();
    let parts: Vec<String> = clones.iter().map(|(word, count)| format!("{count} {}", word.replace('_', " "))).collect();
    if parts.is_empty() { "of nothing".to_owned() } else { format!("{all} clones, {}", parts.join(", ")) }
}

/// A compensation, or which of a participant's confirm and cancel it is.
fn closing_cell(closing: Option<&Compensation>, which: Option<&str>) -> Cell {
    let Some(undo) = closing else { return Cell::from(None) };
    let which = which.map(|which| format!("{which} ")).unwrap_or_default();
    let attempts = if undo.attempts == 1 { "1 attempt".to_owned() } else { format!("{} attempts", undo.attempts) };
    let took = undo.latency_us.map(|span| format!(", {}", micros(span))).unwrap_or_default();
    Cell::toned(format!("{which}{} ({attempts}{took})", undo.status), step_tone(&undo.status))
}

/// How good it is where a participant stands.
fn state_tone(state: &str) -> Tone {
    match state {
        "tried" | "confirmed" => Tone::Good,
        "try_failed" | "unknown" | "confirm_failed" | "cancel_failed" => Tone::Bad,
        "trying" | "confirming" | "cancelling" => Tone::Busy,
        _ => Tone::Plain,
    }
}

pub(super) fn step_tone(status: &str) -> Tone {
    match status {
        "completed" => Tone::Good,
        "failed" | "unknown" => Tone::Bad,
        "dispatched" | "backoff" | "ready" | "waiting" | "expanded" => Tone::Busy,
        _ => Tone::Plain,
    }
}

/// A list of transactions.
pub(crate) fn transactions(out: &Output, items: &[TransactionSummary]) -> String {
    let mut grid = out.grid(&["TRANSACTION", "DEFINITION", "STATUS", "STARTED", "TOOK", "LABELS"]);
    for item in items {
        grid.row([
            Cell::from(item.id.to_string()),
            Cell::from(format!("{} {}", item.definition, item.version)),
            Cell::toned(item.status.word(), tone(item.status)),
            Cell::from(time(item.started_at)),
            Cell::from(item.ended_at.map(|ended| span(ended.since(item.started_at)))),
            Cell::from(pairs(&item.labels)),
        ]);
    }
    grid.text_or("no transactions")
}

/// How many transactions: `10000+` where there may be more than were counted.
pub(crate) fn count(count: TransactionCount) -> String {
    format!("{}{}", count.count, if count.more { "+" } else { "" })
}

/// What came of an operation on many.
pub(crate) fn bulk(out: &Output, summary: &Summary) -> String {
    let mut grid = out.grid(&["OUTCOME", "TRANSACTIONS", "FOR EXAMPLE", "WHY"]);
    grid.row([
        Cell::toned("done", Tone::Good),
        Cell::from(summary.done.to_string()),
        Cell::from(None::<String>),
        Cell::from(None::<String>),
    ]);
    for (slug, count) in &summary.refused {
        let example = summary.examples.get(slug);
        grid.row([
            Cell::toned(slug.clone(), Tone::Bad),
            Cell::from(count.to_string()),
            Cell::from(example.map(|example| example.transaction.to_string())),
            Cell::from(example.and_then(|example| example.problem.as_ref()).map(|problem| problem.detail.clone())),
        ]);
    }
    grid.text_or("nothing")
}

fn span(span: std::time::Duration) -> String {
    micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

/// A value in one line, cut where it would fill the screen.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    let mut cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
