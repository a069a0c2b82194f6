//! `chancery bundle replay`

use super::named;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{plain, put, reason_line};
use crate::progress::Bar;
use crate::session::Session;
use chancery_api::bundle::{NotReplayed, ReplayBundle, ReplayFlip, ReplayGroup, Replayed};
use chancery_api::ledger::EntriesQuery;
use chancery_app::bundles::replay::{NAMED_MAX, Range, Report};
use chancery_base::{Digest, Timestamp};
use chancery_ledger::Record;
use chancery_sdk::Client;
use tokio::time::Instant;

/// Take the decisions of the past again under another bundle, and list every one that comes out otherwise.
///
/// Exits 1 if there is one. What was decided stands in the ledger with all that it rested on; decisions whose payloads
/// were erased, and denials for which no policy was asked, are counted and named. It takes no more memory for a long
/// ledger than for a short one, unless the flips are asked for as JSON.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle replay policies/
  chancery bundle replay sha256:… --from-entry 1200 --to-entry 90000
  chancery bundle replay policies/ --since 2026-11-01T00:00:00Z -o json")]
pub(crate) struct Args {
    /// A digest, a directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "BUNDLE")]
    bundle: String,
    /// From this entry on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from_entry: u64,
    /// Up to and without this entry.
    #[arg(long, value_name = "N")]
    to_entry: Option<u64>,
    /// Only decisions from this time on.
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    since: Option<Timestamp>,
    /// Only decisions before this time.
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    until: Option<Timestamp>,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let replayed = match args.bundle.parse::<Digest>() {
        Ok(digest) => there(digest, &args, session).await?,
        Err(_) => here(&args, session).await?,
    };
    session.out.show(&replayed, |body| table(session, body))?;
    Ok(if replayed.would_deny + replayed.would_permit == 0 { Exit::Ok } else { Exit::Failed })
}

/// Has the server take them again under a bundle that it has.
async fn there(digest: Digest, args: &Args, session: &Session) -> Result<Replayed, CliError> {
    let client = session.client()?;
    let end = end(args, &client).await?;
    let mut range = ReplayBundle { from: Some(args.from_entry), to: Some(end), since: args.since, until: args.until };
    let mut bar = Bar::new("entries", Instant::now());
    let mut sum: Option<Replayed> = None;
    loop {
        let mut part = client.bundle_replay(digest, &range).await?;
        let next = part.next.take();
        if session.out.is_table() {
            for flip in std::mem::take(&mut part.flips) {
                session.out.line(&line(&flip))?;
            }
        }
        let so_far = match sum.take() {
            Some(sum) => sum_of(sum, part),
            None => part,
        };
        let Some(next) = next else { return Ok(so_far) };
        bar.at(next.saturating_sub(args.from_entry), end.saturating_sub(args.from_entry));
        range.from = Some(next);
        sum = Some(so_far);
    }
}

fn sum_of(mut sum: Replayed, part: Replayed) -> Replayed {
    sum.decisions += part.decisions;
    sum.would_deny += part.would_deny;
    sum.would_permit += part.would_permit;
    sum.flips.extend(part.flips);
    for group in part.groups {
        let same = |known: &&mut ReplayGroup| {
            (&known.definition, &known.principal, &known.action) == (&group.definition, &group.principal, &group.action)
        };
        match sum.groups.iter_mut().find(same) {
            Some(known) => {
                known.would_deny += group.would_deny;
                known.would_permit += group.would_permit;
            }
            None => sum.groups.push(group),
        }
    }
    let NotReplayed { erased_entries, erased, refused, malformed } = part.not_replayed;
    let of_sum = &mut sum.not_replayed;
    of_sum.erased_entries.extend(erased_entries);
    of_sum.erased_entries.truncate(NAMED_MAX);
    of_sum.erased += erased;
    of_sum.refused += refused;
    of_sum.malformed += malformed;
    sum
}

