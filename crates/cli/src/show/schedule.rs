//! Schedules.

use super::time;
use crate::output::{Cell, Output, Tone, fields};
use chancery_api::schedule::{Firing, Schedule, ScheduleTerms, TriggeredSchedule};
use chancery_base::Timestamp;

/// A page of schedules.
pub(crate) fn schedules(out: &Output, items: &[Schedule]) -> String {
    let mut grid = out.grid(&["SCHEDULE", "STARTS", "WHEN", "ZONE", "NEXT", "LAST", "STATE"]);
    for schedule in items {
        let (state, tone) = state(schedule);
        grid.row([
            Cell::from(schedule.name.to_string()),
            Cell::from(schedule.terms.definition.to_string()),
            Cell::from(when(&schedule.terms)),
            Cell::from(schedule.terms.zone.clone()),
            Cell::from(schedule.next.first().map(|next| time(next.at))),
            Cell::from(schedule.recent.last().map(|last| last.came.clone())),
            Cell::toned(state, tone),
        ]);
    }
    grid.text_or("no schedules")
}

/// One schedule, with its next times and what came of its latest ones.
pub(crate) fn schedule(out: &Output, schedule: &Schedule) -> String {
    let terms = &schedule.terms;
    let version = terms.version.map(|version| version.to_string());
    let mut text = fields([
        ("schedule", Some(schedule.name.to_string())),
        ("state", Some(state(schedule).0.to_owned())),
        ("note", schedule.note.clone()),
        ("starts", Some(terms.definition.to_string())),
        ("version", Some(version.unwrap_or_else(|| "the newest".to_owned()))),
        ("when", Some(when(terms))),
        ("zone", terms.zone.clone()),
        ("from", terms.from.map(time)),
        ("until", terms.until.map(time)),
        ("overlap", word(terms.overlap)),
        ("catch-up", word(terms.catch_up)),
        ("window", terms.catch_up_window.clone()),
        ("input", Some(terms.input.to_string()).filter(|input| input != "null")),
        ("owner", Some(schedule.owner.to_string())),
        ("waiting", waiting(&schedule.waiting)),
        ("transaction", schedule.transaction.map(|id| id.to_string())),
        ("fired", Some(schedule.fired.to_string())),
        ("error", schedule.error.as_ref().map(|error| format!("{}: {}", time(error.due), error.message))),
    ]);
    let mut next = out.grid(&["NEXT", "LOCAL"]);
    for due in &schedule.next {
        next.row([Cell::from(time(due.at)), Cell::from(due.local.clone())]);
    }
    text.push('\n');
    text.push_str(&next.text_or(if schedule.paused {
        "it is due again once it is resumed"
    } else {
        "it is not due again"
    }));
    if !schedule.recent.is_empty() {
        text.push('\n');
        text.push_str(&firings(out, &schedule.recent));
    }
    text
}

fn firings(out: &Output, recent: &[Firing]) -> String {
    let mut grid = out.grid(&["DUE", "UNTIL", "DEALT WITH", "CAME", "TRANSACTION"]);
    for firing in recent.iter().rev() {
        grid.row([
            Cell::from(time(firing.due)),
            Cell::from(firing.until.map(time)),
            Cell::from(time(firing.at)),
            Cell::toned(&firing.came, tone(&firing.came)),
            Cell::from(firing.transaction.map(|id| id.to_string())),
        ]);
    }
    grid.text_or("nothing was due yet")
}

/// What a trigger did.
pub(crate) fn triggered(triggered: &TriggeredSchedule) -> String {
    match triggered.transaction {
        Some(id) => fields([("transaction", Some(id.to_string()))]),
        None => fields([("waiting", Some("it starts when what runs has ended".to_owned()))]),
    }
}

/// The first of the times that wait, and how many more.
fn waiting(times: &[Timestamp]) -> Option<String> {
    let (first, more) = times.split_first()?;
    Some(if more.is_empty() { time(*first) } else { format!("{} and {} more", time(*first), more.len()) })
}

fn state(schedule: &Schedule) -> (&'static str, Tone) {
    if schedule.paused {
        ("paused", Tone::Busy)
    } else if schedule.error.is_some() {
        ("failing", Tone::Bad)
    } else if !schedule.waiting.is_empty() {
        ("waiting", Tone::Busy)
    } else if schedule.next.is_empty() {
        ("done", Tone::Plain)
    } else {
        ("active", Tone::Good)
    }
}

fn tone(came: &str) -> Tone {
    match came {
        "fired" => Tone::Good,
        "buffered" | "overlap" => Tone::Busy,
        "missed" | "denied" | "conflict" | "failed" => Tone::Bad,
        _ => Tone::Plain,
    }
}

fn when(terms: &ScheduleTerms) -> String {
    match (&terms.cron, &terms.every, terms.at) {
        (Some(cron), _, _) => cron.clone(),
        (None, Some(every), _) => match &terms.offset {
            Some(offset) => format!("every {every}, {offset} after"),
            None => format!("every {every}"),
        },
        (None, None, Some(at)) => format!("at {}", time(at)),
        (None, None, None) => String::new(),
    }
}

/// The word that a choice has on the wire.
fn word(choice: Option<impl serde::Serialize>) -> Option<String> {
    let value = serde_json::to_value(choice?).ok()?;
    value.as_str().map(str::to_owned)
}
