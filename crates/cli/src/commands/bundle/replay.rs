//! `chancery bundle replay`

use super::named;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{plain, put, reason_line};
use crate::progress::Bar;
use crate::session::Session;
use chancery_api::decision::Reason;
use chancery_api::ledger::{EntriesQuery, Entry};
use chancery_base::{Digest, Timestamp};
use chancery_ledger::Record;
use chancery_policy::Bundle;
use chancery_policy::replay::{Flip, Flips, Tally};
use serde::Serialize;
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

/// What `replay -o json` writes.
#[derive(Debug, Serialize)]
struct Replayed {
    bundle: Digest,
    decisions: u64,
    would_deny: u64,
    would_permit: u64,
    /// By definition, principal and action.
    groups: Vec<Group>,
    not_replayed: NotReplayed,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flips: Vec<ShownFlip>,
}

#[derive(Debug, Serialize)]
struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
    principal: String,
    action: String,
    would_deny: u64,
    would_permit: u64,
}

#[derive(Debug, Serialize)]
struct NotReplayed {
    /// The numbers of the first of them.
    erased_entries: Vec<u64>,
    erased: u64,
    refused: u64,
    malformed: u64,
}

#[derive(Debug, Serialize)]
struct ShownFlip {
    entry: u64,
    before: &'static str,
    after: &'static str,
    principal: String,
    action: String,
    resource: String,
    reasons: Vec<Reason>,
}

/// Entries that are named of those that can't be replayed.
const NAMED_MAX: usize = 100;

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let bundle = named::read(&args.bundle, session).await?;
    let client = session.client()?;
    let end = match args.to_entry {
        Some(end) => end,
        None => client.logs().await?.items.iter().filter(|log| log.shard == 0).map(|log| log.size).max().unwrap_or(0),
    };
    let query = EntriesQuery { transaction: None, from: Some(args.from_entry), limit: Some(1_000), cursor: None };
    let mut pages = client.entries(&query)?;
    let mut replay = Replay {
        args: &args,
        bundle: &bundle,
        session,
        tally: Tally::default(),
        flips: Vec::new(),
        erased: Vec::new(),
    };
    let mut bar = Bar::new("entries", Instant::now());
    while let Some(page) = pages.next().await? {
        let mut is_over = false;
        for entry in page {
            is_over = entry.seq >= end;
            if is_over {
                break;
            }
            bar.at(entry.seq.saturating_sub(args.from_entry), end.saturating_sub(args.from_entry));
            replay.entry(&entry)?;
        }
        if is_over {
            break;
        }
    }
    drop(bar);
    replay.finish()
}

struct Replay<'a> {
    args: &'a Args,
    bundle: &'a Bundle,
    session: &'a Session,
    tally: Tally,
    /// Only where they are not written as they come.
    flips: Vec<ShownFlip>,
    erased: Vec<u64>,
}

impl Replay<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<(), CliError> {
        let unreadable = |reason: String| CliError::Unverified { what: format!("entry {}", entry.seq), reason };
        let record = Record::parse(entry.record.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
        // A record that says by which bundle is a decision's.
        if record.data.get_digest("bundle").is_none() || record.data.get_digest("request").is_none() {
            return Ok(());
        }
        let is_within = self.args.since.is_none_or(|since| record.at >= since)
            && self.args.until.is_none_or(|until| record.at < until);
        if !is_within {
            return Ok(());
        }
        let payload = entry.payload.as_ref();
        if payload.is_none() && self.erased.len() < NAMED_MAX {
            self.erased.push(entry.seq);
        }
        let decision = payload.map(|payload| payload.get("decision").unwrap_or(payload));
        match self.tally.take(self.bundle, decision) {
            None => Ok(()),
            Some(flip) => self.flip(entry.seq, flip),
        }
    }

    fn flip(&mut self, entry: u64, flip: Flip) -> Result<(), CliError> {
        let shown = ShownFlip {
            entry,
            before: flip.before.word(),
            after: flip.after.word(),
            principal: flip.asked.principal,
            action: flip.asked.action,
            resource: flip.asked.resource,
            reasons: flip.reasons.iter().map(chancery_server::reason).collect(),
        };
        if self.session.out.is_table() {
            return self.session.out.line(&line(&shown));
        }
        self.flips.push(shown);
        Ok(())
    }

    fn finish(self) -> Result<Exit, CliError> {
        let Flips { denied, permitted } = self.tally.flips;
        let mut groups: Vec<Group> = self.tally.groups.into_iter().map(group).collect();
        if self.tally.others != Flips::default() {
            let others = "(others)".to_owned();
            groups.push(group(((None, others.clone(), others), self.tally.others)));
        }
        let not_replayed = NotReplayed {
            erased_entries: self.erased,
            erased: self.tally.erased,
            refused: self.tally.refused,
            malformed: self.tally.malformed,
        };
        let body = Replayed {
            bundle: self.bundle.digest(),
            decisions: self.tally.decisions,
            would_deny: denied,
            would_permit: permitted,
            groups,
            not_replayed,
            flips: self.flips,
        };
        self.session.out.show(&body, |body| table(self.session, body))?;
        Ok(if denied + permitted == 0 { Exit::Ok } else { Exit::Failed })
    }
}

fn group(((definition, principal, action), flips): ((Option<String>, String, String), Flips)) -> Group {
    Group { definition, principal, action, would_deny: flips.denied, would_permit: flips.permitted }
}

fn line(flip: &ShownFlip) -> String {
    let ShownFlip { entry, before, after, principal, action, resource, reasons } = flip;
    let reasons: Vec<String> = reasons.iter().map(reason_line).collect();
    let (action, resource) = (plain(action), plain(resource));
    format!("entry {entry}: {before} → {after}: {principal} `{action}` {resource}: {}", reasons.join("; "))
}

fn table(session: &Session, body: &Replayed) -> String {
    let mut text = String::new();
    if !body.groups.is_empty() {
        let mut grid = session.out.grid(&["DEFINITION", "PRINCIPAL", "ACTION", "WOULD DENY", "WOULD PERMIT"]);
        for Group { definition, principal, action, would_deny, would_permit } in &body.groups {
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
