//! `chancery schedule`

use crate::commands::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::session::Session;
use crate::show;
use chancery_api::schedule::{CatchUp, Overlap, ScheduleTerms};
use chancery_base::{Name, Timestamp, duration};
use clap::{Subcommand, ValueEnum};
use serde_json::Value;
use std::time::Duration;

/// Have transactions start by themselves: at a time, by cron in a time zone, or every so often.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery schedule create nightly --definition report --cron '30 2 * * *' --zone Asia/Tokyo
  chancery schedule list
  chancery schedule show nightly
  chancery schedule pause nightly --note 'until the bank is back'")]
pub(crate) enum Command {
    Create(Box<TermsArgs>),
    Set(Box<SetArgs>),
    List(ListArgs),
    Show(ShowArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Trigger(TriggerArgs),
    Delete(DeleteArgs),
}

/// Make a schedule. It starts under your grants, which are looked at each time that it is due.
///
/// Texts of the input may have expressions: `${{ schedule.due }}` is the time that it is due, `schedule.local` the same
/// as its zone shows it, `schedule.name` and `schedule.zone` what they say.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule create nightly --definition report --cron '30 2 * * *' --zone Asia/Tokyo
  chancery schedule create sync --definition sync --every 15m --overlap buffer-one
  chancery schedule create launch --definition launch --at 2030-01-01T09:00:00+01:00
  chancery schedule create daily --definition report --cron @daily \\
    --input '{\"day\": \"${{ schedule.local }}\"}' --overlap buffer-all \\
    --catch-up all --catch-up-window 3d")]
pub(crate) struct TermsArgs {
    /// Its name.
    name: Name,
    #[command(flatten)]
    terms: Terms,
}

/// Tell a schedule something else, in place of all that it was told before; you are its owner from then on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule set nightly --definition report --cron '0 4 * * *' --zone Europe/Berlin
  chancery schedule set sync --definition sync --every 5m --overlap skip")]
pub(crate) struct SetArgs {
    /// Its name.
    name: Name,
    #[command(flatten)]
    terms: Terms,
}

/// What a schedule is told.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Terms {
    /// What it starts.
    #[arg(long, value_name = "NAME")]
    definition: Name,
    /// Which version; the newest when it is due without it.
    #[arg(long, value_name = "N")]
    version_number: Option<u32>,
    /// The input: JSON, @FILE, or - for the standard input; without it null.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// A label of what it starts. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    label: Vec<(String, String)>,
    /// A header of what it starts. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    header: Vec<(String, String)>,
    /// At these local times: minute, hour, day of the month, month, day of the week.
    #[arg(long, value_name = "CRON", required_unless_present_any = ["every", "at"], conflicts_with_all = ["every", "at"])]
    cron: Option<String>,
    /// Every so often, counted from 1970-01-01T00:00:00Z.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "at")]
    every: Option<Duration>,
    /// How long after a whole number of these.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "every")]
    offset: Option<Duration>,
    /// Once.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The time zone of --cron, by its IANA name; without it UTC.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// It is not due before.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// It is not due after.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// What becomes of a time when what was started last has not ended.
    #[arg(long, value_enum, default_value = "skip")]
    overlap: OverlapArg,
    /// Whether it makes up for times that were missed.
    #[arg(long, value_enum, default_value = "last")]
    catch_up: CatchUpArg,
    /// How far back, from 1m to 7d.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    catch_up_window: Duration,
}

/// List schedules by name, with when they are due next.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule list
  chancery schedule list -o json | jq -r '.items[] | select(.error) | .name'")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// Show a schedule: what it was told, its next five times, and what came of its latest ones.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule show nightly
  chancery schedule show nightly -o json | jq .next")]
pub(crate) struct ShowArgs {
    /// Which.
    name: Name,
}

