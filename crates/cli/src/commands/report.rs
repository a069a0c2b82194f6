//! `chancery report`

mod csv;

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{Cell, Output, Tone, fields};
use crate::session::Session;
use crate::show;
use chancery_api::report::{
    AccessFinding, AccessRow, OversightReport, ReportQuery, ResponsibilityReport, SeparationPair, SeparationReport,
};
use chancery_base::limits::PACK_BYTES_MAX;
use chancery_base::{Timestamp, json};
use clap::Subcommand;
use std::path::PathBuf;

/// See who or what decided, who may do what, who could do two things that are kept apart.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery report responsibility --from 2026-10-01 --to 2026-11-01
  chancery report access --csv > access.csv
  chancery report separation
  chancery report oversight -o json")]
pub(crate) enum Command {
    Responsibility(RangeArgs),
    Access(AccessArgs),
    Separation(SeparationArgs),
    Oversight(OversightArgs),
}

/// A range of time.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Range {
    /// From this time or date (UTC) on; else 90 days before the end.
    #[arg(long, value_name = "TIME", value_parser = input::time_or_date)]
    from: Option<Timestamp>,
    /// Until before this time or date (UTC); else until now.
    #[arg(long, value_name = "TIME", value_parser = input::time_or_date)]
    to: Option<Timestamp>,
}

impl Range {
    const fn query(self) -> ReportQuery {
        ReportQuery { from: self.from, to: self.to }
    }
}

/// Show who or what is responsible for the entries of a range, and at what level: policy alone, a person, a supervisor,
/// somebody to whom the say was handed, or an override.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery report responsibility
  chancery report responsibility --from 2026-10-01 --to 2026-11-01 -o json")]
pub(crate) struct RangeArgs {
    #[command(flatten)]
    range: Range,
}

/// Show who may do what: every principal is asked about, for each call of the API and each action of the bundle in force.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery report access
  chancery report access --denied -o json
  chancery report access --csv > access.csv")]
