//! `chancery compliance`

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{Cell, Output, Tone, fields};
use crate::session::Session;
use crate::show;
use chancery_api::Page;
use chancery_api::compliance::{CompliancePack, ComplianceQuery, ComplianceStatus, ControlStatus, Standing};
use chancery_base::limits::PACK_BYTES_MAX;
use chancery_base::{Name, Timestamp, json};
use clap::Subcommand;
use std::path::PathBuf;

/// See what the ledger has to show for the controls of a framework. It never says that somebody complies.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery compliance list
  chancery compliance status soc2
  chancery compliance status gdpr --from 2026-01-01 --to 2027-01-01 -o json
  chancery compliance status --file our-controls.json")]
pub(crate) enum Command {
    List(ListArgs),
    Status(StatusArgs),
}

/// List the packs that come with the server.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery compliance list
  chancery compliance list -o json")]
pub(crate) struct ListArgs {}

/// Show which controls the ledger supports, by how many entries, and which it contradicts.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery compliance status soc2
  chancery compliance status iso-27001 --from 2026-01-01 --to 2027-01-01
  chancery compliance status --file our-controls.json -o json")]
pub(crate) struct StatusArgs {
    /// The pack's name.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pack: Option<Name>,
    /// A pack of your own, JSON; - for the standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// From this time or date (UTC) on; else 90 days before the end.
    #[arg(long, value_name = "TIME", value_parser = input::time_or_date)]
    from: Option<Timestamp>,
    /// Until before this time or date (UTC); else until now.
    #[arg(long, value_name = "TIME", value_parser = input::time_or_date)]
    to: Option<Timestamp>,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::List(ListArgs {}) => {
            let items = session.client()?.compliance_packs().all().await?;
            session.out.show(&Page { items, next: None }, |page| list(&session.out, &page.items))?;
            Ok(Exit::Ok)
        }
        Command::Status(args) => status(args, session).await,
    }
}

async fn status(args: StatusArgs, session: &Session) -> Result<Exit, CliError> {
    let range = ComplianceQuery { from: args.from, to: args.to };
    let client = session.client()?;
    let status = match (args.pack, args.file) {
        (Some(pack), _) => client.compliance(&pack, &range).await?,
        (None, Some(file)) => {
            let bytes = input::read(&file, PACK_BYTES_MAX)?;
            let pack = json::parse(&bytes, PACK_BYTES_MAX);
            let pack = pack.map_err(|error| CliError::faulty(&file, error.to_string()))?;
            client.compliance_of(&pack, &range).await?
        }
        (None, None) => return Err(CliError::Usage("name a pack, or a file with --file".to_owned())),
    };
    session.out.show(&status, |status| table(&session.out, status))?;
    Ok(Exit::Ok)
}

fn list(out: &Output, packs: &[CompliancePack]) -> String {
    let mut grid = out.grid(&["PACK", "VERSION", "CONTROLS", "TITLE"]);
    for pack in packs {
        grid.row([
            Cell::from(pack.name.as_str()),
            Cell::from(pack.version.to_string()),
            Cell::from(pack.controls.to_string()),
            Cell::from(pack.title.as_str()),
        ]);
    }
    grid.text_or("no packs")
}

fn table(out: &Output, status: &ComplianceStatus) -> String {
    let head = fields([
        ("pack", Some(format!("{}, version {}", status.pack.title, status.pack.version))),
        ("range", Some(format!("{} until {}", show::time(status.from), show::time(status.to)))),
        ("entries", Some(status.entries.to_string())),
    ]);
    let mut grid = out.grid(&["CONTROL", "TITLE", "STATUS", "WHAT IS LACKING, OR CONTRADICTS"]);
    for control in &status.controls {
        let tone = match control.status {
            Standing::Supported => Tone::Good,
            Standing::NotSupported => Tone::Busy,
            Standing::Contradicted => Tone::Bad,
        };
        grid.row([
            Cell::from(control.id.as_str()),
            Cell::from(control.title.as_str()),
            Cell::toned(&control.says, tone),
            Cell::from(problems(control)),
        ]);
    }
    format!("{head}\n{}", grid.text_or("no controls"))
}

/// What keeps a control from being supported.
fn problems(control: &ControlStatus) -> String {
    let failing = control.queries.iter().filter(|query| !query.holds);
    let said = failing.map(|query| {
        let lacking =
            query.lacking.map(|part| format!(" from {} until {}", show::time(part.from), show::time(part.to)));
        let lacking = lacking.map(|part| format!(", too few{part}")).unwrap_or_default();
        format!("{} ({}: {}, found {}{lacking})", query.says, query.kinds.join(" "), query.expected, query.found)
    });
    said.collect::<Vec<_>>().join(" ")
}
