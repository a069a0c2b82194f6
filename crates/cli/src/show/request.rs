//! Requests to people.

use super::time;
use super::transaction::short;
use crate::output::{Cell, Output, Tone, fields};
use chancery_api::request::PeopleRequest;

/// A page of requests.
pub(crate) fn requests(out: &Output, items: &[PeopleRequest]) -> String {
    let mut grid = out.grid(&["REQUEST", "KIND", "STATUS", "DUE", "ROLE", "YES", "TITLE"]);
    for request in items {
        grid.row([
            Cell::from(request.id.to_string()),
            Cell::from(request.kind.clone()),
            Cell::toned(request.status.clone(), tone(&request.status)),
            Cell::from(time(request.due_at)),
            Cell::from(request.role.as_ref().map(ToString::to_string)),
            Cell::from(yes(request)),
            Cell::from(request.title.clone()),
        ]);
    }
    grid.text_or("no requests")
}

/// One request, with what was said to it.
pub(crate) fn request(out: &Output, request: &PeopleRequest) -> String {
    let mut text = fields([
        ("request", Some(request.id.to_string())),
        ("title", Some(request.title.clone())),
        ("reason", request.reason.clone()),
        ("kind", Some(request.kind.clone())),
        ("trigger", request.trigger.clone()),
        ("status", Some(request.status.clone())),
        ("yes", Some(yes(request))),
        ("role", request.role.as_ref().map(ToString::to_string)),
        ("risk", request.risk.map(|risk| risk.to_string())),
        ("opened", Some(time(request.opened_at))),
        ("due", Some(time(request.due_at))),
        ("decided", request.decided_at.map(time)),
        ("requester", Some(request.requester.to_string())),
        ("transaction", Some(request.transaction.to_string())),
        ("step", Some(request.step.clone())),
        ("definition", Some(format!("{} {}", request.definition, request.version))),
        ("input", request.input.as_ref().map(short)),
        ("input digest", Some(request.input_digest.to_string())),
    ]);
    let said = said(out, request);
    if !said.is_empty() {
        text.push('\n');
        text.push_str(&said);
    }
    text
}

/// What was said to a request, in the order in which it was.
fn said(out: &Output, request: &PeopleRequest) -> String {
    let seen = request.acknowledged.iter().map(|seen| (seen.at, seen.by, "saw it".to_owned(), ""));
    let answers = request.answers.iter().map(|said| (said.at, said.by, said.answer.clone(), &*said.justification));
    let deferrals = request.deferrals.iter().map(|deferral| {
        let until = format!("put it off until {}", time(deferral.until));
        (deferral.at, deferral.by, until, &*deferral.justification)
    });
    let delegations = request.delegations.iter().map(|delegation| {
        (delegation.at, delegation.by, format!("handed on to {}", delegation.to), &*delegation.justification)
    });
    let mut said: Vec<_> = seen.chain(answers).chain(deferrals).chain(delegations).collect();
    said.sort_by_key(|(at, ..)| *at);
    let mut grid = out.grid(&["AT", "WHO", "SAID", "WHY"]);
    for (at, by, what, why) in said {
        grid.row([Cell::from(time(at)), Cell::from(by.to_string()), Cell::from(what), Cell::from(why.to_owned())]);
    }
    grid.text_or("")
}

fn yes(request: &PeopleRequest) -> String {
    format!("{} of {}", request.approvals, request.approvers)
}

fn tone(status: &str) -> Tone {
    match status {
        "approved" => Tone::Good,
        "open" | "acknowledged" => Tone::Busy,
        "denied" | "expired" => Tone::Bad,
        _ => Tone::Plain,
    }
}
