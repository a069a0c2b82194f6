//! Schedules: what starts by itself.

use crate::app::App;
use crate::operations::check as check_note;
use crate::page::{Page, Paged};
use crate::transactions::damaged;
use crate::{Error, clock};
use chancery_base::limits::SCHEDULE_NEXT_SHOWN;
use chancery_base::{Document, Name, Timestamp, TransactionId, json};
use chancery_engine::definition::DefinitionKind;
use chancery_engine::schedule::{Calendar, check_input};
pub use chancery_engine::schedule::{Came, CatchUp, Failure, Firing, Head, Overlap, Terms, When};
use chancery_policy::{Action, Grant};
use chancery_shard::input::{Command, Response, ScheduleAsk, ScheduleCommand};
use chancery_shard::row::ScheduleRow;
use chancery_shard::schedule;
use serde_json::Value;
use std::sync::Arc;

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleView {
    /// Its name.
    pub name: Name,
    /// What it was told, and what came of it.
    pub head: Head,
    /// The input of what it starts, where one schedule is looked at.
    pub input: Option<Value>,
    /// When it is due next, each as its zone shows it: one where many are listed, else [`SCHEDULE_NEXT_SHOWN`].
    pub next: Vec<(Timestamp, String)>,
}

/// What a trigger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triggered {
    /// It started this.
    Started(TransactionId),
    /// It starts when what runs has ended.
    Waits,
}

/// Makes a schedule, whose owner is who calls: it starts under their grants.
///
/// # Errors
/// If there is one of this name, there is no such definition, something of what it is told is wrong, its owner may not
/// start transactions, or there are too many.
pub async fn create(app: &App, grant: &Grant, name: &Name, terms: Terms, input: Value) -> Result<ScheduleView, Error> {
    let (terms, input) = checked(app, grant, terms, input).await?;
    ask(app, grant, name, ScheduleAsk::Create { terms, input }).await?;
    get(app, grant, name).await
}

/// Tells a schedule something else, in place of what it was told before; who calls is its owner from then on.
///
/// # Errors
/// As [`create`], and if there is none of this name.
pub async fn set(app: &App, grant: &Grant, name: &Name, terms: Terms, input: Value) -> Result<ScheduleView, Error> {
    // Whoever asks for one that is not there is told that first.
    row(app, grant, name).await?;
    let (terms, input) = checked(app, grant, terms, input).await?;
    ask(app, grant, name, ScheduleAsk::Set { terms, input }).await?;
    get(app, grant, name).await
}

/// Lets a schedule not be due until it is resumed. A time that waits for the end of what runs is dropped.
///
/// # Errors
/// If there is none of this name, it is paused, or the note is too long.
pub async fn pause(app: &App, grant: &Grant, name: &Name, note: String) -> Result<ScheduleView, Error> {
    check_note(&note)?;
    ask(app, grant, name, ScheduleAsk::Pause { note }).await?;
    get(app, grant, name).await
}

/// Lets a schedule be due again, from now on.
///
/// # Errors
/// If there is none of this name, it is not paused, or the note is too long.
pub async fn resume(app: &App, grant: &Grant, name: &Name, note: String) -> Result<ScheduleView, Error> {
    check_note(&note)?;
    ask(app, grant, name, ScheduleAsk::Resume { note }).await?;
    get(app, grant, name).await
}

/// Takes a schedule away. What it started goes on.
///
/// # Errors
/// If there is none of this name.
pub async fn delete(app: &App, grant: &Grant, name: &Name) -> Result<(), Error> {
    ask(app, grant, name, ScheduleAsk::Delete).await.map(drop)
}

/// Has a schedule start now, out of turn and whether or not it is paused, under its owner's grants.
///
/// # Errors
/// If there is none of this name, what it started before runs and the rest is left out, or the start is refused.
pub async fn trigger(app: &App, grant: &Grant, name: &Name, overlap: Option<Overlap>) -> Result<Triggered, Error> {
    match ask(app, grant, name, ScheduleAsk::Trigger { overlap }).await? {
        Response::Triggered(Some(id)) => Ok(Triggered::Started(id)),
        Response::Triggered(None) => Ok(Triggered::Waits),
        Response::Started { .. }
        | Response::Exchanged(_)
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Signalled { .. }
        | Response::Done { .. } => Err(Error::Bug("a trigger was answered as something else")),
    }
}

