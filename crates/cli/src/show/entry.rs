//! Entries of the ledger.

use super::transaction::error_text;
use super::{actor, time};
use crate::output::{Cell, Output};
use chancery_api::ledger::Entry;
use chancery_api::transaction::StepError;
use chancery_ledger::Record;
use serde::Deserialize as _;
use serde_json::Value;

/// Entries of a log.
pub(crate) fn entries(out: &Output, items: &[Entry]) -> String {
    let mut grid = out.grid(&["SEQ", "AT", "KIND", "ACTOR", "TRANSACTION", "N"]);
    for item in items {
        let record = Record::parse(item.record.as_bytes()).ok();
        let refs = record.as_ref().map(|record| &record.refs);
        grid.row([
            Cell::from(item.seq.to_string()),
            Cell::from(record.as_ref().map(|record| time(record.at))),
            Cell::from(record.as_ref().map(|record| record.kind.to_string())),
            Cell::from(record.as_ref().map(|record| actor(record.actor))),
            Cell::from(refs.and_then(|refs| refs.transaction).map(|id| id.to_string())),
            Cell::from(item.n.map(|n| n.to_string())),
        ]);
    }
    grid.text_or("no entries")
}

/// A transaction's entries; `steps` are its steps' ids, which a record names by number.
pub(crate) fn history(out: &Output, items: &[Entry], steps: &[String]) -> String {
    let mut grid = out.grid(&["N", "SEQ", "AT", "KIND", "STEP", "ATTEMPT", "DECISION", "BY", "WHY"]);
    for item in items {
        let record = Record::parse(item.record.as_bytes()).ok();
        let refs = record.as_ref().map(|record| &record.refs);
        let step = refs.and_then(|refs| refs.step).map(|number| {
            let name = usize::try_from(number).ok().and_then(|number| steps.get(number));
            let name = name.cloned().unwrap_or_else(|| number.to_string());
            let index = refs.and_then(|refs| refs.clone).and_then(|clone| clone.checked_sub(1));
            index.map_or(name.clone(), |index| format!("{name}[{index}]"))
        });
        grid.row([
            Cell::from(item.n.map(|n| n.to_string())),
            Cell::from(item.seq.to_string()),
            Cell::from(record.as_ref().map(|record| time(record.at))),
            Cell::from(record.as_ref().map(|record| record.kind.to_string())),
            Cell::from(step),
            Cell::from(refs.and_then(|refs| refs.attempt).map(|attempt| attempt.to_string())),
            Cell::from(refs.and_then(|refs| refs.decision).map(|decision| decision.to_string())),
            Cell::from(record.as_ref().map(|record| actor(record.actor))),
            Cell::from(why(item)),
        ]);
    }
    grid.text_or("no entries")
}

/// Why it was done, in the words of whoever did it, or what went wrong.
fn why(entry: &Entry) -> Option<String> {
    let payload = entry.payload.as_ref()?;
    let fork = payload.pointer("/beginning/fork/justification");
    let words = fork.or_else(|| payload.get("justification")).and_then(Value::as_str);
    if let Some(words) = words.filter(|words| !words.is_empty()) {
        return Some(words.to_owned());
    }
    StepError::deserialize(payload.get("error")?).ok().map(|error| error_text(&error))
}
