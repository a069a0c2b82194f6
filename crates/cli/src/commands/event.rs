//! `chancery event`

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Cell, plain};
use crate::session::Session;
use chancery_api::event::{CloudEvent, Events, EventsQuery};
use clap::Subcommand;
use std::time::Duration;

/// How long one call waits for the next event.
const POLL: Duration = Duration::from_secs(30);
/// Characters of what an event says that a line of a table shows.
const SHOWN_MAX: usize = 60;

/// Read the events that steps emitted.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery event list
  chancery event list --type 'order.*' --follow -o json")]
pub(crate) enum Command {
    List(ListArgs),
}

/// List events, in the order in which they were emitted.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery event list
  chancery event list --type order.shipped --subject order-17
  chancery event list --type '**.failed' --after CURSOR
  chancery event list --type 'order.*' --follow -o json | jq .data")]
pub(crate) struct ListArgs {
    /// What they are called: `*` stands for one part between dots, `**` for any number of them.
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<String>,
    /// What they are about.
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Go on after an earlier page: what it named as `next`.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// How many events at most, of a page.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Show what there is, then every event as it comes, until interrupted: one a line as JSON.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let Command::List(args) = command;
    let query = EventsQuery {
        event_type: args.event_type,
        subject: args.subject,
        after: args.after,
        limit: usize::try_from(args.limit).ok(),
        wait: None,
    };
    if args.follow { follow(query, session).await } else { list(query, session).await }
}

async fn list(mut query: EventsQuery, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let wanted = query.limit.unwrap_or(usize::MAX);
    let mut page = client.events(&query, Duration::ZERO).await?;
    // A page may be short though more follow: whoever asks for so many gets them.
    while page.more && page.items.len() < wanted {
        query.after = Some(page.next);
        query.limit = Some(wanted - page.items.len());
        let next = client.events(&query, Duration::ZERO).await?;
        page.items.extend(next.items);
        (page.next, page.more) = (next.next, next.more);
    }
    session.out.show(&page, |page| table(page, session))?;
    if page.more && session.out.is_table() {
        session.out.say(&format!("there is more: --after {}", page.next));
    }
    Ok(Exit::Ok)
}

async fn follow(mut query: EventsQuery, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    loop {
        let page = client.events(&query, POLL).await?;
        for event in &page.items {
            if !session.out.item(event, line)? {
                return Ok(Exit::Ok);
            }
        }
        query.after = Some(page.next);
    }
}

fn table(page: &Events, session: &Session) -> String {
    let mut grid = session.out.grid(&["TIME", "TYPE", "SUBJECT", "TRANSACTION", "STEP", "DATA"]);
    for event in &page.items {
        grid.row([
            Cell::from(event.time.to_string()),
            Cell::from(plain(&event.event_type)),
            Cell::from(event.subject.as_deref().map(plain)),
            Cell::from(event.transaction.to_string()),
            Cell::from(step(event)),
            Cell::from(said(event)),
        ]);
    }
    grid.text_or("no events")
}

fn line(event: &CloudEvent) -> String {
    let subject = event.subject.as_deref().map(plain).unwrap_or_default();
    let parts = [event.time.to_string(), plain(&event.event_type), subject, said(event).unwrap_or_default()];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

fn step(event: &CloudEvent) -> Option<String> {
    let step = event.step.as_deref().map(plain)?;
    Some(event.phase.as_deref().map_or_else(|| step.clone(), |phase| format!("{step}/{}", plain(phase))))
}

fn said(event: &CloudEvent) -> Option<String> {
    let text = plain(&event.data.as_ref()?.to_string());
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    Some(if shown.len() < text.len() { format!("{shown}…") } else { shown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_shows_an_event_without_what_could_mislead_a_terminal() {
        let event = |subject: Option<&str>, data| CloudEvent {
            specversion: "1.0".to_owned(),
            id: format!("evt_{}", "1".repeat(32)).parse().unwrap(),
            source: "chancery://test/acme/order".to_owned(),
            event_type: "order.shipped".to_owned(),
            subject: subject.map(str::to_owned),
            time: "2026-11-21T07:27:00Z".parse().unwrap(),
            datacontenttype: None,
            transaction: format!("txn_{}", "2".repeat(32)).parse().unwrap(),
            step: Some("ship".to_owned()),
            phase: Some("undo".to_owned()),
            taint: None,
            data,
        };
        let plain = event(None, None);
        assert_eq!(line(&plain), format!("{}  order.shipped", plain.time));
        assert_eq!(step(&plain).unwrap(), "ship/undo");
        let full = event(Some("17\u{1b}[2J"), Some(json!({ "a": "x".repeat(100) })));
        let shown = line(&full);
        assert!(!shown.contains('\u{1b}') && shown.ends_with('…') && shown.contains("  17 [2J  "), "{shown}");
    }
}