/// A schedule.
///
/// # Errors
/// If there is none of this name.
pub async fn get(app: &App, grant: &Grant, name: &Name) -> Result<ScheduleView, Error> {
    let row = row(app, grant, name).await?;
    let mut view = view(&row, SCHEDULE_NEXT_SHOWN)?;
    let entries = app.store().entries(app.tenant(grant)?.log, view.head.input_seq, 1, true).await?;
    let payload = entries.first().and_then(|entry| entry.payload.as_ref()).and_then(|payload| payload.sealed.open());
    let input = payload.and_then(json::Members::read).and_then(|payload| payload.document("input"));
    let missing = || damaged("a schedule")(format!("the input in entry {} is missing", view.head.input_seq));
    view.input = Some(input.ok_or_else(missing)?.value().clone());
    Ok(view)
}

/// A page of the tenant's schedules, by name.
///
/// # Errors
/// If the store does not answer.
pub async fn list(app: &App, grant: &Grant, page: Page<Name>) -> Result<Paged<ScheduleView, Name>, Error> {
    let rows = page.rows();
    let found = app.store().schedule_list(grant, page.after, rows + 1).await?;
    let views = found.iter().map(|row| view(row, 1)).collect::<Result<Vec<_>, _>>()?;
    Ok(Paged::cut(views, rows, |view| view.name.clone()))
}

async fn row(app: &App, grant: &Grant, name: &Name) -> Result<ScheduleRow, Error> {
    let row = app.store().schedule(grant, name).await?;
    row.ok_or_else(|| Error::Missing(format!("schedule `{name}`")))
}

fn view(row: &ScheduleRow, shown: usize) -> Result<ScheduleView, Error> {
    let head = schedule::head(row).map_err(damaged("a schedule"))?;
    // A zone that this build does not know has no times; when one is due, that is what the schedule says.
    let calendar = head.terms.calendar().ok();
    let next = calendar.map(|calendar| next(&head, &calendar, shown)).unwrap_or_default();
    Ok(ScheduleView { name: row.name.clone(), head, input: None, next })
}

fn next(head: &Head, calendar: &Calendar, shown: usize) -> Vec<(Timestamp, String)> {
    let times = std::iter::successors(head.next, |last| calendar.next(*last));
    times.take(shown).map(|time| (time, calendar.zone().show(time))).collect()
}

/// What a schedule is to be told, if nothing of it is wrong.
async fn checked(app: &App, grant: &Grant, terms: Terms, input: Value) -> Result<(Box<Terms>, Arc<Document>), Error> {
    let calendar = terms.calendar().map_err(|error| Error::Invalid(error.to_string()))?;
    if calendar.next(clock::now()).is_none() {
        return Err(Error::Invalid(String::from("it would never be due: all its times are past")));
    }
    let input = Document::shared(input);
    check_input(&input).map_err(|error| Error::Invalid(error.to_string()))?;
    let tenant = app.tenant(grant)?;
    let definition = tenant.definitions.resolve(app, grant, &tenant, &terms.definition, terms.version).await?;
    if definition.kind == DefinitionKind::Open {
        let name = &definition.name;
        return Err(Error::Invalid(format!("definition `{name}` is open: what drives it has to begin it")));
    }
    app.stands_for(grant, Action::TransactionStart)?;
    if terms.overlap == Overlap::TerminateRunning {
        app.stands_for(grant, Action::TransactionTerminate)?;
    }
    Ok((Box::new(terms), input))
}

async fn ask(app: &App, grant: &Grant, name: &Name, ask: ScheduleAsk) -> Result<Response, Error> {
    let command = ScheduleCommand { actor: grant.principal(), name: name.clone(), ask };
    Ok(app.tenant(grant)?.pump.ask(Command::Schedule(Box::new(command))).await?)
}
