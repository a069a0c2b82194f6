//! `chancery settings`

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{Cell, fields, plain};
use crate::session::Session;
use chancery_api::settings::{SetSettings, Settings};
use clap::Subcommand;
use serde_json::{Map, Value};

/// Set what expressions see as `env`: URLs, limits, switches. No secrets: whoever may read the ledger reads them.
///
/// A transaction keeps the settings that it began with; what starts after a change sees the new ones.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery settings set PAYMENTS=https://pay.example RETRY_LIMIT=3
  chancery settings get
  chancery settings unset RETRY_LIMIT
  chancery settings history")]
pub(crate) enum Command {
    Get(GetArgs),
    Set(SetArgs),
    Unset(UnsetArgs),
    History(HistoryArgs),
}

/// Show the settings, or the value of one.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery settings get
  chancery settings get PAYMENTS
  chancery settings get -o json")]
pub(crate) struct GetArgs {
    /// Only the value of this one.
    name: Option<String>,
}

/// Set some of the settings; the others stay. An entry in the ledger, values and all: no secrets.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery settings set PAYMENTS=https://pay.example
  chancery settings set LIMIT=3 REGIONS='[\"eu\", \"us\"]' --if-version 7
  chancery settings set --all @settings.json")]
pub(crate) struct SetArgs {
    /// What to set: a value that is JSON is taken as that, else as text. `NAME='\"3\"'` is the text `3`.
    #[arg(value_name = "NAME=VALUE", required_unless_present = "all", value_parser = pair)]
    values: Vec<(String, Value)>,
    /// Set these and nothing else: a JSON object as text, `@FILE`, or `-` for the standard input.
    #[arg(long, value_name = "JSON", conflicts_with = "values")]
    all: Option<String>,
    /// Only if this is their version still, so that nobody's change is undone unseen.
    #[arg(long, value_name = "N")]
    if_version: Option<u32>,
}

/// Take settings out. A step whose expression names one of them fails from then on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery settings unset RETRY_LIMIT
  chancery settings unset RETRY_LIMIT REGIONS --if-version 8")]
pub(crate) struct UnsetArgs {
    /// Which.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Only if this is their version still.
    #[arg(long, value_name = "N")]
    if_version: Option<u32>,
}

/// List the versions of the settings, the newest first: who changed what when.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery settings history
  chancery settings history --limit 1000 -o json")]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    page: PageArgs,
}

fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let json = chancery_base::json::parse(value.as_bytes(), value.len());
    Ok((name.to_owned(), json.unwrap_or_else(|_| Value::from(value))))
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let settings = match command {
        Command::Get(GetArgs { name: None }) => client.settings().await?,
        Command::Get(GetArgs { name: Some(name) }) => return one(&name, session).await,
        Command::Set(SetArgs { all: Some(all), if_version, .. }) => {
            let values = input::json_object("--all", &all)?;
            client.settings_put(&SetSettings { if_version, values }).await?
        }
        Command::Set(SetArgs { values, if_version, .. }) => {
            if let Some((name, _)) = values.iter().find(|(_, value)| value.is_null()) {
                return Err(CliError::Usage(format!("`{name}` is null: take it out by `chancery settings unset`")));
            }
            client.settings_patch(&SetSettings { if_version, values: values.into_iter().collect() }).await?
        }
        Command::Unset(UnsetArgs { names, if_version }) => {
            let values = names.into_iter().map(|name| (name, Value::Null)).collect();
            client.settings_patch(&SetSettings { if_version, values }).await?
        }
        Command::History(HistoryArgs { page }) => return history(page, session).await,
    };
    session.out.show(&settings, |settings| table(settings, session))?;
    Ok(Exit::Ok)
}

/// The value of one setting: text as it is, what else there is as JSON.
async fn one(name: &str, session: &Session) -> Result<Exit, CliError> {
    let settings = session.client()?.settings().await?;
    let Some(value) = settings.values.get(name) else {
        return Err(CliError::Missing(format!("`{name}` is not set; `chancery settings get` lists what is")));
    };
    session.out.show(value, shown)?;
    Ok(Exit::Ok)
}

async fn history(page: PageArgs, session: &Session) -> Result<Exit, CliError> {
    let pages = session.client()?.settings_versions();
    page.show(session, pages, |items| {
        let mut grid = session.out.grid(&["VERSION", "CHANGED", "BY", "WHAT"]);
        let older = items.iter().skip(1).map(Some).chain([None]);
        for (settings, older) in items.iter().zip(older) {
            let what = match older {
                Some(older) => difference(&older.values, &settings.values),
                None if settings.version == 1 => difference(&Map::new(), &settings.values),
                // What was before is on the next page.
                None => "…".to_owned(),
            };
            grid.row([
                Cell::from(settings.version.to_string()),
                Cell::from(settings.changed_at.map(crate::show::time)),
                Cell::from(settings.changed_by.map(|by| by.to_string())),
                Cell::from(what),
            ]);
        }
        grid.text_or("nothing was ever set")
    })
    .await
}

/// What changed from one version to the next: `+` was put in, `-` taken out, `~` changed.
fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let put = after.iter().filter_map(|(name, value)| match before.get(name) {
        None => Some(format!("+{name}")),
        Some(old) if old != value => Some(format!("~{name}")),
        Some(_) => None,
    });
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("-{name}"));
    put.chain(gone).collect::<Vec<_>>().join(" ")
}

fn table(settings: &Settings, session: &Session) -> String {
    let head = fields([
        ("version", Some(settings.version.to_string())),
        ("changed", settings.changed_at.map(crate::show::time)),
        ("by", settings.changed_by.map(|by| by.to_string())),
    ]);
    let mut grid = session.out.grid(&["NAME", "VALUE"]);
    for (name, value) in &settings.values {
        grid.row([Cell::from(name.clone()), Cell::from(shown(value))]);
    }
    format!("{head}\n{}", grid.text_or("no settings"))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), plain)
}
