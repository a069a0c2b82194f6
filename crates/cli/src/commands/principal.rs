//! `chancery principal`

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::key_file::NewKeyFile;
use crate::output::{Cell, Tone, fields};
use crate::session::Session;
use chancery_api::principal::{ChangePrincipal, CreatePrincipal, Principal, PrincipalKind};
use chancery_base::{Name, PrincipalId};
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// Make, change, suspend and list principals: users, services and agents.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery principal create --kind agent --name bot --role agent \\
      --attribute limit=5000 --key-out bot.key
  chancery principal suspend agt_…
  chancery principal list")]
pub(crate) enum Command {
    Create(CreateArgs),
    Set(SetArgs),
    Suspend(SuspendArgs),
    Resume(ResumeArgs),
    List(ListArgs),
}

/// Make a principal, and with --key-out a key for it.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery principal create --kind agent --name bot --role agent \\
      --attribute limit=5000 --key-out bot.key
  chancery principal create --kind service --name shop --role service -o json | jq -r .id")]
pub(crate) struct CreateArgs {
    /// What it is.
    #[arg(long, value_enum)]
    kind: Kind,
    /// What people call it; one of its kind in the tenant.
    #[arg(long)]
    name: String,
    /// A role, such as service, agent, developer, operator, auditor or owner. Can be repeated.
    #[arg(long, value_name = "ROLE")]
    role: Vec<Name>,
    /// An attribute for the tenant's policies: JSON, else text. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    attribute: Vec<(String, String)>,
    /// Issue a key, too, and write it to this new file with mode 0600.
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
}

/// Change a principal; in force when this returns. What is not named stays.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery principal set agt_… --attribute limit=100
  chancery principal set usr_… --role operator --role auditor
  chancery principal set svc_… --name shop-2 --remove-attribute region")]
pub(crate) struct SetArgs {
    /// Which.
    principal: PrincipalId,
    /// What people call it from now on.
    #[arg(long)]
    name: Option<String>,
    /// All its roles from now on. Can be repeated.
    #[arg(long, value_name = "ROLE")]
    role: Vec<Name>,
    /// Take every role from it.
    #[arg(long, conflicts_with = "role")]
    no_roles: bool,
    /// An attribute to set; others stay: JSON, else text. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    attribute: Vec<(String, String)>,
    /// An attribute to remove. Can be repeated.
    #[arg(long, value_name = "NAME")]
    remove_attribute: Vec<String>,
}

/// Suspend a principal: all that it asks for is denied when this returns.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery principal suspend agt_…")]
pub(crate) struct SuspendArgs {
    /// Which.
    principal: PrincipalId,
}

/// End a suspension.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery principal resume agt_…")]
pub(crate) struct ResumeArgs {
    /// Which.
    principal: PrincipalId,
}

/// List the tenant's principals.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery principal list
  chancery principal list -o json | jq '.items[] | select(.suspended)'")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A person.
    User,
    /// A program.
    Service,
    /// An AI agent.
    Agent,
}

impl From<Kind> for PrincipalKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::User,
            Kind::Service => Self::Service,
            Kind::Agent => Self::Agent,
        }
    }
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Create(args) => create(args, session).await,
        Command::Set(args) => set(args, session).await,
        Command::Suspend(SuspendArgs { principal }) => suspend(principal, true, session).await,
        Command::Resume(ResumeArgs { principal }) => suspend(principal, false, session).await,
        Command::List(args) => list(args, session).await,
    }
}

async fn create(args: CreateArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let attributes = input::attributes("--attribute", &args.attribute)?;
    let file = args.key_out.as_deref().map(NewKeyFile::create).transpose()?;
    let new = CreatePrincipal { kind: args.kind.into(), name: args.name, roles: args.role, attributes };
    let made = client.principal_create(&new).await?;
    if let Some(file) = file {
        file.write(&client.key_issue(made.id, None).await?.key.into_secret())?;
    }
    session.out.show(&made, principal)?;
    if let Some(path) = args.key_out {
        session.out.say(&format!("its key is in {}", path.display()));
    }
    Ok(Exit::Ok)
}

async fn set(args: SetArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let roles = if args.no_roles || !args.role.is_empty() { Some(args.role) } else { None };
    let mut attributes = None;
    if !args.attribute.is_empty() || !args.remove_attribute.is_empty() {
        let mut all = client.principal_get(args.principal).await?.attributes;
        all.retain(|name, _| !args.remove_attribute.contains(name));
        all.extend(input::attributes("--attribute", &args.attribute)?);
        attributes = Some(all);
    }
    let change = ChangePrincipal { name: args.name, roles, attributes, suspended: None };
    if change == ChangePrincipal::default() {
        return Err(CliError::Usage(
            "name what to change: --name, --role, --attribute or --remove-attribute".to_owned(),
        ));
    }
    session.out.show(&client.principal_set(args.principal, &change).await?, principal)?;
    Ok(Exit::Ok)
}

async fn suspend(id: PrincipalId, suspended: bool, session: &Session) -> Result<Exit, CliError> {
    let change = ChangePrincipal { suspended: Some(suspended), ..ChangePrincipal::default() };
    session.out.show(&session.client()?.principal_set(id, &change).await?, principal)?;
    Ok(Exit::Ok)
}

async fn list(args: ListArgs, session: &Session) -> Result<Exit, CliError> {
    let pages = session.client()?.principals();
    args.page
        .show(session, pages, |items| {
            let mut grid = session.out.grid(&["PRINCIPAL", "NAME", "ROLES", "ATTRIBUTES", "STATE"]);
            for item in items {
                let (state, tone) = if item.suspended { ("suspended", Tone::Bad) } else { ("active", Tone::Good) };
                grid.row([
                    Cell::from(item.id.to_string()),
                    Cell::from(item.name.as_str()),
                    Cell::from(roles(item)),
                    Cell::from(attributes(item)),
                    Cell::toned(state, tone),
                ]);
            }
            grid.text_or("no principals")
        })
        .await
}

fn principal(body: &Principal) -> String {
    fields([
        ("principal", Some(body.id.to_string())),
        ("name", Some(body.name.clone())),
        ("roles", Some(roles(body).unwrap_or_else(|| "none".to_owned()))),
        ("attributes", attributes(body)),
        ("state", Some(if body.suspended { "suspended" } else { "active" }.to_owned())),
    ])
}

fn roles(body: &Principal) -> Option<String> {
    let roles: Vec<&str> = body.roles.iter().map(Name::as_str).collect();
    Some(roles.join(", ")).filter(|roles| !roles.is_empty())
}

fn attributes(body: &Principal) -> Option<String> {
    let pairs: Vec<String> = body.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(pairs.join(" ")).filter(|pairs| !pairs.is_empty())
}