/// Takes them again here, under a bundle that the server need not have.
async fn here(args: &Args, session: &Session) -> Result<Replayed, CliError> {
    let bundle = named::read(&args.bundle, session).await?;
    let client = session.client()?;
    let end = end(args, &client).await?;
    let range = Range { from: args.from_entry, to: Some(end), since: args.since, until: args.until };
    let query = EntriesQuery { transaction: None, from: Some(args.from_entry), limit: Some(1_000), cursor: None };
    let mut pages = client.entries(&query)?;
    let mut report = Report::default();
    let mut bar = Bar::new("entries", Instant::now());
    let mut is_over = false;
    while !is_over && let Some(page) = pages.next().await? {
        is_over = page.iter().any(|entry| entry.seq >= end);
        for entry in page.into_iter().filter(|entry| entry.seq < end) {
            bar.at(entry.seq.saturating_sub(args.from_entry), end.saturating_sub(args.from_entry));
            let unreadable = |reason: String| CliError::Unverified { what: format!("entry {}", entry.seq), reason };
            let record = Record::parse(entry.record.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
            report.take(&bundle, &range, &record, entry.payload.as_ref());
        }
        settle(&mut report, &client).await?;
        if session.out.is_table() {
            for (entry, flip) in std::mem::take(&mut report.flips) {
                session.out.line(&line(&chancery_server::replay_flip(entry, flip)))?;
            }
        }
    }
    drop(bar);
    Ok(chancery_server::replayed(bundle.digest(), report))
}

/// Puts what was found into the sums, under the definitions of its transactions.
async fn settle(report: &mut Report, client: &Client) -> Result<(), CliError> {
    for id in report.unknown() {
        // By what permits the rest: `ledger:read`.
        let query = EntriesQuery { transaction: Some(id), limit: Some(1), ..EntriesQuery::default() };
        let page = client.entries(&query)?.next().await?;
        let first = page.as_ref().and_then(|page| page.first());
        report.is_of(id, first.and_then(|entry| entry.payload.as_ref()));
    }
    report.settle();
    Ok(())
}

/// The first entry after the range.
async fn end(args: &Args, client: &Client) -> Result<u64, CliError> {
    if let Some(end) = args.to_entry {
        return Ok(end);
    }
    let logs = client.logs().await?.items;
    Ok(logs.iter().filter(|log| log.shard == 0).map(|log| log.size).max().unwrap_or(0))
}

fn line(flip: &ReplayFlip) -> String {
    let ReplayFlip { entry, before, after, principal, action, resource, reasons } = flip;
    let reasons: Vec<String> = reasons.iter().map(reason_line).collect();
    let (action, resource) = (plain(action), plain(resource));
    format!("entry {entry}: {before} → {after}: {principal} `{action}` {resource}: {}", reasons.join("; "))
}

fn table(session: &Session, body: &Replayed) -> String {
    let mut text = String::new();
    if !body.groups.is_empty() {
        let mut grid = session.out.grid(&["DEFINITION", "PRINCIPAL", "ACTION", "WOULD DENY", "WOULD PERMIT"]);
        for ReplayGroup { definition, principal, action, would_deny, would_permit } in &body.groups {
            let definition = definition.as_deref().unwrap_or("-");
            let sums = [would_deny.to_string(), would_permit.to_string()];
            let words = [plain(definition), plain(principal), plain(action)];
            grid.row(words.into_iter().chain(sums).map(crate::output::Cell::from));
        }
        put(&mut text, format_args!("\n{}\n", grid.text_or("")));
    }
    let Replayed { decisions, would_deny, would_permit, .. } = body;
    put(&mut text, format_args!("{decisions} decisions: {would_deny} would be denied, {would_permit} permitted"));
    let NotReplayed { erased_entries, erased, refused, malformed } = &body.not_replayed;
    if *erased > 0 {
        let numbers: Vec<String> = erased_entries.iter().map(u64::to_string).collect();
        let more = if *erased > NAMED_MAX as u64 { ", …" } else { "" };
        put(&mut text, format_args!("\n{erased} not replayed, payload erased: entries {}{more}", numbers.join(", ")));
    }
    if *refused > 0 {
        put(&mut text, format_args!("\n{refused} not replayed: denied before a policy was asked"));
    }
    if *malformed > 0 {
        put(&mut text, format_args!("\n{malformed} not replayed: no payload of a decision"));
    }
    text
}
