//! `chancery key`

use crate::error::CliError;
use crate::exit::Exit;
use crate::key_file::NewKeyFile;
use crate::output::{Cell, Tone, fields};
use crate::session::Session;
use crate::show;
use chancery_api::Page;
use chancery_base::{KeyId, PrincipalId, Timestamp, duration};
use clap::Subcommand;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Issue, list and revoke a principal's API keys.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery key issue svc_… --expires-in 90d --key-out shop.key
  chancery key list svc_…
  chancery key revoke key_…")]
pub(crate) enum Command {
    Issue(IssueArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Issue an API key. It is shown once: with --key-out it goes to a file with mode 0600 and is not shown at all.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery key issue svc_… --expires-in 90d --key-out shop.key
  chancery key issue agt_… -o json | jq -r .key")]
pub(crate) struct IssueArgs {
    /// Whose.
    principal: PrincipalId,
    /// For how long it works, such as 90d; without it until it is revoked.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    expires_in: Option<Duration>,
    /// The new file to write the key to.
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
}

/// List a principal's keys: their ids, never the keys.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery key list svc_…
  chancery key list svc_… -o json")]
pub(crate) struct ListArgs {
    /// Whose.
    principal: PrincipalId,
}

/// Revoke a key: it no longer works when this returns.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery key revoke key_…")]
pub(crate) struct RevokeArgs {
    /// The key's id.
    key: KeyId,
}

/// A key that went to a file: what can be shown of it.
#[derive(Debug, Serialize)]
struct Kept {
    id: KeyId,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    key_file: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Issue(args) => issue(args, session).await,
        Command::List(args) => list(args, session).await,
        Command::Revoke(args) => {
            session.client()?.key_revoke(args.key).await?;
            session.out.say(&format!("{} is revoked", args.key));
            Ok(Exit::Ok)
        }
    }
}

async fn issue(args: IssueArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let file = args.key_out.as_deref().map(NewKeyFile::create).transpose()?;
    let issued = client.key_issue(args.principal, args.expires_in).await?;
    let until = |at: Option<Timestamp>| at.map_or_else(|| "until it is revoked".to_owned(), show::time);
    if let (Some(file), Some(path)) = (file, args.key_out) {
        file.write(&issued.key.into_secret())?;
        let kept = Kept { id: issued.id, expires_at: issued.expires_at, key_file: path.display().to_string() };
        session.out.show(&kept, |kept| {
            fields([
                ("key", Some(kept.id.to_string())),
                ("works", Some(until(kept.expires_at))),
                ("file", Some(kept.key_file.clone())),
            ])
        })?;
        return Ok(Exit::Ok);
    }
    session.out.show(&issued, |issued| {
        fields([
            ("id", Some(issued.id.to_string())),
            ("works", Some(until(issued.expires_at))),
            ("key", Some(issued.key.clone().into_secret().expose().to_owned())),
        ])
    })?;
    session.out.say("the key is not shown again");
    Ok(Exit::Ok)
}

async fn list(args: ListArgs, session: &Session) -> Result<Exit, CliError> {
    let items = session.client()?.keys(args.principal).all().await?;
    session.out.show(&Page { items, next: None }, |page| {
        let mut grid = session.out.grid(&["KEY", "ISSUED", "EXPIRES", "REVOKED"]);
        for key in &page.items {
            grid.row([
                Cell::from(key.id.to_string()),
                Cell::from(show::time(key.issued_at)),
                Cell::from(key.expires_at.map(show::time)),
                key.revoked_at.map_or_else(|| Cell::from("-"), |at| Cell::toned(show::time(at), Tone::Bad)),
            ]);
        }
        grid.text_or("no keys")
    })?;
    Ok(Exit::Ok)
}
