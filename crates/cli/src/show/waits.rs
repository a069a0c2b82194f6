//! Signals, what is waited for, and what expressions see.

use super::time;
use super::transaction::{short, step_tone};
use crate::output::{Cell, Output, fields};
use chancery_api::transaction::{SentSignal, TransactionState, WaitingFor};
use chancery_api::worker::Phase;

/// How many of the things that a transaction waits for a table names.
const WAITS_SHOWN: usize = 5;

/// What became of a signal.
pub(crate) fn signal(body: &SentSignal) -> String {
    let what = if body.existing { "one with this id had come before" } else { "recorded" };
    fields([
        ("transaction", Some(body.transaction.to_string())),
        ("signal", Some(body.name.to_string())),
        ("id", body.id.clone()),
        ("outcome", Some(what.to_owned())),
        ("status", Some(body.status.word().to_owned())),
    ])
}

/// What a transaction's expressions see of it.
pub(crate) fn state(out: &Output, body: &TransactionState) -> String {
    let head = fields([
        ("transaction", Some(body.id.to_string())),
        ("status", Some(body.status.word().to_owned())),
        ("key", body.key.clone()),
        ("input", body.input.as_ref().map(short)),
    ]);
    let mut grid = out.grid(&["STEP", "STATUS", "OUTPUT", "ERROR"]);
    for (id, step) in &body.steps {
        grid.row([
            Cell::from(id.as_str()),
            Cell::toned(step.status.as_str(), step_tone(&step.status)),
            Cell::from(step.output.as_ref().map(short)),
            Cell::from(step.error.as_ref().map(|error| format!("{}: {}", error.error_type, error.message))),
        ]);
    }
    let steps = grid.text_or("no steps");
    if body.vars.is_empty() {
        return format!("{head}\n{steps}");
    }
    let mut grid = out.grid(&["VARIABLE", "VALUE"]);
    for (name, value) in &body.vars {
        grid.row([Cell::from(name.as_str()), Cell::from(short(value))]);
    }
    format!("{head}\n{steps}\n{}", grid.text_or("no variables"))
}

/// What a transaction waits for, one a line.
pub(crate) fn waiting_for(waits: &[WaitingFor]) -> Option<String> {
    let mut lines: Vec<String> = waits.iter().take(WAITS_SHOWN).map(line).collect();
    // What fanned out waits for very much of one kind; JSON has it all.
    let more = waits.len().saturating_sub(WAITS_SHOWN);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn line(wait: &WaitingFor) -> String {
    let step = wait.step.as_ref().map_or_else(String::new, |step| {
        let of = match wait.phase {
            Some(Phase::Undo) => "the undo of ",
            Some(Phase::Confirm) => "the confirm of ",
            Some(Phase::Do) | None => "",
        };
        format!("{of}step `{step}`: ")
    });
    let name = wait.name.as_ref().map_or_else(String::new, |name| {
        let of = match wait.what.as_str() {
            "answer" | "retry" | "round" | "delay" => " of",
            "person" => " for",
            _ => "",
        };
        // `worker pay.charge` says itself that it is a worker.
        let name = name.strip_prefix(&wait.what).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(name);
        format!("{of} `{name}`")
    });
    let until = wait.until.map_or_else(String::new, |until| format!(", until {}", time(until)));
    format!("{step}{}{name} since {}{until}", wait.what, time(wait.since))
}