/// Let a schedule not be due until it is resumed. What it started goes on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule pause nightly --note 'until the bank is back'")]
pub(crate) struct PauseArgs {
    /// Which.
    name: Name,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// Let a schedule be due again, from now on: what would have been due meanwhile is not made up for.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule resume nightly --note 'the bank is back'")]
pub(crate) struct ResumeArgs {
    /// Which.
    name: Name,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// Have a schedule start now, out of turn and paused or not, under its owner's grants.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule trigger nightly
  chancery schedule trigger nightly --overlap allow -o json | jq -r .transaction")]
pub(crate) struct TriggerArgs {
    /// Which.
    name: Name,
    /// What holds if what was started last has not ended; without it what the schedule was told.
    #[arg(long, value_enum)]
    overlap: Option<OverlapArg>,
}

/// Delete a schedule. What it started goes on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery schedule delete nightly")]
pub(crate) struct DeleteArgs {
    /// Which.
    name: Name,
}

/// What becomes of a time when what was started last has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OverlapArg {
    /// It is left out.
    Skip,
    /// One time waits for the end, others are left out.
    BufferOne,
    /// Each waits for the end of the one before, 1000 at most; others are left out.
    BufferAll,
    /// It starts all the same.
    Allow,
    /// What runs is cancelled, and the time waits for its end.
    CancelRunning,
    /// What runs is terminated, and the time starts at once.
    TerminateRunning,
}

/// Whether it makes up for times that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CatchUpArg {
    /// No.
    None,
    /// For the newest of them.
    Last,
    /// For each of them, oldest first, as --overlap has it: with skip only the first, with buffer-all one after the
    /// other.
    All,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let schedule = match command {
        Command::Create(args) => client.schedule_create(&args.name, &args.terms.wire()?).await?,
        Command::Set(args) => client.schedule_set(&args.name, &args.terms.wire()?).await?,
        Command::List(args) => {
            let pages = client.schedules();
            return args.page.show(session, pages, |items| show::schedules(&session.out, items)).await;
        }
        Command::Show(args) => client.schedule_get(&args.name).await?,
        Command::Pause(args) => client.schedule_pause(&args.name, &args.note).await?,
        Command::Resume(args) => client.schedule_resume(&args.name, &args.note).await?,
        Command::Trigger(args) => {
            let triggered = client.schedule_trigger(&args.name, args.overlap.map(overlap)).await?;
            session.out.show(&triggered, show::triggered)?;
            return Ok(Exit::Ok);
        }
        Command::Delete(args) => {
            client.schedule_delete(&args.name).await?;
            session.out.say(&format!("{} is deleted", args.name));
            return Ok(Exit::Ok);
        }
    };
    session.out.show(&schedule, |schedule| show::schedule(&session.out, schedule))?;
    Ok(Exit::Ok)
}

impl Terms {
    fn wire(&self) -> Result<ScheduleTerms, CliError> {
        let input = self.input.as_deref().map(|text| input::json_value("--input", text)).transpose()?;
        Ok(ScheduleTerms {
            definition: self.definition.clone(),
            version: self.version_number,
            input: input.unwrap_or(Value::Null),
            labels: input::once("--label", &self.label)?,
            headers: input::once("--header", &self.header)?,
            cron: self.cron.clone(),
            every: self.every.map(duration::format),
            offset: self.offset.map(duration::format),
            at: self.at,
            zone: self.zone.clone(),
            from: self.from,
            until: self.until,
            overlap: Some(overlap(self.overlap)),
            catch_up: Some(match self.catch_up {
                CatchUpArg::None => CatchUp::None,
                CatchUpArg::Last => CatchUp::Last,
                CatchUpArg::All => CatchUp::All,
            }),
            catch_up_window: Some(duration::format(self.catch_up_window)),
        })
    }
}

const fn overlap(overlap: OverlapArg) -> Overlap {
    match overlap {
        OverlapArg::Skip => Overlap::Skip,
        OverlapArg::BufferOne => Overlap::BufferOne,
        OverlapArg::BufferAll => Overlap::BufferAll,
        OverlapArg::Allow => Overlap::Allow,
        OverlapArg::CancelRunning => Overlap::CancelRunning,
        OverlapArg::TerminateRunning => Overlap::TerminateRunning,
    }
}