pub(crate) struct AccessArgs {
    /// Also what they may not.
    #[arg(long)]
    denied: bool,
    /// All of it, as CSV.
    #[arg(long, conflicts_with_all = ["limit", "cursor"])]
    csv: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// Show who could do both of two duties that are kept apart, and who did both in a range.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery report separation
  chancery report separation --from 2026-01-01 --to 2027-01-01 -o json
  chancery report separation --file our-pairs.json
  chancery report separation --csv > duties.csv")]
pub(crate) struct SeparationArgs {
    #[command(flatten)]
    range: Range,
    /// Pairs of duties of your own, JSON; - for the standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// As CSV.
    #[arg(long)]
    csv: bool,
}

/// Show how people oversee what is done: decisions, denials, requests, overrides, times to answer.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery report oversight
  chancery report oversight --from 2026-10-01 --to 2026-11-01 -o json")]
pub(crate) struct OversightArgs {
    #[command(flatten)]
    range: Range,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    match command {
        Command::Responsibility(args) => {
            let report = client.report_responsibility(&args.range.query()).await?;
            session.out.show(&report, |report| responsibility(&session.out, report))?;
        }
        Command::Oversight(args) => {
            session.out.show(&client.report_oversight(&args.range.query()).await?, oversight)?;
        }
        Command::Access(args) => return access(args, session).await,
        Command::Separation(args) => return separation(args, session).await,
    }
    Ok(Exit::Ok)
}

async fn access(args: AccessArgs, session: &Session) -> Result<Exit, CliError> {
    let mut pages = session.client()?.report_access(args.denied);
    if !args.csv {
        return args.page.show(session, pages, |rows| access_table(&session.out, rows)).await;
    }
    session.out.bytes(csv::ACCESS.as_bytes())?;
    while let Some(rows) = pages.next().await? {
        session.out.bytes(csv::access(&rows).as_bytes())?;
    }
    Ok(Exit::Ok)
}

async fn separation(args: SeparationArgs, session: &Session) -> Result<Exit, CliError> {
    let (client, range) = (session.client()?, args.range.query());
    let report = match args.file {
        Some(file) => {
            let bytes = input::read(&file, PACK_BYTES_MAX)?;
            let pairs = json::parse(&bytes, PACK_BYTES_MAX);
            let pairs = pairs.map_err(|error| CliError::faulty(&file, error.to_string()))?;
            client.report_separation_of(&pairs, &range).await?
        }
        None => client.report_separation(&range).await?,
    };
    if args.csv {
        session.out.bytes(csv::separation(&report).as_bytes())?;
    } else {
        session.out.show(&report, |report| separation_table(&session.out, report))?;
    }
    Ok(Exit::Ok)
}

fn range(from: Timestamp, to: Timestamp, entries: u64) -> [(&'static str, Option<String>); 2] {
    [("range", Some(format!("{} until {}", show::time(from), show::time(to)))), ("entries", Some(entries.to_string()))]
}

fn responsibility(out: &Output, report: &ResponsibilityReport) -> String {
    let head = fields(range(report.from, report.to, report.entries));
    let mut levels = out.grid(&["LEVEL", "ENTRIES", "DECISIONS", "BY", "SUCH AS"]);
    for level in &report.levels {
        let people = level.people.iter().map(|person| format!("{} ({})", person.principal, person.entries));
        let others = (level.by_others > 0).then(|| format!("others ({})", level.by_others));
        let examples: Vec<String> = level.examples.iter().map(u64::to_string).collect();
        levels.row([
            Cell::from(level.level.as_str()),
            Cell::from(level.entries.to_string()),
            Cell::from(level.decisions.to_string()),
            Cell::from(people.chain(others).collect::<Vec<_>>().join(", ")),
            Cell::from(examples.join(", ")),
        ]);
    }
    let mut groups = out.grid(&["DEFINITION", "ACTION", "MACHINE", "PERSON", "SUPERVISOR", "DELEGATED", "OVERRIDE"]);
    for group in &report.groups {
        let count = |level: &str| group.levels.get(level).map(u64::to_string);
        groups.row([
            Cell::from(group.definition.clone()),
            Cell::from(group.action.as_str()),
            Cell::from(count("machine")),
            Cell::from(count("person")),
            Cell::from(count("supervisor")),
            Cell::from(count("delegated")),
            Cell::from(count("override")),
        ]);
    }
    format!("{head}\n{}\n{}", levels.text_or("no entries"), groups.text_or("no entries"))
}

fn oversight(report: &OversightReport) -> String {
    let requests = &report.requests;
    let overrides: Vec<String> = report.overrides.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let rate = report.override_rate.map(|rate| format!("{:.2} %", rate * 100.0));
    let answer = report.answer.as_ref();
    fields(range(report.from, report.to, report.entries).into_iter().chain([
        ("decisions", Some(report.decisions.to_string())),
        ("denials", Some(report.denials.to_string())),
        ("overrides", Some(if overrides.is_empty() { "none".to_owned() } else { overrides.join(", ") })),
        ("override rate", rate),
        ("requests", Some(format!("{} opened, {} open", requests.opened, requests.open))),
        ("approved", Some(requests.approved.to_string())),
        ("denied", Some(requests.denied.to_string())),
        ("expired", Some(requests.expired.to_string())),
        ("withdrawn", Some(requests.withdrawn.to_string())),
        ("deferred", Some(requests.deferred.to_string())),
        ("delegated", Some(requests.delegated.to_string())),
        ("answered p50", answer.map(|answer| show::millis(answer.p50_ms))),
        ("answered p90", answer.map(|answer| show::millis(answer.p90_ms))),
        ("answered max", answer.map(|answer| show::millis(answer.max_ms))),
    ]))
}

fn access_table(out: &Output, rows: &[AccessRow]) -> String {
    let mut grid = out.grid(&["PRINCIPAL", "NAME", "BY", "ACTION", "RESOURCE", "MAY", "WHY"]);
    for row in rows {
        let tone = match row.finding {
            AccessFinding::Permitted => Tone::Good,
            AccessFinding::Conditional | AccessFinding::Depends => Tone::Busy,
            AccessFinding::Denied => Tone::Bad,
        };
        let resource = row.resource.as_deref().unwrap_or("any");
        grid.row([
            Cell::from(row.principal.to_string()),
            Cell::from(row.name.as_str()),
            Cell::from(row.by.as_str()),
            Cell::from(row.action.as_str()),
            Cell::from(format!("{}::{resource}", row.resource_type)),
            Cell::toned(row.finding.word(), tone),
            Cell::from(row.reasons.join("; ")),
        ]);
    }
    grid.text_or("nobody may do anything")
}

fn separation_table(out: &Output, report: &SeparationReport) -> String {
    let head = fields(range(report.from, report.to, report.entries));
    let pairs = report.pairs.iter().map(|found| pair(out, found));
    std::iter::once(head).chain(pairs).collect::<Vec<_>>().join("\n")
}

fn pair(out: &Output, found: &SeparationPair) -> String {
    let pair = &found.pair;
    let mut grid = out.grid(&["WHO", "DID", "OF", "ENTRIES"]);
    for could in &found.potential {
        let of: Vec<&str> = could.definitions.iter().map(|name| name.as_str()).collect();
        grid.row([
            Cell::from(format!("{} {}", could.principal, could.name)),
            Cell::toned("could", Tone::Busy),
            Cell::from(Some(of.join(", ")).filter(|of| !of.is_empty())),
            Cell::from(None),
        ]);
    }
    for did in &found.actual {
        grid.row([
            Cell::from(did.principal.to_string()),
            Cell::toned("did", Tone::Bad),
            Cell::from(did.within.as_str()),
            Cell::from(format!("{}, {}", did.first, did.second)),
        ]);
    }
    let more = if found.more_potential || found.more_actual { "\nthere is more than is shown" } else { "" };
    let title = format!("{}: {} ({}; {})", pair.name, pair.title, pair.first.says, pair.second.says);
    format!("{title}\n{}{more}\n", grid.text_or("nobody"))
}
